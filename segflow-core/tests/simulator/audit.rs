//! What must hold after every commit, and whenever nothing is left to do.

use std::collections::{BTreeMap, BTreeSet};

use segflow_core::enrollment::{Enrollment, Status};
use segflow_core::eval::{EventFact, Facts, evaluate};
use segflow_core::ids;
use segflow_core::ledger::{self, Origin};
use segflow_core::memory::Memory;
use segflow_core::merge::{Object, merge};
use segflow_core::project::{Project, Touch, belongs};
use segflow_core::protocol::{Field, Guarantee, Happened, Mode, OpKind, Rule, Waits};
use segflow_core::step::{Decision, MAX_AGE, What, Work};

use crate::invariants::{equal, holds};

/// A user as the outside knows it.
#[derive(Default)]
pub struct Known {
    pub attributes: Object,
    pub ids: BTreeSet<String>,
    /// By name.
    pub events: BTreeMap<String, Vec<EventFact>>,
}

#[derive(Default)]
pub struct Audit {
    /// Operations that decided a message, and all messages.
    decided: BTreeSet<(String, u64)>,
    messages: BTreeSet<String>,
    /// How often a provider has accepted each message.
    pub accepted: BTreeMap<String, u32>,
}

/// What of a user a commit may change.
pub struct Before {
    enrollments: BTreeMap<String, Enrollment>,
}

pub fn before(memory: &Memory, user: &str) -> Before {
    let of_user = memory.enrollments().filter(|(of, _)| *of == user);
    Before { enrollments: of_user.map(|(_, e)| (e.id.clone(), e.clone())).collect() }
}

impl Audit {
    /// A decision taken at `at` was committed.
    pub fn committed(
        &mut self,
        memory: &Memory,
        project: &Project,
        work: &Work,
        decision: &Decision,
        before: &Before,
        at: i64,
    ) {
        let (after, _) = memory.load(&decision.user, &BTreeSet::new(), at).expect("the user is there");
        equal(&after.user.incarnation, &work.user.incarnation, "nothing is decided about who was erased");
        equal(&after.user.seq, &(work.user.seq + decision.consumed.len() as i64), "a user's seq is dense");
        let now: BTreeMap<&str, &Enrollment> = memory.enrollments().map(|(_, e)| (e.id.as_str(), e)).collect();
        for decided in &decision.enrollments {
            let new = now[decided.id.as_str()];
            match before.enrollments.get(&decided.id) {
                Some(old) => grown(old, new, at),
                None => {
                    let fresh = Enrollment::new(new.id.clone(), &new.campaign, new.run, &new.deployment, at, new.hops);
                    grown(&fresh, new, at);
                    self.entered(project, before, new);
                }
            }
        }
        self.messages_of(project, work, decision, &now, at);
    }

    fn entered(&self, project: &Project, before: &Before, new: &Enrollment) {
        let campaign = project.campaign(&new.campaign).expect("only a campaign of the project is entered");
        let earlier = || before.enrollments.values().filter(|e| e.campaign == new.campaign);
        equal(&new.run, &(earlier().count() as u32 + 1), "runs are counted without a gap");
        let once = campaign.mode == Mode::Dynamic || new.run == 1;
        holds(once, "a static campaign is entered once", || format!("{new:?}"));
        let alone = earlier().all(|e| !e.status.is_live());
        holds(alone, "a user is in a campaign once at a time", || format!("{new:?}"));
    }

    fn messages_of(
        &mut self,
        project: &Project,
        work: &Work,
        decision: &Decision,
        now: &BTreeMap<&str, &Enrollment>,
        at: i64,
    ) {
        let mut expected = BTreeSet::new();
        for fact in work.facts.iter().filter(|f| !f.historical) {
            let What::Event { id, name, occurred_at, .. } = &fact.what else { continue };
            for transaction in
                project.manifest.transactions.iter().filter(|t| t.event == *name && at - occurred_at < MAX_AGE)
            {
                expected.insert(ids::transaction_message(&work.workspace, &work.user.incarnation, &transaction.id, id));
            }
        }
        let mut confirmed = BTreeSet::new();
        for message in &decision.messages {
            holds(self.messages.insert(message.id.clone()), "a message is decided once", || format!("{message:?}"));
            match &message.origin {
                Origin::Transaction { .. } => {
                    confirmed.insert(message.id.clone());
                }
                Origin::Campaign { enrollment, op, .. } => {
                    let once = self.decided.insert((enrollment.clone(), *op));
                    holds(once, "an operation is decided once", || format!("{message:?}"));
                    let from = now[enrollment.as_str()];
                    let going = matches!(from.status, Status::Active | Status::Done | Status::Parked);
                    holds(going, "who has left decides nothing", || format!("{message:?} {from:?}"));
                    let entry = from.journal.iter().any(|e| e.op == *op && e.happened == Happened::Sent);
                    holds(entry, "a message has its entry", || format!("{message:?} {from:?}"));
                }
            }
        }
        equal(&confirmed, &expected, "a transaction answers each new event, and no other");
    }

    /// A provider has accepted a message.
    pub fn accept(&mut self, message: &ledger::Message) {
        let times = self.accepted.entry(message.id.clone()).or_default();
        *times += 1;
        let fine = *times == 1 || message.guarantee == Guarantee::AtLeastOnce;
        holds(fine, "at most once is at most once", || format!("{message:?}"));
    }

    /// Nothing is left to do at `now`.
    pub fn quiet(&self, memory: &Memory, project: &Project, known: &BTreeMap<String, Known>, now: i64) {
        let mut live = BTreeSet::new();
        let mut left = BTreeSet::new();
        for (user, e) in memory.enrollments() {
            match e.status {
                Status::Active => {
                    let later = e.wake_at().is_some_and(|at| at > now);
                    holds(later, "what is active waits for something to come", || format!("{e:?} at {now}"));
                }
                Status::Parked => {
                    let why = e.reason.as_deref().unwrap_or("");
                    let known = ["on purpose", "more than 50 steps at one instant", "1000 operations without waiting"];
                    let fine = known.iter().any(|k| why.starts_with(k));
                    holds(fine, "what is parked has a reason in its program", || format!("{e:?}"));
                }
                Status::Paused => {}
                Status::Done | Status::Exited => {
                    equal(&e.pending, &vec![], "what has ended waits for nothing");
                }
            }
            if e.status == Status::Exited {
                left.insert(&e.id);
            }
            let Some(campaign) = project.campaign(&e.campaign) else {
                holds(!e.status.is_live(), "a campaign that is gone has nobody in it", || format!("{e:?}"));
                continue;
            };
            if e.status.is_live() {
                holds(live.insert((user, &e.campaign)), "a user is in a campaign once at a time", || format!("{e:?}"));
                let stays = campaign.mode == Mode::Static || belongs(campaign, |id| memory.in_segment(user, id));
                holds(stays, "who no longer belongs has left a dynamic campaign", || format!("{e:?}"));
            }
        }
        let ledger: BTreeSet<&String> = memory.messages().map(|row| &row.message.id).collect();
        let kept = self.messages.iter().all(|id| ledger.contains(id)) && ledger.len() == self.messages.len();
        holds(kept, "no decided message is missing from the ledger", || {
            format!("{} {}", self.messages.len(), ledger.len())
        });
        for row in memory.messages().filter(|row| row.status == ledger::Status::Pending) {
            holds(!row.user.is_empty(), "who was erased is sent nothing", || format!("{row:?}"));
            let Origin::Campaign { enrollment, .. } = &row.message.origin else { continue };
            holds(!left.contains(enrollment), "who has left is sent nothing", || format!("{row:?}"));
        }
        for (user, known) in known {
            equal(&memory.attributes(user), &Some(&known.attributes), "attributes are all patches in their order");
        }
        memberships(memory, project, known, now, "memberships are those of an evaluation from scratch");
    }

    /// The end: every message has come to one.
    pub fn ended(&self, memory: &Memory) {
        for row in memory.messages() {
            let accepted = self.accepted.get(&row.message.id).copied().unwrap_or(0);
            let once = row.message.guarantee == Guarantee::AtMostOnce;
            let fine = match row.status {
                ledger::Status::Sent => accepted >= 1,
                ledger::Status::Refused | ledger::Status::Cancelled => accepted == 0 || !once,
                ledger::Status::Unknown => once || row.attempt == ledger::MAX_ATTEMPTS,
                _ => false,
            };
            holds(fine, "every message comes to an end that is true", || format!("accepted {accepted} times: {row:?}"));
        }
    }
}

/// What may become of an enrollment in one turn.
fn grown(old: &Enrollment, new: &Enrollment, at: i64) {
    let story = || format!("at {at}\n  old {old:?}\n  new {new:?}");
    let may = matches!(old.status, Status::Active | Status::Parked);
    holds(may, "what has ended does not move", story);
    holds(new.journal.starts_with(&old.journal), "a journal only grows", story);
    holds(new.next_op >= old.next_op, "operations are never numbered again", story);
    let all: BTreeSet<u64> = new.journal.iter().map(|e| e.op).collect();
    holds(all.len() == new.journal.len(), "an operation ends once", story);
    for entry in &new.journal[old.journal.len()..] {
        holds(entry.op < new.next_op, "operations are never numbered again", story);
        let open = old.pending.iter().find(|w| w.what.op == entry.op);
        holds(open.is_some() || entry.op >= old.next_op, "operations are never numbered again", story);
        if let (OpKind::Wait, Happened::Elapsed { at: ended }) = (entry.kind, &entry.happened) {
            // One that has begun and ended in this step took no time.
            let over = open.is_none_or(|w| w.due.is_some_and(|due| due <= at));
            holds(over && *ended == at, "nothing wakes early", story);
        }
    }
    for waiting in &new.pending {
        let begun = old.pending.iter().find(|w| w.what.op == waiting.what.op);
        let Waits::Duration { ms } = waiting.what.waits else { continue };
        let due = begun.map_or(Some(at + ms.max(0)), |w| w.due);
        equal(&waiting.due, &due, "a wait is due when its time has gone");
    }
    if new.status == Status::Exited {
        equal(&(&new.journal, new.next_op), &(&old.journal, old.next_op), "who leaves decides nothing");
    }
}

/// Holds the stored memberships against an evaluation of everything, now.
pub fn memberships(memory: &Memory, project: &Project, known: &BTreeMap<String, Known>, now: i64, name: &str) {
    for (user, known) in known {
        let mut view = View { project, known, members: BTreeSet::new(), now };
        for index in project.touched(&[Touch::All]) {
            let segment = &project.manifest.segments[index];
            let Rule::Expr(expr) = &segment.rule else { continue };
            let verdict = evaluate(expr, &view);
            let stored = memory.in_segment(user, &segment.id);
            holds(stored == verdict.holds, name, || {
                format!("{user} in {} at {now}: stored {stored}, {expr:?}", segment.id)
            });
            if verdict.holds {
                view.members.insert(&segment.id);
            }
        }
    }
}

struct View<'a> {
    project: &'a Project,
    known: &'a Known,
    members: BTreeSet<&'a str>,
    now: i64,
}

impl Facts for View<'_> {
    fn attributes(&self) -> &Object {
        &self.known.attributes
    }
    fn events(&self, name: &str) -> &[EventFact] {
        self.known.events.get(name).map_or(&[], Vec::as_slice)
    }
    fn in_segment(&self, id: &str) -> bool {
        self.members.contains(id)
    }
    fn user_fields(&self) -> &[Field] {
        &self.project.manifest.user
    }
    fn event_fields(&self, name: &str) -> &[Field] {
        self.project.event_fields(name)
    }
    fn now(&self) -> i64 {
        self.now
    }
}

impl Known {
    pub fn patch(&mut self, patch: &Object) {
        merge(&mut self.attributes, patch);
    }
}
