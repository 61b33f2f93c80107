;; Takes all the memory that it can get, and traps when there is no more, as Rust's allocator does.
(module
  (memory (export "memory") 17)
  (func (export "if_alloc") (param i32) (result i32) (i32.const 65536))
  (func (export "if_call") (param i32 i32) (result i64)
    (loop $again
      (br_if $again (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
    (unreachable)))
