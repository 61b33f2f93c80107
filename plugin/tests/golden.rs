//! The golden cases of `tests/`, on the native core.

use image_factory::abi::answer;
use image_factory_harness::check_all;

#[test]
fn generate() {
    assert!(check_all("generate", answer) > 0);
}
