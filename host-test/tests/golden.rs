//! The golden cases of `tests/`, on the compiled module, through both of its ABIs.

use image_factory_harness::{check_all, parse};
use image_factory_runner::host::{Abi, Host, Limits};

/// Asks the module over both ABIs; that the two agree is asserted on the way.
fn check(kind: &str) -> usize {
    let host = Host::embedded(Limits::default()).expect("the module runs where it was built");
    check_all(kind, |request| {
        let verb = parse(request).verb;
        let call = |abi| host.call(abi, &verb, request.to_vec()).expect("a case is within the limits");
        let (plain, extism) = (call(Abi::Plain), call(Abi::Extism));
        assert_eq!(plain, extism, "the two ABIs give different answers");
        plain
    })
}

#[test]
fn generate() {
    assert!(check("generate") > 0);
}

#[test]
fn analyze() {
    assert!(check("analyze") > 0);
}

#[test]
fn lifecycle() {
    assert!(check("lifecycle") > 0);
}

#[test]
fn checks() {
    assert!(check("check") > 0);
}

#[test]
fn rebuild() {
    assert!(check("rebuild") > 0);
}
