//! Events that nobody listens to: which they are is held against the store, whatever else is going on with a user.

use std::sync::Arc;
use std::time::Duration;

use segflow_core::project::Project;
use segflow_protocol::{Guarantee, Manifest, Transaction};
use segflow_server::args;
use segflow_server::store::db::Value as Bound;
use segflow_server::store::ingest::{Fact, What};
use segflow_server::store::{Store, deployments};

use crate::harness::*;

all![
    what_nobody_hears_is_stored_and_decided_by_nobody,
    a_user_with_anything_going_on_hears_all,
    what_comes_with_news_is_news,
    an_older_project_says_nothing_about_a_newer_one,
];

const NOW: i64 = 1_000_000;

/// A store in which `bought` is heard, with a user who is up to date.
async fn store(db: &Database) -> Store {
    let store = Store::open(&db.url(), Duration::ZERO).await.expect("opened");
    deployments::make_workspace(&store.db, "one", 0).await.expect("made");
    store.ingest.heard_by("one", Arc::new(project(1)));
    run(&store, "UPDATE workspaces SET generation = 1", args![]).await;
    store.ingest.store_all(vec![fact("ada", attributes())]).await.expect("stored");
    assert_eq!(inbox(&store).await, 1, "a new user is always looked at");
    run(&store, "UPDATE users SET evaluated = 1", args![]).await;
    run(&store, "DELETE FROM inbox", args![]).await;
    store
}

fn project(generation: i64) -> Project {
    let transaction = Transaction {
        id: "receipt".into(),
        event: "bought".into(),
        template: "receipt".into(),
        argument: "event".into(),
        guarantee: Guarantee::AtLeastOnce,
        max_age: None,
    };
    let manifest = Manifest { transactions: vec![transaction], ..Manifest::default() };
    Project::new("dep", generation, manifest, Default::default(), 0)
}

fn attributes() -> What {
    What::Merge { patch: json!({ "plan": "pro" }).as_object().expect("an object").clone(), create: true }
}

fn event(id: &str, name: &str) -> What {
    let attributes = Default::default();
    What::Event { id: id.into(), name: name.into(), attributes, occurred_at: NOW, only_new: false }
}

fn fact(user: &str, what: What) -> Fact {
    Fact { workspace: "one".into(), user: user.into(), what, historical: false, now: NOW }
}

async fn run(store: &Store, sql: &'static str, values: Vec<Bound>) {
    let done = store.db.write(move |tx| {
        let values = values.clone();
        Box::pin(async move { tx.run(sql, values).await })
    });
    done.await.expect("written");
}

async fn count(store: &Store, table: &str) -> i64 {
    let rows = store.db.read_one(format!("SELECT COUNT(*) FROM {table}"), args![]).await;
    rows.expect("read").expect("a row").int(0).expect("a number")
}

async fn inbox(store: &Store) -> i64 {
    count(store, "inbox").await
}

async fn what_nobody_hears_is_stored_and_decided_by_nobody(db: Database) {
    let store = store(&db).await;
    let facts = vec![fact("ada", event("1", "looked")), fact("ada", event("2", "looked"))];
    store.ingest.store_all(facts).await.expect("stored");
    assert_eq!((inbox(&store).await, count(&store, "events").await), (0, 2));
    store.ingest.store(fact("ada", event("3", "bought"))).await.expect("stored");
    assert_eq!((inbox(&store).await, count(&store, "events").await), (1, 3));
}

async fn a_user_with_anything_going_on_hears_all(db: Database) {
    let store = store(&db).await;
    let going_on = [
        "INSERT INTO inbox (bucket, workspace, user_id, hops, historical) VALUES (0, 'one', 'ada', 0, 0)",
        "UPDATE users SET evaluated = 0",
        "INSERT INTO flips (workspace, user_id, segment, bucket, flip_at) VALUES ('one', 'ada', 's', 0, 999999)",
        "INSERT INTO enrollments (id, workspace, user_id, bucket, campaign, run, deployment, status, version, first_op, next_op, \
         started_at, updated_at, hops, pending, journal, chunks) \
         VALUES ('e', 'one', 'ada', 0, 'c', 1, 'dep', 'paused', 1, 0, 0, 0, 0, 0, '[]', '', 0)",
    ];
    let over = ["DELETE FROM inbox", "UPDATE users SET evaluated = 1", "DELETE FROM flips", "DELETE FROM enrollments"];
    for (number, (begins, ends)) in going_on.into_iter().zip(over).enumerate() {
        run(&store, begins, args![]).await;
        let before = inbox(&store).await;
        store.ingest.store(fact("ada", event(&format!("a{number}"), "looked"))).await.expect("stored");
        assert_eq!(inbox(&store).await, before + 1, "{begins}");
        run(&store, "DELETE FROM inbox", args![]).await;
        run(&store, ends, args![]).await;
        store.ingest.store(fact("ada", event(&format!("b{number}"), "looked"))).await.expect("stored");
        assert_eq!(inbox(&store).await, 0, "{ends}");
    }
    // A flip that is far away is nothing.
    let far = "INSERT INTO flips (workspace, user_id, segment, bucket, flip_at) VALUES ('one', 'ada', 's', 0, ?)";
    run(&store, far, args![NOW + 3_600_000]).await;
    store.ingest.store(fact("ada", event("far", "looked"))).await.expect("stored");
    assert_eq!(inbox(&store).await, 0);
}

async fn what_comes_with_news_is_news(db: Database) {
    let store = store(&db).await;
    // What the first makes somebody wait for may be the second.
    let facts = vec![fact("ada", attributes()), fact("ada", event("1", "looked")), fact("bob", event("1", "looked"))];
    store.ingest.store_all(facts).await.expect("stored");
    assert_eq!(inbox(&store).await, 3);
}

async fn an_older_project_says_nothing_about_a_newer_one(db: Database) {
    let store = store(&db).await;
    run(&store, "UPDATE workspaces SET generation = 2", args![]).await;
    store.ingest.store(fact("ada", event("1", "looked"))).await.expect("stored");
    assert_eq!(inbox(&store).await, 1, "another server has had a push");
    run(&store, "DELETE FROM inbox", args![]).await;
    store.ingest.heard_by("one", Arc::new(project(2)));
    store.ingest.store(fact("ada", event("2", "looked"))).await.expect("stored");
    assert_eq!(inbox(&store).await, 1, "and the user has not been held against it");
}
