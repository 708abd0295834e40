//! Servers that decide and send. What they hold is a snapshot: others may be faster, they may die, and what they had on its way may
//! still arrive.

use std::collections::BTreeMap;
use std::sync::Arc;

use segflow_core::PluginError;
use segflow_core::eval::{Asked, EventFact};
use segflow_core::ledger::Outcome;
use segflow_core::memory::Row;
use segflow_core::merge::Object;
use segflow_core::project::Project;
use segflow_core::step::{Decision, Stop, Told, What, Work, step};

use crate::audit::{self, Enrollments, Taking};
use crate::invariants::{equal, holds};
use crate::plugin::Traced;
use crate::program::{DAY, HOUR};
use crate::world::World;

/// A decision in the hands of a server.
pub struct Held {
    pub decision: Decision,
    work: Work,
    project: Arc<Project>,
    at: i64,
    trace: Vec<Traced>,
    attributes: Object,
    events: BTreeMap<String, usize>,
    /// All enrollments of the user then.
    before: Enrollments,
    /// How many decisions about the user had been committed then.
    commits: u64,
}

/// A message in the hands of a worker.
pub struct Flying {
    pub row: Row,
    /// What the provider said, once it was called.
    pub said: Option<Outcome>,
}

/// What a dead server left on its way.
pub enum Late {
    Decision(Box<Held>),
    Outcome { message: String, attempt: u32, outcome: Outcome },
}

impl World {
    /// In a torn world something comes in between.
    fn surprise(&mut self) -> bool {
        if self.surprises == 0 || !self.chaos.chance(10) {
            return false;
        }
        self.surprises -= 1;
        match self.chaos.chance(80) {
            true => self.fact(),
            false => self.now += self.chaos.pick(&[1, HOUR, DAY]),
        }
        true
    }

    /// Perhaps the servers die here. What they had in hand may still come, later.
    fn crash(&mut self) -> bool {
        if self.crashes == 0 || !self.chaos.chance(6) {
            return false;
        }
        self.crashes -= 1;
        for flying in std::mem::take(&mut self.flying) {
            if let Some(outcome) = flying.said.filter(|_| self.chaos.chance(60)) {
                let (message, attempt) = (flying.row.message.id, flying.row.attempt);
                self.late.push(Late::Outcome { message, attempt, outcome });
            }
        }
        for held in std::mem::take(&mut self.hands) {
            if self.chaos.chance(60) {
                self.late.push(Late::Decision(Box::new(held)));
            }
        }
        self.memory.recover(self.now);
        true
    }

    /// A server reads a user and decides.
    pub fn take(&mut self, user: &str) {
        let (at, project) = (self.now, self.project.clone());
        let away = !self.mode.is_calm() && self.chaos.chance(2);
        let plugins = |deployment: &str| match self.codes.get(deployment) {
            Some(_) if away => Err(PluginError::Unavailable("the host is busy".into())),
            Some(code) => Ok(code.clone()),
            None => Err(PluginError::Unavailable(format!("no deployment {deployment}"))),
        };
        let mut more = vec![];
        let (work, decision) = loop {
            let Some((work, needs)) = self.memory.load(user, &more, at) else { return };
            self.trace.lock().expect("not poisoned").clear();
            match step(&project, work.clone(), &needs, &plugins, at) {
                Ok(decision) => break (work, decision),
                Err(Stop::Missing(asked)) => {
                    let is_new = |asked: &Asked| !work.history.iter().any(|loaded| loaded.answers(asked.of()));
                    let new = asked.iter().all(is_new) && !asked.is_empty();
                    holds(new, "only what is not there is missing", || format!("{asked:?}"));
                    *self.audit.seen.entry("events loaded later".into()).or_default() += 1;
                    more.extend(asked);
                }
                Err(Stop::Plugin(_)) => return,
            }
        };
        let trace = std::mem::take(&mut *self.trace.lock().expect("not poisoned"));
        let known = &self.known[user];
        let events = known.events.iter().map(|(name, all)| (name.clone(), all.len())).collect();
        let (attributes, commits) = (known.attributes.clone(), self.commits.get(user).copied().unwrap_or(0));
        let before = audit::of_user(&self.memory, user);
        self.hands.push(Held { decision, work, project, at, trace, attributes, events, before, commits });
        if !self.surprise() {
            self.crash();
        }
    }

    /// A server commits what it holds.
    pub fn put(&mut self, held: Held) {
        let user = held.decision.user.clone();
        if self.has_changed(&held) {
            let stored = self.stored(&user);
            holds(!self.commit(held), "a decision about what has changed is refused", || user.clone());
            equal(&self.stored(&user), &stored, "a refused decision changes nothing");
            *self.audit.seen.entry("refused".into()).or_default() += 1;
        } else if self.commits.get(&user).copied().unwrap_or(0) == held.commits {
            holds(self.commit(held), "a decision in time is committed", || user.clone());
        }
        // Otherwise another server has decided something about memberships alone, which only the fence of a real store can see.
    }

    /// What a decision about a user could change.
    fn stored(&self, user: &str) -> impl PartialEq + std::fmt::Debug + use<> {
        let work = self.memory.load(user, &[], self.now);
        let work = work.map(|(work, _)| (work.user, work.facts, work.members, work.flips));
        let counted = (self.memory.marks().len(), self.memory.conversions().len());
        let rows = (self.memory.messages().count(), self.memory.jobs().count(), counted);
        (work, audit::of_user(&self.memory, user), rows)
    }

    /// Whether something a decision is about is no longer as it was read.
    fn has_changed(&self, held: &Held) -> bool {
        let Some((now, _)) = self.memory.load(&held.decision.user, &[], held.at) else { return true };
        let user = &held.work.user;
        let stored = |id: &str| self.memory.enrollments().find(|(_, e)| e.id == id).map_or(0, |(_, e)| e.version);
        (&now.user.incarnation, now.user.seq) != (&user.incarnation, user.seq)
            || held.project.generation != self.project.generation
            || held.decision.enrollments.iter().any(|e| stored(&e.id) != e.version)
    }

    fn commit(&mut self, held: Held) -> bool {
        let Held { decision, work, project, at, trace, attributes, events, before, .. } = held;
        let user = decision.user.clone();
        let stored = audit::of_user(&self.memory, &user);
        if !self.memory.commit(decision.clone(), self.now) {
            return false;
        }
        *self.commits.entry(user.clone()).or_default() += 1;
        equal(&project.generation, &self.project.generation, "nothing is decided by a manifest that is gone");
        let known = self.known.get_mut(&user);
        holds(known.is_some(), "nothing is decided about who was erased", || user.clone());
        let known = known.expect("as just said");
        for (told, _) in &decision.told {
            match told {
                Told::Patch(patch) => known.patch(patch, false),
                Told::Event { id, name, attributes } => {
                    let attributes = attributes.read().expect("JSON");
                    known.event(id, name, EventFact { occurred_at: self.now, attributes }, false);
                }
                Told::Enter { campaign } => {
                    known.told.push((What::Enter { campaign: campaign.clone(), start_at: None }, false));
                }
                Told::Leave { campaign } => known.told.push((What::Leave { campaign: campaign.clone() }, false)),
            }
        }
        let taking = Taking {
            project: &project,
            work: &work,
            decision: &decision,
            trace: &trace,
            at,
            attributes: &attributes,
            events: &events,
            before: &before,
        };
        holds(known.told.len() < 3_000, "an instant comes to an end", || user.clone());
        self.audit.committed(&self.memory, &stored, &taking, known);
        true
    }

    /// A worker takes a message.
    pub fn claim(&mut self) -> bool {
        let Some(row) = self.memory.claim(self.now) else { return false };
        self.audit.claimed(&self.memory, &row);
        self.flying.push(Flying { row, said: None });
        self.crash();
        true
    }

    /// The next thing happens to one of the messages that are being sent.
    pub fn fly(&mut self) {
        let index = self.chaos.below(self.flying.len() as u64) as usize;
        match self.flying[index].said.take() {
            None => {
                let luck = if self.mode.is_calm() { 0 } else { self.chaos.below(20) };
                let (accepted, said) = match luck {
                    0..=11 => (true, Outcome::Accepted { provider_id: None }),
                    12..=14 => (false, Outcome::Retry("busy".into())),
                    15 => (false, Outcome::Refused("no such mailbox".into())),
                    16 | 17 => (true, Outcome::Ambiguous("cut".into())),
                    _ => (false, Outcome::Ambiguous("cut".into())),
                };
                if accepted {
                    self.audit.accept(&self.flying[index].row.message);
                }
                self.flying[index].said = Some(said);
                if !self.surprise() {
                    self.crash();
                }
            }
            Some(outcome) => {
                let row = self.flying.remove(index).row;
                self.memory.outcome(&row.message.id, row.attempt, &outcome, self.now);
                self.crash();
            }
        }
    }

    /// Something of a dead server arrives.
    pub fn straggler(&mut self) {
        let index = self.chaos.below(self.late.len() as u64) as usize;
        match self.late.remove(index) {
            Late::Outcome { message, attempt, outcome } => self.memory.outcome(&message, attempt, &outcome, self.now),
            Late::Decision(held) => self.put(*held),
        }
    }
}
