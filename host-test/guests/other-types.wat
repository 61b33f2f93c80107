;; Has the right exports with the wrong types.
(module
  (memory (export "memory") 1)
  (func (export "if_alloc") (param i64) (result i64) (i64.const 0))
  (func (export "if_call") (result i32) (i32.const 0)))
