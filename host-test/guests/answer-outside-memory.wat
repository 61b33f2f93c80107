;; Answers with bytes that begin in its memory and end beyond it.
(module
  (memory (export "memory") 1)
  (func (export "if_alloc") (param i32) (result i32) (i32.const 0))
  (func (export "if_call") (param i32 i32) (result i64)
    (i64.or (i64.shl (i64.const 65530) (i64.const 32)) (i64.const 100))))
