//! What happens is told to the endpoints that want to hear it: signed, at least once, and no endpoint holds up another.

use std::collections::{BTreeMap, BTreeSet};

use segflow_server::Config;
use segflow_server::delivery::capture::Act;
use segflow_server::store::news::queue;

use crate::harness::app::{dev, production};
use crate::harness::program::{Process, Segflow};
use crate::harness::smtp::Smtp;
use crate::harness::vendors::hooks;
use crate::harness::web::{Call, Web};
use crate::harness::*;

both![
    what_happens_is_told_signed_and_in_order,
    what_becomes_of_messages_is_told,
    nobody_is_told_what_they_did_not_ask_for,
    a_dead_endpoint_holds_up_nobody,
    it_is_tried_for_three_days_and_then_disabled,
    who_is_gone_is_called_no_more,
    who_asks_for_time_gets_it,
    one_poisoned_delivery_holds_up_no_other,
    a_secret_follows_another,
    what_was_told_is_told_again_by_hand,
    of_the_erased_nothing_is_told,
    what_was_told_is_forgotten_after_a_week,
    mistakes_are_named,
    private_addresses_are_not_called,
    the_command_does_it_all,
    nothing_is_lost_when_servers_die,
];

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

async fn flows(db: &Database) -> App {
    let app = App::start(db).await;
    app.push(plugins::flows("")).await;
    app
}

async fn does(app: &Client, user: &str, campaign: &str) {
    app.add(user, json!({ "email": format!("{user}@flows.example"), "does": campaign })).await;
}

/// Makes an endpoint: its path and its secret.
async fn listen(app: &Client, web: &Web, events: &[&str]) -> (String, String) {
    let mut body = json!({ "url": web.url("/hook") });
    if !events.is_empty() {
        body["events"] = json!(events);
    }
    let made = app.post("/v1/webhooks", body).await.ok();
    let text = |field: &str| made[field].as_str().expect(field).to_string();
    (format!("/v1/webhooks/{}", text("id")), text("secret"))
}

async fn web() -> Web {
    Web::start(vec![(200, "thanks")]).await
}

fn body(call: &Call) -> Value {
    serde_json::from_str(&call.body).expect("JSON")
}

/// What an endpoint was told of a user: types, in their order.
fn types(web: &Web, user: &str) -> Vec<String> {
    let told = web.calls().iter().map(body).filter(|told| told["data"]["user_id"] == user).collect::<Vec<_>>();
    told.iter().map(|told| told["type"].as_str().expect("a type").to_string()).collect()
}

/// The newest of a type.
fn last(web: &Web, ty: &str) -> Value {
    web.calls().iter().map(body).rfind(|told| told["type"] == ty).unwrap_or_else(|| panic!("{ty} was not told"))
}

fn ids(web: &Web) -> Vec<String> {
    web.calls().iter().map(|call| call.header("webhook-id").expect("an id").to_string()).collect()
}

/// Whether the receivers' own library takes a call by a secret.
async fn verifies(call: &Call, secret: &str) -> bool {
    let header = |name: &str| call.header(name).unwrap_or_default();
    let given = json!({
        "key": secret,
        "id": header("webhook-id"),
        "timestamp": header("webhook-timestamp"),
        "signature": header("webhook-signature"),
        "body": call.body,
    });
    clients::webhook("standard", &given).await["verifies"] == true
}

async fn to(app: &App, instant: &str) {
    app.post("/v1/dev/clock", json!({ "to": instant })).await.ok();
}

async fn what_happens_is_told_signed_and_in_order(db: Database) {
    let (app, web) = (flows(&db).await, web().await);
    let (_, secret) = listen(&app, &web, &[]).await;
    does(&app, "ada", "drip").await;
    does(&app, "bob", "ask").await;
    app.advance("5d").await;
    let sent = "message.sent";
    // The flow is over when its last message is decided.
    assert_eq!(types(&web, "ada"), ["enrollment.started", sent, sent, "enrollment.finished", sent]);
    let bob: BTreeSet<String> = types(&web, "bob").into_iter().collect();
    let all = ["enrollment.started", sent, "goal.reached", "enrollment.finished"];
    assert_eq!(bob, BTreeSet::from(all.map(String::from)));
    let calls = web.calls();
    for call in [&calls[0], calls.last().expect("several")] {
        assert_eq!(call.line, "POST /hook HTTP/1.1");
        assert_eq!(call.header("content-type"), Some("application/json"));
        assert!(verifies(call, &secret).await, "{call:?}");
    }
    let mut forged = calls[0].clone();
    forged.body.push(' ');
    assert!(!verifies(&forged, &secret).await);
    assert_eq!(ids(&web).into_iter().collect::<BTreeSet<_>>().len(), calls.len(), "each has an id of its own");
    // Who and what, and when it happened.
    let first = app.messages("ada").await[0].clone();
    let enrollment = app.enrollments("ada").await[0].clone();
    let told = calls.iter().map(body).find(|told| told["data"]["message"] == first["id"]).expect("it was told");
    assert_eq!(told["timestamp"], START);
    let data = json!({ "user_id": "ada", "message": first["id"], "template": "note", "campaign": "drip", "enrollment": enrollment["id"] });
    assert_eq!(told["data"], data);
    assert_eq!(last(&web, "goal.reached")["data"]["goal"], "asked");
    assert_eq!(last(&web, "enrollment.finished")["timestamp"], "2026-01-03T09:00:00Z");
    // A flow that cannot go on, and one that leaves.
    app.add("cleo", json!({ "email": "cleo@flows.example", "does": "call", "hook": "ftp://cleo@x.example" })).await;
    does(&app, "dora", "drip").await;
    app.settle().await;
    app.emit("dora", "done", json!({})).await;
    app.settle().await;
    assert_eq!(types(&web, "cleo"), ["enrollment.started", "enrollment.parked"]);
    assert_eq!(last(&web, "enrollment.exited")["data"]["reason"], "done happened");
    assert!(web.calls().iter().all(|call| !call.body.contains('@')), "nobody's address");
}

async fn what_becomes_of_messages_is_told(db: Database) {
    let secrets = BTreeMap::from([("POSTMARK_HOOK".to_string(), hooks::PASSWORD.to_string())]);
    let app = App::with(&db, Config { secrets, ..dev(&db) }).await;
    app.push(plugins::letters("heard")).await;
    let web = web().await;
    listen(&app, &web, &[]).await;
    let add = async |user: &str, campaign: &str| {
        app.add(user, json!({ "email": format!("{user}@x.example"), "does": campaign })).await;
        app.settle().await;
        app.messages(user).await.last().expect("a message")["id"].clone()
    };
    let tell = async |id: &Value, more: Value| {
        let mut body = json!({ "MessageID": "pm-1", "Recipient": "x@x.example", "Metadata": { "segflow": id } });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        hooks::postmark(&body).say(&app).await.ok();
        app.settle().await;
    };
    let at = "2026-01-01T08:00:00Z";
    let ada = add("ada", "plain").await;
    tell(&ada, json!({ "RecordType": "Delivery", "DeliveredAt": at })).await;
    tell(&ada, json!({ "RecordType": "Delivery", "DeliveredAt": at })).await;
    tell(&ada, json!({ "RecordType": "Open", "UserAgent": "Mail", "ReceivedAt": at })).await;
    tell(&ada, json!({ "RecordType": "Click", "OriginalLink": "https://shop.example/offer", "ReceivedAt": at })).await;
    let expected = ["enrollment.started", "message.sent", "message.delivered", "message.opened", "message.clicked"];
    assert_eq!(types(&web, "ada"), expected);
    assert_eq!(last(&web, "message.clicked")["data"]["message"], ada);

    let bob = add("bob", "plain").await;
    let why = "smtp; 550 5.1.1 <bob@x.example> user unknown";
    tell(&bob, json!({ "RecordType": "Bounce", "Type": "HardBounce", "Details": why, "BouncedAt": at })).await;
    let data = last(&web, "message.bounced")["data"].clone();
    assert_eq!((&data["bounce"], &data["reason"]), (&json!("hard"), &json!("smtp; 550 5.1.1 … user unknown")));
    let cleo = add("cleo", "angry").await;
    tell(&cleo, json!({ "RecordType": "SpamComplaint", "BouncedAt": at })).await;
    assert_eq!(types(&web, "cleo")[2..], ["message.complained", "enrollment.exited"]);

    app.capture.script("dora@x.example", Act::Refuse("550 no dora@x.example here".into()));
    add("dora", "bare").await;
    assert_eq!(last(&web, "message.refused")["data"]["reason"], "550 no … here");
    app.capture.script("eve@x.example", Act::Cut);
    add("eve", "bare").await;
    assert_eq!(types(&web, "eve"), ["enrollment.started", "message.unknown"]);
    app.capture.script("finn@x.example", Act::Busy("421 later".into()));
    add("finn", "bare").await;
    let enrollment = app.enrollments("finn").await[0]["id"].as_str().expect("an id").to_string();
    app.post(&format!("/v1/enrollments/{enrollment}/remove"), json!({ "reason": "enough" })).await.ok();
    app.settle().await;
    assert_eq!(types(&web, "finn"), ["enrollment.started", "message.cancelled", "enrollment.exited"]);
    assert_eq!(last(&web, "message.cancelled")["data"]["reason"], "enough");

    add("gita", "plain").await;
    for unsubscribed in [true, true, false] {
        app.patch("/v1/users/gita/consent", json!({ "unsubscribed": unsubscribed })).await.ok();
        app.settle().await;
    }
    let chosen: Vec<String> = types(&web, "gita").into_iter().filter(|ty| ty.starts_with("user.")).collect();
    assert_eq!(chosen, ["user.unsubscribed", "user.subscribed"]);
    assert_eq!(last(&web, "user.unsubscribed")["data"], json!({ "user_id": "gita", "via": "api" }));
    app.advance("1d").await;
    assert!(types(&web, "bob").contains(&"message.suppressed".to_string()));
    assert!(web.calls().iter().all(|call| !call.body.contains('@')), "nobody's address");
    app.advance("9d").await;
}

async fn nobody_is_told_what_they_did_not_ask_for(db: Database) {
    let (app, web) = (flows(&db).await, web().await);
    let rows = async || db.count("SELECT COUNT(*) FROM webhook_deliveries").await;
    does(&app, "ada", "drip").await;
    app.settle().await;
    assert_eq!(rows().await, 0, "nobody listens");
    // Others have a project of their own.
    let other = app.workspace("other").await;
    other.push(plugins::flows("")).await;
    let (elsewhere, _) = listen(&other, &web, &[]).await;
    let (path, _) = listen(&app, &web, &["goal.reached", "enrollment.finished"]).await;
    app.advance("5d").await;
    assert_eq!(types(&web, "ada"), ["enrollment.finished"]);
    assert_eq!(rows().await, 1);
    app.get(&elsewhere).await.problem(404, "not_found");
    assert_eq!(other.items("/v1/webhooks").await.len(), 1);
    // Nothing more once it is removed, not even what waits.
    web.always(500, "");
    does(&app, "bob", "ask").await;
    app.advance("1d").await;
    assert_eq!(app.get(&path).await.ok()["waiting"], 2);
    assert_eq!(app.delete(&path).await.status, 204);
    app.delete(&path).await.problem(404, "not_found");
    does(&app, "cleo", "ask").await;
    app.advance("1d").await;
    assert_eq!(rows().await, 0);
    let secrets = "SELECT COUNT(*) FROM secrets";
    assert_eq!(db.count(secrets).await, 1, "of the other workspace");
    assert_eq!(other.items("/v1/secrets").await.len(), 0, "it is nothing that a project has");
}

/// One that takes calls and never answers stands beside one that does.
async fn a_dead_endpoint_holds_up_nobody(db: Database) {
    let (app, web) = (flows(&db).await, web().await);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", silent.local_addr().expect("an address"));
    let made = app.post("/v1/webhooks", json!({ "url": url })).await.ok();
    listen(&app, &web, &[]).await;
    let closed = { std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address") };
    app.post("/v1/webhooks", json!({ "url": format!("http://{closed}/") })).await.ok();
    for n in 0..40 {
        does(&app, &format!("u{n}"), "drip").await;
    }
    // The clock stands still: whoever is told is told beside the one that is being waited for.
    until("the others are told", || async { (web.calls().len() == 80).then_some(()) }).await;
    let path = format!("/v1/webhooks/{}", made["id"].as_str().expect("an id"));
    let deliveries = app.items(&format!("{path}/deliveries")).await;
    assert!(deliveries.iter().all(|d| d["status"] == "pending"), "{deliveries:?}");
    drop(silent);
    app.settle().await;
    let failing = app.get(&path).await.ok();
    assert_eq!((&failing["status"], &failing["waiting"]), (&json!("failing"), &json!(80)));
    assert!(failing["reason"].as_str().is_some_and(|why| why.starts_with("no answer")), "{failing}");
    assert_eq!(web.calls().len(), 80);
}

async fn it_is_tried_for_three_days_and_then_disabled(db: Database) {
    let (app, web) = (flows(&db).await, web().await);
    let (path, secret) = listen(&app, &web, &["enrollment.started"]).await;
    web.always(500, "");
    does(&app, "ada", "drip").await;
    app.settle().await;
    let (mut at, mut calls) = (ms(START), 1);
    let mut pauses = vec![];
    loop {
        assert_eq!(web.calls().len(), calls);
        let (webhook, delivery) = (app.get(&path).await.ok(), app.items(&format!("{path}/deliveries")).await.remove(0));
        let Some(due) = delivery["due_at"].as_str() else { break };
        assert_eq!(delivery["attempts"], calls);
        let due = [due, webhook["rests_until"].as_str().unwrap_or(due)].into_iter().max_by_key(|t| ms(t)).expect("two");
        // Nothing before its time.
        pauses.push(ms(due) - at);
        at = ms(due);
        to(&app, due).await;
        calls += 1;
    }
    assert_eq!(at, ms(START) + 3 * DAY, "the last try is at the end");
    assert!(pauses.iter().all(|pause| *pause <= 4_500_000), "{pauses:?}");
    for (n, pause) in pauses.iter().take(8).enumerate() {
        let least = 10_000 << n;
        assert!((least..least * 5 / 4 + 1).contains(pause), "{n}: {pauses:?}");
    }
    assert_ne!(pauses[20], pauses[21], "not all at one beat");
    let calls = web.calls();
    assert!(calls.len() > 60, "{}", calls.len());
    assert_eq!(ids(&web).into_iter().collect::<BTreeSet<_>>().len(), 1, "one id");
    assert!(verifies(calls.last().expect("many"), &secret).await, "each try is signed at its time");
    let webhook = app.get(&path).await.ok();
    assert_eq!(webhook["status"], "disabled");
    let why = "nothing but failures for three days: it answered 500 Internal Server Error";
    assert_eq!(webhook["reason"], why);
    let delivery = app.items(&format!("{path}/deliveries?status=failed")).await.remove(0);
    assert_eq!(delivery["reason"], "it answered 500 Internal Server Error");
    // It is told nothing, and asked nothing, until somebody enables it.
    does(&app, "bob", "drip").await;
    app.advance("1h").await;
    assert_eq!(web.calls().len(), calls.len());
    app.post(&format!("{path}/replay"), json!({ "since": START })).await.problem(409, "webhook_disabled");
    web.always(204, "");
    assert_eq!(app.post(&format!("{path}/enable"), json!({})).await.ok()["status"], "enabled");
    does(&app, "cleo", "drip").await;
    app.settle().await;
    assert_eq!(types(&web, "cleo"), ["enrollment.started"]);
    assert_eq!(types(&web, "bob"), [""; 0]);
    app.post(&format!("{path}/replay"), json!({ "since": START })).await.ok();
    app.settle().await;
    assert_eq!(ids(&web)[0], *ids(&web).last().expect("many"), "told again under the same id");
}

async fn who_is_gone_is_called_no_more(db: Database) {
    let (app, web) = (flows(&db).await, web().await);
    let (path, _) = listen(&app, &web, &[]).await;
    web.always(410, "");
    does(&app, "ada", "drip").await;
    app.advance("4d").await;
    assert_eq!(web.calls().len(), 1);
    let webhook = app.get(&path).await.ok();
    assert_eq!((&webhook["status"], &webhook["reason"]), (&json!("disabled"), &json!("it answered 410 Gone")));
    assert_eq!(db.count("SELECT listeners FROM workspaces WHERE id = 'main'").await, 0);
    web.always(200, "");
    app.post(&format!("{path}/enable"), json!({})).await.ok();
    app.settle().await;
    assert_eq!(types(&web, "ada")[1..], ["enrollment.started", "message.sent"][..], "what waited goes on");
}

async fn who_asks_for_time_gets_it(db: Database) {
    let (app, web) = (flows(&db).await, web().await);
    let (path, _) = listen(&app, &web, &["enrollment.started"]).await;
    web.always(429, "Retry-After: 7200\r\n");
    does(&app, "ada", "drip").await;
    app.settle().await;
    assert_eq!(app.get(&path).await.ok()["rests_until"], "2026-01-01T11:00:00Z");
    does(&app, "bob", "drip").await;
    app.advance("119m").await;
    assert_eq!(web.calls().len(), 1, "not for others either");
    web.always(200, "");
    app.advance("1m").await;
    assert_eq!(web.calls().len(), 3);
    assert_eq!(app.get(&path).await.ok()["status"], "enabled");
}

/// What an endpoint never takes is no reason to let others wait.
async fn one_poisoned_delivery_holds_up_no_other(db: Database) {
    let web = Web::start(vec![(500, ""), (200, "")]).await;
    let app = flows(&db).await;
    let (path, _) = listen(&app, &web, &["enrollment.started"]).await;
    does(&app, "ada", "drip").await;
    app.settle().await;
    for n in 0..20 {
        does(&app, &format!("u{n}"), "drip").await;
    }
    app.settle().await;
    assert_eq!(web.calls().len(), 1, "it rests");
    app.advance("1m").await;
    assert_eq!(web.calls().len(), 22);
    assert_eq!(app.get(&path).await.ok()["waiting"], 0);
}

async fn a_secret_follows_another(db: Database) {
    let (app, web) = (flows(&db).await, web().await);
    let (path, first) = listen(&app, &web, &["enrollment.started"]).await;
    let shown = app.get(&path).await.ok();
    assert!(shown["secret"].is_null() && !shown.to_string().contains(&first), "it is shown once");
    let made = app.post(&format!("{path}/rotate"), json!({})).await.ok();
    let second = made["secret"].as_str().expect("a secret").to_string();
    assert_eq!(made["rotates_until"], "2026-01-02T09:00:00Z");
    does(&app, "ada", "drip").await;
    app.settle().await;
    let call = web.calls().remove(0);
    assert!(verifies(&call, &first).await && verifies(&call, &second).await);
    app.advance("1d").await;
    does(&app, "bob", "drip").await;
    app.settle().await;
    let call = web.calls().remove(1);
    assert!(!verifies(&call, &first).await && verifies(&call, &second).await);
    // Sealed, and the same after a restart.
    let row = &db.rows("SELECT sealed FROM secrets").await[0];
    let sealed = row.blob(0).expect("bytes");
    assert!(!sealed.windows(6).any(|part| part == b"whsec_"));
    let app = app.restart().await;
    does(&app, "cleo", "drip").await;
    app.settle().await;
    assert!(verifies(&web.calls().remove(2), &second).await);
}

async fn what_was_told_is_told_again_by_hand(db: Database) {
    let (app, web) = (flows(&db).await, web().await);
    let (path, _) = listen(&app, &web, &[]).await;
    does(&app, "ada", "drip").await;
    app.settle().await;
    let deliveries = app.items(&format!("{path}/deliveries")).await;
    let shown: Vec<&str> = deliveries.iter().map(|d| d["type"].as_str().expect("a type")).collect();
    assert_eq!(shown, ["message.sent", "enrollment.started"], "the newest first");
    assert!(deliveries.iter().all(|d| d["status"] == "delivered" && d["attempts"] == 1));
    assert_eq!(deliveries[0]["body"], body(&web.calls()[1]));
    let page = app.get(&format!("{path}/deliveries?limit=1")).await.ok();
    let next = page["next"].as_str().expect("more");
    let rest = app.get(&format!("{path}/deliveries?limit=1&after={next}")).await.ok();
    assert_eq!((&rest["items"][0], &rest["next"]), (&deliveries[1], &Value::Null));
    let replay = async |what: Value| app.post(&format!("{path}/replay"), what).await;
    assert_eq!(replay(json!({ "delivery": deliveries[1]["id"] })).await.ok(), json!({ "replayed": 1 }));
    app.settle().await;
    assert_eq!(ids(&web), [&ids(&web)[0], &ids(&web)[1], &ids(&web)[0]].map(String::clone));
    assert_eq!(web.calls()[0].body, web.calls()[2].body, "byte for byte");
    // What was delivered is not among what was given up.
    assert_eq!(replay(json!({ "since": START })).await.ok(), json!({ "replayed": 0 }));
    replay(json!({ "delivery": "evt_1" })).await.problem(404, "not_found");
    replay(json!({})).await.problem(422, "missing_field");
    replay(json!({ "delivery": "evt_1", "since": START })).await.problem(422, "missing_field");
    replay(json!({ "since": "yesterday" })).await.problem(422, "invalid_time");
}

async fn of_the_erased_nothing_is_told(db: Database) {
    let (app, web) = (flows(&db).await, web().await);
    let (path, _) = listen(&app, &web, &[]).await;
    web.always(503, "");
    for user in ["zora", "bob"] {
        does(&app, user, "drip").await;
    }
    app.settle().await;
    app.delete("/v1/users/zora").await.ok();
    let rows = "SELECT COUNT(*) FROM webhook_deliveries WHERE user_id = 'zora' OR body LIKE '%zora%'";
    assert_eq!(db.count(rows).await, 0);
    assert_eq!(app.get(&path).await.ok()["waiting"], 2);
    let before = web.calls().len();
    web.always(200, "");
    app.advance("1h").await;
    let after: Vec<Value> = web.calls()[before..].iter().map(body).collect();
    assert!(after.len() >= 2 && after.iter().all(|told| told["data"]["user_id"] == "bob"), "{after:?}");
    assert_eq!(db.count(rows).await, 0);
}

async fn what_was_told_is_forgotten_after_a_week(db: Database) {
    let (app, web) = (flows(&db).await, web().await);
    let (path, _) = listen(&app, &web, &["enrollment.started"]).await;
    for n in 0..600 {
        does(&app, &format!("u{n}"), "hear").await;
    }
    app.advance("6d").await;
    let rows = async || db.count("SELECT COUNT(*) FROM webhook_deliveries").await;
    assert_eq!((web.calls().len(), rows().await), (600, 600));
    app.advance("1d").await;
    assert_eq!(rows().await, 0);
    assert_eq!(app.items(&format!("{path}/deliveries")).await.len(), 0);
}

async fn mistakes_are_named(db: Database) {
    let (app, web) = (flows(&db).await, web().await);
    let post = async |body: Value| app.post("/v1/webhooks", body).await;
    let url = web.url("/");
    for (url, word) in
        [("shop.example", "not an address"), ("ftp://x.example", "neither"), ("https://a:b@x.example", "password")]
    {
        let problem = post(json!({ "url": url })).await.problem(422, "invalid_url");
        assert!(problem["detail"].as_str().expect("text").contains(word), "{problem}");
    }
    let problem = post(json!({ "url": url, "events": ["message.bounce"] })).await.problem(422, "unknown_event_type");
    assert!(problem["detail"].as_str().expect("text").contains("did you mean `message.bounced`?"), "{problem}");
    post(json!({ "url": url, "events": [] })).await.problem(422, "missing_field");
    post(json!({ "url": url, "event": [] })).await.problem(422, "unknown_field");
    post(json!({})).await.problem(422, "missing_field");
    post(json!({ "url": 7 })).await.problem(422, "wrong_type");
    for _ in 0..32 {
        post(json!({ "url": url })).await.ok();
    }
    let problem = post(json!({ "url": url })).await.problem(409, "conflict");
    assert!(problem["detail"].as_str().expect("text").contains("remove one first"), "{problem}");
    assert_eq!(db.count("SELECT COUNT(*) FROM secrets").await, 32);
    for (method, path) in [("get", ""), ("post", "/enable"), ("post", "/rotate"), ("get", "/deliveries")] {
        let path = format!("/v1/webhooks/whe_1{path}");
        let answer = if method == "get" { app.get(&path).await } else { app.post(&path, json!({})).await };
        answer.problem(404, "not_found");
    }
    let id = app.items("/v1/webhooks").await[0]["id"].as_str().expect("an id").to_string();
    app.get(&format!("/v1/webhooks/{id}/deliveries?status=lost")).await.problem(400, "bad_parameter");
}

async fn private_addresses_are_not_called(db: Database) {
    // Without a key there is no secret.
    let app = App::production(&db).await;
    app.post("/v1/webhooks", json!({ "url": "https://x.example/" })).await.problem(409, "no_secret_key");
    app.stop().await;
    let mut app = App::with(&db, Config { secret_keys: Some(KEY.into()), ..production(&db) }).await;
    app.push(plugins::flows("")).await;
    for (url, word) in
        [("http://x.example/", "https://"), ("https://127.0.0.1/", "public"), ("https://[fd00::1]/", "public")]
    {
        let problem = app.post("/v1/webhooks", json!({ "url": url })).await.problem(422, "invalid_url");
        assert!(problem["detail"].as_str().expect("text").contains(word), "{problem}");
    }
    // A name is looked at when it is called: it may lead elsewhere by then.
    let web = web().await;
    let url = web.url("/").replace("http://127.0.0.1", "https://localhost");
    let made = app.post("/v1/webhooks", json!({ "url": url })).await.ok();
    does(&app, "ada", "sleep").await;
    let path = format!("/v1/webhooks/{}", made["id"].as_str().expect("an id"));
    let failing = until("it is tried", || async {
        let webhook = app.get(&path).await.ok();
        (webhook["status"] == "failing").then_some(webhook)
    })
    .await;
    let why = failing["reason"].as_str().expect("a reason");
    assert!(why.contains("localhost is not an address of the public internet"), "{why}");
    assert_eq!(web.calls().len(), 0);
    app.leave_work();
}

async fn the_command_does_it_all(db: Database) {
    let (app, web) = (flows(&db).await, web().await);
    let segflow = Segflow::to(&app);
    let url = web.url("/hook");
    let added = segflow.run(&["webhooks", "add", &url, "--events", "enrollment.started,message.sent"]).await.ok();
    let secret = added.stdout.trim();
    assert!(secret.starts_with("whsec_") && added.stderr.contains("shown this once"), "{added:?}");
    does(&app, "ada", "drip").await;
    app.settle().await;
    assert!(verifies(&web.calls()[0], secret).await);
    let listed = segflow.run(&["webhooks", "list"]).await.ok().stdout;
    let id = listed.split_whitespace().next().expect("an id").to_string();
    assert_eq!(listed.trim_end(), format!("{id}  {url}  enabled"));
    let shown = segflow.run(&["webhooks", "show", &id]).await.ok().stdout;
    assert!(shown.contains("told: enrollment.started, message.sent") && shown.contains("waiting: 0"), "{shown}");
    let deliveries = segflow.run(&["webhooks", "deliveries", &id, "--status", "delivered"]).await.ok().stdout;
    let line: Vec<&str> = deliveries.lines().next().expect("a line").split("  ").collect();
    assert_eq!((line[0], line[2], line[3]), (START, "message.sent", "delivered"), "{deliveries}");
    let replayed = segflow.run(&["webhooks", "replay", &id, line[1]]).await.ok();
    assert!(replayed.stdout.contains("1 delivery") && replayed.stderr.contains(&app.base), "{replayed:?}");
    app.settle().await;
    assert_eq!(web.calls().len(), 3);
    let since = segflow.run(&["--json", "webhooks", "replay", &id, "--since", START]).await.ok().stdout;
    assert_eq!(serde_json::from_str::<Value>(&since).expect("JSON"), json!({ "replayed": 0 }));
    assert_eq!(segflow.run(&["webhooks", "replay", &id]).await.code, 2);
    let rotated = segflow.run(&["webhooks", "rotate", &id]).await.ok();
    assert!(rotated.stdout.starts_with("whsec_") && rotated.stdout.trim() != secret, "{rotated:?}");
    web.always(410, "");
    does(&app, "bob", "drip").await;
    app.settle().await;
    let listed = segflow.run(&["webhooks", "list"]).await.ok().stdout;
    assert!(listed.contains("disabled since 2026-01-01T09:00:00Z: it answered 410 Gone"), "{listed}");
    web.always(200, "");
    let enabled = segflow.run(&["webhooks", "enable", &id]).await.ok().stdout;
    assert!(enabled.trim_end().ends_with("enabled"), "{enabled}");
    app.settle().await;
    segflow.run(&["webhooks", "remove", &id]).await.ok();
    let empty = segflow.run(&["webhooks", "list"]).await.ok();
    assert!(empty.stdout.is_empty() && empty.stderr.contains("no webhooks"), "{empty:?}");
    let refused = segflow.run(&["webhooks", "add", "shop.example"]).await;
    assert!(refused.code == 1 && refused.stderr.contains("not an address"), "{refused:?}");
}

/// How often a server dies.
const DEATHS: i64 = 8;

/// Servers die at one commit after the other: what is told is what is in the ledger, each thing under one id.
async fn nothing_is_lost_when_servers_die(db: Database) {
    let (smtp, web) = (Smtp::start().await, web().await);
    let mut segflow = Segflow::new();
    let home = segflow.home.path().to_path_buf();
    let (die, clock) = (home.join("die"), home.join("clock"));
    for (name, value) in [
        ("SMTP_URL", smtp.url().as_str()),
        ("DATABASE_URL", db.url().as_str()),
        ("SEGFLOW_LEASE_SECONDS", "1"),
        ("SEGFLOW_GRACE_SECONDS", "0"),
        ("SEGFLOW_SECRET_KEY", KEY),
        ("SEGFLOW_ALLOW_PRIVATE_WEBHOOKS", "1"),
        ("SEGFLOW_DIE", die.to_str().expect("text")),
        ("SEGFLOW_CLOCK", clock.to_str().expect("text")),
    ] {
        segflow.set(name, value);
    }
    std::fs::write(home.join("segflow.toml"), format!("cache = {:?}\n", plugins::compiled())).expect("written");
    let start = || Process::start(segflow.command(["serve", "--port", "0", "--init-key", "--config", "segflow.toml"]));
    let mut process = start().await;
    let key = process.key.clone();
    let client = process.client();
    client.push(plugins::mailer()).await;
    let (path, _) = listen(&client, &web, &[]).await;
    let mut deaths = 0;
    for n in 1..=DEATHS {
        // What is told of those before is no sign that this one is done.
        let user = format!("u{n}");
        let is_told =
            || web.calls().iter().map(body).any(|t| t["type"] == "enrollment.finished" && t["data"]["user_id"] == user);
        let client = Client::new(&process.url, &key);
        client.add(&user, json!({ "email": format!("{user}@x.example") })).await;
        let side = if n % 2 == 0 { "before" } else { "after" };
        std::fs::write(&die, format!("{side} {}", 1 + n / 2)).expect("written");
        let ended = async {
            while !process.is_gone() && !is_told() {
                pause().await;
            }
        };
        tokio::time::timeout(PATIENCE, ended).await.expect("it is dead or done");
        std::fs::remove_file(&die).expect("removed");
        match process.is_gone() {
            true => deaths += 1,
            false => drop(process.kill().await),
        }
        // What was being told is told again a little later.
        std::fs::write(&clock, (n * 60_000).to_string()).expect("written");
        process = start().await;
    }
    assert!(deaths > DEATHS / 2, "it died {deaths} times");
    let client = Client::new(&process.url, &key);
    let settled = |status: &Value| !["pending", "sending"].contains(&status.as_str().expect("a status"));
    until("all is told", || async {
        let deliveries = client.items(&format!("{path}/deliveries")).await;
        let messages = client.items("/v1/messages").await;
        let done = messages.len() == 2 * DEATHS as usize && messages.iter().all(|m| settled(&m["status"]));
        let told = deliveries.len() == 4 * DEATHS as usize && deliveries.iter().all(|d| d["status"] == "delivered");
        (done && told).then_some(())
    })
    .await;
    let mut by_thing: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for call in web.calls() {
        let told = body(&call);
        let thing = told["data"]["message"].as_str().or(told["data"]["enrollment"].as_str()).expect("an id");
        let key = (told["type"].as_str().expect("a type").to_string(), thing.to_string());
        by_thing.entry(key).or_default().insert(call.header("webhook-id").expect("an id").to_string());
    }
    assert!(by_thing.values().all(|ids| ids.len() == 1), "{by_thing:?}");
    assert_eq!(by_thing.len(), 4 * DEATHS as usize, "{by_thing:?}");
    for message in client.items("/v1/messages").await {
        let text = |field: &str| message[field].as_str().expect(field).to_string();
        let key = (format!("message.{}", text("status")), text("id"));
        assert!(by_thing.contains_key(&key), "{key:?}");
    }
    assert_eq!(process.stop().await.code, 0);
}

/// All servers look at all queues, many times a second.
#[test]
fn a_long_queue_is_looked_at_in_one_step() {
    run(Kind::MySql, async |db: Database| {
        let (app, web) = (flows(&db).await, web().await);
        listen(&app, &web, &["enrollment.started"]).await;
        web.always(500, "");
        for n in 0..300 {
            does(&app, &format!("u{n}"), "sleep").await;
        }
        app.settle().await;
        app.stop().await;
        let handle = db.open().await;
        let before = db.rows_examined().await;
        let queues = queue::queues(&handle).await.expect("read");
        assert_eq!(queues.len(), 1);
        let read = db.rows_examined().await - before;
        assert!(read < 10, "{read} rows");
        handle.close().await;
    });
}

/// Two servers share everything, and an endpoint is one server's: each thing is told once.
#[test]
fn one_server_works_for_an_endpoint() {
    run(Kind::MySql, async |db: Database| {
        let config = Config { secret_keys: Some(KEY.into()), private_webhooks: true, ..production(&db) };
        let (one, two) = (App::with(&db, config.clone()).await, App::with(&db, config).await);
        one.push(plugins::flows("")).await;
        let web = web().await;
        let (path, _) = listen(&one, &web, &[]).await;
        let shares = "SELECT COUNT(DISTINCT incarnation) FROM leases WHERE incarnation IS NOT NULL";
        until("both have a share", || async { (db.count(shares).await == 2).then_some(()) }).await;
        for n in 0..60 {
            does(if n % 2 == 0 { &one } else { &two }, &format!("u{n}"), "drip").await;
        }
        until("all is told", || async {
            let delivered = one.items(&format!("{path}/deliveries?status=delivered")).await;
            (delivered.len() == 120).then_some(())
        })
        .await;
        let ids = ids(&web);
        assert_eq!((ids.len(), ids.into_iter().collect::<BTreeSet<_>>().len()), (120, 120));
        two.stop().await;
        one.stop().await;
    });
}
