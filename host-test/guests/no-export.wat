;; Speaks no ABI at all.
(module (memory (export "memory") 1))
