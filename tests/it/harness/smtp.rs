//! A mail server that records what it accepts and misbehaves where it is told to.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// At which command something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    Mail,
    Rcpt,
    Data,
    /// After the final dot.
    Body,
}

#[derive(Debug, Clone)]
pub enum Act {
    /// Answers with this line.
    Say(&'static str),
    /// Closes the connection; a whole message counts as accepted.
    Cut,
    /// Waits for [`Smtp::release`], then goes on.
    Hold,
}

/// A message that was accepted.
#[derive(Debug, Clone)]
pub struct Mail {
    /// The `Message-ID`, without its brackets and domain: the ledger's id.
    pub id: String,
    pub from: String,
    pub to: String,
    /// As it came, with its headers.
    pub raw: String,
}

#[derive(Clone)]
pub struct Smtp {
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    accepted: Mutex<Vec<Mail>>,
    /// By recipient: what happens, once each, before all is well again.
    script: Mutex<BTreeMap<String, VecDeque<(At, Act)>>>,
    held: Mutex<usize>,
    released: Notify,
}

impl Smtp {
    pub async fn start() -> Smtp {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let smtp = Smtp { port, state: Arc::default() };
        let state = smtp.state.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, state.clone()));
            }
        });
        smtp
    }

    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    pub fn script(&self, to: &str, at: At, act: Act) {
        self.state.script.lock().unwrap().entry(to.to_string()).or_default().push_back((at, act));
    }

    /// How many mails it has accepted.
    pub fn count(&self) -> usize {
        self.state.accepted.lock().unwrap().len()
    }

    pub fn accepted(&self) -> Vec<Mail> {
        self.state.accepted.lock().unwrap().clone()
    }

    /// How many conversations are being held up now.
    pub fn held(&self) -> usize {
        *self.state.held.lock().unwrap()
    }

    pub fn release(&self) {
        self.state.released.notify_waiters();
    }
}

impl State {
    fn next(&self, to: &str, at: At) -> Option<Act> {
        let mut script = self.script.lock().unwrap();
        let acts = script.get_mut(to)?;
        if acts.front()?.0 != at {
            return None;
        }
        acts.pop_front().map(|(_, act)| act)
    }

    async fn hold(&self) {
        let released = self.released.notified();
        *self.held.lock().unwrap() += 1;
        released.await;
        *self.held.lock().unwrap() -= 1;
    }
}

async fn converse(stream: TcpStream, state: Arc<State>) {
    // A client that goes away ends the conversation; that is no error here.
    let _ = conversation(stream, &state).await;
}

async fn conversation(stream: TcpStream, state: &State) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 test ESMTP\r\n").await?;
    let (mut from, mut to) = (String::new(), String::new());
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let word = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let at = match word.as_str() {
            "EHLO" | "HELO" => {
                stream.write_all(b"250-test\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n").await?;
                continue;
            }
            // Whom it is for is not known yet: what shall happen at MAIL is scripted for the sender's address.
            "MAIL" => {
                from = address(&line);
                (At::Mail, from.clone())
            }
            "RCPT" => {
                to = address(&line);
                (At::Rcpt, to.clone())
            }
            "DATA" => (At::Data, to.clone()),
            "QUIT" => {
                stream.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            _ => {
                stream.write_all(b"250 ok\r\n").await?;
                continue;
            }
        };
        match state.next(&at.1, at.0) {
            Some(Act::Cut) => return Ok(()),
            Some(Act::Say(answer)) => {
                stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
                continue;
            }
            Some(Act::Hold) => state.hold().await,
            None => {}
        }
        if at.0 != At::Data {
            stream.write_all(b"250 ok\r\n").await?;
            continue;
        }
        stream.write_all(b"354 go on\r\n").await?;
        let raw = body(&mut stream).await?;
        let mail = Mail { id: message_id(&raw), from: from.clone(), to: to.clone(), raw };
        let act = state.next(&to, At::Body);
        if let Some(Act::Say(answer)) = act {
            stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
            continue;
        }
        if matches!(act, Some(Act::Hold)) {
            state.hold().await;
        }
        state.accepted.lock().unwrap().push(mail);
        if matches!(act, Some(Act::Cut)) {
            return Ok(());
        }
        stream.write_all(b"250 accepted\r\n").await?;
    }
}

pub(super) async fn body(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let (mut raw, mut line) = (vec![], vec![]);
    loop {
        line.clear();
        if stream.read_until(b'\n', &mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line == b".\r\n" {
            return Ok(String::from_utf8_lossy(&raw).into_owned());
        }
        raw.extend_from_slice(&line);
    }
}

/// What stands between angle brackets.
pub(super) fn address(line: &str) -> String {
    let start = line.find('<').map_or(0, |at| at + 1);
    let end = line.find('>').unwrap_or(line.len());
    line[start..end].to_string()
}

pub(super) fn message_id(raw: &str) -> String {
    let line = raw.lines().find(|line| line.to_ascii_lowercase().starts_with("message-id:")).unwrap_or_default();
    address(line).split('@').next().unwrap_or_default().to_string()
}
