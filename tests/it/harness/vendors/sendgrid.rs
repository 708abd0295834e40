//! SendGrid.

use axum::http::Method;
use serde_json::{Value, json};

use super::{Book, Call, Case, Reply, Say, case, is_mailbox};

pub const KEY: &str = "SG.a-key-of-tests";

#[rustfmt::skip]
pub const CASES: &[Case] = &[
    Case { to: "ada", answer: Say::Yes, becomes: "sent", because: "" },
    Case { to: "invalid", answer: Say::No(400, r#"{"errors":[{"message":"Does not contain a valid address.","field":"personalizations.0.to.0.email"}]}"#), becomes: "refused", because: "valid address" },
    Case { to: "large", answer: Say::No(413, r#"{"errors":[{"message":"Payload too large"}]}"#), becomes: "refused", because: "too large" },
    Case { to: "cut", answer: Say::Cut, becomes: "unknown", because: "no answer" },
    Case { to: "error", answer: Say::No(500, r#"{"errors":[{"message":"Internal"}]}"#), becomes: "unknown", because: "500" },
    Case { to: "gateway", answer: Say::No(504, "<html>"), becomes: "unknown", because: "504" },
    Case { to: "forbidden", answer: Say::No(403, r#"{"errors":[{"message":"The from address does not match a verified Sender Identity.","field":"from"}]}"#), becomes: "pending", because: "Sender Identity" },
    Case { to: "away", answer: Say::No(503, ""), becomes: "pending", because: "503" },
    Case { to: "fast", answer: Say::No(429, r#"{"errors":[{"message":"too many requests"}]}|X-RateLimit-Remaining: 0|X-RateLimit-Reset: 4102444800"#), becomes: "pending", because: "too many" },
];

pub fn vendor(book: &Book, call: &Call) -> Option<Reply> {
    let error = |status: u16, message: &str, field: &str| {
        Some(Reply::new(status, json!({ "errors": [{ "message": message, "field": field, "help": null }] })))
    };
    let asks = call.path == "/v3/scopes" && call.method == Method::GET;
    if call.path != "/v3/mail/send" && !asks {
        return error(404, "Not Found", "");
    }
    if call.method != Method::POST && !asks {
        return error(405, "Method not allowed", "");
    }
    if call.header("authorization") != format!("Bearer {KEY}") {
        return error(401, "The provided authorization grant is invalid, expired, or revoked", "");
    }
    if asks {
        return Some(Reply::new(200, json!({ "scopes": ["alerts.read", "mail.send"] })));
    }
    let body = call.json();
    let Some(people) = body["personalizations"].as_array().filter(|people| !people.is_empty() && people.len() <= 1_000)
    else {
        return error(
            400,
            "The personalizations field is required and must have at least one personalization.",
            "personalizations",
        );
    };
    let from = &body["from"]["email"];
    if !from.as_str().is_some_and(is_mailbox) {
        return error(400, "The from object must be provided for every email send.", "from.email");
    }
    if body["subject"].as_str().unwrap_or_default().is_empty() {
        return error(400, "The subject is required.", "subject");
    }
    let kinds: Vec<&str> =
        body["content"].as_array().into_iter().flatten().filter_map(|part| part["type"].as_str()).collect();
    if kinds.is_empty() {
        return error(400, "The content is required.", "content");
    }
    if kinds.iter().position(|kind| *kind == "text/plain").is_some_and(|at| at != 0) {
        return error(400, "If present, text/plain must be the first content.", "content");
    }
    let to: &Value = &people[0]["to"][0]["email"];
    if !to.as_str().is_some_and(is_mailbox) {
        return error(400, "Does not contain a valid address.", "personalizations.0.to.0.email");
    }
    match case(CASES, to.as_str().unwrap_or_default()).map(|case| case.answer) {
        Some(Say::No(status, body)) => return Some(Reply::of(status, body)),
        Some(Say::Cut) => {
            book.take(&people[0]["custom_args"]["segflow"], to, &body);
            return None;
        }
        _ => {}
    }
    let number = book.take(&people[0]["custom_args"]["segflow"], to, &body);
    Some(Reply::new(202, "").with("X-Message-Id", format!("sg-{number}")))
}
