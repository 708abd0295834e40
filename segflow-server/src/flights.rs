//! What is under way, to be waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use crate::store::Result;

#[derive(Default)]
pub struct Flights {
    count: AtomicUsize,
    landed: Notify,
}

/// One of them; it lands when it is dropped.
pub struct Flight(Arc<Flights>);

impl Flights {
    pub fn begin(self: &Arc<Self>) -> Flight {
        self.count.fetch_add(1, Ordering::SeqCst);
        Flight(self.clone())
    }

    /// Begins all that is due now, and waits for it, until nothing is due any more. `begin` says how much it has begun. Returns whether there
    /// was any of it, or something was under way that others have begun: that may lead to more.
    pub async fn drain<F: Future<Output = Result<usize>>>(&self, begin: impl Fn() -> F) -> Result<bool> {
        let mut worked = false;
        loop {
            let begun = begin().await?;
            let is_under_way = self.count.load(Ordering::SeqCst) > 0;
            self.settle().await;
            if begun == 0 && !is_under_way {
                return Ok(worked);
            }
            worked = true;
        }
    }

    /// Waits until nothing is under way.
    pub async fn settle(&self) {
        loop {
            let landed = self.landed.notified();
            if self.count.load(Ordering::SeqCst) == 0 {
                return;
            }
            landed.await;
        }
    }

    /// Waits until something lands.
    pub async fn landed(&self) {
        self.landed.notified().await;
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::SeqCst);
        self.0.landed.notify_waiters();
    }
}
