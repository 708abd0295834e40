//! Segments in real time: what facts cost, how soon membership follows, a push to many, a user with a long history, timers at once.
//!
//! `--users 1000000` is the size that is promised for; the default is a hundredth of it. `--part` measures one part alone.

mod flips;
mod heavy;
mod ingest;
mod population;
mod project;
mod traffic;

use std::time::Duration;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use segflow_benches::database::{Database, Kind};
use segflow_benches::report::{self, figure, thousands, time, title};
use segflow_benches::{Options, stand::Stand};

#[derive(Parser)]
pub struct Args {
    /// How many users there are
    #[arg(long, default_value_t = 10_000)]
    users: usize,
    /// How many events each of them has
    #[arg(long, default_value_t = 5)]
    events: usize,
    /// How many segments: half of them with sums and windows, a tenth raw SQL
    #[arg(long, default_value_t = 100)]
    segments: usize,
    /// How many events are reported as fast as they are taken, each time
    #[arg(long, default_value_t = 20_000)]
    facts: usize,
    /// How long events are reported at a steady rate, each time
    #[arg(long, default_value_t = 20, value_name = "SECONDS")]
    seconds: u64,
    /// That rate; without it what is promised: 2,000 a second on SQLite, 1,000 on MySQL
    #[arg(long, value_name = "EVENTS")]
    rate: Option<u64>,
    /// How many events the user with a long history has
    #[arg(long, default_value_t = 100_000)]
    heavy: usize,
    /// How many timers fall due within one minute
    #[arg(long, default_value_t = 100_000)]
    flips: usize,
    /// Only this
    #[arg(long, value_enum)]
    part: Option<Part>,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Facts that no segment reads
    Ingest,
    /// Events among all users, a new segment
    Population,
    /// A user with a long history
    Heavy,
    /// Many timers at once
    Flips,
}

/// Where something is measured.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub kind: Kind,
    pub delay: Duration,
}

impl Place {
    fn title(self, what: &str) {
        let slower =
            if self.delay.is_zero() { String::new() } else { format!(", {} more per commit", time(self.delay)) };
        title(&format!("{}{slower}: {what}", self.kind.name()));
    }

    /// What is promised differs.
    pub fn of<T>(self, sqlite: T, mysql: T) -> T {
        if self.kind == Kind::Sqlite { sqlite } else { mysql }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    for kind in args.options.databases()? {
        for delay in args.options.delays() {
            let place = Place { kind, delay };
            let is_wanted = |part| args.part.is_none_or(|only| only == part);
            if is_wanted(Part::Ingest) {
                place.title("facts that no segment reads");
                ingest::measure(&args, place).await?;
            }
            if is_wanted(Part::Population) {
                population::measure(&args, place).await?;
            }
            if is_wanted(Part::Heavy) {
                place.title(&format!("a user with {} events", thousands(args.heavy as u64)));
                heavy::measure(&args, place).await?;
            }
            if is_wanted(Part::Flips) {
                place.title(&format!("{} timers within a minute", thousands(args.flips as u64)));
                flips::measure(&args, place).await?;
            }
        }
    }
    Ok(())
}

/// Ends a server and throws its database away.
async fn end(args: &Args, stand: Stand, database: Database) -> Result<()> {
    if args.options.statements {
        report::statements(database.statements(30).await?);
    }
    stand.stop().await;
    database.close().await
}

/// A line with a target.
fn held(what: &str, value: impl std::fmt::Display, target: impl std::fmt::Display, more: impl std::fmt::Display) {
    figure(what, value, format!("target {target}; {more}"));
}
