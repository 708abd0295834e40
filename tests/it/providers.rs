//! Every provider, against a fake that refuses what the vendor refuses: what is accepted, and what becomes of what is not.

use std::collections::BTreeMap;

use segflow_server::Config;

use crate::harness::app::production;
use crate::harness::smtp::Smtp;
use crate::harness::vendors::{Case, Fake, Vendor, endpoint, mixmax, postmark, resend, sendgrid, ses};
use crate::harness::*;

both![
    postmark_is_told_what_it_needs_and_its_answers_are_understood,
    ses_is_told_what_it_needs_and_its_answers_are_understood,
    sendgrid_is_told_what_it_needs_and_its_answers_are_understood,
    resend_is_told_what_it_needs_and_its_answers_are_understood,
    mixmax_is_told_what_it_needs_and_its_answers_are_understood,
    an_endpoint_is_told_what_it_needs_and_its_answers_are_understood,
    postmark_gets_many_in_one_call_and_one_of_them_refused_harms_no_other,
    what_resend_may_have_is_handed_over_again_and_taken_once,
    what_nobody_knows_again_any_more_is_unknown,
    what_one_provider_may_have_is_not_given_to_another,
    a_provider_that_is_away_costs_a_message_nothing,
    a_push_says_which_secrets_are_missing,
    a_wrong_secret_is_told_without_its_value,
];

/// The headers by which a mail program unsubscribes, as they are to reach the wire.
fn one_click(value: &Value, post: &Value) {
    let value = value.as_str().expect("List-Unsubscribe");
    assert!(value.starts_with("<https://mail.segflow.example/u/A") && value.ends_with('>'), "{value}");
    assert_eq!(post, "List-Unsubscribe=One-Click");
}

/// The same from a list of names and values.
fn one_click_listed(headers: &Value) {
    assert_eq!(
        (&headers[0]["Name"], &headers[1]["Name"]),
        (&json!("List-Unsubscribe"), &json!("List-Unsubscribe-Post"))
    );
    one_click(&headers[0]["Value"], &headers[1]["Value"]);
}

/// The same from an object.
fn one_click_named(headers: &Value) {
    one_click(&headers["List-Unsubscribe"], &headers["List-Unsubscribe-Post"]);
}

/// All secrets that the variants of the project name, but for those that are left out.
fn secrets(url: String, without: &[&str]) -> BTreeMap<String, String> {
    let all = [
        ("VENDOR_URL", url.as_str()),
        ("POSTMARK_TOKEN", postmark::TOKEN),
        ("SES_KEY_ID", ses::KEY_ID),
        ("SES_KEY", ses::KEY),
        ("SENDGRID_KEY", sendgrid::KEY),
        ("RESEND_KEY", resend::KEY),
        ("MIXMAX_TOKEN", mixmax::TOKEN),
        ("MAIL_TOKEN", endpoint::TOKEN),
    ];
    all.into_iter().filter(|(name, _)| !without.contains(name)).map(|(n, v)| (n.to_string(), v.to_string())).collect()
}

async fn app(db: &Database, secrets: BTreeMap<String, String>, variant: &str) -> App {
    let app = App::with(db, Config { secrets, ..production(db) }).await;
    app.push(plugins::senders(variant)).await;
    app
}

async fn start(db: &Database, vendor: Vendor, variant: &str) -> (App, Fake) {
    let fake = Fake::start(vendor).await;
    let url = if variant == "endpoint" { format!("{}/send", fake.url) } else { fake.url.clone() };
    (app(db, secrets(url, &[]), variant).await, fake)
}

async fn add(app: &App, name: &str) {
    app.add(name, json!({ "email": format!("{name}@x.example") })).await;
}

/// The user's message, once it has been tried.
async fn tried(app: &App, user: &str) -> Value {
    let look = || async {
        let found = app.messages(user).await.into_iter().next()?;
        (found["attempt"] != 0 && found["status"] != "sending").then_some(found)
    };
    let listed = until(&format!("the message to {user} is tried"), look).await;
    app.message(&listed).await
}

/// Forgets that a provider is in trouble.
async fn retry(app: &App, provider: &str) {
    app.post(&format!("/v1/providers/{provider}/retry"), json!({})).await.ok();
}

/// For how long a provider is left alone, in ms; 0 if it is not.
async fn left_alone(app: &App) -> i64 {
    let told = &app.items("/v1/providers").await[0];
    let at = |field: &str| told[field].as_str().map_or(0, ms);
    at("until") - if at("until") > 0 { at("since") } else { 0 }
}

/// Makes what is to be tried again due.
async fn hurry(db: &Database) {
    let connection = db.open().await;
    connection
        .write(|tx| {
            Box::pin(async move { tx.run("UPDATE messages SET due_at = 0 WHERE status = 'pending'", vec![]).await })
        })
        .await
        .expect("it is due");
    connection.close().await;
}

/// Sends to the recipient of each case, and holds what becomes of it against the table. The app and the vendor, afterwards, and for how
/// long the provider was left alone after the last one.
async fn all_cases(db: &Database, vendor: Vendor, variant: &str, cases: &[Case]) -> (App, Fake, i64) {
    let (mut app, fake) = start(db, vendor, variant).await;
    let provider = if variant == "endpoint" { "own" } else { variant };
    let mut pause = 0;
    for case in cases {
        add(&app, case.to).await;
        let message = tried(&app, case.to).await;
        let first = &message["attempts"][0];
        assert_eq!(message["status"], case.becomes, "{}: {message}", case.to);
        let reason = message["reason"].as_str().unwrap_or_default();
        assert!(reason.contains(case.because), "{}: {reason}", case.to);
        assert_eq!((&message["provider"], &first["provider"]), (&json!(provider), &json!(provider)), "{}", case.to);
        pause = left_alone(&app).await;
        // The next case begins anew.
        retry(&app, provider).await;
        if case.becomes == "sent" {
            assert!(message["provider_message_id"].as_str().is_some_and(|id| id.ends_with("-1")), "{message}");
        }
    }
    let taken = fake.taken();
    assert_eq!(json!(taken[0].id), app.messages("ada").await[0]["id"]);
    assert_eq!(taken.iter().filter(|taken| taken.to == "ada@x.example").count(), 1);
    // No secret is told to anybody, whatever happened.
    let all = app.items("/v1/messages").await;
    for secret in secrets(String::new(), &["VENDOR_URL"]).values() {
        assert!(!json!(all).to_string().contains(secret.as_str()));
    }
    app.leave_work();
    (app, fake, pause)
}

async fn postmark_is_told_what_it_needs_and_its_answers_are_understood(db: Database) {
    let (app, fake, pause) = all_cases(&db, postmark::vendor, "postmark", postmark::CASES).await;
    let body = &fake.taken()[0].body;
    assert_eq!((&body["From"], &body["To"]), (&json!("Käse & Co <hello@shop.example>"), &json!("ada@x.example")));
    assert_eq!((&body["Subject"], &body["MessageStream"]), (&json!("Grüße an ada@x.example"), &json!("broadcast")));
    assert!(
        body["HtmlBody"].as_str().unwrap().contains("Schön") && body["TextBody"].as_str().unwrap().contains("Schön")
    );
    one_click_listed(&body["Headers"]);
    // When to come again is what it said.
    assert!((40_000..41_000).contains(&pause), "{pause}");
    app.emit("ada", "order", json!({ "number": "7" })).await;
    until("the receipt is sent", || async {
        fake.taken()
            .into_iter()
            .find(|taken| taken.body["MessageStream"] == "outbound" && taken.body["Headers"] == json!([]))
    })
    .await;
}

async fn ses_is_told_what_it_needs_and_its_answers_are_understood(db: Database) {
    let (_app, fake, _) = all_cases(&db, ses::vendor, "ses", ses::CASES).await;
    let body = &fake.taken()[0].body;
    assert_eq!(body["FromEmailAddress"], "=?utf-8?b?S8Okc2UgJiBDbw==?= <hello@shop.example>");
    assert_eq!(body["Content"]["Simple"]["Subject"]["Data"], "Grüße an ada@x.example");
    assert_eq!(body["ConfigurationSetName"], "shop");
    one_click_listed(&body["Content"]["Simple"]["Headers"]);
}

async fn sendgrid_is_told_what_it_needs_and_its_answers_are_understood(db: Database) {
    let (_app, fake, pause) = all_cases(&db, sendgrid::vendor, "sendgrid", sendgrid::CASES).await;
    let body = &fake.taken()[0].body;
    assert_eq!(body["from"], json!({ "email": "hello@shop.example", "name": "Käse & Co" }));
    assert_eq!((&body["subject"], &body["categories"]), (&json!("Grüße an ada@x.example"), &json!(["hello"])));
    one_click_named(&body["headers"]);
    // Its instant is years away: a day is the longest that is believed.
    assert!((DAY - 1_000..DAY + 1_000).contains(&pause), "{pause}");
}

async fn resend_is_told_what_it_needs_and_its_answers_are_understood(db: Database) {
    let (_app, fake, _) = all_cases(&db, resend::vendor, "resend", resend::CASES).await;
    let body = &fake.taken()[0].body;
    assert_eq!((&body["from"], &body["to"]), (&json!("Käse & Co <hello@shop.example>"), &json!(["ada@x.example"])));
    assert_eq!(body["subject"], "Grüße an ada@x.example");
    one_click_named(&body["headers"]);
}

async fn mixmax_is_told_what_it_needs_and_its_answers_are_understood(db: Database) {
    let (_app, fake, pause) = all_cases(&db, mixmax::vendor, "mixmax", mixmax::CASES).await;
    let variables = &fake.taken()[0].body["recipients"][0]["variables"];
    assert_eq!(variables["subject"], "Grüße an ada@x.example");
    assert!(variables["html"].as_str().unwrap().contains("Schön"), "{variables}");
    assert!((40_000..41_000).contains(&pause), "{pause}");
}

async fn an_endpoint_is_told_what_it_needs_and_its_answers_are_understood(db: Database) {
    let (_app, fake, _) = all_cases(&db, endpoint::vendor, "endpoint", endpoint::CASES).await;
    let body = &fake.taken()[0].body;
    assert_eq!((&body["template"], &body["transaction"]), (&json!("hello"), &json!(false)));
    assert!(body["text"].as_str().unwrap().contains("Schön"));
    one_click_named(&body["headers"]);
}

/// Seen in a predecessor: one rejected recipient makes the rest of the batch repeat.
async fn postmark_gets_many_in_one_call_and_one_of_them_refused_harms_no_other(db: Database) {
    let (app, fake) = start(&db, postmark::vendor, "postmark").await;
    let mut names: Vec<String> = (0..300).map(|n| format!("u{n}")).collect();
    names.extend(["inactive", "invalid"].map(String::from));
    let batch: Vec<Value> = names
        .iter()
        .map(|name| json!({"type": "identify", "user_id": name, "attributes": {"email": format!("{name}@x.example")}}))
        .collect();
    app.post("/v1/batch", json!({ "batch": batch })).await.ok();
    app.settle().await;
    let count = async |status: &str| app.items(&format!("/v1/messages?status={status}")).await.len();
    assert_eq!((count("sent").await, count("bounced").await, count("refused").await), (300, 1, 1));
    let taken = fake.taken();
    let ids: std::collections::BTreeSet<&str> = taken.iter().map(|taken| taken.id.as_str()).collect();
    assert_eq!((taken.len(), ids.len()), (300, 300));
    let calls = fake.calls();
    assert!(calls.len() < 100, "{} calls for 302 messages", calls.len());
    assert!(calls.iter().any(|call| call.as_array().is_some_and(|emails| emails.len() > 10)));
}

async fn what_resend_may_have_is_handed_over_again_and_taken_once(db: Database) {
    let (app, fake) = start(&db, resend::vendor, "resend").await;
    add(&app, "cut").await;
    let message = tried(&app, "cut").await;
    assert_eq!((&message["status"], &message["guarantee"]), (&json!("pending"), &json!("at_most_once")), "{message}");
    assert_eq!(message["attempts"][0]["outcome"], "unknown");
    hurry(&db).await;
    let look = || async { app.messages("cut").await.into_iter().next().filter(|message| message["status"] == "sent") };
    let message = until("it is sent", look).await;
    assert_eq!(message["attempt"], 2);
    assert_eq!((fake.taken().len(), fake.calls().len()), (1, 2));
}

async fn what_nobody_knows_again_any_more_is_unknown(db: Database) {
    let (app, fake) = start(&db, resend::vendor, "resend").await;
    add(&app, "cut").await;
    tried(&app, "cut").await;
    let connection = db.open().await;
    connection
        .write(|tx| Box::pin(async move { tx.run("UPDATE messages SET keyed_at = keyed_at - 86400000", vec![]).await }))
        .await
        .expect("a day has gone by");
    connection.close().await;
    hurry(&db).await;
    let look =
        || async { app.messages("cut").await.into_iter().next().filter(|message| message["status"] == "unknown") };
    let message = until("it is unknown", look).await;
    assert_eq!(message["reason"], "perhaps accepted by resend, a day ago");
    assert_eq!(fake.calls().len(), 1);
}

async fn what_one_provider_may_have_is_not_given_to_another(db: Database) {
    let (app, fake) = start(&db, resend::vendor, "resend").await;
    add(&app, "cut").await;
    tried(&app, "cut").await;
    assert_eq!(fake.calls().len(), 1);
    // It cannot know it, even if it went by the same name.
    app.push(plugins::senders("postmark")).await;
    hurry(&db).await;
    let look =
        || async { app.messages("cut").await.into_iter().next().filter(|message| message["status"] == "unknown") };
    let message = until("it is unknown", look).await;
    assert_eq!(message["reason"], "perhaps accepted by a provider that is not the project's any more");
    assert_eq!(fake.calls().len(), 1);
    app.settle().await;
}

async fn a_provider_that_is_away_costs_a_message_nothing(db: Database) {
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let app = app(&db, secrets(format!("http://127.0.0.1:{port}"), &[]), "keyed").await;
    add(&app, "ada").await;
    let message = tried(&app, "ada").await;
    assert_eq!((&message["status"], &message["attempts"][0]["outcome"]), (&json!("pending"), &json!("unable")));
    assert!(message["reason"].as_str().unwrap().contains("no connection to the provider"), "{message}");
    // However often: it is never the message that is given up.
    for attempt in 2..=11 {
        retry(&app, "endpoint").await;
        hurry(&db).await;
        let look = || async {
            let message = app.messages("ada").await.into_iter().next()?;
            (message["attempt"] == attempt && message["status"] == "pending").then_some(())
        };
        until(&format!("attempt {attempt}"), look).await;
    }
    let mut app = app;
    app.leave_work();
}

async fn a_push_says_which_secrets_are_missing(db: Database) {
    let without = secrets("http://127.0.0.1:1".into(), &["SES_KEY", "SES_KEY_ID"]);
    let mut app = App::with(&db, Config { secrets: without, ..production(&db) }).await;
    let plan = app.push(plugins::senders("ses")).await;
    let warnings = plan["warnings"].as_array().expect("a list");
    for (warning, name) in warnings.iter().zip(["SES_KEY_ID", "SES_KEY"]) {
        assert!(warning.as_str().unwrap().starts_with(&format!("secret {name} of provider ses is not set")), "{plan}");
    }
    assert_eq!(warnings.len(), 2);
    add(&app, "ada").await;
    let waiting = || async { app.messages("ada").await.into_iter().next().filter(|m| !m["reason"].is_null()) };
    let message = until("the message waits", waiting).await;
    assert_eq!((&message["status"], &message["attempt"]), (&json!("pending"), &json!(0)));
    assert_eq!(message["reason"], "secret SES_KEY_ID is not set on the server");
    app.leave_work();
}

async fn a_wrong_secret_is_told_without_its_value(db: Database) {
    let mut app = app(&db, secrets("ftp://user:hush@x.example".into(), &[]), "resend").await;
    add(&app, "ada").await;
    let waiting = || async { app.messages("ada").await.into_iter().next().filter(|m| !m["reason"].is_null()) };
    let message = until("the message waits", waiting).await;
    assert_eq!(message["reason"], "secret VENDOR_URL cannot be used: not an address such as https://HOST");
    app.leave_work();
}

#[test]
fn what_is_signed_with_dkim_is_accepted_by_dkimpy() {
    run(Kind::Sqlite, async |db: Database| {
        let (private, public) = clients::dkim_key().await;
        let smtp = Smtp::start().await;
        let mut secrets = secrets(smtp.url(), &[]);
        secrets.insert("DKIM_KEY".into(), private);
        let app = app(&db, secrets, "signed").await;
        add(&app, "ada").await;
        tried(&app, "ada").await;
        let raw = smtp.accepted()[0].raw.clone();
        assert!(raw.contains("DKIM-Signature:") && raw.contains("d=shop.example"), "{raw}");
        assert!(clients::dkim_verifies(&raw, &public).await, "{raw}");
        let unfolded = raw.replace("\r\n ", " ");
        let header = |name: &str| {
            let line = unfolded.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
            json!(line.unwrap_or_else(|| panic!("no {name} in {raw}")))
        };
        one_click(&header("List-Unsubscribe"), &header("List-Unsubscribe-Post"));
        // Both are covered by the signature.
        for (from, to) in [("List-Unsubscribe: <https", "List-Unsubscribe: <http"), ("=One-Click", "=Two-Clicks")] {
            let forged = raw.replace(from, to);
            assert!(forged != raw && !clients::dkim_verifies(&forged, &public).await, "{from}");
        }
        let forged = raw.replace("d da bist", "d dass er da ist").replace("Subject: ", "Subject: Re: ");
        assert!(!clients::dkim_verifies(&forged, &public).await);
    });
}
