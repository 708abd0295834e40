//! A store in memory, for tests and the simulator. It keeps the promises of a real one: a commit is whole or not at all, what was
//! decided about something that has changed since is dropped, and outcomes are accepted late.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::conversion::{Sent, Success, can_count};
use crate::enrollment::{self, Enrollment};
use crate::eval::{Asked, EventFact, Layout, Loaded, apart};
use crate::ledger::{self, Message, Outcome, Status, Transition};
use crate::merge::{Object, changed, merge};
use crate::policy;
use crate::project::Project;
use crate::step::{Decision, Fact, Job, Mark, Needs, Stop, Told, User, What, Work, needs, step};
use crate::{PluginError, Plugins};
use segflow_protocol::{InFlight, Json};

const ERASED: &str = "the user was erased";

/// A message with what has become of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub message: Message,
    pub user: String,
    pub status: Status,
    pub reason: Option<String>,
    pub due_at: i64,
    /// How often it has been tried.
    pub attempt: u32,
    /// And when last, ms UTC.
    pub tried_at: Option<i64>,
    /// ms UTC; when it was accepted.
    pub sent_at: Option<i64>,
    /// Its flow was stopped while it was on its way: why it is not to be tried again.
    pub unwanted: Option<String>,
}

/// Something that counts for a campaign.
#[derive(Debug, Clone, PartialEq)]
pub struct Converted {
    /// Nobody, once the person was erased.
    pub user: String,
    /// The message that it counts for.
    pub message: String,
    pub success: Success,
}

#[derive(Debug, Clone, Default)]
struct Record {
    user: User,
    /// Ids of all messages.
    messages: Vec<String>,
    members: BTreeSet<String>,
    flips: BTreeMap<String, i64>,
    enrollments: BTreeMap<String, Enrollment>,
    events: Vec<(String, String, EventFact)>,
}

/// One workspace.
#[derive(Default)]
pub struct Memory {
    workspace: String,
    project: Project,
    /// What earlier projects have said about those in flight, by generation.
    words: BTreeMap<i64, (String, BTreeMap<String, InFlight>)>,
    users: BTreeMap<String, Record>,
    inbox: BTreeMap<i64, (String, Fact)>,
    messages: BTreeMap<String, Row>,
    jobs: BTreeMap<(String, u64), Job>,
    /// By user.
    marks: Vec<(String, Mark)>,
    conversions: Vec<Converted>,
    /// Messages in the order in which they were decided.
    decided: Vec<String>,
    last: i64,
    /// Verdicts of raw SQL segments, which only a server can evaluate: those who belong.
    pub sql: BTreeMap<String, BTreeSet<String>>,
    /// Arms that are chosen beforehand, by name of a split or experiment.
    pub arms: BTreeMap<String, String>,
    /// With more events of one name than this, all but about so many are summed up.
    pub apart: Option<usize>,
    /// What flows logged: user, campaign, line.
    pub logs: Vec<(String, String, String)>,
}

impl Memory {
    pub fn new(workspace: impl Into<String>) -> Memory {
        Memory { workspace: workspace.into(), ..Memory::default() }
    }

    pub fn deploy(&mut self, project: Project) {
        let (generation, said) = (self.project.generation, self.project.in_flight.clone());
        self.words.insert(generation, (self.project.deployment.clone(), said));
        let project = project.with_earlier(generation, &self.project.manifest);
        let with = |project: Project, (of, (id, said)): (&i64, &(String, BTreeMap<String, InFlight>))| {
            project.with_word(*of, id, said.clone())
        };
        self.project = self.words.iter().fold(project, with);
    }

    pub fn project(&self) -> &Project {
        &self.project
    }

    fn number(&mut self) -> i64 {
        self.last += 1;
        self.last
    }

    fn tell(&mut self, user: &str, what: What, at: i64, hops: u32, historical: bool) {
        let inbox = self.number();
        self.inbox.insert(inbox, (user.to_string(), Fact { inbox, what, at, hops, historical }));
    }

    fn record(&mut self, user: &str) -> &mut Record {
        if !self.users.contains_key(user) {
            let incarnation = format!("inc{}", self.number());
            let user_row = User { id: user.into(), incarnation, ..User::default() };
            self.users.insert(user.into(), Record { user: user_row, ..Record::default() });
        }
        self.users.get_mut(user).expect("inserted above")
    }

    /// Merges a patch into a user's attributes, creating the user.
    pub fn update(&mut self, user: &str, patch: &Object, historical: bool, now: i64) {
        let what = self.merge(user, patch);
        self.tell(user, what, now, 0, historical);
    }

    fn merge(&mut self, user: &str, patch: &Object) -> What {
        let attributes = &mut self.record(user).user.attributes;
        let before = attributes.clone();
        merge(attributes, patch);
        What::Attributes { changed: changed(&before, attributes) }
    }

    /// Stores an event that was reported now, once per id.
    pub fn emit(&mut self, user: &str, id: &str, name: &str, event: EventFact, historical: bool, now: i64) {
        self.event(user, id, name, event, historical, now, 0);
    }

    #[expect(clippy::too_many_arguments, reason = "an event has so many sides")]
    fn event(&mut self, user: &str, id: &str, name: &str, event: EventFact, historical: bool, now: i64, hops: u32) {
        let record = self.record(user);
        if record.events.iter().any(|(known, ..)| known == id) {
            return;
        }
        let EventFact { occurred_at, attributes } = event.clone();
        record.events.push((id.into(), name.into(), event));
        let (id, name) = (id.to_string(), name.to_string());
        self.tell(user, What::Event { id, name, attributes, occurred_at }, now, hops, historical);
    }

    /// Puts the user into a campaign, whatever its segments say, from `start_at` on.
    pub fn enroll(&mut self, user: &str, campaign: &str, start_at: Option<i64>, now: i64) {
        self.record(user);
        self.tell(user, What::Enter { campaign: campaign.into(), start_at }, now, 0, false);
    }

    /// A webhook was answered, or a task done; ignored if nothing waits for it any more.
    pub fn answer(&mut self, enrollment: &str, op: u64, value: Json, now: i64) {
        let user = self.enrollments().find(|(_, e)| e.id == enrollment).map(|(user, _)| user.to_string());
        let open = self.jobs.remove(&(enrollment.to_string(), op));
        if let (Some(user), Some(_)) = (user, open) {
            self.tell(&user, What::Answer { enrollment: enrollment.into(), op, value }, now, 0, false);
        }
    }

    /// Webhooks and tasks that nobody has answered yet.
    pub fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.values()
    }

    pub fn marks(&self) -> &[(String, Mark)] {
        &self.marks
    }

    /// What has counted for campaigns, in the order in which it was taken up.
    pub fn conversions(&self) -> &[Converted] {
        &self.conversions
    }

    /// Changes an enrollment as somebody in charge does: paused, removed or restarted, it sends nothing more of what is pending.
    pub fn change(&mut self, id: &str, reason: &str, change: impl FnOnce(&mut Enrollment)) {
        let all = self.users.values_mut();
        let Some(enrollment) = all.filter_map(|r| r.enrollments.get_mut(id)).next() else { return };
        let begun = |e: &Enrollment| (e.first_op, e.since, e.state.clone());
        let before = begun(enrollment);
        change(enrollment);
        enrollment.version += 1;
        // Resumed, it goes on where it was.
        if enrollment.status != enrollment::Status::Active || begun(enrollment) != before {
            self.cancel(id, reason);
        }
        if !self.enrollments().any(|(_, e)| e.id == id && e.status.is_live() && !e.pending.is_empty()) {
            self.jobs.retain(|(of, _), _| of != id);
        }
    }

    fn cancel(&mut self, enrollment: &str, reason: &str) {
        let of_it =
            |m: &Message| matches!(&m.origin, ledger::Origin::Campaign { enrollment: e, .. } if e == enrollment);
        for row in self.messages.values_mut().filter(|r| of_it(&r.message)) {
            match row.status {
                Status::Pending => (row.status, row.reason) = (Status::Cancelled, Some(reason.to_string())),
                _ => row.unwanted = Some(reason.to_string()),
            }
        }
    }

    /// Forgets a user. Messages stay, as counts.
    pub fn erase(&mut self, user: &str) {
        let record = self.users.remove(user).unwrap_or_default();
        self.jobs.retain(|(of, _), _| !record.enrollments.contains_key(of));
        self.inbox.retain(|_, (of, _)| of != user);
        for row in self.messages.values_mut().filter(|row| row.user == user) {
            row.user.clear();
            if row.status == Status::Pending {
                (row.status, row.reason) = (Status::Cancelled, Some(ERASED.into()));
            }
        }
        self.conversions.iter_mut().filter(|converted| converted.user == user).for_each(|c| c.user.clear());
    }

    pub fn attributes(&self, user: &str) -> Option<&Object> {
        self.users.get(user).map(|r| &r.user.attributes)
    }

    pub fn in_segment(&self, user: &str, segment: &str) -> bool {
        self.users.get(user).is_some_and(|r| r.members.contains(segment))
    }

    pub fn enrollments(&self) -> impl Iterator<Item = (&str, &Enrollment)> {
        self.users.iter().flat_map(|(id, r)| r.enrollments.values().map(move |e| (id.as_str(), e)))
    }

    /// Messages in the order in which they were decided.
    pub fn messages(&self) -> impl Iterator<Item = &Row> {
        self.decided.iter().map(|id| &self.messages[id])
    }

    /// The users for whom something is new or due.
    pub fn busy(&self, now: i64) -> Vec<String> {
        let told: BTreeSet<&String> = self.inbox.values().map(|(user, _)| user).collect();
        let due = |id: &String, r: &Record| {
            told.contains(id)
                || r.user.evaluated < self.project.generation
                || r.flips.values().any(|at| *at <= now)
                || r.enrollments.values().any(|e| e.is_due(now))
        };
        self.users.iter().filter(|(id, r)| due(id, r)).map(|(id, _)| id.clone()).collect()
    }

    /// The earliest instant at which something is due: waits, flips, messages.
    pub fn next_due(&self) -> Option<i64> {
        let messages = self.messages.values().filter(|m| m.status == Status::Pending).map(|m| m.due_at);
        self.next_wake().into_iter().chain(messages).min()
    }

    /// The earliest instant at which a step is due: waits, flips.
    pub fn next_wake(&self) -> Option<i64> {
        let records = || self.users.values();
        let waits = records().flat_map(|r| r.enrollments.values()).filter_map(Enrollment::wake_at);
        let flips = records().flat_map(|r| r.flips.values().copied());
        waits.chain(flips).min()
    }

    /// Reads all that a step of this user works on, and the events that it asked for besides.
    pub fn load(&self, user: &str, more: &[Asked], now: i64) -> Option<(Work, Needs)> {
        let record = self.users.get(user)?;
        let facts = self.inbox.values().filter(|(of, _)| of == user).map(|(_, fact)| fact.clone()).collect();
        let mut work = Work {
            workspace: self.workspace.clone(),
            user: record.user.clone(),
            facts,
            members: record.members.clone(),
            flips: record.flips.clone(),
            enrollments: record.enrollments.values().filter(|e| e.status.is_live()).cloned().collect(),
            arms: self.arms.clone(),
            ..Work::default()
        };
        for enrollment in record.enrollments.values() {
            let past = work.past.entry(enrollment.campaign.clone()).or_default();
            past.runs = enrollment.run.max(past.runs);
            past.started_at = enrollment.started_at.max(past.started_at);
            past.keys.extend(enrollment.key.clone());
        }
        let needs = needs(&self.project, &work, now);
        let names: BTreeSet<&String> = needs.events.iter().chain(more.iter().map(|asked| &asked.events.name)).collect();
        for name in names {
            let events = record.events.iter().filter(|(_, of, _)| of == name).map(|(.., fact)| fact.clone()).collect();
            // A step that takes only the first facts has to tell the others from the rest, so they are not summed up.
            let unread = work.facts.iter().filter_map(|fact| match &fact.what {
                What::Event { name: of, occurred_at, .. } if of == name => Some(*occurred_at),
                _ => None,
            });
            let unread = unread.min().unwrap_or(i64::MAX);
            work.history.extend(self.loaded(name, events, unread, more, now));
        }
        for &index in &needs.sql {
            let id = &self.project.manifest.segments[index].id;
            work.sql.insert(id.clone(), self.sql.get(id).is_some_and(|members| members.contains(user)).into());
        }
        Some((work, needs))
    }

    /// One by one, or summed up as a server does it, with so many apart as there may be, and all since the first that is unread.
    fn loaded(&self, name: &str, mut events: Vec<EventFact>, unread: i64, more: &[Asked], now: i64) -> Vec<Loaded> {
        let layouts = self.project.layouts(name, more);
        let Some(most) = self.apart.filter(|most| events.len() > *most && !layouts.is_empty()) else {
            return vec![Loaded::full(name, events)];
        };
        events.sort_by_key(|event| event.occurred_at);
        let read = events.partition_point(|event| event.occurred_at < unread);
        let (old, new) = events.split_at(apart(&events, most).min(read));
        let ends = new.first().map_or(i64::MAX, |event| event.occurred_at);
        let summed = |layout: Arc<Layout>| {
            let bounds = layout.bounds(now);
            let all = layout.sum_up(i64::MIN, ends, old, most.max(1), self.project.event_fields(name)).into_iter();
            let all = all.map(|stretch| if stretch.holds_one_of(&bounds) { stretch } else { stretch.tallies_only() });
            Loaded { name: name.into(), events: new.to_vec(), summed: Some((layout, all.collect())) }
        };
        layouts.into_iter().map(summed).collect()
    }

    /// Commits a decision, whole. `false`: something it was about has changed since, and nothing was done.
    pub fn commit(&mut self, decision: Decision, now: i64) -> bool {
        let Some(record) = self.users.get_mut(&decision.user) else { return false };
        let outdated = decision.evaluated < self.project.generation;
        if outdated || record.user.incarnation != decision.incarnation || record.user.seq > decision.seq {
            return false;
        }
        let stale = |e: &Enrollment| record.enrollments.get(&e.id).map_or(0, |stored| stored.version) != e.version;
        if decision.enrollments.iter().any(stale) || decision.consumed.iter().any(|id| !self.inbox.contains_key(id)) {
            return false;
        }
        record.user.seq = decision.seq;
        record.user.evaluated = decision.evaluated;
        record.members.extend(decision.entered);
        record.members.retain(|id| !decision.left.contains(id));
        for (segment, at) in decision.flips {
            match at {
                Some(at) => record.flips.insert(segment, at),
                None => record.flips.remove(&segment),
            };
        }
        for mut enrollment in decision.enrollments {
            enrollment.version += 1;
            record.enrollments.insert(enrollment.id.clone(), enrollment);
        }
        let user = decision.user.as_str();
        for (told, hops) in decision.told {
            match told {
                Told::Patch(patch) => {
                    let what = self.merge(user, &patch);
                    self.tell(user, what, now, hops, false);
                }
                Told::Event { id, name, attributes } => {
                    let attributes = attributes.read().expect("the turn was refused otherwise");
                    self.event(user, &id, &name, EventFact { occurred_at: now, attributes }, false, now, hops);
                }
                Told::Enter { campaign } => {
                    self.tell(user, What::Enter { campaign, start_at: None }, now, hops, false);
                }
                Told::Leave { campaign } => self.tell(user, What::Leave { campaign }, now, hops, false),
            }
        }
        self.inbox.retain(|id, _| !decision.consumed.contains(id));
        self.jobs.extend(decision.jobs.into_iter().map(|job| ((job.enrollment.clone(), job.op), job)));
        for (enrollment, ops) in &decision.dropped {
            self.jobs.retain(|(of, op), _| of != enrollment || !ops.contains(op));
        }
        self.marks.extend(decision.marks.into_iter().map(|mark| (decision.user.clone(), mark)));
        for (enrollment, reason) in &decision.restarted {
            self.cancel(enrollment, reason);
        }
        self.count(&decision.user, decision.successes);
        for message in decision.messages {
            self.record(&decision.user).messages.push(message.id.clone());
            assert!(!self.messages.contains_key(&message.id), "decided twice: {message:?}");
            self.decided.push(message.id.clone());
            let row = Row {
                user: decision.user.clone(),
                status: Status::Pending,
                reason: None,
                due_at: message.created_at,
                attempt: 0,
                tried_at: None,
                sent_at: None,
                unwanted: None,
                message,
            };
            self.messages.insert(row.message.id.clone(), row);
        }
        for (enrollment, reason) in &decision.cancel {
            self.cancel(enrollment, reason);
        }
        let logs = decision.logs.into_iter().map(|(campaign, line)| (decision.user.clone(), campaign, line));
        self.logs.extend(logs);
        true
    }

    /// Keeps what counts for a message that was sent to the user, each of it once.
    fn count(&mut self, user: &str, successes: Vec<Success>) {
        let mut sent: Option<Vec<Sent>> = None;
        for success in successes {
            let rows = || self.users[user].messages.iter().filter_map(|id| self.messages[id].sent());
            let message = success.message(&*sent.get_or_insert_with(|| rows().collect())).map(|sent| sent.id.clone());
            // Only one decision takes up a fact: what is here already is of this one.
            let counts = |converted: &Converted| converted.success.id == success.id;
            let is_known = self.conversions.iter().rev().take_while(|converted| converted.user == user).any(counts);
            if let (Some(message), false) = (message, is_known) {
                self.conversions.push(Converted { user: user.into(), message, success });
            }
        }
    }

    /// Takes the next message that is due to `sending`. The caller hands it to a provider and then reports the [`Outcome`].
    pub fn claim(&mut self, now: i64) -> Option<Row> {
        loop {
            let due = |row: &&Row| row.status == Status::Pending && row.due_at <= now;
            let row = self.messages.values().filter(due).min_by_key(|r| r.due_at)?;
            let (id, decision) = (row.message.id.clone(), self.policy(row, now));
            let row = self.messages.get_mut(&id)?;
            match decision {
                policy::Decision::Send => {
                    (row.status, row.tried_at) = (Status::Sending, Some(now));
                    row.attempt += 1;
                    return Some(row.clone());
                }
                policy::Decision::Wait(at, why) => (row.due_at, row.reason) = (at, Some(why)),
                policy::Decision::Drop(why) => (row.status, row.reason) = (Status::Cancelled, Some(why)),
            }
        }
    }

    /// What the project's policies make of a message that is due.
    fn policy(&self, row: &Row, now: i64) -> policy::Decision {
        let campaign_of = |row: &Row| match &row.message.origin {
            ledger::Origin::Campaign { campaign, .. } => Some(campaign.clone()),
            ledger::Origin::Transaction { .. } => None,
        };
        let campaign = match &row.message.origin {
            ledger::Origin::Campaign { campaign, .. } => campaign.clone(),
            ledger::Origin::Transaction { transaction, .. } => {
                return policy::of_transaction(&self.project, transaction, row.message.created_at, now);
            }
        };
        let tried = || self.messages.values().filter_map(|row| row.tried_at.map(|at| (row, at)));
        let counts =
            |other: &Row| other.status.is_handed_over() && other.user == row.user && campaign_of(other).is_some();
        let user: Vec<i64> = match policy::looks_back(&self.project) {
            Some(_) => tried().filter(|(other, _)| counts(other)).map(|(_, at)| at).collect(),
            None => vec![],
        };
        let daily = self.project.campaign(&campaign).and_then(|campaign| campaign.per_day.as_ref());
        let today = daily.filter(|_| row.attempt == 0).map(|daily| {
            let is_today = |at: i64| policy::day_ends(daily, at) == policy::day_ends(daily, now);
            tried().filter(|(other, at)| campaign_of(other).as_ref() == Some(&campaign) && is_today(*at)).count() as u32
        });
        let zone = self.attributes(&row.user).and_then(|attributes| self.project.zone_of(attributes));
        let about = policy::About { campaign: &campaign, zone, created_at: row.message.created_at };
        policy::decide(&self.project, about, policy::Before { user: &user, today }, now)
    }

    /// Records what became of an attempt; ignored if another attempt has come since.
    pub fn outcome(&mut self, message: &str, attempt: u32, outcome: &Outcome, now: i64) {
        let Some(row) = self.messages.get_mut(message) else { return };
        if row.attempt == attempt && matches!(row.status, Status::Sending | Status::Unknown) {
            let guarantee = row.message.guarantee;
            let unwanted = unwanted(&self.users, row);
            row.apply(ledger::after(outcome, message, attempt, guarantee, now), unwanted, now);
        }
    }

    /// After a crash: what was being sent has no one left to report its outcome.
    pub fn recover(&mut self, now: i64) {
        for row in self.messages.values_mut().filter(|r| r.status == Status::Sending) {
            let (id, guarantee) = (row.message.id.clone(), row.message.guarantee);
            let unwanted = unwanted(&self.users, row);
            row.apply(
                ledger::lost("the server stopped while sending", &id, row.attempt, guarantee, now),
                unwanted,
                now,
            );
        }
    }

    /// Runs every step that is due, and what follows from them, until nothing is. Messages stay pending.
    pub fn drain(&mut self, plugins: Plugins<'_>, now: i64) -> Result<(), PluginError> {
        loop {
            let busy = self.busy(now);
            if busy.is_empty() {
                return Ok(());
            }
            for user in busy {
                let mut more = vec![];
                while let Some((work, needs)) = self.load(&user, &more, now) {
                    match step(&self.project, work, &needs, plugins, now) {
                        Ok(decision) => {
                            self.commit(decision, now);
                            break;
                        }
                        Err(Stop::Missing(asked)) => more.extend(asked),
                        Err(Stop::Plugin(error)) => return Err(error),
                    }
                }
            }
        }
    }
}

/// Why a message that was on its way is not to be tried again: what cancels the pending ones has come meanwhile.
fn unwanted(users: &BTreeMap<String, Record>, row: &Row) -> Option<String> {
    if !users.contains_key(&row.user) {
        return Some(ERASED.into());
    }
    row.unwanted.clone()
}

impl Row {
    /// As something can count for it.
    fn sent(&self) -> Option<Sent> {
        let ledger::Origin::Campaign { campaign, enrollment, op } = &self.message.origin else { return None };
        let sent_at = self.sent_at.filter(|_| can_count(self.status))?;
        Some(Sent {
            id: self.message.id.clone(),
            campaign: campaign.clone(),
            enrollment: enrollment.clone(),
            op: *op,
            created_at: self.message.created_at,
            sent_at,
        })
    }

    fn apply(&mut self, mut transition: Transition, unwanted: Option<String>, now: i64) {
        if let (Status::Pending, Some(reason)) = (transition.status, unwanted) {
            transition = Transition { status: Status::Cancelled, reason: Some(reason), due_at: None };
        }
        self.status = transition.status;
        self.reason = transition.reason;
        self.due_at = transition.due_at.unwrap_or(self.due_at);
        if self.status == Status::Sent {
            self.sent_at = Some(now);
        }
    }
}

/// The attributes of a JSON object literal, for tests.
pub fn object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        other => panic!("not an object: {other}"),
    }
}
