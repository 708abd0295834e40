//! Plays a project in memory with a clock of its own: `cargo test` for campaigns, without a server and without waiting.
//!
//! ```
//! # use segflow::prelude::*;
//! # #[derive(Attributes, Serialize, Deserialize)] struct Shopper { username: String, email: String }
//! # #[email("winback-email")] fn winback_email(user: &Shopper, week: u64) -> Email { template!("tests/emails/winback.html", user, week) }
//! # async fn winback(flow: Flow<Shopper>) { for week in 0..3 { flow.send(winback_email(week)).await; flow.wait(weeks(1)).await; } }
//! # fn shop() -> Project<Shopper> { Project::new("shop").campaign(Campaign::new("winback", winback).enters(Segment::everyone("all"))) }
//! use segflow::testing::Run;
//!
//! let mut run = Run::new(shop()).user("ada", Shopper { username: "Ada".into(), email: "ada@example.com".into() });
//! run.advance(days(30));
//! assert_eq!(run.sent("winback-email").days(), [0, 7, 14]);
//! ```

mod converted;
mod mail;
mod play;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use segflow_core::enrollment::Enrollment;
pub use segflow_core::enrollment::Status;
use segflow_core::eval::EventFact;
use segflow_core::memory::Memory;
use segflow_core::merge::Object;
use segflow_core::notice::about;
use segflow_core::project::{Project as Deployed, check};
use segflow_core::step::{Job, JobKind, MarkKind};
use segflow_core::{Code, Plugin};
use segflow_protocol::{Json, Manifest, own};
use serde_json::Value;

use crate::{Answer, Attributes, Duration, Event, IntoPatch, Native, Project, schema};
pub use converted::Converted;
use mail::Kept;
pub use mail::{Mail, Mails, Refusal};

/// 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600_000;

/// A project at work on users that exist only here. It is decided by the same code as on a server.
///
/// Everything that is due at one instant has happened when a method returns. A flow that panics or cannot go on fails the test.
pub struct Run<U> {
    memory: Memory,
    code: Code,
    native: Arc<Native<U>>,
    now: i64,
    kept: Kept,
    events: u64,
    webhooks: Option<Answers>,
}

type Answers = Box<dyn FnMut(&Request) -> Result<Answer, String>>;

/// A webhook as a flow calls it.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Whose flow calls.
    pub user_id: String,
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    /// The body; `null` without one.
    pub body: Value,
}

impl<U: Attributes> Run<U> {
    /// A run without users, at 2026-01-01T00:00:00Z.
    ///
    /// # Panics
    ///
    /// If the project has a problem that a push would refuse.
    #[track_caller]
    pub fn new(project: Project<U>) -> Run<U> {
        let manifest = project.manifest();
        let problems = check(&manifest);
        let lines = problems.iter().map(|p| format!("\n  {}: {}", p.place.as_deref().unwrap_or("project"), p.message));
        assert!(problems.is_empty(), "a push would refuse this project:{}", lines.collect::<String>());

        let since: BTreeMap<String, i64> = manifest.campaigns.iter().map(|campaign| (campaign.id.clone(), 1)).collect();
        let mut memory = Memory::new("test");
        memory.deploy(Deployed::new("test", 1, manifest.clone(), since, START));
        let native = Arc::new(Native::new(project));
        let code = Code { plugin: native.clone(), manifest: Arc::new(manifest) };
        let mut run = Run { memory, code, native, now: START, kept: Kept::default(), events: 0, webhooks: None };
        run.settle();
        run
    }

    /// Says what webhooks answer; an error is what a server gives up with after its last attempt. Before the users are added.
    ///
    /// ```
    /// # use segflow::prelude::*;
    /// # #[derive(Attributes, Serialize, Deserialize)] struct Shopper { email: String }
    /// # fn shop() -> Project<Shopper> { Project::new("shop") }
    /// use segflow::testing::Run;
    ///
    /// let run = Run::new(shop()).webhooks(|request| match request.url.as_str() {
    ///     "https://crm.example/leads" => Ok((201, serde_json::json!({"id": 7}))),
    ///     _ => Err("no answer in time".into()),
    /// });
    /// ```
    pub fn webhooks(mut self, mut answer: impl FnMut(&Request) -> Result<(u16, Value), String> + 'static) -> Run<U> {
        self.webhooks = Some(Box::new(move |request| {
            answer(request).map(|(status, body)| Answer { status, body: body.to_string() })
        }));
        self
    }

    /// Chooses the arm of a split or experiment for everybody. Before the users are added.
    pub fn arm(mut self, name: &str, arm: &str) -> Run<U> {
        self.memory.arms.insert(name.into(), arm.into());
        self
    }

    /// Makes every `flow.random()` from here on this number, from 0 up to but not including 1.
    pub fn random(self, number: f64) -> Run<U> {
        self.native.set_random(Some(((number.clamp(0.0, 1.0) * (1u64 << 53) as f64) as u64) << 11));
        self
    }

    /// Adds a user, or brings one up to date.
    #[track_caller]
    pub fn user(mut self, id: &str, attributes: U) -> Run<U> {
        self.add(id, attributes);
        self
    }

    /// Adds a user, or brings one up to date, in the middle of a run.
    #[track_caller]
    pub fn add(&mut self, id: &str, attributes: U) {
        self.memory.update(id, &object(&attributes), false, self.now);
        self.settle();
    }

    /// Changes a user: `run.update("ada", Shopper::patch().winback(true))`.
    #[track_caller]
    pub fn update(&mut self, id: &str, patch: impl IntoPatch<User = U>) {
        let patch = patch.into_patch().finish().unwrap_or_else(|why| panic!("{why}"));
        self.memory.update(id, &patch, false, self.now);
        self.settle();
    }

    /// An event happens to a user, now.
    #[track_caller]
    pub fn emit<E: Event>(&mut self, id: &str, event: &E) {
        self.happens(id, E::NAME, object(event));
    }

    /// A user looks at the last email of a template that was sent to them.
    ///
    /// # Panics
    ///
    /// If none was.
    #[track_caller]
    pub fn open(&mut self, id: &str, template: &str) {
        let about = self.about(id, template);
        self.happens(id, own::OPENED, about);
    }

    /// A user follows a link in the last email of a template that was sent to them.
    ///
    /// # Panics
    ///
    /// If none was.
    #[track_caller]
    pub fn click(&mut self, id: &str, template: &str, link: &str) {
        let mut about = self.about(id, template);
        about.insert("link".into(), link.into());
        self.happens(id, own::CLICKED, about);
    }

    /// A user answers the last email of a template that was sent to them.
    ///
    /// # Panics
    ///
    /// If none was.
    #[track_caller]
    pub fn reply(&mut self, id: &str, template: &str, text: &str) {
        let mut about = self.about(id, template);
        let sent = self.kept.sent(template).to(id);
        let subject = sent.last().map_or("", |mail| mail.subject.as_str());
        about.insert("subject".into(), format!("Re: {subject}").into());
        about.insert("text".into(), text.into());
        self.happens(id, own::REPLIED, about);
    }

    #[track_caller]
    fn about(&self, id: &str, template: &str) -> Object {
        self.known(template);
        let message = self.kept.last(id, template);
        let message = message.unwrap_or_else(|| panic!("no email `{template}` was sent to user `{id}`"));
        about(&message.id, &message.template, &message.origin)
    }

    fn happens(&mut self, id: &str, name: &str, attributes: Object) {
        self.events += 1;
        let event = EventFact { occurred_at: self.now, attributes };
        self.memory.emit(id, &format!("evt_{}", self.events), name, event, false, self.now);
        self.settle();
    }

    /// Puts a user into a campaign by hand, whatever its segments say.
    #[track_caller]
    pub fn enroll(&mut self, id: &str, campaign: &str) {
        self.known_campaign(campaign);
        self.memory.enroll(id, campaign, None, self.now);
        self.settle();
    }

    /// Stops a user's run through a campaign until it is resumed; it sends nothing more.
    #[track_caller]
    pub fn pause(&mut self, id: &str, campaign: &str) {
        self.change(id, campaign, |enrollment, _, _| enrollment.pause("paused by hand"));
    }

    /// Lets a paused run go on.
    #[track_caller]
    pub fn resume(&mut self, id: &str, campaign: &str) {
        self.change(id, campaign, |enrollment, _, _| enrollment.resume());
    }

    /// Begins a user's run through a campaign anew.
    #[track_caller]
    pub fn restart(&mut self, id: &str, campaign: &str) {
        self.change(id, campaign, |enrollment, deployment, now| enrollment.restart(deployment, now));
    }

    /// Takes a user out of a campaign.
    #[track_caller]
    pub fn remove(&mut self, id: &str, campaign: &str) {
        self.change(id, campaign, |enrollment, _, _| enrollment.exit("removed by hand"));
    }

    #[track_caller]
    fn change(&mut self, id: &str, campaign: &str, change: impl FnOnce(&mut Enrollment, &str, i64)) {
        let Some(enrollment) = self.enrollment(id, campaign).map(|e| e.id.clone()) else {
            panic!("user `{id}` was never in campaign `{campaign}`");
        };
        let (deployment, now) = (self.memory.project().deployment.clone(), self.now);
        self.memory.change(&enrollment, "by hand", |enrollment| change(enrollment, &deployment, now));
        self.settle();
    }

    /// The titles of the tasks that a user's flows wait for.
    pub fn tasks(&self, id: &str) -> Vec<String> {
        self.jobs_of(id).filter_map(|job| title(job).map(String::from)).collect()
    }

    /// Somebody does a task, and hands in a result.
    ///
    /// # Panics
    ///
    /// If no flow of the user's waits for a task of this title.
    #[track_caller]
    pub fn complete(&mut self, id: &str, task: &str, result: impl serde::Serialize) {
        let waiting = self.jobs_of(id).find(|job| title(job) == Some(task)).map(|job| (job.enrollment.clone(), job.op));
        let Some((enrollment, op)) = waiting else {
            panic!("no flow of user `{id}` waits for the task `{task}`, only for {:?}", self.tasks(id));
        };
        let value = serde_json::json!({ "result": schema::to_value(&result) });
        self.memory.answer(&enrollment, op, Json(value.to_string()), self.now);
        self.settle();
    }

    fn jobs_of<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Job> {
        let of = move |job: &&Job| self.memory.enrollments().any(|(user, e)| user == id && e.id == job.enrollment);
        self.memory.jobs().filter(of)
    }

    /// Erases a user.
    pub fn delete(&mut self, id: &str) {
        self.memory.erase(id);
    }

    /// Says who belongs to a segment in SQL: a query needs a database, and there is none here. Before the users are added.
    pub fn sql_segment<'a>(mut self, segment: &str, members: impl IntoIterator<Item = &'a str>) -> Run<U> {
        self.memory.sql.insert(segment.to_string(), members.into_iter().map(String::from).collect());
        self
    }

    /// Lets time pass, and everything happen that falls due on the way.
    #[track_caller]
    pub fn advance(&mut self, duration: Duration) {
        let target = self.now.saturating_add(duration.as_millis());
        while let Some(due) = self.memory.next_due().filter(|due| *due <= target) {
            self.now = due.max(self.now);
            self.settle();
        }
        self.now = target;
        self.settle();
    }

    /// The time of the run.
    pub fn now(&self) -> Timestamp {
        timestamp(self.now)
    }

    /// What was sent of one template, in order.
    #[track_caller]
    pub fn sent(&self, template: &str) -> Mails {
        self.known(template);
        self.kept.sent(template)
    }

    /// What could not be sent of one template, and why: no address, or a template that could not be rendered.
    #[track_caller]
    pub fn refused(&self, template: &str) -> Vec<Refusal> {
        self.known(template);
        self.kept.refused(template)
    }

    /// A user as of now.
    #[track_caller]
    pub fn get(&self, id: &str) -> Option<U> {
        let attributes = self.memory.attributes(id)?;
        Some(schema::typed_user(attributes).unwrap_or_else(|why| panic!("user `{id}`: {why}")))
    }

    /// Whether a user belongs to a segment now.
    #[track_caller]
    pub fn in_segment(&self, id: &str, segment: &str) -> bool {
        let known = self.manifest().segments.iter().any(|known| known.id == segment);
        assert!(known, "the project has no segment `{segment}`");
        self.memory.in_segment(id, segment)
    }

    /// Where a user's last run through a campaign stands; `None`: there was none.
    #[track_caller]
    pub fn status(&self, id: &str, campaign: &str) -> Option<Status> {
        self.enrollment(id, campaign).map(|enrollment| enrollment.status)
    }

    /// Why a user's last run through a campaign has ended or stands still.
    #[track_caller]
    pub fn reason(&self, id: &str, campaign: &str) -> Option<&str> {
        self.enrollment(id, campaign).and_then(|enrollment| enrollment.reason.as_deref())
    }

    #[track_caller]
    fn enrollment(&self, id: &str, campaign: &str) -> Option<&Enrollment> {
        self.known_campaign(campaign);
        let of = self.memory.enrollments().filter(|(user, e)| *user == id && e.campaign == campaign);
        of.map(|(_, enrollment)| enrollment).max_by_key(|enrollment| enrollment.run)
    }

    /// The goals that a user's flows have reached, in order.
    pub fn goals(&self, id: &str) -> Vec<&str> {
        let of_user = self.memory.marks().iter().filter(|(user, _)| user == id);
        of_user
            .filter_map(|(_, mark)| match &mark.what {
                MarkKind::Goal(name) => Some(name.as_str()),
                MarkKind::Arm { .. } => None,
            })
            .collect()
    }

    /// What the flows of a user logged, in order.
    pub fn logs(&self, id: &str) -> Vec<&str> {
        self.memory.logs.iter().filter(|(user, ..)| user == id).map(|(.., line)| line.as_str()).collect()
    }

    fn manifest(&self) -> &Manifest {
        &self.code.manifest
    }

    #[track_caller]
    fn known_campaign(&self, campaign: &str) {
        let known = self.manifest().campaigns.iter().any(|known| known.id == campaign);
        assert!(known, "the project has no campaign `{campaign}`");
    }

    fn plugin(&self) -> &dyn Plugin {
        &*self.code.plugin
    }

    /// A misspelt id would otherwise make a test pass that expects nothing.
    #[track_caller]
    fn known(&self, template: &str) {
        let known = self.manifest().templates.iter().any(|known| known.id == template);
        assert!(known, "the project has no template `{template}`");
    }
}

/// The title of a job that is a task.
fn title(job: &Job) -> Option<&str> {
    match &job.what {
        JobKind::Task(task) => Some(&task.title),
        JobKind::Webhook(_) => None,
    }
}

fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX)
}

#[track_caller]
fn object<T: serde::Serialize>(value: &T) -> Object {
    match serde_json::to_value(value) {
        Ok(Value::Object(object)) => object,
        Ok(other) => panic!("`{other}` is not a JSON object"),
        Err(e) => panic!("cannot be written as JSON: {e}"),
    }
}

#[cfg(test)]
mod conversions;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod verbs;
