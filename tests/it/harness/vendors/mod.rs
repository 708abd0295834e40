//! Services that send mail, as far as Segflow needs them: they take what the vendors take and refuse what they refuse. What they do with
//! a message is said by its recipient, in a table of cases for each vendor. That they are as the vendors are is what the vendors' own
//! client libraries prove in `tests/it/vendors/clients.rs`.

pub mod endpoint;
pub mod hooks;
pub mod mixmax;
pub mod postmark;
pub mod resend;
pub mod sendgrid;
pub mod ses;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// A message that was accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// The ledger's id, where it travels with the message.
    pub id: String,
    pub to: String,
    /// The whole message, as the vendor got it.
    pub body: Value,
}

/// What happens with messages to some recipient.
pub struct Case {
    /// The recipient's address before the `@`.
    pub to: &'static str,
    pub answer: Say,
    /// What Segflow makes of it: the status in the ledger, and a part of the reason.
    pub becomes: &'static str,
    pub because: &'static str,
}

/// What a fake says.
#[derive(Debug, Clone, Copy)]
pub enum Say {
    /// Takes the message.
    Yes,
    /// Refuses it with a status and a body; `|name: value` after the body are headers.
    No(u16, &'static str),
    /// Of one message among others in a call: a code and a text.
    Code(i64, &'static str),
    /// Takes it, and closes the connection without a word.
    Cut,
    /// Takes it, and says something that nobody understands.
    Mumble,
}

/// A call as it came.
pub struct Call {
    pub method: Method,
    pub path: String,
    /// What comes after the question mark.
    pub query: Vec<(String, String)>,
    pub headers: HeaderMap,
    pub bytes: Bytes,
}

impl Call {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }

    /// A parameter, however it is written.
    pub fn asks(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// What is answered.
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Reply {
    pub fn new(status: u16, body: impl ToString) -> Reply {
        Reply { status, headers: vec![], body: body.to_string() }
    }

    /// From a case: `BODY|name: value|name: value`.
    pub fn of(status: u16, text: &str) -> Reply {
        let mut parts = text.split('|');
        let body = parts.next().unwrap_or_default().to_string();
        let headers = parts.filter_map(|part| part.split_once(": ")).map(|(n, v)| (n.to_string(), v.to_string()));
        Reply { status, headers: headers.collect(), body }
    }

    pub fn with(mut self, name: &str, value: impl ToString) -> Reply {
        self.headers.push((name.to_string(), value.to_string()));
        self
    }
}

/// What a vendor does with a call. `None` closes the connection.
pub type Vendor = fn(&Book, &Call) -> Option<Reply>;

/// What a vendor remembers.
#[derive(Default)]
pub struct Book {
    taken: Mutex<Vec<Taken>>,
    calls: Mutex<Vec<Value>>,
    /// By idempotency key: what came with it, and what was answered.
    pub keys: Mutex<BTreeMap<String, (Value, String)>>,
    /// What it says to everybody, whatever they want.
    mood: Mutex<Option<Say>>,
    /// Whether campaigns' messages wait for an answer.
    holds: Mutex<bool>,
    held: Notify,
    /// Whether nothing of what it has taken is to be found yet.
    hides: Mutex<bool>,
}

impl Book {
    /// Accepts a message, and gives it a number.
    pub fn take(&self, id: &Value, to: &Value, body: &Value) -> usize {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
        let mut taken = self.taken.lock().unwrap();
        taken.push(Taken { id: text(id), to: text(to), body: body.clone() });
        taken.len()
    }

    pub fn taken(&self) -> Vec<Taken> {
        self.taken.lock().unwrap().clone()
    }

    /// Whether what it takes is not to be found from now on.
    pub fn hide(&self, hides: bool) {
        *self.hides.lock().unwrap() = hides;
    }

    /// What a search looks through, with its numbers, the newest first.
    pub fn found(&self) -> Vec<(usize, Taken)> {
        if *self.hides.lock().unwrap() {
            return vec![];
        }
        let mut all: Vec<(usize, Taken)> = (1..).zip(self.taken()).collect();
        all.reverse();
        all
    }
}

/// A vendor that runs.
pub struct Fake {
    pub url: String,
    book: Arc<Book>,
    serving: JoinHandle<()>,
}

impl Fake {
    pub async fn start(vendor: Vendor) -> Fake {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let book: Arc<Book> = Arc::default();
        let router = Router::new().fallback(serve).with_state((vendor, book.clone()));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Fake { url, book, serving }
    }

    /// From now on it says this to everybody, until nothing is set.
    pub fn says(&self, mood: Option<Say>) {
        *self.book.mood.lock().unwrap() = mood;
    }

    /// Whether messages of campaigns get no answer from now on.
    pub fn holds(&self, holds: bool) {
        *self.book.holds.lock().unwrap() = holds;
        self.book.held.notify_waiters();
    }

    /// Whether what it takes is not to be found from now on.
    pub fn hides(&self, hides: bool) {
        self.book.hide(hides);
    }

    pub fn taken(&self) -> Vec<Taken> {
        self.book.taken()
    }

    /// The bodies of all calls.
    pub fn calls(&self) -> Vec<Value> {
        self.book.calls.lock().unwrap().clone()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(
    State((vendor, book)): State<(Vendor, Arc<Book>)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response {
    let query = Query::<Vec<(String, String)>>::try_from_uri(&uri).map(|query| query.0).unwrap_or_default();
    let call = Call { method, path: uri.path().to_string(), query, headers, bytes };
    book.calls.lock().unwrap().push(call.json());
    while *book.holds.lock().unwrap() && call.json()["transaction"] == false {
        let released = book.held.notified();
        released.await;
    }
    let mood = *book.mood.lock().unwrap();
    let reply = match mood {
        Some(Say::No(status, text)) => Some(Reply::of(status, text)),
        Some(Say::Cut) => None,
        _ => vendor(&book, &call),
    };
    // Nothing but the end of its task closes a connection without an answer; so it ends without a word.
    let Some(reply) = reply else { std::panic::resume_unwind(Box::new("cut")) };
    let mut response = (StatusCode::from_u16(reply.status).expect("a status"), reply.body).into_response();
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    for (name, value) in reply.headers {
        let name: HeaderName = name.parse().expect("a name");
        response.headers_mut().insert(name, value.parse().expect("a value"));
    }
    response
}

/// The case of a recipient.
pub fn case<'a>(cases: &'a [Case], to: &str) -> Option<&'a Case> {
    let name = to.split('@').next().unwrap_or_default();
    cases.iter().find(|case| case.to == name)
}

/// Whether a text is an address, with or without a name; as far as these fakes care.
pub fn is_mailbox(text: &str) -> bool {
    let address = text.rsplit_once('<').map_or(text, |(_, rest)| rest.trim_end_matches('>'));
    address.split_once('@').is_some_and(|(user, domain)| !user.is_empty() && domain.contains('.'))
}
