//! Postmark: up to 500 emails in one call, and an answer for each.

use reqwest::RequestBuilder;
use segflow_core::ledger::Outcome;
use segflow_core::ledger::lookup::Found;
use segflow_core::notice::Bounce;
use serde_json::{Value, json};

use super::http::{Answer, Place, misconfigured, unable};
use super::provider::{Email, Examined, Outcomes, Provider, Search, Sought};
use super::told::Told;
use crate::clock::monotonic;

pub const ADDRESS: &str = "https://api.postmarkapp.com";

/// The most emails in one call.
const BATCH: usize = 500;

/// The most that one call carries, in bytes of what the emails say: Postmark takes 50 MB of JSON.
const LARGEST: usize = 30 << 20;

/// After a call that was refused as a whole, emails are tried one by one for no longer than this.
const ALONE: std::time::Duration = std::time::Duration::from_secs(30);

pub struct Postmark {
    place: Place,
    token: String,
    transactions: String,
    campaigns: String,
}

impl Postmark {
    /// `streams` are those of transactions and of campaigns.
    pub fn new(place: Place, token: String, streams: (&str, &str)) -> Postmark {
        let (transactions, campaigns) = (streams.0.to_string(), streams.1.to_string());
        Postmark { place, token, transactions, campaigns }
    }

    fn body(&self, email: &Email) -> Value {
        let mut body = json!({
            "From": email.from,
            "To": email.to,
            "Subject": email.content.subject,
            "HtmlBody": email.content.html,
            "TextBody": email.content.text,
            "Tag": email.template,
            "Metadata": { "segflow": email.id },
            "Headers": email.headers.iter().map(|(name, value)| json!({ "Name": name, "Value": value })).collect::<Vec<_>>(),
            "MessageStream": if email.transaction { &self.transactions } else { &self.campaigns },
        });
        if let Some(reply_to) = &email.reply_to {
            body["ReplyTo"] = json!(reply_to);
        }
        body
    }

    /// Which server the token is for.
    async fn account(&self) -> Result<String, String> {
        let request = self.place.get("/server").header("X-Postmark-Server-Token", &self.token);
        let answer = self.place.ask(request.header("accept", "application/json")).await?;
        if !answer.is_success() {
            return Err(answer.tell("Postmark does not take the token"));
        }
        let told = answer.json();
        let said = |name: &str| told[name].as_str().unwrap_or("unknown").to_string();
        match said("DeliveryType").as_str() {
            "Sandbox" => Err(format!("the token is for the sandbox `{}`, which delivers nothing", said("Name"))),
            _ => Ok(format!("the token is for the server `{}`", said("Name"))),
        }
    }

    /// Of the emails of one call; an error is one for all of them.
    async fn call(&self, emails: &[Email]) -> Result<Vec<Outcome>, Outcome> {
        let body: Vec<Value> = emails.iter().map(|email| self.body(email)).collect();
        let request = self.place.post("/email/batch").header("X-Postmark-Server-Token", &self.token);
        let answer = self.place.call(request.header("accept", "application/json").json(&body)).await?;
        if !answer.is_success() {
            let why = answer.tell("Postmark does not take it");
            return Err(match answer.json()["ErrorCode"].as_i64() {
                Some(code) if answer.status == 422 => said(code, why),
                _ => answer.outcome(why),
            });
        }
        let told = answer.json();
        match told.as_array() {
            Some(told) if told.len() == emails.len() => Ok(told.iter().map(one).collect()),
            _ => Err(Outcome::Ambiguous(answer.tell("Postmark answered something else"))),
        }
    }

    async fn deliver(&self, emails: &[Email]) -> Vec<Outcome> {
        let all = match self.call(emails).await {
            Ok(outcomes) => return outcomes,
            Err(all) => all,
        };
        if emails.len() == 1 || !matches!(all, Outcome::Refused(_)) {
            return vec![all; emails.len()];
        }
        // One of them made it refuse all: alone, it holds up no other.
        let (began, mut outcomes) = (monotonic(), vec![]);
        for email in emails {
            outcomes.push(if began.elapsed() > ALONE {
                Outcome::Retry("Postmark refused it together with others".into())
            } else {
                match self.call(std::slice::from_ref(email)).await {
                    Ok(mut outcomes) => outcomes.remove(0),
                    Err(outcome) => outcome,
                }
            });
        }
        outcomes
    }
}

/// Asks for the messages with an id of ours.
async fn search(place: Place, request: RequestBuilder, id: String) -> Found {
    match place.ask(request).await {
        Ok(answer) => found(&answer, &id),
        Err(why) => Found::Unsaid(why),
    }
}

/// What a search has found. It was for one message: whatever else is in the answer has not been searched for.
fn found(answer: &Answer, id: &str) -> Found {
    let told = answer.json();
    match told["Messages"].as_array() {
        Some(all) if answer.is_success() => match all.iter().find(|message| message["Metadata"]["segflow"] == id) {
            Some(message) => Found::Here { provider_id: message["MessageID"].as_str().map(String::from) },
            None if all.is_empty() => Found::Nowhere,
            None => Found::Unsaid("Postmark found other messages".into()),
        },
        _ => Found::Unsaid(answer.tell("Postmark answered something else")),
    }
}

/// Emails as they go into calls, in their order.
fn parts(emails: &[Email]) -> Vec<&[Email]> {
    let size = |email: &Email| email.content.html.len() + email.content.text.len();
    let (mut parts, mut begun, mut bytes) = (vec![], 0, 0);
    for (i, email) in emails.iter().enumerate() {
        bytes += size(email);
        if bytes > LARGEST && i > begun {
            parts.push(&emails[begun..i]);
            (begun, bytes) = (i, size(email));
        }
    }
    parts.push(&emails[begun..]);
    parts
}

/// What Postmark says of one email.
fn one(told: &Value) -> Outcome {
    match told["ErrorCode"].as_i64() {
        Some(0) => Outcome::Accepted { provider_id: told["MessageID"].as_str().map(String::from) },
        Some(code) => said(code, format!("Postmark says {code}: {}", told["Message"].as_str().unwrap_or_default())),
        None => Outcome::Ambiguous("Postmark said nothing about it".into()),
    }
}

/// What an error code says.
fn said(code: i64, why: String) -> Outcome {
    match code {
        // Maintenance.
        100 => unable(why),
        // The token, the sender's signature, the stream, the account and what it may do: nothing of this is the recipient's.
        10 | 400 | 401 | 405 | 412 | 413 | 701 | 1221..=1240 => misconfigured(why),
        // It writes to this address no more, after a bounce or a complaint.
        406 => Outcome::Bounced { bounce: Bounce::Hard, why },
        _ => Outcome::Refused(why),
    }
}

impl Provider for Postmark {
    fn most(&self) -> usize {
        BATCH
    }

    fn batch(&self) -> usize {
        BATCH
    }

    fn told(&self) -> Option<&Told> {
        Some(self.place.told())
    }

    fn examine(&self) -> Option<Examined<'_>> {
        Some(Box::pin(self.account()))
    }

    /// Among the messages of its stream, by the metadata that they were sent with.
    fn look_up(&self, sought: &Sought) -> Option<Search> {
        let stream = if sought.transaction { &self.transactions } else { &self.campaigns };
        let query = [
            ("count", "1"),
            ("offset", "0"),
            ("messagestream", stream.as_str()),
            ("metadata_segflow", sought.id.as_str()),
        ];
        let request = self.place.get("/messages/outbound").query(&query);
        let request = request.header("X-Postmark-Server-Token", &self.token).header("accept", "application/json");
        Some(Box::pin(search(self.place.clone(), request, sought.id.clone())))
    }

    fn send<'a>(&'a self, emails: &'a [Email]) -> Outcomes<'a> {
        Box::pin(async move {
            let mut outcomes = vec![];
            for part in parts(emails) {
                outcomes.extend(self.deliver(part).await);
            }
            outcomes
        })
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;
    use segflow_core::protocol::Rendered;

    use super::*;

    #[test]
    fn a_call_carries_no_more_than_postmark_takes() {
        let email = |size: usize| Email {
            id: String::new(),
            from: String::new(),
            reply_to: None,
            to: String::new(),
            template: String::new(),
            transaction: true,
            content: Rendered { subject: String::new(), html: "x".repeat(size), text: String::new() },
            headers: vec![],
        };
        let sizes = |sizes: &[usize]| {
            let emails: Vec<Email> = sizes.iter().map(|size| email(size << 20)).collect();
            parts(&emails).iter().map(|part| part.len()).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&[1, 2, 3]), [3]);
        assert_eq!(sizes(&[20, 10, 1, 29, 1]), [2, 2, 1]);
        assert_eq!(sizes(&[40, 40]), [1, 1], "alone, whatever Postmark says to it");
    }

    #[test]
    fn only_the_message_itself_is_found() {
        let found =
            |status: u16, body: &str| found(&Answer { status, headers: HeaderMap::new(), body: body.into() }, "msg_1");
        let mine = r#"{"TotalCount":1,"Messages":[{"MessageID":"pm-1","Metadata":{"segflow":"msg_1"}}]}"#;
        assert_eq!(found(200, mine), Found::Here { provider_id: Some("pm-1".into()) });
        assert_eq!(found(200, r#"{"TotalCount":0,"Messages":[]}"#), Found::Nowhere);
        for (status, body) in [
            // As if it had searched for nothing in particular.
            (200, r#"{"TotalCount":1,"Messages":[{"MessageID":"pm-1","Metadata":{"segflow":"msg_10"}}]}"#),
            (200, r#"{"TotalCount":1,"Messages":[{"MessageID":"pm-1"}]}"#),
            (200, r#"{"TotalCount":0}"#),
            (200, r#"{"TotalCount":0,"Messa"#),
            (503, r#"{"TotalCount":0,"Messages":[]}"#),
            (404, ""),
        ] {
            assert!(matches!(found(status, body), Found::Unsaid(_)), "{status} {body}");
        }
    }
}
