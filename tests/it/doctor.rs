//! `segflow doctor`: what is found about a set-up, on a server of each kind.

use std::collections::BTreeMap;

use segflow_server::Config;

use crate::harness::app::production;
use crate::harness::clients;
use crate::harness::dns::NameServer;
use crate::harness::program::Segflow;
use crate::harness::smtp::Smtp;
use crate::harness::vendors::{Fake, Vendor, postmark, resend, sendgrid, ses};
use crate::harness::web::Web;
use crate::harness::*;

both![
    a_development_server_is_well,
    a_production_server_is_looked_over,
    what_has_to_be_public_is_tried,
    providers_are_asked_without_sending,
];

/// What was found: state and words, by what it is about.
async fn found(app: &App) -> BTreeMap<String, (String, String)> {
    let text = |value: &Value| value.as_str().expect("a text").to_string();
    let items = app.get("/v1/doctor").await.ok()["items"].as_array().cloned().expect("a list");
    items.iter().map(|item| (text(&item["about"]), (text(&item["state"]), text(&item["says"])))).collect()
}

async fn a_development_server_is_well(db: Database) {
    let app = App::start(&db).await;
    let before = found(&app).await;
    assert_eq!(before["project"].0, "warning", "{before:?}");
    app.push(plugins::storefront()).await;
    let found = found(&app).await;
    assert!(found.values().all(|(state, _)| state == "good"), "{found:?}");
    let name = if db.kind() == Kind::Sqlite { "SQLite 3." } else { "MySQL " };
    assert!(found["database"].1.starts_with(name), "{found:?}");
    let told = Segflow::to(&app).run(&["doctor"]).await.ok().stdout;
    assert!(told.lines().all(|line| line.starts_with('✓')), "{told}");
    app.get("/v1/doctor?all=true").await.problem(400, "bad_parameter");
}

async fn a_production_server_is_looked_over(db: Database) {
    let smtp = Smtp::start().await;
    let dns = NameServer::start(&[
        ("shop.example", "v=spf1 include:mail.example -all"),
        ("_dmarc.shop.example", "v=DMARC1; p=none"),
        ("mail._domainkey.shop.example", "v=DKIM1; k=ed25519; p="),
    ])
    .await;
    let secrets =
        BTreeMap::from([("VENDOR_URL".to_string(), smtp.url()), ("DKIM_KEY".to_string(), clients::dkim_key().await.0)]);
    let config = Config { secrets, resolver: Some(dns.address), public_url: None, ..production(&db) };
    let app = App::with(&db, config).await;
    app.push(plugins::senders("signed")).await;
    let found = found(&app).await;
    let state = |about: &str| found[about].0.as_str();
    assert_eq!((state("database"), state("clock")), ("good", "good"), "{found:?}");
    assert_eq!(state("smtp"), "good", "{found:?}");
    assert!(found["smtp"].1.contains("not encrypted"), "{found:?}");
    assert_eq!(state("address"), "warning", "{found:?}");
    assert_eq!((state("SPF of shop.example"), state("DMARC of shop.example")), ("good", "good"), "{found:?}");
    assert_eq!(state("DKIM of shop.example"), "bad", "the key was revoked: {found:?}");
    assert_eq!(smtp.count(), 0);
    let told = Segflow::to(&app).run(&["doctor"]).await;
    assert_eq!(told.code, 1, "something is bad: {told:?}");
    assert!(told.stdout.lines().all(|line| line.chars().count() <= 80), "{}", told.stdout);
}

/// Only what emails lead to and what providers call has to be public: a proxy may keep all else to itself.
async fn what_has_to_be_public_is_tried(db: Database) {
    let nobody = NameServer::start(&[]).await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let public_url = Some(format!("http://{}", listener.local_addr().expect("an address")));
    let secrets = BTreeMap::from([("POSTMARK_TOKEN".to_string(), postmark::TOKEN.to_string())]);
    let config = Config { secrets, resolver: Some(nobody.address), dev_sends: true, public_url, ..production(&db) };
    let app = App::at(&db, config.clone(), listener).await;
    app.push(plugins::letters("heard")).await;
    let own = found(&app).await;
    assert_eq!(own["address"].0, "warning", "{own:?}");
    assert!(own["address"].1.contains("not encrypted"), "{own:?}");
    let items = app.get("/v1/doctor").await.ok()["items"].as_array().cloned().expect("a list");
    let webhooks: Vec<&Value> = items.iter().filter(|item| item["about"] == "webhooks").collect();
    let (missing, reached): (Vec<&Value>, Vec<&Value>) = webhooks.into_iter().partition(|item| item["state"] == "bad");
    assert!(
        missing.iter().any(|item| item["says"].as_str().unwrap().contains("POSTMARK_HOOK is not set")),
        "{items:?}"
    );
    assert_eq!(reached.len(), 1, "{items:?}");
    app.stop().await;

    let elsewhere = Web::start(vec![(404, "nothing here")]).await;
    let app = App::with(&db, Config { public_url: Some(elsewhere.url("")), ..config }).await;
    let found = found(&app).await;
    for about in ["address", "webhooks"] {
        assert_eq!(found[about].0, "bad", "{found:?}");
        assert!(found[about].1.contains("answers 404"), "{found:?}");
    }
}

async fn providers_are_asked_without_sending(db: Database) {
    let nobody = NameServer::start(&[]).await;
    for (name, vendor, secret, key) in [
        ("postmark", postmark::vendor as Vendor, "POSTMARK_TOKEN", postmark::TOKEN),
        ("sendgrid", sendgrid::vendor, "SENDGRID_KEY", sendgrid::KEY),
        ("resend", resend::vendor, "RESEND_KEY", resend::KEY),
        ("ses", ses::vendor, "SES_KEY", ses::KEY),
    ] {
        let fake = Fake::start(vendor).await;
        let ask = async |value: Option<&str>| {
            let mut secrets = BTreeMap::from([
                ("VENDOR_URL".to_string(), fake.url.clone()),
                ("SES_KEY_ID".to_string(), ses::KEY_ID.to_string()),
            ]);
            secrets.extend(value.map(|value| (secret.to_string(), value.to_string())));
            let app = App::with(&db, Config { secrets, resolver: Some(nobody.address), ..production(&db) }).await;
            app.push(plugins::senders(name)).await;
            let found = found(&app).await;
            assert_eq!(found["DMARC of shop.example"].0, "warning", "{found:?}");
            app.stop().await;
            found[name].clone()
        };
        assert_eq!(ask(Some(key)).await.0, "good", "{name}");
        let (state, says) = ask(Some("not-the-key")).await;
        assert_eq!(state, "bad", "{name}: {says}");
        assert!(!says.contains("not-the-key"), "{name}: {says}");
        let (state, says) = ask(None).await;
        assert_eq!((state.as_str(), says.contains(secret)), ("bad", true), "{name}: {says}");
        assert_eq!(fake.taken(), []);
    }
}
