//! By which provider a message leaves: priorities, weights, failover, breakers and allowances.
//!
//! Providers are endpoints of one's own that misbehave on demand. Time is virtual, also where it is a breaker's or an allowance's.

use std::collections::BTreeMap;

use segflow_server::Config;

use crate::harness::app::dev;
use crate::harness::vendors::{Fake, Say, Vendor, endpoint, resend, ses};
use crate::harness::*;

both![
    what_one_provider_cannot_take_another_takes_at_once,
    what_may_have_been_taken_goes_to_nobody_else,
    what_a_provider_knows_again_waits_for_it,
    a_provider_in_trouble_is_left_alone_and_asked_again,
    what_is_known_of_a_provider_survives_a_restart,
    a_person_can_say_that_it_is_mended,
    other_secrets_are_tried_at_once,
    a_provider_that_is_down_for_an_hour_costs_no_other_any_throughput,
    weights_are_kept,
    transactions_and_campaigns_can_have_providers_of_their_own,
    a_rate_is_kept,
    ses_is_paced_by_what_its_account_may_send,
    resend_is_paced_by_what_it_says,
    a_day_is_kept_and_the_rest_goes_to_the_next,
    a_day_that_is_used_up_is_over_after_24_hours,
    an_allowance_that_was_not_used_is_given_back,
    a_campaign_that_gets_no_answers_keeps_no_transaction_from_leaving,
    a_workspace_that_cannot_send_holds_up_no_other,
];

const DOWN: Option<Say> = Some(Say::No(503, "be right back"));

/// A project with two providers, and these.
struct Post {
    app: App,
    first: Fake,
    second: Fake,
}

fn secrets(first: &Fake, second: &Fake) -> BTreeMap<String, String> {
    [
        ("FIRST_URL", format!("{}/send", first.url)),
        ("SECOND_URL", format!("{}/send", second.url)),
        ("MAIL_TOKEN", endpoint::TOKEN.to_string()),
    ]
    .map(|(name, value)| (name.to_string(), value))
    .into()
}

async fn start(db: &Database, variant: &str) -> Post {
    let (first, second) = (Fake::start(endpoint::vendor).await, Fake::start(endpoint::vendor).await);
    let secrets = secrets(&first, &second);
    let app = App::with(db, Config { secrets, dev_sends: true, ..dev(db) }).await;
    app.push(plugins::senders(variant)).await;
    Post { app, first, second }
}

/// Some new users, each of whom gets one message.
async fn add(client: &Client, name: &str, users: usize) {
    let user = |n: usize| json!({"type": "identify", "user_id": format!("{name}{n}"), "attributes": {"email": format!("{name}{n}@x.example")}});
    let batch: Vec<Value> = (0..users).map(user).collect();
    client.post("/v1/batch", json!({ "batch": batch })).await.ok();
}

async fn provider(client: &Client, id: &str) -> Value {
    let all = client.items("/v1/providers").await;
    all.into_iter().find(|provider| provider["id"] == id).unwrap_or_else(|| panic!("there is no provider {id}"))
}

async fn statuses(client: &Client) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for message in client.items("/v1/messages").await {
        *counts.entry(message["status"].as_str().unwrap().to_string()).or_default() += 1;
    }
    counts
}

fn outcomes(message: &Value) -> Vec<(&str, &str)> {
    let attempts = message["attempts"].as_array().expect("a list");
    attempts.iter().map(|a| (a["provider"].as_str().unwrap(), a["outcome"].as_str().unwrap())).collect()
}

async fn what_one_provider_cannot_take_another_takes_at_once(db: Database) {
    let Post { app, first, second } = start(&db, "failover").await;
    first.says(DOWN);
    add(&app, "u", 1).await;
    app.settle().await;
    let message = app.message(&app.messages("u0").await[0]).await;
    assert_eq!(outcomes(&message), [("first", "unable"), ("second", "accepted")]);
    assert_eq!((&message["status"], &message["sent_at"]), (&json!("sent"), &json!(START)), "without any pause");
    assert_eq!((first.calls().len(), second.taken().len()), (1, 1));
    // With both of them in trouble it waits, and is never given up.
    second.says(DOWN);
    add(&app, "v", 1).await;
    app.settle().await;
    let message = app.message(&app.messages("v0").await[0]).await;
    assert_eq!(outcomes(&message), [("first", "unable"), ("second", "unable")]);
    assert!(
        message["status"] == "pending" && ms(message["due_at"].as_str().unwrap()) >= ms(START) + 10_000,
        "{message}"
    );
    second.says(None);
    app.advance("1h").await;
    assert_eq!(app.messages("v0").await[0]["status"], "sent");
}

async fn what_may_have_been_taken_goes_to_nobody_else(db: Database) {
    let Post { app, first, second } = start(&db, "failover").await;
    first.says(Some(Say::Cut));
    add(&app, "u", 1).await;
    app.advance("1h").await;
    let message = app.message(&app.messages("u0").await[0]).await;
    assert_eq!((&message["status"], outcomes(&message)), (&json!("unknown"), vec![("first", "unknown")]));
    assert_eq!((first.calls().len(), second.calls().len()), (1, 0));
}

async fn what_a_provider_knows_again_waits_for_it(db: Database) {
    let Post { app, first, second } = start(&db, "pinned").await;
    first.says(Some(Say::Cut));
    add(&app, "u", 1).await;
    app.settle().await;
    // It may have it. Whatever it says from now on, nobody else gets it.
    first.says(DOWN);
    app.advance("30m").await;
    let message = app.message(&app.messages("u0").await[0]).await;
    assert_eq!((&message["status"], second.calls().len()), (&json!("pending"), 0), "{message}");
    add(&app, "v", 1).await;
    app.settle().await;
    assert_eq!(app.messages("v0").await[0]["status"], "sent", "who is not pinned goes on by the other");
    first.says(None);
    app.advance("30m").await;
    let message = app.message(&app.messages("u0").await[0]).await;
    assert_eq!((&message["status"], &message["provider"]), (&json!("sent"), &json!("first")));
    assert!(second.taken().iter().all(|taken| json!(taken.id) != message["id"]));
}

async fn a_provider_in_trouble_is_left_alone_and_asked_again(db: Database) {
    let Post { app, first, second } = start(&db, "failover").await;
    first.says(DOWN);
    for n in 0..8 {
        add(&app, &format!("{n}-"), 1).await;
        app.settle().await;
    }
    assert_eq!((first.calls().len(), second.taken().len()), (5, 8), "five times in a row is enough");
    let told = provider(&app, "first").await;
    assert_eq!((&told["state"], &told["since"]), (&json!("down"), &json!(START)));
    assert!(told["why"].as_str().unwrap().contains("be right back"), "{told}");
    let pause = ms(told["until"].as_str().unwrap()) - ms(START);
    assert!((10_000..12_500).contains(&pause), "{pause}");
    // One message shows that it is not well yet, and is sent by the other all the same.
    app.advance("15s").await;
    add(&app, "again", 20).await;
    app.settle().await;
    assert_eq!((first.calls().len(), second.taken().len()), (6, 28));
    let longer = provider(&app, "first").await;
    let pause = ms(longer["until"].as_str().unwrap()) - ms(START) - 15_000;
    assert!((20_000..25_000).contains(&pause) && longer["since"] == json!(START), "{longer}");
    first.says(None);
    app.advance("30s").await;
    add(&app, "well", 20).await;
    app.settle().await;
    assert_eq!(provider(&app, "first").await["state"], "ready");
    add(&app, "more", 20).await;
    app.settle().await;
    // Beside the one that showed it, some may have gone by the other.
    assert!(first.taken().len() >= 21 && first.taken().len() + second.taken().len() == 68, "{}", first.taken().len());
    assert_eq!(statuses(&app).await, BTreeMap::from([("sent".to_string(), 68)]));
}

async fn what_is_known_of_a_provider_survives_a_restart(db: Database) {
    let Post { app, first, second } = start(&db, "failover").await;
    first.says(Some(Say::No(401, "who are you?")));
    add(&app, "u", 1).await;
    app.settle().await;
    assert_eq!(first.calls().len(), 1, "what it says of itself counts at once");
    let before = provider(&app, "first").await;
    let app = app.restart().await;
    assert_eq!(provider(&app, "first").await, before);
    add(&app, "v", 10).await;
    app.settle().await;
    assert_eq!((first.calls().len(), second.taken().len()), (1, 11));
    // The message that was to show how it is went down with its server: after a while another one does.
    app.advance("2m").await;
    let connection = db.open().await;
    let half = "UPDATE providers SET breaker = 'half_open', until = until + 300000, version = version + 1";
    connection.write(move |tx| Box::pin(tx.run(half, vec![]))).await.expect("it is written");
    connection.close().await;
    first.says(None);
    let app = app.restart().await;
    add(&app, "w", 5).await;
    app.settle().await;
    assert_eq!((first.calls().len(), provider(&app, "first").await["state"].clone()), (1, json!("trying")));
    app.advance("10m").await;
    add(&app, "x", 5).await;
    app.settle().await;
    assert_eq!(provider(&app, "first").await["state"], "ready");
}

async fn a_person_can_say_that_it_is_mended(db: Database) {
    let Post { app, first, .. } = start(&db, "first").await;
    first.says(Some(Say::No(401, "who is mine@x.example?")));
    add(&app, "u", 300).await;
    app.settle().await;
    let told = provider(&app, "first").await;
    assert_eq!(told["state"], "down");
    assert!(!told["why"].as_str().unwrap().contains("@x.example"), "it is kept longer than anybody's address: {told}");
    let calls = first.calls().len();
    assert!(calls <= 32, "{calls}: no more than there were slots");
    first.says(None);
    app.settle().await;
    assert_eq!(first.calls().len(), calls);
    app.post("/v1/providers/first/retry", json!({})).await.ok();
    app.advance("1m").await;
    assert_eq!(statuses(&app).await, BTreeMap::from([("sent".to_string(), 300)]));
    app.post("/v1/providers/third/retry", json!({})).await.problem(404, "not_found");
}

async fn other_secrets_are_tried_at_once(db: Database) {
    let Post { app, first, second } = start(&db, "first").await;
    first.says(Some(Say::No(401, "who are you?")));
    add(&app, "u", 1).await;
    app.settle().await;
    app.stop().await;
    let secrets = secrets(&second, &first);
    let app = App::with(&db, Config { secrets, dev_sends: true, ..dev(&db) }).await;
    add(&app, "v", 1).await;
    app.settle().await;
    assert_eq!((provider(&app, "first").await["state"].clone(), second.taken().len()), (json!("ready"), 1));
    app.advance("1m").await;
    assert_eq!(second.taken().len(), 2);
}

/// The issue's own words. Whatever waits for it, and however long: everybody else's message leaves in the instant in which it is decided.
async fn a_provider_that_is_down_for_an_hour_costs_no_other_any_throughput(db: Database) {
    let Post { app, first, second } = start(&db, "streams").await;
    let other = app.workspace("other").await;
    other.push(plugins::senders("first")).await;
    second.says(DOWN);
    // Far more than one look finds.
    add(&app, "many", 600).await;
    let mut sent = 0;
    for minute in 0..60 {
        add(&other, &format!("{minute}-"), 4).await;
        add(&app, &format!("{minute}-"), 4).await;
        app.emit(&format!("{minute}-0"), "order", json!({ "number": minute.to_string() })).await;
        app.settle().await;
        sent += 5;
        assert_eq!(first.taken().len(), sent, "minute {minute}");
        app.advance("1m").await;
    }
    for message in
        other.items("/v1/messages?status=sent").await.iter().chain(&app.items("/v1/messages?status=sent").await)
    {
        assert_eq!(message["sent_at"], message["created_at"], "{message}");
    }
    assert_eq!(provider(&app, "second").await["state"], "down");
    assert!(second.calls().len() < 60, "{} calls in an hour, for more than 800 messages", second.calls().len());
    second.says(None);
    app.advance("30m").await;
    assert_eq!(second.taken().len(), 840);
    assert_eq!(statuses(&app).await, BTreeMap::from([("sent".to_string(), 900)]));
}

async fn weights_are_kept(db: Database) {
    let Post { app, first, second } = start(&db, "weights").await;
    for n in 0..20 {
        add(&app, &format!("{n}-"), 1).await;
        app.settle().await;
    }
    let (one, other) = (first.taken().len(), second.taken().len());
    assert!(one + other == 20 && (14..=16).contains(&one), "one by one: {one} and {other}");
    // As many as the first has connections for.
    add(&app, "many", 40).await;
    app.settle().await;
    let (one, other) = (first.taken().len(), second.taken().len());
    assert!(one + other == 60 && (43..=47).contains(&one), "and many at once: {one} and {other}");
    // Whoever is left takes all.
    first.says(DOWN);
    add(&app, "rest", 40).await;
    app.advance("1m").await;
    assert_eq!((first.taken().len(), second.taken().len()), (one, other + 40));
}

async fn transactions_and_campaigns_can_have_providers_of_their_own(db: Database) {
    let Post { app, first, second } = start(&db, "streams").await;
    add(&app, "u", 3).await;
    app.emit("u0", "order", json!({ "number": "7" })).await;
    app.settle().await;
    let templates = |fake: &Fake| fake.taken().iter().map(|taken| taken.body["template"].clone()).collect::<Vec<_>>();
    assert_eq!(templates(&first), ["receipt"]);
    assert_eq!(templates(&second), ["hello", "hello", "hello"]);
    assert_eq!(
        (&provider(&app, "first").await["only"], &provider(&app, "second").await["only"]),
        (&json!("transactions"), &json!("campaigns"))
    );
}

async fn a_rate_is_kept(db: Database) {
    let Post { app, first, .. } = start(&db, "rate").await;
    add(&app, "u", 100).await;
    app.settle().await;
    assert!(first.taken().len() <= 10, "{}", first.taken().len());
    app.advance("1m").await;
    assert_eq!(first.taken().len(), 100);
    let mut at: Vec<i64> = app.items("/v1/messages").await.iter().map(|m| ms(m["sent_at"].as_str().unwrap())).collect();
    at.sort();
    for from in 0..100 {
        let within = at[from..].iter().take_while(|t| **t < at[from] + 1_000).count();
        assert!(within <= 30, "{within} in a second");
    }
    let took = at[99] - at[0];
    assert!((4_000..5_500).contains(&took), "{took} ms for 100 at 20 a second");
}

/// Some messages through a vendor, all at one instant: how long they took, in ms.
async fn paced(db: &Database, vendor: Vendor, variant: &str, secrets: &[(&str, &str)], messages: usize) -> (App, i64) {
    let fake = Fake::start(vendor).await;
    let mut secrets: BTreeMap<_, _> =
        secrets.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    secrets.insert("VENDOR_URL".into(), fake.url.clone());
    let app = App::with(db, Config { secrets, dev_sends: true, ..dev(db) }).await;
    app.push(plugins::senders(variant)).await;
    add(&app, "first", 1).await;
    let first = || async {
        app.settle().await;
        (fake.taken().len() == 1).then_some(())
    };
    until("the first message is sent", first).await;
    add(&app, "u", messages).await;
    app.advance("1m").await;
    assert_eq!(fake.taken().len(), messages + 1);
    let at: Vec<i64> = app.items("/v1/messages").await.iter().map(|m| ms(m["sent_at"].as_str().unwrap())).collect();
    let took = at.iter().max().unwrap() - ms(START);
    (app, took)
}

async fn ses_is_paced_by_what_its_account_may_send(db: Database) {
    let secrets = [("SES_KEY_ID", ses::KEY_ID), ("SES_KEY", ses::KEY)];
    let (app, took) = paced(&db, ses::vendor, "ses", &secrets, 100).await;
    assert!((2_000..3_000).contains(&took), "{took} ms for 100 at 40 a second");
    let told = provider(&app, "ses").await;
    assert_eq!((&told["per_second"]["told"], &told["per_day"]["told"]), (&json!(ses::RATE), &json!(ses::QUOTA)));
}

async fn resend_is_paced_by_what_it_says(db: Database) {
    let (app, took) = paced(&db, resend::vendor, "resend", &[("RESEND_KEY", resend::KEY)], 20).await;
    assert!((3_500..5_000).contains(&took), "{took} ms for 20 at 5 a second");
    assert_eq!(provider(&app, "resend").await["per_second"]["told"], resend::PER_SECOND);
}

async fn a_day_is_kept_and_the_rest_goes_to_the_next(db: Database) {
    let Post { app, first, second } = start(&db, "day").await;
    add(&app, "u", 30).await;
    app.settle().await;
    assert_eq!((first.taken().len(), second.taken().len()), (19, 11), "a twentieth is for transactions");
    app.emit("u0", "order", json!({ "number": "1" })).await;
    app.settle().await;
    app.emit("u0", "order", json!({ "number": "2" })).await;
    app.settle().await;
    assert_eq!((first.taken().len(), second.taken().len()), (20, 12));
    let told = provider(&app, "first").await;
    assert_eq!((&told["state"], &told["per_day"]["used"]), (&json!("spent"), &json!(20)));
}

async fn a_day_that_is_used_up_is_over_after_24_hours(db: Database) {
    let Post { app, first, second } = start(&db, "day").await;
    second.says(DOWN);
    add(&app, "u", 30).await;
    app.advance("23h").await;
    assert_eq!(first.taken().len(), 19);
    app.advance("3h").await;
    assert_eq!(first.taken().len(), 30);
    let at: Vec<i64> = app.items("/v1/messages").await.iter().map(|m| ms(m["sent_at"].as_str().unwrap())).collect();
    let late: Vec<&i64> = at.iter().filter(|at| **at > ms(START)).collect();
    assert!(late.len() == 11 && late.iter().all(|at| **at >= ms(START) + DAY), "{late:?}");
}

async fn an_allowance_that_was_not_used_is_given_back(db: Database) {
    let Post { app, first, .. } = start(&db, "thousand").await;
    add(&app, "u", 1).await;
    app.settle().await;
    let used = async || db.count("SELECT CAST(SUM(used) AS SIGNED) FROM provider_hours").await;
    // What a killed server takes with it: never more than one block.
    assert_eq!(used().await, 10);
    let app = app.restart().await;
    assert_eq!(used().await, 1);
    add(&app, "v", 25).await;
    app.settle().await;
    assert_eq!((used().await, first.taken().len()), (31, 26));
}

async fn a_campaign_that_gets_no_answers_keeps_no_transaction_from_leaving(db: Database) {
    let (first, second) = (Fake::start(endpoint::vendor).await, Fake::start(endpoint::vendor).await);
    let secrets = secrets(&first, &second);
    let app = App::with(&db, Config { secrets, ..app::production(&db) }).await;
    app.push(plugins::senders("first")).await;
    first.holds(true);
    add(&app, "u", 100).await;
    let full = || async { (first.calls().len() == 31).then_some(()) };
    until("all slots but one are taken", full).await;
    app.emit("u0", "order", json!({ "number": "7" })).await;
    let receipt = || async { first.taken().into_iter().find(|taken| taken.body["template"] == "receipt") };
    until("the receipt is sent", receipt).await;
    assert_eq!(first.taken().len(), 1);
    first.holds(false);
    app.settle().await;
    assert_eq!(first.taken().len(), 101);
}

async fn a_workspace_that_cannot_send_holds_up_no_other(db: Database) {
    let Post { mut app, first, second } = start(&db, "second").await;
    app.leave_work();
    for workspace in ["a", "b", "c"] {
        let client = app.workspace(workspace).await;
        // There is no such secret.
        client.push(plugins::senders("postmark")).await;
        add(&client, "u", 300).await;
    }
    let other = app.workspace("d").await;
    other.push(plugins::senders("first")).await;
    add(&other, "u", 300).await;
    add(&app, "u", 300).await;
    app.settle().await;
    assert_eq!((first.taken().len(), second.taken().len()), (300, 300));
    let (stuck, why) = (app.workspace("a").await, json!("secret POSTMARK_TOKEN is not set on the server"));
    let says_why = || async { stuck.items("/v1/messages").await.into_iter().find(|message| message["reason"] == why) };
    assert_eq!(until("its messages say why they wait", says_why).await["status"], "pending");
    let told = provider(&stuck, "postmark").await;
    assert_eq!((&told["state"], &told["why"]), (&json!("unusable"), &why));
    let sent = other.items("/v1/messages").await;
    assert!(sent.iter().all(|message| message["sent_at"] == json!(START)));
}
