//! The small handle by which the API reaches the loops: wake them, move a virtual clock, try an email.

use std::sync::Arc;

use segflow_core::ledger::Outcome;
use segflow_core::protocol::Rendered;
use tokio::sync::{mpsc, oneshot};

use crate::clock::Clock;
use crate::store::{Error, Result};

/// Wakes the loops and moves the virtual clock.
#[derive(Clone)]
pub struct Drive {
    clock: Clock,
    wake: Arc<tokio::sync::Notify>,
    advances: mpsc::Sender<Advance>,
    trials: mpsc::Sender<Trial>,
}

/// An email that no ledger knows, for somebody to see how it arrives.
pub struct Trial {
    pub workspace: String,
    pub to: String,
    pub content: Rendered,
    /// It goes out as one of a campaign does.
    pub campaign: bool,
    pub answer: oneshot::Sender<Result<Tried>>,
}

/// What became of it: the provider and what it said.
pub struct Tried {
    pub id: String,
    pub provider: String,
    pub outcome: Outcome,
}

/// What the loops receive.
pub struct Wishes {
    pub advances: mpsc::Receiver<Advance>,
    pub trials: mpsc::Receiver<Trial>,
}

/// A request to move the virtual clock to an instant, ms UTC; answered when all that is due by then has run.
pub struct Advance {
    pub to: i64,
    pub answer: oneshot::Sender<Result<i64>>,
}

impl Drive {
    pub(crate) fn new(clock: Clock, wake: Arc<tokio::sync::Notify>) -> (Drive, Wishes) {
        let (advances, advancing) = mpsc::channel(16);
        let (trials, trying) = mpsc::channel(16);
        (Drive { clock, wake, advances, trials }, Wishes { advances: advancing, trials: trying })
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

    /// Has an email sent by the provider of a workspace, and says what became of it.
    pub async fn try_email(&self, workspace: &str, to: String, content: Rendered, campaign: bool) -> Result<Tried> {
        let (answer, receiver) = oneshot::channel();
        let gone = || Error::Away("the server is stopping".into());
        let trial = Trial { workspace: workspace.into(), to, content, campaign, answer };
        self.trials.send(trial).await.map_err(|_| gone())?;
        receiver.await.map_err(|_| gone())?
    }
}
