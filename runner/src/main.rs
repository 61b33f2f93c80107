//! Image Factory.
fn main() {}
