//! A real IMAP server, pymap, with an account of its own and four mails in it that are years old. Mail is put there as a mail server does.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Child;

use super::{clients, until};

pub const ACCOUNT: (&str, &str) = ("shop", "a-secret-of-tests");

pub struct Imap {
    port: u16,
    program: Option<Child>,
}

impl Imap {
    pub async fn start() -> Imap {
        let free = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let mut imap = Imap { port, program: None };
        imap.begin().await;
        imap
    }

    pub fn url(&self) -> String {
        format!("imap://{}:{}@127.0.0.1:{}", ACCOUNT.0, ACCOUNT.1, self.port)
    }

    /// Ends it, with all that is in it.
    pub async fn kill(&mut self) {
        if let Some(mut program) = self.program.take() {
            program.kill().await.expect("killed");
        }
    }

    /// Starts it where it was, with the folder `Replies`.
    pub async fn begin(&mut self) {
        let mut command = clients::pymap(self.port, ACCOUNT).await;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        self.program = Some(command.spawn().expect("pymap is installed"));
        let answers = || async { TcpStream::connect(("127.0.0.1", self.port)).await.ok().map(drop) };
        until("the IMAP server answers", answers).await;
        self.say(&["CREATE Replies"]).await;
    }

    /// A mail comes.
    pub async fn deliver(&self, folder: &str, mail: &str) {
        let mail = mail.replace("\r\n", "\n").replace('\n', "\r\n");
        self.say(&[&format!("APPEND {folder} {{{}+}}\r\n{mail}", mail.len())]).await;
    }

    /// What it answers to some commands of somebody who has logged in.
    pub async fn say(&self, commands: &[&str]) -> String {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.expect("a connection");
        let mut stream = BufReader::new(stream);
        let mut said = String::new();
        stream.read_line(&mut said).await.expect("a greeting");
        let login = format!("LOGIN {} {}", ACCOUNT.0, ACCOUNT.1);
        for (number, command) in [login.as_str()].iter().chain(commands).enumerate() {
            let tag = format!("t{number} ");
            stream.write_all(format!("{tag}{command}\r\n").as_bytes()).await.expect("written");
            loop {
                let mut line = String::new();
                assert_ne!(stream.read_line(&mut line).await.expect("an answer"), 0, "{command}: {said}");
                // A literal, which may hold anything.
                let literal = line.trim_end().strip_suffix('}').and_then(|line| line.rsplit_once('{'));
                if let Some(length) = literal.and_then(|(_, length)| length.parse().ok()) {
                    let mut bytes = vec![0; length];
                    stream.read_exact(&mut bytes).await.expect("a literal");
                    line.push_str(&String::from_utf8_lossy(&bytes));
                }
                said.push_str(&line);
                if let Some(answer) = line.strip_prefix(&tag) {
                    assert!(answer.starts_with("OK"), "{command}: {answer}");
                    break;
                }
            }
        }
        said
    }
}
