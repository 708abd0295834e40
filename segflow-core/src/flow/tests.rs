use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use segflow_protocol::{Completion, Divergence, Effect, End, Entry, Happened, Json, OpKind, Turn, TurnOutcome, Waits};
use serde_json::json;

use super::{Flow, Given};
use crate::memory::object;
use crate::merge::Object;

fn run<F: Future<Output = ()>>(turn: Turn, flow: impl FnOnce(Flow) -> F) -> TurnOutcome {
    super::run(turn, Given::default(), flow)
}

const DAY: i64 = 86_400_000;

fn turn(now: i64, journal: &[Entry], ended: &[u64]) -> Turn {
    let completion = |op: &u64| Completion { op: *op, happened: Happened::Elapsed { at: now } };
    Turn {
        campaign: "c".into(),
        user_id: "ada".into(),
        seed: 7,
        first_op: 0,
        started_at: 0,
        now,
        attributes: Json("{}".into()),
        journal: journal.iter().cloned().collect(),
        completions: ended.iter().map(completion).collect(),
    }
}

fn with(attributes: serde_json::Value, turn: Turn) -> Turn {
    Turn { attributes: Json(attributes.to_string()), ..turn }
}

fn empty() -> impl FnOnce() -> Result<Json, String> {
    || Ok(Json("{}".into()))
}

fn open(outcome: &TurnOutcome) -> Vec<u64> {
    outcome.pending.iter().map(|p| p.op).collect()
}

fn happened(outcome: &TurnOutcome) -> Vec<(u64, Happened)> {
    outcome.entries.iter().map(|e| (e.op, e.happened.clone())).collect()
}

fn sent(outcome: &TurnOutcome) -> Vec<(u64, &str)> {
    let send = |effect| match effect {
        &Effect::Send { op, ref template, .. } => Some((op, template.as_str())),
        _ => None,
    };
    outcome.effects.iter().filter_map(send).collect()
}

/// Plays a flow to its end, one turn a day at which every wait is over. Returns every turn with its outcome.
fn play<F: Future<Output = ()>>(flow: impl Fn(Flow) -> F) -> Vec<(Turn, TurnOutcome)> {
    let (mut journal, mut ended, mut all) = (vec![], vec![], vec![]);
    for day in 0..100 {
        let attributes = json!({"day": day, "odd": day % 2 == 1});
        let turn = with(attributes, turn(day * DAY, &journal, &ended));
        let outcome = run(turn.clone(), &flow);
        journal.extend(outcome.entries.clone());
        ended = open(&outcome);
        let over = outcome.end != End::Waiting;
        all.push((turn, outcome));
        if over {
            return all;
        }
    }
    panic!("no end: {all:?}");
}

async fn race(flow: &Flow, a: i64, b: i64) -> bool {
    let (mut a, mut b) = (flow.wait(a), flow.wait(b));
    poll_fn(|context| match (Pin::new(&mut a).poll(context), Pin::new(&mut b).poll(context)) {
        (Poll::Ready(_), _) => Poll::Ready(true),
        (_, Poll::Ready(_)) => Poll::Ready(false),
        _ => Poll::Pending,
    })
    .await
}

async fn join(flow: &Flow, a: i64, b: i64) {
    let (mut a, mut b) = (flow.wait(a), flow.wait(b));
    poll_fn(|context| match (Pin::new(&mut a).poll(context), Pin::new(&mut b).poll(context)) {
        (Poll::Ready(_), Poll::Ready(_)) => Poll::Ready(()),
        _ => Poll::Pending,
    })
    .await;
}

/// Polls a wait once, so that it begins.
async fn begin(wait: &mut super::Op) {
    poll_fn(|context| {
        let _ = Pin::new(&mut *wait).poll(context);
        Poll::Ready(())
    })
    .await;
}

async fn storefront(flow: Flow) {
    flow.send("welcome", empty()).await;
    for round in 0..3 {
        flow.wait(DAY << round).await;
        let (_, user) = flow.user().await;
        if user["odd"] == json!(true) || flow.random().is_multiple_of(3) {
            flow.update(object(json!({"round": round}))).await;
        }
        if race(&flow, 5 * DAY, DAY).await {
            flow.send("slow", empty()).await;
        }
        let at = flow.now();
        flow.send("round", move || Ok(Json(json!({"at": at, "round": round}).to_string()))).await;
    }
    join(&flow, DAY, 2 * DAY).await;
    flow.send("bye", empty()).await;
}

#[test]
fn a_replay_cut_at_every_entry_goes_on_with_the_same_operation() {
    let turns = play(storefront);
    let whole: Vec<Entry> = turns.iter().flat_map(|(_, o)| o.entries.clone()).collect();
    assert!(whole.len() > 15, "{whole:?}");
    for (turn, outcome) in &turns {
        assert_eq!(run(turn.clone(), storefront), *outcome, "a turn again is the same turn");
    }
    // What a wait's end makes the flow do follows from the entries up to it, at whichever end the journal is cut.
    for cut in 0..whole.len() {
        let Happened::Elapsed { at } = whole[cut].happened else { continue };
        let attributes = turns.iter().find(|(t, _)| t.now == at).expect("a turn").0.attributes.clone();
        let next = run(Turn { attributes, ..turn(at, &whole[..cut], &[whole[cut].op]) }, storefront);
        assert!(matches!(next.end, End::Waiting | End::Done), "cut at {cut}: {next:?}");
        let until = cut + next.entries.len();
        assert_eq!(next.entries, whole[cut..until], "cut at {cut}");
    }
}

#[test]
fn a_whole_journal_replays_without_news_and_decides_nothing() {
    let turns = play(storefront);
    let mut journal = vec![];
    for (_, outcome) in &turns[..turns.len() - 1] {
        journal.extend(outcome.entries.clone());
        if journal.is_empty() {
            continue;
        }
        let dry = run(turn(0, &journal, &[]), storefront);
        assert_eq!((dry.entries, dry.effects, dry.next_op, dry.end), (vec![], vec![], outcome.next_op, End::Waiting));
        assert_eq!(dry.pending, outcome.pending);
    }
}

#[test]
fn the_first_of_two_waits_goes_on_and_the_other_is_cancelled() {
    let flow = |flow: Flow| async move {
        let first = race(&flow, 2 * DAY, DAY).await;
        flow.send(if first { "first" } else { "second" }, empty()).await;
        flow.wait(DAY).await;
    };
    let began = run(turn(0, &[], &[]), flow);
    assert_eq!((open(&began), happened(&began)), (vec![0, 1], vec![]));
    assert_eq!(began.pending[0].waits, Waits::Duration { ms: 2 * DAY });
    let over = run(turn(DAY, &[], &[1]), flow);
    let elapsed = Happened::Elapsed { at: DAY };
    assert_eq!(happened(&over), [(1, elapsed.clone()), (0, Happened::Cancelled), (2, Happened::Sent)]);
    assert_eq!((sent(&over), open(&over)), (vec![(2, "second")], vec![3]));
    // Both over at once: the one that was over first goes on, the other is no news any more.
    let both = run(turn(DAY, &[], &[0, 1]), flow);
    assert_eq!(happened(&both), [(0, elapsed), (1, Happened::Cancelled), (2, Happened::Sent)]);
    assert_eq!(sent(&both), [(2, "first")]);
    let again = run(turn(2 * DAY, &over.entries, &[3]), flow);
    assert_eq!((happened(&again).len(), again.end), (1, End::Done));
}

#[test]
fn a_dropped_wait_is_journaled_and_replays() {
    let flow = |flow: Flow| async move {
        let mut dropped = flow.wait(DAY);
        begin(&mut dropped).await;
        flow.send("a", empty()).await;
        drop(dropped);
        drop(flow.wait(DAY));
        flow.wait(2 * DAY).await;
        flow.send("b", empty()).await;
    };
    let first = run(turn(0, &[], &[]), flow);
    assert_eq!(
        happened(&first),
        [(1, Happened::Sent), (0, Happened::Cancelled)],
        "one that never began is not journaled"
    );
    assert_eq!(open(&first), [2]);
    let second = run(turn(2 * DAY, &first.entries, &[2]), flow);
    assert_eq!((sent(&second), &second.end), (vec![(3, "b")], &End::Done));
}

#[test]
fn a_join_waits_for_both_in_any_order() {
    let flow = |flow: Flow| async move {
        join(&flow, DAY, 2 * DAY).await;
        flow.send("both", empty()).await;
    };
    let first = run(turn(DAY, &[], &[0]), flow);
    assert_eq!((open(&first), sent(&first), &first.end), (vec![1], vec![], &End::Waiting));
    let second = run(turn(2 * DAY, &first.entries, &[1]), flow);
    assert_eq!((sent(&second), &second.end), (vec![(2, "both")], &End::Done));
    let swapped = run(turn(2 * DAY, &[], &[1, 0]), flow);
    assert_eq!((sent(&swapped), &swapped.end), (vec![(2, "both")], &End::Done));
}

/// It has its entry, so it must not be asked for again: its time is over, and a turn for it would come at once, and again.
#[test]
fn a_wait_that_is_over_but_not_looked_at_is_not_pending() {
    let flow = |flow: Flow| async move {
        let mut held = flow.wait(DAY);
        begin(&mut held).await;
        flow.wait(3 * DAY).await;
        held.await;
        flow.send("held", empty()).await;
    };
    let first = run(turn(DAY, &[], &[0]), flow);
    assert_eq!((happened(&first).len(), open(&first)), (1, vec![1]));
    let told_twice = run(turn(DAY, &first.entries, &[0]), flow);
    assert_eq!((told_twice.entries, &told_twice.end), (vec![], &End::Waiting));
    let second = run(turn(3 * DAY, &first.entries, &[1]), flow);
    assert_eq!((sent(&second), &second.end), (vec![(2, "held")], &End::Done));
}

fn divergence<F: Future<Output = ()>>(turn: Turn, flow: impl Fn(Flow) -> F) -> Divergence {
    let outcome = run(turn, flow);
    assert!(outcome.entries.is_empty() && outcome.effects.is_empty() && outcome.pending.is_empty(), "{outcome:?}");
    match outcome.end {
        End::Diverged(divergence) => divergence,
        other => panic!("no divergence but {other:?}"),
    }
}

/// The journal of a send, a wait of a day and a send, with the next wait's end as news.
fn told(flow: &impl Fn(Flow) -> Pin<Box<dyn Future<Output = ()>>>) -> Turn {
    let first = run(turn(0, &[], &[]), flow);
    let second = run(turn(DAY, &first.entries, &open(&first)), flow);
    assert_eq!(second.end, End::Waiting);
    let ended = open(&second);
    turn(2 * DAY, &[first.entries, second.entries].concat(), &ended)
}

fn original(flow: Flow) -> Pin<Box<dyn Future<Output = ()>>> {
    Box::pin(async move {
        flow.send("a", empty()).await;
        flow.wait(DAY).await;
        flow.send("b", empty()).await;
        flow.wait(DAY).await;
        flow.send("c", empty()).await;
    })
}

#[track_caller]
fn diverges<F: Future<Output = ()>>(flow: impl Fn(Flow) -> F, entry: u64, expected: &str, got: &str, line: u32) {
    let found = divergence(told(&original), flow);
    let source = if line == 0 { String::new() } else { format!("{}:{line}", file!()) };
    let should = Divergence { entry, expected: expected.into(), got: got.into(), source };
    assert_eq!(found, should);
}

#[test]
fn a_replay_that_does_something_else_says_what_and_where() {
    let here = line!();
    let other = |flow: Flow| async move { flow.send("z", empty()).await };
    diverges(other, 0, "send (operation 0)", "a different send z (operation 0)", here + 1);

    let here = line!();
    let kind = |flow: Flow| async move { flow.update(object(json!({"x": 1, "y": 2}))).await };
    diverges(kind, 0, "send (operation 0)", "update x, y (operation 0)", here + 1);

    let returned = |flow: Flow| async move { flow.send("a", empty()).await };
    diverges(returned, 1, "wait (operation 1)", "the end of the flow", 0);

    let here = line!();
    let sends = |flow: Flow| async move {
        flow.send("a", empty()).await;
        flow.send("b", empty()).await;
    };
    diverges(sends, 1, "wait (operation 1)", "send b (operation 1)", here + 3);

    let here = line!();
    let waits = |flow: Flow| async move {
        flow.wait(DAY).await;
    };
    diverges(waits, 0, "send (operation 0)", "wait (operation 0)", here + 2);

    let here = line!();
    let shifted = |flow: Flow| async move {
        flow.send("a", empty()).await;
        flow.random();
        flow.wait(DAY).await;
    };
    diverges(shifted, 1, "wait (operation 1)", "wait (operation 2)", here + 4);

    let here = line!();
    let drops = |flow: Flow| async move {
        flow.send("a", empty()).await;
        let mut wait = flow.wait(DAY);
        begin(&mut wait).await;
        drop(wait);
    };
    diverges(drops, 1, "wait (operation 1)", "the dropping of wait (operation 1)", here + 3);
}

/// The journal ends before the place where the last turn waited; what lies between has been done, so it cannot be new either.
#[test]
fn after_the_journals_last_entry_a_replay_still_may_do_nothing_new() {
    let here = line!();
    let more = |flow: Flow| async move {
        flow.send("a", empty()).await;
        flow.wait(DAY).await;
        flow.send("b", empty()).await;
        flow.send("new", empty()).await;
        flow.wait(DAY).await;
    };
    diverges(more, 3, "nothing more before it waits", "send new (operation 3)", here + 5);
    let less = |flow: Flow| async move {
        flow.send("a", empty()).await;
        flow.wait(DAY).await;
        flow.send("b", empty()).await;
    };
    diverges(less, 3, "nothing more before it waits", "the end of the flow", 0);
    let here = line!();
    let drops = |flow: Flow| async move {
        flow.send("a", empty()).await;
        flow.wait(DAY).await;
        flow.send("b", empty()).await;
        let mut wait = flow.wait(DAY);
        begin(&mut wait).await;
        drop(wait);
    };
    diverges(drops, 3, "nothing more before it waits", "the dropping of wait (operation 3)", here + 5);
}

#[test]
fn a_cancellation_that_no_longer_happens_diverges() {
    let cancels = |flow: Flow| -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(async move {
            race(&flow, DAY, 2 * DAY).await;
            flow.wait(DAY).await;
        })
    };
    let first = run(turn(DAY, &[], &[0]), cancels);
    let here = line!();
    let waits = |flow: Flow| async move {
        join(&flow, DAY, 2 * DAY).await;
    };
    let found = divergence(turn(2 * DAY, &first.entries, &[2]), waits);
    assert_eq!((found.entry, found.expected.as_str()), (1, "the dropping of wait (operation 1)"));
    assert_eq!(found.got, "wait (operation 1)");
    assert!(here > 0 && found.source.starts_with(file!()), "{found}");
}

#[test]
fn a_duration_may_change() {
    let corrected = |flow: Flow| async move {
        flow.send("a", empty()).await;
        flow.wait(9 * DAY).await;
        flow.send("b", empty()).await;
        flow.wait(0).await;
        flow.send("d", move || Ok(Json(json!({"corrected": true}).to_string()))).await;
    };
    assert_eq!(sent(&run(told(&original), corrected)), [(4, "d")]);
}

#[test]
fn a_future_that_wakes_itself_is_polled_again() {
    let polled = Cell::new(0);
    let outcome = run(turn(0, &[], &[]), |flow| {
        let polled = &polled;
        async move {
            poll_fn(|context| {
                polled.set(polled.get() + 1);
                context.waker().wake_by_ref();
                if polled.get() == 3 { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            flow.send("a", empty()).await;
        }
    });
    assert_eq!((polled.get(), sent(&outcome), &outcome.end), (3, vec![(0, "a")], &End::Done));
}

#[test]
fn a_flow_that_awaits_a_foreign_future_fails_and_decides_nothing() {
    let outcome = run(turn(0, &[], &[]), |flow| async move {
        flow.send("a", empty()).await;
        std::future::pending::<()>().await;
    });
    assert!(matches!(&outcome.end, End::Failed(why) if why.contains("never wake")), "{outcome:?}");
    assert!(outcome.entries.is_empty() && outcome.effects.is_empty());
    // Nor does a wait help that is over already.
    let outcome = run(turn(DAY, &[], &[0]), |flow| async move {
        let mut held = flow.wait(DAY);
        begin(&mut held).await;
        std::future::pending::<()>().await;
    });
    assert!(matches!(&outcome.end, End::Failed(why) if why.contains("never wake")), "{outcome:?}");
}

#[test]
fn a_loop_that_never_waits_is_stopped() {
    let count = |n: u64| {
        run(turn(0, &[], &[]), move |flow| async move {
            for _ in 0..n {
                flow.send("again", empty()).await;
            }
        })
    };
    assert_eq!((count(1_000).effects.len(), count(1_000).end), (1_000, End::Done));
    let stopped = count(1_001);
    assert!(
        matches!(&stopped.end, End::Failed(why) if why.starts_with("1000 operations without waiting")),
        "{stopped:?}"
    );
    assert!(stopped.effects.is_empty() && stopped.entries.is_empty());
    // A thousand a turn, not in all.
    let turns = play(|flow| async move {
        for _ in 0..3 {
            for _ in 0..900 {
                flow.random();
            }
            flow.wait(DAY).await;
        }
    });
    assert_eq!(turns.last().expect("turns").1.end, End::Done);
}

#[test]
fn a_flow_that_fails_decides_nothing() {
    let outcome = run(turn(0, &[], &[]), |flow| async move {
        flow.send("a", empty()).await;
        flow.fail("no plan");
        flow.send("b", empty()).await;
        unreachable!("a turn that has stopped completes nothing");
    });
    assert_eq!(outcome.end, End::Failed("no plan".into()));
    assert!(outcome.entries.is_empty() && outcome.effects.is_empty());
    let unreadable = run(Turn { attributes: Json("{".into()), ..turn(0, &[], &[]) }, |_| async {});
    assert!(matches!(unreadable.end, End::Failed(_)));
}

#[test]
fn a_turn_reads_its_own_updates() {
    let seen = RefCell::new(vec![]);
    let flow = |flow: Flow| {
        let seen = &seen;
        async move {
            for _ in 0..2 {
                flow.update(object(json!({"n": 1, "gone": null, "deep": {"b": 2}}))).await;
                let (reading, user) = flow.user().await;
                seen.borrow_mut().push((reading, (*user).clone()));
                flow.wait(DAY).await;
            }
        }
    };
    let before = json!({"gone": true, "deep": {"a": 1}});
    let first = run(with(before, turn(0, &[], &[])), flow);
    let after = object(json!({"n": 1, "deep": {"a": 1, "b": 2}}));
    assert_eq!(seen.take(), [(1, after.clone())]);
    assert_eq!(first.effects.len(), 1);
    // On replay the patch is not put on again: the reading stands in the journal.
    let second = run(with(json!({"n": 5}), turn(DAY, &first.entries, &[2])), flow);
    assert_eq!(seen.take(), [(1, after), (2, object(json!({"n": 1, "deep": {"b": 2}})))]);
    assert_eq!(second.effects.len(), 1);
}

#[test]
fn readings_are_journaled_as_differences() {
    let seen: RefCell<Vec<(u64, Object)>> = RefCell::default();
    let flow = |flow: Flow| {
        let seen = &seen;
        async move {
            loop {
                let (reading, user) = flow.user().await;
                seen.borrow_mut().push((reading, (*user).clone()));
                flow.wait(DAY).await;
            }
        }
    };
    let days = [json!({"a": 1, "b": [1]}), json!({"a": 1, "b": [1]}), json!({"a": 2, "c": null}), json!({})];
    let (mut journal, mut ended) = (vec![], vec![]);
    for (day, attributes) in days.iter().enumerate() {
        seen.take();
        let outcome = run(with(attributes.clone(), turn(day as i64 * DAY, &journal, &ended)), flow);
        journal.extend(outcome.entries.clone());
        ended = open(&outcome);
        let readings: Vec<Object> = seen.take().into_iter().map(|(_, user)| user).collect();
        let should: Vec<Object> = days[..=day].iter().cloned().map(object).collect();
        assert_eq!(readings, should, "day {day}");
    }
    let deltas: Vec<_> = journal.iter().filter(|e| e.kind == OpKind::User).map(|e| e.happened.clone()).collect();
    assert_eq!(deltas[1], Happened::Read(None), "nothing changed");
    let Happened::Read(Some(delta)) = &deltas[2] else { panic!("{deltas:?}") };
    assert_eq!((delta.set.0.as_str(), delta.removed.as_slice()), (r#"{"a":2,"c":null}"#, &["b".to_string()][..]));
    let numbers = run(turn(9 * DAY, &journal, &[]), |flow| async move {
        let mut last = 0;
        loop {
            let (reading, _) = flow.user().await;
            assert!(reading == last || reading == last + 1);
            last = reading;
            flow.wait(DAY).await;
        }
    });
    assert_eq!(numbers.end, End::Waiting);
}

#[test]
fn chance_and_time_are_the_same_on_replay() {
    let seen: RefCell<Vec<(u64, i64)>> = RefCell::default();
    let turns = play(|flow| {
        let seen = &seen;
        async move {
            seen.take();
            for _ in 0..5 {
                seen.borrow_mut().push((flow.random(), flow.now()));
                seen.borrow_mut().push((flow.random(), flow.now()));
                flow.wait(DAY).await;
            }
        }
    });
    assert_eq!(turns.len(), 6);
    let last = seen.take();
    let times: Vec<i64> = last.iter().map(|(_, now)| now / DAY).collect();
    assert_eq!(times, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]);
    let numbers: std::collections::BTreeSet<u64> = last.iter().map(|(random, _)| *random).collect();
    assert_eq!(numbers.len(), 10, "each is another");
    let other = RefCell::new(0);
    run(Turn { seed: 8, ..turn(0, &[], &[]) }, |flow| {
        *other.borrow_mut() = flow.random();
        async {}
    });
    assert_ne!(other.take(), last[0].0);
}

#[test]
fn logs_are_silent_on_replay() {
    let turns = play(|flow| async move {
        flow.log("before");
        flow.send("a", empty()).await;
        flow.log("after the last entry, before the wait");
        flow.wait(DAY).await;
        flow.log("first wait is over");
        flow.wait(DAY).await;
        flow.log("end");
    });
    let logs: Vec<&[String]> = turns.iter().map(|(_, o)| o.logs.as_slice()).collect();
    assert_eq!(
        logs,
        [
            vec!["before".to_string(), "after the last entry, before the wait".into()],
            vec!["first wait is over".into()],
            vec!["end".into()]
        ]
    );
}

#[test]
fn the_journal_numbers_the_operations_of_a_later_run_from_its_first() {
    let outcome = run(Turn { first_op: 40, ..turn(0, &[], &[]) }, |flow| async move {
        flow.send("a", empty()).await;
        flow.wait(DAY).await;
    });
    assert_eq!((sent(&outcome), open(&outcome), outcome.next_op), (vec![(40, "a")], vec![41], 42));
}

#[test]
fn who_and_where_are_known() {
    let here = line!() + 3;
    let outcome = run(turn(0, &[], &[]), |flow| async move {
        assert_eq!(flow.user_id(), "ada");
        flow.wait(DAY).await;
    });
    assert_eq!(outcome.pending[0].source, format!("{}:{here}", file!()));
}
