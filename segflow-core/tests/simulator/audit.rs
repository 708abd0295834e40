//! What must hold after every commit, and whenever nothing is left to do.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use segflow_core::enrollment::{Enrollment, Status};
use segflow_core::eval::{evaluate, number};
use segflow_core::ids;
use segflow_core::ledger::{self, Origin};
use segflow_core::memory::{Memory, Row};
use segflow_core::merge::{Object, merge};
use segflow_core::project::{Project, belongs};
use segflow_core::protocol::{Effect, End, Guarantee, InFlight, Mode};
use segflow_core::step::{Decision, JobKind, MAX_AGE, MarkKind, Told, What, Work};
use serde_json::Value;

use crate::entries::Movement;
use crate::invariants::{equal, holds};
use crate::known::{Known, View, memberships};
use crate::plugin::Traced;
use crate::program::{Block, Wait};
use crate::runs::{Did, Heard, Run, Taken};

#[derive(Default)]
pub struct Audit {
    /// By deployment and campaign.
    pub programs: BTreeMap<String, BTreeMap<String, Block>>,
    /// By user: what has been taken up.
    pub histories: BTreeMap<String, Vec<Heard>>,
    /// By enrollment.
    runs: BTreeMap<String, Run>,
    /// Operations that decided something, and all messages.
    decided: BTreeSet<(String, u64)>,
    messages: BTreeSet<String>,
    /// Messages whose flow was stopped or restarted after it had decided them.
    unwanted: BTreeSet<String>,
    /// Arms that are chosen beforehand.
    pub preset: BTreeMap<String, String>,
    /// By scope and user.
    arms: RefCell<BTreeMap<(String, String), String>>,
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
    fn saw(&mut self, what: impl Into<String>) {
        *self.seen.entry(what.into()).or_default() += 1;
    }

    fn program(&self, e: &Enrollment) -> Block {
        self.programs[&e.deployment][&e.campaign].clone()
    }

    /// A decision was committed; `now` are the user's enrollments just before.
    pub fn committed(&mut self, memory: &Memory, now: &Enrollments, taking: &Taking<'_>, known: &Known) {
        let Taking { project, work, decision, at, before, .. } = *taking;
        let (stored, _) = memory.load(&decision.user, &BTreeSet::new(), at).expect("the user is there");
        equal(&stored.user.incarnation, &work.user.incarnation, "nothing is decided about who was erased");
        equal(&stored.user.seq, &(work.user.seq + decision.consumed.len() as i64), "a user's seq is dense");
        let mut history = self.histories.remove(&decision.user).unwrap_or_default();
        let from = history.len();
        equal(&(from as i64), &work.user.seq, "a user's seq is dense");
        let heard =
            |f: &segflow_core::step::Fact| Heard { what: f.what.clone(), at: f.at.min(at), historical: f.historical };
        history.extend(work.facts.iter().map(heard));
        let after = of_user(memory, &decision.user);
        let movement = Movement {
            project,
            work,
            decision,
            before,
            after: &after,
            members: &stored.members,
            at,
        };
        movement.entries();
        let mut runs = std::mem::take(&mut self.runs);
        let answers = |e: &Enrollment, wait: &Wait, value: &Value| {
            self.may_answer(taking, known, &stored.members, e, wait, value)
        };
        let mut all: Vec<(String, Did)> = vec![];
        let (mut stops, mut restarts) = (BTreeSet::new(), BTreeSet::new());
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
                let turns = taking.trace.iter().filter(|t| t.seed == ids::seed(&e.id)).collect();
                let taken = Taken { history: &history, from, now: at, is_old: old.is_some(), turns, answers: &answers };
                let was = old.map_or(Status::Active, |old| old.status);
                let did = run.stepped(e, if restarted { Status::Active } else { was }, &taken);
                if let Some(old) = old {
                    grown(old, e, restarted);
                }
                holds(e.journal.ends_with(&did.entries), "every operation has its entry, in order", || {
                    format!("{e:?}")
                });
                stops.extend(ends(run, old, e, &movement, leaves));
                restarts.extend(restarted.then(|| e.id.clone()));
                run.check(e, &history, at, e.status == Status::Active);
                all.push((e.id.clone(), did));
            } else {
                equal(&old, &Some(e), "what has ended does not move");
            }
        }
        self.runs = runs;
        self.effects_of(taking, &after, &all);
        self.transactions_of(taking);
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
                        messages.push(format!("{} {id} {op} {template} {args:?}", ids::campaign_message(id, *op)));
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
        same(decision.logs.clone(), logs, "a log is silent on replay");
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
                expected.insert(ids::transaction_message(&work.workspace, &work.user.incarnation, &transaction.id, id));
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
    fn unwant(&mut self, memory: &Memory, stopped: impl Fn(&String, &Row) -> bool) {
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

    /// Somebody in charge has changed an enrollment.
    pub fn changed(&mut self, memory: &Memory, old: &Enrollment, verb: &str, now: i64) {
        self.saw(verb);
        let (user, new) = memory.enrollments().find(|(_, e)| e.id == old.id).expect("it is there");
        let program = self.program(new);
        let run = self.runs.get_mut(&old.id).expect("it was committed");
        match verb {
            "restart" => run.restart(program, old.next_op, now),
            "remove" => run.leave("removed"),
            _ => {}
        }
        run.check(new, &self.histories[user], now, false);
        let hops = new.pending.iter().filter_map(|w| w.came.as_ref()).map(|came| came.hops);
        let chain = new.hops + hops.sum::<u32>();
        holds(verb != "resume" || chain == 0, "who is resumed begins no chain", || format!("{new:?}"));
        let user = user.to_string();
        self.unwant(memory, |id, _| verb != "resume" && *id == old.id);
        self.jobs(memory, Some(&user));
    }

    /// A provider has accepted a message.
    pub fn accept(&mut self, message: &ledger::Message) {
        let times = self.accepted.entry(message.id.clone()).or_default();
        *times += 1;
        let fine = *times == 1 || message.guarantee == Guarantee::AtLeastOnce;
        holds(fine, "at most once is at most once", || format!("{message:?}"));
    }

    /// A message is about to be sent.
    pub fn claimed(&self, memory: &Memory, row: &Row) {
        holds(!row.user.is_empty(), "who was erased is sent nothing", || format!("{row:?}"));
        let Origin::Campaign { enrollment, .. } = &row.message.origin else { return };
        let (id, mut all) = (&row.message.id, memory.enrollments());
        let stopped = |e: &Enrollment| !e.status.is_live() || e.status == Status::Paused;
        let unwanted = self.unwanted.contains(id) && all.any(|(_, e)| e.id == *enrollment && stopped(e));
        holds(!unwanted, "who has left is sent nothing", || format!("{row:?}"));
    }

    /// What is asked of others is what somebody waits for. Of all users, or of one whose answers may be under way.
    fn jobs(&self, memory: &Memory, of: Option<&str>) {
        let live = memory.enrollments().filter(|(user, e)| e.status.is_live() && of.is_none_or(|of| of == *user));
        let jobs: BTreeSet<(&str, u64)> = memory.jobs().map(|job| (job.enrollment.as_str(), job.op)).collect();
        let mut waited = BTreeSet::new();
        for (_, e) in live {
            let open = self.runs.get(&e.id).into_iter().flat_map(Run::jobs).map(|(op, _)| op);
            let came = |op: &u64| e.pending.iter().any(|w| w.what.op == *op && w.came.is_some());
            waited.extend(open.filter(|op| !came(op)).map(|op| (e.id.as_str(), op)));
        }
        match of {
            None => holds(jobs == waited, "what is asked of others is what somebody waits for", || {
                let ids: BTreeSet<&str> = jobs.symmetric_difference(&waited).map(|(id, _)| *id).collect();
                let of: Vec<_> = memory.enrollments().filter(|(_, e)| ids.contains(e.id.as_str())).collect();
                format!("\n  asked  {jobs:?}\n  waited {waited:?}\n  {of:?}")
            }),
            Some(user) => {
                let all = memory.enrollments().filter(|(of, _)| *of == user).map(|(_, e)| e.id.as_str());
                let all: BTreeSet<&str> = all.collect();
                let idle = jobs.iter().find(|job| all.contains(job.0) && !waited.contains(*job));
                holds(idle.is_none(), "what is asked of others is what somebody waits for", || format!("{idle:?}"));
            }
        }
    }

    /// Nothing is left to do at `now`.
    pub fn quiet(&self, memory: &Memory, project: &Project, known: &BTreeMap<String, Known>, now: i64) {
        let mut live = BTreeSet::new();
        for (user, e) in memory.enrollments() {
            match e.status {
                Status::Active => {
                    let open = e.pending.iter().any(|w| w.due.is_none());
                    let later = e.wake_at().map_or(open, |at| at > now);
                    holds(later, "what is active waits for something to come", || format!("{e:?} at {now}"));
                    if let Some(run) = self.runs.get(&e.id) {
                        run.at_rest(e, now);
                    }
                }
                Status::Parked => {
                    let why = e.reason.as_deref().unwrap_or("");
                    let known = [
                        "on purpose",
                        "panicked on purpose",
                        "more than 50 steps at one instant",
                        "1000 operations without waiting",
                        "it names campaign",
                    ];
                    let fine = known.iter().any(|k| why.starts_with(k));
                    holds(fine, "what is parked has a reason in its program", || format!("{e:?}"));
                }
                Status::Paused => holds(e.reason.is_some(), "what is paused has a reason", || format!("{e:?}")),
                Status::Done | Status::Exited => equal(&e.pending, &vec![], "what has ended waits for nothing"),
            }
            let Some(campaign) = project.campaign(&e.campaign) else {
                holds(!e.status.is_live(), "a campaign that is gone has nobody in it", || format!("{e:?}"));
                continue;
            };
            if e.status.is_live() {
                let once = live.insert((user, &e.campaign, &e.key));
                holds(once, "a user is in a campaign once at a time", || format!("{e:?}"));
                let stays = campaign.mode == Mode::Static || belongs(campaign, |id| memory.in_segment(user, id));
                holds(stays || e.by_hand, "who no longer belongs has left a dynamic campaign", || format!("{e:?}"));
            }
        }
        let ledger: BTreeSet<&String> = memory.messages().map(|row| &row.message.id).collect();
        let kept = self.messages.iter().all(|id| ledger.contains(id)) && ledger.len() == self.messages.len();
        holds(kept, "no decided message is missing from the ledger", || {
            format!("{} {}", self.messages.len(), ledger.len())
        });
        for row in memory.messages().filter(|row| row.status == ledger::Status::Pending) {
            holds(!row.user.is_empty(), "who was erased is sent nothing", || format!("{row:?}"));
        }
        for (user, known) in known {
            equal(&memory.attributes(user), &Some(&known.attributes), "attributes are all patches in their order");
            let history = self.histories.get(user).map_or(&[][..], Vec::as_slice);
            let taken: Vec<(&What, bool)> = history.iter().map(|h| (&h.what, h.historical)).collect();
            let told: Vec<(&What, bool)> = known.told.iter().map(|(what, historical)| (what, *historical)).collect();
            equal(&taken, &told, "every fact is taken up once, in its order");
        }
        self.jobs(memory, None);
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

fn same<T: Ord + std::fmt::Debug>(mut is: Vec<T>, mut should: Vec<T>, name: &str) {
    is.sort();
    should.sort();
    equal(&is, &should, name);
}

/// What a push does with an enrollment that is not on its way out. `true`: it begins anew.
fn pushed(
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
fn ends(
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
fn grown(old: &Enrollment, new: &Enrollment, restarted: bool) {
    let story = || format!("\n  old {old:?}\n  new {new:?}");
    let moved = (new.next_op, &new.journal) != (old.next_op, &old.journal);
    let may = old.status == Status::Active || restarted;
    holds(may || !moved, "what is paused, parked or over does not move", story);
    holds(new.next_op >= old.next_op, "operations are never numbered again", story);
    if new.first_op == old.first_op && !restarted {
        holds(new.journal.starts_with(&old.journal), "a journal only grows", story);
    } else {
        holds(new.first_op >= old.next_op, "operations are never numbered again", story);
    }
    let all: BTreeSet<u64> = new.journal.iter().map(|e| e.op).collect();
    holds(all.len() == new.journal.len(), "an operation ends once", story);
    let fine = new.journal.iter().all(|e| (new.first_op..new.next_op).contains(&e.op));
    holds(fine, "operations are never numbered again", story);
}
