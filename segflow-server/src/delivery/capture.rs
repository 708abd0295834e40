//! The provider of development and tests: keeps what it is given, and behaves badly where it is told to.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use segflow_core::ledger::Outcome;

use super::provider::{Email, Outcomes, Provider};

/// What the capture provider does with one message to an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    Refuse(String),
    /// Says to come again.
    Busy(String),
    /// Accepts after a while.
    Stall(Duration),
    /// Accepts and never says so.
    Cut,
}

/// Keeps all mail. What it is scripted to do it does once per entry, then it accepts again.
#[derive(Default)]
pub struct Capture {
    script: Mutex<BTreeMap<String, VecDeque<Act>>>,
    /// Ids of messages in the order in which they were accepted, whether the caller learnt it or not.
    accepted: Mutex<Vec<String>>,
}

/// How many messages it takes at once.
const SLOTS: usize = 128;

impl Capture {
    /// Adds to what happens with messages to an address.
    pub fn script(&self, address: &str, act: Act) {
        self.script.lock().expect("no panic while held").entry(address.to_string()).or_default().push_back(act);
    }

    pub fn accepted(&self) -> Vec<String> {
        self.accepted.lock().expect("no panic while held").clone()
    }

    pub fn count(&self) -> usize {
        self.accepted.lock().expect("no panic while held").len()
    }

    fn next_act(&self, address: &str) -> Option<Act> {
        self.script.lock().expect("no panic while held").get_mut(address)?.pop_front()
    }

    async fn take(&self, email: &Email) -> Outcome {
        match self.next_act(&email.to) {
            None => self.accept(email),
            Some(Act::Refuse(why)) => Outcome::Refused(why),
            Some(Act::Busy(why)) => Outcome::Retry(why),
            Some(Act::Stall(time)) => {
                tokio::time::sleep(time).await;
                self.accept(email)
            }
            Some(Act::Cut) => {
                self.accept(email);
                Outcome::Ambiguous("the connection was cut before the answer".into())
            }
        }
    }

    fn accept(&self, email: &Email) -> Outcome {
        let mut accepted = self.accepted.lock().expect("no panic while held");
        // Only tests look at it; a long-lived dev server must not grow by it.
        if accepted.len() < 1_000_000 {
            accepted.push(email.id.clone());
        }
        Outcome::Accepted { provider_id: None }
    }
}

impl Provider for Capture {
    fn most(&self) -> usize {
        SLOTS
    }

    fn send<'a>(&'a self, emails: &'a [Email]) -> Outcomes<'a> {
        Box::pin(async { vec![self.take(&emails[0]).await] })
    }
}
