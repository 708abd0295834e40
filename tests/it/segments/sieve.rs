//! Whom the database lets through, held against whom the evaluator takes.

use std::collections::{BTreeMap, BTreeSet};

use segflow_core::ids;
use segflow_core::project::Project;
use segflow_protocol::{Cond, Expr, Field, InFlight, Manifest, Rule, Segment, Test, Type};
use segflow_server::args;
use segflow_server::store::Store;
use segflow_server::store::behind::{Behind, Wanted};
use segflow_server::store::sieve::{Who, superset};
use segflow_server::store::{deployments, fence};

use super::made_up::{self, Dice, User};
use crate::harness::*;

all![
    whoever_belongs_passes,
    pushes_give_what_the_evaluator_gives,
    an_object_may_lack_what_its_default_has,
    long_lists_and_chains_are_taken,
    a_sieve_that_is_refused_is_none,
    nobody_waits_for_those_who_cool_down
];

/// With an object by default, too.
fn manifest(segments: Vec<Segment>) -> Manifest {
    let mut manifest = made_up::manifest(segments);
    let default = Some(json!({ "x": "a" }));
    manifest.user.push(Field { name: "o".into(), ty: Type::Any, required: false, default });
    manifest
}

/// It stands in for the whole object.
fn holds(expr: &Expr, user: &User, members: &[String], now: i64) -> bool {
    let mut user = user.clone();
    user.attributes.entry("o").or_insert_with(|| json!({ "x": "a" }));
    made_up::holds(expr, &user, members, now)
}

async fn open(db: &Database) -> Store {
    Store::open(&db.url(), std::time::Duration::ZERO).await.expect("opened")
}

async fn add(store: &Store, id: &str, attributes: Value, evaluated: i64) {
    let mut tx = store.db.begin().await.expect("begun");
    let sql = "INSERT INTO users (workspace, id, bucket, incarnation, attributes, seq, evaluated, created_at, updated_at) \
               VALUES ('main', ?, 3, 'i', ?, 0, ?, 0, 0)";
    tx.run(sql, args![id, attributes.to_string(), evaluated]).await.expect("written");
    tx.commit().await.expect("committed");
}

fn segment(id: &str, expr: Expr) -> Segment {
    Segment { id: id.into(), rule: Rule::Expr(expr), every: None }
}

/// Now, and at any time to come without a new fact.
async fn whoever_belongs_passes(db: Database) {
    let now = ms(START);
    let store = open(&db).await;
    let mut dice = Dice(1);
    let s0 = dice.expr(1, &[]);
    let users: BTreeMap<String, User> = (0..120).map(|n| (format!("u{n}"), dice.user(now))).collect();
    let mut in_s0 = BTreeSet::new();
    let mut tx = store.db.begin().await.expect("begun");
    for (id, user) in &users {
        let attributes = Value::Object(user.attributes.clone()).to_string();
        let sql = "INSERT INTO users (workspace, id, bucket, incarnation, attributes, seq, evaluated, created_at, updated_at) \
                   VALUES ('main', ?, ?, 'i', ?, 0, 0, 0, 0)";
        tx.run(sql, args![id, ids::bucket("main", id), attributes]).await.expect("written");
        for (name, event) in user.events.iter().flat_map(|(name, all)| all.iter().map(move |event| (name, event))) {
            let (sql, attributes) = (
                "INSERT INTO events (workspace, user_id, id, name, attributes, occurred_at, received_at) VALUES ('main', ?, ?, ?, ?, ?, 0)",
                Value::Object(event.attributes.clone()).to_string(),
            );
            let event_id = database::random();
            tx.run(sql, args![id, event_id, name, attributes, event.occurred_at]).await.expect("written");
        }
        if holds(&s0, user, &[], now) {
            in_s0.insert(id.clone());
            let sql = "INSERT INTO memberships (workspace, user_id, segment, since) VALUES ('main', ?, 's0', 0)";
            tx.run(sql, args![id]).await.expect("written");
        }
    }
    tx.commit().await.expect("committed");
    let project = Project::new("dep", 1, manifest(vec![segment("s0", s0)]), BTreeMap::new(), 0);
    let (mut restricting, mut outside) = (0, 0);
    for seed in 0..400 {
        let expr = Dice(seed).expr(3, &["s0"]);
        let Who::Where(sql, args) = superset(store.db.kind(), "main", &project, &expr, now) else { continue };
        restricting += 1;
        let sql = format!("SELECT id FROM users WHERE {sql}");
        let rows = store.db.read(&sql, args.clone()).await.unwrap_or_else(|e| panic!("{expr:?}\n{sql}: {e}"));
        let passed: BTreeSet<String> = rows.iter().map(|row| row.text(0).expect("an id")).collect();
        outside += users.len() - passed.len();
        for (id, user) in &users {
            let members: Vec<String> = in_s0.get(id).map(|_| "s0".to_string()).into_iter().collect();
            for later in [0, 1, DAY, 11 * DAY, 20 * DAY, 30 * DAY, 100 * DAY] {
                let belongs = holds(&expr, user, &members, now + later);
                assert!(
                    !belongs || passed.contains(id),
                    "seed {seed}, {later} ms later: {user:?}\n{expr:?}\n{sql} {args:?}"
                );
            }
        }
    }
    // A sieve that lets everybody through would pass, too.
    assert!(restricting > 150 && outside > 5_000, "{restricting} sieves kept {outside} outside");
    store.db.close().await;
}

/// Push after push, over what the one before has left.
async fn pushes_give_what_the_evaluator_gives(db: Database) {
    let app = App::start(&db).await;
    let mut now = ms(START);
    let mut dice = Dice(7);
    let users: BTreeMap<String, User> = (0..40).map(|n| (format!("u{n}"), dice.user(now))).collect();
    let mut batch = vec![];
    for (id, user) in &users {
        // A null would be taken away by a merge, and means the same.
        batch.push(json!({ "type": "identify", "user_id": id, "attributes": user.attributes }));
        for (name, event) in user.events.iter().flat_map(|(name, all)| all.iter().map(move |event| (name, event))) {
            let at = jiff::Timestamp::from_millisecond(event.occurred_at).expect("an instant").to_string();
            batch.push(json!({ "type": "track", "user_id": id, "name": name, "attributes": event.attributes, "occurred_at": at }));
        }
    }
    app.post("/v1/batch", json!({ "batch": batch })).await.ok();
    app.settle().await;
    let mut segments: BTreeMap<String, Expr> = BTreeMap::new();
    for round in 0..12 {
        for n in 0..5 {
            let id = format!("s{n}");
            let earlier: Vec<String> = (0..n).map(|n| format!("s{n}")).filter(|id| segments.contains_key(id)).collect();
            let earlier: Vec<&str> = earlier.iter().map(String::as_str).collect();
            match dice.below(4) {
                0 => drop(segments.entry(id).or_insert_with(|| dice.expr(2, &earlier))),
                _ if round > 0 && dice.below(3) > 0 => {}
                _ => drop(segments.insert(id, dice.expr(2, &earlier))),
            }
        }
        let all: Vec<Segment> = segments.iter().map(|(id, expr)| segment(id, expr.clone())).collect();
        let made = serde_json::to_value(manifest(all)).expect("a manifest");
        let campaign = made::campaign("hello", segments.keys().next().expect("one"));
        let mut made = made;
        made["campaigns"] = json!([campaign]);
        app.push(made::Made::new(made).commented(&round.to_string()).wasm()).await;
        app.settle().await;
        for (id, user) in &users {
            let mut expected: Vec<String> = vec![];
            for (segment, expr) in &segments {
                if holds(expr, user, &expected, now) {
                    expected.push(segment.clone());
                }
            }
            assert_eq!(app.segments(id).await, expected, "round {round}, {id}: {user:?} {segments:?}");
        }
        app.advance("36h").await;
        now += 36 * 3_600_000;
    }
}

async fn an_object_may_lack_what_its_default_has(db: Database) {
    let store = open(&db).await;
    for (id, attributes) in [("a", json!({ "o": {} })), ("b", json!({ "o": { "x": "b" } })), ("c", json!({ "o": 1 }))] {
        add(&store, id, attributes, 0).await;
    }
    let project = Project::new("dep", 1, manifest(vec![]), BTreeMap::new(), 0);
    let at = |is: Test| Cond::At { path: vec!["o".into(), "x".into()], is };
    for cond in [at(Test::Ne(json!("a"))), Cond::Not(Box::new(at(Test::Exists)))] {
        assert_eq!(superset(store.db.kind(), "main", &project, &Expr::User(cond), 0), Who::Everybody);
    }
    let Who::Where(sql, args) = superset(store.db.kind(), "main", &project, &Expr::User(at(Test::Eq(json!("b")))), 0)
    else {
        panic!("it is said who has another value than the default");
    };
    let rows = store.db.read(format!("SELECT id FROM users WHERE {sql}"), args).await.expect("taken");
    assert_eq!(rows.iter().map(|row| row.text(0).expect("an id")).collect::<Vec<_>>(), ["b"]);
    store.db.close().await;
}

async fn long_lists_and_chains_are_taken(db: Database) {
    let store = open(&db).await;
    add(&store, "in", json!({ "a": "v7", "n": 7 }), 0).await;
    add(&store, "out", json!({ "a": "V7", "n": 7.5 }), 0).await;
    let project = Project::new("dep", 1, manifest(vec![]), BTreeMap::new(), 0);
    let at = |key: &str, is: Test| Expr::User(Cond::At { path: vec![key.into()], is });
    for (n, restricts) in [(400, true), (3_000, false)] {
        let texts: Vec<Value> = (0..n).map(|n| json!(format!("v{n}"))).collect();
        let numbers: Vec<Value> = (0..n).map(|n| json!(n)).collect();
        let chain = texts.iter().map(|text| at("a", Test::Eq(text.clone()))).collect();
        let all = numbers.iter().map(|_| at("n", Test::Lt(json!(7.2)))).collect();
        for expr in [at("a", Test::OneOf(texts)), at("n", Test::OneOf(numbers)), Expr::Any(chain), Expr::All(all)] {
            let (sql, args) = match superset(store.db.kind(), "main", &project, &expr, 0) {
                Who::Everybody => ("1 = 1".to_string(), vec![]),
                Who::Where(sql, args) => (sql, args),
            };
            let sql = format!("SELECT id, CASE WHEN {sql} THEN 1 ELSE 0 END FROM users ORDER BY id");
            let rows = store.db.read(sql, args).await.expect("taken");
            let passed: Vec<bool> = rows.iter().map(|row| row.flag(1).expect("a flag")).collect();
            assert_eq!(passed, [true, !restricts]);
        }
    }
    store.db.close().await;
}

/// With more values than either database takes.
async fn a_sieve_that_is_refused_is_none(db: Database) {
    let store = open(&db).await;
    add(&store, "anna", json!({}), 0).await;
    let mut project = Project::new("dep", 1, manifest(vec![]), BTreeMap::new(), 0);
    project.in_flight = (0..70_000).map(|n| (n.to_string(), InFlight::Restart)).collect();
    let (sieves, buckets) = (Behind::default(), BTreeSet::from([3]));
    let wanted = Wanted { buckets: &buckets, not: &BTreeSet::new() };
    for _ in 0..2 {
        let looking = sieves.look(&store.db, "i", &wanted, "main", &project, 0);
        let found = looking.await.expect("looked").expect("someone is behind");
        assert_eq!(found.users, BTreeSet::from(["anna".to_string()]));
    }
    store.db.close().await;
}

async fn nobody_waits_for_those_who_cool_down(db: Database) {
    let store = open(&db).await;
    let mut cooling: BTreeSet<String> = (0..300).map(|n| format!("a{n}")).collect();
    for id in &cooling {
        add(&store, id, json!({}), 3).await;
    }
    add(&store, "bert", json!({}), 3).await;
    add(&store, "carl", json!({}), 5).await;
    // Nothing is known of generations 3 and 5: there is no sieve.
    let project = Project::new("dep", 7, manifest(vec![]), BTreeMap::new(), 0);
    let (sieves, buckets) = (Behind::default(), BTreeSet::from([3]));
    let look = async |cooling: &BTreeSet<String>| {
        let wanted = Wanted { buckets: &buckets, not: cooling };
        let found = sieves.look(&store.db, "i", &wanted, "main", &project, 0).await.expect("looked");
        found.map(|found| found.users.into_iter().collect::<Vec<_>>())
    };
    assert_eq!(look(&cooling).await, Some(vec!["bert".to_string(), "carl".to_string()]));
    cooling.insert("bert".into());
    assert_eq!(look(&cooling).await, Some(vec!["carl".to_string()]), "until it is done");
    let done = async |id: &str| {
        let mut tx = store.db.begin().await.expect("begun");
        tx.run("UPDATE users SET evaluated = 7 WHERE id LIKE ?", args![id]).await.expect("written");
        tx.commit().await.expect("committed");
    };
    done("carl").await;
    assert_eq!(look(&cooling).await, Some(vec![]), "the others have to wait");
    cooling.retain(|id| id != "a7" && id != "bert");
    assert_eq!(look(&cooling).await, Some(vec!["a7".to_string(), "bert".to_string()]));
    done("%").await;
    let server = fence::join(&store.db).await.expect("joined");
    deployments::make_workspace(&store.db, "main", 0).await.expect("made");
    let wanted = Wanted { buckets: &buckets, not: &BTreeSet::new() };
    assert_eq!(sieves.look(&store.db, &server, &wanted, "main", &project, 0).await.expect("looked"), None);
    store.db.close().await;
}
