//! Several servers on one MySQL database.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use segflow_server::Config;
use segflow_server::store::db::{Db, Tx};

use crate::harness::app::production;
use crate::harness::program::{Process, Segflow};
use crate::harness::smtp::Smtp;
use crate::harness::wire::Wire;
use crate::harness::*;

/// How long a silent server keeps its users, where a test waits for the end of it.
const LEASE: Duration = Duration::from_secs(2);

/// How many messages a server sends at once.
const CONNECTIONS: usize = 16;

/// Looks at a database from outside.
struct Watch(Db);

impl Watch {
    /// From now on the database itself writes down whatever is claimed or decided for a bucket that is not the claimer's, or nobody's.
    async fn start(db: &Database) -> Watch {
        let watch = Watch(Db::open_within(&db.url(), Duration::ZERO, PATIENCE).await.expect("opened"));
        db.define(&[
            "CREATE TABLE strays (what TEXT NOT NULL)",
            "CREATE TRIGGER claims BEFORE UPDATE ON messages FOR EACH ROW IF NEW.status = 'sending' AND OLD.status <> 'sending' \
             AND NOT EXISTS (SELECT 1 FROM leases WHERE bucket = NEW.bucket AND incarnation = NEW.sender) \
             THEN INSERT INTO strays VALUES (CONCAT(NEW.id, ' by ', NEW.sender)); END IF",
            "CREATE TRIGGER decisions BEFORE UPDATE ON enrollments FOR EACH ROW IF NOT EXISTS \
             (SELECT 1 FROM leases WHERE bucket = NEW.bucket AND incarnation IS NOT NULL) \
             THEN INSERT INTO strays VALUES (NEW.id); END IF",
        ])
        .await;
        watch
    }

    async fn execute(&self, sql: &str) {
        let mut tx = self.0.begin().await.expect("begun");
        tx.run(sql, vec![]).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        tx.commit().await.expect("committed");
    }

    /// A transaction with locks in its hand.
    async fn hold(&self, sql: &str) -> Tx {
        let mut tx = self.0.begin().await.expect("begun");
        assert!(!tx.rows(sql, vec![]).await.unwrap_or_else(|e| panic!("{sql}: {e}")).is_empty(), "{sql}");
        tx
    }

    async fn count(&self, sql: &str) -> i64 {
        let row = self.0.read_one(sql, vec![]).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        row.expect("a row").int(0).expect("a number")
    }

    async fn texts(&self, sql: &str) -> Vec<String> {
        let rows = self.0.read(sql, vec![]).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        rows.iter().map(|row| row.text(0).expect("text")).collect()
    }

    /// How many buckets each server has.
    async fn shares(&self) -> Vec<i64> {
        let sql = "SELECT COUNT(*) FROM leases WHERE incarnation IS NOT NULL GROUP BY incarnation ORDER BY 1";
        self.0.read(sql, vec![]).await.expect("read").iter().map(|row| row.int(0).expect("a number")).collect()
    }

    async fn shared(&self, patience: Duration, shares: &[i64]) {
        within(patience, &format!("the shares are {shares:?}"), || async {
            (self.shares().await == shares).then_some(())
        })
        .await;
    }

    /// How many sessions wait for a lock that another has.
    async fn waiting(&self) -> i64 {
        self.count(
            "SELECT COUNT(*) FROM performance_schema.data_lock_waits w JOIN performance_schema.data_locks l \
             ON l.ENGINE_LOCK_ID = w.REQUESTING_ENGINE_LOCK_ID WHERE l.OBJECT_SCHEMA = DATABASE()",
        )
        .await
    }

    async fn end(self) {
        let strays = self.texts("SELECT what FROM strays").await;
        assert!(strays.is_empty(), "done for buckets of others: {strays:?}");
        self.0.close().await;
    }
}

/// Servers that are processes, and a mail server.
struct Fleet {
    segflow: Segflow,
    smtp: Smtp,
    key: String,
}

impl Fleet {
    /// With one server, which has the project.
    async fn start(db: &Database) -> (Fleet, Process) {
        Fleet::with_lease(db, LEASE).await
    }

    async fn with_lease(db: &Database, lease: Duration) -> (Fleet, Process) {
        let smtp = Smtp::start().await;
        let mut segflow = Segflow::new();
        segflow.set("SMTP_URL", &smtp.url());
        segflow.set("DATABASE_URL", &db.url());
        segflow.set("SEGFLOW_LEASE_SECONDS", &lease.as_secs().to_string());
        segflow.set("SEGFLOW_GRACE_SECONDS", "0");
        std::fs::write(segflow.home.path().join("segflow.toml"), format!("cache = {:?}\n", plugins::compiled()))
            .expect("written");
        let mut fleet = Fleet { segflow, smtp, key: String::new() };
        let first = fleet.server().await;
        fleet.key = first.key.clone();
        first.client().push(plugins::mailer()).await;
        (fleet, first)
    }

    async fn server(&self) -> Process {
        let mut process =
            Process::start(self.segflow.command(["serve", "--port", "0", "--init-key", "--config", "segflow.toml"]))
                .await;
        if process.key.is_empty() {
            process.key = self.key.clone();
        }
        process
    }

    /// Ids of mails that were accepted, and how often.
    fn accepted(&self) -> BTreeMap<String, usize> {
        let mut accepted = BTreeMap::new();
        for mail in self.smtp.accepted() {
            *accepted.entry(mail.id).or_default() += 1;
        }
        accepted
    }

    /// Holds the ledger against the mail server, once nothing moves any more: everybody has both mails, nothing that is at most once
    /// came twice. Returns how many are unknown.
    async fn settled(&self, client: &Client, watch: &Watch, users: usize) -> usize {
        until("all is settled", || async {
            let moving = "SELECT (SELECT COUNT(*) FROM inbox) + (SELECT COUNT(*) FROM enrollments WHERE status = 'active') \
                          + (SELECT COUNT(*) FROM messages WHERE status IN ('pending', 'sending'))";
            (watch.count(moving).await == 0).then_some(())
        })
        .await;
        assert_eq!(watch.count("SELECT COUNT(*) FROM users").await, users as i64);
        assert_eq!(watch.count("SELECT COUNT(*) FROM enrollments WHERE status = 'parked'").await, 0);
        let accepted = self.accepted();
        let (mut mails, mut unknown) = (BTreeMap::<String, BTreeSet<String>>::new(), 0);
        for message in client.items("/v1/messages").await {
            let text = |field: &str| message[field].as_str().unwrap().to_string();
            let times = accepted.get(&text("id")).copied().unwrap_or(0);
            match (text("guarantee").as_str(), text("status").as_str()) {
                ("at_most_once", "sent") => assert_eq!(times, 1, "{message}"),
                ("at_most_once", "unknown") => {
                    assert!(times <= 1, "{times} times: {message}");
                    unknown += 1;
                }
                ("at_least_once", "sent") => assert!(times >= 1, "{message}"),
                _ => panic!("{message}"),
            }
            assert!(mails.entry(text("user_id")).or_default().insert(text("template")), "decided twice: {message}");
        }
        assert_eq!(mails.len(), users, "somebody was lost");
        for (user, mails) in mails {
            assert!(mails.contains("first") && mails.contains("second"), "{user} has {mails:?}");
        }
        unknown
    }
}

/// Reports people, each with an order, until it is acknowledged.
async fn add(client: &Client, names: impl IntoIterator<Item = String>) -> usize {
    let mut count = 0;
    for name in names {
        let batch = json!({"batch": [
            {"type": "identify", "user_id": name, "attributes": {"email": format!("{name}@x.example")}},
            {"type": "track", "user_id": name, "name": "order", "id": "1", "attributes": {"number": "1"}},
        ]});
        until("both are acknowledged", || async {
            let answer = client.post("/v1/batch", batch.clone()).await;
            let stored = |item: &Value| item["status"].as_u64().is_some_and(|status| status < 300);
            let all = |body: Value| body["results"].as_array().is_some_and(|items| items.iter().all(stored));
            (answer.status == 200 && all(answer.ok())).then_some(())
        })
        .await;
        count += 1;
    }
    count
}

fn names(prefix: impl std::fmt::Display, count: usize) -> impl Iterator<Item = String> {
    (0..count).map(move |n| format!("{prefix}{n}"))
}

/// How many messages of a template have been sent.
fn sent(template: &str) -> String {
    format!("SELECT COUNT(*) FROM messages WHERE template = '{template}' AND status = 'sent'")
}

#[test]
fn buckets_are_shared_and_move_with_the_servers() {
    run(Kind::MySql, |db| async move {
        let watch = Watch::start(&db).await;
        // Ten seconds: whatever moves sooner does not wait for a lease to run out.
        let config = || Config { capture: Arc::default(), ..production(&db) };
        let soon = Duration::from_secs(5);
        let first = App::with(&db, config()).await;
        watch.shared(soon, &[64]).await;
        // Users who are behind at a push that only the first hears of belong to all of them.
        for n in 0..40 {
            first.add(&format!("u{n}"), json!({ "name": "Ada", "email": "ada@x.example" })).await;
        }
        let second = App::with(&db, config()).await;
        watch.shared(soon, &[32, 32]).await;
        let third = App::with(&db, config()).await;
        watch.shared(soon, &[21, 21, 22]).await;
        first.push(plugins::variant("base")).await;
        until("everybody is mailed", || async {
            let each = [&first, &second, &third].map(|app| app.capture.accepted().len());
            (each.iter().sum::<usize>() == 40).then_some(each)
        })
        .await
        .iter()
        .for_each(|mails| assert!(*mails > 0, "all three have sent some"));
        let fourth = App::with(&db, config()).await;
        watch.shared(soon, &[16, 16, 16, 16]).await;

        second.stop().await;
        watch.shared(soon, &[21, 21, 22]).await;
        fourth.stop().await;
        third.stop().await;
        watch.shared(soon, &[64]).await;
        assert_eq!(watch.count("SELECT COUNT(*) FROM heartbeats").await, 1);
        first.add("bob", json!({ "name": "Bob", "email": "bob@x.example" })).await;
        first.settle().await;
        assert_eq!(first.messages("bob").await[0]["status"], "sent");
        watch.end().await;
    });
}

/// A tick that is under way holds every bucket it began with, however long it takes.
async fn nothing_is_given_back_before(stuck: &str) {
    let db = Database::create(Kind::MySql).await;
    let watch = Watch::start(&db).await;
    let first = App::production(&db).await;
    first.push(plugins::variant("base")).await;
    first.add("ada", json!({ "name": "Ada", "email": "ada@x.example" })).await;
    first.settle().await;
    let lock = watch.hold("SELECT 1 FROM users WHERE id = 'ada' FOR UPDATE").await;
    watch.execute(stuck).await;
    until("a tick waits for the user", || async { (watch.waiting().await == 1).then_some(()) }).await;

    let second = App::production(&db).await;
    let beats = RefCell::new(BTreeSet::new());
    let owner = watch.texts("SELECT DISTINCT incarnation FROM leases").await.remove(0);
    let beat = format!("SELECT expires_at FROM heartbeats WHERE incarnation = '{owner}'");
    until("it has renewed its lease some times", || async {
        assert_eq!(watch.shares().await, [64], "given back with a tick under way");
        let beat = watch.count(&beat).await;
        beats.borrow_mut().insert(beat);
        (beats.borrow().len() >= 4).then_some(())
    })
    .await;
    drop(lock);
    watch.shared(PATIENCE, &[32, 32]).await;
    first.settle().await;
    second.settle().await;
    watch.end().await;
    drop((first, second));
}

#[test]
fn nothing_is_given_back_before_a_decision_has_ended() {
    alone(nothing_is_given_back_before(
        "INSERT INTO inbox (bucket, workspace, user_id, hops, historical) SELECT bucket, workspace, id, 0, 0 FROM users",
    ));
}

#[test]
fn nothing_is_given_back_before_a_claim_has_ended() {
    alone(nothing_is_given_back_before(
        "UPDATE messages SET status = 'pending', due_at = 1 WHERE user_id = 'ada' AND status = 'sent'",
    ));
}

#[test]
fn what_a_killed_server_owed_goes_on_within_its_lease_and_two_seconds() {
    run(Kind::MySql, |db| async move {
        let watch = Watch::start(&db).await;
        let (fleet, first) = Fleet::start(&db).await;
        let (second, third) = (fleet.server().await, fleet.server().await);
        watch.shared(PATIENCE, &[21, 21, 22]).await;
        let client = first.client();
        let mut users = add(&client, names("u", 60)).await;
        until("all wait for their second mail", || async { (watch.count(&sent("first")).await == 60).then_some(()) })
            .await;
        // A third of the second mails is its.
        third.kill().await;
        within(LEASE + Duration::from_secs(2), "what it owed goes on", || async {
            (watch.count(&sent("second")).await == 60).then_some(())
        })
        .await;
        watch.shared(PATIENCE, &[32, 32]).await;
        users += add(&client, names("late", 20)).await;
        fleet.settled(&client, &watch, users).await;
        for process in [first, second] {
            let ended = process.stop().await;
            assert_eq!(ended.code, 0, "{ended:?}");
        }
        watch.end().await;
    });
}

#[test]
fn a_stopped_server_that_wakes_up_does_nothing_for_others() {
    run(Kind::MySql, |db| async move {
        let watch = Watch::start(&db).await;
        let (fleet, first) = Fleet::start(&db).await;
        let (second, third) = (fleet.server().await, fleet.server().await);
        watch.shared(PATIENCE, &[21, 21, 22]).await;
        let client = first.client();
        let before = watch.texts("SELECT incarnation FROM servers").await;
        let mut users = 0;
        let mut unknown = 0;
        for round in 0..3 {
            let accepted = fleet.smtp.accepted().len();
            let adding = add(&client, names(format!("r{round}-"), 40));
            let stopping = async {
                until("mail is under way", || async { (fleet.smtp.accepted().len() > accepted).then_some(()) }).await;
                third.signal("STOP");
            };
            users += tokio::join!(adding, stopping).0;
            watch.shared(PATIENCE, &[32, 32]).await;
            users += add(&client, names(format!("s{round}-"), 10)).await;
            third.signal("CONT");
            watch.shared(PATIENCE, &[21, 21, 22]).await;
            unknown = fleet.settled(&client, &watch, users).await;
            // What was being sent was perhaps sent when it woke up, and perhaps its connection was cut.
            assert!(unknown <= CONNECTIONS * (round + 1), "{unknown} unknown");
        }
        let after = watch.texts("SELECT incarnation FROM servers").await;
        assert_eq!(after.len(), before.len() + 3, "it joins again each time");
        assert!(unknown <= CONNECTIONS * 3);
        for process in [first, second, third] {
            let ended = process.stop().await;
            assert_eq!(ended.code, 0, "{ended:?}");
        }
        watch.end().await;
    });
}

#[test]
fn a_server_without_its_database_joins_again_when_another_has_taken_over() {
    run(Kind::MySql, |db| async move {
        let watch = Watch::start(&db).await;
        let config = || Config { lease: LEASE, grace: Duration::ZERO, capture: Arc::default(), ..production(&db) };
        let wire = Wire::to(&db).await;
        let first = App::with(&db, Config { db: wire.url.clone(), ..config() }).await;
        first.push(plugins::variant("base")).await;
        let second = App::with(&db, config()).await;
        watch.shared(PATIENCE, &[32, 32]).await;

        wire.cut();
        until("it is not ready", || async { (first.get("/readyz").await.status == 503).then_some(()) }).await;
        assert_eq!(second.get("/readyz").await.status, 200);
        for n in 0..20 {
            second.add(&format!("u{n}"), json!({ "name": "Ada", "email": "ada@x.example" })).await;
        }
        within(LEASE + Duration::from_secs(2), "the other takes all", || async {
            (watch.shares().await == [64] && second.capture.accepted().len() == 20).then_some(())
        })
        .await;
        assert_eq!(first.capture.accepted().len(), 0);

        wire.mend();
        until("it is ready again", || async { (first.get("/readyz").await.status == 200).then_some(()) }).await;
        watch.shared(PATIENCE, &[32, 32]).await;
        assert_eq!(watch.count("SELECT COUNT(*) FROM servers").await, 3, "as another incarnation");
        for n in 0..20 {
            first.add(&format!("v{n}"), json!({ "name": "Bob", "email": "bob@x.example" })).await;
        }
        until("both send", || async {
            let (one, two) = (first.capture.accepted().len(), second.capture.accepted().len());
            (one > 0 && two > 20 && one + two == 40).then_some(())
        })
        .await;
        watch.end().await;
    });
}

#[test]
fn killed_sessions_cost_nothing() {
    run(Kind::MySql, |db| async move {
        let watch = Watch::start(&db).await;
        // As in production: in two seconds, among all other tests, a server may not come to renew it between two kills.
        let (fleet, first) = Fleet::with_lease(&db, Duration::from_secs(10)).await;
        let second = fleet.server().await;
        watch.shared(PATIENCE, &[32, 32]).await;
        let stop = AtomicBool::new(false);
        let (one, two) = (first.client(), second.client());
        let adding = |client: Client, me: &'static str| {
            let stop = &stop;
            async move {
                let mut users = 0;
                while !stop.load(Ordering::SeqCst) {
                    users += add(&client, names(format!("{me}{users}-"), 5)).await;
                }
                users
            }
        };
        let killing = async {
            for _ in 0..12 {
                let progress =
                    || async { watch.0.read("SELECT COUNT(*) FROM messages WHERE sent_at IS NOT NULL", vec![]).await };
                let count = until("something is going on", || async { progress().await.ok() }).await[0].int(0).unwrap();
                until("something is going on", || async {
                    let now = progress().await.ok()?[0].int(0).unwrap();
                    (now >= count + 7).then_some(())
                })
                .await;
                assert!(db.kill_sessions().await > 2);
            }
            stop.store(true, Ordering::SeqCst);
        };
        let (a, b, ()) = tokio::join!(adding(one.clone(), "a"), adding(two, "b"), killing);
        let watch = Watch(db.open().await);
        let unknown = fleet.settled(&one, &watch, a + b).await;
        assert_eq!(unknown, 0, "no server died");
        assert_eq!(watch.count("SELECT COUNT(*) FROM servers").await, 2, "nobody took over");
        for process in [first, second] {
            let ended = process.stop().await;
            assert_eq!(ended.code, 0, "{ended:?}");
        }
        watch.end().await;
    });
}

/// The engine waits for a user with the workspace in its hand; whoever has the user asks for the workspace.
#[test]
fn a_deadlock_is_tried_again() {
    run(Kind::MySql, |db| async move {
        let watch = Watch::start(&db).await;
        let app = App::start(&db).await;
        app.push(plugins::variant("base")).await;
        app.add("ada", json!({ "name": "Ada", "email": "ada@x.example" })).await;
        app.settle().await;
        let mut tx = watch.hold("SELECT 1 FROM users WHERE id = 'ada' FOR UPDATE").await;
        // Of two who wait for each other, InnoDB sends the one away that has written less.
        for _ in 0..10 {
            tx.run("INSERT INTO meta SELECT UUID(), '' FROM leases", vec![]).await.expect("weighty");
        }
        let goes_on = async {
            until("the engine waits", || async { (watch.waiting().await == 1).then_some(()) }).await;
            tx.rows("SELECT 1 FROM workspaces WHERE id = 'main' FOR UPDATE", vec![])
                .await
                .expect("the engine gives way");
            drop(tx);
        };
        let ((), _) = tokio::join!(goes_on, app.advance("2d"));
        assert_eq!(app.messages("ada").await.len(), 2);
        watch.end().await;
    });
}

#[test]
fn a_lock_that_does_not_come_is_asked_for_again() {
    run(Kind::MySql, |db| async move {
        let watch = Watch::start(&db).await;
        let app = App::start(&db).await;
        app.push(plugins::variant("base")).await;
        app.add("ada", json!({ "name": "Ada", "email": "ada@x.example" })).await;
        app.settle().await;
        let tx = watch.hold("SELECT 1 FROM users WHERE id = 'ada' FOR UPDATE").await;
        let given_up = "SELECT MIN(trx_started) + 0 FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'";
        let goes_on = async {
            until("the engine waits", || async { (watch.waiting().await == 1).then_some(()) }).await;
            let first = watch.count(given_up).await;
            until("it waits again", || async {
                (watch.waiting().await == 1 && watch.count(given_up).await != first).then_some(())
            })
            .await;
            drop(tx);
        };
        let ((), _) = tokio::join!(goes_on, app.advance("2d"));
        assert_eq!(app.messages("ada").await.len(), 2);
        watch.end().await;
    });
}

/// That a session has ended says nothing about what was to be committed in it: no reason to look for a culprit.
#[test]
fn a_session_that_is_killed_while_it_waits_parks_nobody() {
    run(Kind::MySql, |db| async move {
        let watch = Watch::start(&db).await;
        let app = App::start(&db).await;
        app.push(plugins::variant("base")).await;
        app.add("ada", json!({ "name": "Ada", "email": "ada@x.example" })).await;
        app.settle().await;
        let lock = watch.hold("SELECT 1 FROM users WHERE id = 'ada' FOR UPDATE").await;
        let kill = async {
            until("the engine waits", || async { (watch.waiting().await == 1).then_some(()) }).await;
            let session = "SELECT processlist_id FROM performance_schema.threads t JOIN performance_schema.data_lock_waits w \
                           ON w.REQUESTING_THREAD_ID = t.THREAD_ID JOIN performance_schema.data_locks l \
                           ON l.ENGINE_LOCK_ID = w.REQUESTING_ENGINE_LOCK_ID WHERE l.OBJECT_SCHEMA = DATABASE()";
            watch.execute(&format!("KILL CONNECTION {}", watch.count(session).await)).await;
        };
        // The answer may be that the store is away.
        let ((), _) = tokio::join!(kill, app.post("/v1/dev/clock", json!({ "advance": "2d" })));
        drop(lock);
        app.advance("2d").await;
        assert_eq!(watch.texts("SELECT COALESCE(reason, status) FROM enrollments").await, ["done"]);
        assert_eq!(app.messages("ada").await.len(), 2);
        watch.end().await;
    });
}

#[test]
fn a_silent_session_ends_and_nobody_is_told() {
    run(Kind::MySql, |db| async move {
        let silent = Db::open_within(&db.url(), Duration::ZERO, Duration::from_secs(1)).await.expect("opened");
        let read = async || {
            let reads: Vec<_> = (0..8)
                .map(|_| {
                    let silent = silent.clone();
                    tokio::spawn(async move { silent.read("SELECT SLEEP(0.05)", vec![]).await })
                })
                .collect();
            for read in reads {
                read.await.expect("no panic").expect("read");
            }
        };
        read().await;
        let mut tx = silent.begin().await.expect("begun");
        tx.run("INSERT INTO meta VALUES ('k', 'stopped')", vec![]).await.expect("written");

        let alive = db.open().await;
        let mut other = alive.begin().await.expect("begun");
        other.run("INSERT INTO meta VALUES ('k', 'alive')", vec![]).await.expect("the lock is free in time");
        other.commit().await.expect("committed");
        alive.close().await;
        until("it has no session left", || async { db.sessions().await.is_empty().then_some(()) }).await;
        assert!(tx.commit().await.expect_err("it was ended").is_away());
        read().await;
        silent.close().await;
    });
}
