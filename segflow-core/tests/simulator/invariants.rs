//! How an invariant fails: with its name.

use std::fmt::Debug;

#[track_caller]
pub fn holds(condition: bool, name: &str, detail: impl FnOnce() -> String) {
    assert!(condition, "invariant `{name}` broken: {}", detail());
}

#[track_caller]
pub fn equal<T: PartialEq + Debug>(is: &T, should: &T, name: &str) {
    assert!(is == should, "invariant `{name}` broken:\n  is     {is:?}\n  should {should:?}");
}
