//! Messages that were just decided here, handed to delivery so that it need not look for them in the database.
//!
//! Only a hint: what is forgotten, or was decided by a server that is gone, is found by looking. Claiming decides.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Mutex;

use segflow_core::ids;
use segflow_core::route::Lane;
use tokio::sync::Notify;

use crate::store::ledger::Due;

/// The most that are remembered of each lane, and of all.
const MOST: usize = 4_096;
const MOST_OF_ALL: usize = 65_536;

#[derive(Default)]
pub struct Ready {
    lanes: Mutex<Lanes>,
    news: Notify,
}

#[derive(Default)]
struct Lanes {
    queues: BTreeMap<Lane, VecDeque<Due>>,
    count: usize,
}

impl Ready {
    /// These messages are committed.
    pub fn add(&self, messages: impl Iterator<Item = Due>) {
        let mut lanes = self.lanes.lock().expect("no panic while held");
        for due in messages {
            lanes.push(due);
        }
    }

    /// Those in which there is something, those of transactions first.
    pub fn lanes(&self) -> Vec<Lane> {
        self.lanes.lock().expect("no panic while held").queues.keys().cloned().collect()
    }

    pub fn has(&self, lane: &Lane) -> bool {
        self.lanes.lock().expect("no panic while held").queues.contains_key(lane)
    }

    /// Takes the next ones of a lane. What is of none of these buckets is forgotten: it is another server's by now.
    pub fn take(&self, lane: &Lane, most: usize, buckets: &BTreeSet<u16>) -> Vec<Due> {
        let mut lanes = self.lanes.lock().expect("no panic while held");
        let mut taken = vec![];
        while taken.len() < most {
            let Some(due) = lanes.pop(lane) else { break };
            if buckets.contains(&ids::bucket(&due.workspace, &due.user)) {
                taken.push(due);
            }
        }
        taken
    }

    /// Nothing of a lane can be sent for a while. It is looked for when that is over.
    pub fn forget(&self, lane: &Lane) {
        let mut lanes = self.lanes.lock().expect("no panic while held");
        let gone = lanes.queues.remove(lane).map_or(0, |queue| queue.len());
        lanes.count -= gone;
    }

    /// Wakes delivery.
    pub fn tell(&self) {
        self.news.notify_one();
    }

    /// Resolves when there may be something to deliver.
    pub async fn news(&self) {
        self.news.notified().await;
    }
}

impl Lanes {
    fn push(&mut self, due: Due) {
        let queue = self.queues.entry(due.lane()).or_default();
        if queue.len() < MOST && self.count < MOST_OF_ALL {
            queue.push_back(due);
            self.count += 1;
        }
    }

    fn pop(&mut self, lane: &Lane) -> Option<Due> {
        let queue = self.queues.get_mut(lane)?;
        let due = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(lane);
        }
        self.count -= usize::from(due.is_some());
        due
    }
}

#[cfg(test)]
mod tests {
    use segflow_core::protocol::Stream;

    use super::*;

    fn due(id: &str) -> Due {
        Due { workspace: "main".into(), user: format!("of {id}"), id: id.into(), transaction: id.starts_with('t') }
    }

    fn ids(taken: &[Due]) -> Vec<&str> {
        taken.iter().map(|due| due.id.as_str()).collect()
    }

    fn lane(stream: Stream) -> Lane {
        Lane::new(stream, "main")
    }

    #[test]
    fn lanes_are_told_apart_and_transactions_come_first() {
        let (ready, all) = (Ready::default(), (0..ids::BUCKETS).collect());
        ready.add(["a", "b", "t1", "c"].map(due).into_iter());
        assert_eq!(ready.lanes(), Stream::ALL.map(lane));
        assert_eq!(ids(&ready.take(&lane(Stream::Campaigns), 2, &all)), ["a", "b"]);
        assert_eq!(ids(&ready.take(&lane(Stream::Campaigns), 9, &all)), ["c"]);
        assert_eq!(ids(&ready.take(&lane(Stream::Transactions), 9, &all)), ["t1"]);
        assert!(ready.lanes().is_empty());
    }

    #[test]
    fn what_is_another_servers_is_forgotten() {
        let ready = Ready::default();
        ready.add(["a", "b"].map(due).into_iter());
        let mine = BTreeSet::from([ids::bucket("main", "of b")]);
        assert_ne!(ids::bucket("main", "of a"), ids::bucket("main", "of b"));
        assert_eq!(ids(&ready.take(&lane(Stream::Campaigns), 9, &mine)), ["b"]);
    }

    #[test]
    fn no_more_is_remembered_than_there_is_room_for() {
        let (ready, all) = (Ready::default(), (0..ids::BUCKETS).collect());
        ready.add((0..MOST + 10).map(|n| due(&n.to_string())));
        assert_eq!(ready.take(&lane(Stream::Campaigns), usize::MAX, &all).len(), MOST);
        // Nor of many lanes; and what is forgotten makes room.
        let of = |workspace: &str, n: usize| Due { workspace: workspace.into(), ..due(&n.to_string()) };
        for workspace in 0..40 {
            ready.add((0..MOST).map(|n| of(&workspace.to_string(), n)));
        }
        let count = || ready.lanes.lock().expect("no panic").count;
        assert_eq!(count(), MOST_OF_ALL);
        for lane in ready.lanes() {
            ready.forget(&lane);
        }
        assert_eq!((count(), ready.lanes().len()), (0, 0));
    }
}
