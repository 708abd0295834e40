//! A real `segflow serve` is killed again and again while it enrols, waits and sends; then everything is counted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use segflow_benches::database::{self, Database, Kind};
use segflow_benches::http::Connection;
use segflow_benches::process::{At, Server};
use segflow_benches::random::{self, Random};
use segflow_benches::report::{figure, thousands, time, title};
use segflow_benches::smtp::Recorder;
use segflow_benches::{Options, now, project};
use serde_json::Value;
use tokio::sync::watch;

#[derive(Parser)]
struct Args {
    /// How often the server is killed
    #[arg(long, default_value_t = 50)]
    kills: usize,
    /// Chooses the moments; the same seed chooses the same ones
    #[arg(long)]
    seed: Option<u64>,
    #[command(flatten)]
    options: Options,
}

/// Connections of the server to the mail server: the most that one kill may leave unknown.
const CONNECTIONS: usize = 16;

/// Messages decided and not accepted yet, about: enough that mail is under way at any moment.
const BACKLOG: usize = 400;

/// How long a killed server keeps its users on MySQL.
const LEASE: u64 = 1;

/// One person in so many places an order, which is confirmed at least once.
const ORDERS: usize = 10;

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let kinds = args.options.databases()?;
    let segflow = project::segflow().await?;
    let mailer = project::module("tests/plugins/mailer").await?;
    for kind in kinds {
        let seed = args.seed.unwrap_or_else(random::seed);
        title(&format!("{}: {} kills, --seed {seed}", kind.name(), args.kills));
        run(kind, &segflow, &mailer, args.kills, seed).await?;
    }
    Ok(())
}

async fn run(kind: Kind, segflow: &Path, mailer: &[u8], kills: usize, seed: u64) -> Result<()> {
    let started = now();
    let database = Database::fresh(kind).await?;
    let folder = database::folder()?;
    let recorder = Recorder::start(Duration::from_millis(20), seed).await?;
    let mut server = Server::start(segflow, &database.url, recorder.port, LEASE, folder.path().join("log")).await?;
    let (say, at) = watch::channel(server.at.clone());
    let at_first = server.at.clone();
    let mut connection = at_first.connect().await?;
    connection.json("POST", "/v1/deployments?allow_enter=1000000", mailer).await?;

    let feeder = Arc::new(Feeder::new(recorder.clone(), at));
    let feeding: Vec<_> = (0..4).map(|_| tokio::spawn(feeder.clone().feed())).collect();
    let mut random = Random::new(seed);
    let (mut in_flight, mut sending_kills) = (0, 0);
    for _ in 0..kills {
        // Mostly some time after mail begins to flow; every fifth at any moment, starting and taking over included.
        if random.below(5) > 0 {
            let before = recorder.count();
            let patience = now();
            while recorder.count() < before + 3 && patience.elapsed() < Duration::from_secs(20) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        tokio::time::sleep(Duration::from_micros(random.below(900_000))).await;
        let open = recorder.open();
        server.kill().await?;
        in_flight += open;
        sending_kills += usize::from(open > 0);
        server = Server::start(segflow, &database.url, recorder.port, LEASE, folder.path().join("log")).await?;
        say.send_replace(server.at.clone());
    }
    feeder.stop.store(true, Ordering::SeqCst);
    for feed in feeding {
        feed.await??;
    }
    let fed = started.elapsed();
    let mut connection = server.at.connect().await?;
    settle(&mut connection).await?;
    let messages = connection.all("/v1/messages").await?;
    let worst = most_at_once(&mut connection, &messages).await?;
    let enrollments = connection.all("/v1/campaigns/pair/enrollments").await?;
    server.kill().await?;

    figure("time, with settling", time(started.elapsed()), format!("{} of kills", time(fed)));
    let (users, orders) = (feeder.users(), feeder.orders());
    figure("users added, orders placed", thousands(users.len() as u64), thousands(orders.len() as u64));
    let mail = recorder.accepted();
    figure("messages in the ledger", thousands(messages.len() as u64), format!("{} enrollments", enrollments.len()));
    figure("messages accepted by the mail server", thousands(mail.len() as u64), "");
    figure("kills with mail under way", format!("{sending_kills} of {kills}"), format!("{in_flight} messages in all"));
    let count = count(&users, &orders, &messages, &recorder);
    figure("lost from the ledger", count.lost, "must be 0");
    figure("accepted twice, of those at most once", count.twice, "must be 0");
    figure("accepted twice, of those at least once", count.repeated, "allowed");
    figure("left neither sent nor unknown", count.unsettled, "must be 0");
    figure("said to be sent and never accepted", count.invented, "must be 0");
    figure("unknown", count.unknown, format!("at most {} ({CONNECTIONS} per kill)", CONNECTIONS * kills));
    figure("…which the mail server had accepted", count.unknown_accepted, "");
    figure("most unknown outcomes by one kill", worst, format!("at most {CONNECTIONS}"));
    folder.close()?;
    database.close().await
}

/// Adds users and orders, each until it is acknowledged, so that there is always something to send.
struct Feeder {
    recorder: Recorder,
    at: watch::Receiver<At>,
    next: AtomicUsize,
    users: Mutex<BTreeSet<String>>,
    orders: Mutex<BTreeSet<String>>,
    stop: AtomicBool,
}

impl Feeder {
    fn new(recorder: Recorder, at: watch::Receiver<At>) -> Feeder {
        Feeder {
            recorder,
            at,
            next: AtomicUsize::new(0),
            users: Mutex::default(),
            orders: Mutex::default(),
            stop: AtomicBool::new(false),
        }
    }

    /// Whose addition was acknowledged.
    fn users(&self) -> BTreeSet<String> {
        self.users.lock().expect("no panic while held").clone()
    }

    /// Users whose order was acknowledged.
    fn orders(&self) -> BTreeSet<String> {
        self.orders.lock().expect("no panic while held").clone()
    }

    async fn feed(self: Arc<Self>) -> Result<()> {
        let mut connection = None;
        while !self.stop.load(Ordering::SeqCst) {
            // Every user is two messages in the end.
            let decided = 2 * self.next.load(Ordering::SeqCst);
            if decided > self.recorder.count() + BACKLOG {
                tokio::time::sleep(Duration::from_millis(5)).await;
                continue;
            }
            let number = self.next.fetch_add(1, Ordering::SeqCst);
            let user = format!("u{number}");
            let path = format!("/v1/users/{user}");
            let body = format!(r#"{{"attributes":{{"email":"{user}@bench.example"}}}}"#);
            self.until_acknowledged(&mut connection, "PATCH", &path, &body).await?;
            self.users.lock().expect("no panic while held").insert(user.clone());
            if number.is_multiple_of(ORDERS) {
                let body = format!(r#"{{"name":"order","id":"order-{number}","attributes":{{"number":"{number}"}}}}"#);
                self.until_acknowledged(&mut connection, "POST", &format!("{path}/events"), &body).await?;
                self.orders.lock().expect("no panic while held").insert(user);
            }
        }
        Ok(())
    }

    async fn until_acknowledged(
        &self,
        kept: &mut Option<Connection>,
        method: &str,
        path: &str,
        body: &str,
    ) -> Result<()> {
        loop {
            let connection = match kept.take() {
                Some(connection) => Ok(connection),
                None => {
                    let at = self.at.borrow().clone();
                    at.connect().await
                }
            };
            if let Ok(mut connection) = connection {
                let answered = match connection.call(method, path, body.as_bytes()).await {
                    Ok(answer) if answer.status < 300 => Some(true),
                    Ok(answer) if matches!(answer.status, 429 | 503) => Some(false),
                    Ok(answer) => {
                        let why = String::from_utf8_lossy(answer.body);
                        bail!("{method} {path} answered {}: {why}", answer.status)
                    }
                    Err(_) => None,
                };
                *kept = answered.is_some().then_some(connection);
                if answered == Some(true) {
                    return Ok(());
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Waits until every flow has ended and every message has its fate.
async fn settle(connection: &mut Connection) -> Result<()> {
    let started = now();
    loop {
        let mut left = vec![];
        for path in ["messages?status=pending", "messages?status=sending", "campaigns/pair/enrollments?status=active"] {
            let page = connection.get(&format!("/v1/{path}&limit=1")).await?;
            if page["items"].as_array().is_some_and(|items| !items.is_empty()) {
                left.push(path);
            }
        }
        if left.is_empty() {
            return Ok(());
        }
        // Half a minute is what a second try takes, and a third.
        if started.elapsed() > Duration::from_secs(180) {
            figure("does not settle", left.join(", "), "");
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The most attempts that were given up as unknown at one instant, which is one recovery after one kill.
async fn most_at_once(connection: &mut Connection, messages: &[Value]) -> Result<usize> {
    let mut by_instant: BTreeMap<String, usize> = BTreeMap::new();
    let touched = messages.iter().filter(|m| m["status"] == "unknown" || m["attempt"].as_u64() > Some(1));
    for message in touched {
        let id = message["id"].as_str().context("an id")?;
        let whole = connection.get(&format!("/v1/messages/{id}")).await?;
        for attempt in whole["attempts"].as_array().into_iter().flatten().filter(|a| a["outcome"] == "unknown") {
            *by_instant.entry(attempt["at"].to_string()).or_default() += 1;
        }
    }
    Ok(by_instant.into_values().max().unwrap_or(0))
}

#[derive(Default)]
struct Count {
    lost: usize,
    twice: usize,
    repeated: usize,
    unsettled: usize,
    invented: usize,
    unknown: usize,
    unknown_accepted: usize,
}

fn count(users: &BTreeSet<String>, orders: &BTreeSet<String>, messages: &[Value], recorder: &Recorder) -> Count {
    let mail = recorder.accepted();
    let text = |message: &Value, field: &str| message[field].as_str().unwrap_or_default().to_string();
    let mut count = Count::default();
    let mut ledger: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut at_most_once = BTreeSet::new();
    for message in messages {
        let (id, status) = (text(message, "id"), text(message, "status"));
        *ledger.entry((text(message, "user_id"), text(message, "template"))).or_default() += 1;
        if message["guarantee"] == "at_most_once" {
            at_most_once.insert(id.clone());
        }
        let accepted = mail.contains_key(&id);
        match status.as_str() {
            "sent" => count.invented += usize::from(!accepted),
            "unknown" => {
                count.unknown += 1;
                count.unknown_accepted += usize::from(accepted);
            }
            _ => count.unsettled += 1,
        }
    }
    // One row for each message that somebody must get, and one for each that anybody got.
    let expected = users.iter().flat_map(|user| [(user, "first"), (user, "second")]);
    let expected = expected.chain(orders.iter().map(|user| (user, "receipt")));
    count.lost =
        expected.filter(|(user, template)| ledger.get(&((*user).clone(), (*template).into())) != Some(&1)).count();
    let known: BTreeSet<String> = messages.iter().map(|message| text(message, "id")).collect();
    count.lost += mail.keys().filter(|id| !known.contains(*id)).count();
    // By what the recipient sees, too: two messages of different ids that say the same.
    let mut seen: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (id, accepted) in &mail {
        if at_most_once.contains(id) {
            accepted.iter().for_each(|a| *seen.entry((&a.to, &a.subject)).or_default() += 1);
        } else {
            count.repeated += accepted.len() - 1;
        }
    }
    count.twice = seen.values().filter(|times| **times > 1).count();
    count
}
