//! Answers to messages: taken from those who bring them, found by what they name, told to flows, and nobody's if a program wrote them.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use segflow_server::Config;

use crate::harness::app::dev;
use crate::harness::imap::Imap;
use crate::harness::vendors::hooks::{self, Told};
use crate::harness::vendors::{Fake, endpoint};
use crate::harness::web::Web;
use crate::harness::*;

both![
    what_vendors_bring_is_taken_once,
    an_answer_names_what_it_answers,
    what_answers_nothing_of_ours_is_nobodys,
    what_programs_answer_ends_nothing,
    flows_and_campaigns_go_by_answers,
    an_answer_settles_what_nobody_knew,
    nothing_is_taken_from_anybody_else,
    what_was_written_goes_with_the_person,
    endpoints_are_told_without_what_was_written,
    messages_say_where_answers_go,
    a_mailbox_is_read,
    a_mailbox_that_numbers_anew_is_read_anew,
    a_mailbox_that_is_away_is_waited_for,
    many_mails_are_read_in_their_order,
];

struct Answered {
    app: App,
    fake: Fake,
}

/// A server with a virtual clock whose mail goes to a fake; `more` are secrets.
async fn start(db: &Database, more: &[(&str, String)]) -> Answered {
    let fake = Fake::start(endpoint::vendor).await;
    let mut secrets = BTreeMap::from([
        ("VENDOR_URL".to_string(), format!("{}/send", fake.url)),
        ("MAIL_TOKEN".to_string(), endpoint::TOKEN.to_string()),
        ("REPLIES".to_string(), hooks::PASSWORD.to_string()),
    ]);
    secrets.extend(more.iter().map(|(name, value)| (name.to_string(), value.clone())));
    let app = App::with(db, Config { secrets, dev_sends: true, ..dev(db) }).await;
    app.push(plugins::letters("replies")).await;
    Answered { app, fake }
}

/// The newest message of a user who is put into a campaign.
async fn message(app: &App, name: &str, campaign: &str) -> Value {
    app.add(name, json!({ "email": format!("{name}@x.example"), "does": campaign })).await;
    app.settle().await;
    let messages = app.messages(name).await;
    app.message(messages.last().expect("a message")).await
}

fn id(message: &Value) -> &str {
    message["id"].as_str().expect("an id")
}

async fn replied(app: &App, name: &str) -> Vec<Value> {
    let events = app.items(&format!("/v1/users/{name}/events")).await;
    events.into_iter().filter(|event| event["name"] == "$replied").collect()
}

fn noted(new: u64, known: u64, unknown: u64) -> Value {
    json!({ "new": new, "known": known, "unknown": unknown })
}

const TEXT: &str =
    "Ja, gern — käthe.\n\nOn Mon, Jan 5, 2026 at 9:00 Letters <letters@segflow.example> wrote:\n> To you\n";

/// An answer to a message, by whoever brings it, under a name of its own.
fn answer(vendor: &str, own: &str, to: &str, more: &[(&str, &str)]) -> Told {
    let (own, to) = (format!("<{own}@mail.x.example>"), format!("<{to}@segflow.example>"));
    let mut fields = vec![
        ("From", "Somebody <somebody@x.example>"),
        ("Subject", "Re: Käse"),
        ("Message-ID", &own),
        ("In-Reply-To", &to),
    ];
    fields.extend(more);
    let header = |encoded: bool| -> String {
        let value =
            |value: &str| if encoded { value.replace("Käse", "=?utf-8?q?K=C3=A4se?=") } else { value.to_string() };
        fields.iter().map(|(name, text)| format!("{name}: {}\r\n", value(text))).collect()
    };
    match vendor {
        "postmark" => hooks::postmark_mail(&fields, TEXT, ""),
        "sendgrid" => hooks::sendgrid_mail(&[
            ("headers", header(true).as_bytes()),
            ("dkim", b"{@x.example : pass}"),
            ("to", b"answers@in.segflow.example"),
            ("from", b"Somebody <somebody@x.example>"),
            ("subject", "Re: Käse".as_bytes()),
            ("text", TEXT.as_bytes()),
            ("html", b"<p>Ja</p>"),
            ("envelope", br#"{"to":["answers@in.segflow.example"],"from":"somebody@x.example"}"#),
            ("charsets", br#"{"to":"UTF-8","html":"UTF-8","subject":"UTF-8","from":"UTF-8","text":"UTF-8"}"#),
            ("SPF", b"pass"),
        ]),
        "latin" => {
            let text: Vec<u8> = TEXT.chars().map(|c| if c == '—' { b'-' } else { c as u8 }).collect();
            hooks::sendgrid_mail(&[
                ("headers", header(true).as_bytes()),
                ("subject", "Re: Käse".as_bytes()),
                ("text", &text),
                ("charsets", br#"{"subject":"UTF-8","text":"iso-8859-1"}"#),
            ])
        }
        "raw" => {
            hooks::sendgrid_mail(&[("email", mail(&header(true)).as_bytes()), ("to", b"answers@in.segflow.example")])
        }
        vendor => panic!("{vendor}"),
    }
}

fn mail(header: &str) -> String {
    format!(
        "{header}MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{TEXT}"
    )
}

async fn what_vendors_bring_is_taken_once(db: Database) {
    let Answered { app, fake: _fake } = start(&db, &[]).await;
    for vendor in ["postmark", "sendgrid", "latin", "raw"] {
        let sent = message(&app, vendor, "plain").await;
        assert_eq!((&sent["status"], &sent["replied_at"]), (&json!("sent"), &Value::Null), "{sent}");
        let told = answer(vendor, vendor, id(&sent), &[]);
        assert_eq!(told.say(&app).await.ok(), noted(1, 0, 0), "{vendor}");
        app.settle().await;
        let after = app.message(&sent).await;
        assert_eq!((&after["status"], &after["replied_at"]), (&json!("delivered"), &json!(START)), "{vendor}");
        assert_eq!(after["reason"], Value::Null, "{vendor}");
        let outcome = &after["outcomes"][0];
        assert_eq!((&outcome["outcome"], &outcome["kind"]), (&json!("replied"), &json!("person")), "{vendor}");
        assert_eq!(outcome["detail"], "Re: Käse", "{vendor}");
        let by = if vendor == "postmark" { "postmark" } else { "sendgrid" };
        assert_eq!(outcome["provider"], by);
        let event = replied(&app, vendor).await.remove(0);
        let said = &event["attributes"];
        for (field, value) in [("message", &sent["id"]), ("campaign", &json!("plain")), ("template", &json!("letter"))]
        {
            assert_eq!(&said[field], value, "{vendor}");
        }
        let text = if vendor == "latin" { "Ja, gern - käthe." } else { "Ja, gern — käthe." };
        assert_eq!((&said["subject"], &said["text"]), (&json!("Re: Käse"), &json!(text)), "{vendor}");
        assert!(app.segments(vendor).await.contains(&"talkers".to_string()));
        // The same once more, as vendors do, and by another way.
        for again in [vendor, "postmark", "raw"] {
            let told = answer(again, vendor, id(&sent), &[]);
            assert_eq!(told.say(&app).await.ok(), noted(0, 1, 0), "{vendor}, {again}");
        }
        // Another answer to the same message is another one.
        assert_eq!(answer("postmark", "later", id(&sent), &[]).say(&app).await.ok(), noted(1, 0, 0), "{vendor}");
        app.settle().await;
        assert_eq!(replied(&app, vendor).await.len(), 2, "{vendor}");
        assert_eq!(app.message(&sent).await["outcomes"].as_array().unwrap().len(), 2, "{vendor}");
    }
    // What Postmark takes for the answer is that.
    let sent = message(&app, "ada", "plain").await;
    let to = format!("<{}@segflow.example>", id(&sent));
    let told = hooks::postmark_mail(&[("In-Reply-To", &to), ("From", "ada@x.example")], "Yes. And more", "Yes.");
    assert_eq!(told.say(&app).await.ok(), noted(1, 0, 0));
    app.settle().await;
    assert_eq!(replied(&app, "ada").await[0]["attributes"]["text"], "Yes.");
}

async fn an_answer_names_what_it_answers(db: Database) {
    let Answered { app, fake: _fake } = start(&db, &[]).await;
    let mut sent = vec![];
    for name in ["ada", "bob", "eve"] {
        sent.push(message(&app, name, "plain").await);
    }
    let (first, second) =
        (format!("<{}@segflow.example>", id(&sent[0])), format!("<{}@segflow.example>", id(&sent[1])));
    let other = "<somebody@elsewhere.example>";
    let own = sent[2]["provider_message_id"].as_str().expect("the provider's id");
    let own = format!("<{own}@vendor.example>");
    let thread = format!("{first} {second}");
    let (longer, mixed) = (format!("{second} {first} {other}"), format!("{first} {own}"));
    let cases: [(Vec<(&str, &str)>, usize); 5] = [
        // What it says it answers comes first, then the thread, from its end.
        (vec![("In-Reply-To", &first), ("References", &second)], 0),
        (vec![("References", &thread)], 1),
        (vec![("In-Reply-To", other), ("References", &longer)], 0),
        // By the provider's own id of it.
        (vec![("In-Reply-To", &own)], 2),
        (vec![("References", &mixed)], 2),
    ];
    for (number, (fields, who)) in cases.into_iter().enumerate() {
        let id = format!("<{number}@x.example>");
        let mut fields = fields;
        fields.extend([("Message-ID", id.as_str()), ("From", "somebody@else.example")]);
        assert_eq!(hooks::postmark_mail(&fields, "Yes", "").say(&app).await.ok(), noted(1, 0, 0), "{fields:?}");
        app.settle().await;
        let name = ["ada", "bob", "eve"][who];
        let last = replied(&app, name).await.pop().expect("an answer");
        assert_eq!(last["attributes"]["message"], sent[who]["id"], "{fields:?}");
    }
}

async fn what_answers_nothing_of_ours_is_nobodys(db: Database) {
    let Answered { app, fake: _fake } = start(&db, &[]).await;
    let sent = message(&app, "ada", "plain").await;
    let to = format!("<{}@segflow.example>", id(&sent));
    let other = app.workspace("other").await;
    other.push(plugins::letters("replies")).await;
    let cases: [Vec<(&str, &str)>; 5] = [
        vec![("In-Reply-To", "<msg_00000000000000000000000000000000@segflow.example>"), ("From", "ada@x.example")],
        // Whoever it is from.
        vec![("From", "ada@x.example"), ("Subject", "Re: day 1")],
        vec![],
        // What somebody here writes to ada, and the message itself, kept where answers come.
        vec![("In-Reply-To", &to), ("From", "The Letters <Letters@segflow.example>")],
        vec![("References", &to), ("From", "answers@in.segflow.example")],
    ];
    for fields in cases {
        assert_eq!(hooks::postmark_mail(&fields, "Yes", "").say(&app).await.ok(), noted(0, 0, 1), "{fields:?}");
    }
    let mut astray = answer("postmark", "one", id(&sent), &[]);
    astray.path = "/webhooks/other/postmark/replies".into();
    assert_eq!(astray.say(&app).await.ok(), noted(0, 0, 1), "of another workspace");
    app.settle().await;
    assert_eq!(replied(&app, "ada").await, Vec::<Value>::new());
    assert_eq!(app.message(&sent).await["outcomes"], json!([]));
    let metrics = Client::new(app.base.clone(), "").get("/metrics").await.text();
    for outcome in ["unmatched", "own"] {
        assert!(
            metrics.contains(&format!("segflow_replies_total{{via=\"postmark\",outcome=\"{outcome}\"}}")),
            "{metrics}"
        );
    }
}

async fn what_programs_answer_ends_nothing(db: Database) {
    let Answered { app, fake: _fake } = start(&db, &[]).await;
    let sent = message(&app, "ada", "ends").await;
    let fields = [
        ("Auto-Submitted", "auto-replied"),
        ("Precedence", "bulk"),
        ("X-Autoreply", "yes"),
        ("List-Id", "<people.x.example>"),
        ("Return-Path", "<>"),
        ("Content-Type", "multipart/report; report-type=delivery-status; boundary=b"),
    ];
    for (number, field) in fields.iter().enumerate() {
        for vendor in ["postmark", "sendgrid"] {
            let told = answer(vendor, &format!("{vendor}-{number}"), id(&sent), &[*field]);
            assert_eq!(told.say(&app).await.ok(), noted(1, 0, 0), "{field:?}");
        }
    }
    app.settle().await;
    let after = app.message(&sent).await;
    assert_eq!((&after["status"], &after["replied_at"]), (&json!("sent"), &Value::Null), "nobody has got it for that");
    let outcomes = after["outcomes"].as_array().unwrap();
    assert_eq!(outcomes.len(), 2 * fields.len());
    assert!(outcomes.iter().all(|o| o["outcome"] == "replied" && o["kind"] == "automatic"), "{outcomes:?}");
    assert_eq!(replied(&app, "ada").await, Vec::<Value>::new());
    assert_eq!(app.enrollments("ada").await[0]["status"], "active");
}

async fn flows_and_campaigns_go_by_answers(db: Database) {
    let Answered { app, fake: _fake } = start(&db, &[]).await;
    let first = message(&app, "ada", "asked").await;
    message(&app, "eve", "asked").await;
    let (ends, rests, other) =
        (message(&app, "bob", "ends").await, message(&app, "cid", "rests").await, message(&app, "dan", "ends").await);
    // Not at the instant of the second question: what is decided at one instant is listed in any order.
    app.advance("25h").await;
    // Ada answers the first question when the second has come.
    answer("postmark", "ada", id(&first), &[]).say(&app).await.ok();
    answer("sendgrid", "bob", id(&ends), &[]).say(&app).await.ok();
    answer("sendgrid", "cid", id(&rests), &[]).say(&app).await.ok();
    app.advance("3d").await;
    for (name, line) in [("ada", "Re: Käse said Ja, gern — käthe."), ("eve", "no answer")] {
        let last = app.messages(name).await.last().cloned().expect("a message");
        assert_eq!(app.message(&last).await["subject"], line, "{name}");
    }
    for (name, status, sent) in [("bob", "exited", 2), ("cid", "paused", 2), ("dan", "active", 5)] {
        assert_eq!(app.enrollments(name).await[0]["status"], status, "{name}");
        assert_eq!(app.messages(name).await.len(), sent, "{name}");
    }
    assert_eq!(app.message(&other).await["outcomes"], json!([]));
    app.advance("2d").await;
}

async fn an_answer_settles_what_nobody_knew(db: Database) {
    let Answered { app, fake: _fake } = start(&db, &[]).await;
    let lost = message(&app, "cut", "plain").await;
    assert_eq!((&lost["status"], &lost["sent_at"]), (&json!("unknown"), &Value::Null));
    answer("postmark", "one", id(&lost), &[("Auto-Submitted", "auto-replied")]).say(&app).await.ok();
    app.settle().await;
    assert_eq!(app.message(&lost).await["status"], "unknown", "a program may say that nobody has got it");
    answer("postmark", "two", id(&lost), &[]).say(&app).await.ok();
    app.settle().await;
    let found = app.message(&lost).await;
    assert_eq!((&found["status"], &found["sent_at"]), (&json!("delivered"), &json!(START)));
}

async fn nothing_is_taken_from_anybody_else(db: Database) {
    let Answered { app, fake: _fake } = start(&db, &[]).await;
    let sent = message(&app, "ada", "plain").await;
    for vendor in ["postmark", "sendgrid"] {
        let good = answer(vendor, "one", id(&sent), &[]);
        let wrong = format!("Basic {}", STANDARD.encode("segflow:wrong"));
        good.clone().with("authorization", &wrong).say(&app).await.problem(401, "wrong_signature");
        good.clone().without_headers().say(&app).await.problem(401, "wrong_signature");
        let mut astray = good.clone();
        for path in
            ["/webhooks/main/resend/replies", "/webhooks/main/nobody/replies", "/webhooks/nowhere/postmark/replies"]
        {
            astray.path = path.into();
            let detail = astray.say(&app).await.problem(404, "not_found")["detail"].clone();
            assert!(detail.as_str().unwrap().contains(".replies(\"SECRET\")"), "{detail}");
        }
        for body in [&b""[..], b"\xff\xfe{", b"{}", b"[]", b"--xYzZY\r\n", b"--xYzZY--\r\n", br#"{"Headers": 1}"#] {
            good.clone().with_body(body).say(&app).await.problem(400, "unreadable_body");
        }
        let huge = vec![b' '; (40 << 20) + 1];
        good.clone().with_body(&huge).say(&app).await.problem(413, "too_large");
    }
    let form = answer("sendgrid", "one", id(&sent), &[]);
    form.clone().with("content-type", "application/json").say(&app).await.problem(400, "unreadable_body");
    let many: Vec<(String, Vec<u8>)> = (0..1_100).map(|n| (format!("attachment{n}"), vec![])).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
    hooks::sendgrid_mail(&many).say(&app).await.problem(400, "unreadable_body");
    assert_eq!(app.message(&sent).await["outcomes"], json!([]));
    // A push says what is missing, and until it is there vendors are to come again.
    let silent = App::start(&Database::create(db.kind()).await).await;
    let warnings = silent.push(plugins::letters("replies")).await["warnings"].to_string();
    assert!(warnings.contains("secret REPLIES of provider sendgrid is not set"), "{warnings}");
    assert!(warnings.contains("secret IMAP_URL of mailbox second is not set"), "{warnings}");
    answer("postmark", "one", "msg_1", &[]).say(&silent).await.problem(503, "not_ready");
}

async fn what_was_written_goes_with_the_person(db: Database) {
    let Answered { app, fake: _fake } = start(&db, &[]).await;
    let sent = message(&app, "ada", "plain").await;
    answer("postmark", "one", id(&sent), &[]).say(&app).await.ok();
    app.settle().await;
    let count = async |what: &str| db.count(&format!("SELECT COUNT(*) FROM {what} LIKE '%gern%'")).await;
    assert_eq!(count("events WHERE attributes").await, 1);
    app.delete("/v1/users/ada").await.ok();
    assert_eq!(count("events WHERE attributes").await, 0);
    let outcome = app.message(&sent).await["outcomes"][0].clone();
    assert_eq!((&outcome["outcome"], &outcome["detail"]), (&json!("replied"), &Value::Null));
    // One that comes later is counted, and says nothing.
    answer("sendgrid", "two", id(&sent), &[]).say(&app).await.ok();
    app.settle().await;
    let outcomes = app.message(&sent).await["outcomes"].clone();
    assert!(outcomes.as_array().unwrap().iter().all(|outcome| outcome["detail"].is_null()), "{outcomes}");
    assert_eq!((outcomes.as_array().unwrap().len(), count("events WHERE attributes").await), (2, 0));
}

async fn endpoints_are_told_without_what_was_written(db: Database) {
    let Answered { app, fake: _fake } = start(&db, &[]).await;
    let web = Web::start(vec![(200, "thanks")]).await;
    app.post("/v1/webhooks", json!({ "url": web.url("/hook"), "events": ["message.replied"] })).await.ok();
    let sent = message(&app, "ada", "plain").await;
    let auto = [("Auto-Submitted", "auto-replied")];
    answer("postmark", "auto", id(&sent), &auto).say(&app).await.ok();
    answer("postmark", "one", id(&sent), &[]).say(&app).await.ok();
    answer("postmark", "one", id(&sent), &[]).say(&app).await.ok();
    app.settle().await;
    let calls = web.calls();
    assert_eq!(calls.len(), 1);
    let told: Value = serde_json::from_str(&calls[0].body).expect("JSON");
    assert_eq!((&told["type"], &told["data"]["message"]), (&json!("message.replied"), &sent["id"]));
    for field in ["subject", "text"] {
        assert_eq!(told["data"][field], Value::Null, "{told}");
    }
}

async fn messages_say_where_answers_go(db: Database) {
    let Answered { app, fake } = start(&db, &[]).await;
    let sent = message(&app, "ada", "plain").await;
    let body = fake.taken().remove(0).body;
    assert_eq!(body["reply_to"], "Answers <answers@in.segflow.example>");
    assert_eq!(body["headers"]["References"], format!("<{}@segflow.example>", id(&sent)));
}

/// A mail that answers a message, as it lies in a mailbox.
fn lying(own: &str, to: &str, more: &str) -> String {
    mail(&format!(
        "Return-Path: <ada@x.example>\r\nFrom: Ada <ada@x.example>\r\nSubject: =?utf-8?q?Re:_K=C3=A4se?=\r\n\
         Message-ID: <{own}@x.example>\r\nReferences: <other@x.example> <{to}@segflow.example>\r\n{more}"
    ))
}

async fn a_mailbox_is_read(db: Database) {
    let imap = Imap::start().await;
    let Answered { app, fake: _fake } = start(&db, &[("IMAP_URL", imap.url())]).await;
    let (ada, bob) = (message(&app, "ada", "plain").await, message(&app, "bob", "plain").await);
    imap.deliver("INBOX", &lying("one", id(&ada), "")).await;
    imap.deliver("INBOX", "Subject: Hello\r\nFrom: ada@x.example\r\n\r\nWho are you?\r\n").await;
    imap.deliver("INBOX", &lying("two", id(&bob), "Auto-Submitted: auto-replied\r\n")).await;
    app.settle().await;
    let event = replied(&app, "ada").await.remove(0);
    let said = &event["attributes"];
    assert_eq!((&said["subject"], &said["text"]), (&json!("Re: Käse"), &json!("Ja, gern — käthe.")));
    let outcome = app.message(&ada).await["outcomes"][0].clone();
    assert_eq!((&outcome["provider"], &outcome["kind"]), (&json!("imap"), &json!("person")));
    assert_eq!(app.message(&bob).await["outcomes"][0]["kind"], "automatic");
    // What comes back tells which message it was, and that is no answer.
    let gone = message(&app, "gone", "plain").await;
    let returned = format!(
        "From: MAILER-DAEMON@mx.segflow.example\r\nMIME-Version: 1.0\r\nMessage-ID: <back@mx.segflow.example>\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n--b\r\n\r\nSorry.\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.segflow.example\r\n\r\n\
         Final-Recipient: rfc822; gone@x.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\
         Diagnostic-Code: smtp; 550 5.1.1 User unknown\r\n\r\n\
         --b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <{}@segflow.example>\r\n\r\n--b--\r\n",
        id(&gone)
    );
    imap.deliver("INBOX", &returned).await;
    app.settle().await;
    let gone = app.message(&gone).await;
    assert_eq!((&gone["status"], &gone["reason"]), (&json!("bounced"), &json!("550 5.1.1 User unknown")), "{gone}");
    assert_eq!(app.get("/v1/suppressions/gone@x.example").await.ok()["blocked"], "bounce");
    assert!(replied(&app, "gone").await.is_empty());
    // Nothing has been changed in it, and nothing is read twice, also not by the next server, nor what comes by another way as well.
    let flags = imap.say(&["EXAMINE INBOX", "FETCH 5:8 (FLAGS)"]).await;
    let fetched: Vec<&str> = flags.lines().filter(|line| line.starts_with("* ") && line.contains(" FETCH ")).collect();
    assert!(fetched.len() == 4 && fetched.iter().all(|line| !line.contains("Seen")), "{flags}");
    let app = app.restart().await;
    app.settle().await;
    let to = format!("<{}@segflow.example>", id(&ada));
    let again = [("Message-ID", "<one@x.example>"), ("In-Reply-To", to.as_str()), ("From", "ada@x.example")];
    assert_eq!(hooks::postmark_mail(&again, TEXT, "").say(&app).await.ok(), noted(0, 1, 0));
    imap.deliver("Replies", &lying("one", id(&ada), "")).await;
    imap.deliver("Replies", &lying("three", id(&bob), "")).await;
    app.settle().await;
    assert_eq!((replied(&app, "ada").await.len(), replied(&app, "bob").await.len()), (1, 1));
    assert_eq!(app.message(&bob).await["outcomes"].as_array().unwrap().len(), 2);
    // It is looked at without being told, too.
    let eve = message(&app, "eve", "plain").await;
    imap.deliver("INBOX", &lying("four", id(&eve), "")).await;
    until("the answer is found", || async { (!replied(&app, "eve").await.is_empty()).then_some(()) }).await;
    let found = app.get("/v1/doctor").await.ok();
    let of = |about: &str| found["items"].as_array().unwrap().iter().find(|f| f["about"] == about).cloned().unwrap();
    assert_eq!((&of("imap")["state"], &of("second")["state"]), (&json!("good"), &json!("good")), "{found}");
}

async fn a_mailbox_that_numbers_anew_is_read_anew(db: Database) {
    let imap = Imap::start().await;
    let Answered { app, fake: _fake } = start(&db, &[("IMAP_URL", imap.url())]).await;
    let (ada, bob) = (message(&app, "ada", "plain").await, message(&app, "bob", "plain").await);
    for number in 0..5 {
        imap.deliver("Replies", &lying(&format!("old-{number}"), "nobody", "")).await;
    }
    imap.deliver("Replies", &lying("one", id(&ada), "")).await;
    app.settle().await;
    assert_eq!(replied(&app, "ada").await.len(), 1);
    // The numbers begin anew, with the same mail under another one, and one that is new under a lower one.
    imap.say(&["DELETE Replies", "CREATE Replies"]).await;
    imap.deliver("Replies", &lying("two", id(&bob), "")).await;
    imap.deliver("Replies", &lying("one", id(&ada), "")).await;
    app.settle().await;
    assert_eq!((replied(&app, "ada").await.len(), replied(&app, "bob").await.len()), (1, 1));
}

async fn a_mailbox_that_is_away_is_waited_for(db: Database) {
    let mut imap = Imap::start().await;
    let Answered { app, fake: _fake } = start(&db, &[("IMAP_URL", imap.url())]).await;
    let sent = message(&app, "ada", "plain").await;
    imap.kill().await;
    app.settle().await;
    let state = async || {
        let found = app.get("/v1/doctor").await.ok();
        found["items"].as_array().unwrap().iter().find(|f| f["about"] == "imap").expect("it is looked at").clone()
    };
    assert_eq!(state().await["state"], "bad");
    imap.begin().await;
    assert_eq!(state().await["state"], "good");
    imap.deliver("INBOX", &lying("one", id(&sent), "")).await;
    app.settle().await;
    assert_eq!(replied(&app, "ada").await.len(), 1);
    let metrics = Client::new(app.base.clone(), "").get("/metrics").await.text();
    assert!(metrics.contains("segflow_mailbox_looks_total{outcome=\"failed\"}"), "{metrics}");
    // A password that is none, and a connection that would have to be encrypted.
    let wrong = imap.url().replace(crate::harness::imap::ACCOUNT.1, "wrong");
    for url in [wrong, format!("{}?tls=required", imap.url()), "imap://shop:x@mail.x.example".into()] {
        let silent = start(&Database::create(db.kind()).await, &[("IMAP_URL", url.clone())]).await.app;
        let found = silent.get("/v1/doctor").await.ok();
        let says = found["items"].as_array().unwrap().iter().find(|f| f["about"] == "imap").unwrap().clone();
        assert_eq!(says["state"], "bad", "{url}");
        assert!(!says["says"].as_str().unwrap().contains("wrong"), "{says}");
    }
}

async fn many_mails_are_read_in_their_order(db: Database) {
    let imap = Imap::start().await;
    let Answered { app, fake: _fake } = start(&db, &[("IMAP_URL", imap.url())]).await;
    let sent = message(&app, "ada", "plain").await;
    let large = format!("X-Filler: {}\r\n", "x".repeat(400));
    for number in 0..45 {
        imap.deliver("INBOX", &lying(&number.to_string(), id(&sent), &large)).await;
    }
    // One that is larger than what is read of it.
    let whole = format!("{}\r\n{}", lying("last", id(&sent), ""), "y".repeat(300_000));
    imap.deliver("INBOX", &whole).await;
    app.settle().await;
    assert_eq!(replied(&app, "ada").await.len(), 46);
    let place = db.count("SELECT MAX(next_uid) FROM mailboxes").await;
    app.settle().await;
    assert_eq!(db.count("SELECT MAX(next_uid) FROM mailboxes").await, place);
    assert_eq!(replied(&app, "ada").await.len(), 46);
}
