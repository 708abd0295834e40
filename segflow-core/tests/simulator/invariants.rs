//! How an invariant fails: with its name, and in which world.

use std::cell::RefCell;
use std::fmt::Debug;

thread_local! {
    static WORLD: RefCell<String> = RefCell::default();
}

/// Says what is being played.
pub fn playing(world: String) {
    WORLD.with(|of| *of.borrow_mut() = world);
}

#[track_caller]
pub fn holds(condition: bool, name: &str, detail: impl FnOnce() -> String) {
    assert!(condition, "invariant `{name}` broken in {}: {}", WORLD.with(|of| of.borrow().clone()), detail());
}

#[track_caller]
pub fn equal<T: PartialEq + Debug>(is: &T, should: &T, name: &str) {
    holds(is == should, name, || format!("\n  is     {is:?}\n  should {should:?}"));
}
