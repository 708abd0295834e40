//! What a plugin costs: its size, and each kind of call.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Parser;
use segflow_benches::report::{Times, figure, thousands, time, title};
use segflow_benches::{database, now, project};
use segflow_core::Plugin;
use segflow_protocol::{Completion, Happened, Journal, Json, Render, Request, Response, Turn, TurnOutcome};
use segflow_server::plugin::{Host, Module, sha256};

#[derive(Parser)]
struct Args {
    /// A module of the storefront built otherwise, instead of the one that a push makes
    #[arg(long)]
    wasm: Option<std::path::PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let wasm = match Args::parse().wasm {
        Some(path) => std::fs::read(path)?,
        None => project::module("examples/storefront").await?,
    };
    tokio::task::block_in_place(|| measure(&wasm))
}

fn measure(wasm: &[u8]) -> Result<()> {
    title("examples/storefront as a plugin");
    let size = wasm.len().div_ceil(1024) as u64;
    figure("size", format!("{} KiB", thousands(size)), "target 600 KiB");

    let folder = database::folder()?;
    let name = sha256(wasm);
    let host = Host::new(Some(folder.path().into()))?;
    let started = now();
    let module = host.load(&name, wasm)?;
    figure("checked, compiled and tried out", time(started.elapsed()), "once per module and machine");
    let again = Host::new(Some(folder.path().into()))?;
    let started = now();
    again.load(&name, wasm)?;
    figure("checked, read from the cache and tried out", time(started.elapsed()), "once per module and process");

    calls(&module, "describe", &Request::Describe, 200)?;
    let render = Render { template: "welcome-email".into(), user: Json(USER.into()), args: Json("{}".into()) };
    calls(&module, "render welcome-email", &Request::Render(render), 2_000)?;
    let whole = journal(&module, 1_000)?;
    let mut bare = Duration::ZERO;
    for entries in [0, 10, 100, 1_000] {
        let turn = turn(whole.iter().take(entries).collect(), vec![]);
        let p50 = calls(
            &module,
            &format!("turn, {} entries replayed", thousands(entries as u64)),
            &Request::Turn(turn),
            2_000,
        )?;
        if entries == 0 {
            bare = p50;
        } else {
            let each = p50.saturating_sub(bare) / entries as u32;
            figure(
                "…of which each entry",
                format!("{} ns", each.as_nanos()),
                "seen before: 20–33 µs, and 25 ns per entry",
            );
        }
    }
    Ok(())
}

const USER: &str = r#"{"username":"Ada","email":"ada@bench.example","winback":false}"#;

fn call(module: &Module, request: &Request) -> Result<Response> {
    module.call(request).map_err(|why| anyhow::anyhow!("{why}"))
}

/// Many calls, each in an instance of its own; the time of half of them.
fn calls(module: &Module, what: &str, request: &Request, count: usize) -> Result<Duration> {
    let mut times = Times::default();
    for _ in 0..count {
        let started = now();
        let response = call(module, request)?;
        times.add(started.elapsed());
        if let Response::Refused(why) = response {
            bail!("{what}: {why}");
        }
    }
    figure(what, time(times.within(0.5)), times.text());
    Ok(times.within(0.5))
}

fn turn(journal: Journal, completions: Vec<Completion>) -> Turn {
    Turn {
        campaign: "vip-treatment".into(),
        user_id: "ada".into(),
        seed: 1,
        first_op: 0,
        started_at: 0,
        now: journal.len() as i64,
        attributes: Json(USER.into()),
        journal,
        completions,
    }
}

/// The journal of a flow that goes round and round, of at least so many entries.
fn journal(module: &Module, length: usize) -> Result<Journal> {
    let (mut journal, mut completions) = (Journal::default(), vec![]);
    while journal.len() < length {
        let at = journal.len() as i64;
        let answer = call(module, &Request::Turn(turn(journal.clone(), completions)))?;
        let Response::Turn(TurnOutcome { entries, pending, .. }) = answer else { bail!("no turn: {answer:?}") };
        journal.extend(entries);
        completions = pending.iter().map(|p| Completion { op: p.op, happened: Happened::Elapsed { at } }).collect();
    }
    Ok(journal)
}
