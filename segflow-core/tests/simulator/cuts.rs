//! Every journal, cut at every entry, replays to the same next operation.

use std::collections::BTreeMap;

use segflow_core::enrollment::Enrollment;
use segflow_core::flow::{self, Given};
use segflow_core::ids;
use segflow_core::merge::{Object, apply_delta};
use segflow_core::protocol::{Completion, End, Entry, Happened, Json, Turn, TurnOutcome};

use crate::invariants::{equal, holds};
use crate::player::play;
use crate::program::Block;

/// Journals are looked at up to this length.
const LONGEST: usize = 40;

pub fn cut(user: &str, e: &Enrollment, programs: &BTreeMap<String, BTreeMap<String, Block>>) {
    let program = &programs[&e.deployment][&e.campaign];
    let journal: Vec<Entry> = e.journal.iter().take(LONGEST).collect();
    for at in 1..journal.len() {
        let entry = &journal[at];
        let outcome = replay(user, e, program, &journal[..at], vec![], Object::new());
        let story = || format!("cut at {at}: {outcome:?}\n  {e:?}");
        let has = |name: &str, condition: bool| holds(condition, name, story);
        let ended = matches!(entry.happened, Happened::Elapsed { .. } | Happened::Came { .. });
        if !ended {
            // Within a turn: nothing is done there twice, and what would be done next is what the journal has.
            let End::Diverged(parts) = &outcome.end else { panic!("within a turn {}", story()) };
            let next = format!("(operation {})", entry.op);
            let same = parts.entry == at as u64 && parts.got.contains(&next) && parts.got.contains(entry.kind.name());
            has("a journal cut within a turn goes on where it was cut", same && outcome.effects.is_empty());
            continue;
        }
        let waits =
            outcome.pending.iter().any(|p| (p.op, p.kind, p.identity) == (entry.op, entry.kind, entry.identity));
        has("a journal cut between turns waits for what came next", outcome.end == End::Waiting && waits);
        has("a replay decides nothing", outcome.entries.is_empty() && outcome.effects.is_empty());
        has("a log is silent on replay", outcome.logs.is_empty());
        // And what came next leads to the entries that followed it.
        let ends = |e: &Entry| matches!(e.happened, Happened::Elapsed { .. } | Happened::Came { .. });
        let until = journal[at + 1..].iter().position(ends).map_or(journal.len(), |n| at + 1 + n);
        let news = vec![Completion { op: entry.op, happened: entry.happened.clone() }];
        let outcome = replay(user, e, program, &journal[..at], news, as_read(&journal[..until], at));
        if until == journal.len() && journal.len() < e.journal.len() {
            continue;
        }
        let mut entries = outcome.entries;
        // Of one that has ended by a goal of its own, what it would have done after that is not there.
        if until == journal.len() && e.reason.as_deref().is_some_and(|why| why.starts_with("reached the goal ")) {
            entries.truncate(journal.len() - at);
        }
        equal(&entries, &journal[at..until].to_vec(), "a journal cut between turns goes on as it did");
    }
}

fn replay(
    user: &str,
    e: &Enrollment,
    program: &Block,
    journal: &[Entry],
    completions: Vec<Completion>,
    attributes: Object,
) -> TurnOutcome {
    let turn = Turn {
        campaign: e.campaign.clone(),
        user_id: user.into(),
        seed: ids::seed(&e.id),
        first_op: e.first_op,
        started_at: e.since,
        now: e.since,
        attributes: Json(serde_json::Value::Object(attributes).to_string()),
        journal: journal.iter().cloned().collect(),
        completions,
    };
    flow::run(turn, Given { state: e.state.clone(), random: None }, |flow| play(flow, program.clone()))
}

/// The user as the first reading from an entry on has it.
fn as_read(journal: &[Entry], from: usize) -> Object {
    let mut user = Object::new();
    for (index, entry) in journal.iter().enumerate() {
        let Happened::Read(delta) = &entry.happened else { continue };
        if let Some(delta) = delta {
            apply_delta(&mut user, delta).expect("JSON");
        }
        if index >= from {
            break;
        }
    }
    user
}
