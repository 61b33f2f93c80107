//! The golden cases of `tests/`, on the native core.

use image_factory::abi::answer;
use image_factory_harness::check_all;

#[test]
fn generate() {
    assert!(check_all("generate", answer) > 0);
}

#[test]
fn analyze() {
    assert!(check_all("analyze", answer) > 0);
}

#[test]
fn lifecycle() {
    assert!(check_all("lifecycle", answer) > 0);
}

#[test]
fn checks() {
    assert!(check_all("check", answer) > 0);
}

#[test]
fn rebuild() {
    assert!(check_all("rebuild", answer) > 0);
}
