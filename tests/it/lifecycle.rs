//! Starting, stopping, and living beside others.

use segflow_server::{Config, Server};
use tokio::net::TcpStream;

use crate::harness::app::{dev, production};
use crate::harness::program::{Process, Segflow};
use crate::harness::smtp::{Act, At, Smtp};
use crate::harness::*;

both![
    a_database_belongs_to_one_mode,
    stopping_lets_what_is_being_sent_end,
    a_killed_server_is_accounted_for,
    sigterm_drains,
    logs_carry_no_addresses,
];

async fn refused(config: Config) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    format!("{:#}", Server::start(config, listener).await.err().expect("refused"))
}

async fn a_database_belongs_to_one_mode(db: Database) {
    drop(App::start(&db).await);
    let why = refused(production(&db)).await;
    assert!(why.contains("was made by a dev server"), "{why}");
    let other = Database::create(db.kind()).await;
    drop(App::production(&other).await);
    let why = refused(dev(&other)).await;
    assert!(why.contains("was made by a production server"), "{why}");
    drop(App::start(&db).await);
}

#[test]
fn a_second_server_on_the_same_file_is_refused() {
    run(Kind::Sqlite, |db| async move {
        let app = App::production(&db).await;
        let why = refused(production(&db)).await;
        assert!(why.contains("another server has") && why.contains("open"), "{why}");
        // Also from another process.
        let mut segflow = Segflow::new();
        segflow.set("DATABASE_URL", &db.url());
        let ended = segflow.run(&["serve", "--port", "0"]).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{ended:?}");
        assert!(ended.stderr.contains("another server has"), "{ended:?}");
        app.add("ada", json!({})).await;
        app.settle().await;
        drop(app);
        drop(App::production(&db).await);
    });
}

async fn stopping_lets_what_is_being_sent_end(db: Database) {
    let smtp = Smtp::start().await;
    let app = App::smtp(&db, &smtp).await;
    for user in ["ada", "bob"] {
        smtp.script(&format!("{user}@x.example"), At::Body, Act::Hold);
        app.add(user, json!({ "email": format!("{user}@x.example") })).await;
    }
    until("both are being sent", || async { (smtp.held() == 2).then_some(()) }).await;
    let base = app.base.clone();
    let stopping = tokio::spawn(app.stop());
    until("no more requests are taken", || async { closed(&base).await.then_some(()) }).await;
    smtp.release();
    stopping.await.expect("stopped");
    let statuses = db.rows("SELECT status, attempt FROM messages").await;
    assert_eq!(statuses.len(), 2);
    assert!(statuses.iter().all(|row| row.text(0).unwrap() == "sent" && row.int(1).unwrap() == 1));
    assert_eq!(
        db.count("SELECT COUNT(*) FROM leases WHERE incarnation IS NOT NULL").await,
        0,
        "its users are given back"
    );
}

/// Whether nobody listens there any more.
async fn closed(base: &str) -> bool {
    TcpStream::connect(base.trim_start_matches("http://")).await.is_err()
}

/// A production server process that sends to this mail server.
fn serve(db: &Database, smtp: &Smtp) -> Segflow {
    let mut segflow = Segflow::new();
    segflow.set("SMTP_URL", &smtp.url());
    segflow.set("DATABASE_URL", &db.url());
    segflow.set("SEGFLOW_LEASE_SECONDS", "2");
    segflow.set("SEGFLOW_GRACE_SECONDS", "0");
    segflow
}

async fn sigterm_drains(db: Database) {
    let smtp = Smtp::start().await;
    let segflow = serve(&db, &smtp);
    let process = Process::start(segflow.command(["serve", "--port", "0", "--init-key"])).await;
    let client = process.client();
    client.push(plugins::mailer()).await;
    smtp.script("ada@x.example", At::Body, Act::Hold);
    client.add("ada", json!({ "email": "ada@x.example" })).await;
    until("it is being sent", || async { (smtp.held() == 1).then_some(()) }).await;
    process.signal("TERM");
    until("no more requests are taken", || async { closed(&process.url).await.then_some(()) }).await;
    smtp.release();
    let ended = process.ended().await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let row = &db.rows("SELECT status, attempt FROM messages").await[0];
    assert_eq!((row.text(0).unwrap().as_str(), row.int(1).unwrap()), ("sent", 1));
    // No lease has to run out after a clean end.
    let process = Process::start(segflow.command(["serve", "--port", "0", "--init-key"])).await;
    assert_eq!(process.key, "", "a first key is made once");
    until("the second is sent", || async { (smtp.accepted().len() == 2).then_some(()) }).await;
    assert_eq!(process.stop().await.code, 0);
}

async fn a_killed_server_is_accounted_for(db: Database) {
    let smtp = Smtp::start().await;
    let segflow = serve(&db, &smtp);
    let process = Process::start(segflow.command(["serve", "--port", "0", "--init-key"])).await;
    let client = process.client();
    client.push(plugins::mailer()).await;
    smtp.script("ada@x.example", At::Body, Act::Hold);
    client.add("ada", json!({ "email": "ada@x.example" })).await;
    until("it is being sent", || async { (smtp.held() == 1).then_some(()) }).await;
    let key = process.key.clone();
    process.kill().await;
    let expires = db.count("SELECT MAX(expires_at) FROM leases").await;
    let dead = "SELECT COUNT(*) FROM servers WHERE dead_at IS NOT NULL";
    let process = Process::start(segflow.command(["serve", "--port", "0"])).await;
    if db.kind() == Kind::MySql && db.count(dead).await == 0 {
        assert_eq!(db.count("SELECT COUNT(DISTINCT incarnation) FROM leases").await, 1, "the lease has not run out");
    }
    let client = Client::new(&process.url, key);
    let found = until("the message is accounted for", || async {
        client.messages("ada").await.into_iter().find(|m| m["status"] == "unknown")
    });
    let message = found.await;
    assert_eq!((&message["attempt"], &message["reason"]), (&json!(1), &json!("the server stopped while sending")));
    if db.kind() == Kind::MySql {
        let died = db.count("SELECT MIN(dead_at) FROM servers WHERE dead_at IS NOT NULL").await;
        assert!(died >= expires, "declared dead {} ms before its lease ran out", expires - died);
    }
    smtp.release();
    until("the flow goes on", || async { smtp.accepted().iter().any(|m| m.raw.contains("econd")).then_some(()) }).await;
    assert_eq!(process.stop().await.code, 0);
}

async fn logs_carry_no_addresses(db: Database) {
    let smtp = Smtp::start().await;
    let mut segflow = serve(&db, &smtp);
    segflow.set("RUST_LOG", "debug");
    let process = Process::start(segflow.command(["serve", "--port", "0", "--init-key"])).await;
    let client = process.client();
    client.push(plugins::mailer()).await;
    for (n, at) in [At::Rcpt, At::Data, At::Body, At::Body].into_iter().enumerate() {
        let address = format!("hushed{n}@x.example");
        smtp.script(&address, at, if n == 3 { Act::Cut } else { Act::Say("550 no hushed@x.example here") });
        client.add(&format!("u{n}"), json!({ "email": address })).await;
    }
    client.get("/v1/users?email=hushed0%40x.example").await.ok();
    client
        .patch("/v1/users/u9", json!({"attributes": {"email": "hushed9@x.example"}, "hushed@x.example": 1}))
        .await
        .problem(422, "unknown_field");
    client.emit("u0", "order", json!({ "number": "hushed@x.example" })).await;
    until("all is done", || async { (client.items("/v1/messages?status=sent").await.len() >= 5).then_some(()) }).await;
    assert_eq!(client.delete("/v1/users/u0").await.status, 204);
    let metrics = client.get("/metrics").await.text();
    assert!(!metrics.contains("hushed") && !metrics.contains(&client.key), "{metrics}");
    let key = process.key.clone();
    let ended = process.stop().await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stderr.contains("DEBUG"), "this is the whole log: {}", ended.stderr);
    for secret in ["hushed", "x.example", key.as_str()] {
        let line = ended.stderr.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret}");
    }
}
