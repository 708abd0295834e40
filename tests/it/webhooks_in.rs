//! What providers tell of messages: taken only from whom it comes, once, in whatever order.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use segflow_server::Config;
use segflow_server::delivery::capture::Act;

use crate::harness::app::{dev, of_template};
use crate::harness::vendors::hooks::{self, SendGrid, Sns, Told};
use crate::harness::web::Web;
use crate::harness::*;

both![
    what_each_vendor_tells_is_understood_and_taken_once,
    nothing_is_taken_from_anybody_else,
    nothing_is_taken_where_nothing_is_declared,
    an_envelope_of_sns_is_opened_only_if_it_is_one,
    what_is_told_in_any_order_comes_to_the_same,
    what_nobody_knew_is_settled_by_what_is_told,
    what_is_told_before_the_answer_is_not_lost,
    bounces_are_told_apart,
    a_complaint_ends_flows_and_all_that_follows,
    openings_and_clicks_are_waited_for,
    what_readers_tell_a_provider_is_their_choice,
    messages_that_are_not_here_are_answered_all_the_same,
    of_the_erased_only_what_is_counted_changes,
    thousands_at_once_are_taken,
];

/// A server whose project hears of messages from all four, and all that they sign with.
struct Heard {
    app: App,
    sendgrid: SendGrid,
    sns: Sns,
    /// Amazon's.
    web: Web,
}

async fn start(db: &Database) -> Heard {
    let (sendgrid, sns) = (SendGrid::new(), Sns::new());
    let certificate: &'static str = Box::leak(sns.certificate.clone().into_boxed_str());
    let web = Web::start(vec![(200, certificate), (200, "<ConfirmSubscriptionResponse/>")]).await;
    let shown = sendgrid.shown();
    let secrets = [
        ("POSTMARK_HOOK", hooks::PASSWORD),
        // As a shell leaves it.
        ("SES_TOPIC", "arn:aws:sns:eu-central-1:123456789012:mail\n"),
        ("SENDGRID_HOOK", shown.as_str()),
        ("RESEND_HOOK", hooks::RESEND),
    ];
    let secrets: BTreeMap<String, String> = secrets.map(|(name, value)| (name.to_string(), value.to_string())).into();
    let app = App::with(db, Config { secrets, sns_url: Some(web.url("")), ..dev(db) }).await;
    app.push(plugins::letters("heard")).await;
    Heard { app, sendgrid, sns, web }
}

/// The newest message of a user of a campaign.
async fn message(app: &App, name: &str, campaign: &str) -> Value {
    app.add(name, json!({ "email": format!("{name}@x.example"), "does": campaign })).await;
    app.settle().await;
    let messages = app.messages(name).await;
    let mine = messages.iter().rfind(|m| m["campaign"] == campaign).expect("a message");
    app.message(mine).await
}

async fn again(app: &App, message: &Value) -> Value {
    app.settle().await;
    app.message(message).await
}

async fn told(app: &App, name: &str) -> Vec<Value> {
    app.items(&format!("/v1/users/{name}/events")).await
}

/// What is known of a user's address.
async fn suppression(app: &App, name: &str) -> Value {
    app.get(&format!("/v1/suppressions/{name}@x.example")).await.ok()
}

fn noted(new: u64, known: u64, unknown: u64) -> Value {
    json!({ "new": new, "known": known, "unknown": unknown })
}

const AT: &str = "2026-01-02T10:00:00Z";

impl Heard {
    /// What a vendor says of a message, in its own words.
    fn tell(&self, vendor: &str, what: &str, id: &Value) -> Told {
        self.tell_at(vendor, what, id, 0)
    }

    /// The same at a second after the first.
    fn tell_at(&self, vendor: &str, what: &str, id: &Value, second: i64) -> Told {
        let at = (ms(AT) + second * 1_000) / 1_000;
        let text = jiff::Timestamp::from_second(at).expect("an instant").to_string();
        let (to, why) = ("somebody@x.example", "smtp; 550 5.1.1 user unknown");
        match vendor {
            "postmark" => {
                let more = match what {
                    "delivered" => json!({ "RecordType": "Delivery", "DeliveredAt": text }),
                    "hard" => {
                        json!({ "RecordType": "Bounce", "Type": "HardBounce", "Details": why, "BouncedAt": text })
                    }
                    "soft" => {
                        json!({ "RecordType": "Bounce", "Type": "SoftBounce", "Details": "full", "BouncedAt": text })
                    }
                    "policy" => {
                        json!({ "RecordType": "Bounce", "Type": "Blocked", "Details": "5.7.1 no", "BouncedAt": text })
                    }
                    "complained" => json!({ "RecordType": "SpamComplaint", "BouncedAt": text }),
                    "opened" => json!({ "RecordType": "Open", "UserAgent": "Mail", "ReceivedAt": text }),
                    "clicked" => {
                        json!({ "RecordType": "Click", "OriginalLink": "https://shop.example/offer", "ReceivedAt": text })
                    }
                    what => panic!("{what}"),
                };
                let mut body =
                    json!({ "MessageID": "pm-1", "Recipient": to, "Email": to, "Metadata": { "segflow": id } });
                body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
                hooks::postmark(&body)
            }
            "ses" => {
                let mut body = match what {
                    "delivered" => json!({ "eventType": "Delivery", "delivery": { "timestamp": text } }),
                    "hard" => json!({ "eventType": "Bounce", "bounce": { "bounceType": "Permanent", "timestamp": text,
                        "bouncedRecipients": [{ "status": "5.1.1", "diagnosticCode": why }] } }),
                    "complained" => json!({ "eventType": "Complaint", "complaint": { "timestamp": text } }),
                    what => panic!("{what}"),
                };
                body["mail"] = json!({ "messageId": "ses-1", "destination": [to], "tags": { "segflow": [id] } });
                self.sns.tell(if what == "hard" { "2" } else { "1" }, &body)
            }
            "sendgrid" => {
                let mut body = match what {
                    "delivered" => json!({ "event": "delivered" }),
                    "hard" => json!({ "event": "bounce", "type": "bounce", "status": "5.1.1", "reason": why }),
                    "complained" => json!({ "event": "spamreport" }),
                    "dropped" => json!({ "event": "dropped", "reason": "Invalid" }),
                    "machine" => json!({ "event": "open", "sg_machine_open": true }),
                    event => json!({ "event": event }),
                };
                let more = json!({ "email": to, "timestamp": at, "sg_message_id": "sg-1.filter", "segflow": id });
                body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
                self.sendgrid.tell(&json!([body]))
            }
            _ => {
                let (ty, more) = match what {
                    "delivered" => ("email.delivered", json!({})),
                    "hard" => ("email.bounced", json!({ "bounce": { "type": "Permanent", "message": why } })),
                    "complained" => ("email.complained", json!({})),
                    what => panic!("{what}"),
                };
                let mut data = json!({ "email_id": "re-1", "to": [to], "tags": { "segflow": id } });
                data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
                hooks::resend(&json!({ "type": ty, "created_at": text, "data": data }), hooks::now())
            }
        }
    }

    async fn say(&self, vendor: &str, what: &str, id: &Value) -> Value {
        self.tell(vendor, what, id).say(&self.app).await.ok()
    }
}

async fn what_each_vendor_tells_is_understood_and_taken_once(db: Database) {
    let heard = start(&db).await;
    let app = &heard.app;
    for vendor in ["postmark", "ses", "sendgrid", "resend"] {
        for (what, status) in [("delivered", "delivered"), ("hard", "bounced"), ("complained", "complained")] {
            let name = format!("{vendor}-{what}");
            let sent = message(app, &name, "plain").await;
            assert_eq!((&sent["status"], &sent["outcomes"]), (&json!("sent"), &json!([])));
            assert_eq!(heard.say(vendor, what, &sent["id"]).await, noted(1, 0, 0), "{name}");
            let after = again(app, &sent).await;
            assert_eq!(after["status"], status, "{name}");
            let reason = if what == "hard" { json!("smtp; 550 5.1.1 user unknown") } else { Value::Null };
            assert_eq!(after["reason"], reason, "{name}");
            let outcome = &after["outcomes"][0];
            assert_eq!((&outcome["outcome"], &outcome["provider"]), (&json!(status), &json!(vendor)), "{name}");
            // What was sent is known as before.
            for field in ["from", "to", "subject", "html", "sent_at", "attempts"] {
                assert_eq!(after[field], sent[field], "{name}: {field}");
            }
            // The same once more, as vendors do.
            let events = told(app, &name).await.len();
            assert_eq!(heard.say(vendor, what, &sent["id"]).await, noted(0, 1, 0), "{name}");
            assert_eq!((again(app, &sent).await, told(app, &name).await.len()), (after, events), "{name}");
            let blocked = match what {
                "delivered" => Value::Null,
                "hard" => json!("bounce"),
                _ => json!("complaint"),
            };
            assert_eq!(suppression(app, &name).await["blocked"], blocked, "{name}");
        }
    }
    // Without our id, by the provider's own.
    app.add("ada", json!({ "email": "ada@x.example", "does": "plain" })).await;
    app.settle().await;
    let sent = message(app, "ada", "plain").await;
    let set =
        format!("UPDATE messages SET provider_message_id = 'ses-1' WHERE id = '{}'", sent["id"].as_str().unwrap());
    let handle = db.open().await;
    handle
        .write(move |tx| {
            let set = set.clone();
            Box::pin(async move { tx.run(set, vec![]).await })
        })
        .await
        .expect("set");
    handle.close().await;
    assert_eq!(heard.say("ses", "delivered", &Value::Null).await, noted(1, 0, 0));
    assert_eq!(again(app, &sent).await["status"], "delivered");
}

async fn nothing_is_taken_from_anybody_else(db: Database) {
    let heard = start(&db).await;
    let app = &heard.app;
    let sent = message(app, "ada", "plain").await;
    let id = &sent["id"];
    for vendor in ["postmark", "ses", "sendgrid", "resend"] {
        let good = heard.tell(vendor, "delivered", id);
        let body = String::from_utf8(good.body.clone()).expect("text");
        let (status, code) = if vendor == "ses" { (400, "malformed_json") } else { (401, "wrong_signature") };
        good.clone().with_body(b"").say(app).await.document();
        good.clone().with_body(b"\xff\xfe{").say(app).await.document();
        good.clone().with_body(b"{\"Type\":").without_headers().say(app).await.problem(status, code);
        let huge = vec![b' '; (8 << 20) + 1];
        good.clone().with_body(&huge).say(app).await.problem(413, "too_large");
        if vendor != "ses" {
            good.clone().without_headers().say(app).await.problem(401, "wrong_signature");
        }
        // Something else under the same signature.
        if vendor != "postmark" {
            let other = body.replacen("elivered", "elivereD", 1).replacen("Delivery", "DeliverY", 1);
            assert_ne!(other, body);
            good.clone().with_body(other.as_bytes()).say(app).await.problem(401, "wrong_signature");
        }
        // To another provider of the project, and of another workspace.
        let mut astray = good.clone();
        astray.path = "/webhooks/main/silent".into();
        astray.say(app).await.problem(404, "not_found");
        let anybody = Client::new(app.base.clone(), "");
        anybody.get(&good.path).await.problem(405, "method_not_allowed");
    }
    let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
    for wrong in [basic("segflow:wrong"), basic("correct:horse"), "Bearer correct:horse".into(), "Basic ?".into()] {
        let told = heard.tell("postmark", "delivered", id).with("authorization", &wrong);
        told.say(app).await.problem(401, "wrong_signature");
    }
    let sendgrid = heard.tell("sendgrid", "delivered", id);
    sendgrid.clone().with("x-twilio-email-event-webhook-timestamp", "1").say(app).await.problem(401, "wrong_signature");
    sendgrid.with("x-twilio-email-event-webhook-signature", "AAAA").say(app).await.problem(401, "wrong_signature");
    let other = SendGrid::new().tell(&json!([{ "event": "delivered", "segflow": id }]));
    other.say(app).await.problem(401, "wrong_signature");
    let body = json!({ "type": "email.delivered", "data": { "tags": { "segflow": id } } });
    for away in [-301, 301] {
        hooks::resend(&body, hooks::now() + away).say(app).await.problem(401, "wrong_signature");
    }
    let again = hooks::now().to_string();
    hooks::resend(&body, hooks::now() - 60)
        .with("svix-timestamp", &again)
        .say(app)
        .await
        .problem(401, "wrong_signature");
    let after = app.message(&sent).await;
    assert_eq!((&after["status"], &after["outcomes"]), (&json!("sent"), &json!([])));
}

async fn nothing_is_taken_where_nothing_is_declared(db: Database) {
    let heard = start(&db).await;
    let app = &heard.app;
    let sent = message(app, "ada", "plain").await;
    let good = heard.tell("postmark", "delivered", &sent["id"]);
    let mut details = vec![];
    for path in
        ["/webhooks/main/capture", "/webhooks/main/silent", "/webhooks/main/nobody", "/webhooks/nowhere/postmark"]
    {
        let mut told = good.clone();
        told.path = path.into();
        details.push(told.say(app).await.problem(404, "not_found")["detail"].clone());
    }
    details.dedup();
    assert_eq!(details.len(), 1, "nobody is told what there is: {details:?}");
    assert!(details[0].as_str().unwrap().contains(".webhook(\"SECRET\")"));
    // Of another workspace, whose project is the same, and whose secrets are its own.
    let other = app.workspace("other").await;
    other.push(plugins::letters("heard")).await;
    let mut told = good.clone();
    told.path = "/webhooks/other/postmark".into();
    assert_eq!(told.say(app).await.ok(), noted(0, 0, 1), "it has no such message");
    assert_eq!(again(app, &sent).await["status"], "sent");
    // A push says what is missing, and until it is there vendors are to come again.
    let silent = App::start(&Database::create(db.kind()).await).await;
    let plan = silent.push(plugins::letters("heard")).await;
    let warnings = plan["warnings"].to_string();
    assert!(
        warnings.contains("secret RESEND_HOOK of provider resend is not set on the server: what it tells is not taken"),
        "{warnings}"
    );
    let problem = good.say(&silent).await.problem(503, "not_ready");
    assert_eq!(problem["detail"], "secret POSTMARK_HOOK is not set on the server");
}

async fn an_envelope_of_sns_is_opened_only_if_it_is_one(db: Database) {
    let heard = start(&db).await;
    let (app, sns) = (&heard.app, &heard.sns);
    let sent = message(app, "ada", "plain").await;
    let delivery = json!({ "eventType": "Delivery", "mail": { "tags": { "segflow": [sent["id"]] } }, "delivery": { "timestamp": AT } });
    let seal = |version: &str, name: &str, value: &str| {
        sns.seal(version, json!({ "Type": "Notification", "Message": delivery.to_string(), name: value }))
    };
    // Nobody is asked anything for what cannot be right.
    for (name, value) in [
        ("TopicArn", "arn:aws:sns:eu-central-1:123456789012:other"),
        ("SigningCertURL", "https://evil.example/SimpleNotificationService-1.pem"),
        ("SigningCertURL", "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem"),
        ("SigningCertURL", "http://sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem"),
        ("SigningCertURL", "https://sns.eu-central-1.amazonaws.com.evil.example/a.pem"),
        ("SigningCertURL", "https://sns.eu-central-1.amazonaws.com/?Action=Publish"),
    ] {
        seal("2", name, value).say(app).await.problem(401, "wrong_signature");
    }
    assert_eq!(heard.web.calls().len(), 0);
    Sns::new().tell("2", &delivery).say(app).await.problem(401, "wrong_signature");
    seal("3", "Subject", "x").say(app).await.problem(401, "wrong_signature");
    seal("1", "SignatureVersion", "2").say(app).await.problem(401, "wrong_signature");
    assert_eq!(again(app, &sent).await["status"], "sent");
    // It is subscribed to where Amazon is, and nowhere else.
    let there = "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn&Token=2336";
    for elsewhere in [
        "https://evil.example/?Action=ConfirmSubscription",
        "https://sns.eu-central-1.amazonaws.com/?Action=DeleteTopic",
    ] {
        sns.ask(elsewhere).say(app).await.problem(401, "wrong_signature");
    }
    assert_eq!(heard.web.calls().len(), 1, "the certificate");
    assert_eq!(sns.ask(there).say(app).await.ok(), noted(0, 0, 0));
    let calls = heard.web.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].line, "GET /SimpleNotificationService-1.pem HTTP/1.1");
    assert_eq!(calls[1].line, "GET /?Action=ConfirmSubscription&TopicArn=arn&Token=2336 HTTP/1.1");
    // Both ways to sign, and what SES says when it is switched on.
    assert_eq!(seal("2", "Subject", "Amazon SES Email Event Notification").say(app).await.ok(), noted(1, 0, 0));
    assert_eq!(sns.tell("1", &delivery).say(app).await.ok(), noted(0, 1, 0));
    let hello =
        sns.seal("1", json!({ "Type": "Notification", "Message": "Successfully validated SNS topic for Amazon SES." }));
    assert_eq!(hello.say(app).await.ok(), noted(0, 0, 0));
    assert_eq!(again(app, &sent).await["status"], "delivered");
    // A certificate that is none, for the moment.
    let elsewhere = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-2.pem";
    seal("2", "SigningCertURL", elsewhere).say(app).await.problem(503, "not_ready");
    assert_eq!(heard.web.calls().len(), 3);
}

async fn what_is_told_in_any_order_comes_to_the_same(db: Database) {
    let heard = start(&db).await;
    let app = &heard.app;
    for (n, (all, status)) in [
        (vec!["delivered", "soft"], "delivered"),
        (vec!["delivered", "hard"], "bounced"),
        (vec!["delivered", "opened", "complained"], "complained"),
        (vec!["hard", "complained"], "complained"),
        (vec!["opened", "delivered"], "delivered"),
        (vec!["policy", "delivered"], "bounced"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut settled = vec![];
        for order in 0..2 {
            let sent = message(app, &format!("u{n}-{order}"), "plain").await;
            let told: Vec<(usize, &&str)> = all.iter().enumerate().collect();
            let told: Vec<(usize, &&str)> = if order == 0 { told } else { told.into_iter().rev().collect() };
            for (second, what) in told {
                let told = heard.tell_at("postmark", what, &sent["id"], second as i64);
                assert_eq!(told.say(app).await.ok(), noted(1, 0, 0));
            }
            let after = again(app, &sent).await;
            assert_eq!(after["status"], status, "{all:?} {order}");
            assert_eq!(after["outcomes"].as_array().unwrap().len(), all.len());
            settled.push(after["status"].clone());
        }
    }
    // SendGrid had taken it, and then did not send it.
    let sent = message(app, "dropped", "plain").await;
    heard.say("sendgrid", "dropped", &sent["id"]).await;
    let after = again(app, &sent).await;
    assert_eq!((&after["status"], &after["reason"]), (&json!("refused"), &json!("Invalid")));
}

async fn what_nobody_knew_is_settled_by_what_is_told(db: Database) {
    let heard = start(&db).await;
    let app = &heard.app;
    // A campaign's, at most once: nobody knows whether it went.
    for (name, what, status) in
        [("ada", "delivered", "delivered"), ("bob", "hard", "bounced"), ("eve", "opened", "delivered")]
    {
        app.capture.script(&format!("{name}@x.example"), Act::Cut);
        let lost = message(app, name, "plain").await;
        assert_eq!((&lost["status"], &lost["sent_at"]), (&json!("unknown"), &Value::Null));
        assert!(lost["reason"].as_str().unwrap().contains("cut"));
        heard.say("postmark", what, &lost["id"]).await;
        let found = again(app, &lost).await;
        assert_eq!(found["status"], status, "{name}");
        assert_eq!(found["sent_at"], START, "it was sent, as is known now");
        assert_eq!(found["attempts"], lost["attempts"], "what was known before stays in its story");
    }
    // A transaction's, at least once: it would be sent again.
    app.capture.script("ada@x.example", Act::Cut);
    app.emit("ada", "order", json!({ "number": 1 })).await;
    app.settle().await;
    let waiting = of_template(&app.messages("ada").await, "receipt")[0].clone();
    assert_eq!(waiting["status"], "pending");
    heard.say("resend", "delivered", &waiting["id"]).await;
    let accepted = app.capture.accepted().len();
    app.advance("2h").await;
    let found = app.message(&waiting).await;
    assert_eq!((&found["status"], &found["attempt"], &found["due_at"]), (&json!("delivered"), &json!(1), &Value::Null));
    assert_eq!(app.capture.accepted().len(), accepted, "it is not sent a second time");
    // Of one that was never handed over there is nothing to tell.
    app.post("/v1/suppressions", json!({ "items": [{ "address": "out@x.example" }] })).await.ok();
    let kept = message(app, "out", "plain").await;
    assert_eq!(heard.say("postmark", "delivered", &kept["id"]).await, noted(1, 0, 0));
    assert_eq!(again(app, &kept).await["status"], "suppressed");
}

async fn what_is_told_before_the_answer_is_not_lost(db: Database) {
    let heard = start(&db).await;
    let app = &heard.app;
    for (name, what, status) in [("ada", "delivered", "delivered"), ("bob", "hard", "bounced")] {
        app.capture.script(&format!("{name}@x.example"), Act::Stall(Duration::from_millis(500)));
        app.add(name, json!({ "email": format!("{name}@x.example"), "does": "plain" })).await;
        let look = || async { app.messages(name).await.into_iter().find(|m| m["status"] != "pending") };
        let sending = until("it is being sent", look).await;
        heard.say("postmark", what, &sending["id"]).await;
        let sent = again(app, &sending).await;
        assert_eq!(sent["status"], status);
        assert_eq!((&sent["to"], &sent["rendered"]), (&json!(format!("{name}@x.example")), &json!("as_sent")));
        assert_eq!(sent["attempts"][0]["outcome"], "accepted");
        assert_eq!(sent["reason"].is_null(), what == "delivered");
    }
}

async fn bounces_are_told_apart(db: Database) {
    let heard = start(&db).await;
    let app = &heard.app;
    for (what, member) in [("hard", true), ("policy", false), ("soft", false)] {
        let sent = message(app, what, "plain").await;
        heard.say("postmark", what, &sent["id"]).await;
        app.settle().await;
        let event = told(app, what).await.remove(0);
        assert_eq!(event["name"], "$bounced");
        let attributes = &event["attributes"];
        assert_eq!(attributes["kind"], what);
        for (field, value) in [("message", &sent["id"]), ("campaign", &json!("plain")), ("template", &json!("letter"))]
        {
            assert_eq!(&attributes[field], value);
        }
        assert!(!attributes["reason"].as_str().unwrap().is_empty());
        assert_eq!(app.segments(what).await.contains(&"gone-away".to_string()), member, "{what}");
        assert_eq!(suppression(app, what).await["blocked"].is_null(), what != "hard", "{what}");
    }
    // The hard one gets nothing more; the others do, until there were five.
    for day in 1..5 {
        app.advance("1d").await;
        let last = |messages: Vec<Value>| messages.last().cloned().expect("a message");
        assert_eq!(last(app.messages("hard").await)["reason"], "the address has bounced");
        assert_eq!(last(app.messages("policy").await)["status"], "sent");
        let soft = last(app.messages("soft").await);
        assert_eq!(soft["status"], "sent", "day {day}");
        heard.say("postmark", "soft", &soft["id"]).await;
    }
    assert_eq!(app.get("/v1/suppressions/soft@x.example").await.ok()["blocked"], "soft_bounces");
    app.advance("9d").await;
}

async fn a_complaint_ends_flows_and_all_that_follows(db: Database) {
    let heard = start(&db).await;
    let app = &heard.app;
    let sent = message(app, "ada", "angry").await;
    heard.say("sendgrid", "complained", &sent["id"]).await;
    app.settle().await;
    let enrollment = app.enrollments("ada").await.remove(0);
    assert_eq!(enrollment["status"], "exited", "{enrollment}");
    assert_eq!(told(app, "ada").await[0]["name"], "$complained");
    app.emit("ada", "order", json!({ "number": 1 })).await;
    app.settle().await;
    let receipt = of_template(&app.messages("ada").await, "receipt")[0].clone();
    assert_eq!(
        (&receipt["status"], &receipt["reason"]),
        (&json!("suppressed"), &json!("the recipient has complained"))
    );
}

async fn openings_and_clicks_are_waited_for(db: Database) {
    let heard = start(&db).await;
    let app = &heard.app;
    let mut sent = vec![];
    for name in ["ada", "bob", "eve", "apple"] {
        sent.push(message(app, name, "attentive").await);
    }
    app.advance("1h").await;
    heard.say("postmark", "opened", &sent[0]["id"]).await;
    heard.say("postmark", "opened", &sent[1]["id"]).await;
    // A program has fetched everything: nobody has looked at it.
    assert_eq!(heard.say("sendgrid", "machine", &sent[3]["id"]).await, noted(1, 0, 0));
    app.settle().await;
    heard.say("postmark", "clicked", &sent[0]["id"]).await;
    // Once more, later: it is in the story, and told once.
    heard.tell_at("postmark", "opened", &sent[0]["id"], 60).say(app).await.ok();
    app.advance("5d").await;
    for (name, line) in [("ada", "clicked"), ("bob", "opened"), ("eve", "not opened"), ("apple", "not opened")] {
        let last = app.messages(name).await.last().cloned().expect("a message");
        assert_eq!(app.message(&last).await["subject"], line, "{name}");
    }
    let mut names: Vec<String> =
        told(app, "ada").await.iter().map(|event| event["name"].as_str().unwrap().into()).collect();
    names.sort();
    assert_eq!(names, ["$clicked", "$opened"]);
    assert_eq!(told(app, "apple").await.len(), 0);
    let story = app.message(&sent[0]).await;
    assert_eq!((&story["status"], story["outcomes"].as_array().unwrap().len()), (&json!("delivered"), 3));
    let click =
        story["outcomes"].as_array().unwrap().iter().find(|o| o["outcome"] == "clicked").expect("a click").clone();
    assert_eq!((&click["detail"], &click["kind"]), (&json!("https://shop.example/offer"), &json!("person")));
    assert_eq!(app.message(&sent[3]).await["outcomes"][0]["kind"], "prefetch");
}

async fn what_readers_tell_a_provider_is_their_choice(db: Database) {
    let heard = start(&db).await;
    let app = &heard.app;
    let sent = message(app, "ada", "news").await;
    let consent = async || app.get("/v1/users/ada/consent").await.ok();
    let group = heard.tell("sendgrid", "group_unsubscribe", &sent["id"]);
    assert_eq!(group.say(app).await.ok(), noted(1, 0, 0));
    app.settle().await;
    assert_eq!(consent().await["topics"][0]["wanted"], false);
    let event = told(app, "ada").await.remove(0);
    assert_eq!(
        (&event["name"], &event["attributes"]["topic"], &event["attributes"]["via"]),
        (&json!("$unsubscribed"), &json!("news"), &json!("provider"))
    );
    let news = app.enrollments("ada").await.into_iter().find(|e| e["campaign"] == "news").expect("a run");
    assert_eq!(news["status"], "exited");
    // Ada changes her mind; what is told again does not change it back.
    let wants = json!({ "address": "ada@x.example", "topics": { "news": true } });
    app.post("/v1/suppressions", json!({ "items": [wants] })).await.ok();
    assert_eq!(group.say(app).await.ok(), noted(0, 1, 0));
    assert_eq!(consent().await["topics"][0]["wanted"], true);
    heard.say("sendgrid", "unsubscribe", &sent["id"]).await;
    assert_eq!(consent().await["unsubscribed"], true);
    heard.say("sendgrid", "group_resubscribe", &sent["id"]).await;
    assert_eq!(consent().await["unsubscribed"], true, "of a topic is not of everything");
}

async fn messages_that_are_not_here_are_answered_all_the_same(db: Database) {
    let heard = start(&db).await;
    let app = &heard.app;
    let stranger = json!("msg_00000000000000000000000000000000");
    for vendor in ["postmark", "ses", "sendgrid", "resend"] {
        assert_eq!(heard.say(vendor, "hard", &stranger).await, noted(0, 0, 1), "{vendor}");
        // Mail of the same account that is none of ours.
        assert_eq!(heard.say(vendor, "delivered", &Value::Null).await, noted(0, 0, 1), "{vendor}");
    }
    assert_eq!(app.items("/v1/suppressions").await, Vec::<Value>::new());
    let metrics = Client::new(app.base.clone(), "").get("/metrics").await.text();
    assert!(metrics.contains("segflow_notices_unknown_total{provider=\"resend\"}"), "{metrics}");
}

async fn of_the_erased_only_what_is_counted_changes(db: Database) {
    let heard = start(&db).await;
    let app = &heard.app;
    let (early, late) = (message(app, "ada", "plain").await, message(app, "eve", "plain").await);
    heard.say("postmark", "soft", &early["id"]).await;
    app.settle().await;
    for name in ["ada", "eve"] {
        assert_eq!(app.delete(&format!("/v1/users/{name}")).await.status, 204);
    }
    heard.say("postmark", "hard", &late["id"]).await;
    heard.say("postmark", "clicked", &late["id"]).await;
    app.settle().await;
    let after = app.message(&late).await;
    assert_eq!(
        (&after["status"], &after["reason"], &after["user_id"]),
        (&json!("bounced"), &Value::Null, &Value::Null)
    );
    for outcome in
        after["outcomes"].as_array().unwrap().iter().chain(app.message(&early).await["outcomes"].as_array().unwrap())
    {
        assert_eq!((&outcome["detail"], &outcome["agent"]), (&Value::Null, &Value::Null), "{outcome}");
    }
    // The address has bounced, whoever it was: it is known by its hash, and named nowhere.
    let listed = app.items("/v1/suppressions").await;
    assert!(listed.iter().all(|one| one["address"].is_null()), "{listed:?}");
    assert_eq!(app.get("/v1/suppressions/somebody@x.example").await.ok()["blocked"], "bounce");
    assert_eq!(app.get("/v1/users/eve").await.status, 404);
    // Another of that name is not told.
    app.add("eve", json!({ "email": "eve2@x.example" })).await;
    heard.tell_at("postmark", "complained", &late["id"], 9).say(app).await.ok();
    app.settle().await;
    assert_eq!(told(app, "eve").await, Vec::<Value>::new());
}

async fn thousands_at_once_are_taken(db: Database) {
    let heard = start(&db).await;
    let app = &heard.app;
    let one = |n: usize| json!({"type": "identify", "user_id": format!("u{n}"), "attributes": {"email": format!("u{n}@x.example"), "does": "plain"}});
    app.post("/v1/batch", json!({ "batch": (0..1_200).map(one).collect::<Vec<_>>() })).await.ok();
    app.settle().await;
    let messages = app.items("/v1/messages").await;
    let mut all: Vec<Value> = messages
        .iter()
        .flat_map(|m| {
            ["delivered", "open"].map(|event| json!({ "event": event, "timestamp": 1_767_300_000, "segflow": m["id"] }))
        })
        .collect();
    all.push(json!({ "event": "delivered", "timestamp": 1, "segflow": "msg_x" }));
    all.push(json!("garbage"));
    let told = heard.sendgrid.tell(&json!(all));
    assert_eq!(told.say(app).await.ok(), noted(2_400, 0, 1));
    assert_eq!(told.say(app).await.ok(), noted(0, 2_400, 1));
    app.settle().await;
    assert_eq!(app.items("/v1/messages?status=delivered").await.len(), 1_200);
    assert_eq!(db.count("SELECT COUNT(*) FROM events WHERE name = '$opened'").await, 1_200);
}

/// SendGrid's own library finds the signatures right that are made here, so what Segflow takes is what SendGrid signs.
#[test]
fn the_library_of_sendgrid_finds_these_signatures_right() {
    alone(async {
        let sendgrid = SendGrid::new();
        let told = sendgrid.tell(&json!([{ "event": "delivered", "email": "käthe@x.example" }]));
        let header = |name: &str| told.headers.iter().find(|(n, _)| *n == name).expect("a header").1.clone();
        let given = json!({
            "key": sendgrid.shown(), "body": String::from_utf8(told.body.clone()).unwrap(),
            "signature": header("x-twilio-email-event-webhook-signature"), "timestamp": header("x-twilio-email-event-webhook-timestamp"),
        });
        assert_eq!(clients::webhook("sendgrid", &given).await, json!({ "verifies": true }));
    });
}

/// And so does Resend's, which is Svix's.
#[test]
fn the_library_of_resend_finds_these_signatures_right() {
    alone(async {
        let told = hooks::resend(&json!({ "type": "email.delivered" }), hooks::now());
        let header = |name: &str| told.headers.iter().find(|(n, _)| *n == name).expect("a header").1.clone();
        let given = json!({
            "key": hooks::RESEND, "body": String::from_utf8(told.body.clone()).unwrap(), "id": header("svix-id"),
            "signature": header("svix-signature"), "timestamp": header("svix-timestamp"),
        });
        assert_eq!(clients::webhook("resend", &given).await, json!({ "verifies": true }));
    });
}

/// What moto signs, as SNS does, is opened; with its certificate.
#[test]
fn what_moto_signs_is_opened() {
    run(Kind::Sqlite, async |db: Database| {
        let delivery =
            json!({ "eventType": "Delivery", "mail": { "messageId": "ses-1" }, "delivery": { "timestamp": AT } });
        let signed = clients::sns(hooks::TOPIC, &delivery.to_string()).await;
        let pem: &'static str = Box::leak(signed["pem"].as_str().expect("a certificate").to_string().into_boxed_str());
        let web = Web::start(vec![(200, pem)]).await;
        let secrets = BTreeMap::from([("SES_TOPIC".to_string(), hooks::TOPIC.to_string())]);
        let app = App::with(&db, Config { secrets, sns_url: Some(web.url("")), ..dev(&db) }).await;
        app.push(plugins::letters("heard")).await;
        let body = signed["envelope"].to_string().into_bytes();
        let told = Told { path: "/webhooks/main/ses".into(), headers: vec![], body };
        assert_eq!(told.say(&app).await.ok(), noted(0, 0, 1));
        let mut other = signed["envelope"].clone();
        other["Message"] = "{}".into();
        told.with_body(other.to_string().as_bytes()).say(&app).await.problem(401, "wrong_signature");
    });
}
