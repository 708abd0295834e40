//! Webhooks that flows wait for: takes requests from the outbox, makes the calls, hands the answers to the flows as facts.
//!
//! At least once: a request stays due while it is being made, so a server that dies leaves it to be made again. No transaction is held
//! over a call.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use segflow_core::ledger::backoff;
use segflow_core::protocol::Webhook;
use serde_json::json;
use tokio::sync::{Notify, Semaphore};
use url::{Host, Url};

use crate::clock::Clock;
use crate::outgoing;
use crate::ownership::{Held, Ownership};
use crate::secrets::{Known, Secrets};
use crate::store::webhooks::{self, Call, Called};
use crate::store::{Result, Store};

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
    in_flight: AtomicUsize,
    landed: Notify,
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
        let http = outgoing::client(|builder| builder.dns_resolver(Arc::new(Resolver { allow_private })))?;
        Ok(Webhooks {
            store,
            clock,
            ownership,
            secrets,
            http,
            allow_private,
            slots: Arc::new(Semaphore::new(SLOTS)),
            in_flight: AtomicUsize::new(0),
            landed: Notify::new(),
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
            self.in_flight.fetch_add(1, Ordering::SeqCst);
            let this = self.clone();
            tokio::spawn(async move {
                this.call(call).await;
                drop(slot);
                this.in_flight.fetch_sub(1, Ordering::SeqCst);
                this.landed.notify_waiters();
            });
        }
        Ok(begun)
    }

    /// Makes all calls that are due now, and waits for them. Returns whether there were any.
    pub async fn drain(self: &Arc<Self>) -> Result<bool> {
        let mut worked = false;
        loop {
            let begun = self.tick().await?;
            self.settle().await;
            if begun == 0 {
                return Ok(worked);
            }
            worked = true;
        }
    }

    /// Waits until no call is under way.
    pub async fn settle(&self) {
        loop {
            let landed = self.landed.notified();
            if self.in_flight.load(Ordering::SeqCst) == 0 {
                return;
            }
            landed.await;
        }
    }

    /// Waits until a call may have ended.
    pub async fn landed(&self) {
        self.landed.notified().await;
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
        let url = self.allowed(&request.url)?;
        let method = reqwest::Method::from_bytes(request.method.as_bytes())
            .map_err(|_| Failure::end(format!("`{}` is not a method", request.method)))?;
        let timeout = Duration::from_millis(request.timeout.clamp(1, LONGEST) as u64);
        let mut sending = self.http.request(method, url).headers(self.headers(call).await?).timeout(timeout);
        if let Some(body) = &request.body {
            sending = sending.header("content-type", "application/json").body(body.0.clone());
        }
        let mut answer = sending.send().await.map_err(|error| Failure::again(reason(&error)))?;
        let status = answer.status();
        if status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429) {
            return Err(Failure::again(format!("it answered {status}")));
        }
        let mut body = vec![];
        while body.len() < LARGEST {
            match answer.chunk().await.map_err(|error| Failure::again(reason(&error)))? {
                Some(part) => body.extend_from_slice(&part),
                None => break,
            }
        }
        body.truncate(LARGEST);
        Ok(json!({ "status": status.as_u16(), "body": String::from_utf8_lossy(&body) }).to_string())
    }

    /// The address of a call, if it may be called. Names are looked at again when they are resolved.
    fn allowed(&self, url: &str) -> std::result::Result<Url, Failure> {
        let url = Url::parse(url).map_err(|e| Failure::end(format!("`{url}` is not an address: {e}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Failure::end(format!("`{}` is neither http nor https", url.scheme())));
        }
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            _ => None,
        };
        match address.filter(|address| !self.allow_private && !is_public(*address)) {
            Some(address) => Err(Failure::end(private(&address.to_string()))),
            None => Ok(url),
        }
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

/// Without the address, which may hold anything.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".into();
    }
    let mut source: &dyn std::error::Error = error;
    while let Some(deeper) = source.source() {
        source = deeper;
    }
    format!("no answer: {source}")
}

fn private(host: &str) -> String {
    format!(
        "{host} is not an address of the public internet: start the server with SEGFLOW_ALLOW_PRIVATE_WEBHOOKS=1 to call it"
    )
}

/// Resolves names to public addresses only. The check is here, and not before, because a name may resolve to something else next time.
struct Resolver {
    allow_private: bool,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed: Vec<SocketAddr> =
                found.iter().copied().filter(|address| allow_private || is_public(address.ip())).collect();
            match allowed.is_empty() && !found.is_empty() {
                true => Err(private(name.as_str()).into()),
                false => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

/// Whether an address is one of the public internet (the IANA registries of special-purpose addresses, RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_broadcast()
                || v4.is_documentation()
                || v4.is_multicast()
                || a == 0
                || a >= 240
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 198 && (18..20).contains(&b)))
        }
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_public(IpAddr::V4(v4)),
            // Global unicast, without what carries an IPv4 address inside or stands for documentation.
            None => {
                let [a, b, ..] = v6.segments();
                (a & 0xe000) == 0x2000 && a != 0x2002 && !(a == 0x2001 && (b < 0x0200 || b == 0x0db8))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::is_public;

    #[test]
    fn private_addresses_are_known() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "192.0.0.8",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "::ffff:10.0.0.1",
            "2002:a00::1",
            "2001:db8::1",
            "2001::1",
            "ff02::1",
            "64:ff9b::a00:1",
        ] {
            assert!(!is_public(private.parse().expect("an address")), "{private}");
        }
        for public in
            ["8.8.8.8", "1.1.1.1", "172.15.0.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2001:4860::8888"]
        {
            assert!(is_public(public.parse().expect("an address")), "{public}");
        }
    }
}
