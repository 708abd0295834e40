//! The HTTP contract, as much of it as the commands need.

mod model;
mod problem;
mod retry;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, Method, Response, header};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::target::{self, Target};

#[cfg(feature = "server")]
pub use model::Clock;
pub use model::{Change, Estimate, Key, Me, Message, Moving, NewKey, Page, Plan, Secret};
pub use problem::Problem;

pub struct Api {
    http: Client,
    target: Target,
}

/// One call, before it is made.
struct Call {
    method: Method,
    /// From `/v1` on, encoded.
    path: String,
    body: Body,
    /// Doing it twice is the same as once, so that it may be tried again when nobody knows whether it was done.
    idempotent: bool,
    timeout: Duration,
}

/// A user's id, attributes and events: name, attributes, ms UTC.
#[cfg(feature = "server")]
pub type Person = (String, Map<String, Value>, Vec<(String, Map<String, Value>, i64)>);

/// How a push is meant.
#[derive(Debug, Clone, Copy, Default)]
pub struct PushOptions<'a> {
    /// Only if this is still the current generation.
    pub base: Option<i64>,
    pub allow_enter: Option<u64>,
    /// What happens to users in the middle of a campaign.
    pub in_flight: Option<&'a str>,
}

impl PushOptions<'_> {
    fn query(&self) -> String {
        let mut query = Vec::new();
        query.extend(self.base.map(|base| format!("base={base}")));
        query.extend(self.allow_enter.map(|users| format!("allow_enter={users}")));
        query.extend(self.in_flight.map(|policy| format!("in_flight={policy}")));
        if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) }
    }
}

enum Body {
    Empty,
    Json(Value),
    Wasm(Vec<u8>),
}

impl Api {
    pub fn new(target: Target) -> Result<Self> {
        Ok(Self { http: http_client(&target.url)?, target })
    }

    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Whose key this is.
    pub async fn me(&self) -> Result<Me> {
        self.call(Call::get("/me")).await
    }

    /// Merges attributes into a user (RFC 7396). Without `create`, an unknown user is an error.
    pub async fn merge(&self, user: &str, attributes: Map<String, Value>, create: bool) -> Result<Value> {
        let path = format!("/users/{}{}", segment(user)?, if create { "" } else { "?create=false" });
        self.call(Call::with(Method::PATCH, path, json!({"attributes": attributes})).idempotent()).await
    }

    /// The id is the caller's, so that a second try of the same event counts once.
    pub async fn emit(&self, user: &str, event: &Value) -> Result<Value> {
        let path = format!("/users/{}/events", segment(user)?);
        self.call(Call::with(Method::POST, path, event.clone()).idempotent()).await
    }

    /// What a push would do; nothing is changed.
    pub async fn plan(&self, wasm: Vec<u8>, in_flight: Option<&str>) -> Result<Plan> {
        let policy = in_flight.map_or(String::new(), |policy| format!("&in_flight={policy}"));
        self.call(Call::deployment(format!("?dry_run=true{policy}"), wasm).idempotent()).await
    }

    /// Pushes. With `base`, only if that is still the current generation.
    pub async fn deploy(&self, wasm: Vec<u8>, options: PushOptions<'_>) -> Result<Plan> {
        self.call(Call::deployment(options.query(), wasm)).await
    }

    pub async fn deployments(&self) -> Result<Vec<Value>> {
        self.all("/deployments").await
    }

    /// Puts an earlier deployment in force again.
    pub async fn activate(&self, id: &str, options: PushOptions<'_>) -> Result<Plan> {
        let call = Call::new(Method::POST, format!("/deployments/{}/activate{}", segment(id)?, options.query()));
        self.call(Call { timeout: Duration::from_mins(10), ..call }).await
    }

    pub async fn deployment(&self, id: &str) -> Result<Value> {
        self.call(Call::get(format!("/deployments/{}", segment(id)?))).await
    }

    pub async fn campaigns(&self) -> Result<Vec<Value>> {
        self.all("/campaigns").await
    }

    pub async fn campaign(&self, id: &str) -> Result<Value> {
        self.call(Call::get(format!("/campaigns/{}", segment(id)?))).await
    }

    pub async fn segment(&self, id: &str) -> Result<Value> {
        self.call(Call::get(format!("/segments/{}", segment(id)?))).await
    }

    /// Why a user is in a segment, or not.
    pub async fn explain(&self, id: &str, user: &str) -> Result<Value> {
        self.call(Call::get(format!("/segments/{}/explain?user={}", segment(id)?, encoded(user)))).await
    }

    pub async fn members(&self, id: &str) -> Result<Vec<Value>> {
        self.all(&format!("/segments/{}/members", segment(id)?)).await
    }

    pub async fn recalculate(&self, id: &str) -> Result<Value> {
        self.call(Call::new(Method::POST, format!("/segments/{}/recalculate", segment(id)?)).idempotent()).await
    }

    pub async fn enrollment(&self, id: &str) -> Result<Value> {
        self.call(Call::get(format!("/enrollments/{}", segment(id)?))).await
    }

    /// `pause`, `resume`, `restart` or `remove`.
    pub async fn act(&self, id: &str, action: &str, reason: Option<&str>) -> Result<Value> {
        let body = reason.map_or_else(|| json!({}), |reason| json!({"reason": reason}));
        self.call(Call::with(Method::POST, format!("/enrollments/{}/{action}", segment(id)?), body)).await
    }

    /// Puts users into a campaign; one result for each.
    pub async fn enroll(&self, campaign: &str, users: &[String], start_at: Option<&str>) -> Result<Value> {
        let mut body = json!({"users": users});
        if let Some(start_at) = start_at {
            body["start_at"] = start_at.into();
        }
        self.call(Call::with(Method::POST, format!("/campaigns/{}/enrollments", segment(campaign)?), body)).await
    }

    /// A user's id, attributes and events: name, attributes, ms UTC.
    #[cfg(feature = "server")]
    pub async fn person(&self, id: &str) -> Result<Person> {
        let user: Value = self.call(Call::get(format!("/users/{}", segment(id)?))).await?;
        let attributes = user["attributes"].as_object().cloned().unwrap_or_default();
        let mut events = vec![];
        for event in self.all::<Value>(&format!("/users/{}/events", segment(id)?)).await? {
            let name = event["name"].as_str().unwrap_or_default().to_owned();
            let at: jiff::Timestamp = event["occurred_at"].as_str().unwrap_or_default().parse()?;
            let attributes = event["attributes"].as_object().cloned().unwrap_or_default();
            events.push((name, attributes, at.as_millisecond()));
        }
        Ok((id.to_owned(), attributes, events))
    }

    /// Sends an email to an address as a test.
    #[cfg(feature = "server")]
    pub async fn try_email(&self, email: &Value) -> Result<Value> {
        let call = Call::with(Method::POST, "/emails/test".to_owned(), email.clone());
        self.call(Call { timeout: Duration::from_mins(3), ..call }).await
    }

    pub async fn create_key(&self, name: &str) -> Result<NewKey> {
        self.call(Call::with(Method::POST, "/keys".to_owned(), json!({"name": name}))).await
    }

    pub async fn keys(&self) -> Result<Vec<Key>> {
        self.all("/keys").await
    }

    pub async fn revoke_key(&self, id: &str) -> Result<Value> {
        self.call(Call::new(Method::DELETE, format!("/keys/{}", segment(id)?)).idempotent()).await
    }

    pub async fn set_secret(&self, name: &str, value: &str) -> Result<Value> {
        self.call(Call::with(Method::PUT, format!("/secrets/{}", segment(name)?), json!({"value": value})).idempotent())
            .await
    }

    pub async fn secrets(&self) -> Result<Vec<Secret>> {
        self.all("/secrets").await
    }

    pub async fn remove_secret(&self, name: &str) -> Result<Value> {
        self.call(Call::new(Method::DELETE, format!("/secrets/{}", segment(name)?))).await
    }

    pub async fn suppressions(&self) -> Result<Vec<Value>> {
        self.all("/suppressions").await
    }

    pub async fn suppression(&self, address: &str) -> Result<Value> {
        self.call(Call::get(format!("/suppressions/{}", segment(address)?))).await
    }

    pub async fn add_suppressions(&self, items: &Value) -> Result<Value> {
        let call = Call::with(Method::POST, "/suppressions".to_owned(), items.clone()).idempotent();
        self.call(Call { timeout: Duration::from_mins(2), ..call }).await
    }

    pub async fn lift_suppression(&self, address: &str) -> Result<Value> {
        self.call(Call::new(Method::DELETE, format!("/suppressions/{}", segment(address)?)).idempotent()).await
    }

    /// Whether sending is held, and what waits.
    pub async fn hold_state(&self) -> Result<Value> {
        self.call(Call::get("/hold")).await
    }

    pub async fn hold(&self, reason: Option<&str>) -> Result<Value> {
        self.call(Call::with(Method::PUT, "/hold".to_owned(), json!({"reason": reason})).idempotent()).await
    }

    /// Dropping goes on until nothing is left to drop.
    pub async fn release(&self, drop: bool) -> Result<Value> {
        let call = Call::new(Method::DELETE, if drop { "/hold?drop=true" } else { "/hold" });
        self.call(Call { idempotent: !drop, timeout: Duration::from_mins(10), ..call }).await
    }

    pub async fn allow_list(&self) -> Result<Value> {
        self.call(Call::get("/allow-list")).await
    }

    pub async fn set_allow_list(&self, patterns: &[String]) -> Result<Value> {
        self.call(Call::with(Method::PUT, "/allow-list".to_owned(), json!({"allow": patterns})).idempotent()).await
    }

    pub async fn clear_allow_list(&self) -> Result<Value> {
        self.call(Call::new(Method::DELETE, "/allow-list").idempotent()).await
    }

    pub async fn link_keys(&self) -> Result<Vec<Value>> {
        self.all("/link-keys").await
    }

    pub async fn create_link_key(&self) -> Result<Value> {
        self.call(Call::new(Method::POST, "/link-keys")).await
    }

    pub async fn revoke_link_key(&self, id: &str) -> Result<Value> {
        self.call(Call::new(Method::DELETE, format!("/link-keys/{}", segment(id)?)).idempotent()).await
    }

    pub async fn providers(&self) -> Result<Vec<Value>> {
        self.all("/providers").await
    }

    pub async fn retry_provider(&self, id: &str) -> Result<Value> {
        self.call(Call::new(Method::POST, format!("/providers/{}/retry", segment(id)?)).idempotent()).await
    }

    pub async fn webhooks(&self) -> Result<Vec<Value>> {
        self.all("/webhooks").await
    }

    pub async fn webhook(&self, id: &str) -> Result<Value> {
        self.call(Call::get(format!("/webhooks/{}", segment(id)?))).await
    }

    pub async fn add_webhook(&self, webhook: &Value) -> Result<Value> {
        self.call(Call::with(Method::POST, "/webhooks".to_owned(), webhook.clone())).await
    }

    pub async fn remove_webhook(&self, id: &str) -> Result<Value> {
        let call = Call::new(Method::DELETE, format!("/webhooks/{}", segment(id)?));
        self.call(Call { timeout: Duration::from_mins(10), ..call }).await
    }

    pub async fn enable_webhook(&self, id: &str) -> Result<Value> {
        self.call(Call::new(Method::POST, format!("/webhooks/{}/enable", segment(id)?)).idempotent()).await
    }

    pub async fn rotate_webhook(&self, id: &str) -> Result<Value> {
        self.call(Call::new(Method::POST, format!("/webhooks/{}/rotate", segment(id)?))).await
    }

    /// `{"delivery": ID}` or `{"since": INSTANT}`.
    pub async fn replay_webhook(&self, id: &str, what: &Value) -> Result<Value> {
        let call = Call::with(Method::POST, format!("/webhooks/{}/replay", segment(id)?), what.clone());
        self.call(Call { timeout: Duration::from_mins(10), ..call }).await
    }

    /// The newest ones.
    pub async fn deliveries(&self, id: &str, status: Option<&str>) -> Result<Page<Value>> {
        let status = status.map_or(String::new(), |status| format!("?status={status}"));
        self.call(Call::get(format!("/webhooks/{}/deliveries{status}", segment(id)?))).await
    }

    /// How everything is that the server can look at.
    pub async fn doctor(&self) -> Result<Vec<Value>> {
        let page: Page<Value> = self.call(Call { timeout: Duration::from_mins(2), ..Call::get("/doctor") }).await?;
        Ok(page.items)
    }

    pub async fn clock(&self) -> Result<Value> {
        self.call(Call::get("/dev/clock")).await
    }

    /// Answers when everything due on the way has run, which for months of a busy project takes its time.
    pub async fn advance(&self, by: &str) -> Result<Value> {
        self.move_clock(json!({"advance": by})).await
    }

    /// The same, to an instant.
    #[cfg(feature = "server")]
    pub async fn advance_to(&self, instant: &str) -> Result<Value> {
        self.move_clock(json!({"to": instant})).await
    }

    async fn move_clock(&self, how: Value) -> Result<Value> {
        let call = Call::with(Method::POST, "/dev/clock".to_owned(), how);
        self.call(Call { timeout: Duration::from_hours(1), ..call }).await
    }

    #[cfg(feature = "server")]
    pub async fn messages(&self, query: &str) -> Result<Vec<Message>> {
        self.all(&format!("/messages{query}")).await
    }

    /// The messages as the server gives them, for `--json`.
    #[cfg(feature = "server")]
    pub async fn raw_messages(&self) -> Result<Vec<Value>> {
        self.all("/messages").await
    }

    /// A page of the newest messages, the newest first. `query` are filters, each ending with `&`.
    pub async fn newest_messages(&self, query: &str, limit: u32) -> Result<Vec<Value>> {
        let page: Page<Value> = self.call(Call::get(format!("/messages?{query}order=newest&limit={limit}"))).await?;
        Ok(page.items)
    }

    /// One message, with its tries and what it says.
    pub async fn message<T: DeserializeOwned>(&self, id: &str) -> Result<T> {
        self.call(Call::get(format!("/messages/{}", segment(id)?))).await
    }

    /// Every page of a list.
    async fn all<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>> {
        let mut items = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let mut page = format!("{path}{}limit=1000", if path.contains('?') { '&' } else { '?' });
            if let Some(cursor) = &after {
                page.push_str(&format!("&after={}", encoded(cursor)));
            }
            let Page { items: more, next } = self.call(Call::get(page)).await?;
            items.extend(more);
            match next {
                Some(next) if after.as_ref() != Some(&next) => after = Some(next),
                _ => return Ok(items),
            }
        }
    }

    async fn call<T: DeserializeOwned>(&self, call: Call) -> Result<T> {
        let response = self.send(&call).await?;
        let status = response.status();
        if status.is_redirection() {
            let to = response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("elsewhere");
            bail!(
                "{} answers that it has moved to {to}: use that URL (this one is from {})",
                self.target.url,
                self.target.source
            );
        }
        let body = response.bytes().await.with_context(|| format!("the answer of {} broke off", self.target.url))?;
        if !status.is_success() {
            return Err(Problem::new(status, &body, &self.target).into());
        }
        // 204 has no body; who asked for a `Value` gets null.
        let body = if body.is_empty() { &b"null"[..] } else { &body[..] };
        serde_json::from_slice(body).with_context(|| {
            format!("{} does not answer as a Segflow server of this version does: is the URL right?", self.target.url)
        })
    }

    /// Sends until there is an answer to keep.
    async fn send(&self, call: &Call) -> Result<Response> {
        let mut tries = retry::Tries::new(call.idempotent);
        loop {
            let answer = self.request(call).send().await;
            match tries.wait(&answer) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return answer.map_err(|error| problem::unreachable(&error, &self.target)),
            }
        }
    }

    fn request(&self, call: &Call) -> reqwest::RequestBuilder {
        let request = self
            .http
            .request(call.method.clone(), format!("{}/v1{}", self.target.url, call.path))
            .bearer_auth(&self.target.key)
            .timeout(call.timeout);
        match &call.body {
            Body::Empty => request,
            Body::Json(value) => request.json(value),
            Body::Wasm(wasm) => request.header(header::CONTENT_TYPE, "application/wasm").body(wasm.clone()),
        }
    }
}

impl Call {
    fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), body: Body::Empty, idempotent: false, timeout: Duration::from_secs(30) }
    }

    fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path).idempotent()
    }

    fn with(method: Method, path: String, body: Value) -> Self {
        Self { body: Body::Json(body), ..Self::new(method, path) }
    }

    /// The server compiles the module, which takes seconds for a large one, and evaluates segments for everybody.
    fn deployment(query: String, wasm: Vec<u8>) -> Self {
        let call = Self::new(Method::POST, format!("/deployments{query}"));
        Self { body: Body::Wasm(wasm), timeout: Duration::from_mins(10), ..call }
    }

    fn idempotent(self) -> Self {
        Self { idempotent: true, ..self }
    }
}

/// A client that fits the URL.
pub fn http_client(url: &str) -> Result<Client> {
    // Fails only when a provider is there already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .connect_timeout(Duration::from_secs(5))
        // Following one would hand the key, or a changed method, to somebody else.
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("segflow-cli/", env!("CARGO_PKG_VERSION")));
    if target::is_local(url) {
        builder = builder.no_proxy();
    }
    if url.starts_with("http:") {
        // Otherwise a machine without certificates could not even talk to its own dev server.
        builder = builder.tls_certs_only([]);
    }
    builder.build().context("no HTTP client could be made")
}

const KEPT: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, &KEPT).to_string()
}

/// An id as a part of a path. A URL cannot carry a part `.` or `..`: every client and proxy resolves it, even percent-encoded.
fn segment(id: &str) -> Result<String> {
    match id {
        "" => Err(crate::failure::usage("an id is empty: ids have 1 to 255 bytes")),
        "." | ".." => Err(crate::failure::usage(format!(
            "the id `{id}` cannot stand in a URL; `POST /v1/batch` takes it, because there it is in the body"
        ))),
        id => Ok(encoded(id)),
    }
}

/// An id that nobody else has.
pub fn new_event_id() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("the system gives no random numbers: {error}"))?;
    Ok(format!("evt_{:032x}", u128::from_be_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_a_url() {
        assert_eq!(segment("o'brien/x ?#%").unwrap(), "o%27brien%2Fx%20%3F%23%25");
        assert_eq!(segment("ada ").unwrap(), "ada%20");
        assert_eq!(segment("🦊").unwrap(), "%F0%9F%A6%8A");
        for id in ["a.b", "...", "a/..", " ", "\n"] {
            let url = url::Url::parse(&format!("http://x/v1/users/{}/events", segment(id).unwrap())).unwrap();
            let part = url.path_segments().unwrap().nth(2).unwrap();
            assert_eq!(percent_encoding::percent_decode_str(part).decode_utf8().unwrap(), id);
        }
        for id in ["", ".", ".."] {
            assert!(segment(id).is_err());
        }
    }

    #[test]
    fn event_ids_differ() {
        let (one, two) = (new_event_id().unwrap(), new_event_id().unwrap());
        assert_ne!(one, two);
        assert_eq!(one.len(), 36);
    }
}
