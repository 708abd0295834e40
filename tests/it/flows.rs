//! What flows do, on a server. The project is `tests/plugins/flows`: what becomes of a flow is told by the subjects of its emails.

use std::collections::BTreeMap;

use crate::harness::app::dev;
use crate::harness::web::Web;
use crate::harness::*;

both![
    an_event_ends_a_wait_and_so_does_time,
    events_of_one_batch_are_heard_one_by_one,
    local_times_are_those_of_the_user,
    questions_are_answered_and_goals_counted,
    a_webhook_is_called_again_until_it_answers,
    a_webhook_that_never_answers_stops_its_flow_and_can_be_tried_anew,
    a_webhook_of_a_paused_run_waits_for_it,
    a_server_that_dies_during_a_call_leaves_it_to_be_made_again_soon,
    a_host_that_does_not_answer_holds_up_no_other,
    a_webhook_that_cannot_be_read_holds_up_no_other,
    a_task_is_done_over_the_api,
    a_task_that_nobody_does_is_given_up,
    one_campaign_reports_starts_and_stops,
    a_flow_that_begins_anew_keeps_its_numbers_and_forgets_its_journal,
    who_enters_by_hand_starts_when_it_was_said,
    what_is_paused_sends_nothing_and_loses_nothing,
    what_is_removed_sends_nothing_more,
    an_enrollment_begins_anew,
    what_makes_no_sense_is_a_conflict,
    one_run_for_each_key,
    an_event_ends_a_campaign,
    a_person_is_erased_with_webhooks_and_tasks,
    after_a_week_away_all_runs_in_its_order,
];

async fn start(db: &Database) -> App {
    let secrets = BTreeMap::from([("HOOK_SECRET".to_string(), "Bearer 7".to_string())]);
    let app = App::with(db, segflow_server::Config { secrets, ..dev(db) }).await;
    app.push(plugins::flows("")).await;
    app
}

async fn add(app: &App, user: &str, does: &str) {
    app.add(user, json!({ "email": format!("{user}@flows.example"), "does": does })).await;
    app.settle().await;
}

async fn notes(app: &App, user: &str) -> Vec<String> {
    let mut notes = vec![];
    for message in app.messages(user).await {
        let message = app.message(&message).await;
        notes.push(message["subject"].as_str().unwrap_or(message["status"].as_str().unwrap()).to_string());
    }
    notes
}

async fn enrollment(app: &App, user: &str, campaign: &str) -> Value {
    let all = app.enrollments(user).await;
    let found = all.iter().rfind(|e| e["campaign"] == campaign).unwrap_or_else(|| panic!("{user} in {campaign}"));
    app.get(&format!("/v1/enrollments/{}", found["id"].as_str().unwrap())).await.ok()
}

async fn act(app: &App, enrollment: &Value, action: &str) -> Answer {
    app.post(&format!("/v1/enrollments/{}/{action}", enrollment["id"].as_str().unwrap()), json!({})).await
}

async fn an_event_ends_a_wait_and_so_does_time(db: Database) {
    let app = start(&db).await;
    add(&app, "ada", "hear").await;
    let waits = enrollment(&app, "ada", "hear").await;
    let waiting_for = waits["waiting_for"].as_str().unwrap();
    assert!(
        waiting_for.starts_with("event order that fits a condition, until 2026-01-04T09:00:00Z ("),
        "{waiting_for}"
    );
    app.emit("ada", "order", json!({ "number": 5 })).await;
    app.emit("ada", "order", json!({ "number": 6 })).await;
    app.advance("2d").await;
    assert_eq!(notes(&app, "ada").await, ["heard 6"]);
    // History is no news.
    let history =
        json!({"type": "track", "user_id": "ada", "name": "order", "attributes": {"number": 8}, "historical": true});
    app.post("/v1/batch", json!({ "batch": [history] })).await.ok();
    app.advance("3d").await;
    assert_eq!(notes(&app, "ada").await, ["heard 6", "silence"]);
    assert_eq!(enrollment(&app, "ada", "hear").await["status"], "done");
}

async fn events_of_one_batch_are_heard_one_by_one(db: Database) {
    let app = start(&db).await;
    add(&app, "ada", "hear").await;
    let order = |number| json!({"type": "track", "user_id": "ada", "name": "order", "attributes": {"number": number}});
    app.post("/v1/batch", json!({ "batch": [order(6), order(1), order(7), order(8)] })).await.ok();
    app.settle().await;
    let mut heard = notes(&app, "ada").await;
    heard.sort();
    assert_eq!(heard, ["heard 6", "heard 7", "heard 8"]);
}

async fn local_times_are_those_of_the_user(db: Database) {
    let app = start(&db).await;
    let berlin = json!({ "email": "ada@flows.example", "does": "meet", "time_zone": "Europe/Berlin" });
    app.add("ada", berlin).await;
    add(&app, "bob", "meet").await;
    app.advance("7d").await;
    assert_eq!(notes(&app, "ada").await, ["it is 2026-01-05T08:00:00Z"]);
    assert_eq!(notes(&app, "bob").await, ["it is 2026-01-05T09:00:00Z"]);
}

async fn questions_are_answered_and_goals_counted(db: Database) {
    let app = start(&db).await;
    add(&app, "ada", "ask").await;
    add(&app, "bob", "ask").await;
    for number in [1, 2] {
        app.emit("ada", "order", json!({ "number": number })).await;
    }
    app.advance("1d").await;
    assert_eq!(notes(&app, "ada").await, ["2 3 true true"]);
    assert_eq!(notes(&app, "bob").await, ["0 0 false true"]);
    let campaign = app.get("/v1/campaigns/ask").await.ok();
    assert_eq!(campaign["goals"], json!({ "asked": 2 }));
    let arms = campaign["experiments"]["subject"].as_object().unwrap();
    let sum = |of: fn(&Value) -> &Value| arms.values().map(|arm| of(arm).as_i64().unwrap()).sum::<i64>();
    assert_eq!((sum(|arm| &arm["users"]), sum(|arm| &arm["goals"]["asked"])), (2, 2));
}

async fn a_webhook_is_called_again_until_it_answers(db: Database) {
    let web = Web::start(vec![(503, "busy"), (201, "created")]).await;
    let app = start(&db).await;
    app.add("ada", json!({ "email": "ada@flows.example", "does": "call", "hook": web.url("/leads?x=1") })).await;
    app.settle().await;
    assert_eq!(web.calls().len(), 1);
    let waits = enrollment(&app, "ada", "call").await;
    assert!(waits["waiting_for"].as_str().unwrap().starts_with("the answer of POST http://"), "{waits}");
    app.advance("1m").await;
    assert_eq!(notes(&app, "ada").await, ["201 created"]);
    let calls = web.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!((calls[1].line.as_str(), calls[1].body.as_str()), ("POST /leads?x=1 HTTP/1.1", "\"ada\""));
    assert_eq!(calls[1].header("authorization"), Some("Bearer 7"));
    assert!(calls[0].header("idempotency-key").is_some());
    assert_eq!(calls[0].header("idempotency-key"), calls[1].header("idempotency-key"));
}

async fn a_webhook_that_never_answers_stops_its_flow_and_can_be_tried_anew(db: Database) {
    let web = Web::start(vec![(500, ""), (500, ""), (500, ""), (200, "at last")]).await;
    let app = start(&db).await;
    app.add("ada", json!({ "email": "ada@flows.example", "does": "call", "hook": web.url("/") })).await;
    app.advance("1h").await;
    assert_eq!(web.calls().len(), 3);
    let parked = enrollment(&app, "ada", "call").await;
    assert_eq!(
        (&parked["status"], &parked["reason"]),
        (&json!("parked"), &json!("it answered 500 Internal Server Error"))
    );
    // To go on is to look at the same answer again; to begin anew is to call again.
    act(&app, &parked, "resume").await.ok();
    app.settle().await;
    assert_eq!(enrollment(&app, "ada", "call").await["status"], "parked");
    act(&app, &parked, "restart").await.ok();
    app.settle().await;
    assert_eq!(notes(&app, "ada").await, ["200 at last"]);
}

async fn a_webhook_of_a_paused_run_waits_for_it(db: Database) {
    let web = Web::start(vec![(503, "busy"), (201, "created")]).await;
    let app = start(&db).await;
    app.add("ada", json!({ "email": "ada@flows.example", "does": "call", "hook": web.url("/") })).await;
    app.settle().await;
    let run = enrollment(&app, "ada", "call").await;
    act(&app, &run, "pause").await.ok();
    app.advance("1h").await;
    assert_eq!(web.calls().len(), 1, "while it is paused nothing is called");
    act(&app, &run, "resume").await.ok();
    app.settle().await;
    assert_eq!((web.calls().len(), notes(&app, "ada").await), (2, vec!["201 created".to_string()]));
}

/// Whatever time the flow gives a call: what is waited for is the time that a call may take at most.
async fn a_server_that_dies_during_a_call_leaves_it_to_be_made_again_soon(db: Database) {
    let web = Web::start(vec![(503, "busy")]).await;
    let app = start(&db).await;
    app.add("ada", json!({ "email": "ada@flows.example", "does": "call", "hook": web.url("/") })).await;
    app.settle().await;
    app.stop().await;
    let beside = db.open().await;
    let mut tx = beside.begin().await.expect("begun");
    let request = json!({ "method": "GET", "url": "http://x.example/", "headers": [], "secrets": [], "body": null, "timeout": 7 * DAY, "attempts": 3 });
    let sql = "UPDATE webhooks SET request = ?, due_at = 5";
    tx.run(sql, segflow_server::args![request.to_string()]).await.expect("changed");
    tx.commit().await.expect("committed");
    let (workspace, url) = ("main".to_string(), String::new());
    let row = &db.rows("SELECT enrollment, op FROM webhooks").await[0];
    let (enrollment, op) = (row.text(0).expect("an id"), row.int(1).expect("a number") as u64);
    let due = segflow_server::store::webhooks::Due { workspace, enrollment, op, url, due_at: 5 };
    let server = segflow_server::store::fence::join(&beside).await.expect("joined");
    let claim = segflow_server::store::webhooks::claim(&beside, &server, &due, 30_000, 10).await.expect("asked");
    assert!(claim.is_some());
    assert_eq!(db.count("SELECT due_at FROM webhooks").await, 10 + 60_000 + 30_000);
}

async fn a_host_that_does_not_answer_holds_up_no_other(db: Database) {
    let web = Web::start(vec![(201, "created")]).await;
    // Takes calls and never says anything.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let nowhere = format!("http://{}/", silent.local_addr().expect("an address"));
    let mut app = start(&db).await;
    app.leave_work();
    let one = |n: usize| {
        let attributes = json!({ "email": format!("u{n}@flows.example"), "does": "call", "hook": nowhere });
        json!({ "type": "identify", "user_id": format!("u{n}"), "attributes": attributes })
    };
    app.post("/v1/batch", json!({ "batch": (0..600).map(one).collect::<Vec<_>>() })).await.ok();
    until("all want to call", || async { (db.count("SELECT COUNT(*) FROM webhooks").await == 600).then_some(()) })
        .await;
    app.add("ada", json!({ "email": "ada@flows.example", "does": "call", "hook": web.url("/") })).await;
    let soon = std::time::Duration::from_secs(8);
    within(soon, "the other host is called", || async { (web.calls().len() == 1).then_some(()) }).await;
    let called = db.count("SELECT COUNT(*) FROM webhooks WHERE attempt > 0").await;
    assert!(called <= 1 + 2 * 32, "{called}");
    drop(silent);
    app.stop().await;
}

async fn a_webhook_that_cannot_be_read_holds_up_no_other(db: Database) {
    let web = Web::start(vec![(503, "busy"), (503, "busy"), (503, "busy"), (201, "created")]).await;
    let app = start(&db).await;
    for user in ["ada", "bea", "cid"] {
        let attributes = json!({ "email": format!("{user}@flows.example"), "does": "call", "hook": web.url("/") });
        app.add(user, attributes).await;
    }
    app.settle().await;
    let beside = db.open().await;
    let mut tx = beside.begin().await.expect("begun");
    for (user, request) in [("ada", "no JSON"), ("bea", r#"{ "of": "a newer version" }"#)] {
        let sql = "UPDATE webhooks SET request = ? WHERE user_id = ?";
        tx.run(sql, segflow_server::args![request, user]).await.expect("changed");
    }
    tx.commit().await.expect("committed");
    beside.close().await;
    app.advance("2d").await;
    assert_eq!(notes(&app, "cid").await, ["201 created"]);
    let failed = "SELECT COUNT(*) FROM webhooks WHERE status = 'failed' AND reason LIKE 'what is stored of it cannot be read: %'";
    assert_eq!(db.count(failed).await, 2);
    assert_eq!(db.count("SELECT COUNT(*) FROM webhooks WHERE due_at IS NOT NULL").await, 0);
}

async fn a_task_is_done_over_the_api(db: Database) {
    let app = start(&db).await;
    add(&app, "ada", "work").await;
    let tasks = app.items("/v1/tasks?status=open&assignee=sales").await;
    let [task] = &tasks[..] else { panic!("{tasks:?}") };
    assert_eq!((&task["title"], &task["user_id"]), (&json!("Call them"), &json!("ada")));
    assert_eq!(task["due_at"], "2026-01-02T09:00:00Z");
    let path = format!("/v1/tasks/{}/complete", task["id"].as_str().unwrap());
    app.post(&path, json!({ "result": { "sold": 3 }, "x": 1 })).await.problem(422, "unknown_field");
    let done = app.post(&path, json!({ "result": { "sold": 3 } })).await.ok();
    assert_eq!((&done["status"], &done["result"]), (&json!("done"), &json!({ "sold": 3 })));
    app.post(&path, json!({})).await.problem(409, "conflict");
    app.settle().await;
    assert_eq!(notes(&app, "ada").await, [r#"done {"sold":3}"#]);
    app.post("/v1/tasks/nothing/complete", json!({})).await.problem(404, "not_found");
    let stranger = app.workspace("other").await;
    assert_eq!(stranger.items("/v1/tasks").await.len(), 0);
    stranger.get(&format!("/v1/tasks/{}", task["id"].as_str().unwrap())).await.problem(404, "not_found");
}

async fn a_task_that_nobody_does_is_given_up(db: Database) {
    let app = start(&db).await;
    add(&app, "ada", "work").await;
    app.advance("2d").await;
    assert_eq!(notes(&app, "ada").await, ["nobody did it"]);
    let tasks = app.items("/v1/tasks").await;
    assert_eq!(tasks[0]["status"], "cancelled");
    let path = format!("/v1/tasks/{}/complete", tasks[0]["id"].as_str().unwrap());
    app.post(&path, json!({})).await.problem(409, "conflict");
}

async fn one_campaign_reports_starts_and_stops(db: Database) {
    let app = start(&db).await;
    add(&app, "ada", "chain").await;
    app.advance("1h").await;
    // What was reported before the other campaign began is not heard by it.
    assert_eq!(notes(&app, "ada").await, ["heard 7"]);
    let events = app.items("/v1/users/ada/events").await;
    assert_eq!(events.iter().map(|e| e["attributes"]["number"].as_i64().unwrap()).collect::<Vec<_>>(), [9, 7]);
    assert_eq!(enrollment(&app, "ada", "hear").await["by_hand"], true);
    app.advance("1h").await;
    let stopped = enrollment(&app, "ada", "hear").await;
    assert_eq!((&stopped["status"], &stopped["reason"]), (&json!("exited"), &json!("stopped by another campaign")));
    let ended = enrollment(&app, "ada", "chain").await;
    assert_eq!((&ended["status"], &ended["reason"]), (&json!("exited"), &json!("that is all")));
}

async fn a_flow_that_begins_anew_keeps_its_numbers_and_forgets_its_journal(db: Database) {
    let app = start(&db).await;
    add(&app, "ada", "rounds").await;
    let first = enrollment(&app, "ada", "rounds").await;
    let entries = first["journal"]["entries"].as_i64().unwrap();
    assert_eq!(entries, 801);
    let chunks = "SELECT COUNT(*) FROM journal_chunks";
    assert!(db.count(chunks).await > 0, "the journal is long");
    app.advance("3d").await;
    let last = enrollment(&app, "ada", "rounds").await;
    assert_eq!(last["status"], "active", "{}", last["reason"]);
    assert_eq!(notes(&app, "ada").await, ["round 0", "round 1", "round 2", "round 3"]);
    assert_eq!((last["journal"]["entries"].as_i64(), &last["id"]), (Some(entries), &first["id"]));
    let op = |e: &Value| e["steps"][0]["op"].as_i64().unwrap();
    assert!(op(&last) >= 3 * entries, "operations are never numbered again");
    assert_eq!(db.count(chunks).await, 1, "only those of the journal there is");
    assert_eq!(app.messages("ada").await.len(), 4);
}

async fn who_enters_by_hand_starts_when_it_was_said(db: Database) {
    let app = start(&db).await;
    for user in ["ada", "bob", "eve"] {
        add(&app, user, "").await;
    }
    let enroll = |body: Value| app.post("/v1/campaigns/drip/enrollments", body);
    let answer = enroll(json!({ "users": ["ada", "nobody"] })).await.ok();
    assert_eq!(answer["results"][0], json!({ "user_id": "ada", "status": 202 }));
    assert_eq!((&answer["results"][1]["status"], &answer["results"][1]["user_id"]), (&json!(404), &json!("nobody")));
    enroll(json!({ "users": ["bob", "ada"], "start_at": "2026-01-03T09:00:00Z" })).await.ok();
    app.settle().await;
    assert_eq!((notes(&app, "ada").await, notes(&app, "bob").await.len()), (vec!["one".to_string()], 0));
    let later = enrollment(&app, "bob", "drip").await;
    assert_eq!(
        (&later["waiting_for"], &later["by_hand"]),
        (&json!("its start, at 2026-01-03T09:00:00Z"), &json!(true))
    );
    app.advance("2d").await;
    assert_eq!((notes(&app, "ada").await.len(), notes(&app, "bob").await), (3, vec!["one".to_string()]));
    enroll(json!({ "users": "ada" })).await.problem(422, "wrong_type");
    enroll(json!({ "users": [5] })).await.problem(422, "wrong_type");
    enroll(json!({ "users": [], "start_at": "soon" })).await.problem(422, "invalid_time");
    enroll(json!({})).await.problem(422, "missing_field");
    enroll(json!({ "users": vec!["x"; 5_001] })).await.problem(422, "batch_too_large");
    app.post("/v1/campaigns/nothing/enrollments", json!({ "users": ["eve"] })).await.problem(404, "not_found");
}

async fn what_is_paused_sends_nothing_and_loses_nothing(db: Database) {
    let app = start(&db).await;
    add(&app, "ada", "drip").await;
    add(&app, "bob", "hear").await;
    let (drip, hear) = (enrollment(&app, "ada", "drip").await, enrollment(&app, "bob", "hear").await);
    let paused = act(&app, &drip, "pause").await.ok();
    assert_eq!((&paused["status"], &paused["reason"]), (&json!("paused"), &json!("paused by hand")));
    assert_eq!(paused["waiting_for"], "someone to resume it: paused by hand");
    act(&app, &hear, "pause").await.ok();
    app.advance("2d").await;
    app.emit("bob", "order", json!({ "number": 6 })).await;
    app.advance("10d").await;
    assert_eq!((notes(&app, "ada").await.len(), notes(&app, "bob").await.len()), (1, 0));
    act(&app, &drip, "resume").await.ok();
    act(&app, &hear, "resume").await.ok();
    app.settle().await;
    assert_eq!(notes(&app, "ada").await, ["one", "two"], "what fell due meanwhile is due now");
    assert_eq!(notes(&app, "bob").await, ["heard 6"], "what came meanwhile has come");
    app.advance("1d").await;
    assert_eq!(notes(&app, "ada").await, ["one", "two", "three"]);
}

async fn what_is_removed_sends_nothing_more(db: Database) {
    let app = start(&db).await;
    add(&app, "ada", "drip").await;
    let before = enrollment(&app, "ada", "drip").await;
    let path = format!("/v1/enrollments/{}/remove", before["id"].as_str().unwrap());
    let removed = app.post(&path, json!({ "reason": "asked for" })).await.ok();
    assert_eq!((&removed["status"], &removed["reason"]), (&json!("exited"), &json!("asked for")));
    app.advance("5d").await;
    assert_eq!(notes(&app, "ada").await, ["one"]);
}

async fn an_enrollment_begins_anew(db: Database) {
    let app = start(&db).await;
    add(&app, "ada", "drip").await;
    app.advance("25h").await;
    let before = enrollment(&app, "ada", "drip").await;
    act(&app, &before, "restart").await.ok();
    app.settle().await;
    let after = enrollment(&app, "ada", "drip").await;
    assert_eq!((&after["id"], &after["run"]), (&before["id"], &before["run"]));
    assert!(after["steps"][0]["op"].as_i64() > before["steps"][0]["op"].as_i64());
    assert_eq!(notes(&app, "ada").await, ["one", "two", "one"]);
    app.advance("5d").await;
    assert_eq!(notes(&app, "ada").await, ["one", "two", "one", "two", "three"]);
    // One that has come to its end may begin anew as well.
    act(&app, &after, "restart").await.ok();
    app.settle().await;
    assert_eq!(notes(&app, "ada").await.len(), 6);
}

async fn what_makes_no_sense_is_a_conflict(db: Database) {
    let app = start(&db).await;
    add(&app, "ada", "drip").await;
    let drip = enrollment(&app, "ada", "drip").await;
    let problem = act(&app, &drip, "resume").await.problem(409, "conflict");
    assert_eq!(problem["detail"], "the enrollment is active, and cannot be resumed");
    app.advance("5d").await;
    act(&app, &drip, "pause").await.problem(409, "conflict");
    act(&app, &drip, "remove").await.problem(409, "conflict");
    app.post("/v1/enrollments/nothing/pause", json!({})).await.problem(404, "not_found");
    let path = format!("/v1/enrollments/{}/pause", drip["id"].as_str().unwrap());
    app.post(&path, json!({ "why": "x" })).await.problem(422, "unknown_field");
    app.workspace("other").await.post(&path, json!({})).await.problem(404, "not_found");
}

async fn one_run_for_each_key(db: Database) {
    let app = start(&db).await;
    for cart in ["A", "B", "A"] {
        app.add("ada", json!({ "email": "ada@flows.example", "does": "cart", "cart": cart })).await;
        app.settle().await;
    }
    assert_eq!(app.enrollments("ada").await.len(), 2);
    app.emit("ada", "order", json!({ "number": 6 })).await;
    app.settle().await;
    assert_eq!(notes(&app, "ada").await, ["heard 6", "heard 6"]);
}

async fn an_event_ends_a_campaign(db: Database) {
    let app = start(&db).await;
    add(&app, "ada", "drip").await;
    app.emit("ada", "done", json!({})).await;
    app.advance("5d").await;
    let ended = enrollment(&app, "ada", "drip").await;
    assert_eq!((&ended["status"], &ended["reason"]), (&json!("exited"), &json!("done happened")));
    assert_eq!(notes(&app, "ada").await, ["one"]);
}

async fn a_person_is_erased_with_webhooks_and_tasks(db: Database) {
    let web = Web::start(vec![(503, "busy")]).await;
    let app = start(&db).await;
    let url = web.url("/secret-address");
    app.add("ada", json!({ "email": "ada@flows.example", "does": "call", "hook": url })).await;
    add(&app, "bob", "work").await;
    app.settle().await;
    for user in ["ada", "bob"] {
        app.delete(&format!("/v1/users/{user}")).await.ok();
    }
    assert_eq!(db.count("SELECT COUNT(*) FROM webhooks").await + db.count("SELECT COUNT(*) FROM tasks").await, 0);
    app.advance("1d").await;
    assert_eq!(web.calls().len(), 1);
}

/// The server was away for a week, and the clock went on.
async fn after_a_week_away_all_runs_in_its_order(db: Database) {
    let app = start(&db).await;
    for n in 0..20 {
        add(&app, &format!("d{n}"), "drip").await;
    }
    add(&app, "ada", "hear").await;
    add(&app, "bob", "hear").await;
    app.advance("2d").await;
    // Reported in time, and looked at a week later; and reported late.
    app.emit("ada", "order", json!({ "number": 6 })).await;
    let secrets = BTreeMap::from([("HOOK_SECRET".to_string(), "Bearer 7".to_string())]);
    app.stop().await;
    let away = db.open().await;
    let week = 9 * DAY + crate::harness::ms(START);
    segflow_server::store::clock::set_virtual_now(&away, week).await.expect("the clock goes on");
    away.close().await;
    let app = App::with(&db, segflow_server::Config { secrets, ..dev(&db) }).await;
    app.emit("bob", "order", json!({ "number": 6 })).await;
    app.advance("4d").await;
    assert_eq!(notes(&app, "ada").await, ["heard 6", "silence"]);
    assert_eq!(notes(&app, "bob").await, ["silence"]);
    for n in 0..20 {
        assert_eq!(notes(&app, &format!("d{n}")).await, ["one", "two", "three"], "{n}");
    }
}
