//! A month of the project in a moment: no server, no waiting. A changed wait or send makes these fail.

use __CRATE__::{Purchase, User, project};
use segflow::{days, testing::Run};

fn ada() -> User {
    User { username: "Ada".into(), email: "ada@example.com".into(), wants_tips: true, time_zone: None }
}

#[test]
fn a_welcome_and_three_tips() {
    let mut run = Run::new(project()).user("ada", ada());
    run.advance(days(30));
    assert_eq!(run.sent("welcome").days(), [0]);
    assert_eq!(run.sent("tips").days(), [7, 14, 21]);
}

#[test]
fn tips_stop_when_they_are_no_longer_wanted() {
    let mut run = Run::new(project()).user("ada", ada());
    run.advance(days(10));
    run.update("ada", User::patch().wants_tips(false));
    run.advance(days(20));
    assert_eq!(run.sent("tips").days(), [7]);
}

#[test]
fn an_order_is_confirmed_at_once() {
    let mut run = Run::new(project()).user("ada", ada());
    run.emit("ada", &Purchase { value: 99.0, order_id: "A-1".into() });
    assert_eq!(run.sent("order").subjects(), ["Your order A-1"]);
    assert!(run.in_segment("ada", "buyers"));
}
