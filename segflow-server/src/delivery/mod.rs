//! Delivery: takes decided messages from the ledger to providers, and outcomes back.
//!
//! A message is claimed (`sending` is committed) only with a connection slot in hand, so a crash leaves at most as many unknown
//! outcomes as there are slots. No transaction is held over a call.

mod bounces;
pub mod capture;
mod endpoint;
mod http;
mod in_flight;
mod lookup;
mod mixmax;
mod postmark;
mod provider;
mod registry;
mod reporter;
mod resend;
mod router;
mod sendgrid;
mod ses;
pub mod sigv4;
pub mod smtp;
mod smtp_answer;
mod told;
mod way;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use segflow_core::ids::{self, BUCKETS};
use segflow_core::ledger::Outcome;
use segflow_core::project::{Project, declared};
use segflow_core::protocol::{Json, Manifest, Render, Rendered, Stream};
use segflow_core::route::Lane;
use tokio::sync::Notify;

use crate::clock::{Clock, monotonic, system_now};
use crate::deploy::Deploy;
use crate::drive::Tried;
use crate::links::{self, Links, Tracked};
use crate::live::Live;
use crate::ownership::{Held, Ownership};
use crate::ready::Ready;
use crate::secrets::Secrets;
use crate::store::ledger::{self, Claim, Claimed, Due, Ended, Report, SentAs};
use crate::store::read::body_hash;
use crate::store::{Error, Result, Store, hold, lookups};

pub use capture::Capture;
use in_flight::{InFlight, Slot};
pub use provider::{Email, Outcomes, Provider};
use registry::Registry;
use reporter::Reporter;
use router::{Room, Router};
use way::{Opening, Way};

/// The most messages in one claim.
const CLAIM: usize = 128;

/// The most lanes in one tick, once it has come to those of campaigns.
const LANES: usize = 4;

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
    links: Links,
    router: Router,
    reporter: Reporter,
    /// What was decided here.
    ready: Arc<Ready>,
    /// Wakes whoever decides.
    wake: Arc<Notify>,
    in_flight: Arc<InFlight>,
    turnstile: tokio::sync::Mutex<Turn>,
    /// Held while providers are asked about messages that they perhaps have.
    asking: tokio::sync::Mutex<()>,
    /// The bucket that the next tick begins with.
    first: AtomicU16,
}

/// How a tick goes on where the last one stopped.
#[derive(Default)]
struct Turn {
    /// When the database was last looked through to the end.
    looked: Option<Instant>,
    /// The lane of a campaign that was the last one to be served.
    last: Option<Lane>,
}

impl Turn {
    /// Transactions, then campaigns from where it goes on.
    fn in_turn(&self, lanes: Vec<Lane>) -> Vec<Lane> {
        let (mut lanes, mut campaigns): (Vec<Lane>, Vec<Lane>) =
            lanes.into_iter().partition(|lane| lane.stream == Stream::Transactions);
        let done = self.last.as_ref().map_or(0, |last| campaigns.partition_point(|lane| lane <= last));
        campaigns.rotate_left(done);
        lanes.append(&mut campaigns);
        lanes
    }

    /// Whether a tick has served enough lanes, with this one.
    fn is_enough(&mut self, lane: &Lane, served: usize) -> bool {
        if lane.stream == Stream::Transactions || served < LANES {
            return false;
        }
        self.last = Some(lane.clone());
        true
    }
}

/// An email that can go out.
struct Prepared {
    email: Email,
    sent: SentAs,
    /// Those of its links that are counted.
    links: Vec<Tracked>,
}

/// An error is what becomes of the message without a call.
type Preparation = std::result::Result<Prepared, Outcome>;

/// By workspace.
type Projects = BTreeMap<String, Arc<Project>>;

/// Where messages are to be had.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    /// Decided here a moment ago.
    Told,
    /// In the database.
    Looked,
}

/// By which way messages leave, and from which lane.
struct Leaving {
    project: Arc<Project>,
    lane: Lane,
    way: Way,
    probe: bool,
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
        wake: Arc<Notify>,
    ) -> anyhow::Result<Delivery> {
        Ok(Delivery {
            reporter: Reporter::start(store.clone(), clock.clone()),
            router: Router::new(store.clone(), secrets, Registry::new(capture)?, clock.clone(), capture_all),
            ready,
            wake,
            store,
            deploy,
            clock,
            ownership,
            live,
            links,
            in_flight: Arc::default(),
            turnstile: tokio::sync::Mutex::default(),
            asking: tokio::sync::Mutex::default(),
            first: AtomicU16::new(0),
        })
    }

    /// Hands some of the messages that are due to their providers; how many. Their outcomes come later.
    ///
    /// A tick is short, so that transactions, which come first in each, never wait for long: of campaigns' lanes it takes a few, and the
    /// next tick goes on with the next ones.
    pub async fn tick(self: &Arc<Self>) -> Result<usize> {
        let mut turn = self.turnstile.lock().await;
        let now = self.clock.now();
        let held = self.ownership.held();
        if held.buckets.is_empty() {
            return Ok(0);
        }
        self.router.refresh().await?;
        let (mut begun, mut lanes, mut projects) = (0, 0, Projects::new());
        for lane in turn.in_turn(self.ready.lanes()) {
            let project = self.project(&mut projects, &lane).await?;
            let here = self.begin(&held, &project, &lane, Source::Told, now).await?.0;
            lanes += usize::from(here > 0);
            begun += here;
            if turn.is_enough(&lane, lanes) {
                break;
            }
        }
        // From time to time the database is looked through, however much is decided here: what is tried again must have its turn.
        if begun > 0 && turn.looked.is_some_and(|at| at.elapsed() < LOOK) {
            return Ok(begun);
        }
        let (looked, mut lanes, mut more) = (monotonic(), 0, false);
        let mut waiting = ledger::lanes(&self.store.db).await?;
        if !waiting.is_empty() {
            let stopped = hold::all(&self.store.db).await?;
            waiting.retain(|lane| !stopped.contains(&lane.workspace));
        }
        for lane in turn.in_turn(waiting) {
            let project = self.project(&mut projects, &lane).await?;
            let (here, full) = self.begin(&held, &project, &lane, Source::Looked, now).await?;
            lanes += usize::from(here > 0);
            // What was decided here comes by itself.
            (begun, more) = (begun + here, more || (full && !self.ready.has(&lane)));
            if turn.is_enough(&lane, lanes) {
                more = true;
                break;
            }
        }
        // Where more was found than there was time for, the next tick looks again.
        turn.looked = (!more).then_some(looked);
        Ok(begun)
    }

    /// The project of a lane's workspace, once for each tick.
    async fn project(&self, known: &mut Projects, lane: &Lane) -> Result<Arc<Project>> {
        if let Some(project) = known.get(&lane.workspace) {
            return Ok(project.clone());
        }
        let project = self.deploy.project(&lane.workspace).await?;
        known.insert(lane.workspace.clone(), project.clone());
        Ok(project)
    }

    /// Begins to send messages of a lane: how many, and whether there may be more that could be sent.
    async fn begin(
        self: &Arc<Self>,
        held: &Held,
        project: &Arc<Project>,
        lane: &Lane,
        source: Source,
        now: i64,
    ) -> Result<(usize, bool)> {
        let gate = match self.router.room(lane, project).await? {
            Room::For(gate) => gate,
            Room::None => return Ok((0, false)),
            // The look finds them again, when a provider is.
            Room::Closed => {
                self.ready.forget(lane);
                return Ok((0, false));
            }
            Room::Never(why) => {
                let due = self.due(lane, source, &held.buckets, CLAIM, now).await?;
                if !due.is_empty() {
                    tracing::warn!(lane.workspace, messages = due.len(), "messages wait: {why}");
                    let ids = due.into_iter().map(|due| due.id).collect();
                    ledger::postpone(&self.store.db, ids, now.saturating_add(POSTPONED), why).await?;
                }
                return Ok((0, false));
            }
        };
        let room = gate.room(CLAIM);
        let mut due = self.due(lane, source, &held.buckets, room, now).await?;
        let full = due.len() == room;
        // The look may have found what a hint names too. It is none of the next claim's: were it given back with what that one may have taken,
        // it would be sent twice.
        due.retain(|due| !self.in_flight.has(&due.id));
        let openings = gate.open(due.len());
        let begun = self.hand_over(&held.incarnation, project, lane, openings, due, now).await?;
        Ok((begun, full))
    }

    /// Some messages of a lane that are due. Each look begins with another bucket: when more is due than can be sent, all have their turn.
    async fn due(
        &self,
        lane: &Lane,
        source: Source,
        buckets: &BTreeSet<u16>,
        most: usize,
        now: i64,
    ) -> Result<Vec<Due>> {
        if source == Source::Told {
            return Ok(self.ready.take(lane, most, buckets));
        }
        let first = self.first.fetch_add(1, Ordering::Relaxed) % BUCKETS;
        let (before, from_there): (BTreeSet<u16>, BTreeSet<u16>) = buckets.iter().partition(|bucket| **bucket < first);
        let mut due = ledger::due(&self.store.db, lane, &from_there, now, most).await?;
        let left = most.saturating_sub(due.len());
        if left > 0 {
            due.extend(ledger::due(&self.store.db, lane, &before, now, left).await?);
        }
        // In pieces, a list may have brought more than was asked for.
        due.truncate(most);
        Ok(due)
    }

    async fn hand_over(
        self: &Arc<Self>,
        incarnation: &str,
        project: &Arc<Project>,
        lane: &Lane,
        openings: Vec<Opening>,
        due: Vec<Due>,
        now: i64,
    ) -> Result<usize> {
        if due.is_empty() {
            return Ok(0);
        }
        let (mut proven, mut lost) = (vec![], vec![]);
        for opening in openings {
            // Another server may have been first.
            let to = if self.router.prove(&opening).await? { &mut proven } else { &mut lost };
            to.push(opening);
        }
        close(lane, lost);
        let due: Vec<Due> = due.into_iter().take(proven.len()).collect();
        let ids = due.iter().map(|due| due.id.clone()).collect();
        let by = proven.iter().map(|opening| opening.way.key.id.clone()).collect();
        let claim = ledger::claim(&self.store.db, incarnation, &lane.workspace, project, due, by, now).await;
        let Claim { taken: claimed, ended, put_off, held } = match claim {
            Ok(claim) => claim,
            Err(error) => {
                self.close_proven(lane, proven).await;
                self.release(incarnation, ids, &error).await;
                return Err(error);
            }
        };
        if held {
            // The look finds them again, when the hold is over.
            self.ready.forget(lane);
        }
        ended.iter().for_each(|ended| self.tell(ended, now));
        let (count, done) = (claimed.len(), claimed.len() + ended.len() + put_off);
        let unused = proven.split_off(count);
        self.close_proven(lane, unused).await;
        let mut rest = claimed.into_iter().zip(proven).peekable();
        while let Some((_, first)) = rest.peek() {
            let (way, probe) = (first.way.clone(), first.probe);
            // Those of a probe come first, and each is one.
            let most = if probe { 1 } else { way.made.provider.batch() };
            let mut batch = vec![];
            while batch.len() < most
                && let Some(next) = rest.next_if(|(_, opening)| opening.way.key == way.key && opening.probe == probe)
            {
                batch.push(next);
            }
            let (claimed, openings): (Vec<Claimed>, Vec<Opening>) = batch.into_iter().unzip();
            let slot = |(claimed, opening): (&Claimed, Opening)| self.in_flight.begin(&claimed.id, opening.permit);
            let slots: Vec<Slot> = claimed.iter().zip(openings).map(slot).collect();
            let leaving = Leaving { project: project.clone(), lane: lane.clone(), way, probe };
            let (this, incarnation) = (self.clone(), incarnation.to_string());
            tokio::spawn(async move {
                let project = leaving.project.clone();
                let reports = this.attempt(incarnation, leaving, claimed.clone()).await;
                this.note_bounces(&project, &claimed, &reports).await;
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

    /// Whether each provider of a project would take mail, without sending any; `None` of one that cannot be asked.
    pub async fn examine(&self, workspace: &str) -> Result<Vec<(String, Option<std::result::Result<String, String>>)>> {
        let project = self.deploy.project(workspace).await?;
        self.router.examine(workspace, &project).await
    }

    /// Gives back room that is not needed, and the right to prove a provider with it.
    async fn close_proven(&self, lane: &Lane, unused: Vec<Opening>) {
        for opening in unused.iter().filter(|opening| opening.probe) {
            self.router.unproven(&opening.way).await;
        }
        close(lane, unused);
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
    async fn attempt(self: &Arc<Self>, incarnation: String, leaving: Leaving, claimed: Vec<Claimed>) -> Vec<Report> {
        let (this, handed, name) = (self.clone(), claimed.clone(), leaving.way.key.id.clone());
        let sending = tokio::spawn(async move { this.send(&incarnation, &leaving, &handed).await });
        let failed = |claimed: Claimed| Report {
            id: claimed.id,
            attempt: claimed.attempt,
            outcome: Outcome::Ambiguous("the server failed while sending".into()),
            provider: name.clone(),
            memory: None,
            others: None,
            sent: None,
        };
        sending.await.unwrap_or_else(|_| claimed.into_iter().map(failed).collect())
    }

    async fn conclude(&self, claimed: Claimed, report: Report, slot: Slot) {
        let what = match &report.outcome {
            Outcome::Accepted { .. } => {
                format!("✉ {} → {}, see /v1/messages/{}", claimed.template, report.provider, claimed.id)
            }
            Outcome::Refused(why) | Outcome::Bounced { why, .. } => format!("✗ {} refused: {why}", claimed.template),
            Outcome::Retry(why) | Outcome::Unable { why, .. } => {
                format!("{} is tried again later: {why}", claimed.template)
            }
            Outcome::Ambiguous(why) | Outcome::Repeatable(why) => format!("? {} perhaps sent: {why}", claimed.template),
        };
        let word = match &report.outcome {
            Outcome::Accepted { .. } => "accepted",
            Outcome::Refused(_) | Outcome::Bounced { .. } => "refused",
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
    async fn send(&self, incarnation: &str, leaving: &Leaving, claimed: &[Claimed]) -> Vec<Report> {
        let Leaving { project, lane, way, probe } = leaving;
        let provider = way.made.provider.as_ref();
        let memory = provider.memory();
        let rendering = claimed.iter().map(|claimed| self.prepare(project, way, claimed));
        let rendered = join_all(rendering).await;
        let rendered = self.keep_links(&lane.workspace, claimed, rendered).await;
        // This process was stopped, or away from the database, for so long that the messages may be another server's by now.
        let may_begin = self.ownership.may_begin(incarnation);
        let emails: Vec<Email> = match may_begin {
            true => rendered.iter().flatten().map(|prepared| prepared.email.clone()).collect(),
            false => vec![],
        };
        let outcomes = match emails.as_slice() {
            [] => vec![],
            emails => provider.send(emails).await,
        };
        if !outcomes.is_empty() {
            self.router.hear(way, &outcomes, *probe).await;
        } else if *probe {
            self.router.unproven(way).await;
        }
        let is_unable = |outcome: &Outcome| matches!(outcome, Outcome::Unable { .. });
        let others = match outcomes.iter().any(is_unable) {
            true => self.router.others(lane, project, &way.key).await.unwrap_or_default(),
            false => None,
        };
        let mut outcomes = outcomes.into_iter();
        let conclude = |(claimed, rendered): (&Claimed, Preparation)| {
            let (outcome, sent) = match rendered {
                Ok(_) if !may_begin => {
                    (Outcome::Retry("the server had lost its users before it began to send".into()), None)
                }
                Ok(Prepared { sent, .. }) => {
                    let silent = || Outcome::Ambiguous("the provider said nothing about it".into());
                    (outcomes.next().unwrap_or_else(silent), Some(sent))
                }
                Err(outcome) => (outcome, None),
            };
            Report {
                id: claimed.id.clone(),
                attempt: claimed.attempt,
                outcome,
                provider: way.key.id.clone(),
                memory: memory.clone(),
                others,
                sent,
            }
        };
        claimed.iter().zip(rendered).map(conclude).collect()
    }

    /// Keeps where the links of emails lead, before anybody can follow one.
    async fn keep_links(&self, workspace: &str, claimed: &[Claimed], mut all: Vec<Preparation>) -> Vec<Preparation> {
        let of = |(claimed, prepared): (&Claimed, &Preparation)| {
            let links = prepared.iter().flat_map(|prepared| prepared.links.clone());
            links.map(|link| (link, claimed.user.clone())).collect::<Vec<_>>()
        };
        let links: Vec<(Tracked, String)> = claimed.iter().zip(&all).flat_map(of).collect();
        if let Err(error) = self.links.keep(workspace, links).await {
            for prepared in all.iter_mut().filter(|prepared| matches!(prepared, Ok(p) if !p.links.is_empty())) {
                *prepared = Err(http::unable(format!("its links could not be kept: {error}")));
            }
        }
        all
    }

    /// An email for a provider.
    async fn prepare(&self, project: &Project, way: &Way, claimed: &Claimed) -> Preparation {
        if let Some((memory, since)) = &claimed.keyed {
            // Only where the message is known again, and only for as long as it is.
            if way.made.provider.memory().as_ref() != Some(memory) {
                return Err(Outcome::Ambiguous(
                    "perhaps accepted by a provider that is not the project's any more".into(),
                ));
            }
            if self.clock.now() - since > KEYED {
                return Err(Outcome::Ambiguous(format!("perhaps accepted by {}, a day ago", way.key.id)));
            }
        }
        self.email(project, claimed).await.map_err(|outcome| match outcome {
            // It cannot be written any more; that says nothing about the first time.
            Outcome::Refused(why) if claimed.keyed.is_some() => Outcome::Ambiguous(why),
            outcome => outcome,
        })
    }

    /// The email as it goes out.
    async fn email(&self, project: &Project, claimed: &Claimed) -> Preparation {
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
        let counted = signer.counts(manifest.tracking.of(&template));
        let links = links::track(&mut rendered, &signer, &claimed.id, counted);
        let mut headers = links::fill(&mut rendered, &signer, manifest, &claimed.id, !transaction);
        headers.extend(known_by(&claimed.id, manifest));
        let (id, reply_to, content) = (claimed.id.clone(), manifest.reply_to.clone(), rendered);
        let email = Email { id, from, reply_to, to, template, transaction, content, headers };
        Ok(Prepared { email, sent, links })
    }

    /// Sends an email that nobody decided: a test. No ledger keeps it, so it is never sent again. One of a `campaign` takes the way of those,
    /// with all that they have.
    pub async fn try_out(&self, workspace: &str, to: String, mut content: Rendered, campaign: bool) -> Result<Tried> {
        let project = self.deploy.current(workspace).await?;
        let project = project.ok_or_else(|| Error::Conflict("nothing was pushed here yet: push first".into()))?;
        let stream = if campaign { Stream::Campaigns } else { Stream::Transactions };
        let ways = self.router.ways(workspace, &project, stream).await?.map_err(Error::Conflict)?;
        let way = self.router.first(ways).ok_or_else(|| Error::Conflict("the project has no provider".into()))?;
        let from = project.manifest.from.clone();
        let from = from.ok_or_else(|| Error::Conflict("the project names no sender".into()))?;
        let id = ids::derived("test", &[workspace, &to, &content.html, &system_now().to_string()]);
        let slot = way.made.slots.clone().acquire_owned().await;
        let _slot = slot.map_err(|_| Error::Away("the server is stopping".into()))?;
        let signer = self.links.signer(workspace, &project.manifest).await?;
        let headers = links::fill(&mut content, &signer, &project.manifest, &id, campaign);
        // Somebody waits for it.
        let (id_of_test, template, reply_to) = (id.clone(), "test".into(), project.manifest.reply_to.clone());
        let email = Email { id: id_of_test, from, reply_to, to, template, transaction: !campaign, content, headers };
        let silent = || Outcome::Ambiguous("the provider said nothing about it".into());
        let outcome = way.made.provider.send(&[email]).await.pop().unwrap_or_else(silent);
        Ok(Tried { id, provider: way.key.id, outcome })
    }

    /// Waits until the tick that is under way has ended: what was no longer held before is claimed by nobody after.
    pub async fn turn(&self) {
        drop(self.turnstile.lock().await);
    }

    /// Waits until nothing is being sent.
    pub async fn settle(&self) {
        self.in_flight.settle().await;
    }

    /// Waits until something may go on: a slot is free, or it is known what a provider takes.
    pub async fn freed(&self) {
        tokio::select! {
            () = self.in_flight.freed() => {}
            () = self.router.freed.notified() => {}
        }
    }

    /// Sends all that is due now, and waits for the outcomes; asks all that is to be asked. Returns whether there was anything.
    pub async fn drain(self: &Arc<Self>) -> Result<bool> {
        let mut worked = false;
        loop {
            // With slots in use there may have been none for what is due; and what comes of it may be due at once.
            let busy = || !self.in_flight.is_empty();
            let before = busy();
            let begun = self.tick().await? + self.ask().await?;
            let during = busy();
            self.settle().await;
            if begun == 0 && !before && !during {
                return Ok(worked);
            }
            worked |= begun > 0;
        }
    }

    /// The next instant at which a message is due, or may go on that is. Of a virtual clock; the other does not stop.
    pub async fn next_due(&self) -> Result<Option<i64>> {
        let now = self.clock.now();
        let due = [ledger::next_due(&self.store.db, now).await?, lookups::next_due(&self.store.db, now).await?];
        Ok(due.into_iter().flatten().chain(self.router.next()).min())
    }

    /// For how long nothing changes by itself that is known of here.
    pub fn quiet(&self) -> Option<Duration> {
        self.router.quiet()
    }

    /// After the last tick.
    pub async fn leave(&self) {
        self.router.leave().await;
    }
}

/// Gives back room that is not needed.
fn close(lane: &Lane, unused: Vec<Opening>) {
    for opening in unused {
        opening.way.close(1, lane.stream);
    }
}

/// What an answer to a message names, whoever sends it on: services give mails a `Message-ID` of their own, and leave this as it is. Where
/// nobody hears of answers, there is none.
fn known_by(message: &str, manifest: &Manifest) -> Option<(&'static str, String)> {
    let domain = manifest.from.as_ref()?.rsplit_once('@')?.1.trim_end_matches(['>', ' ']);
    manifest.hears_replies().then(|| ("References", format!("<{message}@{domain}>")))
}
