use proptest::prelude::*;

use super::*;

fn well() -> Outcome {
    Outcome::Accepted { provider_id: None }
}

fn failed() -> Outcome {
    Outcome::Unable { why: "no connection".into(), pause: None }
}

fn down(pause: i64) -> Outcome {
    Outcome::Unable { why: "wrong password".into(), pause: Some(pause) }
}

fn open(health: &Health) -> (i64, u32) {
    match health.breaker {
        Breaker::Open { until, times } => (until, times),
        other => panic!("{other:?}"),
    }
}

#[test]
fn some_failures_in_a_row_open_it_and_one_success_begins_the_count_anew() {
    let mut health = Health::default();
    for _ in 0..3 {
        for _ in 1..FAILURES {
            assert_eq!(health.hear(&[failed()], false, 1, 0), None);
        }
        assert_eq!(health.hear(&[Outcome::Refused("no such mailbox".into())], false, 1, 0), None);
    }
    for _ in 1..FAILURES {
        health.hear(&[Outcome::Ambiguous("no answer".into())], false, 1, 0);
    }
    let change = health.hear(&[failed()], false, 1, 0);
    assert_eq!(change, Some(Change::Opened { why: "no connection".into() }));
    let (until, times) = open(&health);
    assert!((FIRST..FIRST * 5 / 4).contains(&until) && times == 1, "{until} {times}");
    assert_eq!((health.access(until - 1), health.access(until)), (Access::Shut(until), Access::Probe));
}

#[test]
fn what_a_provider_says_of_itself_opens_it_at_once() {
    let mut health = Health::default();
    health.hear(&[down(60_000)], false, 1, 5);
    assert_eq!(open(&health), (60_005, 1));
    // One that was taken in the same call says otherwise.
    let mut health = Health::default();
    assert_eq!(health.hear(&[down(60_000), well(), failed()], false, 1, 5), None);
    assert_eq!(health.access(5), Access::Free);
}

#[test]
fn who_is_busy_is_waited_for() {
    let mut health = Health::default();
    for now in 0..50 {
        assert_eq!(health.hear(&[down(2_000)], false, 1, now), None);
    }
    assert_eq!(health.access(2_048), Access::Busy(2_049));
    assert_eq!(health.access(2_049), Access::Free);
    assert!(!goes_elsewhere(&down(2_000), 0, 3));
}

#[test]
fn one_message_shows_whether_it_is_well_again() {
    let mut health = Health::default();
    health.hear(&[down(60_000)], false, 1, 0);
    health.breaker = health.breaker.half_open(70_000);
    assert_eq!(health.access(70_000), Access::Shut(70_000 + PROBE));
    assert_eq!(health.access(70_000 + PROBE), Access::Probe, "whoever sent it is gone");
    // What began before it opened shows nothing.
    assert_eq!(health.hear(&[well()], false, 1, 71_000), None);
    assert_eq!(health.hear(&[failed()], false, 1, 71_000), None);
    assert_eq!(health.hear(&[well()], true, 1, 71_000), Some(Change::Closed));
    assert_eq!(health, Health::default());
    // Once is enough to open it again.
    health.breaker = Breaker::Open { until: 0, times: 3 }.half_open(0);
    assert!(matches!(health.hear(&[failed()], true, 1, 0), Some(Change::Opened { .. })));
    assert_eq!(open(&health).1, 4);
    let unproven = health.breaker.half_open(9).unproven(10);
    assert_eq!(unproven, Breaker::Open { until: 10, times: 4 });
}

#[test]
fn a_message_is_given_to_each_other_provider_once() {
    let tried: Vec<bool> = (0..4).map(|before| goes_elsewhere(&failed(), before, 2)).collect();
    assert_eq!(tried, [true, true, false, false]);
    for other in
        [Outcome::Ambiguous("cut".into()), Outcome::Repeatable("cut".into()), Outcome::Retry("busy".into()), well()]
    {
        assert!(!goes_elsewhere(&other, 0, 2), "{other:?}");
    }
}

proptest! {
    /// However it goes: it is never left alone for ever, pauses stay within bounds, and it is closed by success alone.
    #[test]
    fn it_always_comes_back(steps in proptest::collection::vec((0..4u8, 0..400_000i64), 1..60), seed: u64) {
        let (mut health, mut now) = (Health::default(), 0);
        for (what, pass) in steps {
            now += pass;
            let probe = match health.access(now) {
                Access::Free => false,
                Access::Probe => { health.breaker = health.breaker.half_open(now); true }
                Access::Busy(until) => { prop_assert!(until <= now + BUSY); continue }
                Access::Shut(until) => { prop_assert!(until <= now + PROBE.max(LONGEST * 5 / 4)); continue }
            };
            let outcome = [well(), failed(), down(100), down(200_000)][usize::from(what)].clone();
            let change = health.hear(&[outcome], probe, seed, now);
            match what {
                0 | 2 => prop_assert_eq!(health.breaker, Breaker::Closed),
                _ if probe => prop_assert!(change.is_some_and(|change| change != Change::Closed)),
                _ => {}
            }
            let waits = matches!(health.breaker, Breaker::HalfOpen { .. });
            prop_assert!(!waits, "for a call that has ended");
        }
    }
}
