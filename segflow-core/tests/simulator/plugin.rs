//! A plugin in process. Every turn that it plays is held against the model.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};

use segflow_core::flow::{self, Given};
use segflow_core::protocol::{self, Effect, End, Entry, Happened, Request, Response, Turn, TurnOutcome};
use segflow_core::{Plugin, PluginError};

use crate::invariants::{equal, holds};
use crate::model::{State, Walk};
use crate::program::{Block, play};

/// Where the model stands after a turn, by enrollment and journal. Of turns that were never committed too.
pub type Walks = Arc<Mutex<HashMap<(u64, i64, u64), Walk>>>;

pub struct Scripted {
    pub programs: BTreeMap<String, Block>,
    pub walks: Walks,
}

impl Plugin for Scripted {
    fn call(&self, request: &Request) -> Result<Response, PluginError> {
        let Request::Turn(turn) = request else { return Ok(Response::Refused("only turns".into())) };
        let Some(program) = self.programs.get(&turn.campaign) else { return Ok(Response::Refused("unknown".into())) };
        let turn = match turn.journal.len() {
            // As over the wire; the longer ones are like the short ones.
            ..8 => protocol::decode(&protocol::encode(turn)).expect("what was encoded can be decoded"),
            _ => turn.clone(),
        };
        let outcome = flow::run(turn.clone(), Given::default(), |flow| play(flow, program.clone()));
        self.compare(program, &turn, &outcome);
        Ok(Response::Turn(outcome))
    }
}

impl Scripted {
    fn compare(&self, program: &Block, turn: &Turn, outcome: &TurnOutcome) {
        let first = turn.journal.is_empty() && turn.completions.is_empty();
        let mut walks = self.walks.lock().expect("not poisoned");
        let mut walk = if first {
            Walk::new(program, turn.seed, turn.started_at)
        } else {
            let found = walks.get(&key(turn, &turn.journal)).cloned();
            found.unwrap_or_else(|| panic!("invariant `a turn goes on where one has ended` broken: {turn:?}"))
        };
        let ended = turn.completions.iter().map(|c| c.op).collect();
        let done = walk.turn(ended, turn.now, &turn.attributes.read().expect("attributes are JSON"));
        if walk.state == State::Failed {
            holds(matches!(outcome.end, End::Failed(_)), "a flow that fails says so", || format!("{outcome:?}"));
            let nothing = outcome.effects.is_empty() && outcome.entries.is_empty();
            holds(nothing, "a turn that fails decides nothing", || format!("{outcome:?}"));
            return;
        }
        equal(&outcome.effects, &done.effects, "a turn does what the program says, once");
        equal(&outcome.logs, &done.logs, "a log is silent on replay");
        equal(&outcome.pending.iter().map(|p| p.op).collect(), &walk.open(), "a turn waits for what the program says");
        equal(&outcome.next_op, &walk.next_op, "operations are numbered without a gap");
        let end = if walk.state == State::Done { End::Done } else { End::Waiting };
        equal(&outcome.end, &end, "a turn ends as the program says");
        let sent = outcome.entries.iter().filter(|e| matches!(e.happened, Happened::Sent | Happened::Updated)).count();
        let wanted =
            outcome.effects.iter().filter(|e| matches!(e, Effect::Send { .. } | Effect::Update { .. })).count();
        equal(&sent, &wanted, "every effect has its entry");
        let mut journal = turn.journal.clone();
        journal.extend(outcome.entries.iter().cloned());
        walks.insert(key(turn, &journal), walk);
    }
}

fn key(turn: &Turn, journal: &[Entry]) -> (u64, i64, u64) {
    let mut hasher = DefaultHasher::new();
    for entry in journal {
        (entry.op, entry.kind).hash(&mut hasher);
        match &entry.happened {
            Happened::Elapsed { at } | Happened::Came { at, .. } => at.hash(&mut hasher),
            Happened::Read(Some(delta)) => (&delta.set.0, &delta.removed).hash(&mut hasher),
            Happened::Cancelled => 0.hash(&mut hasher),
            Happened::Read(None) | Happened::Sent | Happened::Updated | Happened::Done => {}
        }
    }
    (turn.seed, turn.started_at, hasher.finish())
}
