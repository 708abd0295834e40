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
