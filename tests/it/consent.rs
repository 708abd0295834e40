//! Whom nobody wants to be written to is not written to, from the moment that this is acknowledged.

use segflow_core::consent::Block;
use segflow_server::store::consent::{self, Note, Said};

use crate::harness::app::of_template;
use crate::harness::*;

both![
    what_is_blocked_gets_nothing_at_all,
    who_has_unsubscribed_still_gets_transactions,
    a_topic_is_for_those_who_want_it,
    five_soft_bounces_in_a_fortnight_block_an_address,
    what_is_said_while_a_message_is_taken_is_not_overtaken,
    an_unsubscribe_in_the_middle_of_a_batch_stops_the_rest,
    the_address_of_the_moment_counts,
    what_is_known_of_an_address_outlives_the_person,
    suppressions_are_listed_imported_and_lifted,
    workspaces_do_not_share_what_they_know,
];

async fn start(db: &Database) -> App {
    let app = App::start(db).await;
    app.push(plugins::letters("base")).await;
    app
}

async fn add(app: &App, name: &str, does: &str) {
    app.add(name, json!({ "email": format!("{name}@x.example"), "does": does })).await;
}

async fn say(app: &App, item: Value) {
    let answer = app.post("/v1/suppressions", json!({ "items": [item] })).await.ok();
    assert_eq!(answer, json!({ "results": [{ "status": 200 }] }));
}

/// Status and reason of each of a user's messages.
async fn told(app: &App, user: &str) -> Vec<(String, String)> {
    let text = |message: &Value, field: &str| message[field].as_str().unwrap_or_default().to_string();
    app.messages(user).await.iter().map(|m| (text(m, "status"), text(m, "reason"))).collect()
}

fn all(status: &str, reason: &str, count: usize) -> Vec<(String, String)> {
    vec![(status.to_string(), reason.to_string()); count]
}

async fn what_is_blocked_gets_nothing_at_all(db: Database) {
    let app = start(&db).await;
    for (name, reason) in [
        ("bounce", "the address has bounced"),
        ("complaint", "the recipient has complained"),
        ("manual", "the address was suppressed by hand"),
    ] {
        // However it is written.
        say(&app, json!({ "address": format!("{}@X.Example", name.to_uppercase()), "blocked": name })).await;
        add(&app, name, "plain").await;
        app.emit(name, "order", json!({ "number": 1 })).await;
        app.settle().await;
        assert_eq!(told(&app, name).await, all("suppressed", reason, 2), "{name}");
        let message = app.message(&app.messages(name).await[0]).await;
        assert_eq!((&message["attempt"], &message["due_at"]), (&json!(0), &Value::Null));
    }
    assert_eq!(app.capture.accepted().len(), 0);
    // The flow goes on, and what it decides later is sent once nothing is against it.
    assert_eq!(app.delete("/v1/suppressions/bounce@x.example").await.status, 204);
    app.advance("1d").await;
    let last = |told: Vec<(String, String)>| told.last().cloned().expect("a message");
    assert_eq!(last(told(&app, "bounce").await).0, "sent");
    assert_eq!(last(told(&app, "manual").await).0, "suppressed");
    assert_eq!(app.messages("bounce").await[0]["status"], "suppressed", "what was not sent stays so");
    app.advance("9d").await;
}

async fn who_has_unsubscribed_still_gets_transactions(db: Database) {
    let app = start(&db).await;
    say(&app, json!({ "address": "ada@x.example", "unsubscribed": true })).await;
    for campaign in ["plain", "news"] {
        add(&app, "ada", campaign).await;
        app.settle().await;
    }
    app.emit("ada", "order", json!({ "number": 1 })).await;
    app.settle().await;
    let messages = app.messages("ada").await;
    assert_eq!(of_template(&messages, "receipt")[0]["status"], "sent");
    for letter in of_template(&messages, "letter") {
        assert_eq!((&letter["status"], &letter["reason"]), (&json!("suppressed"), &json!("unsubscribed")));
    }
    say(&app, json!({ "address": "ada@x.example", "unsubscribed": false })).await;
    app.advance("1d").await;
    let sent = app.items("/v1/messages?status=sent").await;
    assert_eq!(of_template(&sent, "letter").len(), 2);
    app.advance("9d").await;
}

async fn a_topic_is_for_those_who_want_it(db: Database) {
    let app = start(&db).await;
    let wants = |topic: &str, wants: bool| json!({ "address": "ada@x.example", "topics": { topic: wants } });
    say(&app, wants("news", false)).await;
    for campaign in ["plain", "news", "tips"] {
        add(&app, "ada", campaign).await;
        app.settle().await;
    }
    let of = |messages: &[Value], campaign: &str| {
        let mine = messages.iter().rfind(|m| m["campaign"] == campaign).expect("a message");
        (mine["status"].as_str().unwrap().to_string(), mine["reason"].as_str().unwrap_or_default().to_string())
    };
    let messages = app.messages("ada").await;
    assert_eq!(of(&messages, "plain").0, "sent");
    assert_eq!(of(&messages, "news"), ("suppressed".into(), "unsubscribed from news".into()));
    assert_eq!(of(&messages, "tips"), ("suppressed".into(), "not subscribed to tips".into()));
    say(&app, wants("news", true)).await;
    say(&app, wants("tips", true)).await;
    app.advance("1d").await;
    let messages = app.messages("ada").await;
    assert!(["plain", "news", "tips"].iter().all(|campaign| of(&messages, campaign).0 == "sent"));
    app.advance("9d").await;
}

async fn five_soft_bounces_in_a_fortnight_block_an_address(db: Database) {
    let app = start(&db).await;
    add(&app, "ada", "plain").await;
    app.settle().await;
    let bounce = async |message: &'static str, day: i64| {
        let db = &app.server().store().db;
        let at = ms(START) + day * DAY;
        db.write(move |tx| Box::pin(consent::soft_bounce(tx, "main", "Ada@x.example", message, true, at)))
            .await
            .expect("noted")
    };
    for (message, day) in [("msg_1", 0), ("msg_2", 1), ("msg_3", 2), ("msg_3", 3), ("msg_4", 3)] {
        assert!(!bounce(message, day).await, "{message}");
    }
    app.advance("1d").await;
    assert_eq!(told(&app, "ada").await, all("sent", "", 2));
    assert!(bounce("msg_5", 4).await);
    assert!(!bounce("msg_6", 5).await, "it is blocked already");
    app.advance("1d").await;
    let reason = "the address has bounced 5 times in 14 days";
    assert_eq!(told(&app, "ada").await.last(), all("suppressed", reason, 1).last());
    // Nothing is left of them once somebody has looked into it.
    assert_eq!(app.delete("/v1/suppressions/ada@x.example").await.status, 204);
    assert!(!bounce("msg_7", 6).await);
    app.advance("1d").await;
    assert_eq!(told(&app, "ada").await.last(), all("sent", "", 1).last());
    app.advance("9d").await;
}

/// Something is said of an address, and not committed yet; a claim comes at that moment.
async fn what_is_said_while_a_message_is_taken_is_not_overtaken(db: Database) {
    let app = start(&db).await;
    // Once of an address that has been written to, once of one that nobody knows yet.
    for (name, before) in [("ada", true), ("eve", false)] {
        add(&app, name, if before { "plain" } else { "" }).await;
        app.settle().await;
        let beside = db.open().await;
        let mut tx = beside.begin().await.expect("a transaction");
        let address = format!("{name}@x.example");
        let note = Note { address, known: true, said: vec![Said::Block(Block::Manual)], at: 0 };
        consent::say(&mut tx, "main", &[note]).await.expect("noted");
        // On SQLite the writer is alone: nothing of the user's could be stored meanwhile, let alone be claimed.
        if db.kind() == Kind::MySql {
            add(&app, name, "news").await;
            let waits = "SELECT COUNT(*) FROM performance_schema.data_lock_waits";
            until("a claim waits", || async { (db.count(waits).await > 0).then_some(()) }).await;
        }
        tx.commit().await.expect("committed");
        beside.close().await;
        add(&app, name, "news").await;
        app.settle().await;
        let messages = app.messages(name).await;
        let news: Vec<&Value> = messages.iter().filter(|m| m["campaign"] == "news").collect();
        assert_eq!(news[0]["status"], "suppressed", "{name}: {news:?}");
    }
    app.advance("9d").await;
}

async fn an_unsubscribe_in_the_middle_of_a_batch_stops_the_rest(db: Database) {
    let app = start(&db).await;
    let names: Vec<String> = (0..200).map(|n| format!("u{n}")).collect();
    let one = |name: &String| json!({"type": "identify", "user_id": name, "attributes": {"email": format!("{name}@x.example"), "does": "plain"}});
    let batch: Vec<Value> = names.iter().map(one).collect();
    app.post("/v1/batch", json!({ "batch": batch })).await.ok();
    // While they go out; each is told once nobody could take the message to `sending` any more.
    let (mut late, beside) = (0, db.open().await);
    for name in names.iter().rev() {
        say(&app, json!({ "address": format!("{name}@x.example"), "unsubscribed": true })).await;
        let going = "SELECT COUNT(*) FROM messages WHERE user_id = ? AND status IN ('sending', 'sent')";
        late += beside
            .read_one(going, segflow_server::args![name])
            .await
            .expect("read")
            .expect("a row")
            .int(0)
            .expect("a number");
    }
    beside.close().await;
    app.settle().await;
    let sent = app.items("/v1/messages?status=sent").await.len() as i64;
    let suppressed = app.items("/v1/messages?status=suppressed").await.len() as i64;
    assert_eq!((sent, sent + suppressed), (late, 200), "what was not on its way when it was said never went");
    assert_eq!(app.capture.accepted().len() as i64, sent);
    app.advance("9d").await;
}

async fn the_address_of_the_moment_counts(db: Database) {
    let app = start(&db).await;
    say(&app, json!({ "address": "old@x.example" })).await;
    app.add("ada", json!({ "email": "old@x.example", "does": "plain" })).await;
    app.settle().await;
    assert_eq!(told(&app, "ada").await[0].0, "suppressed");
    app.add("ada", json!({ "email": "new@x.example" })).await;
    app.advance("1d").await;
    assert_eq!(told(&app, "ada").await[1].0, "sent");
    // And two users of one address share what is known of it.
    app.add("bob", json!({ "email": "OLD@x.example", "does": "plain" })).await;
    app.settle().await;
    assert_eq!(told(&app, "bob").await[0].0, "suppressed");
    app.advance("9d").await;
}

async fn what_is_known_of_an_address_outlives_the_person(db: Database) {
    let app = start(&db).await;
    add(&app, "ada", "plain").await;
    app.settle().await;
    say(&app, json!({ "address": "ada@x.example", "unsubscribed": true })).await;
    assert_eq!(app.items("/v1/suppressions").await[0]["address"], "ada@x.example");
    assert_eq!(app.delete("/v1/users/ada").await.status, 204);
    let listed = app.items("/v1/suppressions").await;
    assert_eq!((&listed[0]["address"], &listed[0]["unsubscribed"]), (&Value::Null, &json!(true)));
    // Nothing that is stored says who it was.
    for table in ["addresses", "messages", "events", "inbox"] {
        let rows = db.rows(&format!("SELECT COUNT(*) FROM {table} WHERE {}", mentions(table))).await;
        assert_eq!(rows[0].int(0).expect("a number"), 0, "{table}");
    }
    add(&app, "ada", "plain").await;
    app.settle().await;
    assert_eq!(told(&app, "ada").await, all("suppressed", "unsubscribed", 1));
    assert_eq!(app.get("/v1/suppressions/ada@x.example").await.ok()["unsubscribed"], true);
    app.advance("9d").await;
}

fn mentions(table: &str) -> &'static str {
    match table {
        "addresses" => "address LIKE '%ada%'",
        "messages" => "CONCAT(COALESCE(recipient, ''), COALESCE(context, ''), user_id) LIKE '%ada%'",
        _ => "user_id LIKE '%ada%'",
    }
}

async fn suppressions_are_listed_imported_and_lifted(db: Database) {
    let app = start(&db).await;
    let items: Vec<Value> =
        (0..2_500).map(|n| json!({ "address": format!("u{n}@x.example"), "blocked": "bounce" })).collect();
    let mut with_mistakes = items.clone();
    with_mistakes[7] = json!({ "address": "nobody" });
    with_mistakes[8] = json!({ "address": "a@x.example", "topics": { "nwes": true } });
    let results = app.post("/v1/suppressions", json!({ "items": with_mistakes })).await.ok()["results"].clone();
    assert_eq!((&results[6], &results[7]["code"]), (&json!({ "status": 200 }), &json!("invalid_address")));
    assert!(results[8]["detail"].as_str().unwrap().contains("did you mean `news`?"), "{results:?}");
    assert_eq!(app.items("/v1/suppressions").await.len(), 2_498);
    // The same again changes nothing.
    app.post("/v1/suppressions", json!({ "items": items })).await.ok();
    let listed = app.items("/v1/suppressions").await;
    assert_eq!(listed.len(), 2_500);
    let one = app.get("/v1/suppressions/U7@x.example").await.ok();
    assert_eq!((&one["blocked"], &one["unsubscribed"], &one["topics"]), (&json!("bounce"), &json!(false), &json!({})));
    assert_eq!(one["blocked_at"], START);
    assert!(listed.contains(&one));
    app.get("/v1/suppressions/other@x.example").await.problem(404, "not_found");
    app.delete("/v1/suppressions/other@x.example").await.problem(404, "not_found");
    assert_eq!(app.delete("/v1/suppressions/u7@x.example").await.status, 204);
    assert_eq!(app.items("/v1/suppressions").await.len(), 2_499);
    // What is heavier stays.
    say(&app, json!({ "address": "u8@x.example", "blocked": "complaint" })).await;
    say(&app, json!({ "address": "u8@x.example", "blocked": "bounce" })).await;
    assert_eq!(app.get("/v1/suppressions/u8@x.example").await.ok()["blocked"], "complaint");
    app.post("/v1/suppressions", json!({ "items": vec![json!({}); 5_001] })).await.problem(422, "batch_too_large");
    app.deploy("", plugins::letters("wrong")).await.problem(422, "invalid_project");
}

async fn workspaces_do_not_share_what_they_know(db: Database) {
    let app = start(&db).await;
    let other = app.workspace("other").await;
    other.push(plugins::letters("base")).await;
    say(&app, json!({ "address": "ada@x.example" })).await;
    other.add("ada", json!({ "email": "ada@x.example", "does": "plain" })).await;
    app.settle().await;
    assert_eq!(other.messages("ada").await[0]["status"], "sent");
    assert_eq!(other.items("/v1/suppressions").await, Vec::<Value>::new());
    let hashes = db.rows("SELECT DISTINCT hash FROM addresses").await.len();
    assert_eq!(hashes, 2, "nor can one tell an address by the other's hash");
    app.advance("9d").await;
}
