//! Delivery that can be proven: ten thousand messages go out by three providers that misbehave, while the server is killed before and
//! after each commit by which a message moves in the ledger, and at random. At the end what the providers have taken is held against what
//! the ledger says, message by message.
//!
//! The commits are those that a message meets on its way: it is decided, claimed, and its outcome written down, or it is accounted for
//! when the server that was sending it has died; and if it is `unknown`, its provider's word of it is taken down. What else touches the
//! ledger (notices, holds, claims given back to a database that was away) has its own tests, and no call is made around it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use segflow_core::ids;
use segflow_server::store::db::Db;

use crate::harness::database::random;
use crate::harness::program::{Process, Segflow};
use crate::harness::recorder::{NOBODY, Recorder};
use crate::harness::vendors::{endpoint, postmark};
use crate::harness::*;

both![ten_thousand_messages_survive_everything];

/// Each of whom gets five messages at most once, four at least once and a receipt.
const USERS: usize = 1_000;
const EACH: [(&str, usize); 3] = [("once", 5), ("twice", 4), ("receipt", 1)];

/// One in so many does not exist.
const NOBODIES: usize = 50;

/// Where the ledger is written.
const COMMITS: [&str; 4] = ["decide", "claim", "outcomes", "recover"];
const SIDES: [&str; 2] = ["before", "after"];

/// How often it is killed at random besides; `SEGFLOW_TEST_KILLS` says otherwise, for a soak.
const KILLS: usize = 8;

/// How many of those that Postmark may have are asked about in the end: ten a second.
const ASKED: usize = 30;

struct Trial {
    db: Database,
    /// A connection beside the server's.
    beside: Db,
    segflow: Segflow,
    recorder: Recorder,
    seed: u64,
    drawn: u64,
    /// The file that says where the server dies, and the one that says how far its clock is off.
    die: PathBuf,
    clock: PathBuf,
    offset: i64,
    process: Option<Process>,
    at: Arc<Mutex<Client>>,
    /// What was being sent when the server died, which nobody can say any more.
    killed: BTreeSet<String>,
    /// All messages that were ever seen in the ledger.
    known: BTreeSet<String>,
    deaths: BTreeMap<String, usize>,
}

/// A message as the ledger has it.
#[derive(Debug)]
struct Entry {
    user: String,
    /// Its campaign or its transaction.
    origin: String,
    at_most_once: bool,
    status: String,
}

#[allow(clippy::print_stdout, reason = "what was counted is the point; with the seed, a failure can be tried again")]
async fn ten_thousand_messages_survive_everything(db: Database) {
    let given = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seed = given("SEGFLOW_TEST_SEED").unwrap_or_else(|| u64::from_str_radix(&random(), 16).expect("hex"));
    let kills = given("SEGFLOW_TEST_KILLS").map_or(KILLS, |kills| kills as usize);
    println!("SEGFLOW_TEST_SEED={seed}");
    let mut trial = Trial::begin(db, seed).await;

    let named: Vec<(&str, &str)> = COMMITS.iter().flat_map(|what| SIDES.map(|side| (*what, side))).collect();
    let rounds = named.len().max(kills) * 2 + 1;
    let slice = |round: usize| USERS * round / rounds..USERS * (round + 1) / rounds;
    for round in 0..rounds {
        let feeding = tokio::spawn(feed(trial.at.clone(), slice(round)));
        match (round % 2, round / 2) {
            (0, n) if n < named.len() => trial.die_at(named[n].0, named[n].1).await,
            (1, n) if n < kills => trial.die_at_random().await,
            _ => {}
        }
        feeding.await.expect("all are acknowledged");
    }
    trial.recorder.mend();
    trial.settle().await;
    let entries = trial.entries().await;
    let unknown = trial.check(&entries);
    trial.ask(&unknown).await;
    println!("{:?}; what the providers did: {}", trial.deaths, trial.recorder.done());
    trial.end().await;
}

/// Adds users and their orders, each until it is acknowledged.
async fn feed(at: Arc<Mutex<Client>>, users: Range<usize>) {
    for start in users.clone().step_by(10) {
        let user = |n: usize| {
            let (id, name) = (format!("u{n}"), if n % NOBODIES == 7 { NOBODY.to_string() } else { format!("u{n}@") });
            [
                json!({"type": "identify", "user_id": id, "attributes": {"email": format!("{name}u{n}.example")}}),
                json!({"type": "track", "user_id": id, "name": "order", "id": "1", "attributes": {"number": "1"}}),
            ]
        };
        let batch: Vec<Value> = (start..users.end.min(start + 10)).flat_map(user).collect();
        let body = json!({ "batch": batch });
        loop {
            let there = at.lock().unwrap().clone();
            if there.takes("/v1/batch", &body).await {
                break;
            }
            pause().await;
        }
    }
}

impl Trial {
    async fn begin(db: Database, seed: u64) -> Trial {
        let recorder = Recorder::start(seed).await;
        recorder.hides(true);
        let mut segflow = Segflow::new();
        let (die, clock) = (segflow.home.path().join("die"), segflow.home.path().join("clock"));
        for (name, value) in [
            ("DATABASE_URL", db.url().as_str()),
            ("POSTMARK_TOKEN", postmark::TOKEN),
            ("MAIL_TOKEN", endpoint::TOKEN),
            ("VENDOR_URL", recorder.postmark.as_str()),
            ("FIRST_URL", recorder.endpoint.as_str()),
            ("SMTP_URL", recorder.smtp.as_str()),
            ("SEGFLOW_LEASE_SECONDS", "1"),
            ("SEGFLOW_GRACE_SECONDS", "0"),
            ("SEGFLOW_ANSWER_MS", "8000"),
            ("SEGFLOW_DIE", die.to_str().expect("text")),
            ("SEGFLOW_CLOCK", clock.to_str().expect("text")),
            ("RUST_LOG", "warn"),
        ] {
            segflow.set(name, value);
        }
        let cache = segflow.home.path().join("segflow.toml");
        std::fs::write(&cache, format!("cache = {:?}\n", plugins::compiled())).expect("written");
        let process = Process::start(serve(&segflow)).await;
        let client = process.client();
        client.deploy(&format!("?allow_enter={USERS}"), plugins::senders("proof")).await.ok();
        Trial {
            beside: db.open().await,
            db,
            segflow,
            recorder,
            seed,
            drawn: 0,
            die,
            clock,
            offset: 0,
            process: Some(process),
            at: Arc::new(Mutex::new(client)),
            killed: BTreeSet::new(),
            known: BTreeSet::new(),
            deaths: BTreeMap::new(),
        }
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.drawn += 1;
        ids::random(self.seed ^ 0x5EED, self.drawn) % below
    }

    /// Dies at a commit that comes while all goes on.
    async fn die_at(&mut self, what: &str, side: &str) {
        let count = 1 + self.draw(if matches!(what, "claim" | "outcomes") { 2 } else { 1 });
        if what == "recover" {
            // Of one that was killed before.
            self.kill().await;
            self.arm(what, side, count);
            match Process::try_start(serve(&self.segflow)).await {
                Ok(process) => self.process = Some(process),
                Err(_) => self.process = None,
            }
        } else {
            self.arm(what, side, count);
        }
        until(&format!("it dies {side} a commit of `{what}`"), || {
            let gone = self.process.as_mut().is_none_or(Process::is_gone);
            async move { gone.then_some(()) }
        })
        .await;
        *self.deaths.entry(format!("{side} {what}")).or_default() += 1;
        self.start_again().await;
    }

    /// Some way into what is going on.
    async fn die_at_random(&mut self) {
        let further = self.recorder.seen() + 1 + self.draw(150) as usize;
        let progress = until("something is going on", || async { (self.recorder.seen() >= further).then_some(()) });
        // Or at a moment in which nothing does.
        let _ = tokio::time::timeout(Duration::from_secs(3), progress).await;
        self.kill().await;
        *self.deaths.entry("at random".into()).or_default() += 1;
        self.start_again().await;
    }

    fn arm(&self, what: &str, side: &str, count: u64) {
        std::fs::write(&self.die, format!("{what} {side} {count}")).expect("written");
    }

    async fn kill(&mut self) {
        self.process.take().expect("it runs").kill().await;
        self.bury().await;
    }

    async fn start_again(&mut self) {
        let _ = std::fs::remove_file(&self.die);
        self.bury().await;
        let process = Process::start(serve(&self.segflow)).await;
        self.at.lock().unwrap().base.clone_from(&process.url);
        self.process = Some(process);
    }

    /// Once it is dead: what it was sending, and what it leaves.
    async fn bury(&mut self) {
        if self.db.kind() == Kind::MySql {
            // What it had said is done by MySQL or undone, and not both.
            self.beside.close().await;
            until("its sessions end", || async { self.db.sessions().await.is_empty().then_some(()) }).await;
            self.beside = self.db.open().await;
        }
        for row in self.beside.read("SELECT id, status FROM messages", vec![]).await.expect("read") {
            let id = row.text(0).expect("text");
            if row.text(1).expect("text") == "sending" {
                self.killed.insert(id.clone());
            }
            self.known.insert(id);
        }
    }

    async fn count(&self, sql: &str) -> i64 {
        self.beside
            .read_one(sql, vec![])
            .await
            .expect("read")
            .and_then(|row| row.opt_int(0).expect("a number"))
            .unwrap_or(0)
    }

    /// Sets the server's clock forward, at least to an instant by its own clock; never back.
    fn forward(&mut self, to: i64) {
        let offset = to - real_now() + 1_000;
        if offset > self.offset {
            self.offset = offset;
            std::fs::write(&self.clock, offset.to_string()).expect("written");
        }
    }

    /// Until every message has its fate. What waits to be tried again need not wait.
    async fn settle(&mut self) {
        let deadline = tokio::time::sleep(Duration::from_secs(240));
        tokio::pin!(deadline);
        loop {
            let facts = self.count("SELECT COUNT(*) FROM inbox").await;
            let moving = self.count("SELECT COUNT(*) FROM messages WHERE status IN ('pending', 'sending')").await;
            let all = self.count("SELECT COUNT(*) FROM messages").await;
            if facts == 0 && moving == 0 && self.recorder.is_idle() {
                return;
            }
            let due = self.count("SELECT MAX(due_at) FROM messages WHERE status = 'pending'").await;
            if facts == 0 && due > real_now() + self.offset {
                self.forward(due);
            }
            let a_while = async {
                for _ in 0..20 {
                    pause().await;
                }
            };
            tokio::select! {
                () = &mut deadline => panic!("{facts} facts and {moving} of {all} messages are still moving"),
                () = a_while => {}
            }
        }
    }

    async fn entries(&self) -> BTreeMap<String, Entry> {
        let sql = "SELECT id, user_id, campaign, transaction_id, guarantee, status FROM messages";
        let mut entries = BTreeMap::new();
        for row in self.beside.read(sql, vec![]).await.expect("read") {
            let campaign = row.opt_text(2).expect("text");
            let entry = Entry {
                user: row.text(1).expect("text"),
                origin: campaign.or(row.opt_text(3).expect("text")).expect("it comes from somewhere"),
                at_most_once: row.text(4).expect("text") == "at_most_once",
                status: row.text(5).expect("text"),
            };
            entries.insert(row.text(0).expect("text"), entry);
        }
        entries
    }

    /// Holds the ledger against the recorder; what is unknown.
    #[allow(clippy::print_stdout, reason = "what was counted is the point")]
    fn check(&self, entries: &BTreeMap<String, Entry>) -> BTreeSet<String> {
        // Nothing that was decided is lost, and nothing is decided twice.
        let mut of: BTreeMap<(String, String), usize> = BTreeMap::new();
        for entry in entries.values() {
            *of.entry((entry.user.clone(), entry.origin.clone())).or_default() += 1;
        }
        for user in (0..USERS).map(|n| format!("u{n}")) {
            for (origin, count) in EACH {
                assert_eq!(of.remove(&(user.clone(), origin.into())), Some(count), "{user}: {origin}");
            }
        }
        assert!(of.is_empty(), "nobody asked for these: {of:?}");
        let lost: Vec<&String> = self.known.iter().filter(|id| !entries.contains_key(*id)).collect();
        assert!(lost.is_empty(), "they were in the ledger: {lost:?}");

        let (accepted, unclear) = (self.recorder.accepted(), self.recorder.unclear());
        let strangers: Vec<&String> = accepted.keys().filter(|id| !entries.contains_key(*id)).collect();
        assert!(strangers.is_empty(), "they are not in the ledger: {strangers:?}");
        let nobodies: BTreeSet<String> = (0..USERS).filter(|n| n % NOBODIES == 7).map(|n| format!("u{n}")).collect();
        let (mut counts, mut unknown, mut taken, mut twice) = (BTreeMap::<&str, usize>::new(), BTreeSet::new(), 0, 0);
        for (id, entry) in entries {
            let times = accepted.get(id).copied().unwrap_or(0);
            let known = format!("{id} {entry:?}, accepted {times} times");
            *counts.entry(&entry.status).or_default() += 1;
            // What nobody can say: the answer was none, or there was nobody left to hear it.
            let nobody_knows = self.killed.contains(id) || unclear.contains(id);
            let fate = match (entry.at_most_once && nobody_knows, nobodies.contains(&entry.user)) {
                (true, _) => "unknown",
                (false, true) => "refused",
                (false, false) => "sent",
            };
            let killed = self.killed.contains(id);
            assert_eq!(entry.status, fate, "{known}; killed: {killed}, unclear: {}", unclear.contains(id));
            match fate {
                "sent" => assert!(times >= 1, "{known}"),
                "refused" => assert_eq!(times, 0, "{known}"),
                _ => {
                    unknown.insert(id.clone());
                    taken += times;
                }
            }
            if entry.at_most_once {
                assert!(times <= 1, "{known}");
            } else {
                twice += times.saturating_sub(1);
            }
        }
        println!(
            "{} messages: {counts:?}; of those unknown {taken} were accepted, all others said truly; at least once: {twice} times more than \
             once; {} were on their way at a death",
            entries.len(),
            self.killed.len(),
        );
        assert_eq!(entries.len(), USERS * EACH.iter().map(|(_, count)| count).sum::<usize>());
        assert!(!unknown.is_empty() && taken > 0 && taken < unknown.len(), "nothing was put to the test");
        unknown
    }

    /// Postmark can be asked about those that it may have. What it has is sent, before and after the server dies of hearing it; what it
    /// does not have stays unknown, and so does what others may have.
    #[allow(clippy::print_stdout, reason = "what was counted is the point")]
    async fn ask(&mut self, unknown: &BTreeSet<String>) {
        let sql = "SELECT l.message FROM lookups l JOIN messages m ON m.id = l.message \
                   WHERE m.status = 'unknown' AND m.provider = 'postmark' ORDER BY l.message";
        let all = self.beside.read(sql, vec![]).await.expect("read");
        let all: Vec<String> = all.iter().map(|row| row.text(0).expect("text")).collect();
        // Some that it has, and some that it has not.
        let here = self.recorder.at_postmark();
        let (has, has_not): (Vec<String>, Vec<String>) = all.into_iter().partition(|id| here.contains(id));
        let asked: BTreeSet<String> = has.iter().take(ASKED).chain(has_not.iter().take(ASKED / 3)).cloned().collect();
        assert!(has.len() > 1, "Postmark has none of them");
        let kept = asked.iter().map(|id| format!("'{id}'")).collect::<Vec<_>>().join(", ");
        let sql = format!("DELETE FROM lookups WHERE message NOT IN ({kept})");
        self.beside.write(move |tx| Box::pin(tx.run(sql.clone(), vec![]))).await.expect("written");

        self.recorder.hides(false);
        for side in SIDES {
            self.arm("lookup", side, 1);
            self.hurry().await;
            until(&format!("it dies {side} a commit of `lookup`"), || {
                let gone = self.process.as_mut().is_none_or(Process::is_gone);
                async move { gone.then_some(()) }
            })
            .await;
            *self.deaths.entry(format!("{side} lookup")).or_default() += 1;
            let _ = std::fs::remove_file(&self.die);
            self.start_again().await;
        }
        let (mut found, expected) = (BTreeSet::new(), asked.intersection(&here).cloned().collect::<BTreeSet<_>>());
        for _ in 0..600 {
            self.hurry().await;
            let sent = "SELECT id FROM messages WHERE provider_message_id LIKE 'pm-%' AND status = 'sent'";
            let sent = self.beside.read(sent, vec![]).await.expect("read");
            let sent: BTreeSet<String> = sent.iter().map(|row| row.text(0).expect("text")).collect();
            found = sent.intersection(unknown).cloned().collect();
            if found == expected && self.count("SELECT COUNT(*) FROM lookups").await == 0 {
                break;
            }
            for _ in 0..10 {
                pause().await;
            }
        }
        assert_eq!(found, expected);
        let still = "SELECT COUNT(*) FROM messages WHERE status = 'unknown'";
        assert_eq!(self.count(still).await as usize, unknown.len() - expected.len());
        println!("Postmark was asked about {} of them, and had {}", asked.len(), expected.len());
    }

    /// Makes what is to be asked due.
    async fn hurry(&mut self) {
        let due = self.count("SELECT MIN(due_at) FROM lookups").await;
        if due > real_now() + self.offset {
            self.forward(due);
        }
    }

    async fn end(mut self) {
        self.beside.close().await;
        let ended = self.process.take().expect("it runs").stop().await;
        assert_eq!(ended.code, 0, "{ended:?}");
    }
}

fn serve(segflow: &Segflow) -> Command {
    segflow.command(["serve", "--port", "0", "--init-key", "--config", "segflow.toml"])
}

#[allow(clippy::disallowed_methods, reason = "the server follows this clock, with what it is told it is off")]
fn real_now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
