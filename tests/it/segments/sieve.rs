//! Whom the database lets through, held against whom the evaluator takes.

use std::collections::{BTreeMap, BTreeSet};

use segflow_core::ids;
use segflow_core::project::Project;
use segflow_protocol::{Expr, Rule, Segment};
use segflow_server::args;
use segflow_server::store::sieve::{Who, superset};

use super::made_up::{Dice, User, holds, manifest};
use crate::harness::*;

both![whoever_belongs_passes, pushes_give_what_the_evaluator_gives];

fn segment(id: &str, expr: Expr) -> Segment {
    Segment { id: id.into(), rule: Rule::Expr(expr), every: None }
}

/// Now, and at any time to come without a new fact.
async fn whoever_belongs_passes(db: Database) {
    let now = ms(START);
    let store = segflow_server::store::Store::open(&db.url(), std::time::Duration::ZERO).await.expect("opened");
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
