//! The store by itself: one contract, all databases, always two workspaces with the same ids.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use segflow_core::enrollment::Enrollment;
use segflow_core::ledger::{Message, Origin, Outcome};
use segflow_core::route::Lane;
use segflow_core::step::Decision;
use segflow_protocol::{Guarantee, Json, Stream};
use segflow_server::store::db::Db;
use segflow_server::store::decide::{self, Group};
use segflow_server::store::ingest::{Fact, Stored, What};
use segflow_server::store::ledger::{self, Due, Report};
use segflow_server::store::{Error, Store, deployments, engine, erase, fence};

use crate::harness::*;

all![
    facts_of_one_moment_keep_their_order,
    who_is_left_alone_hides_nobody,
    a_decision_holds_or_is_dropped,
    a_decision_about_somebody_else_of_the_same_id_is_dropped,
    a_message_is_claimed_once,
    an_outcome_belongs_to_its_attempt,
    a_provider_in_trouble_uses_up_no_tries,
    a_provider_that_says_too_much_is_cut_short,
    what_a_dead_server_was_sending_is_accounted_for,
    a_dead_server_commits_nothing,
    leases_run_out_before_they_are_taken,
    servers_that_are_long_gone_are_forgotten,
];

const WORKSPACES: [&str; 2] = ["one", "two"];

struct Bench {
    store: Store,
    server: String,
}

async fn bench(db: &Database) -> Bench {
    let store = Store::open(&db.url(), Duration::ZERO).await.expect("opened");
    for workspace in WORKSPACES {
        deployments::make_workspace(&store.db, workspace, 0).await.expect("made");
    }
    let server = fence::join(&store.db).await.expect("joined");
    fence::renew(&store.db, &server, Duration::from_secs(60), false).await.expect("owner");
    Bench { store, server }
}

fn merge(workspace: &str, user: &str, patch: Value) -> Fact {
    let patch = patch.as_object().expect("an object").clone();
    let what = What::Merge { patch, create: true };
    Fact { workspace: workspace.into(), user: user.into(), what, historical: false, now: 1 }
}

/// Claims messages of both workspaces.
async fn claim(db: &Db, server: &str, due: Vec<Due>, now: i64) -> Result<Vec<ledger::Claimed>, Error> {
    let (project, mut taken) = (Arc::default(), vec![]);
    for workspace in WORKSPACES {
        let mine: Vec<Due> = due.iter().filter(|due| due.workspace == workspace).cloned().collect();
        let by = vec!["smtp".to_string(); mine.len()];
        taken.extend(ledger::claim(db, server, workspace, &project, mine, by, now).await?.taken);
    }
    Ok(taken)
}

impl Bench {
    async fn due(&self, ids: &[String]) -> Vec<Due> {
        let mut due = vec![];
        for id in ids {
            let sql = "SELECT workspace, user_id FROM messages WHERE id = ?";
            let row = self.store.db.read_one(sql, segflow_server::args![id]).await.expect("read").expect("it is there");
            let (workspace, user) = (row.text(0).expect("text"), row.text(1).expect("text"));
            due.push(Due { workspace, user, id: id.clone(), transaction: false });
        }
        due
    }

    async fn claim(&self, ids: &[String], now: i64) -> Vec<ledger::Claimed> {
        claim(&self.store.db, &self.server, self.due(ids).await, now).await.expect("asked")
    }

    async fn add(&self, workspace: &str, user: &str) {
        self.store.ingest.store(merge(workspace, user, json!({ "email": "x@y.example" }))).await.expect("stored");
    }

    /// A decision about a user that consumes all that is new and sends one message.
    async fn decision(&self, workspace: &str, user: &str, guarantee: Guarantee) -> Decision {
        let row = self.store.db.read_one(
            "SELECT incarnation, seq FROM users WHERE workspace = ? AND id = ?",
            segflow_server::args![workspace, user],
        );
        let row = row.await.expect("read").expect("a user");
        let (incarnation, seq) = (row.text(0).unwrap(), row.int(1).unwrap());
        let inbox = self.store.db.read(
            "SELECT id FROM inbox WHERE workspace = ? AND user_id = ? ORDER BY id",
            segflow_server::args![workspace, user],
        );
        let consumed: Vec<i64> = inbox.await.expect("read").iter().map(|row| row.int(0).unwrap()).collect();
        let origin = Origin::Transaction { transaction: "t".into(), event: "e".into() };
        let message = Message {
            id: segflow_core::ids::transaction_message(workspace, &incarnation, "t", "e", 1),
            origin,
            deployment: "dep".into(),
            template: "hi".into(),
            args: Json("{}".into()),
            guarantee,
            created_at: 1,
        };
        let seq = seq + consumed.len() as i64;
        Decision {
            workspace: workspace.into(),
            user: user.into(),
            incarnation,
            consumed,
            seq,
            messages: vec![message],
            ..Decision::default()
        }
    }

    async fn commit(&self, decisions: Vec<Decision>) -> Result<Vec<bool>, Error> {
        self.commit_by(&self.server, decisions).await
    }

    async fn commit_by(&self, server: &str, decisions: Vec<Decision>) -> Result<Vec<bool>, Error> {
        let workspace = decisions[0].workspace.clone();
        let group = Group { incarnation: server.into(), workspace, generation: 0, decisions, orphans: vec![], now: 1 };
        decide::commit(&self.store.db, Arc::new(group)).await
    }

    /// A message that waits to be sent, in each workspace; their ids.
    async fn pending(&self, guarantee: Guarantee) -> Vec<String> {
        let mut ids = vec![];
        for workspace in WORKSPACES {
            self.add(workspace, "ada").await;
            let decision = self.decision(workspace, "ada", guarantee).await;
            ids.push(decision.messages[0].id.clone());
            assert_eq!(self.commit(vec![decision]).await.expect("committed"), [true]);
        }
        ids
    }

    async fn status(&self, id: &str) -> String {
        let row = self.store.db.read_one("SELECT status FROM messages WHERE id = ?", segflow_server::args![id]).await;
        row.expect("read").expect("a message").text(0).unwrap()
    }

    async fn count(&self, sql: &str) -> i64 {
        self.store.db.read_one(sql, vec![]).await.expect("read").expect("a row").int(0).unwrap()
    }
}

fn report(id: &str, attempt: u32, outcome: Outcome) -> Report {
    Report { id: id.into(), attempt, outcome, provider: "p".into(), memory: None, others: None, sent: None }
}

fn accepted() -> Outcome {
    Outcome::Accepted { provider_id: None }
}

async fn facts_of_one_moment_keep_their_order(db: Database) {
    let bench = bench(&db).await;
    let mut facts = vec![];
    for n in 0..300 {
        for workspace in WORKSPACES {
            facts.push(merge(workspace, &format!("u{}", n % 3), json!({ "n": n, "in": workspace })));
        }
    }
    let stored = bench.store.ingest.store_all(facts).await.expect("stored");
    for (index, stored) in stored.iter().enumerate() {
        let Ok(Stored::User { attributes, .. }) = stored else { panic!("{stored:?}") };
        assert_eq!((&attributes["n"], &attributes["in"]), (&json!(index / 2), &json!(WORKSPACES[index % 2])));
    }
    assert_eq!(bench.count("SELECT COUNT(*) FROM users").await, 6);
    assert_eq!(bench.count("SELECT COUNT(*) FROM inbox").await, 600);
    let missing = What::Merge { patch: Default::default(), create: false };
    let missing = Fact { workspace: "one".into(), user: "nobody".into(), what: missing, historical: false, now: 1 };
    let error = bench.store.ingest.store(missing).await.expect_err("refused");
    assert!(matches!(error, Error::NotFound(_)), "{error}");
}

async fn who_is_left_alone_hides_nobody(db: Database) {
    const LIMIT: usize = 8;
    let bench = bench(&db).await;
    let bucket = segflow_core::ids::bucket("one", "u0");
    // Of one bucket, so that going round among the buckets is no help.
    let all = (0..).map(|n| format!("u{n}")).filter(|user| segflow_core::ids::bucket("one", user) == bucket);
    let users: Vec<String> = all.take(5 * LIMIT).collect();
    for user in &users {
        bench.add("one", user).await;
    }
    let mut rows = vec![];
    for user in &users {
        let new = Enrollment::new(format!("enr_{user}"), "c", 1, "dep", 1, 0);
        rows.push((user.clone(), new));
    }
    let mut tx = bench.store.db.begin().await.expect("begun");
    let rows: Vec<(&str, &Enrollment)> = rows.iter().map(|(user, e)| (user.as_str(), e)).collect();
    decide::write_enrollments_of(&mut tx, "one", &rows, 1).await.expect("written");
    for user in &users {
        let sql = "INSERT INTO flips (workspace, user_id, segment, bucket, flip_at) VALUES ('one', ?, 's', ?, 1)";
        tx.run(sql, segflow_server::args![user, bucket]).await.expect("written");
    }
    tx.commit().await.expect("committed");
    // All but the last of each, whichever comes first.
    let (alone, last) = users.split_at(users.len() - 1);
    let alone = BTreeMap::from([("one".to_string(), alone.iter().cloned().collect())]);
    let expected = BTreeMap::from([("one".to_string(), BTreeSet::from([last[0].clone()]))]);
    for buckets in [(0..64).collect(), BTreeSet::from([bucket])] {
        let (told, due, _) = engine::busy(&bench.store.db, &buckets, 0, 1, LIMIT, &alone).await.expect("read");
        assert_eq!((&told, &due), (&expected, &expected));
        let (told, due, next) =
            engine::busy(&bench.store.db, &buckets, 0, 1, LIMIT, &BTreeMap::new()).await.expect("read");
        assert_eq!((told["one"].len(), next), (LIMIT, bucket));
        assert!((LIMIT..=2 * LIMIT).contains(&due["one"].len()));
    }
}

async fn a_decision_holds_or_is_dropped(db: Database) {
    let bench = bench(&db).await;
    for workspace in WORKSPACES {
        bench.add(workspace, "ada").await;
        bench.add(workspace, "bob").await;
        let (ada, bob) = (
            bench.decision(workspace, "ada", Guarantee::AtMostOnce).await,
            bench.decision(workspace, "bob", Guarantee::AtMostOnce).await,
        );
        let mut late = ada.clone();
        late.seq += 1;
        assert_eq!(
            bench.commit(vec![late, bob]).await.expect("committed"),
            [false, true],
            "one does not harm the other"
        );
        assert_eq!(bench.commit(vec![ada.clone()]).await.expect("committed"), [true]);
        assert_eq!(bench.commit(vec![ada]).await.expect("committed"), [false], "a second time it is too late");
    }
    assert_eq!(bench.count("SELECT COUNT(*) FROM messages").await, 4);
    assert_eq!(bench.count("SELECT COUNT(*) FROM inbox").await, 0);
    // Decided by another generation of the project.
    bench.add("one", "ada").await;
    let decision = bench.decision("one", "ada", Guarantee::AtMostOnce).await;
    let group = Group {
        incarnation: bench.server.clone(),
        workspace: "one".into(),
        generation: 7,
        decisions: vec![decision],
        orphans: vec![],
        now: 1,
    };
    assert_eq!(decide::commit(&bench.store.db, Arc::new(group)).await.expect("committed"), [false]);
    assert_eq!(bench.count("SELECT COUNT(*) FROM inbox").await, 1);
}

async fn a_decision_about_somebody_else_of_the_same_id_is_dropped(db: Database) {
    let bench = bench(&db).await;
    for workspace in WORKSPACES {
        bench.add(workspace, "ada").await;
    }
    let old = bench.decision("one", "ada", Guarantee::AtMostOnce).await;
    assert!(erase::erase(&bench.store.db, "one", "ada", 1).await.expect("erased"));
    assert_eq!(bench.commit(vec![old.clone()]).await.expect("committed"), [false]);
    bench.add("one", "ada").await;
    assert_eq!(bench.commit(vec![old]).await.expect("committed"), [false]);
    assert_eq!(bench.count("SELECT COUNT(*) FROM messages").await, 0);
    assert_eq!(bench.count("SELECT COUNT(*) FROM users").await, 2);
    assert!(!erase::erase(&bench.store.db, "three", "ada", 1).await.expect("asked"));
}

async fn a_message_is_claimed_once(db: Database) {
    let bench = bench(&db).await;
    let ids = bench.due(&bench.pending(Guarantee::AtMostOnce).await).await;
    let everywhere: BTreeSet<u16> = (0..64).collect();
    let lanes = ledger::lanes(&bench.store.db).await.expect("read");
    assert_eq!(lanes, WORKSPACES.map(|workspace| Lane::new(Stream::Transactions, workspace)));
    for lane in &lanes {
        let due = async |now| ledger::due(&bench.store.db, lane, &everywhere, now, 10).await.expect("read").len();
        assert_eq!((due(1).await, due(0).await), (1, 0), "not before its time");
    }
    let claims: Vec<_> = (0..4)
        .map(|_| {
            let (db, server, ids) = (bench.store.db.clone(), bench.server.clone(), ids.clone());
            tokio::spawn(async move { claim(&db, &server, ids, 1).await.expect("claimed") })
        })
        .collect();
    let mut claimed = vec![];
    for claim in claims {
        claimed.extend(claim.await.expect("done"));
    }
    let workspaces: BTreeSet<&str> = claimed.iter().map(|c| c.workspace.as_str()).collect();
    assert_eq!((claimed.len(), workspaces), (2, BTreeSet::from(WORKSPACES)));
    assert!(claimed.iter().all(|c| c.attempt == 1 && c.attributes["email"] == "x@y.example"));
}

async fn an_outcome_belongs_to_its_attempt(db: Database) {
    let bench = bench(&db).await;
    let ids = bench.pending(Guarantee::AtMostOnce).await;
    let id = &ids[0];
    let say = async |attempt: u32, outcome: Outcome| {
        ledger::outcomes(&bench.store.db, vec![report(id, attempt, outcome)], 1).await.expect("recorded").len()
    };
    assert_eq!(say(1, accepted()).await, 0, "nobody has sent it yet");
    bench.claim(&ids, 1).await;
    assert_eq!(say(2, accepted()).await, 0);
    assert_eq!(say(1, Outcome::Retry("busy".into())).await, 1);
    assert_eq!(bench.status(id).await, "pending");
    assert_eq!(bench.claim(&ids, 9_999).await.len(), 0);
    assert_eq!(bench.claim(&ids, 99_999).await.len(), 1);
    assert_eq!(say(1, accepted()).await, 0, "of the first attempt nothing is heard any more");
    assert_eq!(say(2, Outcome::Ambiguous("cut".into())).await, 1);
    assert_eq!(bench.status(id).await, "unknown");
    assert_eq!(say(2, accepted()).await, 1, "late news are welcome");
    assert_eq!(bench.status(id).await, "sent");
    assert_eq!(say(2, Outcome::Refused("no".into())).await, 0, "and what is settled is settled");
    assert_eq!(bench.status(id).await, "sent");
    assert_eq!(bench.status(&ids[1]).await, "sending");
}

async fn a_provider_in_trouble_uses_up_no_tries(db: Database) {
    let bench = bench(&db).await;
    let ids = &bench.pending(Guarantee::AtMostOnce).await[..1];
    let mut now = 1;
    for attempt in 1..=30 {
        assert_eq!(bench.claim(ids, now).await.len(), 1, "attempt {attempt}");
        let outcome = match attempt {
            1..=20 => Outcome::Unable { why: "down".into(), pause: Some(0) },
            _ => Outcome::Retry("busy".into()),
        };
        ledger::outcomes(&bench.store.db, vec![report(&ids[0], attempt, outcome)], now).await.expect("recorded");
        assert_eq!(bench.status(&ids[0]).await, if attempt < 30 { "pending" } else { "refused" }, "attempt {attempt}");
        assert_eq!(bench.claim(ids, now).await.len(), 0, "it is not asked again at once, whatever it says");
        now += 10_000_000;
    }
}

/// Seen in a predecessor: a 269-character provider error overflowed a column.
async fn a_provider_that_says_too_much_is_cut_short(db: Database) {
    let bench = bench(&db).await;
    let ids = bench.pending(Guarantee::AtMostOnce).await;
    bench.claim(&ids, 1).await;
    let long = Outcome::Accepted { provider_id: Some("ü".repeat(100_000)) };
    let reports = vec![report(&ids[0], 1, long), report(&ids[1], 1, accepted())];
    ledger::outcomes(&bench.store.db, reports, 1).await.expect("recorded");
    assert_eq!((bench.status(&ids[0]).await, bench.status(&ids[1]).await), ("sent".into(), "sent".into()));
}

async fn what_a_dead_server_was_sending_is_accounted_for(db: Database) {
    for (guarantee, status) in [(Guarantee::AtMostOnce, "unknown"), (Guarantee::AtLeastOnce, "pending")] {
        let db = Database::create(db.kind()).await;
        let bench = bench(&db).await;
        let ids = bench.pending(guarantee).await;
        bench.claim(&ids, 1).await;
        let recover =
            async |grace: u64| ledger::recover(&bench.store.db, Duration::from_secs(grace), 5).await.expect("asked");
        assert_eq!(recover(0).await, 0, "it lives");
        let next = fence::join(&bench.store.db).await.expect("joined");
        fence::renew(&bench.store.db, &next, Duration::from_secs(60), true).await.expect("taken over");
        assert_eq!(recover(3_600).await, 0, "its calls may still be going on");
        assert_eq!(recover(0).await, 2);
        assert_eq!(recover(0).await, 0, "once");
        for id in &ids {
            assert_eq!(bench.status(id).await, status);
        }
        // Nobody else knows by whom it was to go.
        assert_eq!(bench.count("SELECT COUNT(*) FROM attempts WHERE provider = 'smtp'").await, 2);
        let asked = if status == "unknown" { 2 } else { 0 };
        assert_eq!(bench.count("SELECT COUNT(*) FROM lookups WHERE due_at = 60005").await, asked);
        // The call that was given up comes back after all.
        let late = ledger::outcomes(&bench.store.db, vec![report(&ids[0], 1, accepted())], 6).await.expect("recorded");
        assert_eq!(late.len(), usize::from(status == "unknown"));
        assert_eq!(bench.count("SELECT COUNT(*) FROM attempts").await, 2);
    }
}

async fn a_dead_server_commits_nothing(db: Database) {
    let bench = bench(&db).await;
    for workspace in WORKSPACES {
        bench.add(workspace, "ada").await;
    }
    let decision = bench.decision("one", "ada", Guarantee::AtMostOnce).await;
    let other = bench.decision("two", "ada", Guarantee::AtMostOnce).await;
    assert_eq!(bench.commit(vec![other.clone()]).await.expect("committed"), [true]);
    let next = fence::join(&bench.store.db).await.expect("joined");
    fence::renew(&bench.store.db, &next, Duration::from_secs(60), true).await.expect("taken over");
    let fenced = |what: &str, error: Option<Error>| assert!(matches!(error, Some(Error::Fenced)), "{what}: {error:?}");
    let decisions = vec![decision.clone()];
    fenced("commit", bench.commit(decisions.clone()).await.err());
    let sent = vec![other.messages[0].id.clone()];
    fenced("claim", claim(&bench.store.db, &bench.server, bench.due(&sent).await, 1).await.err());
    fenced("renew", fence::renew(&bench.store.db, &bench.server, Duration::from_secs(60), false).await.err());
    fenced("a server that never was", bench.commit_by("srv_nobody", decisions.clone()).await.err());
    assert_eq!(bench.commit_by(&next, decisions).await.expect("committed"), [true]);
    assert_eq!(claim(&bench.store.db, &next, bench.due(&sent).await, 1).await.expect("claimed").len(), 1);
}

async fn servers_that_are_long_gone_are_forgotten(db: Database) {
    let bench = bench(&db).await;
    let dead = async |id: &'static str, at: &'static str, recovered: bool| {
        let mut tx = bench.store.db.begin().await.expect("begun");
        let sql = format!("INSERT INTO servers (incarnation, started_at, dead_at, recovered) VALUES (?, 1, {at}, ?)");
        tx.run(sql, segflow_server::args![id, recovered]).await.expect("written");
        tx.commit().await.expect("committed");
    };
    dead("srv_long_gone", "1", true).await;
    dead("srv_still_owing", "1", false).await;
    dead("srv_just_gone", "9999999999999", true).await;
    fence::join(&bench.store.db).await.expect("joined");
    assert_eq!(bench.count("SELECT COUNT(*) FROM servers WHERE incarnation = 'srv_long_gone'").await, 0);
    assert_eq!(bench.count("SELECT COUNT(*) FROM servers").await, 4, "the bench's, the new one, and two dead ones");
}

async fn leases_run_out_before_they_are_taken(db: Database) {
    let bench = bench(&db).await;
    let next = fence::join(&bench.store.db).await.expect("joined");
    let renew = async |server: &str| fence::renew(&bench.store.db, server, Duration::from_secs(60), false).await;
    let nothing = renew(&next).await.expect("asked");
    assert_eq!((nothing.buckets.len(), nothing.share), (0, 32));
    let all = renew(&bench.server).await.expect("renewed");
    assert_eq!((all.buckets.len(), all.share), (64, 32), "what is too much is given back by its owner only");
    // Two of its leases run out: it is dead, and nothing is its own any more.
    let mut tx = bench.store.db.begin().await.expect("begun");
    tx.run("UPDATE leases SET expires_at = 1 WHERE bucket IN (3, 9)", vec![]).await.expect("changed");
    tx.commit().await.expect("committed");
    assert_eq!(renew(&next).await.expect("taken").buckets.len(), 64);
    let error = renew(&bench.server).await.expect_err("declared dead");
    assert!(matches!(error, Error::Fenced), "{error}");
    // What is given back is free, and whoever leaves in order gives everything back at once.
    fence::give(&bench.store.db, &next, (0..10).collect()).await.expect("given");
    let third = fence::join(&bench.store.db).await.expect("joined");
    assert_eq!(renew(&third).await.expect("taken").buckets, (0..10).collect());
    fence::leave(&bench.store.db, &next).await.expect("left");
    assert_eq!(renew(&third).await.expect("taken").buckets.len(), 64);
}
