//! A recorder that stands outside of the server: three providers that know what each was handed and has accepted, and that misbehave by a
//! script made of a seed. Postmark and an endpoint answer as their fakes do; what goes wrong goes wrong around that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use segflow_core::ids;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::smtp::{address, body, message_id};
use super::vendors::{Book, Call, Reply, Vendor, endpoint, postmark};

/// Addresses of nobody begin with this.
pub const NOBODY: &str = "invalid@";

/// What is done with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    Well,
    Slow,
    /// Takes nothing, and says so.
    Busy,
    /// Says that something went wrong, and may have taken it.
    Broken,
    CutBefore,
    CutAfter,
    HalfAnAnswer,
    Noise,
    /// Says nothing until the other side gives up, and may have taken it.
    Silent,
}

/// Of a thousand calls, what is done with so many; the rest goes well.
const SCRIPT: [(Act, u64); 8] = [
    (Act::Slow, 30),
    (Act::Busy, 15),
    (Act::Broken, 10),
    (Act::CutBefore, 10),
    (Act::CutAfter, 10),
    (Act::HalfAnAnswer, 10),
    (Act::Noise, 10),
    (Act::Silent, 3),
];

pub struct Recorder {
    pub postmark: String,
    pub endpoint: String,
    pub smtp: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    seed: u64,
    /// How many calls there were: each has its place in the script.
    calls: AtomicU64,
    /// How many of them are under way.
    open: AtomicUsize,
    /// Nothing goes wrong any more.
    is_well: AtomicBool,
    postmark: Book,
    endpoint: Book,
    mails: Mutex<Vec<String>>,
    seen: Mutex<BTreeSet<String>>,
    /// Messages of calls whose answer does not say what has become of them.
    unclear: Mutex<BTreeSet<String>>,
    done: Mutex<BTreeMap<Act, usize>>,
}

/// One of the two that speak HTTP.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Postmark,
    Endpoint,
}

impl Recorder {
    pub async fn start(seed: u64) -> Recorder {
        let state = Arc::new(State { seed, ..State::default() });
        let (postmark, endpoint, smtp) = (listen().await, listen().await, listen().await);
        let recorder = Recorder {
            postmark: format!("http://{}", at(&postmark)),
            endpoint: format!("http://{}/send", at(&endpoint)),
            smtp: format!("smtp://{}", at(&smtp)),
            state: state.clone(),
        };
        for (listener, who) in [(postmark, Some(Who::Postmark)), (endpoint, Some(Who::Endpoint)), (smtp, None)] {
            let state = state.clone();
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let state = state.clone();
                    tokio::spawn(async move {
                        // Whoever is killed in the middle ends the conversation; that is no error here.
                        let _ = match who {
                            Some(who) => http(stream, &state, who).await,
                            None => smtp_session(stream, &state).await,
                        };
                    });
                }
            });
        }
        recorder
    }

    /// How many messages have arrived, whatever has become of them.
    pub fn seen(&self) -> usize {
        self.state.seen.lock().unwrap().len()
    }

    /// How often each was accepted.
    pub fn accepted(&self) -> BTreeMap<String, usize> {
        let State { postmark, endpoint, mails, .. } = self.state.as_ref();
        let taken = postmark.taken().into_iter().chain(endpoint.taken()).map(|taken| taken.id);
        let mut counts = BTreeMap::new();
        for id in taken.chain(mails.lock().unwrap().clone()) {
            *counts.entry(id).or_default() += 1;
        }
        counts
    }

    /// What Postmark has.
    pub fn at_postmark(&self) -> BTreeSet<String> {
        self.state.postmark.taken().into_iter().map(|taken| taken.id).collect()
    }

    /// Whether Postmark finds nothing of it yet.
    pub fn hides(&self, hides: bool) {
        self.state.postmark.hide(hides);
    }

    pub fn unclear(&self) -> BTreeSet<String> {
        self.state.unclear.lock().unwrap().clone()
    }

    /// What went wrong how often.
    pub fn done(&self) -> String {
        format!("{:?}", self.state.done.lock().unwrap())
    }

    /// From now on nothing goes wrong.
    pub fn mend(&self) {
        self.state.is_well.store(true, Ordering::SeqCst);
    }

    pub fn is_idle(&self) -> bool {
        self.state.open.load(Ordering::SeqCst) == 0
    }
}

async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a port")
}

fn at(listener: &TcpListener) -> std::net::SocketAddr {
    listener.local_addr().expect("an address")
}

/// A call that is under way.
struct Open<'a>(&'a State);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl State {
    fn begin(&self) -> Open<'_> {
        self.open.fetch_add(1, Ordering::SeqCst);
        Open(self)
    }

    /// What is done with the next call, and a coin to toss. Where calls are few, more of them go wrong.
    fn next(&self, rate: u64) -> (Act, bool) {
        let drawn = ids::random(self.seed, self.calls.fetch_add(1, Ordering::SeqCst));
        let mut at = drawn % (1_000 / rate);
        let act = SCRIPT.iter().find_map(|(act, parts)| match at.checked_sub(*parts) {
            None => Some(*act),
            Some(rest) => {
                at = rest;
                None
            }
        });
        let act = act.filter(|_| !self.is_well.load(Ordering::SeqCst)).unwrap_or(Act::Well);
        *self.done.lock().unwrap().entry(act).or_default() += 1;
        (act, (drawn >> 40) & 1 == 1)
    }

    fn see(&self, ids: &[String]) {
        self.seen.lock().unwrap().extend(ids.iter().cloned());
    }

    /// Before a word is said: whoever hears it is not to be earlier than this.
    fn is_unclear(&self, ids: &[String]) {
        self.unclear.lock().unwrap().extend(ids.iter().cloned());
    }
}

/// Whether a message is taken with which that is done.
fn takes(act: Act, coin: bool) -> bool {
    match act {
        Act::Well | Act::Slow | Act::CutAfter | Act::HalfAnAnswer | Act::Noise => true,
        Act::Broken | Act::Silent => coin,
        Act::Busy | Act::CutBefore => false,
    }
}

async fn http(stream: TcpStream, state: &State, who: Who) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(call) = read(&mut stream).await? {
        let _open = state.begin();
        if !answer(&mut stream, &call, state, who).await? {
            break;
        }
    }
    Ok(())
}

async fn read(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<Call>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (method, uri) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    // Nothing is escaped in what is asked here.
    let query = query.split('&').filter_map(|pair| pair.split_once('='));
    let query = query.map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let mut headers = HeaderMap::new();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        let name: HeaderName = name.parse().expect("a header");
        headers.insert(name, HeaderValue::from_str(value).expect("a value"));
    }
    let length = headers.get("content-length").and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0);
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    let method: Method = method.parse().expect("a method");
    Ok(Some(Call { method, path: path.to_string(), query, headers, bytes: bytes.into() }))
}

/// The messages of a call.
fn messages(body: &Value) -> Vec<String> {
    let id = |value: &Value| value.as_str().map(String::from);
    match body {
        Value::Array(emails) => emails.iter().filter_map(|email| id(&email["Metadata"]["segflow"])).collect(),
        one => id(&one["id"]).into_iter().collect(),
    }
}

/// `false` closes the connection.
async fn answer(stream: &mut BufReader<TcpStream>, call: &Call, state: &State, who: Who) -> std::io::Result<bool> {
    let (vendor, book, rate): (Vendor, &Book, u64) = match who {
        Who::Postmark => (postmark::vendor, &state.postmark, 3),
        Who::Endpoint => (endpoint::vendor, &state.endpoint, 1),
    };
    let ids = messages(&call.json());
    let (act, coin) = if ids.is_empty() { (Act::Well, false) } else { state.next(rate) };
    state.see(&ids);
    match act {
        Act::Broken | Act::CutBefore | Act::CutAfter | Act::Noise | Act::Silent => state.is_unclear(&ids),
        // Postmark says in the body what it takes; an endpoint in the status.
        Act::HalfAnAnswer if who == Who::Postmark => state.is_unclear(&ids),
        _ => {}
    }
    let reply = if takes(act, coin) { vendor(book, call) } else { None };
    let reply = match act {
        Act::Busy => Some(Reply::new(if coin { 429 } else { 503 }, "{}")),
        Act::Broken => Some(Reply::new(500, "{}")),
        _ => reply,
    };
    let whole = reply.map(|reply| on_the_wire(&reply)).unwrap_or_default();
    match act {
        Act::Slow => slowly().await,
        Act::CutBefore | Act::CutAfter => return Ok(false),
        Act::Noise => {
            stream.write_all(b"\x16what do you want?\r\n\r\n").await?;
            return Ok(false);
        }
        Act::HalfAnAnswer => {
            let head = whole.find("\r\n\r\n").map_or(0, |at| at + 4);
            let half = head + (whole.len() - head) / 2;
            stream.write_all(&whole.as_bytes()[..half]).await?;
            return Ok(false);
        }
        Act::Silent => {
            let _ = stream.read_u8().await;
            return Ok(false);
        }
        Act::Well | Act::Busy | Act::Broken => {}
    }
    stream.write_all(whole.as_bytes()).await?;
    Ok(true)
}

fn on_the_wire(reply: &Reply) -> String {
    let headers: String = reply.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let Reply { status, body, .. } = reply;
    format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

async fn slowly() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}

async fn smtp_session(stream: TcpStream, state: &State) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 recorder ESMTP\r\n").await?;
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let said = match line.get(..4).unwrap_or_default().to_ascii_uppercase().as_str() {
            "EHLO" | "HELO" => "250-recorder\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n",
            "RCPT" if address(&line).starts_with(NOBODY) => "550 nobody lives there\r\n",
            "DATA" => {
                let _open = state.begin();
                if !mail(&mut stream, state).await? {
                    return Ok(());
                }
                continue;
            }
            "QUIT" => return stream.write_all(b"221 bye\r\n").await,
            _ => "250 ok\r\n",
        };
        stream.write_all(said.as_bytes()).await?;
    }
}

/// What comes after `DATA`; `false` closes the connection. What breaks before the body is certain, whatever it is.
async fn mail(stream: &mut BufReader<TcpStream>, state: &State) -> std::io::Result<bool> {
    let (act, coin) = state.next(1);
    match (act, coin) {
        (Act::Busy, true) => {
            stream.write_all(b"451 come again\r\n").await?;
            return Ok(true);
        }
        (Act::Busy, false) => {
            stream.write_all(b"421 not now\r\n").await?;
            return Ok(false);
        }
        (Act::CutBefore, true) => return Ok(false),
        _ => stream.write_all(b"354 go on\r\n").await?,
    }
    let ids = [message_id(&body(stream).await?)];
    state.see(&ids);
    if !matches!(act, Act::Well | Act::Slow) {
        state.is_unclear(&ids);
    }
    if takes(act, coin) {
        state.mails.lock().unwrap().extend(ids);
    }
    match act {
        Act::Well => {}
        Act::Slow => slowly().await,
        Act::Busy | Act::CutBefore | Act::CutAfter => return Ok(false),
        // A code that does not exist, so that it says nothing.
        Act::Broken | Act::Noise => {
            stream.write_all(b"what do you want?\r\n").await?;
            return Ok(false);
        }
        Act::HalfAnAnswer => {
            stream.write_all(b"25").await?;
            return Ok(false);
        }
        Act::Silent => {
            let _ = stream.read_u8().await;
            return Ok(false);
        }
    }
    stream.write_all(b"250 accepted\r\n").await?;
    Ok(true)
}
