//! Writes outcomes down, many at a time, and does not let go of one before it is written.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::clock::Clock;
use crate::store::ledger::{self, Report};
use crate::store::{Error, Store};

/// The most outcomes in one commit.
const GROUP: usize = 256;

/// The queue of outcomes to be written.
pub struct Reporter {
    queue: mpsc::Sender<(Report, oneshot::Sender<()>)>,
}

impl Reporter {
    pub fn start(store: Store, clock: Clock) -> Reporter {
        let (queue, mut reports) = mpsc::channel::<(Report, oneshot::Sender<()>)>(4 * GROUP);
        tokio::spawn(async move {
            let mut group = vec![];
            while reports.recv_many(&mut group, GROUP).await > 0 {
                let (batch, answers): (Vec<Report>, Vec<_>) = group.drain(..).unzip();
                loop {
                    match ledger::outcomes(&store.db, batch.clone(), clock.now()).await {
                        Ok(_) => break,
                        Err(Error::Internal(why)) => {
                            tracing::error!(why, "outcomes could not be recorded");
                            break;
                        }
                        Err(error) => {
                            tracing::warn!(%error, outcomes = batch.len(), "outcomes wait for the database");
                            tokio::time::sleep(Duration::from_millis(250)).await;
                        }
                    }
                }
                for answer in answers {
                    // Nobody waits for it when the server is ending.
                    let _ = answer.send(());
                }
            }
        });
        Reporter { queue }
    }

    /// Returns when the outcome is in the ledger.
    pub async fn report(&self, report: Report) {
        let (written, wait) = oneshot::channel();
        if self.queue.send((report, written)).await.is_ok() {
            let _ = wait.await;
        }
    }
}
