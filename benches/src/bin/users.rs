//! Users added one by one over keep-alive connections: how many per second, and how many the database could take at most.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use segflow_benches::database::{Database, Kind};
use segflow_benches::limits::{self, Of, Shape};
use segflow_benches::report::{figure, per_second, rate, thousands, time, title};
use segflow_benches::stand::Stand;
use segflow_benches::{Options, load, now, project, report};

#[derive(Parser)]
struct Args {
    /// How many users are added
    #[arg(long, default_value_t = 20_000)]
    users: usize,
    #[arg(long, default_value_t = 16)]
    connections: usize,
    #[command(flatten)]
    options: Options,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let kinds = args.options.databases()?;
    let storefront = Arc::new(project::module("examples/storefront").await?);
    title("The disk");
    figure("4 KiB appended and fdatasync", per_second(limits::fsyncs()?), "");
    for kind in kinds {
        for delay in args.options.delays() {
            measure(&args, kind, delay, &storefront).await?;
        }
    }
    Ok(())
}

async fn measure(args: &Args, kind: Kind, delay: Duration, storefront: &[u8]) -> Result<()> {
    let slower = if delay.is_zero() { String::new() } else { format!(", {} more per commit", time(delay)) };
    let (name, connections) = (kind.name(), args.connections);
    title(&format!("{name}{slower}: {} users, {connections} connections", thousands(args.users as u64)));
    let target = match kind {
        Kind::Sqlite => "target 3,000/s",
        Kind::MySql => "target 1,500/s",
    };
    let database = Database::fresh(kind).await?;
    for wasm in [None, Some(storefront)] {
        let database = Database::fresh(kind).await?;
        let stand = Stand::start(&database, delay).await?;
        if let Some(wasm) = wasm {
            stand.push(wasm).await?;
        }
        let started = now();
        let mut seen = load::add_users(stand.address, &stand.key, connections, args.users).await?;
        let what = if wasm.is_some() { "added, each entering a campaign" } else { "added, nothing deployed" };
        figure(what, rate(args.users, seen.took), format!("{target}; {}", seen.times.text()));
        if wasm.is_some() {
            while stand.capture.accepted().len() < args.users {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            figure("…from request to captured email, all of them", rate(args.users, started.elapsed()), "");
        }
        if args.options.statements {
            report::statements(database.statements(24).await?);
        }
        stand.stop().await;
        database.close().await?;
    }
    // The tables are there once a server has been.
    Stand::start(&database, Duration::ZERO).await?.stop().await;
    let one = |rows, inbox| Shape { of: Of::Users, rows, inbox, delay };
    let limit = async |shape, connections| {
        Ok::<_, anyhow::Error>(per_second(limits::inserts(&database, shape, connections).await?))
    };
    figure("limit: one user row per commit, one connection", limit(one(1, false), 1).await?, "INSERT, COMMIT");
    if kind == Kind::MySql {
        figure("limit: one user row per commit, all connections", limit(one(1, false), connections).await?, "");
    }
    let group = limit(one(connections, true), 1).await?;
    figure(
        &format!("limit: {connections} users and inbox rows per commit, one connection"),
        group,
        "one request per connection",
    );
    figure("limit: 256 user rows per statement and commit", limit(one(256, false), 1).await?, "");
    database.close().await
}
