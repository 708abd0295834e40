//! The loops that drive everything: engine, delivery, heartbeat, accounts of the dead. One cancellation token ends them all.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, monotonic};
use crate::delivery::Delivery;
use crate::drive::{Advance, Trial, Wishes};
use crate::endpoints::Endpoints;
use crate::engine::Engine;
use crate::mailboxes::Mailboxes;
use crate::ownership::{Beaten, Ownership};
use crate::ready::Ready;
use crate::segments::{Segments, Went};
use crate::store::{Error, Result, Store, clock as stored, deployments, ledger};
use crate::webhooks::Webhooks;

/// How often the loops look for what became due, or what another server stored, without being woken.
const POLL: Duration = Duration::from_millis(200);

/// How often it is looked for webhooks that are due while some are held and no other was found.
const HELD: Duration = Duration::from_secs(2);

/// How long is waited for the engine to work off what it was told about a whole segment.
const BACKLOG: Duration = Duration::from_millis(20);

/// How often it is looked whether there is an endpoint at all.
const LISTENERS: Duration = Duration::from_secs(2);

/// How often is looked whether a provider is to be asked about a message.
const ASK: Duration = Duration::from_secs(1);

/// How often what endpoints were told long ago is removed.
const TIDY: Duration = Duration::from_secs(60);

/// How often is looked which mailboxes are due.
const ROUND: Duration = Duration::from_secs(1);

/// How long a loop waits after the database failed it.
const PAUSE: Duration = Duration::from_millis(500);

pub struct Loops {
    pub store: Store,
    pub clock: Clock,
    pub engine: Arc<Engine>,
    pub delivery: Arc<Delivery>,
    pub webhooks: Arc<Webhooks>,
    pub endpoints: Arc<Endpoints>,
    pub segments: Arc<Segments>,
    /// `None`, where no mail leaves: nobody answers then.
    pub mailboxes: Option<Arc<Mailboxes>>,
    pub ownership: Arc<Ownership>,
    /// Something was stored.
    pub wake: Arc<Notify>,
    /// What was decided.
    pub ready: Arc<Ready>,
    pub stop: CancellationToken,
    /// How long a call may go on after its server was declared dead.
    pub grace: Duration,
}

impl Loops {
    /// Runs until stopped.
    pub async fn run(self: Arc<Self>, wishes: Wishes) -> Result<()> {
        let mut loops = JoinSet::new();
        loops.spawn(self.clone().engine(wishes.advances));
        loops.spawn(self.clone().deliver());
        loops.spawn(self.clone().try_out(wishes.trials));
        loops.spawn(self.clone().ask());
        loops.spawn(self.clone().call());
        loops.spawn(self.clone().tell());
        loops.spawn(self.clone().go_through());
        loops.spawn(self.clone().read_mail());
        loops.spawn(self.clone().heartbeat());
        loops.spawn(self.clone().account());
        let mut result = Ok(());
        // They end together: none may go on without the others.
        while let Some(ended) = loops.join_next().await {
            self.stop.cancel();
            result = result.and(ended.unwrap_or_else(|e| Err(Error::Internal(format!("a loop panicked: {e}")))));
        }
        result
    }

    async fn engine(self: Arc<Self>, mut advances: mpsc::Receiver<Advance>) -> Result<()> {
        loop {
            let pause = match self.engine.tick().await {
                Ok(true) if !self.stop.is_cancelled() => continue,
                Ok(_) => POLL,
                Err(error) => self.survive(error)?,
            };
            tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                () = self.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
                Some(Advance { to, answer }) = advances.recv() => {
                    // Nobody is left to hear it when the caller has gone; the time has moved all the same.
                    let _ = answer.send(self.advance(to).await);
                }
            }
        }
    }

    async fn deliver(self: Arc<Self>) -> Result<()> {
        loop {
            let (begun, pause) = match self.delivery.tick().await {
                Ok(begun) => (begun, self.delivery.quiet().map_or(POLL, |quiet| quiet.min(POLL))),
                Err(error) => (0, self.survive(error)?),
            };
            if begun > 0 && !self.stop.is_cancelled() {
                continue;
            }
            tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                () = self.ready.news() => {}
                () = self.delivery.freed() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Emails that are tried: a person waits for each, and none for another.
    async fn try_out(self: Arc<Self>, mut trials: mpsc::Receiver<Trial>) -> Result<()> {
        loop {
            let trial = tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                Some(trial) = trials.recv() => trial,
            };
            let this = self.clone();
            tokio::spawn(async move {
                // Nobody is left to hear it when the caller has gone; it is sent all the same.
                let _ = trial
                    .answer
                    .send(this.delivery.try_out(&trial.workspace, trial.to, trial.content, trial.campaign).await);
            });
        }
    }

    /// Asks providers what they have; beside delivery, which waits for none of it.
    async fn ask(self: Arc<Self>) -> Result<()> {
        loop {
            let asking = async {
                let pause = match self.delivery.ask().await {
                    Ok(0) => ASK,
                    Ok(_) => Duration::ZERO,
                    Err(error) => self.survive(error)?,
                };
                tokio::time::sleep(pause).await;
                Ok::<(), Error>(())
            };
            // A question that is stopped in the middle is asked again by whoever comes next.
            tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                asked = asking => asked?,
            }
        }
    }

    async fn call(self: Arc<Self>) -> Result<()> {
        loop {
            let began = self.webhooks.tick().await;
            let is_held = match &began {
                Ok(0) => self.webhooks.is_any_held().await.unwrap_or_default(),
                _ => false,
            };
            let pause = match began {
                Ok(_) if is_held => HELD,
                Ok(_) => POLL,
                Err(error) => self.survive(error)?,
            };
            tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                () = self.webhooks.flights.landed() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn tell(self: Arc<Self>) -> Result<()> {
        let (mut tidied, mut asked, mut is_heard) = (monotonic(), None::<Instant>, false);
        loop {
            let mut told = Ok(());
            // Most servers have no endpoint: their queues are not looked for. The first one may be another server's doing.
            if !is_heard || asked.is_none_or(|at| at.elapsed() >= LISTENERS) {
                asked = Some(monotonic());
                told = self.endpoints.any().await.map(|any| is_heard = any);
            }
            if is_heard && told.is_ok() {
                told = self.endpoints.tick().await.map(drop);
            }
            if told.is_ok() && tidied.elapsed() >= TIDY {
                told = self.endpoints.tidy().await;
                tidied = monotonic();
            }
            let pause = match told {
                Ok(()) if is_heard => POLL,
                Ok(()) => LISTENERS,
                Err(error) => self.survive(error)?,
            };
            tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                () = self.endpoints.flights.landed() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Beside the engine, which goes on with everybody's news meanwhile.
    async fn go_through(self: Arc<Self>) -> Result<()> {
        loop {
            let pause = match self.segments.tick().await {
                Ok(Went::On) if !self.stop.is_cancelled() => continue,
                Ok(Went::Nowhere) => BACKLOG,
                // A virtual clock's hours end where it stops.
                Ok(_) if self.clock.is_virtual() => POLL,
                Ok(_) => match self.segments.keep_sizes().await {
                    Ok(()) => POLL,
                    Err(error) => self.survive(error)?,
                },
                Err(error) => self.survive(error)?,
            };
            tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn read_mail(self: Arc<Self>) -> Result<()> {
        let Some(mailboxes) = &self.mailboxes else {
            self.stop.cancelled().await;
            return Ok(());
        };
        loop {
            let pause = match mailboxes.tick().await {
                Ok(()) => ROUND,
                Err(error) => self.survive(error)?,
            };
            tokio::select! {
                () = self.stop.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        mailboxes.settle().await;
        Ok(())
    }

    /// Keeps the leases, takes what is free, gives back what is too much.
    async fn heartbeat(self: Arc<Self>) -> Result<()> {
        let Some(pace) = self.ownership.pace() else {
            self.stop.cancelled().await;
            return Ok(());
        };
        let mut pace = tokio::time::interval(pace);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut generations = BTreeMap::new();
        // Resolves when nothing is under way any more for the buckets that are leaving. The leases are renewed meanwhile.
        let mut turned: Option<Pin<Box<dyn Future<Output = ()> + Send>>> = None;
        loop {
            let done = tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                _ = pace.tick() => self.beat(&mut generations).await.map(|beaten| {
                    if beaten == Beaten::Rejoined {
                        turned = None;
                    }
                }),
                () = async { turned.as_mut().expect("there is one").await }, if turned.is_some() => {
                    turned = None;
                    self.ownership.give(&self.store.db).await
                }
            };
            if let Err(error) = done {
                self.survive(error)?;
            }
            if turned.is_none() && self.ownership.is_leaving() {
                let this = self.clone();
                turned = Some(Box::pin(async move {
                    this.engine.turn().await;
                    this.delivery.turn().await;
                }));
            }
        }
    }

    /// `generations` are those that were last seen, by workspace: other servers push too, and only some of the users who are behind then
    /// are theirs.
    async fn beat(&self, generations: &mut BTreeMap<String, i64>) -> Result<Beaten> {
        let beaten = self.ownership.beat(&self.store.db, self.clock.now()).await?;
        if beaten == Beaten::More {
            // The former owner may have left some of its users behind.
            generations.clear();
        }
        for (workspace, generation) in deployments::workspaces(&self.store.db).await? {
            if generations.get(&workspace) != Some(&generation) {
                self.engine.may_be_behind(&workspace);
                self.wake.notify_one();
                generations.insert(workspace, generation);
            }
        }
        if beaten == Beaten::More {
            self.wake.notify_one();
            self.ready.tell();
        }
        Ok(beaten)
    }

    /// Accounts for what dead servers were sending. Apart from the heartbeat, which must not wait for locks on messages.
    async fn account(self: Arc<Self>) -> Result<()> {
        let (false, Some(pace)) = (self.ownership.is_alone(), self.ownership.pace()) else {
            self.stop.cancelled().await;
            return Ok(());
        };
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(pace) => {}
            }
            match ledger::recover(&self.store.db, self.grace, self.clock.now()).await {
                Ok(0) => {}
                Ok(lost) => {
                    tracing::warn!(messages = lost, "a server died while sending; its messages are accounted for")
                }
                Err(error) => drop(self.survive(error)?),
            }
        }
    }

    /// What can be waited out is; how long. The rest ends the server.
    fn survive(&self, error: Error) -> Result<Duration> {
        match error {
            Error::Fenced if self.ownership.is_alone() => {
                self.stop.cancel();
                Err(Error::Fenced)
            }
            Error::Fenced => {
                tracing::warn!("another server has taken over; what was under way here is dropped");
                Ok(PAUSE)
            }
            error => {
                tracing::warn!(%error, "the database failed; trying again");
                Ok(PAUSE)
            }
        }
    }

    /// Moves the virtual clock from one due instant to the next, running all that is due at each, up to the target.
    async fn advance(&self, to: i64) -> Result<i64> {
        if let Some(mailboxes) = &self.mailboxes {
            mailboxes.drain().await?;
        }
        loop {
            while self.segments.drain().await?
                | self.engine.drain().await?
                | self.delivery.drain().await?
                | self.webhooks.drain().await?
                | self.endpoints.drain().await?
            {}
            self.segments.keep_sizes().await?;
            let now = self.clock.now();
            let next = [
                self.engine.next_due().await?,
                self.delivery.next_due().await?,
                self.webhooks.next_due().await?,
                self.endpoints.next_due().await?,
                self.segments.next_due().await?,
            ];
            // What is due at or before now and was not done is being left alone for a while; time goes on without it.
            let next = next.into_iter().flatten().filter(|at| *at > now).min().unwrap_or(to).min(to);
            if next <= now {
                self.endpoints.tidy().await?;
                return Ok(now);
            }
            stored::set_virtual_now(&self.store.db, next).await?;
            self.clock.set(next);
        }
    }
}
