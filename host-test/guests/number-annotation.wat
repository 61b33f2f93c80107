;; Prints an annotation that is a number, which an API server would refuse.
(module
  (memory (export "memory") 17)
  (data (i32.const 16) "{\"manifests\":[{\"apiVersion\":\"kargo.akuity.io/v1alpha1\",\"kind\":\"Warehouse\",\"metadata\":{\"name\":\"node\",\"namespace\":\"image-factory\",\"annotations\":{\"kargo.akuity.io/color\":5}}}]}")
  (func (export "if_alloc") (param i32) (result i32) (i32.const 65536))
  (func (export "if_call") (param i32 i32) (result i64)
    (i64.or (i64.shl (i64.const 16) (i64.const 32)) (i64.const 173))))
