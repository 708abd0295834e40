//! The reference flow (an email, a second, an email) for many users at once, and what a turn costs with a journal behind it.

use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use segflow_benches::database::{Database, Kind};
use segflow_benches::peers::{self, Peer};
use segflow_benches::process::cpu;
use segflow_benches::report::{figure, rate, thousands, time, title};
use segflow_benches::stand::Stand;
use segflow_benches::{Options, limits, now, project, report};
use segflow_core::Plugin;
use segflow_protocol::{Completion, End, Happened, Json, Pending, Request, Response, Turn, Waits};
use segflow_server::plugin::{Host, sha256};
use serde_json::{Value, json};

#[derive(Parser)]
struct Args {
    /// How many users go through the flow at once
    #[arg(long, default_value_t = 10_000)]
    users: usize,
    /// How often each is measured
    #[arg(long, default_value_t = 2)]
    times: usize,
    /// Run it on Restate and on DBOS too; what they need is installed with npm and pip
    #[arg(long)]
    peers: bool,
    #[command(flatten)]
    options: Options,
}

/// Those for DBOS: it goes on for minutes otherwise.
const FEW: usize = 1_000;

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let kinds = args.options.databases()?;
    let wasm = project::module("tests/plugins/flows").await?;
    title("What it needs at least");
    figure("4 KiB appended and fdatasync", report::per_second(limits::fsyncs()?), "");
    let storefront = project::module("examples/storefront").await?;
    tokio::task::block_in_place(|| {
        let host = Host::new(Some(segflow_benches::database::scratch()?.join("modules")))?;
        let load = |wasm: &[u8]| host.load(&sha256(wasm), wasm);
        turns(load(&storefront)?.as_ref(), "vip-treatment", "send, wait")?;
        turns(load(&wasm)?.as_ref(), "hear", "events with conditions, emails with arguments")
    })?;
    for kind in kinds {
        for delay in args.options.delays() {
            let slower = if delay.is_zero() { String::new() } else { format!(", {} more per commit", time(delay)) };
            let users = thousands(args.users as u64);
            title(&format!("{}{slower}: {users} users through send, wait 1 s, send", kind.name()));
            for _ in 0..args.times {
                measure(kind, delay, &wasm, args.users, args.options.statements).await?;
            }
        }
    }
    if args.peers {
        title("The same flow elsewhere");
        peer(peers::restate(args.users).await?);
        peer(peers::dbos(args.users.min(FEW)).await?);
    }
    Ok(())
}

fn peer(peer: Peer) {
    let of = format!("{} {}: {} users", peer.name, peer.version, thousands(peer.users as u64));
    let beside = format!("{}, memory at most {} MB", report::per_second(peer.rate()), peer.memory / 1_000_000);
    figure(&of, time(peer.took), beside);
}

async fn measure(kind: Kind, delay: Duration, wasm: &[u8], users: usize, statements: bool) -> Result<()> {
    let target = if kind == Kind::Sqlite { "3 s" } else { "6 s" };
    let database = Database::fresh(kind).await?;
    let stand = Stand::start(&database, delay).await?;
    let mut connection = stand.connect().await?;
    let mut number = 0;
    while number < users {
        let part: Vec<Value> = (number..users.min(number + 1_000))
            .map(|n| {
                let attributes = json!({"email": format!("user-{n}@bench.example"), "does": "pair"});
                json!({"type": "identify", "user_id": format!("user-{n}"), "attributes": attributes})
            })
            .collect();
        number += part.len();
        connection.json("POST", "/v1/batch", json!({ "batch": part }).to_string().as_bytes()).await?;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (pushed, used) = (now(), cpu(std::process::id())?);
    stand.push(wasm).await?;
    let first = loop {
        if connection.json("GET", "/v1/campaigns/pair", b"").await?["counts"]["active"].as_u64().context("a count")? > 0
        {
            break pushed.elapsed();
        }
    };
    // Counting is work for the database: only when all is sent is there something to be learnt from it.
    let captured = loop {
        if stand.capture.count() >= 2 * users {
            break pushed.elapsed();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let done = loop {
        let campaign = connection.json("GET", "/v1/campaigns/pair", b"").await?;
        if campaign["counts"]["done"].as_u64().context("a count")? >= users as u64 {
            break pushed.elapsed();
        }
    };
    figure(
        "from the first start to the last finish",
        time(done.saturating_sub(first)),
        format!(
            "target {target}; to the last of {} captured emails {}; {} of turns; processor time {}; memory at most {}",
            thousands(2 * users as u64),
            time(captured.saturating_sub(first)),
            rate(2 * users, done.saturating_sub(first)),
            time(cpu(std::process::id())?.saturating_sub(used)),
            memory(),
        ),
    );
    if statements {
        report::statements(database.statements(24).await?);
    }
    stand.stop().await;
    database.close().await
}

/// The most memory that this process has held, server and measuring together.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("unknown");
    line.trim().to_string()
}

/// One turn with a journal of some length behind it, without any database.
fn turns(module: &dyn Plugin, campaign: &str, what: &str) -> Result<()> {
    const TIMES: usize = 2_000;
    let mut short = Duration::ZERO;
    for entries in [10usize, 100, 1_000] {
        let request = Request::Turn(journal(module, campaign, entries)?);
        let started = now();
        for _ in 0..TIMES {
            module.call(&request).map_err(|why| anyhow::anyhow!("{why}"))?;
        }
        let took = started.elapsed() / TIMES as u32;
        if entries == 10 {
            short = took;
        }
        let times = took.as_secs_f64() / short.as_secs_f64();
        let target = [(10, ""), (100, ", target 2"), (1_000, ", target 6")].iter().find(|(n, _)| *n == entries);
        let beside = format!("{times:.2} times that of 10{}", target.map_or("", |(_, text)| text));
        figure(&format!("{what}: a turn with {} entries", thousands(entries as u64)), time(took), beside);
    }
    Ok(())
}

/// The next turn of a flow whose waits have ended so often, each followed by an email.
fn journal(module: &dyn Plugin, campaign: &str, entries: usize) -> Result<Turn> {
    let mut turn = Turn {
        campaign: campaign.into(),
        user_id: "user-1".into(),
        seed: 1,
        first_op: 0,
        started_at: 0,
        now: 0,
        attributes: Json(r#"{"username":"User","email":"user@bench.example","does":"hear"}"#.into()),
        journal: Default::default(),
        completions: vec![],
    };
    loop {
        let answer = module.call(&Request::Turn(turn.clone())).map_err(|why| anyhow::anyhow!("{why}"))?;
        let Response::Turn(outcome) = answer else { anyhow::bail!("not a turn: {answer:?}") };
        anyhow::ensure!(outcome.end == End::Waiting, "{outcome:?}");
        turn.journal.extend(outcome.entries);
        let over = |p: &Pending| match p.waits {
            Waits::Duration { .. } => Happened::Elapsed { at: turn.now },
            _ => Happened::Came { at: turn.now, value: Json(r#"{"number":6}"#.into()) },
        };
        turn.completions = outcome.pending.iter().map(|p| Completion { op: p.op, happened: over(p) }).collect();
        if turn.journal.len() >= entries {
            return Ok(turn);
        }
    }
}
