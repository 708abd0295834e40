//! The loops that drive everything: engine, delivery, heartbeat. One cancellation token ends them all.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::delivery::Delivery;
use crate::drive::Advance;
use crate::engine::Engine;
use crate::ownership::Ownership;
use crate::webhooks::Webhooks;
use crate::store::{Error, Result, Store, clock as stored, ledger};

/// How often the loops look for what became due, or what another server stored, without being woken.
const POLL: Duration = Duration::from_millis(200);

/// How long a loop waits after the database failed it.
const PAUSE: Duration = Duration::from_millis(500);

pub struct Loops {
    pub store: Store,
    pub clock: Clock,
    pub engine: Arc<Engine>,
    pub delivery: Arc<Delivery>,
    pub webhooks: Arc<Webhooks>,
    pub ownership: Arc<Ownership>,
    /// Something was stored.
    pub wake: Arc<Notify>,
    /// Something was decided.
    pub decided: Arc<Notify>,
    pub stop: CancellationToken,
    /// How long a call may go on after its server was declared dead.
    pub grace: Duration,
}

impl Loops {
    /// Runs until stopped, or until this server has been replaced.
    pub async fn run(self: Arc<Self>, advances: mpsc::Receiver<Advance>) -> Result<()> {
        let engine = tokio::spawn(self.clone().engine(advances));
        let delivery = tokio::spawn(self.clone().deliver());
        let webhooks = tokio::spawn(self.clone().call());
        let heartbeat = tokio::spawn(self.clone().heartbeat());
        let mut result = Ok(());
        for task in [engine, delivery, webhooks, heartbeat] {
            let ended = task.await.unwrap_or_else(|e| Err(Error::Internal(format!("a loop panicked: {e}"))));
            self.stop.cancel();
            result = result.and(ended);
        }
        result
    }

    async fn engine(self: Arc<Self>, mut advances: mpsc::Receiver<Advance>) -> Result<()> {
        loop {
            let pause = match self.engine.tick().await {
                Ok(true) => {
                    // Delivery begins with what there is, while the rest is being decided.
                    self.decided.notify_one();
                    if !self.stop.is_cancelled() {
                        continue;
                    }
                    POLL
                }
                Ok(false) => POLL,
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
                Ok(begun) => (begun, POLL),
                Err(error) => (0, self.survive(error)?),
            };
            if begun > 0 && !self.stop.is_cancelled() {
                continue;
            }
            tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                () = self.decided.notified() => {}
                () = self.delivery.landed() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn call(self: Arc<Self>) -> Result<()> {
        loop {
            let pause = match self.webhooks.tick().await {
                Ok(_) => POLL,
                Err(error) => self.survive(error)?,
            };
            tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                () = self.webhooks.landed() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn heartbeat(self: Arc<Self>) -> Result<()> {
        if self.ownership.is_alone() {
            self.stop.cancelled().await;
            return Ok(());
        }
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(self.ownership.lease() / 3) => {}
            }
            let beaten = async {
                self.ownership.renew(&self.store.db).await?;
                let lost = ledger::recover(&self.store.db, self.grace, self.clock.now()).await?;
                if lost > 0 {
                    tracing::warn!(messages = lost, "a server died while sending; its messages are accounted for");
                }
                Ok(())
            };
            if let Err(error) = beaten.await {
                self.survive(error)?;
            }
        }
    }

    /// What can be waited out is; how long. The rest ends the server.
    fn survive(&self, error: Error) -> Result<Duration> {
        match error {
            Error::Fenced => {
                self.stop.cancel();
                Err(Error::Fenced)
            }
            error => {
                tracing::warn!(%error, "the database failed; trying again");
                Ok(PAUSE)
            }
        }
    }

    /// Moves the virtual clock from one due instant to the next, running all that is due at each, up to the target.
    async fn advance(&self, to: i64) -> Result<i64> {
        loop {
            while self.engine.drain().await? | self.delivery.drain().await? | self.webhooks.drain().await? {}
            let now = self.clock.now();
            let next =
                [self.engine.next_due().await?, self.delivery.next_due().await?, self.webhooks.next_due().await?];
            // What is due at or before now and was not done is being left alone for a while; time goes on without it.
            let next = next.into_iter().flatten().filter(|at| *at > now).min().unwrap_or(to).min(to);
            if next <= now {
                return Ok(now);
            }
            stored::set_virtual_now(&self.store.db, next).await?;
            self.clock.set(next);
        }
    }
}
