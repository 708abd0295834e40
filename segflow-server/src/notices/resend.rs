//! Resend: one JSON document for each thing, signed as Svix signs.

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use segflow_core::notice::{Bounce, Notice, What};
use segflow_core::reader::Reader;
use serde_json::Value;
use sha2::Sha256;

use super::json::{instant, known, message, text};
use super::{Refusal, header, unsigned};

/// How far the time of a call may be from ours, in ms. Each try is signed anew.
const TOLERANCE: i64 = 300_000;

pub fn prove(secret: &str, headers: &HeaderMap, body: &[u8], now: i64) -> Result<(), Refusal> {
    let Ok(key) = STANDARD.decode(secret.strip_prefix("whsec_").unwrap_or(secret)) else {
        return Err(Refusal::Later("the secret is not a signing secret as Resend shows it: `whsec_…`".into()));
    };
    let [id, timestamp, signatures] = ["svix-id", "svix-timestamp", "svix-signature"].map(|name| header(headers, name));
    let at = timestamp.parse::<i64>().ok().and_then(|seconds| seconds.checked_mul(1_000));
    let (false, Some(at)) = (id.is_empty() || signatures.is_empty(), at) else {
        return unsigned("no signature: it comes with svix-id, svix-timestamp and svix-signature");
    };
    if now.abs_diff(at) > TOLERANCE as u64 {
        return unsigned("the signature is of another time: more than five minutes from this server's clock");
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("any length will do");
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    // Several, while one secret follows another.
    let is_it = |signature: &str| {
        let signature = signature.strip_prefix("v1,").and_then(|signature| STANDARD.decode(signature).ok());
        signature.is_some_and(|signature| mac.clone().verify_slice(&signature).is_ok())
    };
    match signatures.split(' ').any(is_it) {
        true => Ok(()),
        false => unsigned("the signature is not by the secret of this provider"),
    }
}

pub fn read(told: &Value) -> Option<Notice> {
    let data = &told["data"];
    let what = match told["type"].as_str()? {
        "email.delivered" => What::Delivered,
        "email.bounced" => bounce(&data["bounce"]),
        "email.complained" => What::Complained,
        "email.failed" => What::Refused { why: text(&data["failed"]["reason"]).unwrap_or_default() },
        "email.suppressed" => What::Refused { why: text(&data["suppressed"]["message"]).unwrap_or_default() },
        "email.opened" => What::Opened(Reader::opening(text(&data["open"]["userAgent"]))),
        "email.clicked" => {
            let click = &data["click"];
            What::Clicked { link: text(&click["link"])?, reader: Reader::click(text(&click["userAgent"])) }
        }
        _ => return None,
    };
    known(Notice {
        message: message(tag(&data["tags"])),
        provider_id: text(&data["email_id"]),
        address: text(&data["to"][0]),
        at: instant(&told["created_at"]),
        what,
    })
}

/// Tags were a list of names and values, and are an object.
fn tag(tags: &Value) -> &Value {
    let listed = tags.as_array().and_then(|tags| tags.iter().find(|tag| tag["name"] == "segflow"));
    listed.map_or(&tags["segflow"], |tag| &tag["value"])
}

fn bounce(told: &Value) -> What {
    let why = text(&told["message"]).unwrap_or_default();
    let bounce = match told["type"].as_str() {
        Some("Permanent") => Bounce::Hard.in_light_of(&why),
        Some("Transient") => super::ses::passing(told["subType"].as_str()),
        _ => Bounce::told(&why).unwrap_or(Bounce::Soft),
    };
    What::Bounced { bounce, why }
}
