//! Endpoints that want to hear what happens: takes what waits in their queues, signs it, calls them.
//!
//! Each endpoint's queue is worked for by the server that has its bucket, a batch after the other: a slow or dead one holds up nobody else.

pub mod secret;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::header::HeaderMap;

use crate::clock::{Clock, system_now};
use crate::flights::{Flight, Flights};
use crate::ownership::{Held, Ownership};
use crate::secrets::Secrets;
use crate::store::news::endpoints;
use crate::store::news::queue::{self, Answer, Batch, Delivery};
use crate::store::{Result, Store};
use crate::{outgoing, public};
use secret::Keys;

/// Calls to one endpoint at one time.
const AT_ONCE: usize = 16;

/// The longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(15);

/// How long after it was taken in hand a delivery counts as lost, in ms.
const PATIENCE: i64 = 45_000;

/// How much of an answer is read, in bytes, so that the connection can be used again.
const READ: usize = 16_384;

/// The longest that an endpoint can ask to be left alone, in ms.
const LONGEST_PAUSE: i64 = 86_400_000;

/// Between two tries to reach the database.
const PAUSE: Duration = Duration::from_millis(250);

pub struct Endpoints {
    store: Store,
    clock: Clock,
    ownership: Arc<Ownership>,
    secrets: Secrets,
    http: reqwest::Client,
    allow_private: bool,
    /// Those that are being called.
    busy: Arc<Mutex<BTreeSet<String>>>,
    /// What is under way.
    pub flights: Arc<Flights>,
}

impl Endpoints {
    /// `allow_private` lets calls go to addresses that are not of the public internet.
    ///
    /// # Errors
    ///
    /// If no HTTP client can be made.
    pub fn new(
        store: Store,
        clock: Clock,
        ownership: Arc<Ownership>,
        secrets: Secrets,
        allow_private: bool,
    ) -> anyhow::Result<Endpoints> {
        let http = public::client(allow_private)?;
        let (busy, flights) = Default::default();
        Ok(Endpoints { store, clock, ownership, secrets, http, allow_private, busy, flights })
    }

    /// Begins a batch for each endpoint that is due and not being called; how many are due.
    pub async fn tick(self: &Arc<Self>) -> Result<usize> {
        let Held { incarnation, buckets } = self.ownership.held();
        if buckets.is_empty() {
            return Ok(0);
        }
        let (now, db) = (self.clock.now(), &self.store.db);
        let mut due = 0;
        for queue in queue::queues(db).await? {
            if queue.due_at > now || !buckets.contains(&queue.bucket) {
                continue;
            }
            due += 1;
            let Some(turn) = self.turn(&queue.endpoint) else { continue };
            let Some(batch) = queue::take(db, &incarnation, &queue.endpoint, AT_ONCE, PATIENCE, now).await? else {
                due -= 1;
                continue;
            };
            let this = self.clone();
            tokio::spawn(async move {
                this.deliver(&batch).await;
                drop(turn);
            });
        }
        Ok(due)
    }

    /// Delivers all that is due now. Returns whether there was any of it.
    pub async fn drain(self: &Arc<Self>) -> Result<bool> {
        self.flights.drain(|| self.tick()).await
    }

    pub async fn next_due(&self) -> Result<Option<i64>> {
        Ok(queue::queues(&self.store.db).await?.into_iter().map(|queue| queue.due_at).min())
    }

    /// Whether there is anybody to be told anything.
    pub async fn any(&self) -> Result<bool> {
        endpoints::any(&self.store.db).await
    }

    /// Removes what was delivered, or given up, long enough ago.
    pub async fn tidy(&self) -> Result<()> {
        endpoints::tidy(&self.store.db, self.clock.now()).await
    }

    /// An endpoint that nobody is calling.
    fn turn(&self, endpoint: &str) -> Option<Turn> {
        let is_free = self.busy.lock().expect("no panic while held").insert(endpoint.into());
        is_free.then(|| Turn { endpoint: endpoint.into(), busy: self.busy.clone(), _flight: self.flights.begin() })
    }

    async fn deliver(&self, batch: &Batch) {
        let answers = match self.keys(batch).await {
            Ok(keys) => {
                let mut calls = vec![];
                for delivery in &batch.deliveries {
                    calls.push(self.call(batch, &keys, delivery));
                }
                join_all(calls).await
            }
            Err(why) => batch.deliveries.iter().map(|_| Answer::Failed { why: why.clone(), pause: None }).collect(),
        };
        for answer in &answers {
            let word = if *answer == Answer::Taken { "taken" } else { "failed" };
            metrics::counter!("segflow_webhook_deliveries_total", "outcome" => word).increment(1);
        }
        loop {
            match queue::conclude(&self.store.db, batch, answers.clone(), self.clock.now()).await {
                Ok(None) => return,
                Ok(Some(why)) => {
                    tracing::warn!(
                        workspace = batch.workspace,
                        endpoint = batch.endpoint,
                        why,
                        "an endpoint is disabled"
                    );
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, endpoint = batch.endpoint, "what an endpoint answered waits to be stored");
                    if !error.is_away() {
                        // They stay due, and are told again.
                        return;
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn keys(&self, batch: &Batch) -> std::result::Result<Keys, String> {
        let known = self.secrets.of(&batch.workspace).await.map_err(|error| error.to_string())?;
        let secret = known.own(&secret::name(&batch.endpoint));
        let keys = secret.and_then(|secret| Keys::read(&secret, batch.rotates));
        keys.ok_or_else(|| "the server cannot open the secret that this is signed with".into())
    }

    async fn call(&self, batch: &Batch, keys: &Keys, delivery: &Delivery) -> Answer {
        let failed = |why, pause| Answer::Failed { why, pause };
        let url = match public::allowed(&batch.url, self.allow_private) {
            Ok(url) => url,
            Err(why) => return failed(why, None),
        };
        let Delivery { id, body, .. } = delivery;
        // Receivers take it from no other time than theirs, so this is the real one, of each try.
        let at = system_now() / 1_000;
        let request = self.http.post(url).timeout(ANSWER).header("content-type", "application/json");
        let request = request.header("webhook-id", id).header("webhook-timestamp", at);
        let request = request.header("webhook-signature", keys.sign(id, at, body)).body(body.clone());
        let mut answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return failed(outgoing::reason(&error), None),
        };
        let status = answer.status();
        let mut read = 0;
        while let (true, Ok(Some(part))) = (read < READ, answer.chunk().await) {
            read += part.len();
        }
        match status.as_u16() {
            200..300 => Answer::Taken,
            410 => Answer::Gone { why: format!("it answered {status}") },
            _ => failed(format!("it answered {status}"), pause(answer.headers(), system_now())),
        }
    }
}

/// For how long an answer asks that nobody calls again, in ms: in seconds, or until a date.
fn pause(headers: &HeaderMap, now: i64) -> Option<i64> {
    let date = || {
        let text = headers.get("retry-after")?.to_str().ok()?;
        let at = jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp().as_millisecond();
        Some(at.saturating_sub(now).clamp(0, LONGEST_PAUSE))
    };
    outgoing::pause(headers).or_else(date)
}

/// An endpoint is being called until this is dropped.
struct Turn {
    endpoint: String,
    busy: Arc<Mutex<BTreeSet<String>>>,
    _flight: Flight,
}

impl Drop for Turn {
    /// Before the flight lands, which is when others look for something to do.
    fn drop(&mut self) {
        self.busy.lock().expect("no panic while held").remove(&self.endpoint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_ask_for_time_in_seconds_or_until_a_date() {
        let pause = |text: &str| {
            let headers =
                HeaderMap::from_iter([("retry-after".parse().expect("a name"), text.parse().expect("a value"))]);
            pause(&headers, 946_684_740_000)
        };
        assert_eq!(pause("120"), Some(120_000));
        assert_eq!(pause("Fri, 31 Dec 1999 23:59:59 GMT"), Some(59_000));
        assert_eq!(pause("Fri, 31 Dec 2100 23:59:59 GMT"), Some(LONGEST_PAUSE));
        assert_eq!(pause("Thu, 30 Dec 1999 23:59:59 GMT"), Some(0));
        assert_eq!(pause("soon"), None);
    }
}
