//! A plugin in process, which writes down every turn that it plays.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use segflow_core::flow::{self, Given};
use segflow_core::protocol::{self, Completion, End, Json, Request, Response, Turn, TurnOutcome, decode, encode};
use segflow_core::{Plugin, PluginError};

use crate::player::{TRAPPED, play};
use crate::program::Block;

/// A turn as the engine asked for it, and what came of it.
#[derive(Debug, Clone)]
pub struct Traced {
    pub seed: u64,
    pub first_op: u64,
    pub since: i64,
    pub state: Option<Json>,
    pub entries_before: usize,
    pub now: i64,
    pub attributes: Json,
    pub completions: Vec<Completion>,
    pub outcome: TurnOutcome,
}

/// The turns of the step that is being taken.
pub type Trace = Arc<Mutex<Vec<Traced>>>;

pub struct Scripted {
    pub programs: BTreeMap<String, Block>,
    pub trace: Trace,
}

impl Plugin for Scripted {
    fn call(&self, request: &Request) -> Result<Response, PluginError> {
        let (turn, state) = match request {
            Request::Turn(turn) => (turn, None),
            Request::Anew(turn, state) => (turn, Some(state)),
            _ => return Ok(Response::Refused("only turns".into())),
        };
        let Some(program) = self.programs.get(&turn.campaign) else { return Ok(Response::Refused("unknown".into())) };
        let outcome = match turn.journal.len() {
            // As over the wire; the longer ones are like the short ones.
            ..4 => match decode(&encode(request)).expect("what was encoded can be decoded") {
                Request::Turn(turn) => wired(run(program, turn, None)),
                Request::Anew(turn, state) => wired(run(program, turn, Some(state))),
                other => panic!("decoded {other:?}"),
            },
            _ => run(program, turn.clone(), state.cloned()),
        };
        self.trace.lock().expect("not poisoned").push(Traced {
            seed: turn.seed,
            first_op: turn.first_op,
            since: turn.started_at,
            state: state.cloned(),
            entries_before: turn.journal.len(),
            now: turn.now,
            attributes: turn.attributes.clone(),
            completions: turn.completions.clone(),
            outcome: outcome.clone(),
        });
        match outcome.end {
            End::Failed(why) if why == TRAPPED => Err(PluginError::Trap(why)),
            _ => Ok(Response::Turn(outcome)),
        }
    }
}

fn run(program: &Block, turn: Turn, state: Option<Json>) -> TurnOutcome {
    let given = Given { state, random: None };
    flow::run(turn, given, |flow| play(flow, program.clone()))
}

fn wired(outcome: TurnOutcome) -> TurnOutcome {
    protocol::decode(&protocol::encode(&outcome)).expect("what was encoded can be decoded")
}
