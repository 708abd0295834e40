//! Many facts in one request.

use crate::harness::*;

both![
    each_item_has_its_result,
    the_order_of_a_user_is_kept,
    historical_facts_count_and_trigger_nothing,
    what_happens_now_counts_beside_history,
    five_thousand_items_and_no_more,
    the_same_batch_again_changes_nothing,
    attributes_have_a_limit_also_of_somebody_new,
    somebody_new_is_not_enrolled_by_their_past,
];

async fn each_item_has_its_result(db: Database) {
    let app = App::start(&db).await;
    let answer = app
        .post(
            "/v1/batch",
            json!({"batch": [
                {"type": "identify", "user_id": "ada", "attributes": {"n": 1}},
                {"type": "identify", "user_id": "ada", "attributes": {"m": 2}},
                {"type": "identify"},
                {"type": "track", "user_id": "ada", "name": "seen", "id": "1"},
                {"type": "track", "user_id": "ada", "name": "seen", "id": "1"},
                {"type": "track", "user_id": "", "name": "seen"},
                {"type": "alias", "user_id": "ada"},
                "nonsense",
                {"type": "track", "user_id": "bob", "name": "seen", "occurred_at": "yesterday"},
                {"type": "track", "user_id": "bob", "name": "seen"},
            ]}),
        )
        .await;
    assert_eq!(answer.status, 200);
    let results = answer.ok()["results"].as_array().expect("results").clone();
    let statuses: Vec<u64> = results.iter().map(|r| r["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [200, 200, 422, 202, 202, 422, 422, 422, 422, 202]);
    let codes: Vec<&str> = results.iter().filter_map(|r| r["code"].as_str()).collect();
    assert_eq!(codes, ["missing_field", "invalid_id", "wrong_type", "wrong_type", "invalid_time"]);
    assert_eq!((&results[3]["id"], &results[4]["id"]), (&json!("1"), &json!("1")));
    assert_eq!(app.get("/v1/users/ada").await.ok()["attributes"], json!({"n": 1, "m": 2}));
    assert_eq!(app.items("/v1/users/ada/events").await.len(), 1);
    assert_eq!(app.items("/v1/users/bob/events").await.len(), 1);
    assert_eq!(app.post("/v1/batch", json!({"batch": []})).await.ok(), json!({"results": []}));
    app.settle().await;
}

async fn the_order_of_a_user_is_kept(db: Database) {
    let app = App::storefront(&db).await;
    let mut items = vec![];
    for n in 0..600 {
        items.push(
            json!({"type": "identify", "user_id": format!("u{}", n % 3), "attributes": {"n": n, format!("k{n}"): n}}),
        );
    }
    // Whoever is told apart by the last word: true, then false.
    items.push(json!({"type": "identify", "user_id": "u0", "attributes": {"winback": true}}));
    items.push(json!({"type": "identify", "user_id": "u0", "attributes": {"winback": false}}));
    app.post("/v1/batch", json!({ "batch": items })).await.ok();
    app.settle().await;
    for u in 0..3 {
        let attributes = app.get(&format!("/v1/users/u{u}")).await.ok()["attributes"].clone();
        assert_eq!(attributes["n"], 597 + u);
        assert!((0..200).all(|k| attributes[format!("k{}", 3 * k + u)] == 3 * k + u));
    }
    assert!(!app.segments("u0").await.contains(&"winback-eligible".to_string()));
}

async fn historical_facts_count_and_trigger_nothing(db: Database) {
    let app = App::storefront(&db).await;
    let batch = json!({"batch": [
        {"type": "identify", "user_id": "ada", "historical": true,
         "attributes": {"username": "Ada", "email": "ada@shop.example", "winback": true}},
        {"type": "track", "user_id": "ada", "name": "purchase", "historical": true, "attributes": {"value": 900, "order_id": "A-1"}},
        {"type": "track", "user_id": "ada", "name": "purchase", "historical": true, "attributes": {"value": 900, "order_id": "A-2"}},
    ]});
    app.post("/v1/batch", batch).await.ok();
    app.advance("40d").await;
    assert_eq!(app.segments("ada").await, ["all-users", "big-spenders", "purchased-users", "winback-eligible"]);
    assert_eq!(app.segments_count("big-spenders").await, 1);
    assert_eq!((app.messages("ada").await.len(), app.enrollments("ada").await.len()), (0, 0));
    // What happens now is another matter, and counts together with what was.
    app.post("/v1/batch", json!({"batch": [{"type": "identify", "user_id": "bob", "historical": true, "attributes":
        {"username": "Bob", "email": "bob@shop.example"}}, {"type": "track", "user_id": "bob", "name": "purchase", "historical": true,
        "attributes": {"value": 900, "order_id": "B-1"}}]})).await.ok();
    app.settle().await;
    app.emit("bob", "purchase", json!({"value": 200, "order_id": "B-2"})).await;
    app.settle().await;
    let templates: Vec<String> =
        app.messages("bob").await.iter().map(|m| m["template"].as_str().unwrap().to_string()).collect();
    assert!(templates.contains(&"order-confirmed".into()) && templates.contains(&"vip-email".into()), "{templates:?}");
}

/// History that is still being read, and something live on its heels: together they are more than 1,000, and nobody is missed.
async fn what_happens_now_counts_beside_history(db: Database) {
    let app = App::storefront(&db).await;
    for n in 0..60 {
        let user = format!("u{n}");
        let past = json!({"batch": [
            {"type": "identify", "user_id": user, "historical": true, "attributes": {"username": user, "email": format!("{user}@x.example")}},
            {"type": "track", "user_id": user, "name": "purchase", "historical": true, "attributes": {"value": 900, "order_id": "1"}},
        ]});
        app.post("/v1/batch", past).await.ok();
        app.emit(&user, "purchase", json!({"value": 200, "order_id": "2"})).await;
    }
    app.settle().await;
    assert_eq!(app.segments_count("big-spenders").await, 60);
    assert_eq!(app.items("/v1/messages?campaign=vip-treatment").await.len(), 60);
}

impl Client {
    async fn segments_count(&self, id: &str) -> u64 {
        self.get(&format!("/v1/segments/{id}")).await.ok()["users"].as_u64().expect("a number")
    }
}

async fn five_thousand_items_and_no_more(db: Database) {
    let app = App::start(&db).await;
    let items =
        |n: usize| (0..n).map(|i| json!({"type": "identify", "user_id": format!("u{i:04}")})).collect::<Vec<_>>();
    app.post("/v1/batch", json!({ "batch": items(5_001) })).await.problem(422, "batch_too_large");
    assert_eq!(app.items("/v1/users").await.len(), 0);
    let results = app.post("/v1/batch", json!({ "batch": items(5_000) })).await.ok();
    let results = results["results"].as_array().expect("results");
    assert!(results.len() == 5_000 && results.iter().all(|r| r["status"] == 200));
    assert_eq!(app.items("/v1/users").await.len(), 5_000);
    app.settle().await;
}

async fn the_same_batch_again_changes_nothing(db: Database) {
    let app = App::storefront(&db).await;
    let batch = json!({"batch": [
        {"type": "identify", "user_id": "ada", "attributes": {"username": "Ada", "email": "ada@shop.example"}},
        {"type": "track", "user_id": "ada", "name": "purchase", "id": "A-1", "attributes": {"value": 9, "order_id": "A-1"}},
    ]});
    for _ in 0..3 {
        app.post("/v1/batch", batch.clone()).await.ok();
        app.settle().await;
    }
    assert_eq!(app.messages("ada").await.len(), 2);
}

/// One by one they would fit.
async fn attributes_have_a_limit_also_of_somebody_new(db: Database) {
    let app = App::start(&db).await;
    let add =
        |user: &str, key: &str| json!({"type": "identify", "user_id": user, "attributes": {key: "x".repeat(40_000)}});
    let batch =
        json!([add("ada", "a"), add("ada", "b"), add("bob", "a"), {"type": "track", "user_id": "ada", "name": "seen"}]);
    let results = app.post("/v1/batch", json!({ "batch": batch })).await.ok()["results"].clone();
    let statuses: Vec<u64> = results.as_array().expect("results").iter().filter_map(|r| r["status"].as_u64()).collect();
    assert_eq!(statuses, [200, 422, 200, 202], "{results}");
    assert_eq!(results[1]["code"], "attributes_too_large");
    let attributes = app.get("/v1/users/ada").await.ok()["attributes"].clone();
    assert_eq!(attributes.as_object().expect("an object").keys().collect::<Vec<_>>(), ["a"]);
    app.settle().await;
}

async fn somebody_new_is_not_enrolled_by_their_past(db: Database) {
    let app = App::storefront(&db).await;
    let bought = json!({"type": "track", "user_id": "ada", "name": "purchase", "attributes": {"value": 2000, "order_id": "1"}, "historical": true});
    let batch = json!([{"type": "identify", "user_id": "ada", "attributes": {"username": "Ada", "email": "ada@x.example"}}, bought]);
    app.post("/v1/batch", json!({ "batch": batch })).await.ok();
    app.settle().await;
    assert!(app.segments("ada").await.contains(&"big-spenders".to_string()), "it counts");
    let enrollments = app.enrollments("ada").await;
    let campaigns: Vec<&Value> = enrollments.iter().map(|e| &e["campaign"]).collect();
    assert_eq!(campaigns, ["welcome-campaign"]);
}
