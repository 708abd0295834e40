//! What the programs in `bin/` share. Each prints its figures beside what this machine can do at most, measured in the same run, and
//! judges nothing: `cargo run --release -p segflow-benches --bin NAME`, or `just bench NAME`.
//!
//! - [`database`]: fresh databases of both kinds, thrown away afterwards.
//! - [`stand`]: a server in this process, on a real socket.
//! - [`process`]: a `segflow serve` that can be killed.
//! - [`http`] and [`load`]: a client and a crowd of clients that cost next to nothing.
//! - [`fifty`]: a project with fifty emails.
//! - [`limits`]: what the disk and the databases do at most.
//! - [`made`]: projects made by hand, with whatever segments are to be measured.
//! - [`peers`]: other engines for durable code, with the same flow.
//! - [`project`]: projects, built by the `segflow` command as a user has it.
//! - [`postmark`]: a Postmark that takes everything, and remembers when.
//! - [`sink`]: `smtp-sink`, and `smtp-source` to compare with.
//! - [`smtp`]: a mail server that remembers what it accepted.
//! - [`report`]: how it is all printed.

pub mod database;
pub mod fifty;
pub mod http;
pub mod limits;
pub mod load;
pub mod made;
pub mod peers;
pub mod postmark;
pub mod process;
pub mod project;
pub mod random;
pub mod report;
pub mod sink;
pub mod smtp;
pub mod stand;

use std::time::{Duration, Instant};

use clap::Args;

use database::Kind;

/// As in the `segflow` command.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What all programs over databases understand.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Only on one database
    #[arg(long, value_enum)]
    pub only: Option<Kind>,
    /// What is added to every commit when figures are taken a second time, in milliseconds
    #[arg(long, default_value_t = 3, value_name = "MS")]
    pub delay: u64,
    /// Only as it is, not with that
    #[arg(long)]
    pub fast: bool,
    /// Show which statements took MySQL's time
    #[arg(long)]
    pub statements: bool,
}

impl Options {
    /// The databases to measure on. Without an address for MySQL nothing is measured, rather than half of it.
    pub fn databases(&self) -> anyhow::Result<Vec<Kind>> {
        let kinds = self.only.map_or_else(|| vec![Kind::Sqlite, Kind::MySql], |kind| vec![kind]);
        if kinds.contains(&Kind::MySql) {
            database::mysql_address()?;
        }
        Ok(kinds)
    }

    /// Every durable figure is taken as it is and with a slower disk.
    pub fn delays(&self) -> Vec<Duration> {
        let all = [Duration::ZERO, Duration::from_millis(self.delay)];
        all.into_iter().take(if self.fast { 1 } else { 2 }).collect()
    }
}

/// The clock that figures are taken with.
#[allow(clippy::disallowed_methods, reason = "measuring is all that these programs do")]
pub fn now() -> Instant {
    Instant::now()
}
