//! Segments in real time: what facts cost, how soon membership follows, a push to many, a user with a long history, timers at once.
//!
//! `--users 1000000` is the size that is promised for; the default is a hundredth of it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use segflow_benches::database::{Database, Kind};
use segflow_benches::http::Connection;
use segflow_benches::limits::{self, Shape};
use segflow_benches::random;
use segflow_benches::report::{Times, figure, per_second, rate, thousands, time, title};
use segflow_benches::stand::Stand;
use segflow_benches::{Options, made, now};
use segflow_server::store::db::Db;
use serde_json::{Value, json};

#[derive(Parser)]
struct Args {
    /// How many users there are
    #[arg(long, default_value_t = 10_000)]
    users: usize,
    /// How many events each of them has
    #[arg(long, default_value_t = 5)]
    events: usize,
    /// How many segments: half of them with sums and windows, a tenth raw SQL
    #[arg(long, default_value_t = 100)]
    segments: usize,
    /// How many events are reported while it is measured
    #[arg(long, default_value_t = 10_000)]
    facts: usize,
    /// How many events the user with a long history has
    #[arg(long, default_value_t = 100_000)]
    heavy: usize,
    /// How many timers fall due within one minute
    #[arg(long, default_value_t = 100_000)]
    flips: usize,
    #[command(flatten)]
    options: Options,
}

const PATIENCE: Duration = Duration::from_secs(1_800);
const CONNECTIONS: usize = 64;
const DAY: i64 = 86_400_000;

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    for kind in args.options.databases()? {
        for delay in args.options.delays() {
            let slower = if delay.is_zero() { String::new() } else { format!(", {} more per commit", time(delay)) };
            title(&format!("{}{slower}: facts that no segment reads", kind.name()));
            ingest(&args, kind, delay).await?;
            title(&format!(
                "{}{slower}: {} users, {} segments",
                kind.name(),
                thousands(args.users as u64),
                args.segments
            ));
            let few = population(&args, kind, delay, args.users.min(10_000), false).await?;
            let many = population(&args, kind, delay, args.users, true).await?;
            figure(
                "cost of an event among all, as a multiple of that among 10,000",
                format!("{:.2}", many / few),
                "at most 1.5",
            );
            title(&format!("{}{slower}: {} timers within a minute", kind.name(), thousands(args.flips as u64)));
            flips(&args, kind, delay).await?;
        }
    }
    Ok(())
}

/// Events one by one and in batches, beside what the database takes at most.
async fn ingest(args: &Args, kind: Kind, delay: Duration) -> Result<()> {
    let database = Database::fresh(kind).await?;
    let stand = Stand::start(&database, delay).await?;
    let target = if kind == Kind::Sqlite { "target 8,000/s" } else { "target 4,000/s" };
    let users = args.users;
    let started = now();
    let mut times = crowd(&stand, args.facts, CONNECTIONS, users).await?;
    figure("events, one by one", rate(args.facts, started.elapsed()), format!("{target}; {}", times.text()));
    let started = now();
    let mut connection = stand.connect().await?;
    for part in 0..args.facts.div_ceil(5_000) {
        batch(&mut connection, (0..5_000).map(|n| event(part * 5_000 + n, users, "visit"))).await?;
    }
    figure(
        "events, in batches of 5,000",
        rate(args.facts.div_ceil(5_000) * 5_000, started.elapsed()),
        "target: half of the limit",
    );
    settled(&stand).await?;
    stand.stop().await;
    database.close().await?;
    let database = Database::fresh(kind).await?;
    Stand::start(&database, Duration::ZERO).await?.stop().await;
    let limit = limits::inserts(&database, Shape { rows: 256, inbox: true, delay }, 1).await?;
    figure("limit: 256 user and inbox rows per commit", per_second(limit), "INSERT, COMMIT");
    database.close().await
}

/// A population with all segments: sustained events, how soon membership follows, a new segment, a long history. Seconds per event.
async fn population(args: &Args, kind: Kind, delay: Duration, users: usize, all: bool) -> Result<f64> {
    let database = Database::fresh(kind).await?;
    let stand = Stand::start(&database, delay).await?;
    let mut connection = stand.connect().await?;
    let mut facts = vec![];
    for user in 0..users {
        let attributes =
            json!({ "plan": if user % 10 == 0 { "pro" } else { "free" }, "score": user % 1_000, "n": user });
        facts.push(json!({ "type": "identify", "user_id": format!("user-{user}"), "attributes": attributes, "historical": true }));
        facts.extend((0..args.events).map(|n| event(user, users, if n % 2 == 0 { "login" } else { "purchase" })));
        if facts.len() >= 4_900 {
            batch(&mut connection, facts.drain(..)).await?;
        }
    }
    batch(&mut connection, facts.drain(..)).await?;
    settled(&stand).await?;
    let started = now();
    stand.push(&made::module(&manifest(args.segments, None))?).await?;
    let planned = started.elapsed();
    settled(&stand).await?;
    let beside = format!("the push itself {}", time(planned));
    figure(&format!("first evaluation of everything for {}", thousands(users as u64)), time(started.elapsed()), beside);

    let started = now();
    let mut times = crowd(&stand, args.facts, 16, users).await?;
    let answered = started.elapsed();
    settled(&stand).await?;
    let took = started.elapsed();
    let target = if kind == Kind::Sqlite { "target 2,000/s" } else { "target 1,000/s" };
    figure(
        &format!("events among {}, to membership", thousands(users as u64)),
        rate(args.facts, took),
        format!("{target}; answered {}, {}", rate(args.facts, answered), times.text()),
    );
    if all {
        latency(&mut connection, users).await?;
        let started = now();
        let module = made::module(&manifest(
            args.segments,
            Some(json!({ "user": { "at": { "path": ["plan"], "is": { "eq": "pro" } } } })),
        ))?;
        let pushing = stand.push(&module);
        let meanwhile = crowd(&stand, args.facts, 16, users);
        let (pushed, meanwhile) = tokio::join!(pushing, meanwhile);
        pushed?;
        settled(&stand).await?;
        let target = if kind == Kind::Sqlite { "target 15 s for 1,000,000" } else { "target 30 s for 1,000,000" };
        let beside = format!("{target}; events meanwhile {}, before {}", meanwhile?.text(), times.text());
        figure("a new segment that a tenth matches", time(started.elapsed()), beside);
        heavy(args, &stand).await?;
    }
    if args.options.statements {
        segflow_benches::report::statements(database.statements(24).await?);
    }
    stand.stop().await;
    database.close().await?;
    Ok(took.as_secs_f64() / args.facts as f64)
}

/// From an event to the membership that it makes.
async fn latency(connection: &mut Connection, users: usize) -> Result<()> {
    let mut times = Times::default();
    for n in 0..200 {
        let user = format!("user-{}", random::seed() as usize % users);
        let (name, id) = (
            json!({ "name": "rare", "id": format!("rare-{n}") }).to_string(),
            format!("/v1/users/{user}/segments?limit=1000"),
        );
        let started = now();
        connection.json("POST", &format!("/v1/users/{user}/events"), name.as_bytes()).await?;
        while !connection.get(&id).await?["items"].as_array().context("items")?.iter().any(|s| s["id"] == "rare") {
            ensure!(started.elapsed() < PATIENCE, "{user} never belongs");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        times.add(started.elapsed());
    }
    figure(
        "from an event to its membership",
        time(times.within(0.99)),
        format!("p99, at most 300 ms; {}", times.text()),
    );
    Ok(())
}

/// One event of a user with a long history, beside one with ten events.
async fn heavy(args: &Args, stand: &Stand) -> Result<()> {
    let mut connection = stand.connect().await?;
    let mut took = vec![];
    for (user, events) in [("light", 10), ("heavy", args.heavy)] {
        for from in (0..events).step_by(5_000) {
            let one = |n: usize| json!({ "type": "track", "user_id": user, "name": "purchase", "attributes": { "value": n % 7 }, "historical": true });
            batch(&mut connection, (from..events.min(from + 5_000)).map(one)).await?;
        }
        settled(stand).await?;
        let started = now();
        for n in 0..20 {
            let event =
                json!({ "name": "purchase", "id": format!("last-{n}"), "attributes": { "value": 1 } }).to_string();
            connection.json("POST", &format!("/v1/users/{user}/events"), event.as_bytes()).await?;
            settled(stand).await?;
        }
        took.push(started.elapsed() / 20);
    }
    let times = took[1].as_secs_f64() / took[0].as_secs_f64();
    figure(
        &format!("an event of one with {} events, as a multiple of one with 10", thousands(args.heavy as u64)),
        format!("{times:.1}"),
        format!("at most 3; {} and {}", time(took[1]), time(took[0])),
    );
    Ok(())
}

/// Timers that fall due within one minute: how late each membership is.
async fn flips(args: &Args, kind: Kind, delay: Duration) -> Result<()> {
    let database = Database::fresh(kind).await?;
    let stand = Stand::start(&database, delay).await?;
    let old = json!({ "when": { "events": { "name": "login" }, "which": "last", "is": { "older_than": DAY }, "or_never": false } });
    let mut project = manifest(0, None);
    project["segments"] = json!([{ "id": "old", "rule": { "expr": old } }]);
    project["campaigns"] = json!([]);
    stand.push(&made::module(&project)?).await?;
    let mut connection = stand.connect().await?;
    // Far enough ahead for all of them to be stored before the first.
    let reported = now();
    let first = i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis())?
        + 60_000
        + args.flips as i64 / 2;
    for from in (0..args.flips).step_by(5_000) {
        let one = |n: usize| {
            let at = first - DAY + (n as i64 * 60_000) / args.flips as i64;
            json!({ "type": "track", "user_id": format!("user-{n}"), "name": "login", "occurred_at": instant(at) })
        };
        batch(&mut connection, (from..args.flips.min(from + 5_000)).map(one)).await?;
    }
    settled(&stand).await?;
    figure("all of them set", time(reported.elapsed()), "");
    let db = Db::open(&database.url, Duration::ZERO).await.map_err(anyhow::Error::new)?;
    let started = now();
    loop {
        let count = db.read_one("SELECT COUNT(*) FROM memberships", vec![]).await.map_err(anyhow::Error::new)?;
        if count.context("a count")?.int(0).map_err(anyhow::Error::new)? >= args.flips as i64 {
            break;
        }
        ensure!(started.elapsed() < PATIENCE, "they do not all fall due");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let late = "SELECT MAX(m.since - e.occurred_at), COUNT(*) FROM memberships m JOIN events e ON e.workspace = m.workspace AND e.user_id = m.user_id";
    let row = db.read_one(late, vec![]).await.map_err(anyhow::Error::new)?.context("a row")?;
    let worst = row.int(0).map_err(anyhow::Error::new)? - DAY;
    figure("the latest of them", format!("{worst} ms"), "after its instant; at most 2,000 ms");
    db.close().await;
    stand.stop().await;
    database.close().await
}

/// RFC 3339 of an instant in ms UTC, by the civil calendar (Hinnant 2013).
fn instant(ms: i64) -> String {
    let (days, rest) = (ms.div_euclid(DAY), ms.rem_euclid(DAY));
    let z = days + 719_468;
    let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + i64::from(month <= 2);
    let (hour, minute, second, milli) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1_000 % 60, rest % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

fn manifest(segments: usize, new: Option<Value>) -> Value {
    let all: Vec<Value> = (0..segments)
        .map(|n| {
            let within = (n as i64 % 9 + 1) * 10 * DAY;
            let rule = match n % 10 {
                0 => json!({ "sql": format!("SELECT id FROM users WHERE attributes->'$.score' > {n}") }),
                1 | 3 | 5 | 7 | 9 => {
                    let events = json!({ "name": if n % 4 == 1 { "purchase" } else { "login" }, "within": within });
                    json!({ "expr": { "measure": { "events": events, "measure": { "sum": ["value"] }, "is": { "gt": n } } } })
                }
                2 => json!({ "expr": { "user": { "at": { "path": ["plan"], "is": { "eq": "pro" } } } } }),
                4 => json!({ "expr": { "user": { "at": { "path": ["score"], "is": { "ge": n * 10 } } } } }),
                6 => json!({ "expr": { "measure": { "events": { "name": "purchase" }, "measure": "count", "is": { "ge": n % 7 + 1 } } } }),
                _ => json!({ "expr": { "not": { "user": { "at": { "path": ["score"], "is": { "lt": n } } } } } }),
            };
            json!({ "id": format!("s{n}"), "rule": rule })
        })
        .chain(["rare", "visit"].map(|name| {
            let is = json!({ "measure": { "events": { "name": name }, "measure": "count", "is": { "gt": 0 } } });
            json!({ "id": name, "rule": { "expr": is } })
        }))
        .chain(new.map(|expr| json!({ "id": "new", "rule": { "expr": expr } })))
        .collect();
    let campaigns: Vec<Value> = (0..segments.min(20))
        .map(|n| {
            let id = format!("c{n}");
            json!({ "id": id, "segments": [format!("s{n}")], "mode": "dynamic", "guarantee": "at_most_once", "newcomers_only": true })
        })
        .collect();
    let event = |name: &str| json!({ "name": name, "fields": [] });
    json!({
        "name": "bench", "sdk": "0", "user": [], "events": [event("login"), event("purchase"), event("rare"), event("visit")],
        "segments": all, "campaigns": campaigns,
    })
}

fn event(n: usize, users: usize, name: &str) -> Value {
    let attributes = json!({ "value": n % 50 });
    json!({ "type": "track", "user_id": format!("user-{}", n % users), "name": name, "attributes": attributes, "historical": true })
}

async fn batch(connection: &mut Connection, items: impl Iterator<Item = Value>) -> Result<()> {
    let items: Vec<Value> = items.collect();
    if !items.is_empty() {
        connection.json("POST", "/v1/batch", json!({ "batch": items }).to_string().as_bytes()).await?;
    }
    Ok(())
}

/// Events of one user after another, over so many connections.
async fn crowd(stand: &Stand, events: usize, connections: usize, users: usize) -> Result<Times> {
    let mut clients = vec![];
    for first in 0..connections {
        let mut connection = stand.connect().await?;
        clients.push(tokio::spawn(async move {
            let mut times = Times::default();
            for n in (first..events).step_by(connections) {
                let name = if n % 3 == 0 { "purchase" } else { "login" };
                let body = json!({ "name": name, "attributes": { "value": n % 50 } }).to_string();
                let path = format!("/v1/users/user-{}/events", n * 7_919 % users);
                let started = now();
                connection.json("POST", &path, body.as_bytes()).await?;
                times.add(started.elapsed());
            }
            anyhow::Ok(times)
        }));
    }
    let mut times = Times::default();
    for client in clients {
        times.extend(client.await??);
    }
    Ok(times)
}

/// Until nothing is left to be decided.
async fn settled(stand: &Stand) -> Result<()> {
    let started = now();
    while stand.has_work().await? {
        ensure!(started.elapsed() < PATIENCE, "it never settles");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}
