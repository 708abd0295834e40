//! Postmark: one JSON document for each thing, and a password, since nothing of it is signed.

use segflow_core::notice::{Bounce, Notice, What};
use segflow_core::reader::Reader;
use serde_json::Value;

use super::json::{instant, known, message, text};

pub fn read(told: &Value) -> Option<Notice> {
    let (agent, country) = (text(&told["UserAgent"]), told["Geo"]["CountryISOCode"].as_str());
    let (what, at, to) = match told["RecordType"].as_str()? {
        "Delivery" => (What::Delivered, "DeliveredAt", "Recipient"),
        "Bounce" => (bounce(told)?, "BouncedAt", "Email"),
        "SpamComplaint" => (What::Complained, "BouncedAt", "Email"),
        "Open" => (What::Opened(Reader::opening(agent).from(country)), "ReceivedAt", "Recipient"),
        "Click" => {
            let link = text(&told["OriginalLink"])?;
            (What::Clicked { link, reader: Reader::click(agent).from(country) }, "ReceivedAt", "Recipient")
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
