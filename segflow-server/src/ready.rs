//! Messages that were just decided here, handed to delivery so that it need not look for them in the database.
//!
//! Only a hint: what is forgotten, or was decided by a server that is gone, is found by looking. Claiming decides.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Mutex;

use segflow_core::ids;
use tokio::sync::Notify;

use crate::store::ledger::Due;

/// The most that are remembered of each kind.
const MOST: usize = 4_096;

#[derive(Default)]
pub struct Ready {
    queues: Mutex<Queues>,
    news: Notify,
}

/// A person waits for a transaction's message; nobody does for a campaign's.
#[derive(Default)]
struct Queues {
    transactions: VecDeque<Due>,
    campaigns: VecDeque<Due>,
}

impl Queues {
    fn of(&mut self, due: &Due) -> &mut VecDeque<Due> {
        if due.transaction { &mut self.transactions } else { &mut self.campaigns }
    }
}

impl Ready {
    /// These messages are committed.
    pub fn add(&self, messages: impl Iterator<Item = Due>) {
        let mut queues = self.queues.lock().expect("no panic while held");
        for due in messages {
            let queue = queues.of(&due);
            if queue.len() < MOST {
                queue.push_back(due);
            }
        }
    }

    /// Takes the next ones, those of transactions first. What is of none of these buckets is forgotten: it is another server's by now.
    pub fn take(&self, most: usize, buckets: &BTreeSet<u16>) -> Vec<Due> {
        let mut queues = self.queues.lock().expect("no panic while held");
        let mut taken = vec![];
        while taken.len() < most {
            let Some(due) = queues.transactions.pop_front().or_else(|| queues.campaigns.pop_front()) else { break };
            if buckets.contains(&ids::bucket(&due.workspace, &due.user)) {
                taken.push(due);
            }
        }
        taken
    }

    /// Nothing could be done for these yet: they are the next ones again.
    pub fn give_back(&self, messages: Vec<Due>) {
        let mut queues = self.queues.lock().expect("no panic while held");
        for due in messages.into_iter().rev() {
            queues.of(&due).push_front(due);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn due(id: &str) -> Due {
        Due { workspace: "main".into(), user: format!("of {id}"), id: id.into(), transaction: id.starts_with('t') }
    }

    fn ids(taken: &[Due]) -> Vec<&str> {
        taken.iter().map(|due| due.id.as_str()).collect()
    }

    #[test]
    fn transactions_come_first_also_before_what_is_given_back() {
        let (ready, all) = (Ready::default(), (0..ids::BUCKETS).collect());
        ready.add(["a", "b", "t1", "c"].map(due).into_iter());
        let taken = ready.take(3, &all);
        assert_eq!(ids(&taken), ["t1", "a", "b"]);
        ready.give_back(taken);
        ready.add(["t2"].map(due).into_iter());
        assert_eq!(ids(&ready.take(9, &all)), ["t1", "t2", "a", "b", "c"]);
        assert!(ready.take(9, &all).is_empty());
    }

    #[test]
    fn what_is_another_servers_is_forgotten() {
        let ready = Ready::default();
        ready.add(["a", "b"].map(due).into_iter());
        let mine = BTreeSet::from([ids::bucket("main", "of b")]);
        assert_ne!(ids::bucket("main", "of a"), ids::bucket("main", "of b"));
        assert_eq!(ids(&ready.take(9, &mine)), ["b"]);
    }

    #[test]
    fn no_more_is_remembered_than_there_is_room_for() {
        let (ready, all) = (Ready::default(), (0..ids::BUCKETS).collect());
        ready.add((0..MOST + 10).map(|n| due(&n.to_string())));
        assert_eq!(ready.take(usize::MAX, &all).len(), MOST);
    }
}
