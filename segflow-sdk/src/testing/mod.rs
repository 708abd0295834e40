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

mod mail;
mod play;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use segflow_core::memory::Memory;
use segflow_core::merge::Object;
use segflow_core::project::{Project as Deployed, check};
use segflow_core::{Code, Plugin};
use segflow_protocol::Manifest;
use serde_json::Value;

use crate::{Attributes, Duration, Event, IntoPatch, Native, Project, schema};
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
    now: i64,
    kept: Kept,
    events: u64,
    project: std::marker::PhantomData<fn() -> U>,
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
        let code = Code { plugin: Arc::new(Native(project)), manifest: Arc::new(manifest) };
        let mut run =
            Run { memory, code, now: START, kept: Kept::default(), events: 0, project: std::marker::PhantomData };
        run.settle();
        run
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
        self.memory.update(id, &object(&attributes), false);
        self.settle();
    }

    /// Changes a user: `run.update("ada", Shopper::patch().winback(true))`.
    #[track_caller]
    pub fn update(&mut self, id: &str, patch: impl IntoPatch<User = U>) {
        let patch = patch.into_patch().finish().unwrap_or_else(|why| panic!("{why}"));
        self.memory.update(id, &patch, false);
        self.settle();
    }

    /// An event happens to a user, now.
    #[track_caller]
    pub fn emit<E: Event>(&mut self, id: &str, event: &E) {
        self.events += 1;
        let event_id = format!("evt_{}", self.events);
        self.memory.emit(id, &event_id, E::NAME, object(event), self.now, false);
        self.settle();
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

    /// What the flows of a user logged, in order.
    pub fn logs(&self, id: &str) -> Vec<&str> {
        self.memory.logs.iter().filter(|(user, ..)| user == id).map(|(.., line)| line.as_str()).collect()
    }

    fn manifest(&self) -> &Manifest {
        &self.code.manifest
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
mod tests;
