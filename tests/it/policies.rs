//! When messages of campaigns are sent, and how many: windows, quiet hours, caps, limits by the day, and being too old.

use std::sync::Arc;

use segflow_server::Config;
use segflow_server::delivery::capture::Act;

use crate::harness::app::{dev, of_template, production};
use crate::harness::made::{self, Made};
use crate::harness::*;

both![
    a_message_waits_for_its_window_in_the_users_zone,
    a_window_opens_by_the_clock_on_the_wall,
    quiet_hours_are_those_of_all_campaigns_and_of_no_transaction,
    a_cap_makes_messages_wait,
    a_cap_can_drop_messages_and_counts_what_was_sent_before_it_came,
    what_nobody_took_does_not_count_for_a_cap,
    a_day_has_so_many_messages_and_the_others_wait_for_the_next,
    a_message_that_is_too_old_is_not_sent,
    a_transaction_that_is_too_old_is_not_sent,
    a_release_forgets_no_policy,
    policies_that_can_never_be_kept_are_refused,
];

/// Campaigns `one` to `four`, each of which sends one email to whoever is put into it, with these policies of the project and of each of
/// them.
fn project(of_project: Value, of_campaigns: Value) -> Vec<u8> {
    let mut manifest = made::manifest();
    manifest["user"] = json!([
        { "name": "email", "type": "string", "required": true },
        { "name": "time_zone", "type": "string", "required": false },
    ]);
    manifest["time_zone"] = "time_zone".into();
    manifest["segments"] = json!([{ "id": "nobody", "rule": { "expr": { "not": "everyone" } } }]);
    let merge = |into: &mut Value, from: &Value| {
        for (name, value) in from.as_object().expect("an object") {
            into[name] = value.clone();
        }
    };
    let campaign = |id: &str| {
        let mut campaign = made::campaign(id, "nobody");
        merge(&mut campaign, &of_campaigns);
        campaign
    };
    manifest["campaigns"] = ["one", "two", "three", "four"].map(campaign).into_iter().collect();
    merge(&mut manifest, &of_project);
    Made::new(manifest).sending("hi").wasm()
}

async fn start(db: &Database, at: &str, of_project: Value, of_campaigns: Value) -> App {
    let app = App::with(db, Config { start_at: Some(ms(at)), ..dev(db) }).await;
    app.push(project(of_project, of_campaigns)).await;
    app
}

async fn add(app: &App, name: &str, zone: Option<&str>) {
    app.add(name, json!({ "email": format!("{name}@x.example"), "time_zone": zone })).await;
}

/// Puts users into a campaign, and lets happen what happens at once.
async fn enroll(app: &App, campaign: &str, users: &[&str]) {
    app.post(&format!("/v1/campaigns/{campaign}/enrollments"), json!({ "users": users })).await.ok();
    app.settle().await;
}

/// Status and reason of the message that a user has of a campaign, and when it was sent or is due.
async fn told(app: &App, user: &str, campaign: &str) -> (String, String, String) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let at = |m: &Value| if m["sent_at"].is_null() { text(&m["due_at"]) } else { text(&m["sent_at"]) };
    let all = app.messages(user).await;
    let message = all.iter().find(|m| m["campaign"] == campaign).expect("a message");
    (text(&message["status"]), text(&message["reason"]), at(message))
}

async fn status(app: &App, user: &str, campaign: &str) -> String {
    told(app, user, campaign).await.0
}

fn is(status: &str, reason: &str, at: &str) -> (String, String, String) {
    (status.into(), reason.into(), at.into())
}

fn sent(at: &str) -> (String, String, String) {
    is("sent", "", at)
}

const WINDOW: &str = "waits for its sending window";

async fn a_message_waits_for_its_window_in_the_users_zone(db: Database) {
    // A Thursday.
    let office = json!({ "days": 0b001_1111, "from": 540, "to": 1020, "or_zone": "America/New_York" });
    let app = start(&db, START, json!({}), json!({ "windows": [office] })).await;
    add(&app, "berlin", Some("Europe/Berlin")).await;
    add(&app, "auckland", Some("Pacific/Auckland")).await;
    add(&app, "nowhere", None).await;
    add(&app, "wrong", Some("Mars/Olympus")).await;
    enroll(&app, "one", &["berlin", "auckland", "nowhere", "wrong"]).await;
    assert_eq!(told(&app, "berlin", "one").await, sent(START));
    // There it is ten in the evening.
    assert_eq!(told(&app, "auckland", "one").await, is("pending", WINDOW, "2026-01-01T20:00:00Z"));
    for user in ["nowhere", "wrong"] {
        assert_eq!(told(&app, user, "one").await, is("pending", WINDOW, "2026-01-01T14:00:00Z"), "{user}");
    }
    let message = app.message(&app.messages("auckland").await[0]).await;
    assert_eq!((&message["attempt"], message["attempts"].as_array().map(Vec::len)), (&json!(0), Some(0)));
    app.advance("1d").await;
    assert_eq!(told(&app, "auckland", "one").await, sent("2026-01-01T20:00:00Z"));
    assert_eq!(told(&app, "nowhere", "one").await, sent("2026-01-01T14:00:00Z"));

    // Friday, after hours; whoever moves meanwhile is looked for where they are.
    app.advance("10h").await;
    enroll(&app, "two", &["berlin", "nowhere"]).await;
    assert_eq!(told(&app, "berlin", "two").await, is("pending", WINDOW, "2026-01-05T08:00:00Z"));
    add(&app, "berlin", Some("Asia/Tokyo")).await;
    app.advance("4d").await;
    assert_eq!(told(&app, "berlin", "two").await, sent("2026-01-06T00:00:00Z"));
    assert_eq!(told(&app, "nowhere", "two").await, sent("2026-01-02T19:00:00Z"));
}

async fn a_window_opens_by_the_clock_on_the_wall(db: Database) {
    let nine = json!({ "from": 540, "to": 1020 });
    let app = start(&db, "2026-03-28T18:00:00Z", json!({}), json!({ "windows": [nine] })).await;
    add(&app, "ada", Some("Europe/Berlin")).await;
    enroll(&app, "one", &["ada"]).await;
    app.advance("1d").await;
    assert_eq!(told(&app, "ada", "one").await, sent("2026-03-29T07:00:00Z"), "summer time has begun");
    // To the evening before.
    app.advance("209d").await;
    enroll(&app, "two", &["ada"]).await;
    app.advance("1d").await;
    assert_eq!(told(&app, "ada", "two").await, sent("2026-10-25T08:00:00Z"), "and has ended");
}

async fn quiet_hours_are_those_of_all_campaigns_and_of_no_transaction(db: Database) {
    let app = App::with(&db, Config { start_at: Some(ms("2026-01-01T22:30:00Z")), ..dev(&db) }).await;
    app.push(plugins::letters("polite")).await;
    let zone = |zone: &str| json!({ "email": "ada@x.example", "does": "plain", "time_zone": zone });
    app.add("london", zone("Europe/London")).await;
    app.add("york", zone("America/New_York")).await;
    app.emit("london", "order", json!({ "number": 1 })).await;
    app.settle().await;
    assert_eq!(of_template(&app.messages("london").await, "receipt")[0]["status"], "sent");
    let letter = |messages: &[Value]| of_template(messages, "letter")[0].clone();
    let waits = letter(&app.messages("london").await);
    assert_eq!((&waits["status"], &waits["due_at"]), (&json!("pending"), &json!("2026-01-02T08:00:00Z")));
    assert_eq!(letter(&app.messages("york").await)["status"], "sent");
    app.advance("12h").await;
    assert_eq!(letter(&app.messages("london").await)["sent_at"], "2026-01-02T08:00:00Z");
    app.advance("9d").await;
}

fn cap(messages: u32, per: i64, beyond: &str) -> Value {
    json!({ "messages": messages, "per": per, "beyond": beyond })
}

async fn a_cap_makes_messages_wait(db: Database) {
    let app = start(&db, START, json!({ "caps": [cap(2, 7 * DAY, "wait")] }), json!({})).await;
    for name in ["ada", "bob"] {
        add(&app, name, None).await;
    }
    // All at one instant.
    for campaign in ["one", "two", "three", "four"] {
        app.post(&format!("/v1/campaigns/{campaign}/enrollments"), json!({ "users": ["ada"] })).await.ok();
    }
    enroll(&app, "one", &["bob"]).await;
    let all = async |app: &App| {
        let mut all = vec![];
        for campaign in ["one", "two", "three", "four"] {
            all.push(told(app, "ada", campaign).await);
        }
        all.sort();
        all
    };
    let why = "waits: 2 messages in 7 days are the most for one user";
    let waits = || is("pending", why, "2026-01-08T09:00:00Z");
    assert_eq!(all(&app).await, [waits(), waits(), sent(START), sent(START)]);
    assert_eq!(told(&app, "bob", "one").await, sent(START), "it is each user's own");
    app.advance("2d").await;
    enroll(&app, "two", &["bob"]).await;
    enroll(&app, "three", &["bob"]).await;
    // The first of the two is over a week after it was sent, not after the second.
    assert_eq!(told(&app, "bob", "three").await, waits());
    app.advance("6d").await;
    assert_eq!(told(&app, "bob", "three").await, sent("2026-01-08T09:00:00Z"));
    assert!(all(&app).await.iter().all(|(status, ..)| status == "sent"));
    assert_eq!(app.capture.count(), 7);
}

async fn a_cap_can_drop_messages_and_counts_what_was_sent_before_it_came(db: Database) {
    let app = start(&db, START, json!({}), json!({})).await;
    add(&app, "ada", None).await;
    enroll(&app, "one", &["ada"]).await;
    enroll(&app, "two", &["ada"]).await;
    app.advance("3d").await;
    app.push(project(json!({ "caps": [cap(2, 7 * DAY, "drop")] }), json!({}))).await;
    enroll(&app, "three", &["ada"]).await;
    let why = "2 messages in 7 days are the most for one user";
    assert_eq!(told(&app, "ada", "three").await, is("cancelled", why, ""));
    // What was noted since, and what the ledger has, are the same.
    app.advance("4d").await;
    enroll(&app, "four", &["ada"]).await;
    assert_eq!(status(&app, "ada", "four").await, "sent");
    app.advance("8d").await;
    add(&app, "bob", None).await;
    for (campaign, becomes) in [("one", "sent"), ("two", "sent"), ("three", "cancelled")] {
        enroll(&app, campaign, &["bob"]).await;
        assert_eq!(status(&app, "bob", campaign).await, becomes, "{campaign}");
    }
    // Without caps nothing is noted; when they come again, nothing is forgotten.
    app.push(project(json!({}), json!({}))).await;
    add(&app, "eve", None).await;
    for campaign in ["one", "two"] {
        enroll(&app, campaign, &["eve"]).await;
    }
    app.push(project(json!({ "caps": [cap(2, DAY, "drop")] }), json!({}))).await;
    enroll(&app, "three", &["eve"]).await;
    assert_eq!(status(&app, "eve", "three").await, "cancelled");
    assert_eq!(db.count("SELECT COUNT(*) FROM sendings WHERE user_id = 'eve'").await, 0);
    assert_eq!(app.delete("/v1/users/bob").await.status, 204);
    assert_eq!(db.count("SELECT COUNT(*) FROM sendings WHERE user_id = 'bob'").await, 0);
}

async fn what_nobody_took_does_not_count_for_a_cap(db: Database) {
    let app = start(&db, START, json!({ "caps": [cap(1, 7 * DAY, "drop")] }), json!({})).await;
    add(&app, "ada", None).await;
    app.capture.script("ada@x.example", Act::Refuse("550 no".into()));
    app.capture.script("ada@x.example", Act::Busy("450 later".into()));
    enroll(&app, "one", &["ada"]).await;
    assert_eq!(status(&app, "ada", "one").await, "refused");
    enroll(&app, "two", &["ada"]).await;
    assert_eq!(status(&app, "ada", "two").await, "pending");
    // It is this one that is tried again, and it does not stand in its own way.
    app.advance("1h").await;
    assert_eq!(status(&app, "ada", "two").await, "sent");
    enroll(&app, "three", &["ada"]).await;
    assert_eq!(status(&app, "ada", "three").await, "cancelled");
}

async fn a_day_has_so_many_messages_and_the_others_wait_for_the_next(db: Database) {
    let daily = json!({ "messages": 3, "zone": "Europe/Berlin" });
    let app = start(&db, START, json!({}), json!({ "per_day": daily })).await;
    let users: Vec<String> = (0..7).map(|n| format!("u{n}")).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    for user in &users {
        add(&app, user, None).await;
    }
    app.capture.script("u0@x.example", Act::Busy("450 later".into()));
    enroll(&app, "one", &users).await;
    enroll(&app, "two", &["u0"]).await;
    app.advance("1h").await;
    let sent_by = async || {
        let all = app.items("/v1/messages?campaign=one").await;
        let mut days: Vec<String> =
            all.iter().filter_map(|m| Some(m["sent_at"].as_str()?.split('T').next()?.to_string())).collect();
        days.sort();
        (days, all)
    };
    let (days, all) = sent_by().await;
    assert_eq!(days.len(), 3, "what is tried again is counted once");
    let waiting: Vec<&Value> = all.iter().filter(|m| m["status"] == "pending").collect();
    assert_eq!(waiting.len(), 4);
    for message in waiting {
        assert_eq!(message["reason"], "waits for tomorrow: 3 messages a day are the most");
        assert_eq!(message["due_at"], "2026-01-01T23:00:00Z", "midnight in Berlin");
    }
    assert_eq!(of_campaign(&app, "two").await, ["sent"], "each campaign has its own");
    app.advance("1d").await;
    assert_eq!(sent_by().await.0.len(), 6);
    app.advance("1d").await;
    assert_eq!(sent_by().await.0.len(), 7);
    let used = "SELECT used FROM campaign_days WHERE campaign = 'one' ORDER BY ends_at";
    let used: Vec<i64> = db.rows(used).await.iter().map(|row| row.int(0).expect("a number")).collect();
    assert_eq!(used, [3, 3, 1]);
}

async fn of_campaign(app: &App, campaign: &str) -> Vec<String> {
    let all = app.items(&format!("/v1/messages?campaign={campaign}")).await;
    all.iter().map(|m| m["status"].as_str().expect("a status").to_string()).collect()
}

#[test]
fn a_limit_by_the_day_is_one_of_all_servers() {
    run(Kind::MySql, |db| async move {
        let config = || Config { capture: Arc::default(), ..production(&db) };
        let (one, two) = (App::with(&db, config()).await, App::with(&db, config()).await);
        // Midnight is far away in one of the two.
        let hour = db.count("SELECT HOUR(UTC_TIMESTAMP())").await;
        let zone = if hour < 22 { "UTC" } else { "Etc/GMT-12" };
        let daily = json!({ "messages": 50, "zone": zone });
        one.push(project(json!({}), json!({ "per_day": daily }))).await;
        until("they share the users", || async {
            let sql =
                "SELECT COUNT(*) FROM leases GROUP BY incarnation HAVING COUNT(*) = 32 AND incarnation IS NOT NULL";
            (db.rows(sql).await.len() == 2).then_some(())
        })
        .await;
        let users: Vec<String> = (0..200).map(|n| format!("u{n}")).collect();
        let one_of = |user: &String| json!({ "type": "identify", "user_id": user, "attributes": { "email": format!("{user}@x.example") } });
        let batch: Vec<Value> = users.iter().map(one_of).collect();
        two.post("/v1/batch", json!({ "batch": batch })).await.ok();
        one.post("/v1/campaigns/one/enrollments", json!({ "users": users })).await.ok();
        until("the others wait for tomorrow", || async {
            let sql = "SELECT COUNT(*) FROM messages WHERE status = 'pending' AND reason LIKE 'waits for tomorrow%'";
            (db.count(sql).await == 150).then_some(())
        })
        .await;
        until("the day's are sent", || async {
            (of_campaign(&one, "one").await.iter().filter(|s| *s == "sent").count() == 50).then_some(())
        })
        .await;
        assert_eq!(one.capture.count() + two.capture.count(), 50);
    });
}

async fn a_message_that_is_too_old_is_not_sent(db: Database) {
    let nine = json!({ "from": 540, "to": 1020 });
    let app = start(&db, START, json!({}), json!({ "windows": [nine], "max_age": 6 * DAY / 24 })).await;
    add(&app, "bob", None).await;
    enroll(&app, "one", &["bob"]).await;
    assert_eq!(told(&app, "bob", "one").await, sent(START));
    app.advance("12h").await;
    let why = "too late to be sent: it is older than 6 hours";
    // At nine in the evening it waits for the morning, which it does not see.
    enroll(&app, "two", &["bob"]).await;
    assert_eq!(told(&app, "bob", "two").await, is("pending", WINDOW, "2026-01-02T03:00:00Z"));
    app.advance("6h").await;
    assert_eq!(told(&app, "bob", "two").await, is("cancelled", why, ""));
    assert_eq!(app.enrollments("bob").await[1]["status"], "done", "its flow has gone on");
}

async fn a_transaction_that_is_too_old_is_not_sent(db: Database) {
    let transaction = |id: &str, max_age: Option<i64>| json!({ "id": id, "event": id, "template": id, "argument": "event", "guarantee": "at_least_once", "max_age": max_age });
    let template = |id: &str| json!({ "id": id, "arguments": [{ "name": "event", "type": "&Event" }], "content": "1" });
    let of_project = json!({
        "events": [{ "name": "reset", "fields": [] }, { "name": "receipt", "fields": [] }],
        "templates": [made::template("hi"), template("reset"), template("receipt")],
        "transactions": [transaction("reset", Some(DAY / 24)), transaction("receipt", None)],
    });
    let app = start(&db, START, of_project, json!({})).await;
    add(&app, "ada", None).await;
    app.put("/v1/hold", json!({})).await.ok();
    app.emit("ada", "reset", json!({})).await;
    app.emit("ada", "receipt", json!({})).await;
    app.advance("59m").await;
    app.emit("ada", "reset", json!({})).await;
    app.advance("1m").await;
    app.delete("/v1/hold").await.ok();
    app.settle().await;
    let mut found = vec![];
    for message in app.messages("ada").await {
        found.push((message["template"].clone(), message["status"].clone(), message["reason"].clone()));
    }
    let why = json!("too late to be sent: it is older than 1 hour");
    found.sort_by_key(|(template, status, _)| format!("{template}{status}"));
    assert_eq!(
        found,
        [
            (json!("receipt"), json!("sent"), Value::Null),
            (json!("reset"), json!("cancelled"), why),
            (json!("reset"), json!("sent"), Value::Null),
        ]
    );
}

async fn a_release_forgets_no_policy(db: Database) {
    let daily = json!({ "messages": 2 });
    let caps = json!({ "caps": [cap(1, DAY, "drop")] });
    let app = start(&db, START, caps, json!({ "per_day": daily, "max_age": 3 * DAY })).await;
    for name in ["ada", "bob", "eve", "old"] {
        add(&app, name, None).await;
    }
    app.put("/v1/hold", json!({})).await.ok();
    enroll(&app, "one", &["old"]).await;
    app.advance("3d").await;
    enroll(&app, "one", &["ada", "bob", "eve"]).await;
    enroll(&app, "two", &["ada"]).await;
    assert_eq!(app.items("/v1/messages?status=held").await.len(), 5);
    app.delete("/v1/hold").await.ok();
    app.settle().await;
    assert_eq!(status(&app, "old", "one").await, "cancelled");
    let mut one = of_campaign(&app, "one").await;
    one.sort();
    assert!(one.iter().filter(|status| *status == "sent").count() <= 2, "{one:?}");
    let ada = [status(&app, "ada", "one").await, status(&app, "ada", "two").await];
    assert_eq!(ada.iter().filter(|status| *status == "sent").count(), 1, "{ada:?}");
    app.advance("2d").await;
    for name in ["bob", "eve"] {
        assert_eq!(status(&app, name, "one").await, "sent", "{name}");
    }
}

async fn policies_that_can_never_be_kept_are_refused(db: Database) {
    let app = start(&db, START, json!({}), json!({})).await;
    let window = |from: u32, to: u32| json!({ "windows": [{ "from": from, "to": to }] });
    for (of_project, of_campaigns, code, says) in [
        (json!({}), window(540, 540), "bad_window", "ends when it begins"),
        (window(540, 540), json!({}), "bad_window", "ends when it begins"),
        (window(480, 1320), window(1320, 480), "bad_window", "nothing would ever be sent"),
        (json!({}), json!({ "windows": [{ "from": 540, "to": 1020, "zone": "Mars" }] }), "bad_window", "`Mars`"),
        (json!({ "caps": [cap(0, DAY, "wait")] }), json!({}), "bad_cap", "0 messages"),
        (json!({ "caps": [cap(1, 0, "drop")] }), json!({}), "bad_cap", "span of time"),
        (json!({}), json!({ "per_day": { "messages": 0 } }), "bad_limit", "nothing through"),
        (json!({}), json!({ "per_day": { "messages": 9, "zone": "Mars" } }), "bad_limit", "`Mars`"),
        (json!({}), json!({ "max_age": 0 }), "bad_limit", "nothing through"),
    ] {
        let problem = app.deploy("", project(of_project, of_campaigns)).await.problem(422, "invalid_project");
        let problems = problem["problems"].as_array().expect("a list");
        let found = |p: &Value| p["code"] == code && p["message"].as_str().is_some_and(|text| text.contains(says));
        assert!(problems.iter().any(found), "{code}: {problem}");
    }
    // And what the SDK sees itself.
    let problem = app.deploy("", plugins::letters("rude")).await.problem(422, "invalid_project");
    let text = problem.to_string();
    for says in ["is a span of the day", "every day", "no day of the week"] {
        assert!(text.contains(says), "{says}: {text}");
    }
}
