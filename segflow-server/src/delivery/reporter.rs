//! Writes outcomes down, many at a time, and does not let go of one before it is written.

use std::time::Duration;

use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::store::ledger::{self, Report};
use crate::store::{Result, Store};

/// The most outcomes in one commit.
const GROUP: usize = 256;

/// How long outcomes are gathered before they are written: what was handed to a provider together often ends together.
const GATHERED: Duration = Duration::from_millis(1);

/// What is to happen when an outcome is in the ledger.
type Written = Box<dyn FnOnce() + Send>;

/// The queue of outcomes to be written.
pub struct Reporter {
    queue: mpsc::Sender<(Report, Written)>,
}

impl Reporter {
    pub fn start(store: Store, clock: Clock) -> Reporter {
        let (queue, mut reports) = mpsc::channel::<(Report, Written)>(4 * GROUP);
        tokio::spawn(async move {
            let mut group = vec![];
            while reports.recv_many(&mut group, GROUP).await > 0 {
                tokio::time::sleep(GATHERED).await;
                while group.len() < GROUP
                    && let Ok(report) = reports.try_recv()
                {
                    group.push(report);
                }
                let (batch, written): (Vec<Report>, Vec<Written>) = group.drain(..).unzip();
                // One that cannot be written must not keep the others from it, nor their slots from the next messages.
                if let Err(error) = record(&store, &clock, batch.clone()).await {
                    tracing::warn!(%error, outcomes = batch.len(), "outcomes could not be recorded together; one by one");
                    for report in batch {
                        let id = report.id.clone();
                        if let Err(error) = record(&store, &clock, vec![report]).await {
                            tracing::error!(id, %error, "an outcome could not be recorded");
                        }
                    }
                }
                written.into_iter().for_each(|then| then());
            }
        });
        Reporter { queue }
    }

    /// `written` is called when the outcome is in the ledger.
    pub async fn report(&self, report: Report, written: impl FnOnce() + Send + 'static) {
        // It is gone only with the whole server.
        let _ = self.queue.send((report, Box::new(written))).await;
    }
}

/// Waits for a database that is away. Another error is about what is to be written.
async fn record(store: &Store, clock: &Clock, batch: Vec<Report>) -> Result<()> {
    loop {
        match ledger::outcomes(&store.db, batch.clone(), clock.now()).await {
            Err(error) if error.is_away() => {
                tracing::warn!(%error, outcomes = batch.len(), "outcomes wait for the database");
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
            done => return done.map(drop),
        }
    }
}
