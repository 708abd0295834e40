//! Three `segflow serve` on one MySQL, and one of them killed under load: how long until what it owed goes on.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use segflow_benches::database::{self, Database, Kind};
use segflow_benches::process::{At, Server};
use segflow_benches::report::{Times, figure, thousands, time, title};
use segflow_benches::smtp::Recorder;
use segflow_benches::{now, project, random};
use sqlx::{AssertSqlSafe, MySqlPool, Row};

#[derive(Parser)]
struct Args {
    /// How often one of the three is killed
    #[arg(long, default_value_t = 5)]
    times: usize,
    /// How long a silent server keeps its users, in seconds
    #[arg(long, default_value_t = 10)]
    lease: u64,
}

/// Messages decided and not accepted yet, about.
const BACKLOG: usize = 200;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// Longer than any of this may take.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let segflow = project::segflow().await?;
    let mailer = project::module("tests/plugins/mailer").await?;
    title(&format!("three servers, one killed {} times, lease {} s", args.times, args.lease));
    run(&args, &segflow, &mailer).await
}

async fn run(args: &Args, segflow: &Path, mailer: &[u8]) -> Result<()> {
    let database = Database::fresh(Kind::MySql).await?;
    let folder = database::folder()?;
    let recorder = Recorder::start(Duration::from_millis(20), random::seed()).await?;
    let start = || Server::start(segflow, &database.url, recorder.port, args.lease, folder.path().join("log"));
    let mut servers = vec![start().await?, start().await?, start().await?];
    let seen = Seen(MySqlPool::connect(&database.url).await?);
    servers[0].at.connect().await?.json("POST", "/v1/deployments?allow_enter=1000000", mailer).await?;
    until("the buckets are shared", async || Ok(seen.share().await? == (3, 64))).await?;

    let (stop, added) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let feed = |at: At| tokio::spawn(feed(at, recorder.clone(), added.clone(), stop.clone()));
    let feeding = [feed(servers[0].at.clone()), feed(servers[1].at.clone())];
    let (mut taken, mut gone_on, mut shared, mut owed_in_all) =
        (Times::default(), Times::default(), Times::default(), 0);
    for _ in 0..args.times {
        let before = recorder.count();
        until("mail flows", async || Ok(recorder.count() > before + 200)).await?;
        let mut killed = servers.pop().context("three servers")?;
        let incarnation: String = seen.text("SELECT incarnation FROM servers ORDER BY started_at DESC LIMIT 1").await?;
        let buckets = seen.list(&format!("SELECT bucket FROM leases WHERE incarnation = '{incarnation}'")).await?;
        ensure!(!buckets.is_empty(), "the one to be killed has no users");
        killed.kill().await?;
        let since = now();
        let owed = seen.owed(&buckets).await?;
        owed_in_all += owed.len();
        let owner = format!("SELECT CAST(COUNT(*) AS CHAR) FROM leases WHERE incarnation = '{incarnation}'");
        until("its users are taken", async || Ok(seen.text(&owner).await? == "0")).await?;
        taken.add(since.elapsed());
        until("what it owed goes on", async || Ok(seen.owed(&buckets).await?.is_disjoint(&owed))).await?;
        gone_on.add(since.elapsed());
        let since = now();
        servers.push(start().await?);
        until("a newcomer has its share", async || Ok(seen.share().await? == (3, 64))).await?;
        shared.add(since.elapsed());
    }
    stop.store(true, Ordering::SeqCst);
    for feed in feeding {
        feed.await??;
    }
    figure("users added", thousands(added.load(Ordering::SeqCst) as u64), "");
    figure("facts, flows and messages owed when killed", thousands(owed_in_all as u64), "in all");
    let beside = |times: &mut Times| (time(times.within(1.0)), times.text());
    let (longest, text) = beside(&mut taken);
    figure("until its users are taken over", longest, format!("lease {} s; {text}", args.lease));
    let (longest, text) = beside(&mut gone_on);
    figure("until all that it owed has gone on", longest, format!("at most {} s; {text}", args.lease + 2));
    let (longest, text) = beside(&mut shared);
    figure("from starting another until it has its share", longest, text);
    let twice = recorder.accepted().values().filter(|times| times.len() > 1).count();
    figure("accepted twice", twice, "must be 0");
    for mut server in servers {
        server.kill().await?;
    }
    seen.0.close().await;
    folder.close()?;
    database.close().await
}

/// The database, looked at from outside.
struct Seen(MySqlPool);

impl Seen {
    async fn list(&self, sql: &str) -> Result<Vec<i64>> {
        let rows = sqlx::query(AssertSqlSafe(sql.to_string())).fetch_all(&self.0).await?;
        rows.iter().map(|row| Ok(row.try_get_unchecked(0)?)).collect()
    }

    async fn text(&self, sql: &str) -> Result<String> {
        Ok(sqlx::query(AssertSqlSafe(sql.to_string())).fetch_one(&self.0).await?.try_get_unchecked(0)?)
    }

    /// How many servers have users, and how many buckets they have, if none has two more than another.
    async fn share(&self) -> Result<(usize, i64)> {
        let sql = "SELECT COUNT(*) FROM leases WHERE incarnation IS NOT NULL GROUP BY incarnation";
        let shares = self.list(sql).await?;
        let even = shares.iter().max().zip(shares.iter().min()).is_some_and(|(most, least)| most - least <= 1);
        Ok(if even { (shares.len(), shares.iter().sum()) } else { (0, 0) })
    }

    /// What is to be done now for users of these buckets: facts not consumed, flows and messages that are due.
    async fn owed(&self, buckets: &[i64]) -> Result<BTreeSet<String>> {
        let list = buckets.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let now = "UNIX_TIMESTAMP(NOW(3)) * 1000";
        let mut owed = BTreeSet::new();
        for sql in [
            format!("SELECT CAST(id AS CHAR) FROM inbox WHERE bucket IN ({list})"),
            format!("SELECT CONCAT(id, version) FROM enrollments WHERE bucket IN ({list}) AND wake_at <= {now}"),
            format!("SELECT id FROM messages WHERE bucket IN ({list}) AND due_at <= {now}"),
        ] {
            for row in sqlx::query(AssertSqlSafe(sql)).fetch_all(&self.0).await? {
                owed.insert(row.try_get_unchecked(0)?);
            }
        }
        Ok(owed)
    }
}

/// Adds users, as fast as their mail goes out.
async fn feed(at: At, recorder: Recorder, added: Arc<AtomicUsize>, stop: Arc<AtomicBool>) -> Result<()> {
    let mut connection = at.connect().await?;
    while !stop.load(Ordering::SeqCst) {
        // Every user is two messages in the end.
        if 2 * added.load(Ordering::SeqCst) > recorder.count() + BACKLOG {
            tokio::time::sleep(LOOK).await;
            continue;
        }
        let user = format!("u{}", added.fetch_add(1, Ordering::SeqCst));
        let body = format!(r#"{{"attributes":{{"email":"{user}@bench.example"}}}}"#);
        connection.json("PATCH", &format!("/v1/users/{user}"), body.as_bytes()).await?;
    }
    Ok(())
}

async fn until(what: &str, mut done: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let since = now();
    while !done().await? {
        ensure!(since.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}
