//! A million enrollments asleep: what they cost while nothing happens, and what happens when ten thousand of them wake at one instant.
//!
//! A real server makes two of them; the others are copies of their rows, each with a user of its own.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use segflow_benches::database::{self, Database, Kind};
use segflow_benches::http::Connection;
use segflow_benches::process::Server;
use segflow_benches::report::{Times, figure, thousands, time, title};
use segflow_benches::{Options, now, project};
use segflow_core::ids;
use segflow_server::args;
use segflow_server::store::db::{Db, Kind as Dialect};
use serde_json::{Value, json};

#[derive(Parser)]
struct Args {
    /// How many sleep
    #[arg(long, default_value_t = 1_000_000)]
    sleepers: usize,
    /// How many of them wake at once
    #[arg(long, default_value_t = 10_000)]
    wake: usize,
    #[command(flatten)]
    options: Options,
}

const WORKSPACE: &str = "main";
/// How long the campaign `nap` waits.
const NAP: Duration = Duration::from_secs(20);

const PATIENCE: Duration = Duration::from_secs(120);

/// How long the idle server is watched.
const IDLE: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let kinds = args.options.databases()?;
    let segflow = project::segflow().await?;
    let wasm = project::module("tests/plugins/flows").await?;
    for kind in kinds {
        title(&format!("{}: {} asleep", kind.name(), thousands(args.sleepers as u64)));
        let database = Database::fresh(kind).await?;
        let folder = database::folder()?;
        let start = || Server::start(&segflow, &database.url, 1, 10, folder.path().join("log"));
        let mut server = start().await?;
        server.at.connect().await?.json("POST", "/v1/deployments", &wasm).await?;
        let mut connection = server.at.connect().await?;
        let db = Db::open(&database.url, Duration::ZERO).await.map_err(anyhow::Error::new)?;
        sleeper(&mut connection, &db, "far", "sleep").await?;
        server.kill().await?;

        let before = size(&db, &database).await?;
        copies(&db, "far", "sleeper", args.sleepers).await?;
        let each = (size(&db, &database).await? - before) as f64 / args.sleepers as f64;
        figure("each in the database", format!("{each:.0} bytes"), "with its indexes; at most 400");

        let server = start().await?;
        let mut connection = server.at.connect().await?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let (cpu, since) = (server.cpu()?, now());
        tokio::time::sleep(IDLE).await;
        let share = (server.cpu()? - cpu).as_secs_f64() / since.elapsed().as_secs_f64();
        figure("the server while nothing happens", format!("{:.2} %", 100.0 * share), "of a core; at most 2 %");
        figure("its memory", memory(server.memory("VmRSS")?), "at most 150 MB");

        wake(&args, &db, &mut connection).await?;
        figure("its memory at most", memory(server.memory("VmHWM")?), "at most 150 MB");
        db.close().await;
        let mut server = server;
        server.kill().await?;
        folder.close()?;
        database.close().await?;
    }
    Ok(())
}

/// Many wake at one instant; meanwhile somebody rings now and then, and waits for an email.
async fn wake(args: &Args, db: &Db, connection: &mut Connection) -> Result<()> {
    let since = now();
    sleeper(connection, db, "soon", "nap").await?;
    copies(db, "soon", "riser", args.wake).await?;
    for n in 0..200 {
        let attributes = json!({"attributes": {"email": format!("ringer-{n}@bench.example")}});
        connection.json("PATCH", &format!("/v1/users/ringer-{n}"), attributes.to_string().as_bytes()).await?;
    }
    let left = NAP.checked_sub(since.elapsed()).context("copying took too long")?;
    tokio::time::sleep(left).await;
    let (began, mut rings, mut n) = (now(), Times::default(), 0);
    let mut alone = None;
    loop {
        let rung = now();
        let event = json!({"name": "ring", "id": format!("ring-{n}")}).to_string();
        connection.json("POST", &format!("/v1/users/ringer-{n}/events"), event.as_bytes()).await?;
        let path = format!("/v1/messages?user_id=ringer-{n}");
        while connection.get(&path).await?["items"][0]["status"] != "sent" {
            ensure!(rung.elapsed() < PATIENCE, "nobody answers ring {n}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        n += 1;
        if let Some(took) = alone {
            figure("an email to somebody who rings, when all is quiet", time(rung.elapsed()), "");
            figure(&format!("{} woken, all sent", thousands(args.wake as u64)), time(took), "at most 5 s");
            break;
        }
        rings.add(rung.elapsed());
        if sent(db).await? >= args.wake as i64 {
            alone = Some(began.elapsed());
        }
        ensure!(began.elapsed() < PATIENCE && n < 199, "they do not all wake");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    figure("emails to those who ring meanwhile", time(rings.within(1.0)), format!("at most 200 ms; {}", rings.text()));
    Ok(())
}

/// A user whose flow sleeps.
async fn sleeper(connection: &mut Connection, db: &Db, user: &str, campaign: &str) -> Result<()> {
    let attributes = json!({"email": format!("{user}@bench.example"), "does": campaign});
    let body = json!({ "attributes": attributes }).to_string();
    connection.json("PATCH", &format!("/v1/users/{user}"), body.as_bytes()).await?;
    let since = now();
    while count(db, "SELECT COUNT(*) FROM enrollments WHERE status = 'active' AND user_id = ?", args![user]).await? == 0
    {
        ensure!(since.elapsed() < PATIENCE, "{user} does not fall asleep");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Copies a user and its enrollment, to users of their own.
async fn copies(db: &Db, of: &str, name: &str, count: usize) -> Result<()> {
    for first in (0..count).step_by(10_000) {
        let rows: Vec<Value> = (first..count.min(first + 10_000))
            .map(|n| {
                let user = format!("{name}-{n}");
                let id = ids::enrollment(WORKSPACE, &user, "sleep", 1);
                json!([id, user, ids::bucket(WORKSPACE, &user)])
            })
            .collect();
        let (rows, of) = (Value::from(rows).to_string(), of.to_string());
        let work = db.write(move |tx| {
            let (rows, of) = (rows.clone(), of.clone());
            Box::pin(async move {
                let (table, [id, user, bucket]) = match tx.kind() {
                    Dialect::Sqlite => {
                        ("json_each(?)", ["'$[0]'", "'$[1]'", "'$[2]'"].map(|at| format!("json_extract(value, {at})")))
                    }
                    Dialect::MySql | Dialect::MariaDb => (
                        "JSON_TABLE(?, '$[*]' COLUMNS (a VARCHAR(64) PATH '$[0]', b VARCHAR(255) PATH '$[1]', c INT PATH '$[2]'))",
                        ["copy.a", "copy.b", "copy.c"].map(String::from),
                    ),
                };
                let users = format!(
                    "INSERT INTO users (workspace, id, bucket, incarnation, attributes, email, seq, evaluated, created_at, updated_at) \
                     SELECT workspace, {user}, {bucket}, {user}, attributes, email, seq, evaluated, created_at, updated_at \
                     FROM users, {table} AS copy WHERE workspace = ? AND users.id = ?"
                );
                tx.run(users, args![&rows, WORKSPACE, &of]).await?;
                let columns = "campaign, run, deployment, status, reason, version, first_op, next_op, started_at, updated_at, wake_at, \
                               hops, pending, journal, chunks, since, state, entry_key, by_hand, bytes, first_chunk";
                let enrollments = format!(
                    "INSERT INTO enrollments (id, workspace, user_id, bucket, {columns}) \
                     SELECT {id}, workspace, {user}, {bucket}, {columns} FROM enrollments, {table} AS copy \
                     WHERE workspace = ? AND user_id = ?"
                );
                tx.run(enrollments, args![&rows, WORKSPACE, &of]).await?;
                Ok(())
            })
        });
        work.await.map_err(anyhow::Error::new)?;
    }
    Ok(())
}

async fn sent(db: &Db) -> Result<i64> {
    count(db, "SELECT COUNT(*) FROM messages WHERE status = 'sent' AND campaign = ?", args!["nap"]).await
}

async fn count(db: &Db, sql: &str, args: Vec<segflow_server::store::db::Value>) -> Result<i64> {
    let row = db.read_one(sql, args).await.map_err(anyhow::Error::new)?;
    row.context("a count")?.int(0).map_err(anyhow::Error::new)
}

/// What enrollments take in the database, in bytes.
async fn size(db: &Db, database: &Database) -> Result<f64> {
    let sql = match database.kind {
        Kind::Sqlite => "SELECT SUM(pgsize) FROM dbstat WHERE name LIKE '%enrollments%'".to_string(),
        Kind::MySql => {
            let analyse = "ANALYZE TABLE enrollments";
            db.read(analyse, vec![]).await.map_err(anyhow::Error::new)?;
            "SELECT CAST(data_length + index_length AS SIGNED) FROM information_schema.tables \
             WHERE table_schema = DATABASE() AND table_name = 'enrollments'"
                .to_string()
        }
    };
    Ok(count(db, &sql, vec![]).await? as f64)
}

fn memory(bytes: u64) -> String {
    format!("{:.0} MB", bytes as f64 / 1e6)
}
