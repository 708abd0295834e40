//! Pushes, and those who are in the middle of a campaign. The project is `tests/plugins/flows`.

use crate::harness::*;

both![
    who_is_in_flight_stays_on_the_code_it_started_with,
    who_fits_moves_and_a_corrected_text_reaches_them,
    who_does_not_fit_stays_and_the_plan_says_where,
    they_begin_anew,
    what_a_push_says_holds_also_after_the_next_one,
    they_leave,
    a_campaign_may_say_it_in_code,
    what_broke_is_mended_moved_and_resumed,
    one_command_back,
    code_is_kept_as_long_as_somebody_needs_it,
];

async fn start(db: &Database) -> App {
    let app = App::start(db).await;
    app.push(plugins::flows("")).await;
    for user in ["ada", "bob"] {
        app.add(user, json!({ "email": format!("{user}@flows.example"), "does": "drip" })).await;
        app.advance("1h").await;
    }
    app
}

async fn push(app: &App, query: &str, variant: &str) -> Value {
    let plan = app.deploy(query, plugins::flows(variant)).await.ok();
    app.settle().await;
    plan
}

async fn notes(app: &App, user: &str) -> Vec<String> {
    let mut notes = vec![];
    for message in app.messages(user).await {
        notes.push(app.message(&message).await["subject"].as_str().unwrap_or("nothing").to_string());
    }
    notes
}

fn line<'a>(plan: &'a Value, id: &str) -> (&'a str, &'a str) {
    let changes = plan["changes"].as_array().unwrap();
    let line = changes.iter().find(|c| c["kind"] == "campaign" && c["id"] == id).unwrap();
    (line["change"].as_str().unwrap(), line["note"].as_str().unwrap())
}

async fn deployments(app: &App, user: &str) -> Vec<Value> {
    app.enrollments(user).await.into_iter().map(|e| e["deployment"].clone()).collect()
}

async fn who_is_in_flight_stays_on_the_code_it_started_with(db: Database) {
    let app = start(&db).await;
    let plan = push(&app, "", "other").await;
    let (change, note) = line(&plan, "drip");
    assert_eq!(change, "~", "the flow has changed, and nothing that the manifest says");
    assert!(
        note.starts_with("2 in flight: all stay; 0 could move, 2 would diverge; diverges at entry 0: expected send"),
        "{note}"
    );
    app.advance("5d").await;
    assert_eq!(notes(&app, "ada").await, ["one", "two", "three"]);
    assert_ne!(deployments(&app, "ada").await[0], plan["deployment"]);
}

async fn who_fits_moves_and_a_corrected_text_reaches_them(db: Database) {
    let app = start(&db).await;
    let dry = push(&app, "?dry_run=true&in_flight=migrate", "text").await;
    assert_eq!(line(&dry, "drip"), ("=", "2 in flight: 2 move"));
    assert_ne!(deployments(&app, "ada").await[0], dry["deployment"], "a dry run moves nobody");
    let plan = push(&app, "?in_flight=migrate", "text").await;
    assert_eq!(plan["in_flight"][0]["same"], 2);
    assert_eq!(deployments(&app, "ada").await[0], plan["deployment"]);
    app.advance("5d").await;
    assert_eq!(notes(&app, "ada").await, ["one", "two, corrected", "three"]);
    assert_eq!(notes(&app, "bob").await, ["one", "two, corrected", "three"]);
}

async fn who_does_not_fit_stays_and_the_plan_says_where(db: Database) {
    let app = start(&db).await;
    // Who has not come so far can move to code that differs later on.
    app.advance("22h").await;
    app.advance("1d").await;
    assert_eq!((notes(&app, "ada").await.len(), notes(&app, "bob").await.len()), (3, 2));
    app.add("eve", json!({ "email": "eve@flows.example", "does": "drip" })).await;
    app.settle().await;
    let plan = push(&app, "?in_flight=migrate", "other").await;
    let report = &plan["in_flight"][0];
    assert_eq!((&report["campaign"], &report["live"], &report["same"]), (&json!("drip"), &json!(2), &json!(0)));
    let reason = report["diverging"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("expected send (operation 0), got update does (operation 0)"), "{reason}");
    assert!(reason.contains("src/lib.rs:"), "{reason}");
    app.advance("5d").await;
    assert_eq!(notes(&app, "eve").await, ["one", "two", "three"]);
    assert_ne!(deployments(&app, "eve").await[0], plan["deployment"]);
}

async fn they_begin_anew(db: Database) {
    let app = start(&db).await;
    app.advance("25h").await;
    let plan = push(&app, "?in_flight=restart", "text").await;
    assert_eq!(line(&plan, "drip").1, "2 in flight: all begin anew");
    assert_eq!(notes(&app, "ada").await, ["one", "two", "one, corrected"]);
    assert_eq!(deployments(&app, "ada").await, [plan["deployment"].clone()]);
    app.advance("5d").await;
    assert_eq!(notes(&app, "ada").await, ["one", "two", "one, corrected", "two, corrected", "three"]);
}

/// The next one came before everybody had been looked at under the first.
async fn what_a_push_says_holds_also_after_the_next_one(db: Database) {
    let app = start(&db).await;
    push(&app, "", "text").await;
    let last = push(&app, "", "later").await;
    assert_eq!(notes(&app, "ada").await, ["one"]);
    app.stop().await;
    let beside = db.open().await;
    let mut tx = beside.begin().await.expect("begun");
    let said =
        serde_json::to_string(&std::collections::BTreeMap::from([("drip", segflow_protocol::InFlight::Restart)]));
    let args = segflow_server::args![said.expect("JSON")];
    tx.run("UPDATE deployments SET in_flight = ? WHERE generation = 2", args).await.expect("said");
    tx.run("UPDATE users SET evaluated = 1 WHERE id = 'ada'", vec![]).await.expect("behind");
    tx.run("DELETE FROM settled", vec![]).await.expect("and nobody says otherwise");
    tx.commit().await.expect("committed");
    beside.close().await;
    let app = App::with(&db, crate::harness::app::dev(&db)).await;
    app.settle().await;
    assert_eq!((notes(&app, "ada").await.len(), notes(&app, "bob").await.len()), (2, 1));
    assert_eq!(deployments(&app, "ada").await, [last["deployment"].clone()]);
    // Once.
    app.restart().await.advance("1h").await;
}

async fn they_leave(db: Database) {
    let app = start(&db).await;
    push(&app, "?in_flight=cancel", "text").await;
    app.advance("5d").await;
    assert_eq!(notes(&app, "ada").await, ["one"]);
    let left = &app.enrollments("ada").await[0];
    assert_eq!((&left["status"], &left["reason"]), (&json!("exited"), &json!("cancelled by a push")));
}

async fn a_campaign_may_say_it_in_code(db: Database) {
    let app = start(&db).await;
    push(&app, "", "policy").await;
    assert_eq!(notes(&app, "ada").await, ["one", "one"]);
    // And the push has the last word.
    push(&app, "?in_flight=pin", "text").await;
    assert_eq!(notes(&app, "ada").await, ["one", "one"]);
    app.deploy("?in_flight=sideways", plugins::flows("")).await.problem(400, "bad_parameter");
}

async fn what_broke_is_mended_moved_and_resumed(db: Database) {
    let app = start(&db).await;
    push(&app, "?in_flight=migrate", "broken").await;
    app.advance("1d").await;
    let parked = app.enrollments("ada").await[0].clone();
    assert_eq!(parked["status"], "parked");
    assert!(
        parked["reason"].as_str().unwrap().contains("there is no tea (tests/plugins/flows/src/lib.rs:"),
        "{parked}"
    );
    push(&app, "?in_flight=migrate", "text").await;
    let resume = format!("/v1/enrollments/{}/resume", parked["id"].as_str().unwrap());
    app.post(&resume, json!({})).await.ok();
    app.settle().await;
    assert_eq!(notes(&app, "ada").await, ["one", "two, corrected"]);
}

async fn one_command_back(db: Database) {
    let app = start(&db).await;
    let first = app.items("/v1/deployments").await[0].clone();
    push(&app, "", "text").await;
    app.add("eve", json!({ "email": "eve@flows.example", "does": "drip" })).await;
    app.settle().await;
    assert_eq!(notes(&app, "eve").await, ["one, corrected"]);
    let back = format!("/v1/deployments/{}/activate", first["id"].as_str().unwrap());
    let plan = app.post(&back, Value::Null).await.ok();
    assert_eq!((&plan["applied"], &plan["generation"]), (&json!(true), &json!(3)));
    app.add("kim", json!({ "email": "kim@flows.example", "does": "drip" })).await;
    app.settle().await;
    assert_eq!(notes(&app, "kim").await, ["one"]);
    app.post("/v1/deployments/nothing/activate", Value::Null).await.problem(404, "not_found");
    let stranger = app.workspace("other").await;
    stranger.post(&back, Value::Null).await.problem(404, "not_found");
}

async fn code_is_kept_as_long_as_somebody_needs_it(db: Database) {
    let app = App::start(&db).await;
    let first = app.push(plugins::flows("")).await;
    // Nobody has come by the first two when the fourth comes.
    for variant in ["text", "other", "later"] {
        push(&app, "", variant).await;
    }
    assert_eq!(db.count("SELECT COUNT(*) FROM modules").await, 2, "the one in force and the one before");
    let back = format!("/v1/deployments/{}/activate", first["deployment"].as_str().unwrap());
    let gone = app.post(&back, Value::Null).await.problem(409, "conflict");
    assert!(gone["detail"].as_str().unwrap().contains("is not kept any more"), "{gone}");
    app.add("ada", json!({ "email": "ada@flows.example", "does": "drip" })).await;
    app.settle().await;
    for variant in ["text", "other", ""] {
        push(&app, "", variant).await;
    }
    assert_eq!(db.count("SELECT COUNT(*) FROM modules").await, 3, "and one that somebody runs on");
    app.advance("5d").await;
    assert_eq!(notes(&app, "ada").await, ["one", "two", "three"]);
}
