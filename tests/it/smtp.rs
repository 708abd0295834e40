//! Delivery over SMTP, to a mail server that misbehaves.

use std::collections::BTreeMap;

use segflow_server::Config;

use crate::harness::app::production;
use crate::harness::program::{Process, Segflow};
use crate::harness::smtp::{Act, At, Smtp};
use crate::harness::smtp_tls::{SmtpTls, USER};
use crate::harness::*;

both![
    an_email_arrives_as_it_was_meant,
    the_server_can_refuse_at_every_step,
    an_address_that_is_refused_at_once_has_bounced,
    a_sender_that_is_not_taken_is_nobodys_fault,
    a_connection_that_was_kept_too_long_is_no_trouble,
    mail_goes_over_tls_with_a_password,
    the_server_can_ask_to_come_again_at_every_step,
    connections_that_break_before_the_body_are_harmless,
    after_the_body_nothing_is_certain,
    what_is_being_sent_holds_up_nobody,
    messages_wait_for_a_missing_secret,
    a_server_that_is_away_is_tried_again,
];

async fn add(app: &App, name: &str) {
    app.add(name, json!({ "email": format!("{name}@x.example") })).await;
}

/// The user's first message, when it has come to be what is looked for.
async fn first(app: &App, user: &str, status: &str) -> Value {
    let look = || async { app.messages(user).await.into_iter().next().filter(|m| m["status"] == status) };
    let listed = until(&format!("the first message to {user} is {status}"), look).await;
    app.message(&listed).await
}

async fn an_email_arrives_as_it_was_meant(db: Database) {
    let smtp = Smtp::start().await;
    let app = App::smtp(&db, &smtp).await;
    add(&app, "ada").await;
    let message = first(&app, "ada", "sent").await;
    assert_eq!((&message["provider"], &message["from"]), (&json!("smtp"), &json!("Mailer <mailer@segflow.example>")));
    assert_eq!(message["provider_message_id"], "accepted");
    let mail = smtp.accepted()[0].clone();
    assert_eq!((mail.from.as_str(), mail.to.as_str()), ("mailer@segflow.example", "ada@x.example"));
    assert_eq!(json!(mail.id), message["id"]);
    let subject = format!("Subject: {}", message["subject"].as_str().unwrap());
    for header in [
        subject.as_str(),
        "To: ada@x.example",
        "From: ",
        "Message-ID: <msg_",
        "MIME-Version: 1.0",
        "multipart/alternative",
    ] {
        assert!(mail.raw.contains(header), "{header} is not in {}", mail.raw);
    }
    assert!(mail.raw.contains("text/plain") && mail.raw.contains("text/html"));
    until("the second comes two seconds later", || async { (smtp.accepted().len() == 2).then_some(()) }).await;
    app.settle().await;
}

async fn the_server_can_refuse_at_every_step(db: Database) {
    let smtp = Smtp::start().await;
    let app = App::smtp(&db, &smtp).await;
    for (name, at) in [("rcpt", At::Rcpt), ("data", At::Data), ("body", At::Body)] {
        smtp.script(&format!("{name}@x.example"), at, Act::Say("554 not like this"));
        add(&app, name).await;
        let message = first(&app, name, "refused").await;
        assert!(message["reason"].as_str().unwrap().contains("not like this"), "{message}");
        assert_eq!(message["attempt"], 1);
    }
    until("the second emails are sent all the same", || async { (smtp.accepted().len() == 3).then_some(()) }).await;
    app.settle().await;
}

/// A mail server that is asked directly says at once what others say in a notice: it comes to the same.
async fn an_address_that_is_refused_at_once_has_bounced(db: Database) {
    let smtp = Smtp::start().await;
    let app = App::smtp(&db, &smtp).await;
    smtp.script("gone@x.example", At::Rcpt, Act::Say("550 5.1.1 <gone@x.example>: User unknown"));
    add(&app, "gone").await;
    let message = first(&app, "gone", "bounced").await;
    assert!(message["reason"].as_str().unwrap().contains("User unknown"), "{message}");
    assert_eq!(message["attempts"][0]["outcome"], "refused");
    let outcome = &message["outcomes"][0];
    assert_eq!((&outcome["outcome"], &outcome["kind"]), (&json!("bounced"), &json!("hard")));
    assert_eq!(app.get("/v1/suppressions/gone@x.example").await.ok()["blocked"], "bounce");
    let events = app.items("/v1/users/gone/events").await;
    let told = events.iter().find(|event| event["name"] == "$bounced").unwrap_or_else(|| panic!("{events:?}"));
    assert_eq!((&told["attributes"]["kind"], &told["attributes"]["message"]), (&json!("hard"), &message["id"]));
    let second = || async { app.messages("gone").await.into_iter().find(|m| m["template"] == "second") };
    let second = until("the second is decided", second).await;
    let ended = || async { Some(app.message(&second).await).filter(|m| m["status"] == "suppressed") };
    until("nothing more goes there", ended).await;

    smtp.script("full@x.example", At::Rcpt, Act::Say("552 5.2.2 over quota"));
    add(&app, "full").await;
    assert_eq!(first(&app, "full", "bounced").await["outcomes"][0]["kind"], "soft");
    until("the second is tried all the same", || async { (smtp.accepted().len() == 1).then_some(()) }).await;
    app.settle().await;
}

/// Seen in others: a campaign was burnt, message by message, because a password was missing.
async fn a_sender_that_is_not_taken_is_nobodys_fault(db: Database) {
    for (at, whose, says) in [
        (At::Mail, "mailer@segflow.example", "530 5.7.0 Authentication required"),
        (At::Mail, "mailer@segflow.example", "553 5.7.1 Sender address rejected: not owned by user"),
        (At::Rcpt, "ada@x.example", "554 5.7.1 <ada@x.example>: Relay access denied"),
        (At::Mail, "mailer@segflow.example", "452 4.3.1 Insufficient system storage"),
    ] {
        let smtp = Smtp::start().await;
        let mut app = App::smtp(&db, &smtp).await;
        smtp.script(whose, at, Act::Say(says));
        add(&app, "ada").await;
        let tried = |m: &Value| m["status"] == "pending" && m["attempt"] == 1;
        let message = until("it waits", || async { app.messages("ada").await.into_iter().next().filter(tried) }).await;
        assert!(message["reason"].as_str().unwrap().contains(&says[10..]), "{message}");
        assert_eq!(app.message(&message).await["attempts"][0]["outcome"], "unable", "{says}");
        app.delete("/v1/users/ada").await.ok();
        app.leave_work();
        app.stop().await;
    }
}

/// Mail servers close what nobody uses, and some say 421 first, which waits to be read as the answer to the next MAIL.
async fn a_connection_that_was_kept_too_long_is_no_trouble(db: Database) {
    let smtp = Smtp::start().await;
    let app = App::smtp(&db, &smtp).await;
    add(&app, "ada").await;
    first(&app, "ada", "sent").await;
    smtp.script("mailer@segflow.example", At::Mail, Act::Say("421 4.4.2 timeout exceeded"));
    add(&app, "bob").await;
    let message = first(&app, "bob", "sent").await;
    let attempts = message["attempts"].as_array().expect("a list");
    assert_eq!((attempts.len(), &attempts[0]["outcome"]), (1, &json!("accepted")), "at once, and nothing was wrong");
    until("all four are sent", || async { (smtp.accepted().len() == 4).then_some(()) }).await;
    app.settle().await;
}

async fn the_server_can_ask_to_come_again_at_every_step(db: Database) {
    let smtp = Smtp::start().await;
    let mut app = App::smtp(&db, &smtp).await;
    for (name, at) in [("rcpt", At::Rcpt), ("data", At::Data), ("body", At::Body)] {
        smtp.script(&format!("{name}@x.example"), at, Act::Say("451 later"));
        add(&app, name).await;
        let message = first(&app, name, "pending").await;
        let tried = |m: &Value| m["status"] == "pending" && m["reason"].is_string();
        let message = match tried(&message) {
            true => message,
            false => {
                until("it was tried", || async { app.messages(name).await.into_iter().next().filter(tried) }).await
            }
        };
        assert!(message["reason"].as_str().unwrap().contains("later"), "{message}");
        let (due, at) = (ms(message["due_at"].as_str().unwrap()), ms(message["updated_at"].as_str().unwrap()));
        assert!((10_000..12_500).contains(&(due - at)), "{message}");
    }
    app.leave_work();
}

async fn connections_that_break_before_the_body_are_harmless(db: Database) {
    let smtp = Smtp::start().await;
    let mut app = App::smtp(&db, &smtp).await;
    for (name, at) in [("rcpt", At::Rcpt), ("data", At::Data)] {
        let address = format!("{name}@x.example");
        // A kept connection that breaks is replaced at once; a new one is not.
        smtp.script(&address, at, Act::Cut);
        smtp.script(&address, at, Act::Cut);
        add(&app, name).await;
        until("it is to be tried again", || async {
            app.messages(name).await.into_iter().next().filter(|m| m["attempt"] == 1 && m["status"] == "pending")
        })
        .await;
    }
    assert!(smtp.accepted().iter().all(|mail| mail.to != "rcpt@x.example" || !mail.raw.contains("first")));
    app.leave_work();
}

async fn after_the_body_nothing_is_certain(db: Database) {
    let smtp = Smtp::start().await;
    let mut app = App::smtp(&db, &smtp).await;
    smtp.script("ada@x.example", At::Body, Act::Cut);
    add(&app, "ada").await;
    let message = first(&app, "ada", "unknown").await;
    assert_eq!(message["attempts"][0]["outcome"], "unknown");
    assert!(message["reason"].as_str().unwrap().contains("after the message"), "{message}");

    smtp.script("bob@x.example", At::Body, Act::Cut);
    smtp.script("bob@x.example", At::Body, Act::Cut);
    add(&app, "bob").await;
    first(&app, "bob", "unknown").await;
    app.emit("bob", "order", json!({ "number": "7" })).await;
    until("the receipt is to be sent again", || async {
        let messages = app.messages("bob").await;
        messages.into_iter().find(|m| m["template"] == "receipt" && m["status"] == "pending" && m["attempt"] == 1)
    })
    .await;
    let again = smtp
        .accepted()
        .iter()
        .filter(|mail| mail.to == "ada@x.example")
        .filter(|mail| json!(mail.id) == message["id"])
        .count();
    assert_eq!(again, 1);
    app.leave_work();
}

/// Seen in a predecessor: provider latency blocked the API: a user update waited 2.5 s behind a 3 s send.
async fn what_is_being_sent_holds_up_nobody(db: Database) {
    let smtp = Smtp::start().await;
    let app = App::smtp(&db, &smtp).await;
    smtp.script("ada@x.example", At::Body, Act::Hold);
    add(&app, "ada").await;
    until("the mail server is slow", || async { (smtp.held() == 1).then_some(()) }).await;
    app.add("ada", json!({ "visits": 1 })).await;
    add(&app, "bob").await;
    first(&app, "bob", "sent").await;
    assert_eq!(app.messages("ada").await[0]["status"], "sending");
    smtp.release();
    first(&app, "ada", "sent").await;
    until("all four are sent", || async { (smtp.accepted().len() == 4).then_some(()) }).await;
    app.settle().await;
}

async fn messages_wait_for_a_missing_secret(db: Database) {
    let smtp = Smtp::start().await;
    let mut app = App::production(&db).await;
    let plan = app.push(plugins::mailer()).await;
    assert!(plan["warnings"][0].as_str().unwrap().contains("SMTP_URL"), "{plan}");
    add(&app, "ada").await;
    let waiting = || async { app.messages("ada").await.into_iter().next().filter(|m| !m["reason"].is_null()) };
    let message = until("the message waits", waiting).await;
    assert_eq!((&message["status"], &message["attempt"]), (&json!("pending"), &json!(0)));
    assert!(message["reason"].as_str().unwrap().contains("secret SMTP_URL is not set"), "{message}");
    app.leave_work();
    app.stop().await;
    // The value of a secret is nowhere in the database.
    let mut app = App::smtp(&db, &smtp).await;
    let wasm = db.count("SELECT COUNT(*) FROM deployments WHERE manifest LIKE '%127.0.0.1%'").await;
    assert_eq!(wasm, 0);
    app.leave_work();
}

async fn a_server_that_is_away_is_tried_again(db: Database) {
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let secrets = BTreeMap::from([("SMTP_URL".to_string(), format!("smtp://127.0.0.1:{port}"))]);
    let mut app = App::with(&db, Config { secrets, ..production(&db) }).await;
    app.push(plugins::mailer()).await;
    add(&app, "ada").await;
    let tried = || async {
        app.messages("ada").await.into_iter().next().filter(|m| m["attempt"] == 1 && m["status"] == "pending")
    };
    let message = until("it was tried", tried).await;
    assert!(message["reason"].as_str().unwrap().contains("no connection to the SMTP server"), "{message}");
    app.leave_work();
}

/// Servers of their own, since the certificates that are trusted are those of the surroundings.
async fn mail_goes_over_tls_with_a_password(db: Database) {
    let mut key = String::new();
    for (number, (wrapped, url)) in [
        (true, "smtps://shop:p%40ss%2Fword@localhost:PORT"),
        (false, "smtp://shop:p%40ss%2Fword@localhost:PORT?tls=required"),
        (false, "smtp://shop:p%40ss%2Fword@localhost:PORT?tls=opportunistic"),
    ]
    .into_iter()
    .enumerate()
    {
        let smtp = SmtpTls::start(wrapped).await;
        let url = url.replace("PORT", &smtp.port.to_string());
        let trusted = smtp.folder.path().join("pem").display().to_string();
        let user = format!("u{number}");
        let start = async |url: &str, trusted: Option<&str>| {
            let mut segflow = Segflow::new();
            segflow.set("DATABASE_URL", &db.url());
            segflow.set("SMTP_URL", url);
            trusted.into_iter().for_each(|file| segflow.set("SSL_CERT_FILE", file));
            let config = format!("cache = {:?}\n", plugins::compiled());
            std::fs::write(segflow.home.path().join("segflow.toml"), config).expect("written");
            let serve = segflow.command(["serve", "--port", "0", "--init-key", "--config", "segflow.toml"]);
            (Process::start(serve).await, segflow)
        };
        let (server, _home) = start(&url, Some(&trusted)).await;
        if number == 0 {
            key.clone_from(&server.key);
        }
        let client = Client::new(&server.url, &key);
        if number == 0 {
            client.push(plugins::mailer()).await;
        }
        client
            .put(&format!("/v1/users/{user}"), json!({ "attributes": { "email": format!("{user}@x.example") } }))
            .await
            .ok();
        let both = || async {
            (smtp.taken().iter().filter(|to| **to == format!("{user}@x.example")).count() == 2).then_some(())
        };
        until("both emails are taken", both).await;
        server.stop().await;
        if number > 0 {
            continue;
        }
        // A wrong password, and a certificate that nobody trusts: nothing leaves, and it is said why, without the password.
        for (url, trusted, why) in [
            (url.replace("p%40ss", "wrong"), Some(trusted.as_str()), "does not take the user or the password"),
            (url.clone(), None, "no connection to the SMTP server"),
        ] {
            let (server, _home) = start(&url, trusted).await;
            let client = Client::new(&server.url, &key);
            let name = format!("none{}", why.len());
            client
                .put(&format!("/v1/users/{name}"), json!({ "attributes": { "email": format!("{name}@x.example") } }))
                .await
                .ok();
            let tried = |m: &Value| m["status"] == "pending" && !m["reason"].is_null();
            let waits =
                || async { client.items(&format!("/v1/messages?user_id={name}")).await.into_iter().find(tried) };
            let message = until("it waits", waits).await;
            let reason = message["reason"].as_str().expect("a reason");
            assert!(reason.contains(why) && !reason.contains("wrong") && !reason.contains(USER), "{reason}");
            client.delete(&format!("/v1/users/{name}")).await.ok();
            server.stop().await;
        }
    }
}
