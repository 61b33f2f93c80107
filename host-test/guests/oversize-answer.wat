;; Answers with 2 GiB less one byte.
(module
  (memory (export "memory") 17)
  (func (export "if_alloc") (param i32) (result i32) (i32.const 65536))
  (func (export "if_call") (param i32 i32) (result i64) (i64.const 0x7fffffff)))
