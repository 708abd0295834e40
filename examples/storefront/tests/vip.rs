mod common;

use common::{ada, order};
use segflow::prelude::*;
use segflow::testing::Run;
use storefront::storefront;

#[test]
fn big_spenders_hear_from_us_every_month() {
    let mut run = Run::new(storefront()).user("ada", ada()).user("bob", ada());
    run.emit("ada", &order("A-1", 600.0));
    run.emit("bob", &order("B-1", 1000.0));
    assert!(run.in_segment("ada", "purchased-users") && !run.in_segment("ada", "big-spenders"));
    run.advance(days(10));
    run.emit("ada", &order("A-2", 400.01));
    run.advance(days(95));
    assert_eq!(run.sent("vip-email").days(), [10, 40, 70, 100]);
    assert_eq!(run.sent("vip-email").to("bob").len(), 0);
    assert_eq!(run.sent("vip-email")[0].subject, "You're one of our VIP customers, Ada!");
}
