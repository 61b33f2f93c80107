//! The compiled module, seen from outside; everything is in `tests/`.
