//! Amazon SES: what it publishes as events of a configuration set, and what it sends as notifications of an identity. Both are messages
//! of SNS, which proves where they come from.

use segflow_core::notice::{Bounce, Notice, What};
use segflow_core::reader::Reader;
use serde_json::Value;

use super::json::{instant, known, message, text};

pub fn read(told: &Value) -> Option<Notice> {
    let (what, at) = match told["eventType"].as_str().or(told["notificationType"].as_str())? {
        "Delivery" => (What::Delivered, &told["delivery"]),
        "Bounce" => (bounce(&told["bounce"]), &told["bounce"]),
        // What its reader has taken out of the spam is told by the same name.
        "Complaint" if told["complaint"]["complaintFeedbackType"] == "not-spam" => return None,
        "Complaint" => (What::Complained, &told["complaint"]),
        "Reject" => (What::Refused { why: text(&told["reject"]["reason"]).unwrap_or_default() }, &told["mail"]),
        "Rendering Failure" => {
            (What::Refused { why: text(&told["failure"]["errorMessage"]).unwrap_or_default() }, &told["mail"])
        }
        "Open" => (What::Opened(Reader::opening(text(&told["open"]["userAgent"]))), &told["open"]),
        "Click" => {
            let click = &told["click"];
            (What::Clicked { link: text(&click["link"])?, reader: Reader::click(text(&click["userAgent"])) }, click)
        }
        "Subscription" => {
            let wants = &told["subscription"]["newTopicPreferences"];
            (What::Wants { wants: !wants["unsubscribeAll"].as_bool()?, all: true }, &told["subscription"])
        }
        _ => return None,
    };
    let mail = &told["mail"];
    known(Notice {
        // Only events have tags.
        message: message(&mail["tags"]["segflow"][0]),
        provider_id: text(&mail["messageId"]),
        address: text(&mail["destination"][0]),
        at: instant(&at["timestamp"]),
        what,
    })
}

fn bounce(told: &Value) -> What {
    let recipient = &told["bouncedRecipients"][0];
    let why = text(&recipient["diagnosticCode"]).unwrap_or_else(|| {
        let kind = [&told["bounceType"], &told["bounceSubType"]].map(|word| word.as_str().unwrap_or_default());
        kind.join(" ").trim().to_string()
    });
    let quoted = format!("{} {why}", recipient["status"].as_str().unwrap_or_default());
    let bounce = match told["bounceType"].as_str() {
        Some("Permanent") => Bounce::Hard.in_light_of(&quoted),
        Some("Transient") => passing(told["bounceSubType"].as_str()),
        _ => Bounce::told(&quoted).unwrap_or(Bounce::Soft),
    };
    What::Bounced { bounce, why }
}

/// A bounce that SES calls transient: some are about the message, and it will be no other tomorrow.
pub fn passing(kind: Option<&str>) -> Bounce {
    match kind {
        Some("MessageTooLarge" | "ContentRejected" | "AttachmentRejected") => Bounce::Policy,
        _ => Bounce::Soft,
    }
}
