//! A mail server that remembers every message it accepted, slowly.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::random::Random;

/// The server; it runs until the process ends.
#[derive(Clone)]
pub struct Recorder {
    pub port: u16,
    state: Arc<State>,
}

struct State {
    accepted: Mutex<BTreeMap<String, Vec<Accepted>>>,
    count: AtomicUsize,
    /// Messages of which the server has the body, or part of it, and has not answered.
    open: AtomicUsize,
    random: Mutex<Random>,
    slowest: u64,
}

/// One acceptance of a message.
#[derive(Debug, Clone)]
pub struct Accepted {
    pub to: String,
    pub subject: String,
}

impl Recorder {
    /// Answers each body after a random time, at most `slowest`.
    pub async fn start(slowest: Duration, seed: u64) -> Result<Recorder> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(State {
            accepted: Mutex::default(),
            count: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            random: Mutex::new(Random::new(seed)),
            slowest: slowest.as_micros() as u64,
        });
        let recorder = Recorder { port, state: state.clone() };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = state.clone();
                // A client that was killed is no news.
                tokio::spawn(async move { session(stream, &state).await.ok() });
            }
        });
        Ok(recorder)
    }

    /// Acceptances by Message-ID, without its brackets and domain.
    pub fn accepted(&self) -> BTreeMap<String, Vec<Accepted>> {
        self.state.accepted.lock().expect("no panic while held").clone()
    }

    /// How many acceptances so far.
    pub fn count(&self) -> usize {
        self.state.count.load(Ordering::SeqCst)
    }

    /// How many messages are between their body's first byte and the answer, at this moment.
    pub fn open(&self) -> usize {
        self.state.open.load(Ordering::SeqCst)
    }
}

struct Open<'a>(&'a AtomicUsize);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn session(stream: TcpStream, state: &State) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 recorder\r\n").await?;
    let (mut line, mut to) = (String::new(), String::new());
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let answer: &[u8] = match verb.as_str() {
            "EHLO" => b"250-recorder\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n",
            "RCPT" => {
                to = line.split(['<', '>']).nth(1).unwrap_or_default().to_string();
                b"250 ok\r\n"
            }
            "DATA" => {
                let _open = {
                    state.open.fetch_add(1, Ordering::SeqCst);
                    Open(&state.open)
                };
                stream.write_all(b"354 go on\r\n").await?;
                let Some((id, subject)) = body(&mut stream).await? else { return Ok(()) };
                // From here on it is accepted, whether or not the client lives to hear it.
                let accepted = Accepted { to: to.clone(), subject };
                state.accepted.lock().expect("no panic while held").entry(id).or_default().push(accepted);
                state.count.fetch_add(1, Ordering::SeqCst);
                let pause = state.random.lock().expect("no panic while held").below(state.slowest);
                tokio::time::sleep(Duration::from_micros(pause)).await;
                stream.write_all(b"250 accepted\r\n").await?;
                continue;
            }
            "QUIT" => {
                stream.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            _ => b"250 ok\r\n",
        };
        stream.write_all(answer).await?;
    }
}

/// Reads a message to its dot: its id and its subject. `None` if the client went away before.
async fn body(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<(String, String)>> {
    let (mut id, mut subject, mut line) = (String::new(), String::new(), vec![]);
    loop {
        line.clear();
        if stream.read_until(b'\n', &mut line).await? == 0 {
            return Ok(None);
        }
        if line == b".\r\n" {
            return Ok(Some((id, subject)));
        }
        let text = String::from_utf8_lossy(&line);
        match text.split_once(": ") {
            Some(("Message-ID", value)) if id.is_empty() => {
                id = value.trim().trim_start_matches('<').split('@').next().unwrap_or_default().to_string();
            }
            Some(("Subject", value)) if subject.is_empty() => subject = value.trim().to_string(),
            _ => {}
        }
    }
}
