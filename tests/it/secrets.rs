//! Secrets that are stored: they go in, are used, and never come out.

use segflow_server::Config;

use crate::harness::app::production;
use crate::harness::program::Segflow;
use crate::harness::vendors::{Fake, endpoint};
use crate::harness::*;

both![
    a_stored_secret_is_used_and_never_shown,
    the_command_stores_lists_and_removes,
    a_server_without_a_key_stores_none,
    names_and_values_are_checked,
];

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn with_key(db: &Database) -> Config {
    Config { secret_keys: Some(KEY.into()), ..production(db) }
}

async fn set(app: &Client, name: &str, value: &str) -> Answer {
    app.put(&format!("/v1/secrets/{name}"), json!({ "value": value })).await
}

async fn names(app: &Client) -> Vec<String> {
    app.items("/v1/secrets").await.iter().map(|secret| secret["name"].as_str().unwrap().to_string()).collect()
}

async fn a_stored_secret_is_used_and_never_shown(db: Database) {
    let fake = Fake::start(endpoint::vendor).await;
    let app = App::with(&db, with_key(&db)).await;
    let plan = app.push(plugins::senders("endpoint")).await;
    assert_eq!(plan["warnings"].as_array().unwrap().len(), 2, "{plan}");
    set(&app, "VENDOR_URL", &format!("{}/send", fake.url)).await.ok();
    set(&app, "MAIL_TOKEN", "the wrong one").await.ok();
    set(&app, "MAIL_TOKEN", endpoint::TOKEN).await.ok();
    let other = app.workspace("other").await;
    set(&other, "MAIL_TOKEN", "of another workspace").await.ok();
    let plan = app.deploy("?dry_run=true", plugins::senders("endpoint")).await.ok();
    assert_eq!(plan["warnings"], json!([]));
    app.add("ada", json!({ "email": "ada@x.example" })).await;
    until("it is sent", || async { (fake.taken().len() == 1).then_some(()) }).await;

    let answer = app.get("/v1/secrets").await.ok();
    assert_eq!(names(&app).await, ["MAIL_TOKEN", "VENDOR_URL"]);
    let first = &answer["items"][0];
    assert_eq!(first.as_object().unwrap().keys().collect::<Vec<_>>(), ["name", "source", "updated_at"]);
    assert_eq!(first["source"], "stored");
    assert_eq!(app.get("/v1/secrets?limit=1").await.ok()["items"].as_array().unwrap().len(), 1);
    app.get("/v1/secrets/MAIL_TOKEN").await.problem(405, "method_not_allowed");
    // Neither in an answer nor in the database.
    assert!(!answer.to_string().contains(endpoint::TOKEN));
    let row = &db.rows("SELECT sealed FROM secrets WHERE workspace = 'main' AND name = 'MAIL_TOKEN'").await[0];
    let sealed = row.blob(0).expect("bytes");
    assert!(!sealed.windows(7).any(|part| endpoint::TOKEN.as_bytes().windows(7).any(|secret| secret == part)));
    assert_eq!(db.count("SELECT COUNT(*) FROM secrets").await, 3);

    // It survives a restart, and a wrong key does not open it.
    let app = app.restart().await;
    app.add("bob", json!({ "email": "bob@x.example" })).await;
    until("it is sent", || async { (fake.taken().len() == 2).then_some(()) }).await;
    app.delete("/v1/secrets/MAIL_TOKEN").await.ok();
    app.delete("/v1/secrets/MAIL_TOKEN").await.problem(404, "not_found");
    assert_eq!(names(&app).await, ["VENDOR_URL"]);
    assert_eq!(names(&app.workspace("other").await).await, ["MAIL_TOKEN"]);
    app.stop().await;
    let mut app = App::with(&db, Config { secret_keys: Some(KEY.replace('0', "f")), ..production(&db) }).await;
    assert_eq!(app.items("/v1/secrets").await[0]["source"], "sealed");
    app.add("cleo", json!({ "email": "cleo@x.example" })).await;
    let waiting = || async { app.messages("cleo").await.into_iter().next().filter(|m| !m["reason"].is_null()) };
    let message = until("the message waits", waiting).await;
    assert_eq!(message["reason"], "secret VENDOR_URL is not set on the server");
    app.leave_work();
}

async fn the_command_stores_lists_and_removes(db: Database) {
    // A development server has a key of its own.
    let app = App::start(&db).await;
    let segflow = Segflow::to(&app);
    let done = segflow.run_with_input(&["secret", "set", "DKIM_KEY"], "-----BEGIN\nhush\n-----END\n").await.ok();
    assert!(done.stdout.contains("DKIM_KEY is set") && done.stderr.contains(&app.base), "{done:?}");
    segflow.run_with_input(&["secret", "set", "PATH"], "hush\n").await.ok();
    let listed = segflow.run(&["secret", "list"]).await.ok();
    let lines: Vec<&str> = listed.stdout.lines().collect();
    assert!(lines[0].starts_with("DKIM_KEY  since 20") && !lines[0].contains("wins"), "{listed:?}");
    assert!(lines[1].starts_with("PATH") && lines[1].contains("the server's environment has one"), "{listed:?}");
    let document = segflow.run(&["--json", "secret", "list"]).await.ok().stdout;
    let document: Value = serde_json::from_str(&document).expect("one JSON document");
    assert_eq!(
        (&document["items"][0]["name"], &document["items"][1]["source"]),
        (&json!("DKIM_KEY"), &json!("environment"))
    );
    for told in [&done.stdout, &done.stderr, &listed.stdout, &listed.stderr] {
        assert!(!told.contains("hush"));
    }
    segflow.run(&["secret", "rm", "PATH"]).await.ok();
    let refused = segflow.run(&["secret", "rm", "PATH"]).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    let empty = segflow.run_with_input(&["secret", "set", "DKIM_KEY"], "\n").await;
    assert!(empty.code == 1 && empty.stderr.contains("no secret on stdin"), "{empty:?}");
    assert_eq!(names(&app).await, ["DKIM_KEY"]);
    // Kept by the database, so that it is the same after a restart.
    let app = app.restart().await;
    assert_eq!(app.items("/v1/secrets").await[0]["source"], "stored");
}

async fn a_server_without_a_key_stores_none(db: Database) {
    let app = App::production(&db).await;
    let problem = set(&app, "TOKEN", "hush").await;
    problem.problem(409, "no_secret_key");
    assert_eq!(names(&app).await, Vec::<String>::new());
}

async fn names_and_values_are_checked(db: Database) {
    let app = App::with(&db, with_key(&db)).await;
    let long = "A".repeat(129);
    for name in ["token", "1TOKEN", "_TOKEN", "A-B", "A%20B", "Ä", "DATABASE_URL", "SEGFLOW_SECRET_KEY", &long] {
        set(&app, name, "hush").await.problem(422, "invalid_name");
    }
    set(&app, "TOKEN", "").await.problem(422, "invalid_secret");
    set(&app, "TOKEN", &"x".repeat((16 << 10) + 1)).await.problem(422, "invalid_secret");
    app.put("/v1/secrets/TOKEN", json!({ "value": 5 })).await.problem(422, "wrong_type");
    app.put("/v1/secrets/TOKEN", json!({})).await.problem(422, "missing_field");
    set(&app, "TOKEN", &"x".repeat(16 << 10)).await.ok();
    assert_eq!(names(&app).await, ["TOKEN"]);
    app.stop().await;
    // A key that is none stops the server from starting, and is not repeated.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let config = Config { secret_keys: Some("not-a-key".into()), ..production(&db) };
    let error = segflow_server::Server::start(config, listener).await.err().expect("it does not start");
    let told = format!("{error:#}");
    assert!(told.contains("SEGFLOW_SECRET_KEY") && !told.contains("not-a-key"), "{told}");
}
