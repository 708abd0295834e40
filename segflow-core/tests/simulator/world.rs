//! One simulated workspace: facts and time from a script, crashes and providers from chaos.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use segflow_core::enrollment::Status;
use segflow_core::eval::EventFact;
use segflow_core::ledger::{self, Message, Origin, Outcome};
use segflow_core::memory::{Memory, Row};
use segflow_core::merge::Object;
use segflow_core::project::Project;
use segflow_core::protocol::Entry;
use segflow_core::step::{Decision, Told, Work, step};
use segflow_core::{Code, PluginError};
use serde_json::{Value, json};

use crate::audit::{self, Audit, Known};
use crate::invariants::{equal, holds};
use crate::manifest::{self, ATTRIBUTES, EVENTS, Source};
use crate::plugin::{Scripted, Walks};
use crate::program::{DAY, HOUR};
use crate::rng::Rng;

const USERS: [&str; 3] = ["ada", "ada ", "o'brien"];
const START: i64 = 1_750_000_000_000;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing.
    Smooth,
    /// Crashes and providers; facts come only between the steps, so that all is decided as in [`Mode::Smooth`].
    Crashes,
    /// Facts, pushes and time come at any moment.
    Torn,
}

/// What a world has come to, without what a crash may change.
#[derive(Debug, PartialEq)]
pub struct Decided {
    enrollments: BTreeMap<String, Standing>,
    attributes: BTreeMap<String, Object>,
    members: BTreeMap<String, BTreeSet<String>>,
    messages: BTreeMap<String, Message>,
    logs: BTreeMap<(String, String), Vec<String>>,
}

/// An enrollment's deployment, status, reason, next operation, journal and next turn.
type Standing = (String, Status, Option<String>, u64, Vec<Entry>, Option<i64>);

/// Plays a seed, to what was decided.
pub fn play(seed: u64, mode: Mode) -> Decided {
    let mut world = World::new(seed, mode);
    world.deploy();
    for _ in 0..4 + world.script.below(6) {
        for _ in 0..world.script.below(3) {
            world.fact();
        }
        world.settle();
        if world.script.chance(60) {
            let to = match world.memory.next_wake().filter(|_| world.script.chance(60)) {
                Some(next) => next,
                None => world.now + 1 + world.script.below(2 * DAY as u64) as i64,
            };
            world.advance(to);
        }
    }
    for _ in 0..6 {
        let Some(next) = world.memory.next_wake() else { break };
        world.advance(next);
    }
    let decided = world.decided();
    world.finish();
    decided
}

struct World {
    mode: Mode,
    script: Rng,
    chaos: Rng,
    now: i64,
    memory: Memory,
    source: Source,
    project: Arc<Project>,
    codes: BTreeMap<String, Code>,
    walks: Walks,
    known: BTreeMap<String, Known>,
    flying: Vec<Flying>,
    late: Vec<Late>,
    /// How much may still go wrong: everything has an end.
    crashes: u32,
    surprises: u32,
    emitted: u64,
    audit: Audit,
}

/// A message in the hands of a worker.
struct Flying {
    row: Row,
    /// What the provider said, once it was called.
    said: Option<Outcome>,
}

/// What a dead worker left on its way.
enum Late {
    Decision { decision: Box<Decision>, work: Box<Work>, project: Arc<Project>, at: i64 },
    Outcome { message: String, attempt: u32, outcome: Outcome },
}

impl World {
    fn new(seed: u64, mode: Mode) -> World {
        World {
            mode,
            script: Rng::new(seed, 0),
            chaos: Rng::new(seed, 1),
            now: START,
            memory: Memory::new("simulated"),
            source: Source::default(),
            project: Arc::default(),
            codes: BTreeMap::new(),
            walks: Walks::default(),
            known: BTreeMap::new(),
            flying: vec![],
            late: vec![],
            crashes: if mode == Mode::Smooth { 0 } else { 8 },
            surprises: if mode == Mode::Torn { 8 } else { 0 },
            emitted: 0,
            audit: Audit::default(),
        }
    }

    fn deploy(&mut self) {
        let before = (self.project.generation > 0).then(|| self.source.clone());
        self.source = manifest::source(&mut self.script, before.as_ref());
        let project = manifest::project(&self.source, &self.project, self.now);
        let plugin = Scripted { programs: self.source.programs.clone(), walks: self.walks.clone() };
        let code = Code { plugin: Arc::new(plugin), manifest: Arc::new(project.manifest.clone()) };
        self.codes.insert(project.deployment.clone(), code);
        self.memory.deploy(project.clone());
        self.project = Arc::new(project);
    }

    /// Something comes from outside.
    fn fact(&mut self) {
        let rng = &mut self.script;
        let user = rng.pick(&USERS);
        match rng.below(20) {
            0 => {
                self.memory.erase(user);
                self.known.remove(user);
            }
            1 => self.deploy(),
            2..=9 => {
                let mut patch = Object::new();
                for _ in 0..1 + rng.below(2) {
                    let to = if rng.chance(20) { Value::Null } else { json!(rng.below(3)) };
                    patch.insert(rng.pick(&ATTRIBUTES).into(), to);
                }
                self.memory.update(user, &patch, rng.chance(10), self.now);
                self.known.entry(user.into()).or_default().patch(&patch);
            }
            _ => {
                let age = match rng.below(10) {
                    0 => -(rng.below(3 * DAY as u64) as i64),
                    1 => rng.below(60) as i64 * DAY,
                    2 => DAY,
                    3 => rng.below(DAY as u64) as i64,
                    _ => 0,
                };
                let again = self.emitted > 0 && rng.chance(15);
                let id = if again { rng.below(self.emitted) } else { self.emitted };
                self.emitted = self.emitted.max(id + 1);
                let (id, name, historical) = (format!("e{id}"), rng.pick(&EVENTS), rng.chance(20));
                let attributes = Object::from_iter([("v".to_string(), json!(rng.below(3)))]);
                let occurred_at = self.now - age;
                let event = EventFact { occurred_at, attributes };
                self.memory.emit(user, &id, name, event.clone(), historical, self.now);
                let known = self.known.entry(user.into()).or_default();
                if known.ids.insert(id) {
                    known.events.entry(name.into()).or_default().push(event);
                }
            }
        }
    }

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

    /// Perhaps the server dies here. What it had in hand may still come, later.
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
        self.memory.recover(self.now);
        true
    }

    /// Works until nothing is left to do at this instant.
    fn settle(&mut self) {
        for turn in 0.. {
            holds(turn < 1_500, "an instant comes to an end", || format!("{:?}", self.memory.busy(self.now)));
            let busy = self.memory.busy(self.now);
            let dice = if self.mode == Mode::Smooth { 0 } else { self.chaos.below(8) };
            if !busy.is_empty() && dice < 6 {
                self.decide(&busy[dice as usize % busy.len()]);
            } else if !self.flying.is_empty() && (dice % 2 == 0 || self.flying.len() > 2) {
                self.fly();
            } else if !self.claim() && busy.is_empty() && self.flying.is_empty() {
                break;
            }
            if !self.late.is_empty() && self.chaos.chance(20) {
                self.straggler();
            }
        }
        self.audit.quiet(&self.memory, &self.project, &self.known, self.now);
    }

    fn decide(&mut self, user: &str) {
        let (at, project) = (self.now, self.project.clone());
        let Some((work, needs)) = self.memory.load(user, &BTreeSet::new(), at) else { return };
        if self.crash() {
            return;
        }
        let away = self.mode != Mode::Smooth && self.chaos.chance(2);
        let plugins = |deployment: &str| match self.codes.get(deployment) {
            Some(_) if away => Err(PluginError::Unavailable("the host is busy".into())),
            Some(code) => Ok(code.clone()),
            None => Err(PluginError::Unavailable(format!("no deployment {deployment}"))),
        };
        let Ok(decision) = step(&project, work.clone(), &needs, &plugins, at) else { return };
        let torn = self.surprise();
        if self.crash() {
            // A decision about memberships alone names nothing that could have changed; the fence of a real store keeps it out.
            if !decision.consumed.is_empty() || !decision.enrollments.is_empty() {
                self.late.push(Late::Decision { decision: Box::new(decision), work: Box::new(work), project, at });
            }
            return;
        }
        let committed = self.commit(decision, &work, &project, at);
        holds(committed || torn, "a decision in time is committed", || user.into());
    }

    fn commit(&mut self, decision: Decision, work: &Work, project: &Project, at: i64) -> bool {
        let user = decision.user.clone();
        let before = audit::before(&self.memory, &user);
        if !self.memory.commit(decision.clone(), self.now) {
            return false;
        }
        equal(&project.generation, &self.project.generation, "nothing is decided by a manifest that is gone");
        let known = self.known.get_mut(&user);
        holds(known.is_some(), "nothing is decided about who was erased", || user.clone());
        let known = known.expect("as just said");
        for (told, _) in &decision.told {
            if let Told::Patch(patch) = told {
                known.patch(patch);
            }
        }
        self.audit.committed(&self.memory, project, work, &decision, &before, at);
        true
    }

    fn claim(&mut self) -> bool {
        let Some(row) = self.memory.claim(self.now) else { return false };
        holds(!row.user.is_empty(), "who was erased is sent nothing", || format!("{row:?}"));
        if let Origin::Campaign { enrollment, .. } = &row.message.origin {
            let left = self.memory.enrollments().any(|(_, e)| e.id == *enrollment && e.status == Status::Exited);
            holds(!left, "who has left is sent nothing", || format!("{row:?}"));
        }
        self.flying.push(Flying { row, said: None });
        self.crash();
        true
    }

    /// The next thing happens to one of the messages that are being sent.
    fn fly(&mut self) {
        let index = self.chaos.below(self.flying.len() as u64) as usize;
        match self.flying[index].said.take() {
            None => {
                let luck = if self.mode == Mode::Smooth { 0 } else { self.chaos.below(20) };
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

    /// Something of a dead worker arrives.
    fn straggler(&mut self) {
        let index = self.chaos.below(self.late.len() as u64) as usize;
        match self.late.remove(index) {
            Late::Outcome { message, attempt, outcome } => self.memory.outcome(&message, attempt, &outcome, self.now),
            Late::Decision { decision, work, project, at } => {
                let user = decision.user.clone();
                let stored = format!("{:?}", self.memory.load(&user, &BTreeSet::new(), self.now));
                if !self.commit(*decision, &work, &project, at) {
                    let now = format!("{:?}", self.memory.load(&user, &BTreeSet::new(), self.now));
                    equal(&now, &stored, "a refused decision changes nothing");
                }
            }
        }
    }

    fn next_message(&self) -> Option<i64> {
        self.memory.messages().filter(|r| r.status == ledger::Status::Pending).map(|r| r.due_at).min()
    }

    fn advance(&mut self, to: i64) {
        let name = "time changes a membership only at a flip";
        loop {
            let next = self.memory.next_due();
            let Some(next) = next.filter(|next| *next <= to) else { break };
            audit::memberships(&self.memory, &self.project, &self.known, (next - 1).max(self.now), name);
            self.now = self.now.max(next);
            self.settle();
        }
        self.now = self.now.max(to);
        audit::memberships(&self.memory, &self.project, &self.known, self.now, name);
    }

    fn decided(&self) -> Decided {
        let enrollments = self.memory.enrollments().map(|(_, e)| {
            (
                e.id.clone(),
                (e.deployment.clone(), e.status, e.reason.clone(), e.next_op, e.journal.clone(), e.wake_at()),
            )
        });
        let members = self
            .known
            .keys()
            .filter_map(|user| Some((user.clone(), self.memory.load(user, &BTreeSet::new(), self.now)?.0.members)));
        let mut logs: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for (user, campaign, line) in &self.memory.logs {
            logs.entry((user.clone(), campaign.clone())).or_default().push(line.clone());
        }
        Decided {
            enrollments: enrollments.collect(),
            attributes: self.known.iter().map(|(user, known)| (user.clone(), known.attributes.clone())).collect(),
            members: members.collect(),
            messages: self.memory.messages().map(|r| (r.message.id.clone(), r.message.clone())).collect(),
            logs,
        }
    }

    /// Lets every message come to its end.
    fn finish(&mut self) {
        for _ in 0..1_000 {
            let Some(due) = self.next_message() else { break };
            self.advance(due);
        }
        while !self.late.is_empty() {
            self.straggler();
        }
        self.settle();
        while let Some(due) = self.next_message() {
            self.advance(due);
        }
        self.audit.ended(&self.memory);
    }
}
