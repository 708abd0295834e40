//! What counts for campaigns and their messages.

use crate::harness::made::{self, Made};
use crate::harness::web::Web;
use crate::harness::*;

both![
    an_event_counts_for_the_last_message_before_it,
    late_events_count_where_they_belong,
    a_campaign_has_its_own_count_and_an_event_counts_once_for_it,
    goals_count_for_the_run_that_reached_them,
    a_message_that_was_not_taken_or_bounced_counts_for_nothing,
    many_events_at_once_are_counted_exactly,
    what_counts_is_told,
    counts_stay_when_a_person_is_erased,
    conversions_that_can_never_be_are_refused,
];

/// Campaigns `one` and `two`, each of which sends one email to whoever is put into it, with these conversions.
fn project(one: Value, two: Value) -> Vec<u8> {
    let mut manifest = made::manifest();
    let value = json!({ "name": "value", "type": "number", "required": false });
    manifest["events"] = json!([{ "name": "purchase", "fields": [value] }, { "name": "visit", "fields": [] }]);
    manifest["segments"] = json!([{ "id": "nobody", "rule": { "expr": { "not": "everyone" } } }]);
    let campaign = |id: &str, conversions: Value| {
        let mut campaign = made::campaign(id, "nobody");
        campaign["conversions"] = conversions;
        campaign
    };
    manifest["campaigns"] = json!([campaign("one", one), campaign("two", two)]);
    Made::new(manifest).sending("hi").wasm()
}

fn purchases(days: i64) -> Value {
    json!({ "on": { "event": { "name": "purchase" } }, "within": days * DAY, "value": ["value"] })
}

async fn start(db: &Database, one: Value, two: Value) -> App {
    let app = App::start(db).await;
    app.push(project(one, two)).await;
    app.add("ada", json!({ "email": "ada@x.example" })).await;
    app.settle().await;
    app
}

async fn enroll(app: &App, campaign: &str, users: &[&str]) {
    app.post(&format!("/v1/campaigns/{campaign}/enrollments"), json!({ "users": users })).await.ok();
    app.settle().await;
}

async fn buys(app: &App, id: &str, at: Option<&str>, value: Value) {
    let mut event = json!({ "name": "purchase", "id": id, "attributes": { "value": value } });
    if let Some(at) = at {
        event["occurred_at"] = at.into();
    }
    app.post("/v1/users/ada/events", event).await.ok();
    app.settle().await;
}

/// What counted for each of Ada's messages, in the order in which they were decided: ids of events and what they are worth.
async fn counted(app: &App) -> Vec<Vec<(String, Value)>> {
    let mut all = vec![];
    for message in app.messages("ada").await {
        let whole = app.message(&message).await;
        let by = whole["converted_by"].as_array().expect("a list");
        assert_eq!(message["conversions"], by.len());
        all.push(by.iter().map(|c| (c["event_id"].as_str().unwrap_or_default().into(), c["value"].clone())).collect());
    }
    all
}

fn is(id: &str, value: impl Into<Value>) -> (String, Value) {
    (id.into(), value.into())
}

async fn results(app: &App, campaign: &str) -> Value {
    app.get(&format!("/v1/campaigns/{campaign}")).await.ok()["results"].clone()
}

fn came(sent: i64, converted: i64, conversions: i64, value: f64) -> Value {
    json!({ "sent": sent, "opened": 0, "clicked": 0, "converted": converted, "conversions": conversions, "value": value })
}

async fn an_event_counts_for_the_last_message_before_it(db: Database) {
    let app = start(&db, json!([purchases(3)]), json!([])).await;
    buys(&app, "before", None, json!(100)).await;
    app.advance("1h").await;
    enroll(&app, "one", &["ada"]).await;
    buys(&app, "first", None, json!(10.5)).await;
    app.advance("1d").await;
    enroll(&app, "one", &["ada"]).await;
    app.advance("1h").await;
    buys(&app, "second", None, json!(0.1)).await;
    buys(&app, "third", None, json!(0.2)).await;
    // Reported once more.
    buys(&app, "third", None, json!(0.2)).await;
    app.emit("ada", "visit", json!({ "value": 7 })).await;
    app.advance("71h").await;
    buys(&app, "late", None, json!(1)).await;
    let expected = [vec![is("first", 10.5)], vec![is("second", 0.1), is("third", 0.2)]];
    assert_eq!(counted(&app).await, expected, "three days after a message it is over");
    assert_eq!(results(&app, "one").await, came(2, 2, 3, 10.8));
    assert_eq!(results(&app, "two").await, came(0, 0, 0, 0.0));
    let listed = app.items("/v1/campaigns").await;
    assert_eq!(listed[0]["results"], came(2, 2, 3, 10.8));
    let declared =
        json!({ "event": "purchase", "filter": null, "goal": null, "within_seconds": 259_200, "value": "value" });
    assert_eq!((&listed[0]["converts_on"], &listed[1]["converts_on"]), (&json!([declared]), &json!([])));
    // Over a restart nothing is counted again.
    let app = app.restart().await;
    app.settle().await;
    assert_eq!(results(&app, "one").await, came(2, 2, 3, 10.8));
}

async fn late_events_count_where_they_belong(db: Database) {
    let app = start(&db, json!([purchases(7)]), json!([])).await;
    enroll(&app, "one", &["ada"]).await;
    app.advance("2d").await;
    enroll(&app, "one", &["ada"]).await;
    app.advance("1d").await;
    buys(&app, "of the first", Some("2026-01-02T09:00:00Z"), json!(1)).await;
    buys(&app, "of none", Some("2026-01-01T08:59:59Z"), json!(2)).await;
    // What an import of the past tells of is a fact as well.
    let past = json!({ "type": "track", "user_id": "ada", "name": "purchase", "id": "imported", "historical": true,
        "attributes": { "value": 4 }, "occurred_at": "2026-01-03T12:00:00Z" });
    app.post("/v1/batch", json!({ "batch": [past] })).await.ok();
    app.settle().await;
    assert_eq!(counted(&app).await, [vec![is("of the first", 1.0)], vec![is("imported", 4.0)]]);
    let first = app.message(&app.messages("ada").await[0]).await;
    assert_eq!(first["converted_by"][0]["at"], "2026-01-02T09:00:00Z");
    assert_eq!((&first["conversions"], &first["value"]), (&json!(1), &json!(1.0)));
}

async fn a_campaign_has_its_own_count_and_an_event_counts_once_for_it(db: Database) {
    let big = json!({ "at": { "path": ["value"], "is": { "ge": 10 } } });
    let big = json!({ "on": { "event": { "name": "purchase", "filter": big } }, "within": DAY, "value": ["value"] });
    let visits = json!({ "on": { "event": { "name": "visit" } }, "within": DAY });
    let app = start(&db, json!([big.clone(), purchases(7), big]), json!([visits])).await;
    enroll(&app, "one", &["ada"]).await;
    enroll(&app, "two", &["ada"]).await;
    buys(&app, "big", None, json!(20)).await;
    buys(&app, "unknown", None, json!("20")).await;
    app.emit("ada", "visit", json!({})).await;
    app.settle().await;
    app.advance("2d").await;
    buys(&app, "later", None, json!(-5)).await;
    assert_eq!(results(&app, "one").await, came(1, 1, 3, 15.0));
    assert_eq!(results(&app, "two").await, came(1, 1, 1, 0.0));
    let of_one = app.messages("ada").await.into_iter().find(|m| m["campaign"] == "one").expect("a message");
    let of_one = app.message(&of_one).await;
    let values: Vec<&Value> = of_one["converted_by"].as_array().expect("a list").iter().map(|c| &c["value"]).collect();
    assert!(values.contains(&&Value::Null) && values.len() == 3, "no number is worth nothing: {of_one}");
}

async fn goals_count_for_the_run_that_reached_them(db: Database) {
    let app = App::start(&db).await;
    app.push(plugins::flows("")).await;
    for user in ["ada", "bob"] {
        app.add(user, json!({ "email": format!("{user}@x.example"), "does": "win" })).await;
    }
    app.settle().await;
    app.advance("20d").await;
    let campaign = app.get("/v1/campaigns/win").await.ok();
    assert_eq!(campaign["goals"], json!({ "at once": 2, "won": 2, "late": 2 }));
    assert_eq!(campaign["results"], came(2, 2, 2, 0.0), "not one before the message was accepted, nor after a week");
    let message = app.message(&app.messages("ada").await[0]).await;
    let goal = json!({ "at": "2026-01-02T09:00:00Z", "event": null, "goal": "won", "event_id": null, "value": null });
    assert_eq!(message["converted_by"], json!([goal]));
}

async fn a_message_that_was_not_taken_or_bounced_counts_for_nothing(db: Database) {
    use segflow_server::delivery::capture::Act;

    let app = start(&db, json!([purchases(7)]), json!([])).await;
    enroll(&app, "one", &["ada"]).await;
    app.advance("1h").await;
    app.capture.script("ada@x.example", Act::Refuse("550 no".into()));
    enroll(&app, "one", &["ada"]).await;
    buys(&app, "a", None, json!(1)).await;
    assert_eq!(counted(&app).await, [vec![is("a", 1.0)], vec![]]);
    // As a provider would have told it.
    let handle = db.open().await;
    let bounce = "UPDATE messages SET status = 'bounced' WHERE sent_at IS NOT NULL";
    handle.write(move |tx| Box::pin(async move { tx.run(bounce, vec![]).await })).await.expect("changed");
    handle.close().await;
    buys(&app, "b", None, json!(1)).await;
    assert_eq!(results(&app, "one").await["conversions"], 1);
}

async fn many_events_at_once_are_counted_exactly(db: Database) {
    let app = start(&db, json!([purchases(7)]), json!([purchases(7)])).await;
    let names: Vec<String> = (0..300).map(|n| format!("u{n}")).collect();
    let identify =
        |user: &String| json!({ "type": "identify", "user_id": user, "attributes": { "email": "u@x.example" } });
    app.post("/v1/batch", json!({ "batch": names.iter().map(identify).collect::<Vec<_>>() })).await.ok();
    app.settle().await;
    let users: Vec<&str> = names.iter().map(String::as_str).collect();
    enroll(&app, "one", &users).await;
    enroll(&app, "two", &users[..100]).await;
    app.advance("1h").await;
    let bought = |n: usize| {
        let (user, id) = (&names[n % 300], format!("e{}", n / 300));
        json!({ "type": "track", "user_id": user, "name": "purchase", "id": id, "attributes": { "value": 0.1 } })
    };
    let batch: Vec<Value> = (0..900).map(bought).collect();
    app.post("/v1/batch", json!({ "batch": batch })).await.ok();
    // In the middle of it another server goes on, and all of it is reported once more.
    let app = app.restart().await;
    app.post("/v1/batch", json!({ "batch": batch })).await.ok();
    app.settle().await;
    assert_eq!(results(&app, "one").await, came(300, 300, 900, 90.0), "tenths add up");
    assert_eq!(results(&app, "two").await, came(100, 100, 300, 30.0));
}

async fn what_counts_is_told(db: Database) {
    let web = Web::start(vec![(200, "thanks")]).await;
    let app = start(&db, json!([purchases(7)]), json!([])).await;
    let endpoint = json!({ "url": web.url("/hook"), "events": ["message.converted"] });
    app.post("/v1/webhooks", endpoint).await.ok();
    enroll(&app, "one", &["ada"]).await;
    app.advance("1h").await;
    buys(&app, "a", Some("2026-01-01T09:30:00Z"), json!(12.5)).await;
    let calls = web.calls();
    assert_eq!(calls.len(), 1);
    let told: Value = serde_json::from_str(&calls[0].body).expect("JSON");
    assert_eq!((&told["type"], &told["timestamp"]), (&json!("message.converted"), &json!("2026-01-01T09:30:00Z")));
    let message = &app.messages("ada").await[0];
    let data = json!({
        "user_id": "ada", "message": message["id"], "template": "hi", "campaign": "one", "enrollment": message["enrollment"],
        "event": "purchase", "event_id": "a", "value": 12.5,
    });
    assert_eq!(told["data"], data);
}

async fn counts_stay_when_a_person_is_erased(db: Database) {
    let app = start(&db, json!([purchases(7)]), json!([])).await;
    enroll(&app, "one", &["ada"]).await;
    buys(&app, "order-of-ada", None, json!(3)).await;
    app.delete("/v1/users/ada").await.ok();
    app.settle().await;
    assert_eq!(results(&app, "one").await, came(1, 1, 1, 3.0));
    assert_eq!(db.count("SELECT COUNT(*) FROM conversions WHERE event_id IS NOT NULL").await, 0);
    // Whoever has the id then has a life, and events, of their own.
    app.add("ada", json!({ "email": "ada@y.example" })).await;
    enroll(&app, "one", &["ada"]).await;
    buys(&app, "order-of-ada", None, json!(4)).await;
    assert_eq!(results(&app, "one").await, came(2, 2, 2, 7.0));
}

async fn conversions_that_can_never_be_are_refused(db: Database) {
    let app = App::start(&db).await;
    let on = |name: &str, within: i64| json!([{ "on": { "event": { "name": name } }, "within": within }]);
    for (conversions, code, says) in [
        (on("purchases", DAY), "unknown_event", "did you mean `purchase`"),
        (on("purchase", 0), "bad_limit", "within no time"),
    ] {
        let problem = app.deploy("", project(conversions, json!([]))).await.problem(422, "invalid_project");
        let found = &problem["problems"][0];
        assert_eq!((&found["code"], &found["place"]), (&json!(code), &json!("campaign one")));
        assert!(found["message"].as_str().is_some_and(|text| text.contains(says)), "{problem}");
    }
}
