//! A stop for everything, who may be written to at all, and what a restored database sends.

use std::sync::Arc;

use segflow_server::Config;
use segflow_server::delivery::capture::Act;

use crate::harness::app::{dev, production};
use crate::harness::web::Web;
use crate::harness::*;

both![
    a_hold_in_the_middle_of_a_batch_stops_the_rest,
    a_claim_that_comes_at_the_same_time_sends_nothing,
    what_waits_is_counted_as_it_is,
    what_is_to_be_tried_again_waits_too,
    a_hold_survives_a_restart_and_says_who_why_and_since_when,
    what_waits_can_be_dropped,
    webhooks_of_flows_are_held_too,
    workspaces_are_held_one_by_one,
    only_those_on_the_list_are_written_to,
    a_list_is_looked_at_when_a_message_is_taken,
    a_restored_database_sends_nothing_twice_without_being_told_to,
    mistakes_are_named,
];

async fn start(db: &Database) -> App {
    let app = App::start(db).await;
    app.push(plugins::letters("base")).await;
    app
}

async fn add(app: &App, name: &str, does: &str) {
    app.add(name, json!({ "email": format!("{name}@x.example"), "does": does })).await;
}

async fn add_many(app: &Client, count: usize) {
    let one = |n: usize| json!({"type": "identify", "user_id": format!("u{n}"), "attributes": {"email": format!("u{n}@x.example"), "does": "plain"}});
    let batch: Vec<Value> = (0..count).map(one).collect();
    app.post("/v1/batch", json!({ "batch": batch })).await.ok();
}

async fn hold(app: &Client, reason: &str) -> Value {
    app.put("/v1/hold", json!({ "reason": reason })).await.ok()
}

async fn release(app: &Client) -> Value {
    app.delete("/v1/hold").await.ok()
}

/// How many messages wait, which is what the list of them says as well.
async fn waiting(app: &Client) -> u64 {
    let count = app.get("/v1/hold").await.ok()["waiting"].as_u64().expect("a number");
    assert_eq!(app.items("/v1/messages?status=held").await.len() as u64, count);
    assert!(app.items("/v1/messages?status=pending").await.is_empty());
    count
}

/// In the order of the alphabet: messages of one instant come in any.
async fn statuses(app: &Client, user: &str) -> Vec<String> {
    let messages = app.messages(user).await;
    let mut all: Vec<String> = messages.iter().map(|m| m["status"].as_str().expect("a status").to_string()).collect();
    all.sort();
    all
}

async fn a_hold_in_the_middle_of_a_batch_stops_the_rest(db: Database) {
    const ALL: usize = 600;
    let app = start(&db).await;
    add_many(&app, ALL).await;
    until("some have gone out", || async { (app.capture.count() > 0).then_some(()) }).await;
    hold(&app, "stop").await;
    let going = db.count("SELECT COUNT(*) FROM messages WHERE status IN ('sending', 'sent')").await as usize;
    app.settle().await;
    app.advance("1h").await;
    assert_eq!(app.items("/v1/messages?status=sent").await.len(), going, "nothing has left since it was answered");
    assert_eq!(app.capture.count(), going);
    assert_eq!(waiting(&app).await as usize, ALL - going);
    release(&app).await;
    app.settle().await;
    let mut accepted = app.capture.accepted();
    accepted.sort();
    accepted.dedup();
    assert_eq!((accepted.len(), app.capture.count()), (ALL, ALL), "each once");
    app.advance("9d").await;
}

/// A hold that is not committed yet: a claim waits for it, and is not before it.
async fn a_claim_that_comes_at_the_same_time_sends_nothing(db: Database) {
    let app = start(&db).await;
    app.capture.script("ada@x.example", Act::Busy("come again".into()));
    add(&app, "ada", "plain").await;
    app.settle().await;
    let beside = db.open().await;
    let mut tx = beside.begin().await.expect("a transaction");
    tx.run("UPDATE workspaces SET held_at = 1 WHERE id = 'main'", vec![]).await.expect("held");
    let goes_on = async {
        // On SQLite the writer is alone: not even time moves meanwhile.
        if db.kind() == Kind::MySql {
            let waits = "SELECT COUNT(*) FROM performance_schema.data_lock_waits w \
                         JOIN performance_schema.data_locks l ON l.ENGINE_LOCK_ID = w.REQUESTING_ENGINE_LOCK_ID \
                         WHERE l.OBJECT_SCHEMA = DATABASE()";
            until("a claim waits", || async { (db.count(waits).await > 0).then_some(()) }).await;
        }
        tx.commit().await.expect("committed");
    };
    let (_, ()) = tokio::join!(app.advance("1m"), goes_on);
    beside.close().await;
    assert_eq!((app.capture.count(), statuses(&app, "ada").await), (0, vec!["held".to_string()]));
    release(&app).await;
    app.settle().await;
    assert_eq!((app.capture.count(), statuses(&app, "ada").await), (1, vec!["sent".to_string()]));
    app.advance("9d").await;
}

async fn what_waits_is_counted_as_it_is(db: Database) {
    let app = start(&db).await;
    hold(&app, "prices are wrong").await;
    for name in ["removed", "paused", "erased", "blocked", "stays"] {
        add(&app, name, "plain").await;
    }
    add(&app, "leaves", "news").await;
    app.emit("stays", "order", json!({ "number": 1 })).await;
    app.settle().await;
    assert_eq!(waiting(&app).await, 7);
    let campaign = app.get("/v1/campaigns/plain").await.ok();
    assert_eq!((&campaign["messages"]["held"], &campaign["messages"]["pending"]), (&json!(5), &json!(0)));
    let message = app.message(&app.messages("stays").await[0]).await;
    assert_eq!((&message["status"], &message["reason"]), (&json!("held"), &json!("sending is held: prices are wrong")));
    assert_eq!((&message["attempt"], message["html"].is_string()), (&json!(0), true), "as it would be sent");

    let enrollment = async |user: &str| app.enrollments(user).await[0]["id"].as_str().expect("an id").to_string();
    let steps = app.get(&format!("/v1/enrollments/{}", enrollment("stays").await)).await.ok();
    assert!(steps.to_string().contains("\"held\""), "{steps}");
    app.post(&format!("/v1/enrollments/{}/remove", enrollment("removed").await), json!({})).await.ok();
    assert_eq!(waiting(&app).await, 6);
    app.post(&format!("/v1/enrollments/{}/pause", enrollment("paused").await), json!({})).await.ok();
    assert_eq!(waiting(&app).await, 5);
    assert_eq!(app.delete("/v1/users/erased").await.status, 204);
    assert_eq!(waiting(&app).await, 4);
    app.patch("/v1/users/leaves/consent", json!({ "topics": { "news": false } })).await.ok();
    app.settle().await;
    // Whoever unsubscribes leaves the one campaign and enters another.
    assert_eq!(statuses(&app, "leaves").await, ["cancelled", "held"]);
    assert_eq!(waiting(&app).await, 4);
    // As with a pending one, that an address is blocked is found when the message is taken.
    app.post("/v1/suppressions", json!({ "items": [{ "address": "blocked@x.example" }] })).await.ok();
    assert_eq!(waiting(&app).await, 4);

    let released = release(&app).await;
    assert_eq!(released, json!({ "held": false, "released": 4, "dropped": 0 }));
    app.settle().await;
    assert_eq!(app.get("/v1/hold").await.ok()["waiting"], 0);
    for (user, status) in [
        ("removed", vec!["cancelled"]),
        ("paused", vec!["cancelled"]),
        ("leaves", vec!["cancelled", "sent"]),
        ("blocked", vec!["suppressed"]),
        ("stays", vec!["sent", "sent"]),
    ] {
        assert_eq!(statuses(&app, user).await, status, "{user}");
    }
    assert_eq!(app.capture.count(), 3);
    app.advance("9d").await;
}

async fn what_is_to_be_tried_again_waits_too(db: Database) {
    let app = start(&db).await;
    app.capture.script("ada@x.example", Act::Busy("come again".into()));
    add(&app, "ada", "bare").await;
    app.settle().await;
    assert_eq!(statuses(&app, "ada").await, ["pending"]);
    hold(&app, "stop").await;
    app.advance("3h").await;
    let message = app.message(&app.messages("ada").await[0]).await;
    assert_eq!((&message["status"], &message["attempt"]), (&json!("held"), &json!(1)));
    release(&app).await;
    app.settle().await;
    assert_eq!(statuses(&app, "ada").await, ["sent"]);
    app.advance("1d").await;
}

async fn a_hold_survives_a_restart_and_says_who_why_and_since_when(db: Database) {
    let app = start(&db).await;
    let free = app.get("/v1/hold").await.ok();
    assert_eq!(free, json!({ "held": false, "since": null, "by": null, "reason": null, "waiting": 0 }));
    let key = app.get("/v1/me").await.ok()["key"]["id"].clone();
    let held = hold(&app, "prices are wrong").await;
    let by = json!({ "id": key, "name": "test" });
    assert_eq!(held, json!({ "held": true, "since": START, "by": by, "reason": "prices are wrong", "waiting": 0 }));
    add(&app, "ada", "bare").await;
    app.advance("1h").await;

    let app = app.restart().await;
    app.advance("1h").await;
    assert_eq!((app.capture.count(), statuses(&app, "ada").await), (0, vec!["held".to_string()]));
    // Who holds it once more, with a key of their own, only says something else.
    let again = hold(&app, "links are wrong").await;
    assert_eq!((&again["since"], &again["by"]), (&json!(START), &by));
    assert_eq!((&again["reason"], &again["waiting"]), (&json!("links are wrong"), &json!(1)));
    assert_eq!(app.put("/v1/hold", json!({})).await.ok()["reason"], "links are wrong");
    let email = json!({ "to": "ada@x.example", "subject": "Hello", "html": "<p>Hello</p>", "text": "Hello" });
    app.post("/v1/emails/test", email).await.problem(409, "held");
    release(&app).await;
    app.settle().await;
    assert_eq!(statuses(&app, "ada").await, ["sent"]);
    assert_eq!(release(&app).await["held"], false, "nothing is wrong with that");
    app.advance("1d").await;
}

async fn what_waits_can_be_dropped(db: Database) {
    const ALL: usize = 1_200;
    let app = start(&db).await;
    app.delete("/v1/hold?drop=true").await.problem(409, "not_held");
    hold(&app, "wrong list").await;
    add_many(&app, ALL).await;
    app.emit("u1", "order", json!({ "number": 1 })).await;
    app.settle().await;
    assert_eq!(waiting(&app).await as usize, ALL + 1);
    let released = app.delete("/v1/hold?drop=true").await.ok();
    assert_eq!(released, json!({ "held": false, "released": 0, "dropped": ALL + 1 }));
    app.settle().await;
    assert_eq!(app.capture.count(), 0);
    let message = &app.messages("u1").await[0];
    let reason = "dropped when sending was released";
    assert_eq!((&message["status"], &message["reason"]), (&json!("cancelled"), &json!(reason)));
    // Flows go on, and what they decide now is sent.
    app.advance("1d").await;
    assert_eq!(app.capture.count(), ALL);
    app.advance("9d").await;
}

/// A copy of production calls nobody before it is told to.
async fn webhooks_of_flows_are_held_too(db: Database) {
    let web = Web::start(vec![(201, "created")]).await;
    let secrets = std::collections::BTreeMap::from([("HOOK_SECRET".to_string(), "Bearer 7".to_string())]);
    let app = App::with(&db, Config { secrets, ..dev(&db) }).await;
    app.push(plugins::flows("")).await;
    hold(&app, "stop").await;
    app.add("ada", json!({ "email": "ada@flows.example", "does": "call", "hook": web.url("/") })).await;
    app.advance("2d").await;
    assert_eq!(web.calls().len(), 0);
    release(&app).await;
    app.settle().await;
    assert_eq!((web.calls().len(), app.messages("ada").await.len()), (1, 1));
}

async fn workspaces_are_held_one_by_one(db: Database) {
    let app = start(&db).await;
    let other = app.workspace("other").await;
    other.push(plugins::letters("base")).await;
    hold(&app, "stop").await;
    for client in [&*app, &other] {
        client.add("ada", json!({ "email": "ada@x.example", "does": "bare" })).await;
    }
    app.settle().await;
    assert_eq!(
        (statuses(&app, "ada").await, statuses(&other, "ada").await),
        (vec!["held".into()], vec!["sent".into()])
    );
    assert_eq!((waiting(&app).await, &other.get("/v1/hold").await.ok()["held"]), (1, &json!(false)));
    release(&app).await;
    app.advance("1d").await;
}

#[test]
fn a_hold_holds_every_server() {
    run(Kind::MySql, |db| async move {
        let config = || Config { capture: Arc::default(), ..production(&db) };
        let (one, two) = (App::with(&db, config()).await, App::with(&db, config()).await);
        one.push(plugins::letters("base")).await;
        until("they share the users", || async {
            let sql =
                "SELECT COUNT(*) FROM leases GROUP BY incarnation HAVING COUNT(*) = 32 AND incarnation IS NOT NULL";
            (db.rows(sql).await.len() == 2).then_some(())
        })
        .await;
        let sent = || one.capture.count() + two.capture.count();
        hold(&one, "stop").await;
        add_many(&two, 60).await;
        let wait = |count: usize| {
            let (one, two) = (&one, &two);
            async move {
                for app in [one, two] {
                    until("they wait", || async { (app.get("/v1/hold").await.ok()["waiting"] == count).then_some(()) })
                        .await;
                }
            }
        };
        wait(60).await;
        assert_eq!(sent(), 0);
        release(&two).await;
        until("all of them are sent", || async { (sent() == 60).then_some(()) }).await;
        assert!(one.capture.count() > 0 && two.capture.count() > 0);

        // And in the middle of it.
        let add: Vec<Value> = (60..500).map(|n| json!({"type": "identify", "user_id": format!("u{n}"), "attributes": {"email": "a@x.example", "does": "plain"}})).collect();
        one.post("/v1/batch", json!({ "batch": add })).await.ok();
        until("some are sent", || async { (sent() > 60).then_some(()) }).await;
        hold(&two, "stop").await;
        let going = db.count("SELECT COUNT(*) FROM messages WHERE status IN ('sending', 'sent')").await as usize;
        wait(500 - going).await;
        until("what was going has gone", || async { (sent() == going).then_some(()) }).await;
        release(&one).await;
        until("all are sent", || async { (sent() == 500).then_some(()) }).await;
    });
}

async fn only_those_on_the_list_are_written_to(db: Database) {
    let app = start(&db).await;
    assert_eq!(app.get("/v1/allow-list").await.ok(), json!({ "allow": null }));
    let list = json!({ "allow": ["Ada@X.example", "@Team.example"] });
    let set = app.put("/v1/allow-list", list).await.ok();
    assert_eq!(set, json!({ "allow": ["@team.example", "ada@x.example"] }));
    for (name, address) in [("ada", "ADA@x.example"), ("bob", "bob@x.example"), ("eve", "eve@team.example")] {
        app.add(name, json!({ "email": address, "does": "plain" })).await;
        app.emit(name, "order", json!({ "number": 1 })).await;
    }
    app.add("none", json!({ "does": "plain" })).await;
    app.settle().await;
    assert_eq!(statuses(&app, "ada").await, ["sent", "sent"]);
    assert_eq!(statuses(&app, "eve").await, ["sent", "sent"]);
    assert_eq!(statuses(&app, "none").await, ["refused"], "there is nobody who could be allowed");
    for message in app.messages("bob").await {
        let reason = "the address is not on the allow-list";
        assert_eq!((&message["status"], &message["reason"]), (&json!("suppressed"), &json!(reason)));
    }
    assert_eq!(app.capture.count(), 4);
    let email = |to: &str| json!({ "to": to, "subject": "Hello", "html": "<p>Hello</p>", "text": "Hello" });
    app.post("/v1/emails/test", email("bob@x.example")).await.problem(422, "not_allowed");
    app.post("/v1/emails/test", email("bob@team.example")).await.ok();

    let app = app.restart().await;
    assert_eq!(app.get("/v1/allow-list").await.ok(), set);
    assert_eq!(app.delete("/v1/allow-list").await.status, 204);
    app.advance("1d").await;
    assert!(statuses(&app, "bob").await.contains(&"sent".to_string()));
    app.advance("9d").await;
}

/// The way to a staging server with the data of real people.
async fn a_list_is_looked_at_when_a_message_is_taken(db: Database) {
    let app = start(&db).await;
    let hold = hold(&app, "not yet").await;
    assert_eq!(hold["held"], true);
    for name in ["ada", "bob"] {
        add(&app, name, "bare").await;
    }
    app.settle().await;
    app.put("/v1/allow-list", json!({ "allow": ["bob@x.example"] })).await.ok();
    assert_eq!(waiting(&app).await, 2);
    release(&app).await;
    app.settle().await;
    assert_eq!(
        (statuses(&app, "ada").await, statuses(&app, "bob").await),
        (vec!["suppressed".into()], vec!["sent".into()])
    );
    app.advance("1d").await;
}

async fn a_restored_database_sends_nothing_twice_without_being_told_to(db: Database) {
    let app = start(&db).await;
    let capture = app.capture.clone();
    // What the machine remembers, which is restored with nothing.
    let folder = tempfile::tempdir().expect("a folder");
    let seen = Some(folder.path().join("seen"));
    let config = |db: &Database| Config { capture: capture.clone(), seen: seen.clone(), ..dev(db) };
    add(&app, "ada", "plain").await;
    capture.script("bob@x.example", Act::Busy("come again".into()));
    add(&app, "bob", "plain").await;
    app.settle().await;
    app.stop().await;
    let copy = db.copy().await;

    // It goes on after the copy was made: two more days for both, and what was to be tried again.
    let app = App::with(&db, config(&db)).await;
    app.advance("2d").await;
    assert_eq!(capture.count(), 6);
    app.stop().await;

    let restored = App::with(&copy, config(&copy)).await;
    restored.advance("2d").await;
    assert_eq!(capture.count(), 6, "all of that is decided once more, and nothing of it is sent");
    let held = restored.get("/v1/hold").await.ok();
    assert_eq!((&held["held"], &held["since"], &held["by"]), (&json!(true), &json!(START), &Value::Null));
    assert!(held["reason"].as_str().unwrap().ends_with("it was restored from a back-up"), "{held}");
    assert_eq!(waiting(&restored).await, 5);
    let restored = restored.restart().await;
    restored.advance("0s").await;
    assert_eq!(restored.delete("/v1/hold?drop=true").await.ok()["dropped"], 5);
    // Two days are left of five.
    restored.advance("9d").await;
    let subjects = async |user: &str| {
        let mut sent = vec![];
        for message in restored.messages(user).await {
            let message = restored.message(&message).await;
            sent.push((message["subject"].to_string(), message["status"] == "sent"));
        }
        sent.iter().filter(|(_, sent)| *sent).map(|(subject, _)| subject.clone()).collect::<Vec<_>>()
    };
    assert_eq!(subjects("ada").await, ["\"day 1\"", "\"day 4\"", "\"day 5\""]);
    assert_eq!(subjects("bob").await, ["\"day 4\"", "\"day 5\""]);
    assert_eq!(capture.count(), 10, "each of them has had five letters");
}

async fn mistakes_are_named(db: Database) {
    let app = start(&db).await;
    app.put("/v1/hold", json!({ "raeson": "x" })).await.problem(422, "unknown_field");
    app.put("/v1/hold", json!({ "reason": "x".repeat(501) })).await.problem(422, "invalid_reason");
    app.delete("/v1/hold?dorp=true").await.problem(400, "bad_parameter");
    assert_eq!(app.get("/v1/hold").await.ok()["held"], false);
    app.put("/v1/allow-list", json!({})).await.problem(422, "missing_field");
    app.put("/v1/allow-list", json!({ "allow": [] })).await.problem(422, "empty_allow_list");
    let problem = app.put("/v1/allow-list", json!({ "allow": ["team.example"] })).await.problem(422, "invalid_address");
    assert!(problem["detail"].as_str().expect("text").contains("@shop.example"), "{problem}");
    assert_eq!(app.get("/v1/allow-list").await.ok()["allow"], Value::Null);
    // Without a reason, and without a body.
    assert_eq!(app.send(app.request(reqwest::Method::PUT, "/v1/hold")).await.ok()["reason"], Value::Null);
    add(&app, "ada", "bare").await;
    app.settle().await;
    assert_eq!(app.messages("ada").await[0]["reason"], "sending is held");
    release(&app).await;
    app.advance("1d").await;
}
