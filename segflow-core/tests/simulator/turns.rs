//! A turn of the machine, held against the model.

use segflow_core::protocol::{End, TurnOutcome};

use crate::model::{Done, Walk};

impl Walk {
    /// Holds a turn of the machine against what the program does.
    pub fn agrees(&self, done: &Done, end: &End, outcome: &TurnOutcome) -> Result<(), String> {
        let same = |name: &str, a: &dyn std::fmt::Debug, b: &dyn std::fmt::Debug| {
            let (a, b) = (format!("{a:?}"), format!("{b:?}"));
            if a == b { Ok(()) } else { Err(format!("{name}\n  is     {a}\n  should {b}")) }
        };
        if outcome.end != *end {
            same("a turn ends as the program says", &outcome.end, end)?;
        }
        if outcome.entries != done.entries {
            same("every operation has its entry, in order", &outcome.entries, &done.entries)?;
        }
        if outcome.effects != done.effects {
            same("a turn does what the program says, once", &outcome.effects, &done.effects)?;
        }
        if outcome.logs != done.logs {
            same("a log is silent on replay", &outcome.logs, &done.logs)?;
        }
        if outcome.next_op != self.next_op {
            same("operations are numbered without a gap", &outcome.next_op, &self.next_op)?;
        }
        let open = || self.open.iter().filter(|_| *end == End::Waiting);
        let begun = outcome.pending.iter().all(|p| {
            let wait = self.open.get(&p.op).filter(|w| (w.kind(), w.identity()) == (p.kind, p.identity));
            wait.is_some_and(|wait| wait.waits() == p.waits)
        });
        if !begun || outcome.pending.len() != open().count() {
            same("a turn waits for what the program says", &outcome.pending, &open().collect::<Vec<_>>())?;
        }
        Ok(())
    }
}
