//! From decided messages to the provider's socket: over SMTP beside `smtp-source`, in Postmark's batches, and how long an event takes to
//! become an email at the provider, alone and while a campaign is being sent.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use segflow_benches::database::{Database, Kind};
use segflow_benches::http::Connection;
use segflow_benches::postmark::Postmark;
use segflow_benches::report::{self, Times, figure, per_second, rate, thousands, time, title};
use segflow_benches::sink::Sink;
use segflow_benches::stand::Stand;
use segflow_benches::{Options, now, project};
use segflow_server::args;
use serde_json::{Value, json};

#[derive(Parser)]
struct Args {
    /// How many messages go to smtp-sink
    #[arg(long, default_value_t = 20_000)]
    messages: usize,
    /// How many users the campaign has that goes to Postmark
    #[arg(long, default_value_t = 100_000)]
    users: usize,
    /// How many events are reported, each becoming an email, at 200 a second
    #[arg(long, default_value_t = 2_000)]
    events: usize,
    #[command(flatten)]
    options: Options,
}

/// Of the server over SMTP.
const CONNECTIONS: usize = 64;
/// What an email of this project is, in bytes, about.
const SIZE: usize = 4_500;
/// Between two events.
const PACE: Duration = Duration::from_millis(5);

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let kinds = args.options.databases()?;
    let senders = project::module("tests/plugins/senders").await?;
    for kind in kinds {
        for delay in args.options.delays() {
            let slower = if delay.is_zero() { String::new() } else { format!(", {} more per commit", time(delay)) };
            title(&format!("{}{slower}", kind.name()));
            over_smtp(&args, kind, delay, &variant(&senders, "smtp64")?).await?;
            to_postmark(&args, kind, delay, &variant(&senders, "postmark")?).await?;
        }
    }
    Ok(())
}

/// The module has sixteen bytes that say through which provider its messages leave.
fn variant(wasm: &[u8], name: &str) -> Result<Vec<u8>> {
    const MARK: &[u8; 16] = b"variant:--------";
    let at = wasm.windows(MARK.len()).position(|part| part == MARK).context("the mark is in the module")?;
    let mut wasm = wasm.to_vec();
    wasm[at..at + MARK.len()].copy_from_slice(format!("variant:{name:-<8}").as_bytes());
    Ok(wasm)
}

async fn add(connection: &mut Connection, name: &str, users: usize) -> Result<()> {
    let all: Vec<usize> = (0..users).collect();
    for part in all.chunks(2_000) {
        let one = |n: &usize| {
            let attributes = json!({ "email": format!("{name}-{n}@bench.example") });
            json!({ "type": "identify", "user_id": format!("{name}-{n}"), "attributes": attributes })
        };
        let batch: Vec<Value> = part.iter().map(one).collect();
        connection.json("POST", "/v1/batch", json!({ "batch": batch }).to_string().as_bytes()).await?;
    }
    Ok(())
}

async fn over_smtp(args: &Args, kind: Kind, delay: Duration, wasm: &[u8]) -> Result<()> {
    let sink = Sink::start().await?;
    let source = sink.fill(args.messages, SIZE, CONNECTIONS).await?;
    let theirs = args.messages as f64 / source.as_secs_f64();
    let database = Database::fresh(kind).await?;
    let secrets = BTreeMap::from([("VENDOR_URL".to_string(), sink.url())]);
    let stand = Stand::knowing(&database, delay, secrets).await?;
    add(&mut stand.connect().await?, "user", args.messages).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let began = now();
    stand.push(wasm).await?;
    let pushed = began.elapsed();
    // Counting them is work, and is not begun before nothing else can be seen to be left.
    while stand.is_behind().await? || stand.has_mail().await? || sent(&stand).await? < args.messages {
        ensure!(began.elapsed() < Duration::from_secs(600), "not all of them are sent");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let took = began.elapsed();
    let ours = args.messages as f64 / took.as_secs_f64();
    let target = if kind == Kind::Sqlite { "3,000/s" } else { "1,700/s" };
    figure(
        &format!("{} messages to smtp-sink, from the push to the last", thousands(args.messages as u64)),
        per_second(ours),
        format!("target {target}; {} in all, the push itself {}", time(took), time(pushed)),
    );
    figure(
        "…beside smtp-source to the same sink",
        per_second(theirs),
        format!("{:.2} of it, target 0.33; {SIZE} bytes each, {CONNECTIONS} connections", ours / theirs),
    );
    end(args, stand, database).await
}

/// Ends a server and throws its database away.
async fn end(args: &Args, stand: Stand, database: Database) -> Result<()> {
    if args.options.statements {
        report::statements(database.statements(20).await?);
    }
    stand.stop().await;
    database.close().await
}

async fn sent(stand: &Stand) -> Result<usize> {
    let sql = "SELECT COUNT(*) FROM messages WHERE workspace = 'main' AND campaign = 'greet' AND status = 'sent'";
    Ok(stand.count(sql, args![]).await? as usize)
}

async fn to_postmark(args: &Args, kind: Kind, delay: Duration, wasm: &[u8]) -> Result<()> {
    let postmark = Postmark::start().await?;
    let secrets = BTreeMap::from([
        ("VENDOR_URL".to_string(), postmark.url.clone()),
        ("POSTMARK_TOKEN".to_string(), "token".to_string()),
    ]);
    let database = Database::fresh(kind).await?;
    let stand = Stand::knowing(&database, delay, secrets.clone()).await?;
    stand.push(wasm).await?;
    add(&mut stand.connect().await?, "alone", args.events).await?;
    while postmark.count() < args.events {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut alone = orders(&stand, &postmark, "alone", args.events).await?;
    let p99 = time(alone.within(0.99));
    figure("from an event to the provider's socket, 200 a second", p99, format!("p99, target 60 ms; {}", alone.text()));
    end(args, stand, database).await?;

    let database = Database::fresh(kind).await?;
    let stand = Stand::knowing(&database, delay, secrets).await?;
    let mut connection = stand.connect().await?;
    add(&mut connection, "busy", args.events).await?;
    add(&mut connection, "user", args.users).await?;
    while stand.has_news().await? {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (before, began) = (postmark.count(), now());
    stand.push(wasm).await?;
    let ordering = orders(&stand, &postmark, "busy", args.events);
    let sending = async {
        while postmark.count() < before + args.users + 2 * args.events {
            ensure!(began.elapsed() < Duration::from_secs(900), "not all of them are sent");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::Ok(began.elapsed())
    };
    let (busy, took) = tokio::join!(ordering, sending);
    let (mut busy, took) = (busy?, took?);
    let a_minute = thousands((args.users as f64 / took.as_secs_f64() * 60.0) as u64);
    figure(
        &format!("{} users, from the push to the last in Postmark's batches", thousands(args.users as u64)),
        rate(args.users, took),
        format!("target 5,000/s, and 100,000 a minute; {} in all, {a_minute} a minute", time(took)),
    );
    let p99 = time(busy.within(0.99));
    figure("…an event meanwhile, to the provider's socket", p99, format!("p99, target 250 ms; {}", busy.text()));
    end(args, stand, database).await
}

/// Reports an order of each of these users, one every few milliseconds; how long each took to become an email at the provider.
async fn orders(stand: &Stand, postmark: &Postmark, name: &str, events: usize) -> Result<Times> {
    const LANES: usize = 8;
    let began = now();
    let lanes = (0..LANES).map(|lane| async move {
        let mut connection = stand.connect().await?;
        let mut asked = vec![];
        for n in (lane..events).step_by(LANES) {
            let due = PACE * n as u32;
            tokio::time::sleep(due.saturating_sub(began.elapsed())).await;
            let at = now();
            let event = json!({ "name": "order", "attributes": { "number": n.to_string() } }).to_string();
            connection.json("POST", &format!("/v1/users/{name}-{n}/events"), event.as_bytes()).await?;
            asked.push((n, at));
        }
        anyhow::Ok(asked)
    });
    let mut times = Times::default();
    for lane in futures_util::future::join_all(lanes).await {
        for (n, at) in lane? {
            let to = format!("{name}-{n}@bench.example");
            let arrived = loop {
                match postmark.arrived(&to) {
                    Some(arrived) => break arrived,
                    None => tokio::time::sleep(Duration::from_millis(1)).await,
                }
                ensure!(at.elapsed() < Duration::from_secs(300), "the order of {to} was not confirmed");
            };
            times.add(arrived.saturating_duration_since(at));
        }
    }
    Ok(times)
}
