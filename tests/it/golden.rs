//! Databases of earlier releases: what stands in them is read, and the flows in them go on, with the code that they were pushed with.
//!
//! `tests/golden/*.db` are never changed. A release adds one: `SEGFLOW_MAKE_GOLDEN=0.2.0 cargo xtask test -- golden`.

use std::path::PathBuf;

use crate::harness::app::dev;
use crate::harness::program::Segflow;
use crate::harness::*;

fn folder() -> PathBuf {
    plugins::root().join("tests/golden")
}

async fn notes(app: &App, user: &str) -> Vec<String> {
    let mut notes = vec![];
    for message in app.messages(user).await {
        notes.push(app.message(&message).await["subject"].as_str().unwrap_or("nothing").to_string());
    }
    notes
}

#[test]
fn databases_of_all_releases_go_on() {
    run(Kind::Sqlite, async |db: Database| {
        if let Ok(release) = std::env::var("SEGFLOW_MAKE_GOLDEN") {
            make(&db, &release).await;
        }
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(folder()).expect("the folder").map(|entry| entry.expect("an entry").path()).collect();
        files.retain(|file| file.extension().is_some_and(|ending| ending == "db"));
        assert!(!files.is_empty());
        for file in files {
            let db = Database::create(Kind::Sqlite).await;
            std::fs::copy(&file, db.folder().join("segflow.db")).expect("copied");
            goes_on(&db).await;
        }
    });
}

/// Users in the middle of everything.
async fn make(db: &Database, release: &str) {
    // As a user has it: built by the program, which leaves no folder of this machine in it.
    let project = plugins::root().join("tests/plugins/flows");
    Segflow::new().run_in(project, &["simulate", "drip", "--attributes", "{}"]).await.ok();
    let wasm = plugins::target().join("wasm32-unknown-unknown/segflow/flows.wasm");
    let app = App::with(db, dev(db)).await;
    app.push(std::fs::read(wasm).expect("a module")).await;
    for user in ["hear", "drip", "work", "rounds", "meet", "cart"] {
        let attributes = json!({ "email": format!("{user}@x.example"), "does": user, "cart": "A" });
        app.add(user, attributes).await;
    }
    app.add("paused", json!({ "email": "paused@x.example", "does": "drip" })).await;
    app.settle().await;
    let paused = app.enrollments("paused").await[0]["id"].as_str().expect("an id").to_string();
    app.post(&format!("/v1/enrollments/{paused}/pause"), json!({})).await.ok();
    app.emit("hear", "order", json!({ "number": 6 })).await;
    app.advance("1d").await;
    app.stop().await;
    let from = db.folder().join("segflow.db");
    std::fs::create_dir_all(folder()).expect("a folder");
    std::fs::copy(from, folder().join(format!("{release}.db"))).expect("copied");
}

async fn goes_on(db: &Database) {
    let app = App::with(db, dev(db)).await;
    assert_eq!(notes(&app, "hear").await, ["heard 6"]);
    app.emit("hear", "order", json!({ "number": 7 })).await;
    let task = app.items("/v1/tasks?status=open").await[0]["id"].as_str().expect("an id").to_string();
    app.post(&format!("/v1/tasks/{task}/complete"), json!({ "result": 3 })).await.ok();
    let paused = app.enrollments("paused").await[0]["id"].as_str().expect("an id").to_string();
    app.post(&format!("/v1/enrollments/{paused}/resume"), json!({})).await.ok();
    app.advance("9d").await;
    assert_eq!(notes(&app, "hear").await, ["heard 6", "heard 7", "silence"]);
    assert_eq!(notes(&app, "drip").await, ["one", "two", "three"]);
    assert_eq!(notes(&app, "paused").await, ["one", "two", "three"]);
    assert_eq!(notes(&app, "work").await, ["done 3"]);
    assert_eq!(notes(&app, "meet").await, ["it is 2026-01-05T09:00:00Z"]);
    assert_eq!(notes(&app, "cart").await, ["silence"]);
    let rounds = notes(&app, "rounds").await;
    assert_eq!((rounds.len(), rounds[10].as_str()), (11, "round 10"));
    // And those in flight move to the code of today.
    let plan = app.deploy("?in_flight=migrate", plugins::flows("text")).await.ok();
    let moving = plan["in_flight"].as_array().expect("a list").iter().find(|m| m["campaign"] == "rounds");
    assert_eq!(moving.expect("somebody is in it")["same"], 1, "{plan}");
}
