//! Starts the real server on either database, and looks at the end whether work was left behind.
//!
//! Every test gets a database of its own and leaves nothing of it. Time is virtual where that is possible; where it is not, a test
//! waits for a condition with [`until`], never for a span.

pub mod app;
pub mod client;
pub mod clients;
pub mod database;
pub mod dns;
pub mod imap;
pub mod made;
pub mod mysqld;
pub mod plugins;
pub mod program;
pub mod recorder;
pub mod smtp;
pub mod smtp_tls;
pub mod vendors;
pub mod web;
pub mod wire;

use std::future::Future;
use std::time::Duration;

pub use app::App;
pub use client::{Answer, Client};
pub use database::Database;
pub use segflow_server::store::db::Kind;
pub use serde_json::{Value, json};

/// Where every virtual clock starts.
pub const START: &str = "2026-01-01T09:00:00Z";

pub const DAY: i64 = 86_400_000;

/// Makes of each of these functions two tests, one for each database.
macro_rules! both {
    ($($name:ident),* $(,)?) => {
        $(mod $name {
            #[test]
            fn sqlite() {
                $crate::harness::run($crate::harness::Kind::Sqlite, super::$name);
            }
            #[test]
            fn mysql() {
                $crate::harness::run($crate::harness::Kind::MySql, super::$name);
            }
        })*
    };
}
pub(crate) use both;

/// The same with a third, for MariaDB: of what depends on how a database reads SQL.
macro_rules! all {
    ($($name:ident),* $(,)?) => {
        $crate::harness::both![$($name),*];
        mod on_mariadb {
            $(#[test]
            fn $name() {
                $crate::harness::run($crate::harness::Kind::MariaDb, super::$name);
            })*
        }
    };
}
pub(crate) use all;

#[expect(clippy::print_stderr, reason = "nobody is to take it for tested")]
fn left_out() {
    eprintln!("left out: SEGFLOW_TEST_MARIADB names no server, and `cargo xtask test` found none");
}

/// Runs a test on a database that is made for it.
pub fn run<F: Future<Output = ()>>(kind: Kind, test: impl FnOnce(Database) -> F) {
    if kind == Kind::MariaDb && database::mariadb().is_none() {
        return left_out();
    }
    alone(async {
        let database = Database::create(kind).await;
        test(database).await;
    });
}

/// Runs a test that needs no database.
pub fn alone(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(test);
}

/// The longest that anything may take.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `look` finds something.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, look: impl FnMut() -> F) -> T {
    within(PATIENCE, what, look).await
}

/// The same with a time of its own, for what is promised to be done by then.
pub async fn within<T, F: Future<Output = Option<T>>>(
    patience: Duration,
    what: &str,
    mut look: impl FnMut() -> F,
) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            pause().await;
        }
    };
    tokio::time::timeout(patience, looking).await.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

#[allow(clippy::disallowed_methods, reason = "the one place: between two looks at a condition")]
pub async fn pause() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}

/// ms UTC of an instant.
pub fn ms(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap_or_else(|e| panic!("{text}: {e}")).as_millisecond()
}

/// Whole days after the start of the virtual clock.
pub fn day(value: &Value) -> i64 {
    let since = ms(value.as_str().expect("an instant")) - ms(START);
    assert_eq!(since % DAY, 0, "{value} is not at the hour of the start");
    since / DAY
}

/// Text as one segment of a path.
pub fn segment(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
