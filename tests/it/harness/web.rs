//! Somebody else's HTTP server: answers as it is told, and remembers who called.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Answers one request after the other; the last answer again and again.
pub struct Web {
    address: std::net::SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
    serving: JoinHandle<()>,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Call {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Call {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

impl Web {
    pub async fn start(answers: Vec<(u16, &'static str)>) -> Web {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let calls: Arc<Mutex<Vec<Call>>> = Arc::default();
        let kept = calls.clone();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, answers) = (kept.clone(), answers.clone());
                tokio::spawn(async move {
                    let _ = serve(stream, &kept, &answers).await;
                });
            }
        });
        Web { address, calls, serving }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().expect("no panic while held").clone()
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(stream: TcpStream, kept: &Mutex<Vec<Call>>, answers: &[(u16, &str)]) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let (mut headers, mut length) = (vec![], 0);
        loop {
            let mut header = String::new();
            stream.read_line(&mut header).await?;
            let Some((name, value)) = header.trim_end().split_once(": ") else { break };
            let name = name.to_ascii_lowercase();
            if name == "content-length" {
                length = value.parse().unwrap_or(0);
            }
            headers.push((name, value.to_string()));
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        let call = Call { line: line.trim_end().into(), headers, body: String::from_utf8_lossy(&body).into_owned() };
        let (status, body) = {
            let mut kept = kept.lock().expect("no panic while held");
            kept.push(call);
            answers[(kept.len() - 1).min(answers.len() - 1)]
        };
        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).await?;
    }
}
