//! Webhooks that flows wait for: takes requests from the outbox, makes the calls, hands the answers to the flows as facts.
//!
//! At least once: a request stays due while it is being made, so a server that dies leaves it to be made again. No transaction is held
//! over a call.

use std::sync::Arc;
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
use crate::store::webhooks::{self, Call, Called};
use crate::store::{Result, Store};
use crate::{outgoing, public};

/// Calls at one time.
const SLOTS: usize = 32;

/// How long after its time-out a call is taken for lost, in ms.
const PATIENCE: i64 = 30_000;

/// The longest time that one attempt is given, in ms, and the most attempts.
const LONGEST: i64 = 60_000;
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
            flights: Arc::default(),
            wake,
        })
    }

    /// Begins some of the calls that are due; how many.
    pub async fn tick(self: &Arc<Self>) -> Result<usize> {
        let Held { incarnation, buckets } = self.ownership.held();
        let free = self.slots.available_permits();
        if buckets.is_empty() || free == 0 {
            return Ok(0);
        }
        let now = self.clock.now();
        let mut begun = 0;
        for (enrollment, op) in webhooks::due(&self.store.db, &buckets, now, free).await? {
            let Ok(slot) = self.slots.clone().try_acquire_owned() else { break };
            let db = &self.store.db;
            let Some(call) = webhooks::claim(db, &incarnation, &enrollment, op, PATIENCE, now).await? else { continue };
            begun += 1;
            let (this, flight) = (self.clone(), self.flights.begin());
            tokio::spawn(async move {
                this.call(call).await;
                drop(slot);
                drop(flight);
            });
        }
        Ok(begun)
    }

    /// Makes all calls that are due now, and waits for them. Returns whether there were any.
    pub async fn drain(self: &Arc<Self>) -> Result<bool> {
        self.flights.drain(|| self.tick()).await
    }

    pub async fn next_due(&self) -> Result<Option<i64>> {
        webhooks::next_due(&self.store.db).await
    }

    async fn call(&self, call: Call) {
        let called = match self.attempt(&call).await {
            Ok(value) => Called::Over { value, failed: None },
            Err(Failure { why, again: true }) if call.attempt < call.request.attempts.clamp(1, MOST_ATTEMPTS) => {
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
        let request = &call.request;
        let url = public::allowed(&request.url, self.allow_private).map_err(Failure::end)?;
        let method = reqwest::Method::from_bytes(request.method.as_bytes())
            .map_err(|_| Failure::end(format!("`{}` is not a method", request.method)))?;
        let timeout = Duration::from_millis(request.timeout.clamp(1, LONGEST) as u64);
        let mut sending = self.http.request(method, url).headers(self.headers(call).await?).timeout(timeout);
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

    async fn headers(&self, call: &Call) -> std::result::Result<HeaderMap, Failure> {
        let Webhook { headers, secrets, .. } = &call.request;
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
