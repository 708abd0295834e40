//! How a server is to run.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::delivery::Capture;
use crate::live::LiveEvent;

/// What a server is for. A database belongs to one of the two for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// All mail is captured, and the clock may be virtual.
    Dev,
    Production,
}

impl Mode {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Mode::Dev => "dev",
            Mode::Production => "production",
        }
    }
}

/// Everything a server is told when it starts.
#[derive(Clone)]
pub struct Config {
    /// `sqlite://PATH` or `mysql://USER:PASSWORD@HOST:PORT/NAME`.
    pub db: String,
    pub mode: Mode,
    /// Business time stands still and is moved by `POST /v1/dev/clock`. Only in [`Mode::Dev`].
    pub virtual_clock: bool,
    /// Where a new virtual clock starts, ms UTC; now, if not said.
    pub start_at: Option<i64>,
    /// Where compiled modules are kept.
    pub cache: Option<PathBuf>,
    /// Where live events go.
    pub events: Option<UnboundedSender<LiveEvent>>,
    /// Secrets by name, for those that the environment does not have.
    pub secrets: BTreeMap<String, String>,
    /// What seals and opens stored secrets: 64 hex digits each, with commas between them, the one that seals first. Without any, a
    /// development server has one of its own, and a production server stores no secrets.
    pub secret_keys: Option<String>,
    /// In [`Mode::Dev`] too, mail leaves by the project's providers: for tests that play time with them.
    pub dev_sends: bool,
    /// The capture provider; tests keep a handle on it to script it.
    pub capture: Arc<Capture>,
    /// How long a server that has stopped answering keeps its users. MySQL only: SQLite has one server.
    pub lease: Duration,
    /// How long a call to a provider may go on after its server was declared dead.
    pub grace: Duration,
    /// How people reach this server: `https://mail.shop.example`. What emails lead to begins with it.
    pub public_url: Option<String>,
    /// The header in which a proxy before this server says from which country somebody comes, as `CF-IPCountry` does.
    pub country_header: Option<String>,
    /// Called in place of Amazon SNS, which certificates and subscriptions lie with: a fake of it, for tests.
    pub sns_url: Option<String>,
    /// Whether webhooks may go to addresses that are not of the public internet, and endpoints be called without encryption. In
    /// [`Mode::Dev`] they may.
    pub private_webhooks: bool,
    /// Whom `segflow doctor` asks for names; nobody said: whom this machine asks.
    pub resolver: Option<SocketAddr>,
    /// All workspaces are held when it starts: nothing is sent until somebody releases them.
    pub hold: bool,
    /// A file in which this machine notes how far it has seen the database come, so that one that was restored from a back-up is held when a server
    /// starts on it. Not in the database, and nothing that is restored with it.
    pub seen: Option<PathBuf>,
    /// Added to every commit, for measuring what a slower disk would do.
    pub commit_delay: Duration,
}

impl Config {
    /// A development server on an SQLite file.
    pub fn dev(path: impl AsRef<std::path::Path>) -> Config {
        Config { mode: Mode::Dev, ..Config::production(format!("sqlite://{}", path.as_ref().display())) }
    }

    /// A production server on a database.
    pub fn production(url: impl Into<String>) -> Config {
        Config {
            db: url.into(),
            mode: Mode::Production,
            virtual_clock: false,
            start_at: None,
            cache: None,
            events: None,
            secrets: BTreeMap::new(),
            secret_keys: None,
            dev_sends: false,
            capture: Arc::default(),
            lease: Duration::from_secs(10),
            grace: crate::delivery::smtp::CALL,
            public_url: None,
            country_header: None,
            sns_url: None,
            private_webhooks: false,
            resolver: None,
            hold: false,
            seen: None,
            commit_delay: Duration::ZERO,
        }
    }
}
