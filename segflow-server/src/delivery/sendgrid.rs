//! SendGrid: one email in each call, and 202 for what it takes.

use std::sync::Arc;

use lettre::message::Mailbox;
use segflow_core::ledger::Outcome;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::http::{self, Place};
use super::provider::{Email, Outcomes, Provider, headers};
use crate::clock::system_now;

pub const ADDRESS: &str = "https://api.sendgrid.com";

/// Calls at one time.
const SLOTS: usize = 64;

pub struct SendGrid {
    id: String,
    place: Place,
    key: String,
    slots: Arc<Semaphore>,
}

impl SendGrid {
    pub fn new(id: &str, place: Place, key: String) -> SendGrid {
        SendGrid { id: id.into(), place, key, slots: Arc::new(Semaphore::new(SLOTS)) }
    }

    async fn deliver(&self, email: &Email) -> Outcome {
        let body = match body(email) {
            Ok(body) => body,
            Err(why) => return Outcome::Refused(why),
        };
        let request = self.place.post("/v3/mail/send").bearer_auth(&self.key).json(&body);
        let answer = match http::call(request).await {
            Ok(answer) => answer,
            Err(outcome) => return outcome,
        };
        if answer.is_success() {
            return Outcome::Accepted { provider_id: answer.header("x-message-id").map(String::from) };
        }
        match answer.outcome(answer.tell("SendGrid does not take it")) {
            // It says when rather than for how long.
            Outcome::Unable { why, pause: None } => {
                Outcome::Unable { why, pause: reset(answer.header("x-ratelimit-reset")) }
            }
            outcome => outcome,
        }
    }
}

/// From now until an instant in seconds of Unix time, in ms.
fn reset(at: Option<&str>) -> Option<i64> {
    let at: i64 = at?.parse().ok()?;
    Some((at.saturating_mul(1_000) - system_now()).clamp(0, 86_400_000))
}

fn body(email: &Email) -> Result<Value, String> {
    let from: Mailbox = email.from.parse().map_err(|e| format!("`from` is not a sender: {e}"))?;
    let mut sender = json!({ "email": from.email.to_string() });
    if let Some(name) = from.name {
        sender["name"] = name.into();
    }
    Ok(json!({
        "personalizations": [{ "to": [{ "email": email.to }], "custom_args": { "segflow": email.id } }],
        "headers": headers(email),
        "from": sender,
        "subject": email.content.subject,
        // In this order: RFC 2046 has the best one last, and SendGrid insists on it.
        "content": [
            { "type": "text/plain", "value": email.content.text },
            { "type": "text/html", "value": email.content.html },
        ],
        "categories": [email.template],
    }))
}

impl Provider for SendGrid {
    fn id(&self) -> &str {
        &self.id
    }

    fn slots(&self) -> Arc<Semaphore> {
        self.slots.clone()
    }

    fn send<'a>(&'a self, emails: &'a [Email]) -> Outcomes<'a> {
        Box::pin(async { vec![self.deliver(&emails[0]).await] })
    }
}
