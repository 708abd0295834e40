//! SendGrid: one email in each call, and 202 for what it takes.

use lettre::message::Mailbox;
use segflow_core::ledger::Outcome;
use serde_json::{Value, json};

use super::http::Place;
use super::provider::{Email, Examined, Outcomes, Provider, headers};
use super::told::{Told, from_now};

pub const ADDRESS: &str = "https://api.sendgrid.com";

/// Calls at one time.
const SLOTS: usize = 64;

pub struct SendGrid {
    place: Place,
    key: String,
}

impl SendGrid {
    pub fn new(place: Place, key: String) -> SendGrid {
        SendGrid { place, key }
    }

    /// What the key may do.
    async fn scopes(&self) -> Result<String, String> {
        let answer = self.place.ask(self.place.get("/v3/scopes").bearer_auth(&self.key)).await?;
        if !answer.is_success() {
            return Err(answer.tell("SendGrid does not take the key"));
        }
        let told = answer.json();
        match told["scopes"].as_array().is_some_and(|scopes| scopes.iter().any(|scope| scope == "mail.send")) {
            true => Ok("the key may send".into()),
            false => Err("the key may not send: it lacks `mail.send`".into()),
        }
    }

    async fn deliver(&self, email: &Email) -> Outcome {
        let body = match body(email) {
            Ok(body) => body,
            Err(why) => return Outcome::Refused(why),
        };
        let request = self.place.post("/v3/mail/send").bearer_auth(&self.key).json(&body);
        let answer = match self.place.call(request).await {
            Ok(answer) => answer,
            Err(outcome) => return outcome,
        };
        if answer.is_success() {
            return Outcome::Accepted { provider_id: answer.header("x-message-id").map(String::from) };
        }
        match answer.outcome(answer.tell("SendGrid does not take it")) {
            // It says when rather than for how long.
            Outcome::Unable { why, pause: None } => {
                let reset = answer.header("x-ratelimit-reset").and_then(|at| at.trim().parse().ok());
                Outcome::Unable { why, pause: reset.map(from_now) }
            }
            outcome => outcome,
        }
    }
}

fn body(email: &Email) -> Result<Value, String> {
    let mut body = json!({
        "personalizations": [{ "to": [{ "email": email.to }], "custom_args": { "segflow": email.id } }],
        "headers": headers(email),
        "from": mailbox(&email.from)?,
        "subject": email.content.subject,
        // In this order: RFC 2046 has the best one last, and SendGrid insists on it.
        "content": [
            { "type": "text/plain", "value": email.content.text },
            { "type": "text/html", "value": email.content.html },
        ],
        "categories": [email.template],
    });
    if let Some(reply_to) = &email.reply_to {
        body["reply_to"] = mailbox(reply_to)?;
    }
    Ok(body)
}

fn mailbox(text: &str) -> Result<Value, String> {
    let mailbox: Mailbox = text.parse().map_err(|e| format!("`from` is not a sender: {e}"))?;
    let mut object = json!({ "email": mailbox.email.to_string() });
    if let Some(name) = mailbox.name {
        object["name"] = name.into();
    }
    Ok(object)
}

impl Provider for SendGrid {
    fn most(&self) -> usize {
        SLOTS
    }

    fn told(&self) -> Option<&Told> {
        Some(self.place.told())
    }

    fn examine(&self) -> Option<Examined<'_>> {
        Some(Box::pin(self.scopes()))
    }

    fn send<'a>(&'a self, emails: &'a [Email]) -> Outcomes<'a> {
        Box::pin(async { vec![self.deliver(&emails[0]).await] })
    }
}
