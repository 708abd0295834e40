//! SMTP, command by command, so that it is known whether the body had been handed over when something went wrong.
//!
//! Before the body everything that fails is certainly not accepted. From the first byte of the body on, only an answer counts: without one
//! the outcome is ambiguous. What an answer says is in `smtp_answer.rs`.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lettre::Address;
use lettre::message::dkim::{
    DkimCanonicalization, DkimCanonicalizationType, DkimConfig, DkimSigningAlgorithm, DkimSigningKey,
};
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use segflow_core::ledger::Outcome;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::http::{misconfigured, patience, unable};
use super::provider::{Email, Examined, Outcomes, Provider};
use super::smtp_answer::{Asked, answered};
use crate::clock::monotonic;
use crate::outgoing;

/// How many connections there are at most, unless the project says so.
const CONNECTIONS: usize = 16;

/// For how long a connection is kept that nobody uses: servers close theirs after some minutes, and a few say so first.
const KEPT: Duration = Duration::from_secs(45);

/// The longest wait for one answer before the body.
const STEP: Duration = Duration::from_secs(20);

/// The longest wait for the answer to the body; RFC 5321 asks for ten minutes, and nobody takes them.
const BODY: Duration = Duration::from_secs(60);

/// The longest that one call may take in all; what is heard of it later is heard from nobody.
pub const CALL: Duration = Duration::from_secs(6 * 20 + 60);

/// An SMTP server.
pub struct Smtp {
    host: String,
    port: u16,
    tls: Tls,
    credentials: Option<Credentials>,
    signing: Option<Signing>,
    /// At most.
    connections: usize,
    /// Those that may be used again, and since when they wait for it.
    idle: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tls {
    None,
    /// From the first byte (`smtps://`).
    Wrapped,
    /// STARTTLS or nothing (`?tls=required`).
    Required,
    /// STARTTLS where it is offered (`?tls=opportunistic`).
    Opportunistic,
}

impl Smtp {
    /// From `smtp://[USER:PASSWORD@]HOST[:PORT][?tls=required|opportunistic]` or `smtps://…`. The error does not repeat the address:
    /// there may be a password in it.
    pub fn new(url: &str, signing: Option<Signing>, connections: Option<u16>) -> Result<Smtp, String> {
        let url = url::Url::parse(url).map_err(|e| format!("not an address such as smtp://HOST:25: {e}"))?;
        let asked = url.query_pairs().find(|(key, _)| key == "tls").map(|(_, value)| value.into_owned());
        let (tls, port) = match (url.scheme(), asked.as_deref()) {
            ("smtps", None) => (Tls::Wrapped, 465),
            ("smtp", None) => (Tls::None, 25),
            ("smtp", Some("required")) => (Tls::Required, 587),
            ("smtp", Some("opportunistic")) => (Tls::Opportunistic, 25),
            (_, Some(_)) => return Err("`tls` is `required` or `opportunistic`, with smtp://".into()),
            (other, None) => return Err(format!("`{other}://` is not smtp:// or smtps://")),
        };
        let host = url.host_str().ok_or("there is no host in it")?.to_string();
        let decode = |text: &str| outgoing::unescaped(text);
        let credentials = match (url.username(), url.password()) {
            ("", _) => None,
            (user, password) => Some(Credentials::new(decode(user)?, decode(password.unwrap_or_default())?)),
        };
        let connections = connections.map_or(CONNECTIONS, usize::from);
        Ok(Smtp {
            host,
            port: url.port().unwrap_or(port),
            tls,
            credentials,
            signing,
            connections,
            idle: Mutex::default(),
        })
    }

    /// An error is the server's trouble, or that of the credentials.
    async fn connect(&self) -> Result<AsyncSmtpConnection, Outcome> {
        let say = |e: Error| unable(format!("no connection to the SMTP server: {e}"));
        let hello = ClientId::default();
        let parameters = || TlsParameters::new(self.host.clone()).map_err(say);
        let at = (self.host.as_str(), self.port);
        let mut connection = match self.tls {
            Tls::Wrapped => {
                AsyncSmtpConnection::connect_tokio1(at, Some(STEP), &hello, Some(parameters()?), None).await
            }
            Tls::None | Tls::Required | Tls::Opportunistic => {
                // lettre's own would wait for the acknowledgement of one packet before the next: 40 ms for each.
                let stream = TcpStream::connect(at).await.and_then(|stream| stream.set_nodelay(true).map(|()| stream));
                let stream = stream.map_err(|e| unable(format!("no connection to the SMTP server: {e}")))?;
                AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello).await
            }
        }
        .map_err(say)?;
        let offered = connection.can_starttls();
        if self.tls == Tls::Required || (self.tls == Tls::Opportunistic && offered) {
            connection.starttls(parameters()?, &hello).await.map_err(say)?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await.map_err(|e| match e.is_permanent() {
                true => misconfigured(format!("the SMTP server does not take the user or the password: {e}")),
                false => say(e),
            })?;
        }
        Ok(connection)
    }

    /// As far as a message would come before it is begun.
    async fn greet(&self) -> Result<String, String> {
        let connecting = timeout(STEP, self.connect()).await;
        let mut connection = connecting
            .map_err(|_| "no connection to the SMTP server in time".to_string())?
            .map_err(|outcome| outcome.why().to_string())?;
        let _ = timeout(STEP, connection.quit()).await;
        let user =
            if self.credentials.is_some() { "it takes the user and the password" } else { "it asks for no password" };
        Ok(match self.tls {
            Tls::None => format!("it answers, {user}; the connection is not encrypted"),
            _ => format!("it answers, {user}"),
        })
    }

    /// A connection with the envelope given and DATA accepted.
    async fn envelope(&self, from: &Address, to: &Address, eight_bit: bool) -> Result<AsyncSmtpConnection, Outcome> {
        // A kept connection may have been closed meanwhile, with a 421 or without a word; that is no reason to try the message later. Whether the
        // server takes no mail at all, a fresh one shows.
        if let Some(connection) = self.kept() {
            match self.begin(connection, from, to, eight_bit).await {
                Err(Begin::Broken(_) | Begin::Answered(Asked::Mail, _)) => {}
                Err(Begin::Answered(_, outcome)) => return Err(outcome),
                Ok(connection) => return Ok(connection),
            }
        }
        let connecting = timeout(STEP, self.connect()).await;
        let connection =
            connecting.unwrap_or_else(|_| Err(unable("no connection to the SMTP server in time".into())))?;
        self.begin(connection, from, to, eight_bit).await.map_err(|begin| match begin {
            Begin::Answered(_, outcome) => outcome,
            Begin::Broken(why) => unable(why),
        })
    }

    async fn begin(
        &self,
        mut connection: AsyncSmtpConnection,
        from: &Address,
        to: &Address,
        eight_bit: bool,
    ) -> Result<AsyncSmtpConnection, Begin> {
        let info = connection.server_info();
        let mut options = vec![];
        if !from.is_ascii_only() || !to.is_ascii_only() {
            if !info.supports_feature(Extension::SmtpUtfEight) {
                self.keep(connection);
                let why = "the SMTP server takes no addresses beyond ASCII";
                return Err(Begin::Answered(Asked::Rcpt, Outcome::Refused(why.into())));
            }
            options.push(MailParameter::SmtpUtfEight);
        }
        if eight_bit && info.supports_feature(Extension::EightBitMime) {
            options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        for (asked, command) in [
            (Asked::Mail, Mail::new(Some(from.clone()), options).to_string()),
            (Asked::Rcpt, Rcpt::new(to.clone(), vec![]).to_string()),
            (Asked::Data, Data.to_string()),
        ] {
            match timeout(STEP, connection.command(command)).await {
                Err(_) => return Err(Begin::Broken("the SMTP server did not answer in time".into())),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => match answered(&error, asked) {
                    None => return Err(Begin::Broken(format!("the SMTP connection broke: {error}"))),
                    Some(outcome) => {
                        // The server spoke, so it is well; the next message starts afresh.
                        if matches!(timeout(STEP, connection.command(Rset)).await, Ok(Ok(_))) {
                            self.keep(connection);
                        }
                        return Err(Begin::Answered(asked, outcome));
                    }
                },
            }
        }
        Ok(connection)
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.idle.lock().expect("no panic while held");
        if idle.len() < self.connections {
            idle.push((connection, monotonic()));
        }
    }

    /// The connection that was used last, and none that has waited for too long: those are closed.
    fn kept(&self) -> Option<AsyncSmtpConnection> {
        let mut idle = self.idle.lock().expect("no panic while held");
        idle.retain(|(_, since)| since.elapsed() < KEPT);
        idle.pop().map(|(connection, _)| connection)
    }

    async fn deliver(&self, email: &Email) -> Outcome {
        let (from, to, body) = match compose(email, self.signing.as_ref()) {
            Ok(composed) => composed,
            Err(why) => return Outcome::Refused(why),
        };
        let mut connection = match self.envelope(&from, &to, !body.is_ascii()).await {
            Ok(connection) => connection,
            Err(outcome) => return outcome,
        };
        let answer = async {
            match dotted(&body) {
                Some(all) => connection.command(all).await,
                None => connection.message(&body).await,
            }
        };
        match timeout(patience(BODY), answer).await {
            Err(_) => Outcome::Ambiguous("the SMTP server did not answer the message in time".into()),
            Ok(Ok(response)) => {
                self.keep(connection);
                let said = response.first_line().map(|line| line.chars().take(200).collect());
                Outcome::Accepted { provider_id: said }
            }
            Ok(Err(error)) => match answered(&error, Asked::Body) {
                Some(outcome) => {
                    self.keep(connection);
                    outcome
                }
                None => Outcome::Ambiguous(format!("the SMTP connection broke after the message: {error}")),
            },
        }
    }
}

/// Why an envelope was not given.
enum Begin {
    /// The server said so, when it was asked this.
    Answered(Asked, Outcome),
    /// The connection is of no use.
    Broken(String),
}

trait AsciiOnly {
    fn is_ascii_only(&self) -> bool;
}

impl AsciiOnly for Address {
    fn is_ascii_only(&self) -> bool {
        AsRef::<str>::as_ref(self).is_ascii()
    }
}

/// How messages are signed.
#[derive(Clone)]
pub struct Signing(Arc<DkimConfig>);

/// A message with its dots doubled and its end, as RFC 5321 (4.5.2) wants it, to be written at once: lettre writes the end apart, which
/// waits for the acknowledgement of what comes before it. `None` for what is no text.
fn dotted(message: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(message).ok()?;
    let first = if text.starts_with('.') { "." } else { "" };
    Some(format!("{first}{}\r\n.\r\n", text.replace("\r\n.", "\r\n..")))
}

/// What a signature covers besides the body. Not `Content-Type`: lettre has it with the body, and would sign a missing one.
/// Of those that a message does not have, a signature says that nobody may add them.
#[rustfmt::skip]
const SIGNED: [&str; 9] =
    ["From", "Reply-To", "To", "Subject", "Date", "Message-ID", "MIME-Version", "List-Unsubscribe", "List-Unsubscribe-Post"];

impl Signing {
    /// `key` is RSA as PKCS#1 PEM, or Ed25519 in base64.
    pub fn new(domain: &str, selector: &str, key: &str) -> Result<Signing, String> {
        let algorithm = match key.contains("-----BEGIN") {
            true => DkimSigningAlgorithm::Rsa,
            false => DkimSigningAlgorithm::Ed25519,
        };
        let key = DkimSigningKey::new(key.trim(), algorithm)
            .map_err(|_| "not an RSA key as PKCS#1 PEM (`openssl genrsa -traditional 2048`), nor Ed25519 in base64")?;
        let relaxed =
            DkimCanonicalization { header: DkimCanonicalizationType::Relaxed, body: DkimCanonicalizationType::Relaxed };
        let headers = SIGNED.map(HeaderName::new_from_ascii_str).to_vec();
        Ok(Signing(Arc::new(DkimConfig::new(selector.into(), domain.into(), key, headers, relaxed))))
    }
}

/// The message as it goes over the wire. Its Message-ID is the ledger's id, at the sender's domain.
fn compose(email: &Email, signing: Option<&Signing>) -> Result<(Address, Address, Vec<u8>), String> {
    let from: Mailbox = email.from.parse().map_err(|e| format!("`from` is not a sender: {e}"))?;
    let to: Address = email.to.parse().map_err(|_| "the recipient is not an address".to_string())?;
    let mut builder = Message::builder();
    if let Some(reply_to) = &email.reply_to {
        builder = builder.reply_to(reply_to.parse().map_err(|e| format!("`reply_to` is not a mailbox: {e}"))?);
    }
    let mut message = builder
        .message_id(Some(format!("<{}@{}>", email.id, from.email.domain())))
        .from(from.clone())
        .to(Mailbox::new(None, to.clone()))
        .subject(&email.content.subject)
        .multipart(MultiPart::alternative_plain_html(email.content.text.clone(), email.content.html.clone()))
        .map_err(|e| format!("the email cannot be composed: {e}"))?;
    for (name, value) in &email.headers {
        message.headers_mut().insert_raw(HeaderValue::new(HeaderName::new_from_ascii_str(name), value.clone()));
    }
    if let Some(signing) = signing {
        message.sign(&signing.0);
    }
    Ok((from.email, to, message.formatted()))
}

impl Provider for Smtp {
    fn most(&self) -> usize {
        self.connections
    }

    fn examine(&self) -> Option<Examined<'_>> {
        Some(Box::pin(self.greet()))
    }

    fn send<'a>(&'a self, emails: &'a [Email]) -> Outcomes<'a> {
        Box::pin(async { vec![self.deliver(&emails[0]).await] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_doubled_where_a_line_begins_with_one() {
        let whole = |text: &str| dotted(text.as_bytes()).expect("text");
        assert_eq!(whole("a\r\n.b\r\n..c.\r\n"), "a\r\n..b\r\n...c.\r\n\r\n.\r\n");
        assert_eq!(whole(".\r\n.\r\n"), "..\r\n..\r\n\r\n.\r\n");
        assert_eq!(dotted(b"\xff"), None);
    }

    #[test]
    fn urls() {
        let smtp =
            Smtp::new("smtp://us%40er:p%C3%A4ss@mail.example:2525?tls=required", None, None).map_err(|e| panic!("{e}"));
        let smtp = smtp.expect("parsed");
        assert_eq!((smtp.host.as_str(), smtp.port), ("mail.example", 2525));
        assert!(smtp.tls == Tls::Required && smtp.credentials.is_some());
        for bad in ["mail.example:25", "http://mail.example", "smtp://mail.example?tls=maybe", "smtps://h?tls=required"]
        {
            assert!(Smtp::new(bad, None, None).is_err(), "{bad}");
        }
    }
}
