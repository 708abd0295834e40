//! A mail server that takes mail over TLS alone, from whoever has the password.

use std::fs;
use std::process::Command;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use segflow_tests::peers;

pub const USER: &str = "shop";
pub const PASSWORD: &str = "p@ss/word";

/// What makes a certificate of `localhost` that is nobody's authority.
const MAKE: &str = "[req]\ndistinguished_name=dn\nx509_extensions=ext\nprompt=no\n[dn]\nCN=localhost\n\
                    [ext]\nsubjectAltName=DNS:localhost\nbasicConstraints=critical,CA:FALSE\n";

pub struct SmtpTls {
    pub port: u16,
    /// The folder of its certificate, `pem`.
    pub folder: tempfile::TempDir,
    /// To whom it has taken mail.
    taken: Arc<Mutex<Vec<String>>>,
}

impl SmtpTls {
    /// `wrapped`: from the first byte, rather than after STARTTLS.
    pub async fn start(wrapped: bool) -> SmtpTls {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("make"), MAKE).expect("written");
        let make = [
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3", "-config", "make", "-keyout", "key", "-out",
            "pem",
        ];
        peers::output(Command::new("openssl").args(make).current_dir(&folder), "");
        let read = |name: &str| fs::read(folder.path().join(name)).expect("made");
        let certificate = CertificateDer::from_pem_slice(&read("pem")).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(&read("key")).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
        let config = config.with_no_client_auth().with_single_cert(vec![certificate], key).expect("it fits");
        let acceptor = TlsAcceptor::from(Arc::new(config));

        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let taken: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = taken.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, kept) = (acceptor.clone(), kept.clone());
                // A client that goes away ends the conversation; that is no error here.
                tokio::spawn(async move { secured(stream, wrapped, acceptor, &kept).await.ok() });
            }
        });
        SmtpTls { port, folder, taken }
    }

    pub fn taken(&self) -> Vec<String> {
        self.taken.lock().expect("no panic while held").clone()
    }
}

async fn secured(
    stream: TcpStream,
    wrapped: bool,
    acceptor: TlsAcceptor,
    kept: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let stream = match wrapped {
        true => stream,
        false => {
            let mut plain = BufReader::new(stream);
            converse(&mut plain, false, kept).await?;
            plain.into_inner()
        }
    };
    let mut stream = BufReader::new(acceptor.accept(stream).await?);
    if wrapped {
        stream.write_all(b"220 test ESMTP\r\n").await?;
    }
    converse(&mut stream, true, kept).await
}

/// Until STARTTLS, where that is to come.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
    is_secure: bool,
    kept: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    if !is_secure {
        stream.write_all(b"220 test ESMTP\r\n").await?;
    }
    let (mut known, mut to, mut line) = (false, String::new(), String::new());
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let answer = match line.get(..4).unwrap_or_default().to_ascii_uppercase().as_str() {
            "EHLO" if is_secure => "250-test\r\n250 AUTH PLAIN",
            "EHLO" => "250-test\r\n250 STARTTLS",
            "STAR" => {
                stream.write_all(b"220 go on\r\n").await?;
                return Ok(());
            }
            "AUTH" => {
                let told = line.split_whitespace().nth(2).and_then(|told| STANDARD.decode(told).ok());
                known = is_secure && told == Some(format!("\0{USER}\0{PASSWORD}").into_bytes());
                if known { "235 welcome" } else { "535 5.7.8 who are you" }
            }
            "RCPT" => {
                to = super::smtp::address(&line);
                "250 ok"
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                while line != ".\r\n" {
                    line.clear();
                    stream.read_line(&mut line).await?;
                }
                kept.lock().expect("no panic while held").push(to.clone());
                "250 accepted"
            }
            "MAIL" if !known => "530 5.7.0 Authentication required",
            _ => "250 ok",
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
}
