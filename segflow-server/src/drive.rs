//! The small handle by which the API reaches the loops: wake them, and move a virtual clock.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::clock::Clock;
use crate::store::{Error, Result};

/// Wakes the loops and moves the virtual clock.
#[derive(Clone)]
pub struct Drive {
    clock: Clock,
    wake: Arc<tokio::sync::Notify>,
    advances: mpsc::Sender<Advance>,
}

/// A request to move the virtual clock to an instant, ms UTC; answered when all that is due by then has run.
pub struct Advance {
    pub to: i64,
    pub answer: oneshot::Sender<Result<i64>>,
}

impl Drive {
    pub(crate) fn new(clock: Clock, wake: Arc<tokio::sync::Notify>) -> (Drive, mpsc::Receiver<Advance>) {
        let (advances, receiver) = mpsc::channel(16);
        (Drive { clock, wake, advances }, receiver)
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// There may be work.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Moves the virtual clock to `to`, running everything that is due on the way. Answers the time it is then.
    pub async fn advance(&self, to: i64) -> Result<i64> {
        let (answer, receiver) = oneshot::channel();
        let gone = || Error::Away("the server is stopping".into());
        self.advances.send(Advance { to, answer }).await.map_err(|_| gone())?;
        receiver.await.map_err(|_| gone())?
    }
}
