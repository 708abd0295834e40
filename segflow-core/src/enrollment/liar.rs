//! A plugin whose answers change: it answers each turn as its flow would, and then, at random, something else. Whatever it says, no
//! operation is decided twice, the journal stays one that adds up, and what cannot be believed parks and changes nothing.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use segflow_protocol::Template;
use serde_json::json;

use super::*;
use crate::Plugin;
use crate::flow::{self, Flow, Given};
use crate::memory::object;

const DAY: i64 = 86_400_000;
const SEEDS: u64 = 4_000;
const TURNS: usize = 12;

async fn honest(flow: Flow) {
    let empty = || || Ok(Json("{}".into()));
    flow.send("first", empty()).await;
    for round in 0.. {
        let (mut long, mut short) = (flow.wait(3 * DAY), flow.wait(DAY));
        poll_fn(|context| match (Pin::new(&mut long).poll(context), Pin::new(&mut short).poll(context)) {
            (Poll::Pending, Poll::Pending) => Poll::Pending,
            _ => Poll::Ready(()),
        })
        .await;
        flow.user().await;
        flow.update(object(json!({ "round": round }))).await;
        flow.send("next", empty()).await;
    }
}

struct Liar {
    random: AtomicU64,
    seed: u64,
    /// Whether its last answer was a lie.
    lied: AtomicBool,
    /// The answer before, which is a lie by now.
    before: Mutex<Option<TurnOutcome>>,
}

impl Liar {
    /// A number below another.
    fn below(&self, end: usize) -> usize {
        let at = self.random.fetch_add(1, Ordering::Relaxed);
        (ids::random(self.seed, at) % end.max(1) as u64) as usize
    }

    fn op(&self, outcome: &TurnOutcome) -> u64 {
        self.below(outcome.next_op as usize + 2) as u64
    }

    fn twist(&self, outcome: &mut TurnOutcome) {
        let entry = self.below(outcome.entries.len());
        let effect = self.below(outcome.effects.len());
        let pending = self.below(outcome.pending.len());
        let op = self.op(outcome);
        let kind = [OpKind::Send, OpKind::Wait, OpKind::User, OpKind::Update, OpKind::Webhook][self.below(5)];
        let happened = [
            Happened::Sent,
            Happened::Updated,
            Happened::Cancelled,
            Happened::Read(None),
            Happened::Elapsed { at: DAY },
            Happened::Came { at: 0, value: Json("null".into()) },
        ][self.below(6)]
        .clone();
        match self.below(16) {
            0 if !outcome.entries.is_empty() => drop(outcome.entries.remove(entry)),
            1 if !outcome.entries.is_empty() => outcome.entries.push(outcome.entries[entry].clone()),
            2 if !outcome.entries.is_empty() => outcome.entries[entry].op = op,
            3 if !outcome.entries.is_empty() => outcome.entries[entry].kind = kind,
            4 if !outcome.entries.is_empty() => outcome.entries[entry].happened = happened,
            5 => outcome.entries.push(Entry { op, kind, identity: 1, happened }),
            6 => outcome.entries.reverse(),
            7 if !outcome.effects.is_empty() => drop(outcome.effects.remove(effect)),
            8 if !outcome.effects.is_empty() => outcome.effects.push(outcome.effects[effect].clone()),
            9 => outcome.effects.push(Effect::Send { op, template: "next".into(), args: Json("{}".into()) }),
            10 if !outcome.pending.is_empty() => drop(outcome.pending.remove(pending)),
            11 if !outcome.pending.is_empty() => outcome.pending[pending].op = op,
            12 if !outcome.pending.is_empty() => outcome.pending.push(outcome.pending[pending].clone()),
            13 => outcome.next_op = op,
            14 => outcome.end = [End::Done, End::Waiting, End::Again(Json("1".into()))][self.below(3)].clone(),
            _ => {
                if let Some(before) = self.before.lock().expect("not poisoned").clone() {
                    *outcome = before;
                }
            }
        }
    }
}

impl Plugin for Liar {
    fn call(&self, request: &Request) -> Result<Response, PluginError> {
        let (Request::Turn(turn) | Request::Anew(turn, _)) = request else { panic!("only turns are asked for") };
        let mut outcome = flow::run(turn.clone(), Given::default(), honest);
        let truth = outcome.clone();
        for _ in 0..self.below(3) {
            self.twist(&mut outcome);
        }
        self.lied.store(outcome != truth, Ordering::Relaxed);
        *self.before.lock().expect("not poisoned") = Some(truth);
        Ok(Response::Turn(outcome))
    }
}

/// That each operation is over once, decided once, and of the past.
fn adds_up(enrollment: &Enrollment) {
    let mut over = BTreeSet::new();
    for entry in &enrollment.journal {
        assert!(entry.op < enrollment.next_op && over.insert(entry.op), "operation {} twice", entry.op);
    }
    for waiting in &enrollment.pending {
        let op = waiting.what.op;
        assert!(op < enrollment.next_op && over.insert(op), "operation {op} is waited for and over");
    }
    assert!(enrollment.status != Status::Active || enrollment.wake_at().is_some(), "nobody would ever wake it");
}

#[test]
fn whatever_a_plugin_answers_nothing_is_decided_twice() {
    let (mut believed, mut parked) = (0, 0);
    for seed in 0..SEEDS {
        let liar =
            Arc::new(Liar { random: AtomicU64::new(0), seed, lied: AtomicBool::new(false), before: Mutex::default() });
        let template = |id: &str| Template { id: id.into(), arguments: vec![], content: String::new() };
        let manifest = Manifest { templates: vec![template("first"), template("next")], ..Manifest::default() };
        let code = Code { plugin: liar.clone(), manifest: Arc::new(manifest) };
        let mut enrollment = Enrollment::new("enr_1".into(), "c", 1, "dep1", 0, 0);
        let (mut decided, mut deceived) = (BTreeSet::new(), false);
        for turn in 0..TURNS {
            let now = turn as i64 * DAY;
            let before = enrollment.clone();
            let result = enrollment.turn(&code, "ada", &Object::new(), now, now).expect("the plugin can be run");
            let lied = liar.lied.load(Ordering::Relaxed);
            for effect in &result.effects {
                assert!((before.next_op..enrollment.next_op).contains(&effect.op()), "seed {seed}: {effect:?}");
                assert!(decided.insert(effect.op()), "seed {seed}: decided twice: {effect:?}");
            }
            adds_up(&enrollment);
            if enrollment.status == Status::Parked {
                assert!(lied || deceived, "seed {seed}: the truth was not believed: {:?}", enrollment.reason);
                assert_eq!(result, TurnResult::default(), "seed {seed}");
                let mut untouched = before;
                untouched.park(enrollment.reason.clone().expect("a reason"));
                assert_eq!(enrollment, untouched, "seed {seed}");
                parked += 1;
                enrollment.resume();
            } else if lied {
                // What it could have meant is believed, and replays may then not lead there.
                (believed, deceived) = (believed + 1, true);
            }
            if !enrollment.status.is_live() {
                break;
            }
        }
    }
    // A lie that fits all that is known is another flow.
    assert!(believed > SEEDS / 10 && parked > 2 * SEEDS, "{believed} believed, {parked} parked");
}
