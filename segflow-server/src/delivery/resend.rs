//! Resend: one email in each call, with a key by which it knows the email again for a day.
//!
//! Its batches are not used: there the key is one of the whole batch, which would have to be the same when it is tried again.

use segflow_core::ledger::Outcome;
use segflow_core::route::Limits;
use serde_json::json;

use super::http::{Place, keyed, misconfigured};
use super::provider::{Email, Examined, Outcomes, Provider, headers};
use super::told::Told;

pub const ADDRESS: &str = "https://api.resend.com";

/// Calls at one time.
const SLOTS: usize = 8;

const PER_SECOND: u32 = 2;

pub struct Resend {
    place: Place,
    key: String,
}

impl Resend {
    pub fn new(place: Place, key: String) -> Resend {
        Resend { place, key }
    }

    /// The domains of the team, which not every key may see.
    async fn domains(&self) -> Result<String, String> {
        let answer = self.place.ask(self.place.get("/domains").bearer_auth(&self.key)).await?;
        let told = answer.json();
        if told["name"] == "restricted_api_key" {
            return Ok("the key may send, and nothing else".into());
        }
        if !answer.is_success() {
            return Err(answer.tell("Resend does not take the key"));
        }
        let domains = told["data"].as_array().into_iter().flatten();
        let verified =
            domains.filter(|domain| domain["status"] == "verified").filter_map(|domain| domain["name"].as_str());
        match verified.collect::<Vec<_>>().as_slice() {
            [] => Err("the team has no verified domain to send from".into()),
            verified => Ok(format!("verified to send from: {}", verified.join(", "))),
        }
    }

    async fn deliver(&self, email: &Email) -> Outcome {
        let mut body = json!({
            "from": email.from,
            "to": [email.to],
            "subject": email.content.subject,
            "html": email.content.html,
            "text": email.content.text,
            "headers": headers(email),
            "tags": [{ "name": "segflow", "value": email.id }],
        });
        if let Some(reply_to) = &email.reply_to {
            body["reply_to"] = json!(reply_to);
        }
        let request = self.place.post("/emails").bearer_auth(&self.key).header("Idempotency-Key", &email.id);
        let answer = match self.place.call(request.json(&body)).await {
            Ok(answer) => answer,
            Err(outcome) => return keyed(outcome),
        };
        self.place.told().takes_per_second(answer.header("ratelimit-limit"));
        if answer.is_success() {
            return Outcome::Accepted { provider_id: answer.json()["id"].as_str().map(String::from) };
        }
        let (told, why) = (answer.json(), answer.tell("Resend does not take it"));
        match (answer.status, told["name"].as_str().unwrap_or_default()) {
            // The same key, and it is still at it.
            (409, "concurrent_idempotent_requests") => Outcome::Repeatable(why),
            // The same key and another text: it was tried before, and the email or the person has changed since.
            (409, _) => Outcome::Ambiguous(why),
            (422, "invalid_from_address") | (429, "daily_quota_exceeded" | "monthly_quota_exceeded") => {
                misconfigured(why)
            }
            _ => keyed(answer.outcome(why)),
        }
    }
}

impl Provider for Resend {
    fn memory(&self) -> Option<String> {
        Some(self.place.account(&self.key))
    }

    fn most(&self) -> usize {
        SLOTS
    }

    /// What every team may do; more is told with the first answer.
    fn usual(&self) -> Limits {
        Limits { per_second: Some(PER_SECOND), per_day: None }
    }

    fn told(&self) -> Option<&Told> {
        Some(self.place.told())
    }

    fn examine(&self) -> Option<Examined<'_>> {
        Some(Box::pin(self.domains()))
    }

    fn send<'a>(&'a self, emails: &'a [Email]) -> Outcomes<'a> {
        Box::pin(async { vec![self.deliver(&emails[0]).await] })
    }
}
