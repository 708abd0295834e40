//! A mailbox over IMAP, looked at without changing anything: it is opened to be read only, and nothing in it becomes seen by it.
//!
//! Commands are answered by `OK` or they have failed: a connection that ends in the middle must not look like a mailbox that is empty.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_imap::imap_proto::{AttributeValue, MailboxDatum, Response, Status};
use async_imap::{Client, Session};
use jiff::Timestamp;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::BuilderVerifierExt;
use segflow_core::ids;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::outgoing;
use crate::store::replies::Place;

/// The longest wait for one answer.
const STEP: Duration = Duration::from_secs(60);

/// How many mails are fetched at once, and how much of each, in bytes: all that is needed stands before attachments.
pub const BATCH: usize = 20;
const READ: usize = 256 << 10;

/// The most bytes that are read over one connection, and the most mails: there is room for all of them.
const ALLOWANCE: usize = 64 << 20;
pub const MOST: usize = 200;

/// How long ago a mail may have come, in seconds, that is looked at in a folder that was never looked at before.
const BEFORE: i64 = 7 * 86_400;

/// Where a mailbox is, and who has it.
#[derive(Clone)]
pub struct Account {
    host: String,
    port: u16,
    tls: Tls,
    user: String,
    password: String,
    folder: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tls {
    /// Only to this machine.
    None,
    /// From the first byte (`imaps://`).
    Wrapped,
    /// STARTTLS or nothing (`?tls=required`).
    Required,
}

/// A mail of a folder.
pub struct Mail {
    pub uid: u32,
    /// When it came, ms UTC.
    pub at: Option<i64>,
    /// Its beginning.
    pub raw: Vec<u8>,
}

impl Account {
    /// From `imaps://USER:PASSWORD@HOST[:PORT]` or `imap://…?tls=required`. The error does not repeat the address: there is a password
    /// in it.
    pub fn new(url: &str, folder: Option<&str>) -> Result<Account, String> {
        let url = url::Url::parse(url.trim())
            .map_err(|e| format!("not an address such as imaps://USER:PASSWORD@HOST: {e}"))?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or("there is no host in it")?.to_string();
        let asked = url.query_pairs().find(|(key, _)| key == "tls").map(|(_, value)| value.into_owned());
        let is_here =
            host == "localhost" || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        let (tls, port) = match (url.scheme(), asked.as_deref()) {
            ("imaps", None) => (Tls::Wrapped, 993),
            ("imap", Some("required")) => (Tls::Required, 143),
            ("imap", None) if is_here => (Tls::None, 143),
            ("imap", None) => {
                return Err("imap:// alone would send the password in clear: imaps://, or `?tls=required`".into());
            }
            (_, Some(_)) => return Err("`tls` is `required`, with imap://".into()),
            (other, None) => return Err(format!("`{other}://` is not imaps:// or imap://")),
        };
        let user = outgoing::unescaped(url.username())?;
        let password = outgoing::unescaped(url.password().unwrap_or_default())?;
        if user.is_empty() || password.is_empty() {
            return Err("there is no user or no password in it: imaps://USER:PASSWORD@HOST".into());
        }
        let folder = folder.unwrap_or("INBOX").to_string();
        if !folder.is_ascii() {
            return Err("a folder beyond ASCII is given as IMAP writes it: `Gel&APY-scht`".into());
        }
        Ok(Account { host, port: url.port().unwrap_or(port), tls, user, password, folder })
    }

    /// Which account and folder it is, without saying so.
    pub fn key(&self) -> String {
        ids::derived("mbx", &[&self.host, &self.port.to_string(), &self.user, &self.folder])
    }

    /// Opens the folder.
    pub async fn open(&self) -> Result<Folder, String> {
        timeout(STEP, self.begin()).await.map_err(|_| "the IMAP server did not answer in time".to_string())?
    }

    async fn begin(&self) -> Result<Folder, String> {
        let no_connection = |e: &dyn std::fmt::Display| format!("no connection to the IMAP server: {e}");
        let at = (self.host.trim_matches(['[', ']']), self.port);
        let stream = TcpStream::connect(at).await.map_err(|e| no_connection(&e))?;
        let stream = Bounded { inner: stream, left: ALLOWANCE };
        let client = match self.tls {
            Tls::None => greeted(boxed(stream)).await?,
            Tls::Wrapped => greeted(self.encrypted(boxed(stream)).await?).await?,
            Tls::Required => {
                let mut client = greeted(boxed(stream)).await?;
                let refused = |e| format!("the IMAP server does not begin to encrypt: {e}");
                client.run_command_and_check_ok("STARTTLS", None).await.map_err(refused)?;
                // What came unencrypted behind it is thrown away with the client; nobody is greeted twice.
                Client::new(self.encrypted(client.into_inner()).await?)
            }
        };
        let login = client.login(&self.user, &self.password).await;
        let mut session =
            login.map_err(|(e, _)| format!("the IMAP server does not take the user or the password: {e}"))?;
        let opened = session.examine(&self.folder).await;
        let opened = opened.map_err(|e| format!("folder `{}` cannot be opened: {e}", self.folder))?;
        let validity = opened.uid_validity.ok_or("the IMAP server gives mails no lasting numbers (UIDVALIDITY)")?;
        Ok(Folder { session, validity, next: opened.uid_next, exists: opened.exists })
    }

    async fn encrypted(&self, stream: Box<dyn Wire>) -> Result<Box<dyn Wire>, String> {
        let failed = |e: &dyn std::fmt::Display| format!("the IMAP server is not trusted: {e}");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.and_then(|builder| builder.with_platform_verifier()).map_err(|e| failed(&e))?;
        let name = ServerName::try_from(self.host.trim_matches(['[', ']']).to_string()).map_err(|e| failed(&e))?;
        let connector = TlsConnector::from(Arc::new(config.with_no_client_auth()));
        let stream = connector.connect(name, stream).await.map_err(|e| failed(&e))?;
        Ok(boxed(stream))
    }
}

/// After what a server says first.
async fn greeted(stream: Box<dyn Wire>) -> Result<Client<Box<dyn Wire>>, String> {
    let mut client = Client::new(stream);
    match client.read_response().await {
        Ok(Some(_)) => Ok(client),
        Ok(None) => Err("the IMAP server says nothing".into()),
        Err(e) => Err(format!("the IMAP server does not greet: {e}")),
    }
}

/// A folder that is open.
pub struct Folder {
    session: Session<Box<dyn Wire>>,
    pub validity: u32,
    next: Option<u32>,
    exists: u32,
}

impl Folder {
    /// What stands in a folder, in words.
    pub fn says(&self) -> String {
        format!("the mailbox is open; {} mails in it", self.exists)
    }

    /// The numbers of the mails that were not looked at, in order, no more than [`MOST`]; `now` is the real time, ms UTC.
    pub async fn new_mails(&mut self, seen: Option<Place>, now: i64) -> Result<Vec<u32>, String> {
        let seen = seen.filter(|place| place.validity == self.validity);
        let asked = match seen {
            Some(place) if self.next.is_some_and(|next| next <= place.next) => return Ok(vec![]),
            // Of a folder whose last mail is older than that, the last one is named nevertheless.
            Some(place) => format!("UID SEARCH UID {}:*", place.next),
            None => format!("UID SEARCH SINCE {}", day(now / 1_000 - BEFORE)),
        };
        let mut uids = BTreeSet::new();
        self.command(&asked, |response| {
            if let Response::MailboxData(MailboxDatum::Search(found)) = response {
                uids.extend(found.iter().copied());
            }
        })
        .await?;
        Ok(uids.into_iter().filter(|uid| seen.is_none_or(|place| *uid >= place.next)).take(MOST).collect())
    }

    /// How far the folder is read when this mail has been; without one, when it was found to have nothing new.
    pub fn read_to(&self, last: Option<u32>) -> Place {
        let after = last.map(|uid| uid.saturating_add(1));
        Place { validity: self.validity, next: after.or(self.next).unwrap_or(1) }
    }

    /// The mails of some numbers; those that are gone meanwhile are not among them.
    pub async fn fetch(&mut self, uids: &[u32]) -> Result<Vec<Mail>, String> {
        let set: Vec<String> = uids.iter().map(u32::to_string).collect();
        let mut mails = vec![];
        let asked = format!("UID FETCH {} (UID INTERNALDATE BODY.PEEK[]<0.{READ}>)", set.join(","));
        self.command(&asked, |response| {
            if let Response::Fetch(_, attributes) = response {
                mails.extend(mail(attributes).filter(|mail| uids.contains(&mail.uid)));
            }
        })
        .await?;
        Ok(mails)
    }

    /// Says goodbye, which nobody has to hear.
    pub async fn close(mut self) {
        let _ = timeout(Duration::from_secs(5), self.session.logout()).await;
    }

    async fn command(&mut self, command: &str, mut hear: impl FnMut(&Response<'_>)) -> Result<(), String> {
        let broken = |e: &dyn std::fmt::Display| format!("the connection to the IMAP server broke: {e}");
        let asked = self.session.run_command(command).await.map_err(|e| broken(&e))?;
        loop {
            let answer = timeout(STEP, self.session.read_response()).await;
            let answer = answer.map_err(|_| "the IMAP server did not answer in time".to_string())?;
            let Some(answer) = answer.map_err(|e| broken(&e))? else { return Err(broken(&"it was closed")) };
            match answer.parsed() {
                Response::Done { tag, status, outcome } if *tag == asked => {
                    let said = outcome.information.as_deref().unwrap_or_default();
                    let what = command.split(' ').take(2).collect::<Vec<_>>().join(" ");
                    return match status {
                        Status::Ok => Ok(()),
                        _ => Err(format!("the IMAP server refuses {what}: {said}")),
                    };
                }
                Response::Data { status: Status::Bye, outcome } => {
                    let said = outcome.information.as_deref().unwrap_or_default();
                    return Err(format!("the IMAP server ends the connection: {said}"));
                }
                other => hear(other),
            }
        }
    }
}

fn mail(attributes: &[AttributeValue<'_>]) -> Option<Mail> {
    let (mut uid, mut at, mut raw) = (None, None, None);
    for attribute in attributes {
        match attribute {
            AttributeValue::Uid(number) => uid = Some(*number),
            AttributeValue::InternalDate(date) => at = instant(date),
            AttributeValue::BodySection { section: None, data, .. } => raw = data.as_ref().map(|data| data.to_vec()),
            _ => {}
        }
    }
    Some(Mail { uid: uid?, at, raw: raw? })
}

/// ` 5-Jan-2026 10:00:00 +0100`; ms UTC.
fn instant(date: &str) -> Option<i64> {
    let parsed = jiff::fmt::strtime::parse("%d-%b-%Y %H:%M:%S %z", date.trim()).ok()?;
    Some(parsed.to_timestamp().ok()?.as_millisecond())
}

/// `5-Jan-2026`, from seconds.
fn day(seconds: i64) -> String {
    let at = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%-d-%b-%Y").to_string()
}

/// What a connection goes over, encrypted or not.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send + Debug {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + Debug> Wire for T {}

fn boxed(stream: impl Wire + 'static) -> Box<dyn Wire> {
    Box::new(stream)
}

/// A connection that ends after so many bytes: whoever sends without end fills no memory.
#[derive(Debug)]
struct Bounded {
    inner: TcpStream,
    left: usize,
}

impl AsyncRead for Bounded {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(context, into);
        let read = into.filled().len() - before;
        if read > self.left {
            return Poll::Ready(Err(io::Error::other("it sends more than there can be")));
        }
        self.left -= read;
        polled
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_mailboxes() {
        let account = Account::new("imaps://replies%40shop.example:p%C3%A4ss@mail.example\n", None).expect("parsed");
        assert_eq!((account.host.as_str(), account.port, account.tls), ("mail.example", 993, Tls::Wrapped));
        assert_eq!((account.user.as_str(), account.password.as_str()), ("replies@shop.example", "päss"));
        assert_eq!(account.folder, "INBOX");
        let other = Account::new("imap://a:b@127.0.0.1:1143", Some("Replies")).expect("parsed");
        assert_eq!((other.port, other.tls), (1143, Tls::None));
        assert_ne!(account.key(), other.key());
        for here in ["imap://a:b@localhost", "imap://a:b@[::1]", "imap://a:b@mail.example?tls=required"] {
            assert!(Account::new(here, None).is_ok(), "{here}");
        }
        for bad in [
            "mail.example",
            "imap://a:b@mail.example",
            "imaps://mail.example",
            "imaps://a@mail.example",
            "imaps://a:b@mail.example?tls=required",
            "smtp://a:b@mail.example",
            "imap://a:secret%zz@localhost",
        ] {
            let why = Account::new(bad, None).map(|_| ()).expect_err(bad);
            assert!(!why.contains("secret"), "{why}");
        }
        assert!(Account::new("imaps://a:b@mail.example", Some("Gelöscht")).is_err());
    }

    #[test]
    fn dates() {
        assert_eq!(instant(" 5-Jan-2026 10:00:00 +0100"), Some(1_767_603_600_000));
        assert_eq!(instant("05-Jan-2026 09:00:00 +0000"), Some(1_767_603_600_000));
        assert_eq!(instant("yesterday"), None);
        assert_eq!(day(1_767_603_600), "5-Jan-2026");
    }
}
