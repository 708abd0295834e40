//! A push that enrols a thousand users who are there already, and captures one email each.

use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use segflow_benches::database::{Database, Kind};
use segflow_benches::report::{figure, rate, thousands, time, title};
use segflow_benches::stand::Stand;
use segflow_benches::{Options, limits, load, now, project, report};
use segflow_core::Plugin;
use segflow_protocol::{Json, Request, Turn};
use segflow_server::plugin::{Host, sha256};

#[derive(Parser)]
struct Args {
    /// How many users are enrolled
    #[arg(long, default_value_t = 1_000)]
    users: usize,
    /// How often each is measured
    #[arg(long, default_value_t = 3)]
    times: usize,
    #[command(flatten)]
    options: Options,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let kinds = args.options.databases()?;
    let wasm = project::module("examples/storefront").await?;
    title("What it needs at least");
    figure("4 KiB appended and fdatasync", report::per_second(limits::fsyncs()?), "");
    let users = args.users;
    let turns = tokio::task::block_in_place(|| turns(&wasm, users))?;
    figure(&format!("{} turns, on one core", thousands(users as u64)), time(turns), rate(users, turns));
    for kind in kinds {
        for delay in args.options.delays() {
            let slower = if delay.is_zero() { String::new() } else { format!(", {} more per commit", time(delay)) };
            title(&format!("{}{slower}: a push that {} users enter", kind.name(), thousands(users as u64)));
            for _ in 0..args.times {
                measure(kind, delay, &wasm, users, args.options.statements).await?;
            }
        }
    }
    Ok(())
}

async fn measure(kind: Kind, delay: Duration, wasm: &[u8], users: usize, statements: bool) -> Result<()> {
    let database = Database::fresh(kind).await?;
    let stand = Stand::start(&database, delay).await?;
    load::add_users(stand.address, &stand.key, 16, users).await?;
    // Until the engine has nothing left to do with them.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut connection = stand.connect().await?;
    let started = now();
    connection.json("POST", "/v1/deployments?dry_run=true", wasm).await?;
    let compiled = started.elapsed();
    let started = now();
    connection.json("POST", "/v1/deployments?dry_run=true", wasm).await?;
    let plan = started.elapsed();
    let started = now();
    stand.push(wasm).await?;
    let (applied, mut first) = (started.elapsed(), None);
    let captured = loop {
        let captured = stand.capture.accepted().len();
        if captured > 0 {
            first.get_or_insert_with(|| started.elapsed());
        }
        if captured >= users {
            break started.elapsed();
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    let recorded = loop {
        if connection.all("/v1/messages").await?.iter().filter(|m| m["status"] == "sent").count() >= users {
            break started.elapsed();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let first = first.unwrap_or_default();
    figure(
        "from the first captured email to the last",
        time(captured.saturating_sub(first)),
        format!(
            "target 1 s; from the push's answer to the last {}, to the ledger's last {}; push {} of which plan {} (first plan {})",
            time(captured.saturating_sub(applied)),
            time(recorded.saturating_sub(applied)),
            time(applied),
            time(plan),
            time(compiled),
        ),
    );
    if statements {
        report::statements(database.statements(24).await?);
    }
    stand.stop().await;
    database.close().await
}

/// The turns alone, without any database.
fn turns(wasm: &[u8], users: usize) -> Result<Duration> {
    let host = Host::new(Some(segflow_benches::database::scratch()?.join("modules")))?;
    let module = host.load(&sha256(wasm), wasm)?;
    let started = now();
    for number in 0..users {
        let turn = Turn {
            campaign: "welcome-campaign".into(),
            user_id: format!("user-{number}"),
            seed: number as u64,
            first_op: 0,
            started_at: 0,
            now: 0,
            attributes: Json(r#"{"username":"User","email":"user@bench.example","winback":false}"#.into()),
            journal: Default::default(),
            completions: vec![],
        };
        module.call(&Request::Turn(turn)).map_err(|why| anyhow::anyhow!("{why}"))?;
    }
    Ok(started.elapsed())
}
