//! Deployments: what a push would change, and changing it, all at once or not at all.

mod code;
mod content;
mod diff;
mod in_flight;
mod plan;
mod renders;
mod validate;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use segflow_core::project::Project;
use segflow_core::protocol::{InFlight, Problem, Render, Rendered};
use serde::Serialize;

use crate::clock::Clock;
use crate::links::Links;
use crate::plugin::Host;
use crate::secrets::Secrets;
use crate::store::{self, Store, deployments, segments};

pub use diff::Change;
pub use in_flight::{Diverging, Moving};
use renders::Renders;

/// Pushes, and the code that has been pushed.
#[derive(Clone)]
pub struct Deploy {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    store: Store,
    host: Host,
    inputs: Inputs,
    wake: Arc<tokio::sync::Notify>,
    projects: Mutex<BTreeMap<String, Arc<Project>>>,
    codes: Mutex<BTreeMap<String, segflow_core::Code>>,
    /// Workspaces that got a new deployment since the engine last asked.
    pushed: Mutex<BTreeSet<String>>,
    renders: Renders,
}

/// What a push is held against besides what is stored.
pub struct Inputs {
    pub clock: Clock,
    pub secrets: Secrets,
    pub links: Links,
    pub production: bool,
}

/// How a push is meant.
#[derive(Debug, Clone, Default)]
pub struct PushOptions {
    /// Change nothing, only say what would change.
    pub dry_run: bool,
    /// The generation that the caller has seen; the push is refused if another has come since.
    pub base: Option<i64>,
    /// How many users may enter campaigns at once.
    pub allow_enter: Option<u64>,
    /// What happens to those who are in a campaign, whatever the campaign says.
    pub in_flight: Option<InFlight>,
}

/// What a push changes, or would change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    pub applied: bool,
    /// Whether there is anything to apply.
    pub changed: bool,
    /// The generation this plan is held against.
    pub base: i64,
    /// The generation after it.
    pub generation: i64,
    /// The deployment in force before.
    pub from: Option<String>,
    pub deployment: String,
    /// Bytes of the module.
    pub size: usize,
    pub changes: Vec<Change>,
    /// Who would be in each segment that differs.
    pub segments: BTreeMap<String, Estimate>,
    /// Users entering campaigns at once, counted once per campaign, and leaving.
    pub entering: u64,
    pub leaving: u64,
    /// Those who are in campaigns on earlier code.
    pub in_flight: Vec<Moving>,
    /// Not estimated yet.
    pub emails_24h: Option<u64>,
    pub warnings: Vec<String>,
}

/// Who would be in a segment: how many, and some of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Estimate {
    pub users: u64,
    pub sample: Vec<String>,
}

impl Estimate {
    /// Users come in the order of their ids.
    fn add(&mut self, user: &str) {
        const SAMPLE: usize = 10;
        self.users += 1;
        if self.sample.len() < SAMPLE {
            self.sample.push(user.to_string());
        }
    }
}

/// Why a push was not applied. Nothing has changed.
#[derive(Debug)]
pub enum PushError {
    /// Something is wrong with what was pushed: all that is, at once.
    Refused {
        code: &'static str,
        detail: String,
        problems: Vec<Problem>,
    },
    /// Another push came between; the generation it is now.
    Passed {
        current: i64,
    },
    /// More users would enter than are allowed to without a word.
    TooMany {
        entering: u64,
    },
    Store(store::Error),
}

impl From<store::Error> for PushError {
    fn from(error: store::Error) -> PushError {
        PushError::Store(error)
    }
}

/// More users than this enter campaigns at once only with `allow_enter`, on a production server.
pub const ALLOWED_WITHOUT_A_WORD: u64 = 1_000;

impl Deploy {
    pub fn new(store: Store, host: Host, inputs: Inputs, wake: Arc<tokio::sync::Notify>) -> Deploy {
        Deploy {
            inner: Arc::new(Inner {
                store,
                host,
                inputs,
                wake,
                projects: Mutex::default(),
                codes: Mutex::default(),
                pushed: Mutex::default(),
                renders: Renders::start(),
            }),
        }
    }

    /// The project in force in a workspace; an empty one before the first push.
    pub async fn project(&self, workspace: &str) -> store::Result<Arc<Project>> {
        Ok(self.current(workspace).await?.unwrap_or_default())
    }

    /// The project in force in a workspace.
    pub async fn current(&self, workspace: &str) -> store::Result<Option<Arc<Project>>> {
        let db = &self.inner.store.db;
        let generation = deployments::generation(db, workspace).await?;
        if generation == 0 {
            self.inner.store.ingest.heard_by(workspace, Arc::default());
            return Ok(None);
        }
        let known = self.inner.projects.lock().expect("no panic while held").get(workspace).cloned();
        if let Some(project) = known.filter(|p| p.generation == generation) {
            return Ok(Some(project));
        }
        let Some(d) = deployments::current(db, workspace).await? else { return Ok(None) };
        let mut project =
            Project::new(d.id, d.generation, d.manifest, d.since, d.created_at).with_sql(segments::dependencies);
        project.in_flight = d.in_flight;
        // Nearly all users were held against the last one, if they were against any.
        if let Some(last) = deployments::of_generation(db, workspace, generation - 1).await? {
            project = project.with_earlier(generation - 1, &last.manifest);
        }
        for (generation, id, said) in deployments::words_before(db, workspace, generation).await? {
            project = project.with_word(generation, &id, said);
        }
        let project = Arc::new(project);
        self.inner.projects.lock().expect("no panic while held").insert(workspace.into(), project.clone());
        self.inner.store.ingest.heard_by(workspace, project.clone());
        Ok(Some(project))
    }

    /// Workspaces with a push since this was last asked.
    pub fn take_pushed(&self) -> BTreeSet<String> {
        std::mem::take(&mut self.inner.pushed.lock().expect("no panic while held"))
    }

    /// Renders an email by the code of a deployment. An error is for the person who wrote the email.
    pub async fn render(&self, deployment: &str, request: Render) -> Result<Rendered, String> {
        let code = self.code(deployment).await.map_err(|e| e.to_string())?;
        self.inner.renders.render(code, request).await
    }
}
