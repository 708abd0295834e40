//! Pushes that are applied, and what they do to those who are there.

use crate::harness::app::of_template;
use crate::harness::made::{self, Made};
use crate::harness::*;

both![
    a_plan_tells_what_is_new_changed_and_gone,
    an_unchanged_project_changes_nothing,
    a_dry_run_changes_nothing,
    a_base_that_has_passed_is_refused,
    of_two_pushes_at_once_one_wins,
    many_enter_production_only_with_a_word,
    a_new_campaign_enrols_who_is_there,
    a_removed_campaign_lets_its_users_go,
    a_removed_segment_with_its_campaign,
    a_corrected_email_reaches_users_in_flight,
    users_in_flight_stay_on_their_code,
    what_was_sent_stays_as_it_was,
    a_flow_that_panics_later_is_parked_with_its_line,
    a_flow_changes_its_user,
    two_campaigns_that_toggle_each_other_come_to_an_end,
    a_segment_changes_as_time_goes_by,
    what_was_pushed_survives_a_restart,
];

async fn generations(app: &App) -> Vec<i64> {
    app.items("/v1/deployments").await.iter().map(|d| d["generation"].as_i64().unwrap()).collect()
}

async fn a_plan_tells_what_is_new_changed_and_gone(db: Database) {
    let app = App::start(&db).await;
    app.push(Made::new(made::manifest()).wasm()).await;
    let mut manifest = made::manifest();
    manifest["segments"] = json!([made::everyone("everyone"), made::everyone("all")]);
    manifest["campaigns"] = json!([made::campaign("hello", "all"), made::campaign("extra", "everyone")]);
    manifest["templates"] = json!([{ "id": "hi", "arguments": [], "content": "2" }]);
    manifest["providers"] = json!([]);
    manifest["user"][0]["required"] = json!(false);
    let plan = app.push(Made::new(manifest).wasm()).await;
    let told: Vec<String> = plan["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| {
            format!("{} {} {}", c["change"].as_str().unwrap(), c["kind"].as_str().unwrap(), c["id"].as_str().unwrap())
        })
        .collect();
    let expected = [
        "~ attribute email",
        "+ segment all",
        "= segment everyone",
        "+ campaign extra",
        "~ campaign hello",
        "~ template hi",
        "- provider capture",
    ];
    assert_eq!(told, expected);
    let warnings = plan["warnings"].as_array().unwrap();
    assert!(warnings[0].as_str().unwrap().contains("no provider"), "{warnings:?}");
}

async fn an_unchanged_project_changes_nothing(db: Database) {
    let app = App::storefront(&db).await;
    app.add("ada", json!({ "username": "Ada", "email": "ada@shop.example", "winback": true })).await;
    app.advance("1d").await;
    let plan = app.push(plugins::storefront()).await;
    assert_eq!((&plan["changed"], &plan["applied"], &plan["generation"]), (&json!(false), &json!(false), &json!(1)));
    assert!(plan["changes"].as_array().unwrap().iter().all(|c| c["change"] == "="));
    assert_eq!((&plan["entering"], &plan["from"]), (&json!(0), &plan["deployment"]));
    assert_eq!(generations(&app).await, [1]);
    assert_eq!(app.messages("ada").await.len(), 3);
    // Other bytes that say the same enrol nobody again either.
    let made = Made::new(made::manifest()).sending("hi");
    app.push(made.wasm()).await;
    app.settle().await;
    let before = app.messages("ada").await.len();
    app.push(made.commented("another path").wasm()).await;
    app.settle().await;
    assert_eq!(app.messages("ada").await.len(), before);
}

async fn a_dry_run_changes_nothing(db: Database) {
    let app = App::start(&db).await;
    app.add("ada", json!({ "username": "Ada", "email": "ada@shop.example" })).await;
    let plan = app.deploy("?dry_run=true", plugins::storefront()).await.ok();
    assert_eq!((&plan["applied"], &plan["changed"], &plan["entering"]), (&json!(false), &json!(true), &json!(1)));
    assert_eq!(generations(&app).await, [0; 0]);
    assert_eq!(app.items("/v1/campaigns").await.len(), 0);
    assert_eq!(db.count("SELECT COUNT(*) FROM modules").await, 0);
    app.advance("1d").await;
    assert_eq!(app.messages("ada").await.len(), 0);
}

async fn a_base_that_has_passed_is_refused(db: Database) {
    let app = App::start(&db).await;
    app.deploy("?base=0", plugins::variant("base")).await.ok();
    let problem = app.deploy("?base=0", plugins::variant("text")).await.problem(409, "generation_passed");
    assert_eq!(problem["current"], 1);
    app.deploy("?base=0&dry_run=true", plugins::variant("text")).await.problem(409, "generation_passed");
    app.deploy("?base=2", plugins::variant("text")).await.problem(409, "generation_passed");
    assert_eq!(generations(&app).await, [1]);
    app.deploy("?base=1", plugins::variant("text")).await.ok();
    assert_eq!(app.items("/v1/deployments").await.iter().filter(|d| d["current"] == true).count(), 1);
}

/// Seen in a predecessor: two pushes in the same second were compared with the wrong predecessor.
async fn of_two_pushes_at_once_one_wins(db: Database) {
    let app = App::start(&db).await;
    for query in ["?base=0", ""] {
        let before = generations(&app).await.len();
        let pushes: Vec<_> = ["base", "text", "flow", "more"]
            .map(|variant| {
                let (client, query) = (app.with_key(&app.key), query.to_string());
                tokio::spawn(async move { client.deploy(&query, plugins::variant(variant)).await })
            })
            .into();
        let mut won = vec![];
        for push in pushes {
            let answer = push.await.expect("answered");
            if answer.status == 200 {
                won.push(answer.ok());
            } else {
                answer.problem(409, "generation_passed");
            }
        }
        let applied: Vec<_> = won.iter().filter(|plan| plan["applied"] == true).collect();
        assert!(!applied.is_empty() && (query.is_empty() || applied.len() == 1), "{applied:?}");
        assert_eq!(generations(&app).await.len(), before + applied.len());
        let bases: std::collections::BTreeSet<i64> = applied.iter().map(|p| p["base"].as_i64().unwrap()).collect();
        assert_eq!(bases.len(), applied.len(), "each was planned against the one before it");
    }
}

async fn many_enter_production_only_with_a_word(db: Database) {
    let crowd = || {
        let batch: Vec<Value> = (0..1_001)
            .map(|n| json!({"type": "identify", "user_id": format!("u{n}"), "attributes": {"email": format!("u{n}@x.example")}}))
            .collect();
        json!({ "batch": batch })
    };
    let app = App::production(&db).await;
    app.post("/v1/batch", crowd()).await.ok();
    let wasm = Made::new(made::manifest()).wasm();
    assert_eq!(app.deploy("?dry_run=true", wasm.clone()).await.ok()["entering"], 1_001);
    let problem = app.deploy("", wasm.clone()).await.problem(422, "too_many_enter");
    assert_eq!(problem["entering"], 1_001);
    assert!(problem["detail"].as_str().unwrap().contains("--allow-enter 1001"), "{problem}");
    app.deploy("?allow_enter=1000", wasm.clone()).await.problem(422, "too_many_enter");
    assert_eq!(generations(&app).await, [0; 0]);
    app.settle().await;
    assert_eq!(app.items("/v1/messages").await.len(), 0);
    assert_eq!(app.deploy("?allow_enter=1001", wasm).await.ok()["applied"], true);
    app.settle().await;
    assert_eq!(app.get("/v1/campaigns/hello").await.ok()["counts"]["done"], 1_001);
}

async fn a_new_campaign_enrols_who_is_there(db: Database) {
    let app = App::start(&db).await;
    app.add("ada", json!({ "name": "Ada", "email": "ada@x.example" })).await;
    app.push(plugins::variant("base")).await;
    app.advance("2d").await;
    let plan = app.push(plugins::variant("more")).await;
    assert_eq!(plan["entering"], 1);
    app.settle().await;
    let of = |campaign: &'static str| format!("/v1/messages?campaign={campaign}");
    assert_eq!(app.items(&of("extra")).await.len(), 1);
    assert_eq!(app.items(&of("greet")).await.len(), 2, "those who have been greeted are not greeted again");
    assert_eq!(day(&app.items(&of("extra")).await[0]["sent_at"]), 2);
}

async fn a_removed_campaign_lets_its_users_go(db: Database) {
    let app = App::start(&db).await;
    app.push(plugins::variant("base")).await;
    app.add("ada", json!({ "name": "Ada", "email": "ada@x.example" })).await;
    app.advance("1h").await;
    let plan = app.push(plugins::variant("less")).await;
    let gone: Vec<&Value> = plan["changes"].as_array().unwrap().iter().filter(|c| c["change"] == "-").collect();
    assert!(gone.iter().any(|c| c["kind"] == "campaign" && c["id"] == "greet"), "{gone:?}");
    app.advance("10d").await;
    assert_eq!(app.messages("ada").await.len(), 1);
    let enrollment = &app.enrollments("ada").await[0];
    assert_eq!((&enrollment["status"], &enrollment["reason"]), (&json!("exited"), &json!("the campaign was removed")));
    assert_eq!(
        app.items("/v1/campaigns/greet/enrollments?status=exited").await.len(),
        1,
        "its past can still be looked at"
    );
    app.get("/v1/campaigns/greet").await.problem(404, "not_found");
}

/// Seen in a predecessor: order of deletion in a push made removing a segment with its campaign fail.
async fn a_removed_segment_with_its_campaign(db: Database) {
    let app = App::start(&db).await;
    app.push(plugins::variant("quiet")).await;
    app.add("ada", json!({ "name": "Ada", "email": "ada@x.example" })).await;
    app.emit("ada", "visit", json!({})).await;
    app.advance("31d").await;
    assert_eq!(app.segments("ada").await, ["quiet"]);
    app.push(plugins::variant("less")).await;
    app.settle().await;
    assert_eq!(app.segments("ada").await, ["everyone"]);
    app.get("/v1/segments/quiet").await.problem(404, "not_found");
    assert_eq!(db.count("SELECT COUNT(*) FROM flips").await, 0);
}

async fn a_corrected_email_reaches_users_in_flight(db: Database) {
    let app = App::start(&db).await;
    app.push(plugins::variant("base")).await;
    app.add("ada", json!({ "name": "Ada", "email": "ada@x.example" })).await;
    app.settle().await;
    app.push(plugins::variant("text")).await;
    app.advance("2d").await;
    let messages = app.messages("ada").await;
    let mut subjects = vec![];
    for message in &messages {
        subjects.push(app.message(message).await["subject"].as_str().unwrap().to_string());
    }
    assert_eq!(subjects, ["Hello, Ada", "Farewell, Ada"]);
}

async fn users_in_flight_stay_on_their_code(db: Database) {
    let app = App::start(&db).await;
    let first = app.push(plugins::variant("base")).await;
    app.add("ada", json!({ "name": "Ada", "email": "ada@x.example" })).await;
    app.settle().await;
    let second = app.push(plugins::variant("flow")).await;
    app.add("bob", json!({ "name": "Bob", "email": "bob@x.example" })).await;
    app.advance("30d").await;
    for (user, deployment, on) in [("ada", &first, 1), ("bob", &second, 5)] {
        let enrollments = app.enrollments(user).await;
        assert_eq!(enrollments.len(), 1, "{user}");
        assert_eq!(
            (&enrollments[0]["deployment"], &enrollments[0]["status"]),
            (&deployment["deployment"], &json!("done"))
        );
        let messages = app.messages(user).await;
        assert_eq!(day(&of_template(&messages, "goodbye")[0]["sent_at"]), on, "{user}");
    }
}

async fn what_was_sent_stays_as_it_was(db: Database) {
    let app = App::start(&db).await;
    app.push(plugins::variant("base")).await;
    app.add("ada", json!({ "name": "Ada", "email": "ada@x.example" })).await;
    app.settle().await;
    let before = app.message(&app.messages("ada").await[0]).await;
    app.push(plugins::variant("text")).await;
    app.add("ada", json!({ "name": "Ada Lovelace", "email": "new@x.example" })).await;
    app.advance("1h").await;
    let app = app.restart().await;
    let after = app.message(&app.messages("ada").await[0]).await;
    assert_eq!(before, after);
    assert_eq!(
        (&after["subject"], &after["to"], &after["rendered"]),
        (&json!("Hello, Ada"), &json!("ada@x.example"), &json!("as_sent"))
    );
}

async fn a_flow_that_panics_later_is_parked_with_its_line(db: Database) {
    let app = App::start(&db).await;
    app.push(plugins::variant("late")).await;
    app.add("ada", json!({ "name": "Ada", "email": "ada@x.example" })).await;
    app.advance("3d").await;
    let enrollment = &app.enrollments("ada").await[0];
    assert_eq!((&enrollment["status"], &enrollment["wake_at"]), (&json!("parked"), &Value::Null));
    let reason = enrollment["reason"].as_str().unwrap();
    assert!(reason.contains("there is no tea") && reason.contains("variants/src/lib.rs:"), "{reason}");
    assert!(enrollment["waiting_for"].as_str().unwrap().contains("there is no tea"));
    assert_eq!(app.get("/v1/campaigns/greet").await.ok()["counts"]["parked"], 1);
    // Nobody else is held up, and the user's own transactions go on.
    app.emit("ada", "order", json!({ "number": "7" })).await;
    app.settle().await;
    assert_eq!(of_template(&app.messages("ada").await, "receipt")[0]["status"], "sent");
}

async fn a_flow_changes_its_user(db: Database) {
    let app = App::start(&db).await;
    app.push(plugins::variant("count")).await;
    app.add("ada", json!({ "name": "Ada", "email": "ada@x.example", "visits": 4, "other": "stays" })).await;
    app.advance("12h").await;
    app.add("ada", json!({ "visits": 6 })).await;
    app.advance("12h").await;
    let attributes = app.get("/v1/users/ada").await.ok()["attributes"].clone();
    assert_eq!(attributes, json!({ "name": "Ada", "email": "ada@x.example", "visits": 7, "other": "stays" }));
    assert_eq!(app.enrollments("ada").await[0]["status"], "done");
}

/// Causes need an end.
async fn two_campaigns_that_toggle_each_other_come_to_an_end(db: Database) {
    let app = App::start(&db).await;
    app.push(plugins::variant("toggle")).await;
    app.add("ada", json!({ "email": "ada@x.example", "keen": true })).await;
    app.advance("1d").await;
    let enrollments = app.enrollments("ada").await;
    assert!(enrollments.len() < 1_000, "{}", enrollments.len());
    assert!(
        enrollments.iter().any(|e| e["status"] == "parked"),
        "it says that it was stopped: {:?}",
        enrollments.last()
    );
}

/// Seen in a predecessor: membership that depends on time never changed by itself.
async fn a_segment_changes_as_time_goes_by(db: Database) {
    let app = App::start(&db).await;
    app.push(plugins::variant("quiet")).await;
    app.add("ada", json!({ "name": "Ada", "email": "ada@x.example" })).await;
    app.emit("ada", "visit", json!({})).await;
    app.advance("20d").await;
    app.emit("ada", "visit", json!({})).await;
    app.advance("29d").await;
    assert_eq!(app.segments("ada").await, [""; 0]);
    app.advance("1d").await;
    assert_eq!(app.segments("ada").await, ["quiet"]);
    assert_eq!(day(&app.messages("ada").await[0]["sent_at"]), 50);
    app.emit("ada", "visit", json!({})).await;
    app.advance("60d").await;
    let on: Vec<i64> = app.messages("ada").await.iter().map(|m| day(&m["sent_at"])).collect();
    assert_eq!(on, [50, 80]);
}

async fn what_was_pushed_survives_a_restart(db: Database) {
    let app = App::start(&db).await;
    app.push(plugins::variant("base")).await;
    app.add("ada", json!({ "name": "Ada", "email": "ada@x.example" })).await;
    app.advance("1h").await;
    let app = app.restart().await;
    app.advance("1d").await;
    assert_eq!(app.messages("ada").await.len(), 2);
    assert_eq!(generations(&app).await, [1]);
}
