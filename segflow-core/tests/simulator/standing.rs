//! Where an enrollment stands after a step, and why.

use std::collections::{BTreeMap, BTreeSet};

use segflow_core::enrollment::{Enrollment, Status};
use segflow_core::protocol::{End, InFlight};

use crate::entries::Movement;
use crate::invariants::{equal, holds};
use crate::program::Block;
use crate::runs::Run;

/// What a push does with an enrollment that is not on its way out. `true`: it begins anew.
pub fn pushed(
    programs: &BTreeMap<String, BTreeMap<String, Block>>,
    run: &mut Run,
    old: &Enrollment,
    new: &Enrollment,
    movement: &Movement<'_>,
) -> bool {
    let pushed = &movement.project.deployment;
    let policy = movement.policy(old);
    let moves = match policy {
        Some(InFlight::Restart) => {
            run.restart(programs[pushed][&old.campaign].clone(), old.next_op, movement.at);
            true
        }
        Some(InFlight::Migrate) => run.migrate(&programs[pushed][&old.campaign], old),
        Some(InFlight::Pin | InFlight::Cancel) | None => false,
    };
    let deployment = if moves { pushed } else { &old.deployment };
    holds(new.deployment == *deployment, "a push does with those in flight what it says", || {
        format!("{policy:?} of {pushed}: {old:?}\n  {new:?}")
    });
    if policy == Some(InFlight::Cancel) {
        let reason = new.reason.as_deref();
        equal(&(new.status, reason), &(Status::Exited, Some("cancelled by a push")), "a push cancels");
    }
    policy == Some(InFlight::Restart)
}

/// Holds how an enrollment stands against what should have become of it. Returns it if it was stopped from outside.
pub fn ends(
    run: &mut Run,
    old: Option<&Enrollment>,
    new: &Enrollment,
    movement: &Movement<'_>,
    leaves: Option<String>,
) -> Option<String> {
    let story = || format!("{:?}, {old:?}\n  {new:?}", run.end);
    let stopped = Some(new.id.clone());
    if let Some(reason) = leaves {
        equal(&(new.status, new.reason.as_ref()), &(Status::Exited, Some(&reason)), "who has to leave leaves");
        let old = old.expect("only who was there leaves");
        equal(&(&new.journal, new.next_op), &(&old.journal, old.next_op), "who leaves decides nothing");
        run.leave(&reason);
        return stopped;
    }
    // A push that restarts it comes after that.
    let restarted = || old.is_some_and(|old| movement.policy(old) == Some(InFlight::Restart));
    if let Some(reason) = old.and_then(|old| movement.pauses(old)).filter(|_| !restarted()) {
        let old = old.expect("only who was there pauses");
        if new.status == Status::Paused {
            equal(&new.reason.as_ref(), &Some(&reason), "who has to pause pauses");
        } else {
            let pushed = new.reason.as_deref() == Some("cancelled by a push");
            holds(pushed || movement.by_goal(new, false), "who has to pause pauses", story);
            run.leave("after a pause");
        }
        equal(&(&new.journal, new.next_op), &(&old.journal, old.next_op), "who pauses decides nothing");
        return stopped;
    }
    match (new.status, &run.end) {
        (Status::Exited, Some(End::Exited(why))) if new.reason.as_ref() == Some(why) => None,
        (Status::Exited, _) if new.reason.as_deref() == Some("cancelled by a push") => {
            run.leave("cancelled");
            stopped
        }
        (Status::Exited, _) => {
            let left = new.reason.as_deref() == Some("stopped by another campaign") && old.is_none();
            holds(left || movement.by_goal(new, false), "who leaves has a reason", story);
            run.leave("a goal");
            // What it decided on the way to its own goal is sent.
            stopped.filter(|_| !movement.has_goal(new))
        }
        (Status::Paused, None) => {
            let same = old.is_some_and(|old| old.status == Status::Paused && old.reason == new.reason);
            holds(same || movement.by_goal(new, true), "who pauses has a reason", story);
            stopped.filter(|_| !same)
        }
        (status, end) => {
            let same = old.is_some_and(|old| old.status == status && !restarted());
            let fits = match end {
                Some(End::Done) => status == Status::Done,
                Some(_) => false,
                None => status == Status::Active || (status == Status::Parked),
            };
            holds(fits || same, "it stands where its program has led", story);
            None
        }
    }
}

/// What may become of an enrollment in one step.
pub fn grown(old: &Enrollment, new: &Enrollment, restarted: bool) {
    let story = || format!("\n  old {old:?}\n  new {new:?}");
    let moved = (new.next_op, &new.journal) != (old.next_op, &old.journal);
    let may = old.status == Status::Active || restarted;
    holds(may || !moved, "what is paused, parked or over does not move", story);
    holds(new.next_op >= old.next_op, "operations are never numbered again", story);
    if new.first_op == old.first_op && !restarted {
        holds(new.journal.iter().take(old.journal.len()).eq(&old.journal), "a journal only grows", story);
    } else {
        holds(new.first_op >= old.next_op, "operations are never numbered again", story);
    }
    let all: BTreeSet<u64> = new.journal.iter().map(|e| e.op).collect();
    holds(all.len() == new.journal.len(), "an operation ends once", story);
    let fine = new.journal.iter().all(|e| (new.first_op..new.next_op).contains(&e.op));
    holds(fine, "operations are never numbered again", story);
}
