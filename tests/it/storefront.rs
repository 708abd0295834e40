//! examples/storefront over many virtual days.

use segflow_server::delivery::capture::Act;

use crate::harness::app::of_template;
use crate::harness::*;

both![
    it_declares_what_the_contract_says,
    welcome_is_sent_once,
    winback_doubles_its_waits_and_ends,
    leaving_the_segment_stops_winback,
    what_is_pending_is_cancelled_when_the_user_leaves,
    whoever_comes_back_starts_again,
    vip_every_30_days,
    one_confirmation_per_purchase,
    three_hundred_days,
];

/// On which days a user was sent what.
async fn days(app: &App, user: &str, template: &str) -> Vec<i64> {
    let messages = app.messages(user).await;
    let of = of_template(&messages, template);
    assert!(of.iter().all(|m| m["status"] == "sent"), "{of:?}");
    of.iter().map(|m| day(&m["sent_at"])).collect()
}

async fn it_declares_what_the_contract_says(db: Database) {
    let app = App::storefront(&db).await;
    let ids = |items: Vec<Value>| items.iter().map(|i| i["id"].as_str().unwrap().to_string()).collect::<Vec<_>>();
    let segments = ids(app.items("/v1/segments").await);
    assert_eq!(segments, ["all-users", "big-spenders", "purchased-users", "winback-eligible"]);
    let campaigns = app.items("/v1/campaigns").await;
    let modes: Vec<&str> = campaigns.iter().map(|c| c["mode"].as_str().unwrap()).collect();
    assert_eq!(modes, ["dynamic", "static", "dynamic"]);
    assert_eq!(ids(campaigns), ["vip-treatment", "welcome-campaign", "winback-campaign"]);
}

async fn welcome_is_sent_once(db: Database) {
    let app = App::storefront(&db).await;
    for _ in 0..2 {
        app.add("ada", json!({ "username": "Ada", "email": "ada@shop.example" })).await;
        app.advance("10d").await;
    }
    let messages = app.messages("ada").await;
    assert_eq!(messages.len(), 1, "{messages:?}");
    let message = app.message(&messages[0]).await;
    assert_eq!(message["subject"], "Welcome to Segflow, Ada!");
    assert_eq!((&message["campaign"], &message["to"]), (&json!("welcome-campaign"), &json!("ada@shop.example")));
    assert_eq!(app.enrollments("ada").await[0]["status"], "done");
}

async fn winback_doubles_its_waits_and_ends(db: Database) {
    let app = App::storefront(&db).await;
    app.add("ada", json!({ "username": "Ada", "email": "ada@shop.example", "winback": true })).await;
    app.advance("300d").await;
    assert_eq!(days(&app, "ada", "winback-email").await, [0, 1, 3, 7, 15, 31, 63, 127]);
    app.add("ada", json!({ "winback": true, "username": "Ada Lovelace" })).await;
    app.advance("300d").await;
    assert_eq!(days(&app, "ada", "winback-email").await.len(), 8);
    let enrollments = app.items("/v1/campaigns/winback-campaign/enrollments").await;
    assert_eq!((enrollments.len(), &enrollments[0]["status"]), (1, &json!("done")));
}

async fn leaving_the_segment_stops_winback(db: Database) {
    let app = App::storefront(&db).await;
    app.add("ada", json!({ "username": "Ada", "email": "ada@shop.example", "winback": true })).await;
    app.advance("4d").await;
    app.add("ada", json!({ "winback": false })).await;
    app.advance("300d").await;
    assert_eq!(days(&app, "ada", "winback-email").await, [0, 1, 3]);
    let enrollments = app.enrollments("ada").await;
    let winback = enrollments.iter().find(|e| e["campaign"] == "winback-campaign").expect("enrolled");
    assert_eq!((&winback["status"], &winback["reason"]), (&json!("exited"), &json!("left segment winback-eligible")));
    assert_eq!((&winback["wake_at"], &winback["waiting_for"]), (&Value::Null, &Value::Null));
    assert!(!app.segments("ada").await.contains(&"winback-eligible".to_string()));
}

async fn what_is_pending_is_cancelled_when_the_user_leaves(db: Database) {
    let app = App::storefront(&db).await;
    app.capture.script("ada@shop.example", Act::Busy("452 come again".into()));
    app.capture.script("ada@shop.example", Act::Busy("452 come again".into()));
    app.add("ada", json!({ "username": "Ada", "email": "ada@shop.example", "winback": true })).await;
    app.settle().await;
    let pending = app.messages("ada").await;
    assert!(pending.iter().all(|m| m["status"] == "pending"), "{pending:?}");
    app.add("ada", json!({ "winback": false })).await;
    app.advance("1d").await;
    let messages = app.messages("ada").await;
    let winback = of_template(&messages, "winback-email");
    assert_eq!((winback.len(), &winback[0]["status"]), (1, &json!("cancelled")));
    assert_eq!(winback[0]["reason"], "left segment winback-eligible");
    assert_eq!(of_template(&messages, "welcome-email")[0]["status"], "sent");
    assert_eq!(app.capture.accepted().len(), 1);
}

async fn whoever_comes_back_starts_again(db: Database) {
    let app = App::storefront(&db).await;
    app.add("ada", json!({ "username": "Ada", "email": "ada@shop.example", "winback": true })).await;
    app.advance("2d").await;
    app.add("ada", json!({ "winback": false })).await;
    app.advance("8d").await;
    app.add("ada", json!({ "winback": true })).await;
    app.advance("4d").await;
    assert_eq!(days(&app, "ada", "winback-email").await, [0, 1, 10, 11, 13]);
    assert_eq!(days(&app, "ada", "welcome-email").await, [0]);
}

async fn vip_every_30_days(db: Database) {
    let app = App::storefront(&db).await;
    app.add("bob", json!({ "username": "Bob", "email": "bob@shop.example" })).await;
    app.emit("bob", "purchase", json!({ "value": 1000, "order_id": "A-1" })).await;
    app.advance("5d").await;
    assert_eq!(days(&app, "bob", "vip-email").await, [0; 0], "1000 is not more than 1000");
    app.emit("bob", "purchase", json!({ "value": 0.01, "order_id": "A-2" })).await;
    app.advance("300d").await;
    let expected: Vec<i64> = (0..=10).map(|n| 5 + 30 * n).collect();
    assert_eq!(days(&app, "bob", "vip-email").await, expected);
    let message = app.message(of_template(&app.messages("bob").await, "vip-email")[0]).await;
    assert_eq!(message["subject"], "You're one of our VIP customers, Bob!");
}

async fn one_confirmation_per_purchase(db: Database) {
    let app = App::storefront(&db).await;
    app.add("bob", json!({ "username": "Bob & Söhne", "email": "bob@shop.example" })).await;
    app.emit("bob", "purchase", json!({ "value": 89.5, "order_id": "A-1001" })).await;
    app.emit("bob", "purchase", json!({ "value": 12, "order_id": "A-<b>" })).await;
    app.emit("bob", "login", json!({})).await;
    app.advance("2d").await;
    let messages = app.items("/v1/messages?user_id=bob").await;
    let confirmations = of_template(&messages, "order-confirmed");
    assert_eq!(confirmations.len(), 2);
    for (listed, order, value) in [(0, "A-1001", "$89.50"), (1, "A-&lt;b&gt;", "$12.00")] {
        let mut found = vec![];
        for message in &confirmations {
            found.push(app.message(message).await);
        }
        let message = found.iter().find(|m| m["html"].as_str().unwrap().contains(order)).expect("an order's email");
        assert!(message["html"].as_str().unwrap().contains(value), "{listed}: {message}");
        assert_eq!(message["subject"], "Order Confirmed, Bob & Söhne!");
        assert_eq!((&message["transaction"], &message["campaign"]), (&json!("purchase"), &Value::Null));
        assert!(message["text"].as_str().unwrap().contains(value), "{message}");
    }
}

/// Five people with different lives, day by day, and all that each was sent.
async fn three_hundred_days(db: Database) {
    let app = App::storefront(&db).await;
    let person = |name: &str| json!({ "username": name, "email": format!("{}@shop.example", name.to_lowercase()) });
    app.add("ada", person("Ada")).await;
    app.add("ada", json!({ "winback": true })).await;
    app.add("bob", person("Bob")).await;
    app.add("cleo", person("Cleo")).await;
    app.advance("10d").await;
    app.emit("bob", "purchase", json!({ "value": 700.0, "order_id": "B-1" })).await;
    app.add("dan", person("Dan")).await;
    app.advance("10d").await;
    app.emit("bob", "purchase", json!({ "value": 301.0, "order_id": "B-2" })).await;
    app.emit("cleo", "login", json!({})).await;
    app.add("dan", json!({ "winback": true })).await;
    app.advance("80d").await;
    app.add("dan", json!({ "winback": null })).await;
    app.advance("200d").await;
    let expected: &[(&str, &str, &[i64])] = &[
        ("ada", "welcome-email", &[0]),
        ("ada", "winback-email", &[0, 1, 3, 7, 15, 31, 63, 127]),
        ("ada", "vip-email", &[]),
        ("bob", "welcome-email", &[0]),
        ("bob", "order-confirmed", &[10, 20]),
        ("bob", "vip-email", &[20, 50, 80, 110, 140, 170, 200, 230, 260, 290]),
        ("bob", "winback-email", &[]),
        ("cleo", "welcome-email", &[0]),
        ("dan", "welcome-email", &[10]),
        ("dan", "winback-email", &[20, 21, 23, 27, 35, 51, 83]),
    ];
    for (user, template, on) in expected {
        assert_eq!(days(&app, user, template).await, *on, "{user} {template}");
    }
    let all: usize = expected.iter().map(|(.., on)| on.len()).sum();
    assert_eq!(app.items("/v1/messages").await.len(), all);
    assert_eq!(app.capture.accepted().len(), all);
}
