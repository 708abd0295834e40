//! Raw SQL that a database cannot answer: nobody else waits for it, it can be seen, and it is tried again.

use segflow_server::args;

use super::*;

both![
    who_cannot_be_asked_about_is_tried_again,
    a_push_says_whom_it_cannot_be_asked_about,
    a_query_about_all_that_fails_is_seen,
    a_query_that_takes_too_long_is_refused_and_holds_up_nobody,
    while_a_query_is_left_alone_nobody_is_forgotten,
];

/// Of -1e300 the one database cannot take the absolute value, nor the other multiply it.
const OVERFLOWS: &str = "SELECT id FROM users WHERE ABS(CEIL(attributes->'$.n')) * 1e300 > 0";

async fn failing(app: &App, id: &str) -> Value {
    app.get(&format!("/v1/segments/{id}")).await.ok()["failing"].clone()
}

async fn who_cannot_be_asked_about_is_tried_again(db: Database) {
    let app = App::start(&db).await;
    app.push(project(json!([sql("big", OVERFLOWS, None)]), json!([made::campaign("hello", "big")]))).await;
    app.add("ada", json!({ "n": -1e300 })).await;
    app.add("bob", json!({ "n": -1 })).await;
    app.settle().await;
    assert_eq!(members(&app, "big").await, ["bob"]);
    let found = failing(&app, "big").await;
    assert_eq!((&found["users"], &found["at"]), (&json!(1), &json!("2026-01-01T09:00:00Z")), "{found}");
    assert!(found["error"].as_str().is_some_and(|error| !error.is_empty()), "{found}");
    // As if the database had recovered: no fact comes.
    let store = app.server().store();
    let mut tx = store.db.begin().await.expect("begun");
    let row = args![r#"{"n":-1}"#, "ada"];
    tx.run("UPDATE users SET attributes = ? WHERE id = ?", row).await.expect("written");
    tx.commit().await.expect("committed");
    app.advance("14m").await;
    assert_eq!(members(&app, "big").await, ["bob"]);
    app.advance("1m").await;
    assert_eq!(members(&app, "big").await, ["ada", "bob"]);
    assert_eq!(failing(&app, "big").await, Value::Null);
    assert_eq!(app.items("/v1/campaigns/hello/enrollments").await.len(), 2);
    app.add("ada", json!({ "n": -1e300 })).await;
    app.settle().await;
    assert_eq!(members(&app, "big").await, ["ada", "bob"], "it stays as it was");
    app.delete("/v1/users/ada").await.ok();
    assert_eq!(failing(&app, "big").await, Value::Null, "nothing is left of whoever is erased");
}

async fn a_push_says_whom_it_cannot_be_asked_about(db: Database) {
    let app = App::start(&db).await;
    populate(&app, 0..5, |n| json!({ "n": if n == 3 { -1e300 } else { -1.0 } })).await;
    let plan = app.push(project(json!([sql("big", OVERFLOWS, None)]), json!([]))).await;
    assert_eq!(plan["segments"]["big"]["users"], 4);
    let warned = plan["warnings"].as_array().expect("a list").iter().filter_map(Value::as_str);
    let warned: Vec<&str> = warned.filter(|w| w.starts_with("segment big cannot be asked about 1 user")).collect();
    assert_eq!(warned.len(), 1, "{}", plan["warnings"]);
    app.settle().await;
    assert_eq!(members(&app, "big").await, ["u0", "u1", "u2", "u4"]);
    assert_eq!(failing(&app, "big").await["users"], 1);
    app.add("u3", json!({ "n": -1 })).await;
    app.settle().await;
    assert_eq!(members(&app, "big").await.len(), 5);
    assert_eq!(failing(&app, "big").await, Value::Null);
    // What was said of another rule is over with it.
    app.add("u3", json!({ "n": -1e300 })).await;
    app.settle().await;
    assert_eq!(failing(&app, "big").await["users"], 1);
    app.push(project(json!([expr("big", eq(&["n"], json!(-1)))]), json!([]))).await;
    app.settle().await;
    assert_eq!(failing(&app, "big").await, Value::Null);
}

async fn a_query_about_all_that_fails_is_seen(db: Database) {
    let app = App::start(&db).await;
    let all = format!("{OVERFLOWS} AND created_at <= (SELECT MAX(created_at) FROM users)");
    let segments = json!([sql("big", &all, Some(3_600_000))]);
    app.add("bob", json!({ "n": -1 })).await;
    app.settle().await;
    app.push(project(segments.clone(), json!([]))).await;
    app.settle().await;
    assert_eq!((members(&app, "big").await, failing(&app, "big").await), (vec!["bob".to_string()], Value::Null));
    app.add("ada", json!({ "n": -1e300 })).await;
    app.settle().await;
    app.advance("1h").await;
    let found = failing(&app, "big").await;
    assert_eq!((&found["users"], &found["at"]), (&Value::Null, &json!("2026-01-01T10:00:00Z")), "{found}");
    assert_eq!(members(&app, "big").await, ["bob"]);
    let problem = app.get("/v1/segments/big/explain?user=bob").await.problem(409, "segment_failed");
    assert!(problem["detail"].as_str().expect("text").starts_with("the SQL of segment `big` cannot be answered: "));
    let other = format!("{all} AND 1 = 1");
    let refused = app.deploy("", project(json!([sql("big", &other, Some(3_600_000))]), json!([]))).await;
    let problem = refused.problem(422, "invalid_project")["problems"][0].clone();
    assert_eq!((&problem["code"], &problem["place"]), (&json!("segment_failed"), &json!("segment big")));
    app.add("ada", json!({ "n": -1 })).await;
    app.settle().await;
    app.advance("1h").await;
    assert_eq!((members(&app, "big").await.len(), failing(&app, "big").await), (2, Value::Null));
}

async fn a_query_that_takes_too_long_is_refused_and_holds_up_nobody(db: Database) {
    let app = App::start(&db).await;
    let slow = "SELECT a.user_id AS id FROM events a JOIN events b ON b.user_id = a.user_id JOIN events c ON c.user_id = a.user_id \
                JOIN events d ON d.user_id = a.user_id JOIN events e ON e.user_id = a.user_id JOIN events f ON f.user_id = a.user_id \
                WHERE a.attributes->'$.n' + b.attributes->'$.n' + c.attributes->'$.n' + d.attributes->'$.n' \
                + e.attributes->'$.n' + f.attributes->'$.n' < 0";
    let mut batch = vec![json!({ "type": "track", "user_id": "bob", "name": "login", "attributes": { "n": -1 } })];
    for user in ["ada", "bea", "cid"] {
        for n in 0..80 {
            batch.push(json!({ "type": "track", "user_id": user, "name": "login", "attributes": { "n": n } }));
        }
    }
    app.post("/v1/batch", json!({ "batch": batch })).await.ok();
    app.settle().await;
    for _ in 0..2 {
        let refused = app.deploy("", project(json!([sql("slow", slow, None)]), json!([]))).await;
        let problem = refused.problem(422, "invalid_project")["problems"][0].clone();
        assert_eq!((&problem["code"], &problem["place"]), (&json!("segment_failed"), &json!("segment slow")));
        assert!(problem["message"].as_str().expect("text").contains("ran longer than 5 s"), "{problem}");
    }
    // Of one user's data alone it is only said.
    for user in ["bea", "cid"] {
        app.delete(&format!("/v1/users/{user}")).await.ok();
    }
    app.push(project(json!([sql("slow", &format!("{slow} + 0"), None)]), json!([]))).await;
    app.settle().await;
    assert_eq!(members(&app, "slow").await, ["bob"]);
    let found = failing(&app, "slow").await;
    assert_eq!((&found["users"], &found["error"]), (&json!(1), &json!("it ran longer than 5 s")));
    app.get("/v1/segments/slow/explain?user=ada").await.problem(409, "segment_failed");
}

async fn while_a_query_is_left_alone_nobody_is_forgotten(db: Database) {
    const BLUE: &str = "SELECT id FROM users WHERE attributes->>'$.color' = 'blue'";
    let app = App::start(&db).await;
    app.push(project(json!([sql("blue", BLUE, None)]), json!([made::campaign("hello", "blue")]))).await;
    app.add("bea", json!({ "color": "blue" })).await;
    app.settle().await;
    // 2026-01-01T09:00:00Z
    let now = 1_767_258_000_000;
    for _ in 0..3 {
        app.server().store().db.breakers.ran_too_long("main", BLUE, &["x".to_string(), "y".to_string()], now);
    }
    for user in ["ada", "bob", "cid"] {
        app.add(user, json!({ "color": "blue" })).await;
    }
    app.add("bea", json!({ "color": "red" })).await;
    app.post("/v1/segments/blue/recalculate", json!({})).await.ok();
    app.settle().await;
    assert_eq!(members(&app, "blue").await, ["bea"], "they stay as they are");
    let found = failing(&app, "blue").await;
    assert_eq!((&found["users"], &found["at"]), (&Value::Null, &json!("2026-01-01T09:00:00Z")), "{found}");
    assert!(found["error"].as_str().is_some_and(|error| error.contains("left alone")), "{found}");
    // However many they are.
    assert_eq!(db.count("SELECT COUNT(*) FROM segment_failures").await, 1);
    assert_eq!(db.count("SELECT COUNT(*) FROM flips").await, 0);
    app.advance("1m").await;
    assert_eq!(members(&app, "blue").await, ["bea"]);
    app.advance("1m").await;
    assert_eq!(members(&app, "blue").await, ["ada", "bob", "cid"]);
    assert_eq!(failing(&app, "blue").await, Value::Null);
    assert_eq!(db.count("SELECT COUNT(*) FROM segment_runs").await, 0);
    assert_eq!(app.items("/v1/campaigns/hello/enrollments").await.len(), 4);
}
