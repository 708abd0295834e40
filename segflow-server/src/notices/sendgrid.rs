//! SendGrid: many things in one array, signed with ECDSA over the time and the bytes.

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use segflow_core::notice::{Bounce, Notice, What};
use segflow_core::reader::{By, Reader};
use serde_json::Value;

use super::json::{known, message, text};
use super::{Refusal, header, unsigned};

const SIGNATURE: &str = "x-twilio-email-event-webhook-signature";
const TIMESTAMP: &str = "x-twilio-email-event-webhook-timestamp";

/// What every key on the curve P-256 begins with, before its point: RFC 5480.
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The time is not held against a clock: SendGrid may tell things for days, and what is told twice changes nothing.
pub fn prove(secret: &str, headers: &HeaderMap, body: &[u8]) -> Result<(), Refusal> {
    let key = STANDARD.decode(secret).ok();
    let Some(point) = key.as_ref().and_then(|key| key.strip_prefix(P256.as_slice())).filter(|point| point.len() == 65)
    else {
        return Err(Refusal::Later(
            "the secret is not a verification key as SendGrid shows it: base64, `MFkw…`".into(),
        ));
    };
    let (signature, timestamp) = (header(headers, SIGNATURE), header(headers, TIMESTAMP));
    if signature.is_empty() || timestamp.is_empty() {
        return unsigned("no signature: switch on the signed event webhook at SendGrid");
    }
    let signature = STANDARD.decode(signature).unwrap_or_default();
    let signed = [timestamp.as_bytes(), body].concat();
    match UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(&signed, &signature) {
        Ok(()) => Ok(()),
        Err(_) => unsigned("the signature is not by the key of this provider"),
    }
}

pub fn read(told: &Value) -> Vec<Notice> {
    told.as_array().into_iter().flatten().filter_map(one).collect()
}

fn one(told: &Value) -> Option<Notice> {
    let what = match told["event"].as_str()? {
        "delivered" => What::Delivered,
        "bounce" => bounce(told),
        "dropped" => dropped(text(&told["reason"]).unwrap_or_default()),
        "spamreport" => What::Complained,
        "open" => {
            // Apple's, which fetches everything.
            let reader = Reader::opening(text(&told["useragent"]));
            let by = if told["sg_machine_open"] == true { By::Prefetch } else { reader.by };
            What::Opened(Reader { by, ..reader })
        }
        "click" => What::Clicked { link: text(&told["url"])?, reader: Reader::click(text(&told["useragent"])) },
        "unsubscribe" => What::Wants { wants: false, all: true },
        "group_unsubscribe" => What::Wants { wants: false, all: false },
        "group_resubscribe" => What::Wants { wants: true, all: false },
        _ => return None,
    };
    // What was answered when it was taken, and more behind a dot.
    let answered = text(&told["sg_message_id"]).and_then(|id| id.split('.').next().map(String::from));
    known(Notice {
        message: message(&told["segflow"]),
        provider_id: answered,
        address: text(&told["email"]),
        at: told["timestamp"].as_i64().and_then(|seconds| seconds.checked_mul(1_000)),
        what,
    })
}

/// It did not try, because of what it knows of the address.
fn dropped(why: String) -> What {
    match why.as_str() {
        "Bounced Address" => What::Bounced { bounce: Bounce::Hard, why },
        _ => What::Refused { why },
    }
}

fn bounce(told: &Value) -> What {
    let why = text(&told["reason"]).unwrap_or_default();
    // The status alone is often `5.0.0`.
    let quoted = format!("{} {why}", told["status"].as_str().unwrap_or_default());
    let bounce = match (told["type"].as_str(), told["bounce_classification"].as_str()) {
        (Some("blocked"), _) | (_, Some("Content" | "Reputation" | "Frequency or Volume Too High")) => Bounce::Policy,
        (_, Some("Mailbox Unavailable" | "Technical Failure")) => match Bounce::told(&quoted) {
            Some(told) => told,
            None => Bounce::Soft,
        },
        _ => Bounce::Hard.in_light_of(&quoted),
    };
    What::Bounced { bounce, why }
}
