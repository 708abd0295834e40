//! What a plugin answers is held against what the enrollment knows.

use std::sync::{Arc, Mutex};

use segflow_protocol::{Divergence, Field, Json, ReadDelta, Template, Type};
use serde_json::json;

use super::*;
use crate::Plugin;
use crate::memory::object;

const DAY: i64 = 86_400_000;

/// Gives one answer, whatever it is asked, and remembers the question.
struct Says(Result<Response, PluginError>, Mutex<Option<Turn>>);

impl Plugin for Says {
    fn call(&self, request: &Request) -> Result<Response, PluginError> {
        let Request::Turn(turn) = request else { panic!("only turns are asked for") };
        *self.1.lock().expect("not poisoned") = Some(turn.clone());
        self.0.clone()
    }
}

fn code(answer: Result<Response, PluginError>) -> Code {
    let field = |name: &str| Field { name: name.into(), ty: Type::Integer, required: false, default: None };
    let manifest = Manifest {
        user: vec![field("a")],
        templates: vec![Template { id: "mail".into(), arguments: vec![], content: String::new() }],
        ..Manifest::default()
    };
    Code { plugin: Arc::new(Says(answer, Mutex::default())), manifest: Arc::new(manifest) }
}

fn wait(op: u64, ms: i64) -> Pending {
    Pending { op, kind: OpKind::Wait, identity: 1, waits: Waits::Duration { ms }, source: "src/lib.rs:3".into() }
}

fn entry(op: u64, kind: OpKind, happened: Happened) -> Entry {
    Entry { op, kind, identity: 1, happened }
}

fn send(op: u64) -> Effect {
    Effect::Send { op, template: "mail".into(), args: Json("{}".into()) }
}

fn update(op: u64) -> Effect {
    Effect::Update { op, patch: Json(r#"{"a":1}"#.into()) }
}

fn elapsed(op: u64) -> Entry {
    entry(op, OpKind::Wait, Happened::Elapsed { at: DAY })
}

/// After a first turn that sent (operation 0) and waits a day (operation 1) and ten (operation 2).
fn waiting() -> Enrollment {
    let mut enrollment = Enrollment::new("enr_1".into(), "c", 1, "dep1", 0, 0);
    enrollment.journal.push(&entry(0, OpKind::Send, Happened::Sent));
    enrollment.pending = vec![
        Waiting { what: wait(1, DAY), begun: 0, due: Some(DAY), came: None },
        Waiting { what: wait(2, 10 * DAY), begun: 0, due: Some(10 * DAY), came: None },
    ];
    enrollment.next_op = 3;
    enrollment
}

/// An honest answer to the end of operation 1: it sends once more and waits again.
fn honest() -> TurnOutcome {
    TurnOutcome {
        entries: vec![elapsed(1), entry(3, OpKind::Send, Happened::Sent)],
        effects: vec![send(3)],
        pending: vec![wait(2, 10 * DAY), wait(4, DAY)],
        next_op: 5,
        end: End::Waiting,
        logs: vec![],
    }
}

fn answer(enrollment: &mut Enrollment, outcome: TurnOutcome) -> TurnResult {
    let code = code(Ok(Response::Turn(outcome)));
    enrollment.turn(&code, "ada", &Object::new(), DAY, DAY).expect("the plugin can be run")
}

/// The answer parks for a reason that says this, and nothing is done.
#[track_caller]
fn parks(change: impl FnOnce(&mut TurnOutcome), says: &str) {
    let mut outcome = honest();
    change(&mut outcome);
    let mut enrollment = waiting();
    let result = answer(&mut enrollment, outcome);
    assert_eq!(result, TurnResult::default());
    let mut untouched = waiting();
    let reason = enrollment.reason.clone().expect("a reason");
    untouched.park(reason.clone());
    assert_eq!(enrollment, untouched, "nothing but its status has changed");
    assert!(reason.contains(says), "{reason}");
}

#[test]
fn an_honest_answer_is_taken() {
    let mut enrollment = waiting();
    let result = answer(&mut enrollment, honest());
    assert_eq!(result.effects, [send(3)]);
    assert_eq!((enrollment.journal.len(), enrollment.next_op, enrollment.status), (3, 5, Status::Active));
    let due: Vec<(u64, i64)> = enrollment.pending.iter().map(|w| (w.what.op, w.due.expect("due"))).collect();
    assert_eq!(due, [(2, 10 * DAY), (4, 2 * DAY)]);
    assert_eq!(enrollment.wake_at(), Some(2 * DAY));
}

#[test]
fn a_turn_is_asked_for_with_what_is_over_and_declared() {
    let mut enrollment = waiting();
    let says = Arc::new(Says(Ok(Response::Turn(honest())), Mutex::default()));
    let code = Code { plugin: says.clone(), ..code(Ok(Response::Turn(honest()))) };
    let attributes = object(json!({"a": 1, "secret": 2}));
    enrollment.turn(&code, "ada", &attributes, DAY, DAY).expect("runs");
    let turn = says.1.lock().expect("not poisoned").take().expect("asked");
    assert_eq!(turn.attributes.0, r#"{"a":1}"#);
    assert_eq!(turn.completions, [Completion { op: 1, happened: Happened::Elapsed { at: DAY } }]);
    assert_eq!((turn.now, turn.started_at, turn.journal.len(), turn.seed), (DAY, 0, 1, ids::seed("enr_1")));
    // The earlier first, whatever their numbers.
    let mut late = waiting();
    late.pending[0].due = Some(9 * DAY);
    late.pending[1].due = Some(8 * DAY);
    let order: Vec<u64> =
        late.request("ada", &attributes, 20 * DAY, 20 * DAY).completions.iter().map(|c| c.op).collect();
    assert_eq!(order, [2, 1]);
    assert_eq!(waiting().request("ada", &attributes, DAY - 1, DAY - 1).completions, []);
}

#[test]
fn forged_entries_park() {
    let push = |e: Entry| move |o: &mut TurnOutcome| o.entries.push(e);
    parks(push(entry(0, OpKind::User, Happened::Read(None))), "operation 0 out of turn");
    parks(push(entry(77, OpKind::User, Happened::Read(None))), "operation 77 out of turn");
    parks(push(entry(1, OpKind::Wait, Happened::Cancelled)), "operation 1 out of turn");
    parks(push(entry(3, OpKind::User, Happened::Read(None))), "operation 3 out of turn");
    parks(push(entry(4, OpKind::Send, Happened::Updated)), "do not fit its journal at operation 4");
    parks(push(entry(4, OpKind::User, Happened::Sent)), "do not fit its journal at operation 4");
    parks(push(entry(4, OpKind::Wait, Happened::Done)), "do not fit its journal at operation 4");
    let value = Json("1".into());
    parks(push(entry(2, OpKind::Wait, Happened::Came { at: DAY, value })), "an impossible wait");
    parks(push(entry(2, OpKind::Wait, Happened::Elapsed { at: DAY })), "an impossible wait");
    parks(push(entry(4, OpKind::Wait, Happened::Elapsed { at: DAY })), "an impossible wait");
    parks(|o| o.entries[0] = entry(1, OpKind::Wait, Happened::Elapsed { at: 5 * DAY }), "an impossible wait");
    parks(|o| o.entries[0].identity = 9, "operation 1 out of turn");
    let delta = ReadDelta { set: Json("{}".into()), removed: vec![] };
    parks(push(entry(4, OpKind::Update, Happened::Read(Some(delta)))), "an impossible update");
}

#[test]
fn effects_that_do_not_fit_the_entries_park() {
    parks(|o| o.effects.push(send(4)), "an effect that it did not journal");
    parks(|o| o.effects.clear(), "do not fit its journal at operation 3");
    parks(|o| o.effects = vec![send(4)], "do not fit its journal at operation 3");
    parks(|o| o.effects = vec![update(3)], "do not fit its journal at operation 3");
    parks(|o| o.entries.truncate(1), "an effect that it did not journal");
    parks(
        |o| {
            o.entries[1].op = 0;
            o.effects = vec![send(0)];
        },
        "operation 0 out of turn",
    );
    parks(|o| o.effects = vec![Effect::Send { op: 3, template: "mial".into(), args: Json("{}".into()) }], "`mial`");
    let bad = |args: &str| vec![Effect::Send { op: 3, template: "mail".into(), args: Json(args.into()) }];
    parks(|o| o.effects = bad("[]"), "not a JSON object");
    parks(|o| o.effects = bad("{"), "not a JSON object");
    parks(
        |o| {
            o.entries[1].kind = OpKind::Update;
            o.entries[1].happened = Happened::Updated;
            o.effects = vec![Effect::Update { op: 3, patch: Json("1".into()) }];
        },
        "not a JSON object",
    );
}

#[test]
fn numbers_that_do_not_add_up_park() {
    parks(|o| o.next_op = 2, "backwards");
    parks(|o| o.next_op = u64::MAX, "more than 1000 operations");
    parks(|o| o.pending.extend((5..2_000).map(|op| wait(op, DAY))), "more than 1000 operations");
    parks(|o| o.entries = vec![elapsed(1); 3_001], "more than 1000 operations");
}

#[test]
fn pending_operations_that_do_not_add_up_park() {
    parks(|o| o.pending.clear(), "waits for nothing");
    parks(|o| o.pending.remove(0).op = 0, "no longer does the wait of operation 2 (src/lib.rs:3)");
    parks(|o| o.pending[0].identity = 2, "expected wait (operation 2), got another wait (src/lib.rs:3)");
    parks(|o| o.pending[0].kind = OpKind::Send, "expected wait (operation 2), got send");
    parks(|o| o.pending.push(wait(0, DAY)), "operation 0, src/lib.rs:3) had not begun then");
    parks(|o| o.pending.push(wait(1, DAY)), "operation 1, which is over");
    parks(|o| o.pending.push(wait(4, DAY)), "operation 4, which is over or has not begun");
    parks(|o| o.pending.push(wait(9, DAY)), "operation 9, which is over or has not begun");
}

/// It would be told again at once, for ever.
#[test]
fn an_operation_that_is_over_cannot_go_on_being_waited_for() {
    parks(
        |o| {
            o.entries.remove(0);
            o.pending.insert(0, wait(1, DAY));
        },
        "told that operation 1 is complete, and still waits for it",
    );
}

#[test]
fn what_a_plugin_says_of_itself_is_the_reason() {
    parks(|o| o.end = End::Failed("no plan".into()), "no plan");
    let divergence =
        Divergence { entry: 1, expected: "wait".into(), got: "send".into(), source: "src/lib.rs:9".into() };
    parks(|o| o.end = End::Diverged(divergence), "diverges at entry 1: expected wait, got send (src/lib.rs:9)");
    for (answer, says) in [
        (Ok(Response::Refused("no campaign c".into())), "no campaign c"),
        (Ok(Response::Manifest(Json("{}".into()))), "something else than a turn"),
        (Err(PluginError::Trap("src/lib.rs:4: index out of bounds".into())), "src/lib.rs:4"),
    ] {
        let mut enrollment = waiting();
        let result = enrollment.turn(&code(answer), "ada", &Object::new(), DAY, DAY).expect("runs");
        assert_eq!((result, enrollment.status), (TurnResult::default(), Status::Parked));
        assert!(enrollment.reason.as_deref().is_some_and(|r| r.contains(says)), "{:?}", enrollment.reason);
        assert_eq!(enrollment.wake_at(), None, "a parked one does not come again");
    }
}

#[test]
fn a_plugin_that_cannot_be_run_now_changes_nothing() {
    let mut enrollment = waiting();
    let away = PluginError::Unavailable("busy".into());
    assert_eq!(enrollment.turn(&code(Err(away.clone())), "ada", &Object::new(), DAY, DAY), Err(away));
    assert_eq!(enrollment, waiting());
}

#[test]
fn what_has_begun_keeps_its_instant_and_a_negative_wait_is_none() {
    let mut enrollment = waiting();
    let mut outcome = honest();
    outcome.pending = vec![wait(2, DAY), wait(4, -5)];
    answer(&mut enrollment, outcome);
    let due: Vec<Option<i64>> = enrollment.pending.iter().map(|w| w.due).collect();
    assert_eq!(due, [Some(10 * DAY), Some(DAY)]);
    let mut forever = waiting();
    let mut outcome = honest();
    outcome.pending[1] = wait(4, i64::MAX);
    answer(&mut forever, outcome);
    assert_eq!(forever.pending[1].due, Some(i64::MAX));
}

#[test]
fn a_flow_that_returns_is_done_and_waits_for_nothing() {
    let mut enrollment = waiting();
    let outcome = TurnOutcome { end: End::Done, pending: vec![], ..honest() };
    assert_eq!(answer(&mut enrollment, outcome).effects, [send(3)]);
    assert_eq!((enrollment.status, enrollment.pending.len(), enrollment.wake_at()), (Status::Done, 0, None));
}

/// A turn in which `loop { update; wait(ms) }` goes round once.
fn round(enrollment: &mut Enrollment, ms: i64, changes: bool, now: i64) {
    let first = enrollment.next_op;
    let (kind, happened, effect) = match changes {
        true => (OpKind::Update, Happened::Updated, update(first)),
        false => (OpKind::Send, Happened::Sent, send(first)),
    };
    let over = enrollment.pending.iter().map(|w| entry(w.what.op, OpKind::Wait, Happened::Elapsed { at: now }));
    let outcome = TurnOutcome {
        entries: over.chain([entry(first, kind, happened)]).collect(),
        effects: vec![effect],
        pending: vec![wait(first + 1, ms)],
        next_op: first + 2,
        end: End::Waiting,
        logs: vec![],
    };
    enrollment.turn(&code(Ok(Response::Turn(outcome))), "ada", &Object::new(), now, now).expect("runs");
}

#[test]
fn a_loop_whose_wait_takes_no_time_is_parked_with_its_story() {
    for (changes, rounds) in [(true, MAX_HOPS), (false, MAX_HOPS + 1)] {
        let mut enrollment = Enrollment::new("enr_1".into(), "c", 1, "dep1", 0, 0);
        for turns in 0..rounds {
            assert!(enrollment.is_due(0), "after {turns}");
            round(&mut enrollment, 0, changes, 0);
            assert_eq!((enrollment.status, enrollment.hops), (Status::Active, turns));
        }
        round(&mut enrollment, 0, changes, 0);
        assert_eq!((enrollment.status, enrollment.wake_at()), (Status::Parked, None));
        assert!(enrollment.reason.expect("a reason").starts_with("more than 50 steps at one instant"));
    }
}

#[test]
fn a_wait_that_takes_time_ends_a_chain() {
    let mut enrollment = Enrollment::new("enr_1".into(), "c", 1, "dep1", 0, MAX_HOPS - 1);
    for now in 0..200 {
        round(&mut enrollment, 1, true, now);
        assert_eq!(enrollment.status, Status::Active, "{:?}", enrollment.reason);
    }
    assert_eq!(enrollment.hops, 0);
}

/// What the one effect of a turn is instead of a message.
fn does(kind: OpKind, happened: Happened, effect: Effect) -> impl FnOnce(&mut TurnOutcome) {
    move |o| {
        (o.entries[1].kind, o.entries[1].happened) = (kind, happened);
        o.effects = vec![effect];
    }
}

fn begins(kind: OpKind, waits: Waits) -> impl FnOnce(&mut TurnOutcome) {
    move |o| (o.pending[1].kind, o.pending[1].waits) = (kind, waits)
}

#[test]
fn what_no_database_could_store_parks_with_its_reason() {
    let long = || "x".repeat(256);
    let goal = |name: String| does(OpKind::Goal, Happened::Done, Effect::Goal { op: 3, name });
    parks(goal(long()), "a goal has a name of 1 to 255 bytes, not 256");
    parks(goal(String::new()), "a goal has a name of 1 to 255 bytes, not 0");
    let emit =
        |name: String| does(OpKind::Emit, Happened::Done, Effect::Emit { op: 3, name, attributes: Json("{}".into()) });
    parks(emit(long()), "an event has a name of 1 to 255 bytes");
    parks(emit("$delivered".into()), "it reports `$delivered`");
    let arm = |name: String, arm: String| {
        begins(OpKind::Choose, Waits::Ask(Ask::Arm { name, arms: vec![(arm, 1)], experiment: true }))
    };
    parks(arm(long(), "a".into()), "an experiment has a name of 1 to 255 bytes, not 256 (src/lib.rs:3)");
    parks(arm("a".into(), long()), "an arm has a name of 1 to 255 bytes, not 256");
    let task = |title: String, assignee: Option<String>| {
        begins(OpKind::Task, Waits::Task(segflow_protocol::Task { title, assignee, due: None }))
    };
    parks(task("Call".into(), Some(long())), "an assignee has a name of 1 to 255 bytes");
    parks(task("x".repeat(5_000), None), "the title of a task has at most 4096 bytes, not 5000");
    let body = Some(Json("x".repeat(5 << 20)));
    parks(
        begins(OpKind::Webhook, Waits::Webhook(segflow_protocol::Webhook { body, ..Default::default() })),
        "may take 4194304",
    );
    parks(
        |o| {
            o.pending.clear();
            o.end = End::Again(Json("x".repeat(5 << 20)));
        },
        "the state that it hands on takes 5242880 bytes",
    );
}

#[test]
fn a_reason_is_cut_where_it_gets_too_long() {
    let mut enrollment = waiting();
    answer(&mut enrollment, TurnOutcome { end: End::Failed("ü".repeat(100_000)), ..honest() });
    let reason = enrollment.reason.expect("a reason");
    assert!(reason.len() <= 4_096 && reason.ends_with("ü…"), "{} bytes", reason.len());
    assert_eq!(shortened("short".into()), "short");
}

#[test]
fn a_user_is_not_made_larger_than_the_api_would_take() {
    let update = |bytes: usize| Effect::Update { op: 3, patch: Json(format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes))) };
    parks(does(OpKind::Update, Happened::Updated, update(70_000)), "the user's attributes would take 70008 bytes");
    // Who has more already may still have less.
    let attributes = object(json!({ "a": "x".repeat(90_000) }));
    for (bytes, status) in [(80_000, Status::Active), (95_000, Status::Parked)] {
        let mut outcome = honest();
        does(OpKind::Update, Happened::Updated, update(bytes))(&mut outcome);
        let mut enrollment = waiting();
        let code = code(Ok(Response::Turn(outcome)));
        enrollment.turn(&code, "ada", &attributes, DAY, DAY).expect("runs");
        assert_eq!(enrollment.status, status, "{:?}", enrollment.reason);
    }
}

/// In the zone that the user has when the wait begins: what this turn has made of it, or what is declared.
#[test]
fn a_local_time_is_of_the_zone_that_the_user_has_by_then() {
    let nine = || Waits::Local(segflow_protocol::Local { from: 540, ..Default::default() });
    let wake = |patch: Option<&str>, attributes: serde_json::Value, default: Option<serde_json::Value>| {
        let mut outcome = honest();
        begins(OpKind::Until, nine())(&mut outcome);
        if let Some(patch) = patch {
            let effect = Effect::Update { op: 3, patch: Json(patch.into()) };
            does(OpKind::Update, Happened::Updated, effect)(&mut outcome);
        }
        let mut code = code(Ok(Response::Turn(outcome)));
        let zone = Field { name: "zone".into(), ty: Type::String, required: false, default };
        let manifest = Manifest { user: vec![zone], time_zone: Some("zone".into()), ..(*code.manifest).clone() };
        code.manifest = Arc::new(manifest);
        let mut enrollment = waiting();
        enrollment.turn(&code, "ada", &object(attributes), DAY, DAY).expect("runs");
        let due = enrollment.pending.iter().find(|w| w.what.op == 4).expect("it waits").due.expect("due");
        (due - DAY) / 3_600_000
    };
    assert_eq!(wake(None, json!({}), None), 9);
    assert_eq!(wake(None, json!({ "zone": "Asia/Tokyo" }), None), 24);
    assert_eq!(wake(Some(r#"{"zone":"Europe/Berlin"}"#), json!({ "zone": "Asia/Tokyo" }), None), 8);
    assert_eq!(wake(Some(r#"{"zone":null}"#), json!({ "zone": "Asia/Tokyo" }), Some(json!("Europe/Berlin"))), 8);
    assert_eq!(wake(None, json!({ "zone": null }), Some(json!("Europe/Berlin"))), 8);
}
