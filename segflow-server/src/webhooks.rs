//! Webhooks that flows wait for: takes requests from the outbox, makes the calls, hands the answers to the flows as facts.
//!
//! At least once: a request stays due while it is being made, so a server that dies leaves it to be made again. No transaction is held
//! over a call.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use segflow_core::ledger::backoff;
use segflow_core::protocol::Webhook;
use serde_json::json;
use tokio::sync::{Notify, Semaphore};

use crate::clock::Clock;
use crate::flights::Flights;
use crate::ownership::{Held, Ownership};
use crate::secrets::{Known, Secrets};
use crate::store::webhooks::{self, Call, Called, Due, Place};
use crate::store::{Error, Result, Store, hold};
use crate::{outgoing, public};

/// Calls at one time, and those of them to one host: one that does not answer must not hold up what goes to others.
const SLOTS: usize = 128;
const OF_A_HOST: usize = 32;

/// How much of the queue is read at once, and how much of it in one look where it is longer.
const PAGE: usize = 256;
const LOOK: usize = 8 * PAGE;

/// How long after its time-out a call is taken for lost, in ms.
const GRACE: i64 = 30_000;

/// The most attempts.
const MOST_ATTEMPTS: u32 = 20;

/// The most of an answer that is kept, in bytes.
const LARGEST: usize = 65_536;

/// Between two tries to reach the database.
const PAUSE: Duration = Duration::from_millis(250);

pub struct Webhooks {
    store: Store,
    clock: Clock,
    ownership: Arc<Ownership>,
    secrets: Secrets,
    http: reqwest::Client,
    allow_private: bool,
    slots: Arc<Semaphore>,
    /// How many calls are under way, by host.
    hosts: Arc<Hosts>,
    /// Where the next look at a long queue begins.
    place: Mutex<(u16, Place)>,
    /// What is under way.
    pub flights: Arc<Flights>,
    /// An answer is a fact: somebody has to look at it.
    wake: Arc<Notify>,
}

impl Webhooks {
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
        wake: Arc<Notify>,
        allow_private: bool,
    ) -> anyhow::Result<Webhooks> {
        let http = public::client(allow_private)?;
        Ok(Webhooks {
            store,
            clock,
            ownership,
            secrets,
            http,
            allow_private,
            slots: Arc::new(Semaphore::new(SLOTS)),
            hosts: Arc::default(),
            place: Mutex::default(),
            flights: Arc::default(),
            wake,
        })
    }

    /// Begins some of the calls that are due; how many.
    pub async fn tick(self: &Arc<Self>) -> Result<usize> {
        let Held { incarnation, buckets } = self.ownership.held();
        if buckets.is_empty() || self.slots.available_permits() == 0 {
            return Ok(0);
        }
        let now = self.clock.now();
        let db = &self.store.db;
        let due = webhooks::due(db, &buckets, now, PAGE).await?;
        if due.len() < PAGE {
            return self.begin(&incarnation, due, now).await;
        }
        // More is due than can be looked at: bucket after bucket is gone through in order, from where the last look ended, so that what goes
        // to a host that takes nothing does not hide the rest for ever.
        let (first, mut place) = self.place.lock().expect("no panic while held").clone();
        let (mut begun, mut read) = (0, 0);
        // The first one again at the end, for what came before the place.
        for bucket in buckets.range(first..).chain(buckets.range(..=first)) {
            loop {
                let page = webhooks::due_after(db, *bucket, &place, now, PAGE).await?;
                let is_last = page.len() < PAGE;
                read += page.len();
                if let Some(Due { due_at, enrollment, op, .. }) = page.last().cloned() {
                    place = Place { due_at, enrollment, op };
                }
                begun += self.begin(&incarnation, page, now).await?;
                if self.slots.available_permits() == 0 || read >= LOOK {
                    *self.place.lock().expect("no panic while held") = (*bucket, place);
                    return Ok(begun);
                }
                if is_last {
                    break;
                }
            }
            place = Place::default();
        }
        *self.place.lock().expect("no panic while held") = (0, Place::default());
        Ok(begun)
    }

    /// Begins those of these calls for which there is room; how many.
    async fn begin(self: &Arc<Self>, incarnation: &str, due: Vec<Due>, now: i64) -> Result<usize> {
        let mut begun = 0;
        for due in due {
            let Some(room) = self.hosts.room(&due.url) else { continue };
            let Ok(slot) = self.slots.clone().try_acquire_owned() else { break };
            let call = match webhooks::claim(&self.store.db, incarnation, &due, GRACE, now).await {
                Ok(Some(call)) => call,
                Ok(None) => continue,
                Err(error) if error.is_away() || matches!(error, Error::Fenced) => return Err(error),
                // Nobody else waits for it.
                Err(error) => {
                    tracing::error!(%error, enrollment = due.enrollment, "a webhook cannot be begun");
                    continue;
                }
            };
            begun += 1;
            let (this, flight) = (self.clone(), self.flights.begin());
            tokio::spawn(async move {
                this.call(call).await;
                drop((slot, room));
                drop(flight);
            });
        }
        Ok(begun)
    }

    /// Makes all calls that are due now, and waits for them. Returns whether there were any.
    pub async fn drain(self: &Arc<Self>) -> Result<bool> {
        self.flights.drain(|| self.tick()).await
    }

    /// Whether a workspace is held: what is due there is gone over each time, and there may be much of it.
    pub async fn is_any_held(&self) -> Result<bool> {
        Ok(!hold::all(&self.store.db).await?.is_empty())
    }

    pub async fn next_due(&self) -> Result<Option<i64>> {
        webhooks::next_due(&self.store.db).await
    }

    async fn call(&self, call: Call) {
        let attempts = call.request.as_ref().map_or(1, |request| request.attempts);
        let called = match self.attempt(&call).await {
            Ok(value) => Called::Over { value, failed: None },
            Err(Failure { why, again: true }) if call.attempt < attempts.clamp(1, MOST_ATTEMPTS) => {
                let id = format!("{}/{}", call.enrollment, call.op);
                Called::Again { at: self.clock.now().saturating_add(backoff(&id, call.attempt)), why }
            }
            Err(Failure { why, .. }) => Called::Over { value: json!({ "error": why }).to_string(), failed: Some(why) },
        };
        let word = match &called {
            Called::Over { failed: None, .. } => "answered",
            Called::Over { .. } => "failed",
            Called::Again { .. } => "retry",
        };
        metrics::counter!("segflow_webhook_attempts_total", "outcome" => word).increment(1);
        while let Err(error) = webhooks::conclude(&self.store.db, &call, &called, self.clock.now()).await {
            tracing::warn!(%error, enrollment = call.enrollment, "the answer of a webhook waits to be stored");
            if !error.is_away() {
                // It stays due, and is tried again.
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.wake.notify_one();
    }

    /// The answer as the flow is told it, in JSON.
    async fn attempt(&self, call: &Call) -> std::result::Result<String, Failure> {
        let request = call.request.as_ref().map_err(|why| Failure::end(why.clone()))?;
        let url = public::allowed(&request.url, self.allow_private).map_err(Failure::end)?;
        let method = reqwest::Method::from_bytes(request.method.as_bytes())
            .map_err(|_| Failure::end(format!("`{}` is not a method", request.method)))?;
        let timeout = Duration::from_millis(webhooks::patience(request) as u64);
        let mut sending = self.http.request(method, url).headers(self.headers(call, request).await?).timeout(timeout);
        if let Some(body) = &request.body {
            sending = sending.header("content-type", "application/json").body(body.0.clone());
        }
        let mut answer = sending.send().await.map_err(|error| Failure::again(outgoing::reason(&error)))?;
        let status = answer.status();
        if status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429) {
            return Err(Failure::again(format!("it answered {status}")));
        }
        let mut body = vec![];
        while body.len() < LARGEST {
            match answer.chunk().await.map_err(|error| Failure::again(outgoing::reason(&error)))? {
                Some(part) => body.extend_from_slice(&part),
                None => break,
            }
        }
        body.truncate(LARGEST);
        Ok(json!({ "status": status.as_u16(), "body": String::from_utf8_lossy(&body) }).to_string())
    }

    async fn headers(&self, call: &Call, request: &Webhook) -> std::result::Result<HeaderMap, Failure> {
        let Webhook { headers, secrets, .. } = request;
        let known = match secrets.is_empty() {
            true => Known::default(),
            false => self.secrets.of(&call.workspace).await.map_err(|error| Failure::again(error.to_string()))?,
        };
        let mut map = HeaderMap::new();
        let mut put = |name: &str, value: &str| {
            let name = HeaderName::try_from(name).map_err(|_| Failure::end(format!("`{name}` is not a header")))?;
            let wrong = |_| Failure::end(format!("the value of header `{name}` cannot be sent"));
            map.insert(name.clone(), HeaderValue::from_str(value).map_err(wrong)?);
            Ok(())
        };
        for (name, value) in headers {
            put(name, value)?;
        }
        for (header, secret) in secrets {
            // It may be set in a minute.
            let missing = || Failure::again(format!("secret {secret} is not set on the server"));
            put(header, &known.get(secret).ok_or_else(missing)?)?;
        }
        put("idempotency-key", &format!("{}/{}", call.enrollment, call.op))?;
        Ok(map)
    }
}

/// What is wrong with a request, as far as it can be seen before it is made.
pub fn wrong(request: &Webhook) -> Option<String> {
    let Webhook { method, url, headers, secrets, .. } = request;
    let method = reqwest::Method::from_bytes(method.as_bytes()).err().map(|_| format!("`{method}` is not a method"));
    let names = headers.iter().chain(secrets).map(|(name, _)| name);
    let mut name =
        names.filter(|name| HeaderName::try_from(*name).is_err()).map(|name| format!("`{name}` is not a header"));
    let mut value = headers.iter().filter(|(_, value)| HeaderValue::from_str(value).is_err());
    let value = || value.next().map(|(name, _)| format!("the value of header `{name}` cannot be sent"));
    public::allowed(url, true).err().or(method).or_else(|| name.next()).or_else(value)
}

/// How many calls are under way, by host.
#[derive(Default)]
struct Hosts(Mutex<HashMap<String, usize>>);

/// A place among the calls to one host; it is free again when it is dropped.
struct Room {
    hosts: Arc<Hosts>,
    host: String,
}

impl Hosts {
    /// `None`: there are enough calls to this host.
    fn room(self: &Arc<Self>, url: &str) -> Option<Room> {
        let url = url::Url::parse(url).ok();
        let host = url.and_then(|url| Some(format!("{}:{:?}", url.host_str()?, url.port_or_known_default())));
        let host = host.unwrap_or_default();
        let mut hosts = self.0.lock().expect("no panic while held");
        let calls = hosts.entry(host.clone()).or_default();
        if *calls >= OF_A_HOST {
            return None;
        }
        *calls += 1;
        Some(Room { hosts: self.clone(), host })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut hosts = self.hosts.0.lock().expect("no panic while held");
        if let Some(calls) = hosts.get_mut(&self.host) {
            *calls -= 1;
            if *calls == 0 {
                hosts.remove(&self.host);
            }
        }
    }
}

/// Why an attempt gave no answer, and whether another may.
struct Failure {
    why: String,
    again: bool,
}

impl Failure {
    fn end(why: String) -> Failure {
        Failure { why, again: false }
    }

    fn again(why: String) -> Failure {
        Failure { why, again: true }
    }
}
