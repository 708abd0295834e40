//! The store: everything that is kept, and the only module that contains SQL (raw segments, which users write, are run here too).
//!
//! Facts come in through [`ingest`], the engine reads work and commits decisions through [`engine`], delivery claims messages and
//! records outcomes through [`ledger`], and they meet nowhere else. What two transactions could do at once is decided by locks on
//! rows, taken in one order everywhere: fence, workspace, users, addresses, enrollments, messages, days of campaigns; several of a kind by
//! key.

pub mod allow_list;
pub mod asking;
pub mod behind;
mod boundary;
pub mod choice;
pub mod clock;
pub mod consent;
pub mod conversions;
pub mod db;
pub mod decide;
pub mod deployments;
pub mod engine;
pub mod enrollments;
pub mod erase;
mod events;
pub mod fence;
pub mod gate;
pub mod happened;
mod heard;
pub mod history;
pub mod hold;
pub mod inbox;
pub mod ingest;
pub mod keys;
pub mod kind;
pub mod ledger;
pub mod link_keys;
pub mod lookups;
pub mod many;
pub mod news;
pub mod notices;
pub mod park;
pub mod policy;
pub mod providers;
pub mod read;
pub mod replies;
pub mod runs;
pub mod secrets;
pub mod segments;
pub mod settings;
pub mod sieve;
pub mod sql;
pub mod tallies;
pub mod tasks;
pub mod tracked;
pub mod webhooks;
mod writer;

use std::time::Duration;

use db::Db;
pub(crate) use kind::{database_now, events_by_name, for_share, for_update, listed, mapped, queues, total};

/// One database with its ingest queue.
#[derive(Clone)]
pub struct Store {
    pub db: Db,
    pub ingest: ingest::Ingest,
}

impl Store {
    /// Opens the database, brings its schema up to date and starts the ingest queue.
    pub async fn open(url: &str, commit_delay: Duration) -> Result<Store> {
        Store::of(Db::open(url, commit_delay).await?)
    }

    /// The same with sessions that end after so much silence ([`Db::open_within`]).
    pub async fn open_within(url: &str, commit_delay: Duration, silence: Duration) -> Result<Store> {
        Store::of(Db::open_within(url, commit_delay, silence).await?)
    }

    fn of(db: Db) -> Result<Store> {
        let ingest = ingest::Ingest::start(db.clone());
        Ok(Store { db, ingest })
    }
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the store can say to its callers. It knows nothing of HTTP.
#[derive(Debug)]
pub enum Error {
    /// There is no such thing.
    NotFound(String),
    /// Something else came first.
    Conflict(String),
    /// It would not fit.
    TooLarge(String),
    /// The database is away or busy beyond patience; the same call may work later.
    Away(String),
    /// Not a database address that is understood; its scheme.
    Url(String),
    /// This server is no longer the owner of what it tried to write.
    Fenced,
    /// The database was born for another mode.
    Mode(String),
    /// A query that the database stopped at its limit, in seconds.
    TooLong(f64),
    /// A query of the user's that the check does not take: it cannot be asked about anybody.
    Refused(String),
    /// A bug.
    Internal(String),
    Sql(Box<sqlx::Error>),
}

impl Error {
    /// Whether trying again at once is worth it: deadlocks and lock time-outs.
    pub fn is_transient(&self) -> bool {
        let Error::Sql(error) = self else { return false };
        let Some(error) = error.as_database_error() else { return false };
        match error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
            // 1205: lock wait timeout, 1213: deadlock.
            Some(mysql) => matches!(mysql.number(), 1205 | 1213),
            // 5: SQLITE_BUSY, 6: SQLITE_LOCKED, with their extended codes.
            None => error.code().and_then(|c| c.parse::<u32>().ok()).is_some_and(|c| matches!(c & 0xff, 5 | 6)),
        }
    }

    /// Whether the database is away, rather than refusing.
    pub fn is_away(&self) -> bool {
        match self {
            Error::Away(_) => true,
            Error::Sql(error) => match error.as_ref() {
                sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Protocol(_) => {
                    true
                }
                // 10: SQLITE_IOERR, 13: SQLITE_FULL; 1040: MySQL has no connection left; 1053, 1077, 1079: it is shutting down;
                // 1317, 1927, 3169, 4031: the session was killed, or was silent for too long.
                sqlx::Error::Database(e) => match e.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
                    Some(mysql) => {
                        matches!(mysql.number(), 1040 | 1053 | 1077 | 1079 | 1205 | 1213 | 1317 | 1927 | 3169 | 4031)
                    }
                    None => e
                        .code()
                        .and_then(|c| c.parse::<u32>().ok())
                        .is_some_and(|c| matches!(c & 0xff, 5 | 6 | 10 | 13)),
                },
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether a unique key was already there.
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Error::Sql(e) if e.as_database_error().is_some_and(|e| e.is_unique_violation()))
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Error {
        Error::Sql(Box::new(error))
    }
}

impl From<sqlx::migrate::MigrateError> for Error {
    fn from(error: sqlx::migrate::MigrateError) -> Error {
        Error::Internal(format!("the schema could not be brought up to date: {error}"))
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::NotFound(what) => write!(f, "there is no {what}"),
            Error::Conflict(what)
            | Error::TooLarge(what)
            | Error::Away(what)
            | Error::Refused(what)
            | Error::Internal(what)
            | Error::Mode(what) => f.write_str(what),
            Error::Url(scheme) => {
                write!(f, "`{scheme}` is not a database: give sqlite://PATH or mysql://USER:PASSWORD@HOST:PORT/NAME")
            }
            Error::TooLong(limit) => write!(f, "it ran longer than {limit} s"),
            Error::Fenced => f.write_str("another server has taken over"),
            Error::Sql(error) => write!(f, "the database says: {error}"),
        }
    }
}

impl std::error::Error for Error {}

/// An unguessable id: the prefix and 128 random bits in hex.
pub fn random_id(prefix: &str) -> String {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).expect("the operating system gives random numbers");
    format!("{prefix}_{}", segflow_core::ids::hex(&bytes))
}
