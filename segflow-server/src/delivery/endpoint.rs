//! An HTTP endpoint of the user's own: one JSON document in each call.
//!
//! 2xx is accepted, with `{"id": …}` if it likes; 400 and 422 refuse the message; 401, 403, 404, 429 and 503, and that it has moved, are
//! the endpoint's own trouble. Anything else is not certain.

use segflow_core::ledger::Outcome;
use serde_json::json;

use super::http::{Place, keyed};
use super::provider::{Email, Outcomes, Provider, headers};
use super::told::Told;

/// Calls at one time.
const SLOTS: usize = 32;

pub struct Endpoint {
    place: Place,
    token: Option<String>,
    knows_keys: bool,
}

impl Endpoint {
    pub fn new(place: Place, token: Option<String>, knows_keys: bool) -> Endpoint {
        Endpoint { place, token, knows_keys }
    }

    async fn deliver(&self, email: &Email) -> Outcome {
        let outcome = self.call(email).await.unwrap_or_else(|outcome| outcome);
        if self.knows_keys { keyed(outcome) } else { outcome }
    }

    async fn call(&self, email: &Email) -> Result<Outcome, Outcome> {
        let mut body = json!({
            "id": email.id,
            "from": email.from,
            "to": email.to,
            "subject": email.content.subject,
            "html": email.content.html,
            "text": email.content.text,
            "headers": headers(email),
            "template": email.template,
            "transaction": email.transaction,
        });
        if let Some(reply_to) = &email.reply_to {
            body["reply_to"] = json!(reply_to);
        }
        let mut request = self.place.post("").header("Idempotency-Key", &email.id);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let answer = self.place.call(request.json(&body)).await?;
        if answer.is_success() {
            return Ok(Outcome::Accepted { provider_id: answer.json()["id"].as_str().map(String::from) });
        }
        Err(answer.outcome(answer.tell("the endpoint does not take it")))
    }
}

impl Provider for Endpoint {
    fn memory(&self) -> Option<String> {
        self.knows_keys.then(|| self.place.account(self.token.as_deref().unwrap_or_default()))
    }

    fn most(&self) -> usize {
        SLOTS
    }

    fn told(&self) -> Option<&Told> {
        Some(self.place.told())
    }

    fn send<'a>(&'a self, emails: &'a [Email]) -> Outcomes<'a> {
        Box::pin(async { vec![self.deliver(&emails[0]).await] })
    }
}
