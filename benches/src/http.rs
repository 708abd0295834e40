//! HTTP/1.1 by hand over one connection that stays open: a client that takes next to nothing from the server it measures.

use std::io;
use std::net::SocketAddr;

use anyhow::{Result, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One open connection with a key.
pub struct Connection {
    stream: TcpStream,
    key: String,
    request: Vec<u8>,
    buffer: Vec<u8>,
}

/// What a server answered; its body is valid until the next call.
pub struct Answer<'a> {
    pub status: u16,
    pub body: &'a [u8],
}

impl Connection {
    pub async fn open(address: SocketAddr, key: &str) -> io::Result<Connection> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, key: key.to_string(), request: vec![], buffer: vec![0; 64 << 10] })
    }

    pub async fn call(&mut self, method: &str, path: &str, body: &[u8]) -> io::Result<Answer<'_>> {
        use std::io::Write;
        self.request.clear();
        write!(
            self.request,
            "{method} {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n",
            self.key,
            body.len()
        )?;
        self.request.extend_from_slice(body);
        self.stream.write_all(&self.request).await?;
        let mut read = 0;
        let head = loop {
            read += self.read(read).await?;
            if let Some(at) = self.buffer[..read].windows(4).position(|four| four == b"\r\n\r\n") {
                break at;
            }
        };
        let (status, length) = parse(&self.buffer[..head]).ok_or_else(|| bad("an answer that is not HTTP/1.1"))?;
        let end = head + 4 + length;
        while read < end {
            read += self.read(read).await?;
        }
        Ok(Answer { status, body: &self.buffer[head + 4..end] })
    }

    async fn read(&mut self, at: usize) -> io::Result<usize> {
        if self.buffer.len() - at < 4096 {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        match self.stream.read(&mut self.buffer[at..]).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => Ok(read),
        }
    }

    /// A call that has to succeed, and the JSON it answers.
    pub async fn json(&mut self, method: &str, path: &str, body: &[u8]) -> Result<Value> {
        let answer = self.call(method, path, body).await?;
        let text = String::from_utf8_lossy(answer.body);
        ensure!(answer.status < 300, "{method} {path} answered {}: {text}", answer.status);
        Ok(serde_json::from_slice(answer.body)?)
    }

    pub async fn get(&mut self, path: &str) -> Result<Value> {
        self.json("GET", path, b"").await
    }

    /// All items of a list.
    pub async fn all(&mut self, path: &str) -> Result<Vec<Value>> {
        let mut items = vec![];
        let mut after = String::new();
        loop {
            let page = self.get(&format!("{path}?limit=1000{after}")).await?;
            items.extend(page["items"].as_array().cloned().unwrap_or_default());
            match page["next"].as_str() {
                Some(next) => after = format!("&after={}", encoded(next)),
                None => return Ok(items),
            }
        }
    }
}

/// Status and length of the body.
fn parse(head: &[u8]) -> Option<(u16, usize)> {
    let head = std::str::from_utf8(head).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    Some((status, length.unwrap_or(0)))
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
