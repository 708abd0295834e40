use crate::prelude::*;
use crate::testing::Run;
use crate::tests::{Shopper, ada, hello, shop};

#[test]
fn a_flow_sends_waits_reads_and_changes() {
    async fn flow(flow: Flow<Shopper>) {
        for round in 0..3 {
            let user = flow.user().await;
            flow.log(format!("{} {} {}", flow.user_id(), user.visits, flow.now()));
            flow.send(hello(round, &user.username)).await;
            flow.update(Shopper::patch().visits(user.visits + 1).nickname("A")).await;
            flow.wait(hours(36)).await;
        }
        flow.update(Shopper::patch().clear_nickname()).await;
    }
    let mut run = Run::new(shop(flow)).user("ada", ada());
    assert_eq!(run.get("ada").map(|user| (user.visits, user.nickname)), Some((1, Some("A".into()))));
    run.advance(days(4));
    assert_eq!(run.sent("hello").days(), [0, 1, 3]);
    assert_eq!(run.sent("hello").subjects(), ["Hello Ada, 0", "Hello Ada, 1", "Hello Ada, 2"]);
    assert_eq!(run.logs("ada")[1], "ada 1 2026-01-02T12:00:00Z");
    run.advance(days(1));
    assert_eq!(run.get("ada").map(|user| (user.visits, user.nickname)), Some((3, None)));
    assert_eq!(run.now().to_string(), "2026-01-06T00:00:00Z");
}

#[test]
fn what_is_random_stays_as_it_was() {
    async fn flow(flow: Flow<Shopper>) {
        let drawn = flow.random();
        assert!((0.0..1.0).contains(&drawn));
        flow.wait(days(1)).await;
        flow.log(drawn.to_string());
        flow.wait(days(1)).await;
        flow.log(drawn.to_string());
    }
    let mut run = Run::new(shop(flow)).user("ada", ada());
    run.advance(days(2));
    let logs = run.logs("ada");
    assert_eq!((logs.len(), logs[0]), (2, logs[1]));
}

#[test]
fn without_an_address_a_message_is_refused_and_the_flow_goes_on() {
    async fn flow(flow: Flow<Shopper>) {
        flow.send(hello(1, "x")).await;
        flow.log("on");
    }
    let run = Run::new(shop(flow)).user("ada", Shopper { mail: None, ..ada() });
    assert_eq!(run.sent("hello").len(), 0);
    assert_eq!(run.refused("hello")[0].reason, "no email address");
    assert_eq!(run.logs("ada"), ["on"]);
}

#[test]
#[should_panic(
    expected = "the user has no attribute `username`, which Shopper declares: give it a value, or make it an `Option`"
)]
fn a_missing_attribute_stops_the_flow_with_a_sentence() {
    async fn flow(flow: Flow<Shopper>) {
        flow.user().await;
    }
    let mut run = Run::new(shop(flow));
    run.update("ada", Shopper::patch().visits(1));
}

#[test]
#[should_panic(expected = "campaign `main` stopped for user `ada`: too bad (segflow-sdk/src/testing/tests.rs:")]
fn a_panic_in_a_flow_fails_the_test_with_its_place() {
    async fn flow(_: Flow<Shopper>) {
        panic!("too bad");
    }
    Run::new(shop(flow)).user("ada", ada());
}

#[test]
#[should_panic(expected = "the project has no template `helo`")]
fn a_misspelt_template_fails_the_test() {
    async fn flow(_: Flow<Shopper>) {}
    Run::new(shop(flow)).sent("helo");
}

#[test]
#[should_panic(expected = "a push would refuse this project:\n  segment everyone: ")]
fn a_project_with_a_problem_does_not_run() {
    async fn flow(_: Flow<Shopper>) {}
    Run::new(shop(flow).segments([Segment::new("everyone", user::<Shopper>(|u| u.visits.gt(1)))]));
}

#[test]
fn sql_segments_have_the_members_that_are_said() {
    async fn flow(flow: Flow<Shopper>) {
        flow.log("in");
    }
    let project =
        Project::new("sql").campaign(Campaign::new("main", flow).enters(Segment::sql("beta", "SELECT id FROM users")));
    let run = Run::new(project).sql_segment("beta", ["ada"]).user("ada", ada()).user("bob", ada());
    assert!(run.in_segment("ada", "beta") && !run.in_segment("bob", "beta"));
    assert_eq!((run.logs("ada").len(), run.logs("bob").len()), (1, 0));
}
