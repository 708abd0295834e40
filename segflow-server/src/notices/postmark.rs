//! Postmark: one JSON document for each thing, and a password, since nothing of it is signed.

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use segflow_core::notice::{Bounce, By, Notice, What};
use serde_json::Value;
use subtle::ConstantTimeEq;

use super::json::{instant, known, message, text};
use super::{Refusal, header, unsigned};

/// The password of the address that Postmark was given; the user's name is free.
pub fn prove(secret: &str, headers: &HeaderMap) -> Result<(), Refusal> {
    let given = header(headers, "authorization");
    let Some((_, coded)) = given.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic")) else {
        return unsigned("no password: give Postmark the address as https://segflow:PASSWORD@…");
    };
    let decoded = STANDARD.decode(coded.trim()).unwrap_or_default();
    let colon = decoded.iter().position(|byte| *byte == b':').unwrap_or(decoded.len());
    let password = decoded.get(colon + 1..).unwrap_or_default();
    match bool::from(password.ct_eq(secret.as_bytes())) {
        true => Ok(()),
        false => unsigned("the password is not the one of this provider"),
    }
}

pub fn read(told: &Value) -> Option<Notice> {
    let (what, at, to) = match told["RecordType"].as_str()? {
        "Delivery" => (What::Delivered, "DeliveredAt", "Recipient"),
        "Bounce" => (bounce(told)?, "BouncedAt", "Email"),
        "SpamComplaint" => (What::Complained, "BouncedAt", "Email"),
        "Open" => (What::Opened { by: By::Person, agent: text(&told["UserAgent"]) }, "ReceivedAt", "Recipient"),
        "Click" => {
            let link = text(&told["OriginalLink"])?;
            (What::Clicked { link, by: By::Person, agent: text(&told["UserAgent"]) }, "ReceivedAt", "Recipient")
        }
        "SubscriptionChange" => (change(told)?, "ChangedAt", "Recipient"),
        _ => return None,
    };
    known(Notice {
        message: message(&told["Metadata"]["segflow"]),
        provider_id: text(&told["MessageID"]),
        address: text(&told[to]),
        at: instant(&told[at]),
        what,
    })
}

/// By the name of its type. What answers by itself, or asks for something, is no bounce.
fn bounce(told: &Value) -> Option<What> {
    let why = text(&told["Details"]).or_else(|| text(&told["Description"])).unwrap_or_default();
    let bounce = match told["Type"].as_str()? {
        "HardBounce" | "BadEmailAddress" => Bounce::Hard.in_light_of(&why),
        "SoftBounce" | "Transient" | "DnsError" => Bounce::Soft,
        "SpamNotification" | "VirusNotification" | "Blocked" | "DMARCPolicy" => Bounce::Policy,
        "Unknown" => Bounce::told(&why).unwrap_or(Bounce::Soft),
        "SpamComplaint" => return Some(What::Complained),
        "Unsubscribe" => return Some(What::Wants { wants: false, all: false }),
        "ManuallyDeactivated" | "Unconfirmed" | "SMTPApiError" | "TemplateRenderingFailed" => {
            return Some(What::Refused { why });
        }
        _ => return None,
    };
    Some(What::Bounced { bounce, why })
}

/// A stream does not write to somebody any more, or does again.
fn change(told: &Value) -> Option<What> {
    let suppresses = told["SuppressSending"].as_bool()?;
    match (told["Origin"].as_str()?, told["SuppressionReason"].as_str().unwrap_or_default()) {
        ("Recipient", "SpamComplaint") if suppresses => Some(What::Complained),
        ("Recipient", "HardBounce") if suppresses => {
            Some(What::Bounced { bounce: Bounce::Hard, why: "suppressed after a hard bounce".into() })
        }
        ("Recipient", _) => Some(What::Wants { wants: !suppresses, all: true }),
        // Whoever did it at Postmark did not say that its reader wanted it.
        _ => None,
    }
}
