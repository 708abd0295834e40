//! What must hold after every commit, and whenever nothing is left to do.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use segflow_core::enrollment::{Enrollment, Status};
use segflow_core::eval::{evaluate, number};
use segflow_core::ids;
use segflow_core::ledger::{self, Origin};
use segflow_core::memory::{Memory, Row};
use segflow_core::merge::{Object, merge};
use segflow_core::project::Project;
use segflow_core::protocol::Effect;
use segflow_core::step::{Decision, JobKind, MAX_AGE, MarkKind, Told, What, Work};
use serde_json::Value;

use crate::entries::Movement;
use crate::invariants::{equal, holds};
use crate::known::{Known, View};
use crate::plugin::Traced;
use crate::program::{Block, Wait};
use crate::runs::{Did, Heard, Run, Taken};
use crate::standing::{ends, grown, pushed};

#[derive(Default)]
pub struct Audit {
    /// By deployment and campaign.
    pub programs: BTreeMap<String, BTreeMap<String, Block>>,
    /// By user: what has been taken up.
    pub histories: BTreeMap<String, Vec<Heard>>,
    /// By enrollment.
    pub runs: BTreeMap<String, Run>,
    /// Operations that decided something, and all messages.
    pub decided: BTreeSet<(String, u64)>,
    pub messages: BTreeSet<String>,
    /// Messages whose flow was stopped or restarted after it had decided them.
    pub unwanted: BTreeSet<String>,
    /// Arms that are chosen beforehand.
    pub preset: BTreeMap<String, String>,
    /// By scope and user.
    pub arms: RefCell<BTreeMap<(String, String), String>>,
    /// How many conversions have been looked at, and their ids.
    pub conversions: usize,
    pub converted: BTreeSet<String>,
    /// How often a provider has accepted each message.
    pub accepted: BTreeMap<String, u32>,
    /// What has been seen to happen, and how often.
    pub seen: BTreeMap<String, u64>,
}

/// By id.
pub type Enrollments = BTreeMap<String, Enrollment>;

pub fn of_user(memory: &Memory, user: &str) -> Enrollments {
    memory.enrollments().filter(|(of, _)| *of == user).map(|(_, e)| (e.id.clone(), e.clone())).collect()
}

/// A decision taken at `at`, and what it was taken from.
pub struct Taking<'a> {
    pub project: &'a Project,
    pub work: &'a Work,
    pub decision: &'a Decision,
    pub trace: &'a [Traced],
    pub at: i64,
    /// The user as of the reading, and how many events there were of each name.
    pub attributes: &'a Object,
    pub events: &'a BTreeMap<String, usize>,
    pub before: &'a Enrollments,
}

impl Audit {
    pub fn saw(&mut self, what: impl Into<String>) {
        *self.seen.entry(what.into()).or_default() += 1;
    }

    pub fn program(&self, e: &Enrollment) -> Block {
        self.programs[&e.deployment][&e.campaign].clone()
    }

    /// A decision was committed; `now` are the user's enrollments just before.
    pub fn committed(&mut self, memory: &Memory, now: &Enrollments, taking: &Taking<'_>, known: &Known) {
        let Taking { project, work, decision, at, before, .. } = *taking;
        let all = of_user(memory, &decision.user);
        Movement { project, work, decision, before, after: &all, members: &work.members, at }.leaves_facts();
        let mut part = work.clone();
        // What is left for the next step, the newest of all, is not there yet for this one.
        let mut events = taking.events.clone();
        for fact in part.facts.split_off(decision.consumed.len()) {
            if let What::Event { name, .. } = &fact.what {
                *events.get_mut(name).expect("it is known") -= 1;
            }
        }
        let (work, taking) = (&part, &Taking { work: &part, events: &events, ..*taking });
        let (stored, _) = memory.load(&decision.user, &[], at).expect("the user is there");
        equal(&stored.user.incarnation, &work.user.incarnation, "nothing is decided about who was erased");
        equal(&stored.user.seq, &(work.user.seq + decision.consumed.len() as i64), "a user's seq is dense");
        let mut history = self.histories.remove(&decision.user).unwrap_or_default();
        let from = history.len();
        equal(&(from as i64), &work.user.seq, "a user's seq is dense");
        let heard =
            |f: &segflow_core::step::Fact| Heard { what: f.what.clone(), at: f.at.min(at), historical: f.historical };
        history.extend(work.facts.iter().map(heard));
        let after = of_user(memory, &decision.user);
        let movement = Movement { project, work, decision, before, after: &after, members: &stored.members, at };
        movement.entries();
        let mut runs = std::mem::take(&mut self.runs);
        let answers = |e: &Enrollment, wait: &Wait, value: &Value| {
            self.may_answer(taking, known, &stored.members, e, wait, value)
        };
        let mut all: Vec<(String, Did)> = vec![];
        let (mut stops, mut restarts, mut pushes) = (BTreeSet::new(), BTreeSet::new(), vec![]);
        for e in after.values() {
            let old = before.get(&e.id);
            if old.is_some_and(|old| now[&e.id].version != old.version) {
                // Somebody in charge has changed it meanwhile.
                equal(&now[&e.id], e, "a decision leaves alone what it is not about");
            } else if old.is_none_or(|old| old.status.is_live()) {
                let run = runs.entry(e.id.clone()).or_insert_with(|| Run::new(self.program(e), e.started_at));
                let programs = &self.programs;
                let leaves = old.and_then(|old| movement.leaves(old));
                let restarted = leaves.is_none() && old.is_some_and(|old| pushed(programs, run, old, e, &movement));
                if let Some(policy) = old.filter(|_| leaves.is_none()).and_then(|old| movement.policy(old)) {
                    let moves = if e.deployment == project.deployment { "moves" } else { "stays" };
                    pushes.push(format!("push {}: {moves}", policy.name()));
                }
                let turns = taking.trace.iter().filter(|t| t.seed == ids::seed(&e.id)).collect();
                let (is_old, goals) = (old.is_some(), movement.ending_goals(e));
                let taken = Taken { history: &history, from, now: at, is_old, turns, goals, answers: &answers };
                let was = old.map_or(Status::Active, |old| old.status);
                let did = run.stepped(e, if restarted { Status::Active } else { was }, &taken);
                if let Some(old) = old {
                    grown(old, e, restarted);
                }
                let before = e.journal.len().saturating_sub(did.entries.len());
                holds(
                    e.journal.iter().skip(before).eq(did.entries.iter().cloned()),
                    "every operation has its entry, in order",
                    || format!("{e:?}"),
                );
                stops.extend(ends(run, old, e, &movement, leaves));
                restarts.extend(restarted.then(|| e.id.clone()));
                run.check(e, &history, at, e.status == Status::Active);
                all.push((e.id.clone(), did));
            } else {
                equal(&old, &Some(e), "what has ended does not move");
            }
        }
        self.runs = runs;
        pushes.into_iter().for_each(|push| self.saw(push));
        self.effects_of(taking, &after, &all);
        self.transactions_of(taking);
        self.conversions_of(memory, taking, &after, &all);
        let new: BTreeSet<&String> = decision.messages.iter().map(|m| &m.id).collect();
        self.unwant(memory, |id, row| stops.contains(id) || (restarts.contains(id) && !new.contains(&row.message.id)));
        self.histories.insert(decision.user.clone(), history);
        for (id, did) in &all {
            self.count(&after[id], did);
        }
    }

    fn count(&mut self, e: &Enrollment, did: &Did) {
        for effect in &did.effects {
            let name = match effect {
                Effect::Send { .. } => "send",
                Effect::Update { .. } => "update",
                Effect::Emit { .. } => "emit",
                Effect::Start { .. } => "start",
                Effect::Stop { .. } => "stop",
                Effect::Goal { .. } => "goal",
            };
            self.saw(name);
        }
        for (wait, came) in &did.taken {
            self.saw(format!("{} {}", wait.kind().name(), if *came { "came" } else { "elapsed" }));
        }
        for (_, wait) in &did.dropped {
            self.saw(format!("{} dropped", wait.kind().name()));
        }
        (0..did.agains).for_each(|_| self.saw("continue_as_new"));
        let reason = e.reason.as_deref().unwrap_or("").split(" happened").next().unwrap_or("");
        let reason: String = if reason.len() > 1 { reason.chars().take(24).collect() } else { "event".into() };
        if e.status != Status::Active {
            self.saw(format!("{}: {reason}", e.status.name()));
        }
    }

    /// All effects of a decision are those of its flows.
    fn effects_of(&mut self, taking: &Taking<'_>, after: &BTreeMap<String, Enrollment>, all: &[(String, Did)]) {
        let Taking { decision, at, .. } = *taking;
        let (mut told, mut messages, mut marks, mut jobs, mut logs) = (vec![], vec![], vec![], vec![], vec![]);
        for (id, did) in all {
            let campaign = &after[id].campaign;
            for effect in &did.effects {
                let once = self.decided.insert((id.clone(), effect.op()));
                holds(once, "an operation is decided once", || format!("{effect:?} of {id}"));
                match effect {
                    Effect::Send { op, template, args } => {
                        messages.push(format!("{} {id} {op} {template} {args:?}", ids::campaign_message(id, *op, at)));
                    }
                    Effect::Update { patch, .. } => told.push(format!("patch {}", patch.0)),
                    Effect::Emit { op, name, attributes } => {
                        told.push(format!("event {} {name} {}", ids::flow_event(id, *op), attributes.0));
                    }
                    Effect::Start { campaign, .. } => told.push(format!("enter {campaign}")),
                    Effect::Stop { campaign, .. } => told.push(format!("leave {campaign}")),
                    Effect::Goal { op, name } => marks.push(format!("{id} {campaign} {op} goal {name}")),
                }
            }
            for (op, wait) in &did.begun {
                match wait {
                    Wait::Arm((name, _, true)) => marks.push(format!("{id} {campaign} {op} arm {name}")),
                    wait if wait.is_job() => {
                        holds(self.decided.insert((id.clone(), *op)), "a job begins once", || format!("{op} of {id}"));
                        jobs.push(format!("{id} {campaign} {op} {:?} {at}", wait.waits()));
                    }
                    _ => {}
                }
            }
            logs.extend(did.logs.iter().map(|line| (campaign.clone(), line.clone())));
        }
        let is = decision.told.iter().map(|(told, _)| match told {
            Told::Patch(patch) => format!("patch {}", Value::Object(patch.clone())),
            Told::Event { id, name, attributes } => format!("event {id} {name} {}", attributes.0),
            Told::Enter { campaign } => format!("enter {campaign}"),
            Told::Leave { campaign } => format!("leave {campaign}"),
        });
        same(is.collect(), told, "what flows make happen happens, once");
        let is = decision.messages.iter().filter_map(|m| match &m.origin {
            Origin::Campaign { enrollment, op, .. } => {
                Some(format!("{} {enrollment} {op} {} {:?}", m.id, m.template, m.args))
            }
            Origin::Transaction { .. } => None,
        });
        same(is.collect(), messages, "what flows send is decided, once");
        let is = decision.marks.iter().map(|mark| {
            let what = match &mark.what {
                MarkKind::Goal(name) => format!("goal {name}"),
                MarkKind::Arm { experiment, .. } => format!("arm {experiment}"),
            };
            format!("{} {} {} {what}", mark.enrollment, mark.campaign, mark.op)
        });
        same(is.collect(), marks, "every goal and every arm of an experiment is marked, once");
        let is = decision.jobs.iter().map(|job| {
            let what = match &job.what {
                JobKind::Webhook(webhook) => format!("Webhook({webhook:?})"),
                JobKind::Task(task) => format!("Task({task:?})"),
            };
            format!("{} {} {} {what} {}", job.enrollment, job.campaign, job.op, job.created_at)
        });
        same(is.collect(), jobs, "what is asked of others is asked once");
        let own = |(_, line): &&(String, String)| !line.starts_with("the journal is half full");
        same(decision.logs.iter().filter(own).cloned().collect(), logs, "a log is silent on replay");
    }

    /// Whether a question has that answer, with some of what flows have changed in this step.
    fn may_answer(
        &self,
        taking: &Taking<'_>,
        known: &Known,
        members: &BTreeSet<String>,
        e: &Enrollment,
        wait: &Wait,
        value: &Value,
    ) -> bool {
        let (project, now) = (taking.project, taking.at);
        let mut attributes = taking.attributes.clone();
        let mut patches = taking.decision.told.iter().filter_map(|(told, _)| match told {
            Told::Patch(patch) => Some(patch),
            _ => None,
        });
        loop {
            let (events, counts) = (&known.events, Some(taking.events));
            let view = View { project, attributes: &attributes, events, counts, members: members.clone(), now };
            let right = match wait {
                Wait::Member(None) => Value::Bool(members.contains("s0")),
                Wait::Member(Some(expr)) => Value::Bool(evaluate(expr, &view).holds),
                Wait::Number(of) => number(&of.0, &of.1, &view).unwrap_or(Value::Null),
                Wait::Arm((name, arms, experiment)) => {
                    let arm = value.as_str().unwrap_or_default();
                    if let Some(preset) = self.preset.get(*name) {
                        return preset == arm;
                    }
                    let scope = if *experiment { "" } else { &e.campaign };
                    let key = (format!("{scope} {name}"), taking.decision.user.clone());
                    let mut all = self.arms.borrow_mut();
                    let same = all.entry(key).or_insert_with(|| arm.into()) == arm;
                    return same && arms.iter().any(|(name, weight)| *name == arm && *weight > 0);
                }
                other => panic!("{other:?} is no question"),
            };
            if right == *value {
                return true;
            }
            match patches.next() {
                Some(patch) => merge(&mut attributes, patch),
                None => return false,
            }
        }
    }

    fn transactions_of(&mut self, taking: &Taking<'_>) {
        let Taking { project, work, decision, at, .. } = *taking;
        let mut expected = BTreeSet::new();
        for fact in work.facts.iter().filter(|f| !f.historical) {
            let What::Event { id, name, occurred_at, .. } = &fact.what else { continue };
            let answers =
                project.manifest.transactions.iter().filter(|t| t.event == *name && at - occurred_at < MAX_AGE);
            for transaction in answers {
                let (workspace, incarnation) = (&work.workspace, &work.user.incarnation);
                expected.insert(ids::transaction_message(workspace, incarnation, &transaction.id, id, fact.at));
            }
        }
        let mut confirmed = BTreeSet::new();
        for message in &decision.messages {
            holds(self.messages.insert(message.id.clone()), "a message is decided once", || format!("{message:?}"));
            if matches!(message.origin, Origin::Transaction { .. }) {
                confirmed.insert(message.id.clone());
            }
        }
        equal(&confirmed, &expected, "a transaction answers each new event, and no other");
    }

    /// What a flow has decided before it was stopped is cancelled, in the same commit; and nothing else is.
    pub fn unwant(&mut self, memory: &Memory, stopped: impl Fn(&String, &Row) -> bool) {
        for row in memory.messages() {
            let Origin::Campaign { enrollment, .. } = &row.message.origin else { continue };
            if stopped(enrollment, row) {
                self.unwanted.insert(row.message.id.clone());
                holds(row.status != ledger::Status::Pending, "who is stopped has nothing pending", || {
                    format!("{row:?}")
                });
            }
            if row.status == ledger::Status::Cancelled && !row.user.is_empty() {
                let unwanted = self.unwanted.contains(&row.message.id);
                holds(unwanted, "only what was decided before a stop is cancelled", || format!("{row:?}"));
            }
        }
    }
}

fn same<T: Ord + std::fmt::Debug>(mut is: Vec<T>, mut should: Vec<T>, name: &str) {
    is.sort();
    should.sort();
    equal(&is, &should, name);
}
