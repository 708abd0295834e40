//! A Postmark on this machine that takes everything at once, and remembers when some of it came. Its tests, and what it refuses, are
//! elsewhere: here it must cost next to nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use anyhow::Result;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::now;

/// The service; it runs until the process ends.
pub struct Postmark {
    pub url: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    count: AtomicUsize,
    /// When messages of transactions came, by recipient.
    arrived: Mutex<BTreeMap<String, Instant>>,
}

impl Postmark {
    pub async fn start() -> Result<Postmark> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (url, state) = (format!("http://{}", listener.local_addr()?), Arc::new(State::default()));
        let kept = state.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = kept.clone();
                tokio::spawn(async move { serve(stream, &state).await.ok() });
            }
        });
        Ok(Postmark { url, state })
    }

    /// How many messages it has taken.
    pub fn count(&self) -> usize {
        self.state.count.load(Ordering::SeqCst)
    }

    /// When the message of a transaction to somebody came.
    pub fn arrived(&self, to: &str) -> Option<Instant> {
        self.state.arrived.lock().expect("no panic while held").get(to).copied()
    }
}

async fn serve(stream: TcpStream, state: &State) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::with_capacity(256 << 10, stream);
    let (mut line, mut body) = (String::new(), vec![]);
    loop {
        let mut length = 0;
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            if line == "\r\n" {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        body.resize(length, 0);
        stream.read_exact(&mut body).await?;
        let at = now();
        let count = take(&body, at, state);
        let one = r#"{"ErrorCode":0,"Message":"OK","MessageID":"0"}"#;
        let answer = format!("[{}]", vec![one; count].join(","));
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", answer.len());
        stream.write_all(&[head.as_bytes(), answer.as_bytes()].concat()).await?;
    }
}

/// Counts the messages of a batch. Quotes within them are escaped, so a key can only be a key.
fn take(body: &[u8], at: Instant, state: &State) -> usize {
    let text = String::from_utf8_lossy(body);
    let count = text.matches(r#""MessageStream":"#).count();
    if text.contains(r#""MessageStream":"outbound""#) {
        let to = text.split(r#""To":""#).skip(1).filter_map(|rest| rest.split('"').next());
        let mut arrived = state.arrived.lock().expect("no panic while held");
        for to in to {
            arrived.entry(to.to_string()).or_insert(at);
        }
    }
    state.count.fetch_add(count, Ordering::SeqCst);
    count
}
