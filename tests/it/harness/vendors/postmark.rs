//! Postmark.

use axum::http::Method;
use serde_json::{Value, json};

use super::{Book, Call, Case, Reply, Say, case, is_mailbox};

pub const TOKEN: &str = "11111111-2222-4333-8444-555555555555";

const STREAMS: [&str; 2] = ["outbound", "broadcast"];

/// Those of a whole call come last, and of them those that are tried again at the very end: what is sent together shares their fate.
#[rustfmt::skip]
pub const CASES: &[Case] = &[
    Case { to: "ada", answer: Say::Yes, becomes: "sent", because: "" },
    Case { to: "inactive", answer: Say::Code(406, "You tried to send to a recipient that has been marked as inactive."), becomes: "refused", because: "inactive" },
    Case { to: "invalid", answer: Say::Code(300, "Error parsing 'To': Illegal email domain."), becomes: "refused", because: "Illegal email domain" },
    Case { to: "unsigned", answer: Say::Code(400, "The 'From' address you supplied is not a Sender Signature on your account."), becomes: "pending", because: "Sender Signature" },
    Case { to: "unconfirmed", answer: Say::Code(401, "The 'From' address is not confirmed."), becomes: "pending", because: "not confirmed" },
    Case { to: "credits", answer: Say::Code(405, "Not allowed to send: you have run out of credits."), becomes: "pending", because: "credits" },
    Case { to: "pending", answer: Say::Code(412, "Your account is pending approval."), becomes: "pending", because: "approval" },
    Case { to: "blocked", answer: Say::Code(413, "This account may not send."), becomes: "pending", because: "may not send" },
    Case { to: "upkeep", answer: Say::Code(100, "Under maintenance."), becomes: "pending", because: "maintenance" },
    Case { to: "mumble", answer: Say::Mumble, becomes: "unknown", because: "something else" },
    Case { to: "cut", answer: Say::Cut, becomes: "unknown", because: "no answer" },
    Case { to: "error", answer: Say::No(500, r#"{"ErrorCode":0,"Message":"Internal Server Error"}"#), becomes: "unknown", because: "500" },
    Case { to: "away", answer: Say::No(503, ""), becomes: "pending", because: "503" },
    Case { to: "fast", answer: Say::No(429, r#"{"ErrorCode":429,"Message":"Too many requests"}|Retry-After: 40"#), becomes: "pending", because: "Too many" },
];

pub fn vendor(book: &Book, call: &Call) -> Option<Reply> {
    let error = |status: u16, code: i64, message: &str| {
        Some(Reply::new(status, json!({ "ErrorCode": code, "Message": message })))
    };
    let asks = call.path == "/server" && call.method == Method::GET;
    if call.method != Method::POST && !asks {
        return error(405, 0, "Method not allowed");
    }
    if call.header("x-postmark-server-token") != TOKEN {
        return error(401, 10, "Request does not contain a valid Server token.");
    }
    if asks {
        return Some(Reply::new(200, json!({ "ID": 1, "Name": "Shop", "DeliveryType": "Live" })));
    }
    if !call.header("content-type").starts_with("application/json") {
        return error(422, 409, "JSON required");
    }
    let body = call.json();
    match (call.path.as_str(), &body) {
        ("/email", Value::Object(_)) => match one(book, &body) {
            Ok(told) if told["ErrorCode"] == 0 => Some(Reply::new(200, told)),
            Ok(told) => Some(Reply::new(422, told)),
            Err(all) => all,
        },
        ("/email/batch", Value::Array(emails)) if emails.len() > 500 => error(422, 410, "Too many batch messages"),
        ("/email/batch", Value::Array(emails)) => {
            let told: Result<Vec<Value>, Option<Reply>> = emails.iter().map(|email| one(book, email)).collect();
            match told {
                Ok(told) => Some(Reply::new(200, Value::Array(told))),
                Err(all) => all,
            }
        }
        ("/email" | "/email/batch", _) => error(422, 402, "Invalid JSON"),
        _ => error(404, 0, "Not found"),
    }
}

/// What is said of one email; an error is an answer to the whole call.
fn one(book: &Book, email: &Value) -> Result<Value, Option<Reply>> {
    let no = |code: i64, message: &str| Ok(json!({ "ErrorCode": code, "Message": message }));
    let text = |name: &str| email[name].as_str().unwrap_or_default();
    if !is_mailbox(text("From")) {
        return no(300, "Invalid 'From' address.");
    }
    if !is_mailbox(text("To")) {
        return no(300, "Invalid 'To' address.");
    }
    if text("HtmlBody").is_empty() && text("TextBody").is_empty() {
        return no(300, "Provide either email TextBody or HtmlBody or both.");
    }
    if !matches!(&email["MessageStream"], Value::Null) && !STREAMS.contains(&text("MessageStream")) {
        return no(1235, "The 'MessageStream' provided does not exist on this server.");
    }
    match case(CASES, text("To")).map(|case| case.answer) {
        Some(Say::Code(code, message)) => return no(code, message),
        Some(Say::No(status, body)) => return Err(Some(Reply::of(status, body))),
        Some(Say::Mumble) => return Err(Some(Reply::new(200, "[{\"ErrorCode\""))),
        Some(Say::Cut) => {
            book.take(&email["Metadata"]["segflow"], &email["To"], email);
            return Err(None);
        }
        Some(Say::Yes) | None => {}
    }
    let number = book.take(&email["Metadata"]["segflow"], &email["To"], email);
    Ok(json!({
        "To": email["To"], "SubmittedAt": "2026-01-01T09:00:00Z", "MessageID": format!("pm-{number}"), "ErrorCode": 0, "Message": "OK",
    }))
}
