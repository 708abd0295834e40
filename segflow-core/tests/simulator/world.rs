//! One simulated workspace: facts and time from a script, crashes, slow servers and providers from chaos.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use segflow_core::Code;
use segflow_core::enrollment::Status;
use segflow_core::ledger::{self, Message};
use segflow_core::memory::Memory;
use segflow_core::merge::Object;
use segflow_core::project::Project;
use segflow_core::protocol::Journal;
use serde_json::json;

use crate::audit::Audit;
use crate::cuts;
use crate::invariants::{holds, playing};
use crate::known::{Known, memberships};
use crate::manifest::{self, Source};
use crate::plugin::{Scripted, Trace};
use crate::program::{DAY, HOUR};
use crate::rng::Rng;
use crate::servers::{Flying, Held, Late};

pub const USERS: [&str; 3] = ["ada", "ada ", "o'brien"];
/// In summer, and some days before clocks change in Berlin and in New York.
const STARTS: [i64; 3] = [1_750_000_000_000, 1_760_965_500_000, 1_774_388_400_000];

/// How many operations make a world large.
const LARGE: u64 = 100;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing.
    Smooth,
    /// Crashes, slow servers and providers; facts come only between the steps, so that all is decided as in [`Mode::Smooth`].
    Crashes,
    /// Facts, pushes and time come at any moment.
    Torn,
    /// Nothing goes wrong; each fact is a step of its own.
    Alone,
    /// The same, and all facts of an instant are one step.
    Together,
}

impl Mode {
    pub fn is_calm(self) -> bool {
        !matches!(self, Mode::Crashes | Mode::Torn)
    }

    /// Whether only those campaigns are played whose outcome does not depend on how many facts a step takes at once.
    pub fn is_plain(self) -> bool {
        matches!(self, Mode::Alone | Mode::Together)
    }
}

/// What a world has come to, without what a crash may change.
#[derive(Debug, PartialEq)]
pub struct Decided {
    enrollments: BTreeMap<String, Standing>,
    attributes: BTreeMap<String, Object>,
    members: BTreeMap<String, BTreeSet<String>>,
    messages: BTreeMap<String, Message>,
    jobs: BTreeSet<(String, u64)>,
    marks: usize,
    logs: BTreeMap<(String, String), Vec<String>>,
}

/// An enrollment's deployment, status, reason, next operation, journal and next turn.
type Standing = (String, Status, Option<String>, u64, Journal, Option<i64>);

/// Plays a seed, to what was decided and what was seen to happen.
pub fn play(seed: u64, mode: Mode) -> (Decided, BTreeMap<String, u64>) {
    playing(format!("seed {seed}, {mode:?}"));
    let mut world = World::new(seed, mode);
    world.deploy();
    if mode.is_plain() {
        world.arrive();
    }
    for _ in 0..4 + world.script.below(6) {
        world.open = world.memory.jobs().map(|job| (job.enrollment.clone(), job.op)).collect();
        for _ in 0..world.script.below(4) {
            world.fact();
            if mode == Mode::Alone {
                world.settle();
            } else if !mode.is_plain() && world.script.chance(15) {
                // Nobody has time for it yet.
                world.now += world.script.pick(&[1, HOUR / 2, HOUR, DAY]);
            }
        }
        world.settle();
        if world.is_large() {
            break;
        }
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
    (decided, world.audit.seen)
}

pub struct World {
    pub mode: Mode,
    pub script: Rng,
    pub chaos: Rng,
    pub now: i64,
    start: i64,
    pub memory: Memory,
    source: Source,
    pub project: Arc<Project>,
    pub codes: BTreeMap<String, Code>,
    pub trace: Trace,
    pub known: BTreeMap<String, Known>,
    /// Webhooks and tasks ever seen.
    pub asked: BTreeSet<(String, u64)>,
    /// Those that were open when the last instant ended.
    pub open: BTreeSet<(String, u64)>,
    pub hands: Vec<Held>,
    pub flying: Vec<Flying>,
    pub late: Vec<Late>,
    /// Counts what servers have committed, by user.
    pub commits: BTreeMap<String, u64>,
    /// How much may still go wrong: everything has an end.
    pub crashes: u32,
    pub surprises: u32,
    pub emitted: u64,
    /// To whom something has happened last.
    pub last: &'static str,
    pub audit: Audit,
}

impl World {
    fn new(seed: u64, mode: Mode) -> World {
        let mut script = Rng::new(seed, 0);
        let start = script.pick(&STARTS);
        let mut world = World {
            mode,
            chaos: Rng::new(seed, 1),
            now: start,
            start,
            memory: Memory::new("simulated"),
            source: Source::default(),
            project: Arc::default(),
            codes: BTreeMap::new(),
            trace: Trace::default(),
            known: BTreeMap::new(),
            asked: BTreeSet::new(),
            open: BTreeSet::new(),
            hands: vec![],
            flying: vec![],
            late: vec![],
            commits: BTreeMap::new(),
            crashes: if mode.is_calm() { 0 } else { 8 },
            surprises: if mode == Mode::Torn { 8 } else { 0 },
            emitted: 0,
            last: USERS[0],
            audit: Audit::default(),
            script,
        };
        // Where it makes no difference it must not: the other run of the same seed sums nothing up.
        world.memory.apart = match mode {
            Mode::Smooth | Mode::Alone => None,
            _ => [None, Some(0), Some(2)][seed as usize / 3 % 3],
        };
        if world.script.chance(10) {
            world.audit.preset.insert("subject".into(), "b".into());
            world.memory.arms = world.audit.preset.clone();
        }
        world
    }

    pub fn deploy(&mut self) {
        let before = (self.project.generation > 0).then(|| self.source.clone());
        self.source = manifest::source(&mut self.script, self.mode.is_plain(), self.start, before.as_ref());
        let project = manifest::project(&mut self.script, &self.source, &self.project, self.now);
        let plugin = Scripted { programs: self.source.programs.clone(), trace: self.trace.clone() };
        let code = Code { plugin: Arc::new(plugin), manifest: Arc::new(project.manifest.clone()) };
        self.codes.insert(project.deployment.clone(), code);
        self.audit.programs.insert(project.deployment.clone(), self.source.programs.clone());
        self.memory.deploy(project.clone());
        self.project = Arc::new(project);
    }

    /// Somebody is there before anything else happens.
    fn arrive(&mut self) {
        let patch = Object::from_iter([("a".to_string(), json!(1))]);
        self.memory.update(USERS[0], &patch, false, self.now);
        self.known.entry(USERS[0].into()).or_default().patch(&patch, false);
        self.settle();
    }

    /// Works until nothing is left to do at this instant.
    pub fn settle(&mut self) {
        let mut steps = 0;
        let most = if self.mode.is_calm() { 1 } else { 3 };
        loop {
            let mut busy = self.memory.busy(self.now);
            let all = busy.len();
            // Seldom does a server take over from one that is only slow.
            if self.mode.is_calm() || !self.chaos.chance(15) {
                busy.retain(|user| !self.hands.iter().any(|held| held.decision.user == *user));
            }
            let dice = if self.mode.is_calm() { 0 } else { self.chaos.below(8) };
            if !busy.is_empty() && dice < 4 && self.hands.len() < most {
                steps += 1;
                holds(steps < 1_500, "an instant comes to an end", || format!("{busy:?}"));
                self.take(&busy[dice as usize % busy.len()]);
            } else if !self.hands.is_empty() && (dice < 6 || self.hands.len() == most) {
                let index = self.chaos.below(self.hands.len() as u64) as usize;
                let held = self.hands.remove(index);
                self.put(held);
            } else if !self.flying.is_empty() && (dice % 2 == 0 || self.flying.len() > 2) {
                self.fly();
            } else if !self.claim() && all == 0 && self.flying.is_empty() && self.hands.is_empty() {
                break;
            }
            if !self.late.is_empty() && self.chaos.chance(20) {
                self.straggler();
            }
        }
        self.audit.quiet(&self.memory, &self.project, &self.known, self.now);
        self.asked.extend(self.memory.jobs().map(|job| (job.enrollment.clone(), job.op)));
    }

    /// Whether enough has happened: many small worlds find more than some large ones.
    fn is_large(&self) -> bool {
        self.memory.enrollments().map(|(_, e)| e.next_op).sum::<u64>() > LARGE
    }

    /// Lets time go on; flows that wake every millisecond let less of it pass.
    fn advance(&mut self, to: i64) {
        let name = "time changes a membership only at a flip";
        let mut wakes = 0;
        while let Some(next) = self.memory.next_due().filter(|next| *next <= to) {
            let is_wake = self.memory.next_wake() == Some(next);
            wakes += usize::from(is_wake);
            memberships(&self.memory, &self.project, &self.known, (next - 1).max(self.now), name);
            self.now = self.now.max(next);
            self.settle();
            if is_wake && (wakes > 20 || self.is_large()) {
                return;
            }
        }
        self.now = self.now.max(to);
        memberships(&self.memory, &self.project, &self.known, self.now, name);
    }

    fn decided(&self) -> Decided {
        let enrollments = self.memory.enrollments().map(|(_, e)| {
            let standing =
                (e.deployment.clone(), e.status, e.reason.clone(), e.next_op, e.journal.clone(), e.wake_at());
            (e.id.clone(), standing)
        });
        let members = self.known.keys().filter_map(|user| {
            let (work, _) = self.memory.load(user, &[], self.now)?;
            Some((user.clone(), work.members))
        });
        let mut logs: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for (user, campaign, line) in &self.memory.logs {
            logs.entry((user.clone(), campaign.clone())).or_default().push(line.clone());
        }
        Decided {
            enrollments: enrollments.collect(),
            attributes: self.known.iter().map(|(user, known)| (user.clone(), known.attributes.clone())).collect(),
            members: members.collect(),
            messages: self.memory.messages().map(|r| (r.message.id.clone(), r.message.clone())).collect(),
            jobs: self.memory.jobs().map(|job| (job.enrollment.clone(), job.op)).collect(),
            marks: self.memory.marks().len(),
            logs,
        }
    }

    /// Lets every message come to its end.
    fn finish(&mut self) {
        loop {
            let pending = self.memory.messages().filter(|r| r.status == ledger::Status::Pending);
            let due = pending.map(|r| r.due_at).min();
            if !self.flying.is_empty() {
                self.fly();
            } else if !self.late.is_empty() {
                self.straggler();
            } else if let Some(due) = due {
                self.now = self.now.max(due);
                self.claim();
            } else {
                break;
            }
        }
        self.audit.ended(&self.memory);
        for (user, e) in self.memory.enrollments().filter(|(_, e)| !e.journal.is_empty()).take(4) {
            cuts::cut(user, e, &self.audit.programs);
        }
    }
}
