//! Amazon SES, version 2 of its API: one email in each call.

use lettre::message::header::{From, Headers};
use lettre::message::{Mailbox, Mailboxes};
use reqwest::RequestBuilder;
use segflow_core::ledger::Outcome;
use segflow_core::route::Limits;
use serde_json::{Value, json};

use super::http::{Answer, Place, misconfigured, unable};
use super::provider::{Allowance, Email, Examined, Outcomes, Provider};
use super::sigv4::{self, Key};
use super::told::Told;
use crate::clock::system_now;

/// Calls at one time.
const SLOTS: usize = 64;

const PATH: &str = "/v2/email/outbound-emails";
const ACCOUNT: &str = "/v2/email/account";
const JSON: &str = "application/json";

/// How long SES is left alone that takes no more in this second, and no more on this day, in ms.
const SECOND: i64 = 1_000;
const QUOTA: i64 = 900_000;

pub struct Ses {
    place: Place,
    key: Key,
    configuration_set: Option<String>,
}

pub fn address(region: &str) -> String {
    format!("https://email.{region}.amazonaws.com")
}

impl Ses {
    pub fn new(place: Place, key: Key, configuration_set: Option<String>) -> Ses {
        Ses { place, key, configuration_set }
    }

    async fn deliver(&self, email: &Email) -> Outcome {
        let body = match self.body(email) {
            Ok(body) => body.to_string().into_bytes(),
            Err(why) => return Outcome::Refused(why),
        };
        let answer = match self.place.call(self.signed(self.place.post(PATH), "POST", PATH, &body).body(body)).await {
            Ok(answer) => answer,
            Err(outcome) => return outcome,
        };
        if answer.is_success() {
            return Outcome::Accepted { provider_id: answer.json()["MessageId"].as_str().map(String::from) };
        }
        self.refused(email, &answer)
    }

    fn signed(&self, request: RequestBuilder, method: &str, path: &str, body: &[u8]) -> RequestBuilder {
        let headers = sigv4::headers(&self.key, method, &self.place.at(path), JSON, body, system_now());
        let request = request.header("content-type", JSON);
        headers.into_iter().fold(request, |request, (name, value)| request.header(name, value))
    }

    /// Whether the account may send to anybody in this region.
    async fn standing(&self) -> Result<String, String> {
        let answer = self.place.ask(self.signed(self.place.get(ACCOUNT), "GET", ACCOUNT, &[])).await?;
        let told = answer.json();
        if answer.status == 403 && answer.body.contains("AccessDenied") {
            return Ok("the key is known; it may not ask about the account (`ses:GetAccount`)".into());
        }
        if !answer.is_success() {
            return Err(answer.tell("SES does not take the key"));
        }
        if told["SendingEnabled"] == false {
            return Err("the account may not send: sending is paused".into());
        }
        if told["ProductionAccessEnabled"] == false {
            return Err("the account is in the sandbox: it may send only to verified addresses".into());
        }
        Ok("the account may send".into())
    }

    /// What the account may send in this region. Whoever may send may not always ask.
    async fn account(&self) -> Result<Limits, String> {
        let request = self.signed(self.place.get(ACCOUNT), "GET", ACCOUNT, &[]);
        let answer = self.place.call(request).await.map_err(|outcome| format!("{outcome:?}"))?;
        if !answer.is_success() {
            return Err(answer.tell("SES does not say what the account may send"));
        }
        let quota = &answer.json()["SendQuota"];
        // -1 is without limit; of less than one in a second, SES says 0.2 or the like.
        let number = |name: &str| quota[name].as_f64().filter(|n| *n > 0.0).map(|n| (n as u32).max(1));
        Ok(Limits { per_second: number("MaxSendRate"), per_day: number("Max24HourSend") })
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
        if let Some(reply_to) = &email.reply_to {
            body["ReplyToAddresses"] = json!([ascii(reply_to)?]);
        }
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
            // The rate of a second and the quota of a day go by the same names.
            "TooManyRequestsException" | "ThrottlingException" | "Throttling" | "LimitExceededException"
                if said.contains("quota exceeded") =>
            {
                Outcome::Unable { why, pause: Some(QUOTA) }
            }
            "TooManyRequestsException" | "ThrottlingException" | "Throttling" => {
                Outcome::Unable { why, pause: Some(answer.pause().unwrap_or(SECOND)) }
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
    fn most(&self) -> usize {
        SLOTS
    }

    fn told(&self) -> Option<&Told> {
        Some(self.place.told())
    }

    fn allowance(&self) -> Option<Allowance<'_>> {
        Some(Box::pin(self.account()))
    }

    fn examine(&self) -> Option<Examined<'_>> {
        Some(Box::pin(self.standing()))
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
