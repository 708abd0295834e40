//! The virtual clock.

use segflow_server::Config;

use crate::harness::app::dev;
use crate::harness::program::{Process, Segflow};
use crate::harness::*;

both![
    it_stands_still_and_moves,
    it_does_not_go_back,
    everything_on_the_way_runs_in_order,
    it_survives_a_restart,
    production_has_none,
    whoever_advances_at_once_waits_for_all,
];

async fn it_stands_still_and_moves(db: Database) {
    let app = App::start(&db).await;
    assert_eq!(app.get("/v1/dev/clock").await.ok(), json!({ "now": START, "virtual": true }));
    assert_eq!(app.advance("3d 2h").await["now"], "2026-01-04T11:00:00Z");
    assert_eq!(app.advance("90 minutes").await["now"], "2026-01-04T12:30:00Z");
    assert_eq!(app.advance("0s").await["now"], "2026-01-04T12:30:00Z");
    assert_eq!(app.get("/v1/dev/clock").await.ok()["now"], "2026-01-04T12:30:00Z");
    let ada = app.add("ada", json!({})).await;
    assert_eq!(ada["created_at"], "2026-01-04T12:30:00Z");
}

async fn it_does_not_go_back(db: Database) {
    let app = App::start(&db).await;
    for span in ["-1d", "1d ago", "-1s", "soon", "", "3", "99999y"] {
        app.post("/v1/dev/clock", json!({ "advance": span })).await.problem(422, "invalid_time");
    }
    app.post("/v1/dev/clock", json!({ "to": "2025-12-31T00:00:00Z" })).await.problem(422, "invalid_time");
    app.post("/v1/dev/clock", json!({})).await.problem(422, "missing_field");
    app.post("/v1/dev/clock", json!({ "advance": 5 })).await.problem(422, "wrong_type");
    assert_eq!(app.get("/v1/dev/clock").await.ok()["now"], START);
}

async fn everything_on_the_way_runs_in_order(db: Database) {
    let app = App::storefront(&db).await;
    for (n, name) in ["ada", "bob", "cleo"].into_iter().enumerate() {
        app.add(name, json!({ "username": name, "email": format!("{name}@x.example"), "winback": true })).await;
        app.advance(&format!("{}h", n + 5)).await;
    }
    app.advance("40d").await;
    let mut sent = vec![];
    for message in app.items("/v1/messages").await {
        assert_eq!(message["sent_at"], message["created_at"], "sent when it was decided");
        sent.push((message["id"].as_str().unwrap().to_string(), ms(message["sent_at"].as_str().unwrap())));
    }
    let accepted: Vec<i64> = app
        .capture
        .accepted()
        .iter()
        .map(|id| sent.iter().find(|(sent, _)| sent == id).expect("in the ledger").1)
        .collect();
    assert_eq!(accepted.len(), 3 + 3 * 6);
    assert!(accepted.is_sorted(), "{accepted:?}");
}

async fn it_survives_a_restart(db: Database) {
    let app = App::storefront(&db).await;
    app.add("ada", json!({ "username": "Ada", "email": "ada@shop.example", "winback": true })).await;
    app.advance("10d").await;
    let app = app.restart().await;
    assert_eq!(app.get("/v1/dev/clock").await.ok()["now"], "2026-01-11T09:00:00Z");
    app.advance("10d").await;
    let on: Vec<i64> =
        app.items("/v1/messages?campaign=winback-campaign").await.iter().map(|m| day(&m["sent_at"])).collect();
    assert_eq!(on, [0, 1, 3, 7, 15]);
    // Where it starts is for a new database only.
    drop(app);
    let app = App::with(&db, Config { start_at: Some(ms("2020-01-01T00:00:00Z")), ..dev(&db) }).await;
    assert_eq!(app.get("/v1/dev/clock").await.ok()["now"], "2026-01-21T09:00:00Z");
}

async fn production_has_none(db: Database) {
    let app = App::production(&db).await;
    app.get("/v1/dev/clock").await.problem(409, "clock_not_virtual");
    app.post("/v1/dev/clock", json!({ "advance": "1d" })).await.problem(409, "clock_not_virtual");
    drop(app);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let config = Config { virtual_clock: true, ..crate::harness::app::production(&db) };
    let error = segflow_server::Server::start(config, listener).await.err().expect("refused");
    assert!(error.to_string().contains("no virtual clock"), "{error:#}");
}

async fn whoever_advances_at_once_waits_for_all(db: Database) {
    let app = App::storefront(&db).await;
    app.add("ada", json!({ "username": "Ada", "email": "ada@shop.example", "winback": true })).await;
    let advances: Vec<_> = (0..4)
        .map(|_| {
            let client = app.with_key(&app.key);
            tokio::spawn(async move {
                let now = ms(client.advance("10d").await["now"].as_str().unwrap());
                let late = client.items("/v1/messages?status=pending").await.len();
                (now, late)
            })
        })
        .collect();
    for advance in advances {
        let (now, late) = advance.await.expect("answered");
        assert!(now >= ms("2026-01-11T09:00:00Z"));
        assert_eq!(late, 0);
    }
}

/// With the real program: `segflow dev` is killed in the middle of its life.
#[test]
fn it_survives_a_killed_process() {
    alone(async {
        let segflow = Segflow::new();
        let start = || async {
            let project = plugins::root().join("examples/storefront").display().to_string();
            let db = format!("sqlite://{}", segflow.home.path().join("dev.db").display());
            Process::start(segflow.command(["dev", &project, "--port", "0", "--virtual-clock", "--db", &db])).await
        };
        let process = start().await;
        let client = process.client();
        client.add("ada", json!({ "username": "Ada", "email": "ada@shop.example", "winback": true })).await;
        client.advance("10d").await;
        let (now, key) = (client.get("/v1/dev/clock").await.ok(), process.key.clone());
        process.kill().await;

        let process = start().await;
        assert_eq!(process.key, key, "the key stays the same for one database");
        let client = process.client();
        assert_eq!(client.get("/v1/dev/clock").await.ok(), now);
        client.advance("10d").await;
        let sent = client.items("/v1/messages?campaign=winback-campaign").await;
        assert_eq!(sent.len(), 5);
        let ended = process.stop().await;
        assert_eq!(ended.code, 0, "{ended:?}");
    });
}
