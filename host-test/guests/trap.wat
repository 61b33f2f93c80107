;; Ends at once, as a panic does.
(module
  (memory (export "memory") 17)
  (func (export "if_alloc") (param i32) (result i32) (i32.const 65536))
  (func (export "if_call") (param i32 i32) (result i64) (unreachable)))
