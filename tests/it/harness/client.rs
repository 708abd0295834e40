//! The HTTP contract, as a script would use it.

use reqwest::Method;
use serde_json::{Value, json};

use super::segment;

/// Talks to a server with one key.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    pub base: String,
    pub key: String,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub what: String,
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Vec<u8>,
}

impl Client {
    pub fn new(base: impl Into<String>, key: impl Into<String>) -> Client {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = reqwest::Client::builder().no_proxy().tls_certs_only([]);
        Client { http: builder.build().expect("a client"), base: base.into(), key: key.into() }
    }

    /// The same server with another key, over connections of its own.
    pub fn with_key(&self, key: &str) -> Client {
        Client::new(self.base.clone(), key)
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        if self.key.is_empty() { request } else { request.bearer_auth(&self.key) }
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let request = request.build().expect("a request");
        let what = format!("{} {}", request.method(), request.url());
        let answer = self.http.execute(request).await.unwrap_or_else(|e| panic!("{what}: {e:?}"));
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = answer.bytes().await.unwrap_or_else(|e| panic!("{what}: {e:?}")).to_vec();
        Answer { what, status, headers, body }
    }

    /// Whether all of a batch was taken: each item has its own answer. The server may be gone, or go meanwhile.
    pub async fn takes(&self, path: &str, body: &Value) -> bool {
        let Ok(answer) = self.request(Method::POST, path).json(body).send().await else { return false };
        if answer.status() != 200 {
            return false;
        }
        let Ok(answer) = answer.json::<Value>().await else { return false };
        let done = |item: &Value| item["status"].as_i64().is_some_and(|status| status < 300);
        answer["results"].as_array().is_none_or(|items| items.iter().all(done))
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    pub async fn with_body(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.send(self.request(method, path).json(body)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.with_body(Method::POST, path, &body).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.with_body(Method::PUT, path, &body).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.with_body(Method::PATCH, path, &body).await
    }

    /// Merges attributes into a user.
    pub async fn add(&self, user: &str, attributes: Value) -> Value {
        self.patch(&format!("/v1/users/{}", segment(user)), json!({ "attributes": attributes })).await.ok()
    }

    pub async fn emit(&self, user: &str, name: &str, attributes: Value) -> Value {
        let event = json!({ "name": name, "attributes": attributes });
        self.post(&format!("/v1/users/{}/events", segment(user)), event).await.ok()
    }

    pub async fn deploy(&self, query: &str, wasm: Vec<u8>) -> Answer {
        let request = self.request(Method::POST, &format!("/v1/deployments{query}"));
        self.send(request.header("content-type", "application/wasm").body(wasm)).await
    }

    /// Pushes a module that must be accepted; the plan.
    pub async fn push(&self, wasm: Vec<u8>) -> Value {
        self.deploy("", wasm).await.ok()
    }

    /// All items of a list, page after page.
    pub async fn items(&self, path: &str) -> Vec<Value> {
        let glue = if path.contains('?') { '&' } else { '?' };
        let (mut items, mut after) = (vec![], String::new());
        loop {
            let page = self.get(&format!("{path}{glue}limit=1000{after}")).await.ok();
            items.extend(page["items"].as_array().expect("items").iter().cloned());
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return items,
            }
        }
    }

    /// The messages of a user in the order in which they were decided.
    pub async fn messages(&self, user: &str) -> Vec<Value> {
        self.items(&format!("/v1/users/{}/messages", segment(user))).await
    }

    /// One message, whole.
    pub async fn message(&self, listed: &Value) -> Value {
        self.get(&format!("/v1/messages/{}", listed["id"].as_str().expect("an id"))).await.ok()
    }

    pub async fn enrollments(&self, user: &str) -> Vec<Value> {
        self.items(&format!("/v1/users/{}/enrollments", segment(user))).await
    }

    /// The segments a user is in.
    pub async fn segments(&self, user: &str) -> Vec<String> {
        let items = self.items(&format!("/v1/users/{}/segments", segment(user))).await;
        items.iter().map(|s| s["id"].as_str().expect("an id").to_string()).collect()
    }

    /// Moves the virtual clock; everything due on the way has run when this returns.
    pub async fn advance(&self, span: &str) -> Value {
        self.post("/v1/dev/clock", json!({ "advance": span })).await.ok()
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{self:?}: {e}"))
    }

    /// The document of a request that must have been granted.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!((200..300).contains(&self.status), "{} answers {}: {}", self.what, self.status, self.text());
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// The problem document of a request that must have been refused.
    #[track_caller]
    pub fn problem(self, status: u16, code: &str) -> Value {
        let what = format!("{} answers {}: {}", self.what, self.status, self.text());
        assert_eq!(self.status, status, "{what}");
        let document = self.document();
        assert_eq!(document["code"], code, "{what}");
        document
    }

    /// Any problem document; it is complete and says the same as the status line.
    #[track_caller]
    pub fn document(&self) -> Value {
        let what = format!("{} answers {}: {}", self.what, self.status, self.text());
        let ty = self.headers.get("content-type").map(|v| v.to_str().expect("text"));
        assert_eq!(ty, Some("application/problem+json"), "{what}");
        let document = self.json();
        assert_eq!(document["status"], self.status, "{what}");
        for member in ["type", "title", "detail", "code"] {
            assert!(document[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {what}");
        }
        document
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
