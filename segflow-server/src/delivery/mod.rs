//! Delivery: takes decided messages from the ledger to providers, and outcomes back.
//!
//! A message is claimed (`sending` is committed) only with a connection slot in hand, so a crash leaves at most as many unknown
//! outcomes as there are slots. No transaction is held over a call.

pub mod capture;
mod endpoint;
mod http;
mod postmark;
mod provider;
mod registry;
mod reporter;
mod resend;
mod sendgrid;
mod ses;
pub mod sigv4;
pub mod smtp;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use segflow_core::ids::{self, BUCKETS};
use segflow_core::ledger::Outcome;
use segflow_core::project::{Project, declared};
use segflow_core::protocol::{Json, Render, Rendered};
use tokio::sync::{Notify, OwnedSemaphorePermit};

use crate::clock::{Clock, monotonic, system_now};
use crate::deploy::Deploy;
use crate::drive::Tried;
use crate::links::{self, Links};
use crate::live::Live;
use crate::ownership::{Held, Ownership};
use crate::ready::Ready;
use crate::secrets::Secrets;
use crate::store::ledger::{self, Claim, Claimed, Due, Ended, Report, SentAs};
use crate::store::read::body_hash;
use crate::store::{Error, Result, Store};

pub use capture::Capture;
pub use provider::{Email, Outcomes, Provider};
use registry::Registry;
use reporter::Reporter;

/// The most messages in one claim.
const CLAIM: usize = 128;

/// How often the database is looked through for what is due, while there is enough to do that was decided here.
const LOOK: Duration = Duration::from_millis(200);

/// How long messages wait when their project has no provider that works, in ms.
const POSTPONED: i64 = 60_000;

/// For how long a provider surely knows a message again by its key, in ms: they say a day.
const KEYED: i64 = 23 * 3_600_000;

/// Between two tries to reach the database.
const PAUSE: Duration = Duration::from_millis(250);

pub struct Delivery {
    store: Store,
    deploy: Deploy,
    clock: Clock,
    ownership: Arc<Ownership>,
    live: Live,
    secrets: Secrets,
    links: Links,
    /// Where all mail goes that is not to leave: everything in development.
    capture: Arc<Capture>,
    capture_all: bool,
    registry: Registry,
    reporter: Reporter,
    /// What was decided here.
    ready: Arc<Ready>,
    in_flight: Arc<InFlight>,
    /// When the database was last looked through.
    turnstile: tokio::sync::Mutex<Option<Instant>>,
    /// The bucket that the next tick begins with.
    first: AtomicU16,
}

/// Counts what is being sent.
#[derive(Default)]
struct InFlight {
    count: AtomicUsize,
    landed: Notify,
    freed: Notify,
}

/// A slot that is taken, until it is dropped: as long as what becomes of a message is not in the ledger, so that a crash leaves no more
/// unknown than there are slots.
struct Slot {
    permit: Option<OwnedSemaphorePermit>,
    in_flight: Arc<InFlight>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        drop(self.permit.take());
        self.in_flight.count.fetch_sub(1, Ordering::SeqCst);
        self.in_flight.landed.notify_waiters();
        self.in_flight.freed.notify_one();
    }
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
        links: Links,
        capture: Arc<Capture>,
        capture_all: bool,
        ready: Arc<Ready>,
    ) -> anyhow::Result<Delivery> {
        Ok(Delivery {
            reporter: Reporter::start(store.clone(), clock.clone()),
            ready,
            store,
            deploy,
            clock,
            ownership,
            live,
            secrets,
            links,
            registry: Registry::new(capture.clone())?,
            capture,
            capture_all,
            in_flight: Arc::default(),
            turnstile: tokio::sync::Mutex::default(),
            first: AtomicU16::new(0),
        })
    }

    /// Hands some of the messages that are due to their providers; how many. Their outcomes come later.
    pub async fn tick(self: &Arc<Self>) -> Result<usize> {
        let mut looked = self.turnstile.lock().await;
        let now = self.clock.now();
        let Held { incarnation, buckets } = self.ownership.held();
        if buckets.is_empty() {
            return Ok(0);
        }
        // From time to time the database comes first, however much is decided here: what is tried again must have its turn.
        if looked.is_some_and(|at| at.elapsed() < LOOK) {
            // Some may have been found by looking, and sent: then the next ones.
            loop {
                let told = self.ready.take(CLAIM, &buckets);
                if told.is_empty() {
                    break;
                }
                let (begun, left) = self.begin(&incarnation, told, now).await?;
                let none_free = !left.is_empty();
                self.ready.give_back(left);
                if begun > 0 || none_free {
                    return Ok(begun);
                }
            }
        }
        *looked = Some(monotonic());
        let due = self.due(buckets, now).await?;
        // What is left is not remembered: the next look finds it again, and again, as long as no slot is free.
        let (begun, _) = self.begin(&incarnation, due, now).await?;
        Ok(begun)
    }

    /// Begins to send, each workspace's messages through its provider: how many, and those for which no slot was free.
    async fn begin(self: &Arc<Self>, incarnation: &str, due: Vec<Due>, now: i64) -> Result<(usize, Vec<Due>)> {
        let mut by_workspace: BTreeMap<String, Vec<Due>> = BTreeMap::new();
        for due in due {
            by_workspace.entry(due.workspace.clone()).or_default().push(due);
        }
        let (mut begun, mut left) = (0, vec![]);
        for (workspace, mut due) in by_workspace {
            let project = self.deploy.project(&workspace).await?;
            match self.provider(&workspace, &project).await? {
                Ok(provider) => {
                    let permits = free(provider.as_ref(), due.len());
                    left.extend(due.split_off(permits.len()));
                    begun += self.hand_over(incarnation, &workspace, &project, provider, permits, due, now).await?;
                }
                Err(why) => {
                    tracing::warn!(workspace, messages = due.len(), "messages wait: {why}");
                    let ids = due.into_iter().map(|due| due.id).collect();
                    ledger::postpone(&self.store.db, ids, now.saturating_add(POSTPONED), why).await?;
                }
            }
        }
        Ok((begun, left))
    }

    /// Some messages that are due. Each look begins with another bucket: when more is due than can be sent, all have their turn.
    async fn due(&self, mut buckets: BTreeSet<u16>, now: i64) -> Result<Vec<Due>> {
        let first = self.first.fetch_add(1, Ordering::Relaxed) % BUCKETS;
        let from_there = buckets.split_off(&first);
        let mut due = ledger::due(&self.store.db, &from_there, now, CLAIM).await?;
        let left = CLAIM.saturating_sub(due.len());
        if left > 0 {
            due.extend(ledger::due(&self.store.db, &buckets, now, left).await?);
        }
        Ok(due)
    }

    #[expect(clippy::too_many_arguments, reason = "what a tick has in its hands")]
    async fn hand_over(
        self: &Arc<Self>,
        incarnation: &str,
        workspace: &str,
        project: &Arc<Project>,
        provider: Arc<dyn Provider>,
        permits: Vec<OwnedSemaphorePermit>,
        due: Vec<Due>,
        now: i64,
    ) -> Result<usize> {
        if due.is_empty() {
            return Ok(0);
        }
        let ids = due.iter().map(|due| due.id.clone()).collect();
        let claim = ledger::claim(&self.store.db, incarnation, workspace, project, due, now).await;
        let Claim { taken: claimed, ended } = match claim {
            Ok(claim) => claim,
            Err(error) => {
                self.release(incarnation, ids, &error).await;
                return Err(error);
            }
        };
        ended.iter().for_each(|ended| self.tell(ended, now));
        let (count, done) = (claimed.len(), claimed.len() + ended.len());
        self.in_flight.count.fetch_add(count, Ordering::SeqCst);
        let slot = |permit| Slot { permit: Some(permit), in_flight: self.in_flight.clone() };
        let mut claimed = claimed.into_iter().zip(permits.into_iter().map(slot)).peekable();
        while claimed.peek().is_some() {
            let (claimed, slots): (Vec<Claimed>, Vec<Slot>) = claimed.by_ref().take(provider.batch()).unzip();
            let (this, project, provider) = (self.clone(), project.clone(), provider.clone());
            let incarnation = incarnation.to_string();
            tokio::spawn(async move {
                let reports = this.attempt(incarnation, project, provider, claimed.clone()).await;
                for ((claimed, report), slot) in claimed.into_iter().zip(reports).zip(slots) {
                    this.conclude(claimed, report, slot).await;
                }
            });
        }
        Ok(done)
    }

    fn tell(&self, ended: &Ended, now: i64) {
        let Ended { user, origin, template, status, reason } = ended;
        metrics::counter!("segflow_messages_ended_total", "status" => status.name()).increment(1);
        self.live.message(now, user, origin, format!("✗ {template} {}: {reason}", status.name()));
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

    /// Sends in a task of its own: even if that should panic, the messages have an outcome.
    async fn attempt(
        self: &Arc<Self>,
        incarnation: String,
        project: Arc<Project>,
        provider: Arc<dyn Provider>,
        claimed: Vec<Claimed>,
    ) -> Vec<Report> {
        let (this, handed, name) = (self.clone(), claimed.clone(), provider.id().to_string());
        let sending = tokio::spawn(async move { this.send(&incarnation, &project, provider.as_ref(), &handed).await });
        let failed = |claimed: Claimed| Report {
            id: claimed.id,
            attempt: claimed.attempt,
            outcome: Outcome::Ambiguous("the server failed while sending".into()),
            provider: name.clone(),
            memory: None,
            sent: None,
        };
        sending.await.unwrap_or_else(|_| claimed.into_iter().map(failed).collect())
    }

    async fn conclude(&self, claimed: Claimed, report: Report, slot: Slot) {
        let what = match &report.outcome {
            Outcome::Accepted { .. } => {
                format!("✉ {} → {}, see /v1/messages/{}", claimed.template, report.provider, claimed.id)
            }
            Outcome::Refused(why) => format!("✗ {} refused: {why}", claimed.template),
            Outcome::Retry(why) | Outcome::Unable { why, .. } => {
                format!("{} is tried again later: {why}", claimed.template)
            }
            Outcome::Ambiguous(why) | Outcome::Repeatable(why) => format!("? {} perhaps sent: {why}", claimed.template),
        };
        let word = match &report.outcome {
            Outcome::Accepted { .. } => "accepted",
            Outcome::Refused(_) => "refused",
            Outcome::Retry(_) => "retry",
            Outcome::Unable { .. } => "unable",
            Outcome::Ambiguous(_) | Outcome::Repeatable(_) => "unknown",
        };
        metrics::counter!("segflow_send_attempts_total", "outcome" => word).increment(1);
        let (live, now) = (self.live.clone(), self.clock.now());
        let written = move || {
            live.message(now, &claimed.user, &claimed.origin, what);
            drop(slot);
        };
        self.reporter.report(report, written).await;
    }

    /// Renders claimed messages and hands them to the provider, all in one call: what became of each, in their order.
    async fn send(
        &self,
        incarnation: &str,
        project: &Project,
        provider: &dyn Provider,
        claimed: &[Claimed],
    ) -> Vec<Report> {
        let memory = provider.memory();
        let rendering = claimed.iter().map(|claimed| self.prepare(project, provider, claimed));
        let rendered = join_all(rendering).await;
        // This process was stopped, or away from the database, for so long that the messages may be another server's by now.
        let may_begin = self.ownership.may_begin(incarnation);
        let emails: Vec<Email> = match may_begin {
            true => rendered.iter().flatten().map(|(email, _)| email.clone()).collect(),
            false => vec![],
        };
        let mut outcomes = match emails.as_slice() {
            [] => vec![],
            emails => provider.send(emails).await,
        }
        .into_iter();
        let conclude = |(claimed, rendered): (&Claimed, std::result::Result<(Email, SentAs), Outcome>)| {
            let (outcome, sent) = match rendered {
                Ok(_) if !may_begin => {
                    (Outcome::Retry("the server had lost its users before it began to send".into()), None)
                }
                Ok((_, sent)) => {
                    let silent = || Outcome::Ambiguous("the provider said nothing about it".into());
                    (outcomes.next().unwrap_or_else(silent), Some(sent))
                }
                Err(outcome) => (outcome, None),
            };
            Report {
                id: claimed.id.clone(),
                attempt: claimed.attempt,
                outcome,
                provider: provider.id().into(),
                memory: memory.clone(),
                sent,
            }
        };
        claimed.iter().zip(rendered).map(conclude).collect()
    }

    /// An email for a provider; an error is what becomes of the message without a call.
    async fn prepare(
        &self,
        project: &Project,
        provider: &dyn Provider,
        claimed: &Claimed,
    ) -> std::result::Result<(Email, SentAs), Outcome> {
        if let Some((memory, since)) = &claimed.keyed {
            // Only where the message is known again, and only for as long as it is.
            if provider.memory().as_ref() != Some(memory) {
                return Err(Outcome::Ambiguous(
                    "perhaps accepted by a provider that is not the project's any more".into(),
                ));
            }
            if self.clock.now() - since > KEYED {
                return Err(Outcome::Ambiguous(format!("perhaps accepted by {}, a day ago", provider.id())));
            }
        }
        self.email(project, claimed).await.map_err(|outcome| match outcome {
            // It cannot be written any more; that says nothing about the first time.
            Outcome::Refused(why) if claimed.keyed.is_some() => Outcome::Ambiguous(why),
            outcome => outcome,
        })
    }

    /// The email as it goes out; an error is what becomes of the message.
    async fn email(&self, project: &Project, claimed: &Claimed) -> std::result::Result<(Email, SentAs), Outcome> {
        // A database that is away is no reason to refuse anybody.
        let code = |deployment| async move {
            self.deploy.code(deployment).await.map_err(|error| match error {
                Error::NotFound(why) => Outcome::Refused(why),
                error => http::unable(format!("the project's code could not be loaded: {error}")),
            })
        };
        let refused = |why: &str| Outcome::Refused(why.into());
        let decided = code(&claimed.deployment).await?;
        let decided_with = decided.manifest.templates.iter().find(|t| t.id == claimed.template);
        // A corrected email reaches messages that were decided before, if it takes the same arguments.
        let corrected = project.template(&claimed.template);
        let by_current = corrected.is_some_and(|new| decided_with.is_none_or(|old| old.arguments == new.arguments));
        let deployment = if by_current { &project.deployment } else { &claimed.deployment };
        let manifest = if by_current { &project.manifest } else { decided.manifest.as_ref() };
        code(deployment).await?;

        let to = claimed.to.clone().map_err(Outcome::Refused)?;
        let from = manifest.from.clone().ok_or_else(|| refused("the project names no sender"))?;
        let context = Json(serde_json::Value::Object(declared(&manifest.user, &claimed.attributes)).to_string());
        let request =
            Render { template: claimed.template.clone(), user: context.clone(), args: Json(claimed.args.clone()) };
        let mut rendered = self.deploy.render(deployment, request).await.map_err(Outcome::Refused)?;
        let sent = SentAs {
            deployment: deployment.clone(),
            context: context.0,
            from: from.clone(),
            to: to.clone(),
            subject: rendered.subject.clone(),
            body_hash: body_hash(&rendered),
        };
        let signer = self.links.signer(&claimed.workspace, manifest).await;
        let signer = signer.map_err(|error| http::unable(format!("no links could be made: {error}")))?;
        let (template, transaction) = (claimed.template.clone(), claimed.transaction);
        let headers = links::fill(&mut rendered, &signer, manifest, &claimed.id, !transaction);
        let email = Email { id: claimed.id.clone(), from, to, template, transaction, content: rendered, headers };
        Ok((email, sent))
    }

    /// Sends an email that nobody decided: a test. No ledger keeps it, so it is never sent again.
    pub async fn try_out(&self, workspace: &str, to: String, mut content: Rendered) -> Result<Tried> {
        let project = self.deploy.current(workspace).await?;
        let project = project.ok_or_else(|| Error::Conflict("nothing was pushed here yet: push first".into()))?;
        let provider = self.provider(workspace, &project).await?.map_err(Error::Conflict)?;
        let from = project.manifest.from.clone();
        let from = from.ok_or_else(|| Error::Conflict("the project names no sender".into()))?;
        let id = ids::derived("test", &[workspace, &to, &content.html, &system_now().to_string()]);
        let slot = provider.slots().acquire_owned().await;
        let _slot = slot.map_err(|_| Error::Away("the server is stopping".into()))?;
        let signer = self.links.signer(workspace, &project.manifest).await?;
        let headers = links::fill(&mut content, &signer, &project.manifest, &id, false);
        // Somebody waits for it.
        let email = Email { id: id.clone(), from, to, template: "test".into(), transaction: true, content, headers };
        let silent = || Outcome::Ambiguous("the provider said nothing about it".into());
        let outcome = provider.send(&[email]).await.pop().unwrap_or_else(silent);
        Ok(Tried { id, provider: provider.id().to_string(), outcome })
    }

    /// The provider of a project. An error is what has to be done first.
    async fn provider(
        &self,
        workspace: &str,
        project: &Project,
    ) -> Result<std::result::Result<Arc<dyn Provider>, String>> {
        if self.capture_all {
            return Ok(Ok(self.capture.clone()));
        }
        let Some(declared) = project.manifest.providers.first() else {
            return Ok(Err("the project declares no provider: add `.provider(…)` and push".into()));
        };
        let secrets = self.secrets.of(workspace).await?;
        Ok(self.registry.get(workspace, declared, |name| secrets.get(name)))
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
    pub async fn freed(&self) {
        self.in_flight.freed.notified().await;
    }

    /// Sends all that is due now, and waits for the outcomes. Returns whether there was anything.
    pub async fn drain(self: &Arc<Self>) -> Result<bool> {
        let mut worked = false;
        loop {
            // With slots in use there may have been none for what is due.
            let busy = self.in_flight.count.load(Ordering::SeqCst) > 0;
            let begun = self.tick().await?;
            self.settle().await;
            if begun == 0 && !busy {
                return Ok(worked);
            }
            worked |= begun > 0;
        }
    }

    /// The earliest instant at which a message is due.
    pub async fn next_due(&self) -> Result<Option<i64>> {
        ledger::next_due(&self.store.db).await
    }
}

/// As many of a provider's slots as are wanted and free.
fn free(provider: &dyn Provider, wanted: usize) -> Vec<OwnedSemaphorePermit> {
    let slots = provider.slots();
    std::iter::from_fn(|| slots.clone().try_acquire_owned().ok()).take(wanted).collect()
}
