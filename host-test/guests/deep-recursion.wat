;; Calls itself without an end, with locals that no compiler can drop.
(module
  (memory (export "memory") 17)
  (func (export "if_alloc") (param i32) (result i32) (i32.const 65536))
  (func $dig (param i64) (result i64)
    (i64.add (local.get 0) (call $dig (i64.add (local.get 0) (i64.const 1)))))
  (func (export "if_call") (param i32 i32) (result i64) (call $dig (i64.const 1))))
