//! Somebody else's HTTP server: answers as it is told, and remembers who called.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Answers one request after the other; the last answer again and again.
pub struct Web {
    address: std::net::SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
    /// What is answered to all, whatever else was said: a status, and lines of a header.
    always: Always,
    serving: JoinHandle<()>,
}

type Always = Arc<Mutex<Option<(u16, &'static str)>>>;

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
        let (calls, always): (Arc<Mutex<Vec<Call>>>, Always) = Default::default();
        let (kept, all) = (calls.clone(), always.clone());
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, all, answers) = (kept.clone(), all.clone(), answers.clone());
                tokio::spawn(async move {
                    let _ = serve(stream, &kept, &all, &answers).await;
                });
            }
        });
        Web { address, calls, always, serving }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Answers everybody with this status from now on, and with lines of a header, each with its line feed.
    pub fn always(&self, status: u16, header: &'static str) {
        *self.always.lock().expect("no panic while held") = Some((status, header));
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

async fn serve(
    stream: TcpStream,
    kept: &Mutex<Vec<Call>>,
    all: &Mutex<Option<(u16, &str)>>,
    answers: &[(u16, &str)],
) -> std::io::Result<()> {
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
        let (status, header, body) = {
            let mut kept = kept.lock().expect("no panic while held");
            kept.push(call);
            let (status, body) = answers[(kept.len() - 1).min(answers.len() - 1)];
            let all = *all.lock().expect("no panic while held");
            all.map_or((status, "", body), |(status, header)| (status, header, ""))
        };
        let answer = format!("HTTP/1.1 {status} X\r\n{header}content-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).await?;
    }
}
