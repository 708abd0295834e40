mod common;

use common::ada;
use segflow::prelude::*;
use segflow::testing::Run;
use storefront::{Shopper, storefront};

#[test]
fn eight_mails_then_silence() {
    let mut run = Run::new(storefront()).user("ada", Shopper { winback: true, ..ada() });
    run.advance(days(400));
    assert_eq!(run.sent("winback-email").days(), [0, 1, 3, 7, 15, 31, 63, 127]);
    assert_eq!(run.sent("winback-email")[0].subject, "We miss you, Ada!");
}

#[test]
fn who_comes_back_is_left_alone() {
    let mut run = Run::new(storefront()).user("ada", Shopper { winback: true, ..ada() });
    run.advance(days(5));
    run.update("ada", Shopper::patch().winback(false));
    run.advance(days(100));
    assert_eq!(run.sent("winback-email").days(), [0, 1, 3]);
    run.update("ada", Shopper::patch().winback(true));
    run.advance(days(2));
    assert_eq!(run.sent("winback-email").days(), [0, 1, 3, 105, 106]);
}
