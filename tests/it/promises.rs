//! Shapes that scripts rely on.

use crate::harness::*;

both![a_message_has_its_members, an_enrollment_tells_its_steps, health_needs_no_key, the_plan_of_a_push];

async fn a_message_has_its_members(db: Database) {
    let app = App::storefront(&db).await;
    app.add("ada", json!({ "username": "Ada", "email": "ada@shop.example" })).await;
    app.settle().await;
    let listed = &app.items("/v1/messages").await[0];
    for member in ["id", "user_id", "status", "template", "campaign", "created_at", "sent_at"] {
        assert!(listed[member].is_string(), "{member}: {listed}");
    }
    assert_eq!(listed["reason"], Value::Null);
    assert_eq!((&listed["created_at"], &listed["sent_at"]), (&json!(START), &json!(START)));
    let message = app.message(listed).await;
    for (member, value) in listed.as_object().unwrap() {
        assert_eq!(&message[member], value, "{member}");
    }
    assert_eq!(message["from"], "Segflow <hello@segflow.example>");
    assert_eq!((&message["to"], &message["rendered"]), (&json!("ada@shop.example"), &json!("as_sent")));
    assert!(message["html"].as_str().unwrap().contains("Welcome, Ada!"));
    let text = message["text"].as_str().unwrap();
    assert!(text.contains("Welcome, Ada!") && !text.contains('<'), "{text}");
    let attempts = message["attempts"].as_array().unwrap();
    assert_eq!((attempts.len(), &attempts[0]["outcome"]), (1, &json!("accepted")));
}

async fn an_enrollment_tells_its_steps(db: Database) {
    let app = App::storefront(&db).await;
    app.add("ada", json!({ "username": "Ada", "email": "ada@shop.example", "winback": true })).await;
    app.advance("36h").await;
    let enrollments = app.items("/v1/users/ada/enrollments?campaign=winback-campaign").await;
    let listed = &enrollments[0];
    assert_eq!(
        (&listed["user_id"], &listed["campaign"], &listed["status"]),
        (&json!("ada"), &json!("winback-campaign"), &json!("active"))
    );
    assert_eq!(listed["wake_at"], "2026-01-04T09:00:00Z");
    let waits = listed["waiting_for"].as_str().unwrap();
    assert!(waits.contains("2 days") && waits.contains("src/lib.rs:"), "{waits}");
    assert!(listed["deployment"].as_str().unwrap().starts_with("dep_"));
    let enrollment = app.get(&format!("/v1/enrollments/{}", listed["id"].as_str().unwrap())).await.ok();
    let steps = enrollment["steps"].as_array().unwrap();
    let told: Vec<_> = steps.iter().map(|s| (s["kind"].as_str().unwrap(), s["at"].as_str().unwrap())).collect();
    assert_eq!(told, [("send", START), ("wait", "2026-01-02T09:00:00Z"), ("send", "2026-01-02T09:00:00Z")]);
    assert_eq!((&steps[0]["template"], &steps[0]["status"]), (&json!("winback-email"), &json!("sent")));
    assert_eq!(app.get(&format!("/v1/messages/{}", steps[2]["message"].as_str().unwrap())).await.status, 200);
}

async fn health_needs_no_key(db: Database) {
    let app = App::storefront(&db).await;
    app.add("ada", json!({ "username": "Ada", "email": "ada@shop.example" })).await;
    app.settle().await;
    let stranger = app.with_key("");
    assert_eq!(
        (stranger.get("/healthz").await.text(), stranger.get("/readyz").await.text()),
        ("ok\n".into(), "ready\n".into())
    );
    let metrics = stranger.get("/metrics").await;
    assert_eq!(metrics.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let metrics = metrics.text();
    for name in ["segflow_send_attempts_total", "segflow_messages_decided_total", "segflow_decisions_total"] {
        assert!(metrics.contains(name), "{name} is not in {metrics}");
    }
    assert!(!metrics.contains('@') && !metrics.contains("ada"), "{metrics}");
}

async fn the_plan_of_a_push(db: Database) {
    let app = App::start(&db).await;
    app.add("ada", json!({ "username": "Ada", "email": "ada@shop.example", "winback": true })).await;
    app.settle().await;
    let plan = app.push(plugins::storefront()).await;
    assert_eq!(
        (&plan["applied"], &plan["changed"], &plan["base"], &plan["generation"]),
        (&json!(true), &json!(true), &json!(0), &json!(1))
    );
    assert_eq!((&plan["entering"], &plan["leaving"], &plan["from"]), (&json!(2), &json!(0), &Value::Null));
    let changes = plan["changes"].as_array().unwrap();
    assert!(changes.iter().all(|c| c["change"] == "+"));
    let note = |kind: &str, id: &str| {
        let change =
            changes.iter().find(|c| c["kind"] == kind && c["id"] == id).unwrap_or_else(|| panic!("{kind} {id}"));
        change["note"].as_str().unwrap().to_string()
    };
    assert_eq!(
        (note("campaign", "winback-campaign"), note("segment", "all-users")),
        ("1 enter".into(), "1 user".into())
    );
    assert_eq!((note("transaction", "purchase"), note("template", "welcome-email")), (String::new(), String::new()));
    let listed = &app.items("/v1/deployments").await[0];
    assert_eq!(
        (&listed["id"], &listed["generation"], &listed["current"]),
        (&plan["deployment"], &json!(1), &json!(true))
    );
    app.settle().await;
}
