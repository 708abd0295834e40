//! Delivery: takes decided messages from the ledger to providers, and outcomes back.
//!
//! A message is claimed (`sending` is committed) only with a connection slot in hand, so a crash leaves at most as many unknown
//! outcomes as there are slots. No transaction is held over a call.

pub mod capture;
mod provider;
mod reporter;
pub mod smtp;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use segflow_core::ids::BUCKETS;
use segflow_core::ledger::Outcome;
use segflow_core::merge::Object;
use segflow_core::project::{Project, declared};
use segflow_core::protocol::{Json, ProviderKind, Render};
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::deploy::Deploy;
use crate::live::Live;
use crate::ownership::{Held, Ownership};
use crate::secrets::Secrets;
use crate::store::ledger::{self, Claimed, Report, SentAs};
use crate::store::read::body_hash;
use crate::store::{Error, Result, Store};

pub use capture::Capture;
pub use provider::{Email, Provider};
use reporter::Reporter;

/// The most messages in one claim.
const CLAIM: usize = 128;

/// How long messages wait when their project has no provider that works, in ms.
const POSTPONED: i64 = 60_000;

/// Between two tries to reach the database.
const PAUSE: Duration = Duration::from_millis(250);

pub struct Delivery {
    store: Store,
    deploy: Deploy,
    clock: Clock,
    ownership: Arc<Ownership>,
    live: Live,
    secrets: Secrets,
    /// Where all mail goes that is not to leave: everything in development.
    capture: Arc<Capture>,
    capture_all: bool,
    providers: Mutex<BTreeMap<String, Arc<dyn Provider>>>,
    reporter: Reporter,
    in_flight: Arc<InFlight>,
    turnstile: tokio::sync::Mutex<()>,
    /// The bucket that the next tick begins with.
    first: AtomicU16,
}

/// Counts what is being sent.
#[derive(Default)]
struct InFlight {
    count: AtomicUsize,
    landed: Notify,
}

impl Delivery {
    #[expect(clippy::too_many_arguments, reason = "made once, in one place")]
    pub fn new(
        store: Store,
        deploy: Deploy,
        clock: Clock,
        ownership: Arc<Ownership>,
        live: Live,
        secrets: Secrets,
        capture: Arc<Capture>,
        capture_all: bool,
    ) -> Delivery {
        Delivery {
            reporter: Reporter::start(store.clone(), clock.clone()),
            store,
            deploy,
            clock,
            ownership,
            live,
            secrets,
            capture,
            capture_all,
            providers: Mutex::default(),
            in_flight: Arc::default(),
            turnstile: tokio::sync::Mutex::new(()),
            first: AtomicU16::new(0),
        }
    }

    /// Hands some of the messages that are due to their providers; how many. Their outcomes come later.
    pub async fn tick(self: &Arc<Self>) -> Result<usize> {
        let _turn = self.turnstile.lock().await;
        let now = self.clock.now();
        let Held { incarnation, buckets } = self.ownership.held();
        if buckets.is_empty() {
            return Ok(0);
        }
        let mut begun = 0;
        for (workspace, ids) in self.due(buckets, now).await? {
            let project = self.deploy.project(&workspace).await?;
            match self.provider(&project) {
                Ok(provider) => begun += self.hand_over(&incarnation, &project, provider, ids, now).await?,
                Err(why) => {
                    tracing::warn!(workspace, messages = ids.len(), "messages wait: {why}");
                    ledger::postpone(&self.store.db, ids, now.saturating_add(POSTPONED), why).await?;
                }
            }
        }
        Ok(begun)
    }

    /// Some messages that are due. Each tick begins with another bucket: when more is due than can be sent, all have their turn.
    async fn due(&self, mut buckets: BTreeSet<u16>, now: i64) -> Result<BTreeMap<String, Vec<String>>> {
        let first = self.first.fetch_add(1, Ordering::Relaxed) % BUCKETS;
        let from_there = buckets.split_off(&first);
        let mut due = ledger::due(&self.store.db, &from_there, now, CLAIM).await?;
        let left = CLAIM.saturating_sub(due.values().map(Vec::len).sum());
        if left > 0 {
            for (workspace, ids) in ledger::due(&self.store.db, &buckets, now, left).await? {
                due.entry(workspace).or_default().extend(ids);
            }
        }
        Ok(due)
    }

    async fn hand_over(
        self: &Arc<Self>,
        incarnation: &str,
        project: &Arc<Project>,
        provider: Arc<dyn Provider>,
        mut ids: Vec<String>,
        now: i64,
    ) -> Result<usize> {
        let slots = provider.slots();
        let mut permits = vec![];
        while permits.len() < ids.len() {
            match slots.clone().try_acquire_owned() {
                Ok(permit) => permits.push(permit),
                Err(_) => break,
            }
        }
        ids.truncate(permits.len());
        if ids.is_empty() {
            return Ok(0);
        }
        let claimed = match ledger::claim(&self.store.db, incarnation, ids.clone(), now).await {
            Ok(claimed) => claimed,
            Err(error) => {
                self.release(incarnation, ids, &error).await;
                return Err(error);
            }
        };
        let count = claimed.len();
        self.in_flight.count.fetch_add(count, Ordering::SeqCst);
        for (claimed, permit) in claimed.into_iter().zip(permits) {
            let (this, project, provider) = (self.clone(), project.clone(), provider.clone());
            let incarnation = incarnation.to_string();
            tokio::spawn(async move {
                let report = this.attempt(incarnation, project, provider, claimed.clone()).await;
                this.conclude(claimed, report).await;
                // Only now: a slot bounds what a crash can leave unknown, so it is held until the outcome is in the ledger.
                drop(permit);
                this.in_flight.count.fetch_sub(1, Ordering::SeqCst);
                this.in_flight.landed.notify_waiters();
            });
        }
        Ok(count)
    }

    /// After a claim that failed: if its commit went through all the same, nobody would ever send these messages.
    async fn release(&self, incarnation: &str, ids: Vec<String>, error: &Error) {
        if matches!(error, Error::Fenced) {
            return;
        }
        while let Err(error) = ledger::release(&self.store.db, incarnation, ids.clone(), self.clock.now()).await {
            tracing::warn!(%error, messages = ids.len(), "claims wait to be given back");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Sends in a task of its own: even if that should panic, the message has an outcome.
    async fn attempt(
        self: &Arc<Self>,
        incarnation: String,
        project: Arc<Project>,
        provider: Arc<dyn Provider>,
        claimed: Claimed,
    ) -> Report {
        let (id, attempt, name) = (claimed.id.clone(), claimed.attempt, provider.id().to_string());
        let this = self.clone();
        let sending = tokio::spawn(async move { this.send(&incarnation, &project, provider.as_ref(), &claimed).await });
        sending.await.unwrap_or_else(|_| Report {
            id,
            attempt,
            outcome: Outcome::Ambiguous("the server failed while sending".into()),
            provider: name,
            sent: None,
        })
    }

    async fn conclude(&self, claimed: Claimed, report: Report) {
        let what = match &report.outcome {
            Outcome::Accepted { .. } => {
                format!("✉ {} → {}, see /v1/messages/{}", claimed.template, report.provider, claimed.id)
            }
            Outcome::Refused(why) => format!("✗ {} refused: {why}", claimed.template),
            Outcome::Retry(why) => format!("{} is tried again later: {why}", claimed.template),
            Outcome::Ambiguous(why) => format!("? {} perhaps sent: {why}", claimed.template),
        };
        let word = match &report.outcome {
            Outcome::Accepted { .. } => "accepted",
            Outcome::Refused(_) => "refused",
            Outcome::Retry(_) => "retry",
            Outcome::Ambiguous(_) => "unknown",
        };
        metrics::counter!("segflow_send_attempts_total", "outcome" => word).increment(1);
        self.reporter.report(report).await;
        self.live.message(self.clock.now(), &claimed.user, &claimed.origin, what);
    }

    /// Renders a claimed message and hands it to the provider.
    async fn send(&self, incarnation: &str, project: &Project, provider: &dyn Provider, claimed: &Claimed) -> Report {
        let (outcome, sent) = match self.email(project, claimed).await {
            // This process was stopped, or away from the database, for so long that the message may be another server's by now.
            Ok(_) if !self.ownership.may_begin(incarnation) => {
                (Outcome::Retry("the server had lost its users before it began to send".into()), None)
            }
            Ok((email, sent)) => (provider.send(&email).await, Some(sent)),
            Err(why) => (Outcome::Refused(why), None),
        };
        Report { id: claimed.id.clone(), attempt: claimed.attempt, outcome, provider: provider.id().into(), sent }
    }

    /// The email as it goes out. An error is a reason to refuse the message.
    async fn email(&self, project: &Project, claimed: &Claimed) -> std::result::Result<(Email, SentAs), String> {
        let code = self.deploy.code(&claimed.deployment).await.map_err(|e| e.to_string())?;
        let decided_with = code.manifest.templates.iter().find(|t| t.id == claimed.template);
        // A corrected email reaches messages that were decided before, if it takes the same arguments.
        let corrected = project.template(&claimed.template);
        let by_current = corrected.is_some_and(|new| decided_with.is_none_or(|old| old.arguments == new.arguments));
        let deployment = if by_current { &project.deployment } else { &claimed.deployment };
        let manifest = if by_current { &project.manifest } else { code.manifest.as_ref() };

        let to = address(manifest.address.as_deref().unwrap_or("email"), &claimed.attributes)?;
        let from = manifest.from.clone().ok_or("the project names no sender")?;
        let context = Json(serde_json::Value::Object(declared(&manifest.user, &claimed.attributes)).to_string());
        let request =
            Render { template: claimed.template.clone(), user: context.clone(), args: Json(claimed.args.clone()) };
        let rendered = self.deploy.render(deployment, request).await?;
        let sent = SentAs {
            deployment: deployment.clone(),
            context: context.0,
            from: from.clone(),
            to: to.clone(),
            subject: rendered.subject.clone(),
            body_hash: body_hash(&rendered),
        };
        let email = Email { id: claimed.id.clone(), from, to, content: rendered };
        Ok((email, sent))
    }

    /// The provider of a project. An error is what has to be done first.
    fn provider(&self, project: &Project) -> std::result::Result<Arc<dyn Provider>, String> {
        if self.capture_all {
            return Ok(self.capture.clone());
        }
        let Some(declared) = project.manifest.providers.first() else {
            return Err("the project declares no provider: add `.provider(…)` and push".into());
        };
        match &declared.kind {
            ProviderKind::Capture => Ok(self.capture.clone()),
            ProviderKind::Smtp { url } => {
                let secret = self.secrets.get(url).ok_or_else(|| format!("secret {url} is not set on the server"))?;
                let mut providers = self.providers.lock().expect("no panic while held");
                if let Some(provider) = providers.get(&secret) {
                    return Ok(provider.clone());
                }
                let provider: Arc<dyn Provider> = Arc::new(
                    smtp::Smtp::new(&declared.id, &secret).map_err(|e| format!("secret {url} cannot be used: {e}"))?,
                );
                providers.insert(secret, provider.clone());
                Ok(provider)
            }
        }
    }

    /// Waits until the tick that is under way has ended: what was no longer held before is claimed by nobody after.
    pub async fn turn(&self) {
        drop(self.turnstile.lock().await);
    }

    /// Waits until nothing is being sent.
    pub async fn settle(&self) {
        loop {
            let landed = self.in_flight.landed.notified();
            if self.in_flight.count.load(Ordering::SeqCst) == 0 {
                return;
            }
            landed.await;
        }
    }

    /// Waits until a slot may be free again.
    pub async fn landed(&self) {
        self.in_flight.landed.notified().await;
    }

    /// Sends all that is due now, and waits for the outcomes. Returns whether there was anything.
    pub async fn drain(self: &Arc<Self>) -> Result<bool> {
        let mut worked = false;
        loop {
            let begun = self.tick().await?;
            self.settle().await;
            if begun == 0 {
                return Ok(worked);
            }
            worked = true;
        }
    }

    /// The earliest instant at which a message is due.
    pub async fn next_due(&self) -> Result<Option<i64>> {
        ledger::next_due(&self.store.db).await
    }
}

/// The address of a user.
fn address(attribute: &str, attributes: &Object) -> std::result::Result<String, String> {
    match attributes.get(attribute) {
        None | Some(serde_json::Value::Null) => Err(format!("no email address: attribute `{attribute}` is missing")),
        Some(serde_json::Value::String(address)) => match address.parse::<lettre::Address>() {
            Ok(_) => Ok(address.clone()),
            Err(_) => Err(format!("no email address: attribute `{attribute}` is not one")),
        },
        Some(_) => Err(format!("no email address: attribute `{attribute}` is not a string")),
    }
}
