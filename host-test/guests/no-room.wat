;; Gives a buffer for the request that is not in its memory.
(module
  (memory (export "memory") 1)
  (func (export "if_alloc") (param i32) (result i32) (i32.const -8))
  (func (export "if_call") (param i32 i32) (result i64) (i64.const 0)))
