//! What is being sent.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{Notify, OwnedSemaphorePermit};

/// The messages that are being sent, or whose outcome is not in the ledger yet.
#[derive(Default)]
pub struct InFlight {
    ids: Mutex<BTreeSet<String>>,
    landed: Notify,
    freed: Notify,
}

impl InFlight {
    /// A message is claimed, with this permit.
    pub fn begin(self: &Arc<Self>, id: &str, permit: OwnedSemaphorePermit) -> Slot {
        self.ids().insert(id.to_string());
        Slot { id: id.to_string(), permit: Some(permit), of: self.clone() }
    }

    pub fn has(&self, id: &str) -> bool {
        self.ids().contains(id)
    }

    pub fn is_empty(&self) -> bool {
        self.ids().is_empty()
    }

    /// Waits until nothing is being sent.
    pub async fn settle(&self) {
        loop {
            let landed = self.landed.notified();
            if self.is_empty() {
                return;
            }
            landed.await;
        }
    }

    /// Waits until a slot is free.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }

    fn ids(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.ids.lock().expect("no panic while held")
    }
}

/// A slot that is taken, until it is dropped: as long as what becomes of a message is not in the ledger, so that a crash leaves no more
/// unknown than there are slots.
pub struct Slot {
    id: String,
    permit: Option<OwnedSemaphorePermit>,
    of: Arc<InFlight>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.of.ids().remove(&self.id);
        drop(self.permit.take());
        self.of.landed.notify_waiters();
        self.of.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    #[test]
    fn what_is_under_way_is_known_until_it_has_landed() {
        let (in_flight, slots) = (Arc::<InFlight>::default(), Arc::new(Semaphore::new(2)));
        let begin = |id: &str| in_flight.begin(id, slots.clone().try_acquire_owned().expect("there is room"));
        let (one, other) = (begin("msg_1"), begin("msg_2"));
        assert!(in_flight.has("msg_1") && in_flight.has("msg_2") && !in_flight.has("msg_3"));
        drop(one);
        assert!(!in_flight.has("msg_1") && in_flight.has("msg_2") && !in_flight.is_empty());
        drop(other);
        assert!(in_flight.is_empty() && slots.available_permits() == 2);
    }
}
