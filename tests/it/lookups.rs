//! What becomes of an `unknown` message whose provider can be asked about it: Postmark, which may be slow to know what it has, or silent.

use std::collections::BTreeMap;

use segflow_server::Config;

use crate::harness::app::{dev, production};
use crate::harness::vendors::{Fake, Say, endpoint, postmark};
use crate::harness::*;

both![
    what_postmark_has_is_sent,
    it_is_asked_until_it_knows_and_over_restarts,
    what_it_never_knows_stays_unknown,
    what_may_be_accepted_twice_is_tried_again,
    one_that_cannot_be_asked_is_not,
    one_that_does_not_answer_is_left_alone,
    what_was_settled_meanwhile_is_not_asked_about,
];

const CUT: Option<Say> = Some(Say::Cut);

fn secrets(fake: &Fake) -> BTreeMap<String, String> {
    [("VENDOR_URL", fake.url.as_str()), ("POSTMARK_TOKEN", postmark::TOKEN), ("MAIL_TOKEN", endpoint::TOKEN)]
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .into()
}

/// A project that sends by Postmark, whose clock is virtual.
async fn start(db: &Database) -> (App, Fake) {
    let fake = Fake::start(postmark::vendor).await;
    let app = App::with(db, Config { secrets: secrets(&fake), dev_sends: true, ..dev(db) }).await;
    app.push(plugins::senders("postmark")).await;
    (app, fake)
}

/// A new user, whose message gets no answer.
async fn lose(app: &App, name: &str) -> Value {
    app.add(name, json!({ "email": format!("{name}@x.example") })).await;
    app.settle().await;
    let message = message(app, name).await;
    assert_eq!((&message["status"], &message["provider"]), (&json!("unknown"), &json!("postmark")), "{message}");
    message
}

async fn message(app: &App, user: &str) -> Value {
    app.message(&app.messages(user).await[0]).await
}

/// How often it was searched: a search has no body.
fn searches(fake: &Fake) -> usize {
    fake.calls().iter().filter(|body| body.is_null()).count()
}

async fn open(db: &Database) -> i64 {
    db.count("SELECT COUNT(*) FROM lookups").await
}

async fn what_postmark_has_is_sent(db: Database) {
    let (app, fake) = start(&db).await;
    let lost = lose(&app, "cut").await;
    assert_eq!(lost["lookup"], json!({ "asked": 0, "next_at": "2026-01-01T09:01:00Z" }));
    app.advance("59s").await;
    assert_eq!(searches(&fake), 0);
    app.advance("1s").await;
    let found = message(&app, "cut").await;
    assert_eq!((&found["status"], &found["reason"], &found["lookup"]), (&json!("sent"), &Value::Null, &Value::Null));
    assert_eq!((&found["provider_message_id"], &found["attempt"]), (&json!("pm-1"), &json!(1)));
    assert_eq!(found["sent_at"], "2026-01-01T09:01:00Z");
    assert_eq!((&found["subject"], &found["rendered"]), (&lost["subject"], &json!("as_sent")), "as it was handed over");
    let attempts = found["attempts"].as_array().expect("a list");
    assert_eq!((attempts.len(), &attempts[0]["outcome"]), (1, &json!("accepted")));
    assert_eq!(attempts[0]["detail"], "found when postmark was asked");
    app.advance("3d").await;
    assert_eq!((searches(&fake), fake.taken().len(), open(&db).await), (1, 1, 0));
}

async fn it_is_asked_until_it_knows_and_over_restarts(db: Database) {
    let (app, fake) = start(&db).await;
    fake.hides(true);
    lose(&app, "cut").await;
    app.advance("2m").await;
    let asked = message(&app, "cut").await;
    assert_eq!(asked["lookup"], json!({ "asked": 1, "next_at": "2026-01-01T09:06:00Z" }));
    let app = app.restart().await;
    app.advance("5m").await;
    assert_eq!((searches(&fake), &message(&app, "cut").await["status"]), (2, &json!("unknown")));
    fake.hides(false);
    app.advance("29m").await;
    assert_eq!((searches(&fake), &message(&app, "cut").await["status"]), (3, &json!("sent")));
}

/// That it does not know a message is no proof that it has not accepted it.
async fn what_it_never_knows_stays_unknown(db: Database) {
    let (app, fake) = start(&db).await;
    fake.says(CUT);
    let lost = lose(&app, "ada").await;
    fake.says(None);
    let mut past = 0;
    for (times, minutes) in [1, 6, 36, 156, 636, 2_076].into_iter().enumerate() {
        // The second before, and then the second.
        app.advance(&format!("{}s", minutes * 60 - 1 - past)).await;
        assert_eq!(searches(&fake), times, "{minutes}");
        app.advance("1s").await;
        past = minutes * 60;
        let asked = message(&app, "ada").await;
        assert_eq!((&asked["status"], searches(&fake)), (&json!("unknown"), times + 1), "{minutes}: {asked}");
    }
    let end = message(&app, "ada").await;
    let before = lost["reason"].as_str().expect("a reason");
    assert_eq!(end["reason"], format!("{before}; postmark does not know it, asked 6 times"));
    assert_eq!(end["lookup"], Value::Null);
    app.advance("30d").await;
    assert_eq!((searches(&fake), fake.taken().len(), open(&db).await), (6, 0, 0));
}

async fn what_may_be_accepted_twice_is_tried_again(db: Database) {
    let (app, fake) = start(&db).await;
    app.add("ada", json!({ "email": "ada@x.example" })).await;
    app.settle().await;
    fake.says(CUT);
    app.emit("ada", "order", json!({ "number": "7" })).await;
    app.settle().await;
    let receipt = async || {
        let all = app.messages("ada").await;
        let found = all.iter().find(|message| message["template"] == "receipt");
        app.message(found.expect("it is decided")).await
    };
    let mut minutes = 0;
    while receipt().await["status"] != "unknown" {
        app.advance("1m").await;
        minutes += 1;
        assert!(minutes < 300, "{}", receipt().await);
    }
    assert_eq!(receipt().await["attempt"], 10);
    fake.says(None);
    app.advance("2h").await;
    let message = receipt().await;
    assert_eq!((&message["status"], fake.taken().len()), (&json!("unknown"), 1), "{message}");
    app.advance("2h").await;
    let message = receipt().await;
    assert_eq!((&message["status"], &message["attempt"]), (&json!("sent"), &json!(11)), "{message}");
    assert_eq!((fake.taken().len(), open(&db).await), (2, 0));
}

async fn one_that_cannot_be_asked_is_not(db: Database) {
    let fake = Fake::start(endpoint::vendor).await;
    let mut secrets = secrets(&fake);
    secrets.insert("VENDOR_URL".into(), format!("{}/send", fake.url));
    let app = App::with(&db, Config { secrets, dev_sends: true, ..dev(&db) }).await;
    app.push(plugins::senders("endpoint")).await;
    app.add("cut", json!({ "email": "cut@x.example" })).await;
    app.settle().await;
    let before = message(&app, "cut").await;
    assert_eq!(before["status"], "unknown");
    app.advance("3d").await;
    let after = message(&app, "cut").await;
    assert_eq!((&after["status"], &after["reason"]), (&before["status"], &before["reason"]));
    assert_eq!((fake.calls().len(), open(&db).await), (1, 0));
}

async fn one_that_does_not_answer_is_left_alone(db: Database) {
    let (app, fake) = start(&db).await;
    for name in ["cut", "mumble", "error"] {
        lose(&app, name).await;
    }
    fake.says(Some(Say::No(429, r#"{"ErrorCode":429,"Message":"Too many requests"}"#)));
    app.advance("1m").await;
    assert_eq!(searches(&fake), 1, "the other two are not asked about");
    fake.says(None);
    app.advance("10m").await;
    assert_eq!(message(&app, "cut").await["status"], "sent");
    // One that says nothing to the end.
    fake.says(Some(Say::No(401, r#"{"ErrorCode":10,"Message":"Bad token"}"#)));
    app.advance("10d").await;
    for name in ["mumble", "error"] {
        let reason = message(&app, name).await["reason"].as_str().expect("a reason").to_string();
        assert!(reason.contains("postmark could not be asked about it") && reason.contains("Bad token"), "{reason}");
    }
    assert_eq!(open(&db).await, 0);
}

async fn what_was_settled_meanwhile_is_not_asked_about(db: Database) {
    let (app, fake) = start(&db).await;
    lose(&app, "cut").await;
    let connection = db.open().await;
    let told = "UPDATE messages SET status = 'delivered'";
    connection.write(move |tx| Box::pin(tx.run(told, vec![]))).await.expect("it is told");
    connection.close().await;
    assert_eq!(message(&app, "cut").await["lookup"], Value::Null);
    app.advance("3d").await;
    assert_eq!(message(&app, "cut").await["status"], "delivered");
    assert_eq!((searches(&fake), open(&db).await), (0, 0));
}

#[test]
fn each_is_asked_about_by_one_server() {
    run(Kind::MySql, |db| async move {
        const ALL: usize = 40;
        let fake = Fake::start(postmark::vendor).await;
        let config = || Config { secrets: secrets(&fake), ..production(&db) };
        let (one, two) = (App::with(&db, config()).await, App::with(&db, config()).await);
        one.push(plugins::senders("postmark")).await;
        until("they share the users", || async {
            let sql =
                "SELECT COUNT(*) FROM leases GROUP BY incarnation HAVING COUNT(*) = 32 AND incarnation IS NOT NULL";
            (db.rows(sql).await.len() == 2).then_some(())
        })
        .await;
        let user = |n: usize| json!({"type": "identify", "user_id": format!("u{n}"), "attributes": {"email": format!("u{n}@x.example")}});
        let batch: Vec<Value> = (0..ALL).map(user).collect();
        two.post("/v1/batch", json!({ "batch": batch })).await.ok();
        until("all are sent", || async { (one.items("/v1/messages?status=sent").await.len() == ALL).then_some(()) })
            .await;
        let connection = db.open().await;
        connection
            .write(|tx| {
                Box::pin(async move {
                    tx.run("UPDATE messages SET status = 'unknown', sent_at = NULL", vec![]).await?;
                    let sql =
                        "INSERT INTO lookups (message, bucket, asked, due_at) SELECT id, bucket, 0, 0 FROM messages";
                    tx.run(sql, vec![]).await
                })
            })
            .await
            .expect("nobody knows");
        connection.close().await;
        until("all are found", || async { (one.items("/v1/messages?status=sent").await.len() == ALL).then_some(()) })
            .await;
        assert_eq!((searches(&fake), fake.taken().len(), open(&db).await), (ALL, ALL, 0));
    });
}
