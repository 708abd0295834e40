//! A server that answers what a test says and remembers what it was asked.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    /// Path and query, as sent.
    pub path: String,
    pub key: String,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

pub struct Answer {
    pub status: u16,
    pub headers: &'static str,
    pub body: Value,
}

pub fn ok(body: Value) -> Answer {
    Answer { status: 200, headers: "", body }
}

pub fn problem(status: u16, code: &str, detail: &str) -> Answer {
    let body = json!({"type": "about:blank", "title": "Title", "status": status, "detail": detail, "code": code});
    Answer { status, headers: "content-type: application/problem+json\r\n", body }
}

pub struct Fake {
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    /// `/v1/me` is answered, and refused to every key but `sk_good`; the rest is the test's.
    pub fn start(mut answer: impl FnMut(&Asked) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let log = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(request) = read(&stream) else { continue };
                log.lock().unwrap().push(request.clone());
                let reply = match request.path.as_str() {
                    "/healthz" => ok(json!({})),
                    _ if request.key != "sk_good" => problem(401, "unauthorized", "This key is not known."),
                    "/v1/me" => ok(json!({"workspace": "main", "key": {"id": "key_1", "name": "test"}})),
                    _ => answer(&request),
                };
                let body = if reply.body.is_null() { String::new() } else { reply.body.to_string() };
                let _ = write!(
                    stream,
                    "HTTP/1.1 {} X\r\n{}content-length: {}\r\nconnection: close\r\n\r\n{body}",
                    reply.status,
                    reply.headers,
                    body.len()
                );
            }
        });
        Self { url, asked }
    }

    /// What was asked, without the questions who we are.
    pub fn asked(&self) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|asked| !["/v1/me", "/healthz"].contains(&asked.path.as_str())).cloned().collect()
    }

    pub fn lines(&self) -> Vec<String> {
        self.asked().iter().map(Asked::line).collect()
    }
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut key, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => key = value.strip_prefix("Bearer ")?.to_owned(),
            "content-length" => length = value.parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { method, path, key, body })
}
