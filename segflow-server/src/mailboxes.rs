//! Mailboxes in which answers are looked for: each is looked at every minute or so by the server that has its bucket.
//!
//! What was read is noted before it is written down how far that was, so a server that dies in between reads some of it again, and an
//! answer that is noted already changes nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use segflow_core::ids;
use segflow_core::project::Project;
use segflow_core::protocol::Mailbox;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::address;
use crate::clock::{Clock, monotonic, system_now};
use crate::deploy::Deploy;
use crate::flights::{Flight, Flights};
use crate::ownership::Ownership;
use crate::replies::imap::{Account, BATCH, Folder, MOST};
use crate::replies::{self, Arrived, mime};
use crate::secrets::Secrets;
use crate::store::notices::Source;
use crate::store::{Result, Store, deployments, replies as stored};

/// How often a mailbox is looked at that does not say.
const EVERY: Duration = Duration::from_secs(60);

/// The longest that one is left alone which cannot be read.
const LONGEST: Duration = Duration::from_secs(900);

/// The longest that one look may take: then the next goes on from where it came to.
const LOOK: Duration = Duration::from_secs(600);

pub struct Mailboxes {
    store: Store,
    deploy: Deploy,
    clock: Clock,
    ownership: Arc<Ownership>,
    secrets: Secrets,
    /// Something was stored.
    wake: Arc<Notify>,
    /// By workspace and name.
    rounds: Mutex<BTreeMap<(String, String), Round>>,
    /// By workspace, those that were pushed last.
    known: Mutex<BTreeMap<String, (i64, Arc<Project>)>>,
    flights: Arc<Flights>,
    stop: CancellationToken,
}

/// When a mailbox is looked at next, and how it has been.
struct Round {
    due: Instant,
    failures: u32,
    is_busy: bool,
}

/// A mailbox to be looked at.
struct Job {
    workspace: String,
    project: Arc<Project>,
    mailbox: Mailbox,
}

impl Mailboxes {
    pub fn new(
        store: Store,
        deploy: Deploy,
        clock: Clock,
        ownership: Arc<Ownership>,
        secrets: Secrets,
        wake: Arc<Notify>,
        stop: CancellationToken,
    ) -> Mailboxes {
        let (rounds, known, flights) = Default::default();
        Mailboxes { store, deploy, clock, ownership, secrets, wake, rounds, known, flights, stop }
    }

    /// Begins to look at those that are due.
    pub async fn tick(self: &Arc<Self>) -> Result<()> {
        for job in self.jobs().await? {
            if let Some(flight) = self.begin(&job, false) {
                let this = self.clone();
                tokio::spawn(async move { this.look(job, flight).await });
            }
        }
        Ok(())
    }

    /// Looks at all of them, whether they are due or not: a virtual clock moves, and what is outside does not move with it.
    pub async fn drain(self: &Arc<Self>) -> Result<()> {
        self.settle().await;
        for job in self.jobs().await? {
            if let Some(flight) = self.begin(&job, true) {
                self.look(job, flight).await;
            }
        }
        // One that was being looked at already has begun after this.
        self.settle().await;
        Ok(())
    }

    /// Waits until none is being looked at.
    pub async fn settle(&self) {
        self.flights.settle().await;
    }

    /// Those of this server.
    async fn jobs(&self) -> Result<Vec<Job>> {
        let buckets = self.ownership.held().buckets;
        let mut jobs = vec![];
        if buckets.is_empty() {
            return Ok(jobs);
        }
        for (workspace, generation) in deployments::workspaces(&self.store.db).await? {
            let known = self.known.lock().expect("no panic while held").get(&workspace).cloned();
            let project = match known.filter(|(known, _)| *known == generation) {
                Some((_, project)) => project,
                None => {
                    let project = self.deploy.project(&workspace).await?;
                    let known = (generation, project.clone());
                    self.known.lock().expect("no panic while held").insert(workspace.clone(), known);
                    project
                }
            };
            for mailbox in &project.manifest.mailboxes {
                if buckets.contains(&ids::bucket(&workspace, &mailbox.id)) {
                    let (workspace, project, mailbox) = (workspace.clone(), project.clone(), mailbox.clone());
                    jobs.push(Job { workspace, project, mailbox });
                }
            }
        }
        Ok(jobs)
    }

    /// Begins, if it is to be looked at now and nobody does.
    fn begin(&self, job: &Job, at_once: bool) -> Option<Flight> {
        let mut rounds = self.rounds.lock().expect("no panic while held");
        let fresh = || Round { due: monotonic(), failures: 0, is_busy: false };
        let round = rounds.entry((job.workspace.clone(), job.mailbox.id.clone())).or_insert_with(fresh);
        let begins = !round.is_busy && (at_once || round.due <= monotonic());
        round.is_busy |= begins;
        begins.then(|| self.flights.begin())
    }

    async fn look(&self, job: Job, _flight: Flight) {
        let looking = tokio::time::timeout(LOOK, self.read(&job));
        let looked = match self.stop.run_until_cancelled(looking).await {
            None => return,
            Some(looked) => looked.unwrap_or_else(|_| Err("it takes too long".into())),
        };
        let word = if looked.is_ok() { "read" } else { "failed" };
        metrics::counter!("segflow_mailbox_looks_total", "outcome" => word).increment(1);
        let every = job.mailbox.every.map_or(EVERY, |ms| Duration::from_millis(ms.max(0) as u64));
        let mut rounds = self.rounds.lock().expect("no panic while held");
        let Some(round) = rounds.get_mut(&(job.workspace.clone(), job.mailbox.id.clone())) else { return };
        round.is_busy = false;
        let (workspace, mailbox) = (&job.workspace, &job.mailbox.id);
        let pause = match looked {
            Ok(is_whole) => {
                if round.failures > 0 {
                    tracing::info!(workspace, mailbox, "a mailbox is read again");
                }
                round.failures = 0;
                if is_whole { every } else { Duration::ZERO }
            }
            Err(why) => {
                round.failures = round.failures.saturating_add(1);
                // Servers quote what they were told, and somebody's address is in it.
                let why = address::without(&why);
                tracing::warn!(workspace, mailbox, why, round.failures, "answers cannot be looked for in a mailbox");
                every.saturating_mul(1 << round.failures.min(10)).min(LONGEST.max(every))
            }
        };
        round.due = monotonic() + pause;
    }

    /// Reads what is new. Whether that was all.
    async fn read(&self, job: &Job) -> std::result::Result<bool, String> {
        let Job { workspace, mailbox, .. } = job;
        let away = |error: crate::store::Error| format!("the database failed: {error}");
        let known = self.secrets.of(workspace).await.map_err(away)?;
        let url = known.get(&mailbox.url).ok_or_else(|| format!("secret {} is not set on the server", mailbox.url))?;
        let account =
            Account::new(&url, mailbox.folder.as_deref()).map_err(|e| format!("secret {}: {e}", mailbox.url))?;
        let key = account.key();
        let mut seen = stored::place(&self.store.db, workspace, &key).await.map_err(away)?;
        let mut folder = account.open().await?;
        let uids = folder.new_mails(seen, system_now()).await?;
        for batch in uids.chunks(BATCH) {
            self.note(job, &mut folder, batch).await?;
            seen = self.advance(job, &key, seen, folder.read_to(batch.last().copied())).await.map_err(away)?;
        }
        let is_first = seen.is_none_or(|place| place.validity != folder.validity);
        if uids.is_empty() && is_first {
            self.advance(job, &key, seen, folder.read_to(None)).await.map_err(away)?;
        }
        folder.close().await;
        Ok(uids.len() < MOST)
    }

    async fn note(&self, job: &Job, folder: &mut Folder, uids: &[u32]) -> std::result::Result<(), String> {
        let mails = folder.fetch(uids).await?;
        let arrived: Vec<Arrived> = mails.iter().map(|mail| mime::read(&mail.raw, mail.at)).collect();
        let source = Source {
            workspace: job.workspace.clone(),
            provider: Some(job.mailbox.id.clone()),
            now: self.clock.now(),
            is_virtual: self.clock.is_virtual(),
        };
        let noted = replies::note(&self.store.db, &job.project, source, "imap", arrived).await;
        if noted.map_err(|error| format!("the database failed: {error}"))?.new > 0 {
            self.wake.notify_one();
        }
        Ok(())
    }

    async fn advance(
        &self,
        job: &Job,
        key: &str,
        from: Option<stored::Place>,
        to: stored::Place,
    ) -> Result<Option<stored::Place>> {
        stored::advance(&self.store.db, &job.workspace, key, from, to, self.clock.now()).await?;
        Ok(Some(to))
    }
}
