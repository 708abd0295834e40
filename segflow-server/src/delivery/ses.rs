//! Amazon SES, version 2 of its API: one email in each call.

use std::sync::Arc;

use lettre::message::header::{From, Headers};
use lettre::message::{Mailbox, Mailboxes};
use segflow_core::ledger::Outcome;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::http::{self, Answer, Place, misconfigured, unable};
use super::provider::{Email, Outcomes, Provider};
use super::sigv4::{self, Key};
use crate::clock::system_now;

/// Calls at one time.
const SLOTS: usize = 64;

const PATH: &str = "/v2/email/outbound-emails";

pub struct Ses {
    id: String,
    place: Place,
    key: Key,
    configuration_set: Option<String>,
    slots: Arc<Semaphore>,
}

pub fn address(region: &str) -> String {
    format!("https://email.{region}.amazonaws.com")
}

impl Ses {
    pub fn new(id: &str, place: Place, key: Key, configuration_set: Option<String>) -> Ses {
        Ses { id: id.into(), place, key, configuration_set, slots: Arc::new(Semaphore::new(SLOTS)) }
    }

    async fn deliver(&self, email: &Email) -> Outcome {
        let body = match self.body(email) {
            Ok(body) => body.to_string().into_bytes(),
            Err(why) => return Outcome::Refused(why),
        };
        let url = self.place.at(PATH);
        let mut request = self.place.post(PATH).header("content-type", "application/json");
        for (name, value) in sigv4::headers(&self.key, &url, "application/json", &body, system_now()) {
            request = request.header(name, value);
        }
        let answer = match http::call(request.body(body)).await {
            Ok(answer) => answer,
            Err(outcome) => return outcome,
        };
        if answer.is_success() {
            return Outcome::Accepted { provider_id: answer.json()["MessageId"].as_str().map(String::from) };
        }
        self.refused(email, &answer)
    }

    fn body(&self, email: &Email) -> Result<Value, String> {
        let text = |data: &str| json!({ "Data": data, "Charset": "UTF-8" });
        let mut body = json!({
            "FromEmailAddress": ascii(&email.from)?,
            "Destination": { "ToAddresses": [email.to] },
            "Content": { "Simple": {
                "Subject": text(&email.content.subject),
                "Body": { "Html": text(&email.content.html), "Text": text(&email.content.text) },
                "Headers": email.headers.iter().map(|(name, value)| json!({ "Name": name, "Value": value })).collect::<Vec<_>>(),
            } },
            "EmailTags": [{ "Name": "segflow", "Value": email.id }],
        });
        if let Some(name) = &self.configuration_set {
            body["ConfigurationSetName"] = json!(name);
        }
        Ok(body)
    }

    /// By the name of the error: of several statuses, 400 says nothing.
    fn refused(&self, email: &Email, answer: &Answer) -> Outcome {
        let told = answer.json();
        let name = answer.header("x-amzn-errortype").or(told["__type"].as_str()).unwrap_or_default();
        // It comes as `NAME:https://…` and as `namespace#NAME`.
        let name = name.split(':').next().unwrap_or_default().rsplit('#').next().unwrap_or_default();
        let said = told["message"].as_str().or(told["Message"].as_str()).unwrap_or_default();
        let why = match said {
            "" => answer.tell(&format!("SES says {name}")),
            _ => format!("SES says {name}: {said}"),
        };
        match name {
            "TooManyRequestsException" | "ThrottlingException" | "Throttling" => {
                Outcome::Unable { why, pause: answer.pause() }
            }
            "ServiceUnavailable" | "ServiceUnavailableException" => unable(why),
            "LimitExceededException"
            | "AccountSuspendedException"
            | "SendingPausedException"
            | "MailFromDomainNotVerifiedException"
            | "NotFoundException" => misconfigured(why),
            // In its sandbox SES refuses recipients too that it has not verified: that is for the recipient alone.
            "MessageRejected" if said.contains("not verified") && !said.contains(email.to.as_str()) => {
                misconfigured(why)
            }
            "MessageRejected" => Outcome::Refused(why),
            _ => answer.outcome(why),
        }
    }
}

/// A mailbox without any character that mail headers do not have.
fn ascii(mailbox: &str) -> Result<String, String> {
    if mailbox.is_ascii() {
        return Ok(mailbox.into());
    }
    let mailbox: Mailbox = mailbox.parse().map_err(|e| format!("`from` is not a sender: {e}"))?;
    let mut headers = Headers::new();
    headers.set(From::from(Mailboxes::from(mailbox)));
    let written = headers.to_string().replace("\r\n", "");
    Ok(written.trim_start_matches("From:").trim().to_string())
}

impl Provider for Ses {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_beyond_ascii_is_encoded() {
        assert_eq!(ascii("Shop <a@shop.example>").as_deref(), Ok("Shop <a@shop.example>"));
        let encoded = ascii("Käsehaus am großen Markt von Überlingen <a@shop.example>").expect("a mailbox");
        assert!(
            encoded.is_ascii() && encoded.contains("=?utf-8?b?") && encoded.ends_with("<a@shop.example>"),
            "{encoded}"
        );
    }
}
