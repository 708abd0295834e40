//! What each vendor writes, as its documents show it, and what it says. Whatever else comes is read without harm.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use segflow_core::notice::{Bounce, What};
use segflow_core::reader::{By, Reader};
use serde_json::json;

use super::*;

const MESSAGE: &str = "msg_2afcef9580f3c1a931ca39717d33376a";

/// What a notice says, in short: `bounced hard`.
fn short(notice: Option<Notice>) -> Option<String> {
    let notice = notice?;
    assert_eq!(notice.message.as_deref(), Some(MESSAGE), "{notice:?}");
    assert_eq!(notice.address.as_deref(), Some("ada@x.example"), "{notice:?}");
    assert_eq!(notice.at, Some(1_750_000_000_000), "{notice:?}");
    assert!(notice.provider_id.is_some(), "{notice:?}");
    let all = match &notice.what {
        What::Wants { all: true, .. } => Some("all"),
        what => what.kind(),
    };
    Some([Some(notice.what.name()), all].into_iter().flatten().collect::<Vec<_>>().join(" "))
}

const AT: &str = "2025-06-15T15:06:40Z";

#[test]
fn what_postmark_tells() {
    let of = |more: Value| {
        let mut told = json!({
            "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483", "Recipient": "ada@x.example", "Email": "ada@x.example",
            "Metadata": { "segflow": MESSAGE }, "DeliveredAt": AT, "BouncedAt": AT, "ReceivedAt": AT, "ChangedAt": AT,
        });
        told.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        short(postmark::read(&told))
    };
    let bounce = |ty: &str, details: &str| of(json!({ "RecordType": "Bounce", "Type": ty, "Details": details }));
    let change = |suppresses: bool, origin: &str, reason: Value| {
        of(
            json!({ "RecordType": "SubscriptionChange", "SuppressSending": suppresses, "Origin": origin, "SuppressionReason": reason }),
        )
    };
    for (told, says) in [
        (of(json!({ "RecordType": "Delivery", "Details": "Test delivery" })), Some("delivered")),
        (
            bounce("HardBounce", "smtp;550 5.1.1 The email account that you tried to reach does not exist."),
            Some("bounced hard"),
        ),
        (bounce("HardBounce", "smtp;554 5.7.1 rejected by policy"), Some("bounced policy")),
        (bounce("HardBounce", "no such user"), Some("bounced hard")),
        (bounce("SoftBounce", "smtp;452 4.2.2 full"), Some("bounced soft")),
        (bounce("Transient", ""), Some("bounced soft")),
        (bounce("DMARCPolicy", "550 5.1.1"), Some("bounced policy")),
        (bounce("SpamNotification", ""), Some("bounced policy")),
        (bounce("Unknown", "550 5.1.1 unknown"), Some("bounced hard")),
        (bounce("Unknown", ""), Some("bounced soft")),
        (bounce("ManuallyDeactivated", ""), Some("refused")),
        (bounce("SpamComplaint", ""), Some("complained")),
        (bounce("Unsubscribe", ""), Some("unsubscribed")),
        (bounce("AutoResponder", "I am away"), None),
        (bounce("Invented", ""), None),
        (of(json!({ "RecordType": "SpamComplaint" })), Some("complained")),
        (of(json!({ "RecordType": "Open", "UserAgent": "Mail" })), Some("opened person")),
        (of(json!({ "RecordType": "Click", "OriginalLink": "https://x.example" })), Some("clicked person")),
        (of(json!({ "RecordType": "Click" })), None),
        (change(true, "Recipient", json!("ManualSuppression")), Some("unsubscribed all")),
        (change(true, "Recipient", json!("HardBounce")), Some("bounced hard")),
        (change(true, "Recipient", json!("SpamComplaint")), Some("complained")),
        (change(false, "Recipient", Value::Null), Some("subscribed all")),
        (change(true, "Customer", json!("ManualSuppression")), None),
        (of(json!({ "RecordType": "Inbound" })), None),
        (of(json!({})), None),
    ] {
        assert_eq!(told.as_deref(), says);
    }
    let foreign = json!({ "RecordType": "Delivery", "Metadata": { "segflow": "other" } });
    assert_eq!(postmark::read(&foreign), None, "of no message that could be ours");
}

#[test]
fn what_ses_tells() {
    let of = |told: Value| {
        let mut told = told;
        told["mail"] = json!({
            "messageId": "EXAMPLE7c191be45", "timestamp": AT, "destination": ["ada@x.example"],
            "tags": { "segflow": [MESSAGE], "ses:configuration-set": ["shop"] },
        });
        short(ses::read(&told))
    };
    let bounce = |ty: &str, sub: &str, status: &str, code: &str| {
        let recipient =
            json!({ "emailAddress": "ada@x.example", "action": "failed", "status": status, "diagnosticCode": code });
        of(
            json!({ "eventType": "Bounce", "bounce": { "bounceType": ty, "bounceSubType": sub, "bouncedRecipients": [recipient], "timestamp": AT } }),
        )
    };
    for (told, says) in [
        (of(json!({ "eventType": "Delivery", "delivery": { "timestamp": AT } })), Some("delivered")),
        (of(json!({ "notificationType": "Delivery", "delivery": { "timestamp": AT } })), Some("delivered")),
        (bounce("Permanent", "General", "5.1.1", "smtp; 550 5.1.1 user unknown"), Some("bounced hard")),
        (
            bounce("Permanent", "OnAccountSuppressionList", "5.1.1", "Amazon SES did not send the message"),
            Some("bounced hard"),
        ),
        (bounce("Permanent", "General", "5.7.1", "smtp; 550 5.7.1 blocked"), Some("bounced policy")),
        (bounce("Transient", "MailboxFull", "4.2.2", ""), Some("bounced soft")),
        (bounce("Transient", "MessageTooLarge", "5.3.4", ""), Some("bounced policy")),
        (bounce("Undetermined", "Undetermined", "", ""), Some("bounced soft")),
        (bounce("Undetermined", "Undetermined", "5.1.1", ""), Some("bounced hard")),
        (
            of(json!({ "eventType": "Complaint", "complaint": { "complaintFeedbackType": "abuse", "timestamp": AT } })),
            Some("complained"),
        ),
        (
            of(
                json!({ "eventType": "Complaint", "complaint": { "complaintFeedbackType": "not-spam", "timestamp": AT } }),
            ),
            None,
        ),
        (of(json!({ "eventType": "Reject", "reject": { "reason": "Bad content" } })), Some("refused")),
        (of(json!({ "eventType": "Open", "open": { "timestamp": AT, "userAgent": "Mail" } })), Some("opened person")),
        (
            of(json!({ "eventType": "Click", "click": { "timestamp": AT, "link": "https://x.example" } })),
            Some("clicked person"),
        ),
        (
            of(
                json!({ "eventType": "Subscription", "subscription": { "timestamp": AT, "newTopicPreferences": { "unsubscribeAll": true } } }),
            ),
            Some("unsubscribed all"),
        ),
        (of(json!({ "eventType": "Send", "send": {} })), None),
        (of(json!({ "eventType": "DeliveryDelay" })), None),
    ] {
        assert_eq!(told.as_deref(), says);
    }
}

#[test]
fn what_sendgrid_tells() {
    let of = |event: &str, more: Value| {
        let mut told = json!({
            "event": event, "email": "ada@x.example", "timestamp": 1_750_000_000, "sg_event_id": "x",
            "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0", "segflow": MESSAGE,
        });
        told.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let mut all = sendgrid::read(&json!([told]));
        let notice = all.pop();
        assert!(all.is_empty() && notice.iter().all(|n| n.provider_id.as_deref() == Some("14c5d75ce93")));
        short(notice)
    };
    let bounce = |status: &str, reason: &str, more: Value| {
        let mut told = json!({ "type": "bounce", "status": status, "reason": reason });
        told.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        of("bounce", told)
    };
    for (told, says) in [
        (of("delivered", json!({ "response": "250 OK" })), Some("delivered")),
        (bounce("5.1.1", "550 5.1.1 unknown", json!({})), Some("bounced hard")),
        (
            bounce("5.0.0", "500 unknown recipient", json!({ "bounce_classification": "Invalid Address" })),
            Some("bounced hard"),
        ),
        (bounce("5.7.1", "", json!({})), Some("bounced policy")),
        (bounce("5.0.0", "550 spam", json!({ "bounce_classification": "Content" })), Some("bounced policy")),
        (bounce("4.2.2", "full", json!({})), Some("bounced soft")),
        (
            bounce("5.0.0", "over quota", json!({ "bounce_classification": "Mailbox Unavailable" })),
            Some("bounced soft"),
        ),
        (bounce("5.1.1", "", json!({ "type": "blocked" })), Some("bounced policy")),
        (of("dropped", json!({ "reason": "Bounced Address" })), Some("bounced hard")),
        (of("dropped", json!({ "reason": "Unsubscribed Address" })), Some("refused")),
        (of("spamreport", json!({})), Some("complained")),
        (of("open", json!({ "useragent": "Mail" })), Some("opened person")),
        (of("open", json!({ "sg_machine_open": true })), Some("opened prefetch")),
        (of("click", json!({ "url": "https://x.example" })), Some("clicked person")),
        (of("unsubscribe", json!({})), Some("unsubscribed all")),
        (of("group_unsubscribe", json!({ "asm_group_id": 1 })), Some("unsubscribed")),
        (of("group_resubscribe", json!({ "asm_group_id": 1 })), Some("subscribed")),
        (of("processed", json!({})), None),
        (of("deferred", json!({})), None),
    ] {
        assert_eq!(told.as_deref(), says);
    }
    let several =
        json!([{ "event": "delivered", "segflow": MESSAGE }, 7, null, { "event": "open", "segflow": MESSAGE }]);
    assert_eq!(sendgrid::read(&several).len(), 2);
    assert_eq!(sendgrid::read(&json!({ "event": "delivered", "segflow": MESSAGE })), []);
}

#[test]
fn what_resend_tells() {
    let of = |ty: &str, data: Value| {
        let mut told = json!({ "type": ty, "created_at": AT, "data": data });
        let more = json!({ "email_id": "56761188-7520-42d8-8898-ff6fc54ce618", "to": ["ada@x.example"], "tags": { "segflow": MESSAGE } });
        told["data"].as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        short(resend::read(&told))
    };
    let bounce = |ty: &str, sub: &str, message: &str| {
        of("email.bounced", json!({ "bounce": { "type": ty, "subType": sub, "message": message } }))
    };
    for (told, says) in [
        (of("email.delivered", json!({})), Some("delivered")),
        (bounce("Permanent", "General", "550 5.1.1 unknown"), Some("bounced hard")),
        (bounce("Permanent", "Suppressed", "Resend has suppressed sending to this address"), Some("bounced hard")),
        (bounce("Permanent", "General", "550 5.7.26 unauthenticated"), Some("bounced policy")),
        (bounce("Transient", "MailboxFull", ""), Some("bounced soft")),
        (bounce("Transient", "ContentRejected", ""), Some("bounced policy")),
        (bounce("Undetermined", "Undetermined", ""), Some("bounced soft")),
        (of("email.complained", json!({})), Some("complained")),
        (of("email.failed", json!({ "failed": { "reason": "reached_daily_quota" } })), Some("refused")),
        (of("email.opened", json!({})), Some("opened person")),
        (of("email.clicked", json!({ "click": { "link": "https://x.example" } })), Some("clicked person")),
        (of("email.sent", json!({})), None),
        (of("email.delivery_delayed", json!({})), None),
        (of("contact.created", json!({})), None),
    ] {
        assert_eq!(told.as_deref(), says);
    }
    let listed = json!({ "type": "email.delivered", "data": { "tags": [{ "name": "a", "value": "b" }, { "name": "segflow", "value": MESSAGE }] } });
    assert_eq!(resend::read(&listed).and_then(|notice| notice.message).as_deref(), Some(MESSAGE));
}

#[test]
fn what_a_bounce_says_is_kept() {
    let told =
        json!({ "RecordType": "Bounce", "Type": "HardBounce", "Details": "550 5.1.1 unknown", "MessageID": "x" });
    let what = postmark::read(&told).expect("a notice").what;
    assert_eq!(what, What::Bounced { bounce: Bounce::Hard, why: "550 5.1.1 unknown".into() });
    let machine = json!([{ "event": "open", "segflow": MESSAGE, "sg_machine_open": true, "useragent": "Mail" }]);
    let what = sendgrid::read(&machine).remove(0).what;
    assert_eq!(what, What::Opened(Reader { by: By::Prefetch, agent: Some("Mail".into()), country: None }));
}

/// As Svix documents it.
#[test]
fn the_example_of_svix_is_understood() {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let body = br#"{"test": 2432232314}"#;
    let headers = |signature: &str| {
        let all = [
            ("svix-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("svix-timestamp", "1614265330"),
            ("svix-signature", signature),
        ];
        all.into_iter()
            .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")))
            .collect::<HeaderMap>()
    };
    let good = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    let prove = |signature: &str, now: i64| resend::prove(secret, &headers(signature), body, now);
    let at = 1_614_265_330_000;
    assert_eq!(prove(good, at), Ok(()));
    assert_eq!(prove(&format!("v1,AAAA v2,AAAA {good}"), at + 299_000), Ok(()));
    for (signature, now) in [
        (good, at + 301_000),
        (good, at - 301_000),
        (good, i64::MIN),
        ("v1,AAAA", at),
        ("g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", at),
        ("v1a,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", at),
        ("", at),
    ] {
        assert!(matches!(prove(signature, now), Err(Refusal::Unsigned(_))), "{signature} {now}");
    }
    assert!(matches!(resend::prove("whsec_é", &headers(good), body, at), Err(Refusal::Later(_))));
}

#[test]
fn a_password_is_all_of_it() {
    let prove = |given: &str| {
        let headers: HeaderMap =
            [("authorization".parse().expect("a name"), given.parse().expect("a value"))].into_iter().collect();
        password::prove("pass:word", &headers).is_ok()
    };
    let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
    assert!(
        prove(&basic("segflow:pass:word"))
            && prove(&basic(":pass:word"))
            && prove(&basic("a:pass:word").replace("Basic", "basic"))
    );
    for wrong in ["segflow:pass", "pass:word", "segflow:pass:word2", "segflow:", "segflow", ""] {
        assert!(!prove(&basic(wrong)), "{wrong}");
    }
    assert!(!prove("Basic ???") && !prove("Basic") && !prove("Bearer pass:word"));
    assert!(password::prove("x", &HeaderMap::new()).is_err());
}

/// Documents made of the words that are looked for, nested at will.
fn document() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "RecordType",
        "Bounce",
        "Delivery",
        "Type",
        "HardBounce",
        "Details",
        "Metadata",
        "segflow",
        "MessageID",
        "Open",
        "Click",
        "OriginalLink",
        "SubscriptionChange",
        "SuppressSending",
        "Origin",
        "Recipient",
        "eventType",
        "bounce",
        "bounceType",
        "Permanent",
        "bouncedRecipients",
        "status",
        "diagnosticCode",
        "mail",
        "tags",
        "messageId",
        "destination",
        "timestamp",
        "event",
        "email",
        "delivered",
        "bounce",
        "sg_message_id",
        "reason",
        "type",
        "data",
        "email.bounced",
        "email.clicked",
        "click",
        "link",
        "to",
        "created_at",
        "name",
        "value",
        MESSAGE,
        AT,
        "5.1.1",
        "..",
        "",
        "é",
        "99999999999999999999.1.1",
    ]);
    let leaf = prop_oneof![
        words.clone().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(words.clone(), inner, 0..8).prop_map(|all| Value::Object(
                all.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
            )),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_is_told_is_read_without_harm(told in document()) {
        postmark::read(&told);
        ses::read(&told);
        sendgrid::read(&told);
        sendgrid::read(&json!([told]));
        resend::read(&told);
    }

    #[test]
    fn whatever_is_quoted_is_read_without_harm(text in ".*", digits in "[0-9.]{0,40}") {
        Bounce::told(&text);
        Bounce::told(&digits);
    }

    #[test]
    fn nothing_is_proven_by_chance(secret in ".*", given in "[ -~]*", body in prop::collection::vec(any::<u8>(), 0..64)) {
        let names = ["authorization", "svix-id", "svix-signature", "x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp"];
        let mut headers: HeaderMap =
            names.iter().map(|name| (name.parse().expect("a name"), given.parse().expect("a value"))).collect();
        headers.insert("svix-timestamp", "1".parse().expect("a value"));
        let password = secret.clone() + "x";
        prop_assert!(password::prove(&password, &headers).is_err());
        prop_assert!(sendgrid::prove(&secret, &headers, &body).is_err());
        prop_assert!(resend::prove(&secret, &headers, &body, 0).is_err());
    }
}
