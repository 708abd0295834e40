//! MixMax, an experiment: it sends no emails of anybody else's, but puts people into its own sequences. A sequence whose one stage is
//! `{{subject}}` and `{{html}}` sends what is given here as variables. Made from its documentation, and tried against no account.

use segflow_core::ledger::Outcome;
use segflow_core::route::Limits;
use serde_json::json;

use super::http::Place;
use super::provider::{Email, Outcomes, Provider};
use super::told::Told;

pub const ADDRESS: &str = "https://api.mixmax.com";

/// Calls at one time. It is for few messages.
const SLOTS: usize = 2;

/// It takes 120 calls in a minute.
const PER_SECOND: u32 = 2;

pub struct MixMax {
    place: Place,
    token: String,
    sequence: String,
}

impl MixMax {
    pub fn new(place: Place, token: String, sequence: String) -> MixMax {
        MixMax { place, token, sequence }
    }

    async fn deliver(&self, email: &Email) -> Outcome {
        let variables = json!({
            "segflow": email.id,
            "subject": email.content.subject,
            "html": email.content.html,
            "text": email.content.text,
        });
        let body = json!({ "recipients": [{ "email": email.to, "variables": variables }] });
        let request = self.place.post(&format!("/v1/sequences/{}/recipients", self.sequence));
        let answer = match self.place.call(request.header("X-API-Token", &self.token).json(&body)).await {
            Ok(answer) => answer,
            Err(outcome) => return outcome,
        };
        if !answer.is_success() {
            return answer.outcome(answer.tell("MixMax does not take it"));
        }
        let told = answer.json();
        let recipient = if told.is_array() { &told[0] } else { &told["recipients"][0] };
        match recipient["status"].as_str() {
            // Nobody is in a sequence twice.
            Some("duplicated" | "error" | "failed") => Outcome::Refused(answer.tell("MixMax does not take it")),
            _ => Outcome::Accepted { provider_id: recipient["_id"].as_str().map(String::from) },
        }
    }
}

impl Provider for MixMax {
    fn most(&self) -> usize {
        SLOTS
    }

    fn usual(&self) -> Limits {
        Limits { per_second: Some(PER_SECOND), per_day: None }
    }

    fn told(&self) -> Option<&Told> {
        Some(self.place.told())
    }

    fn send<'a>(&'a self, emails: &'a [Email]) -> Outcomes<'a> {
        Box::pin(async { vec![self.deliver(&emails[0]).await] })
    }
}
