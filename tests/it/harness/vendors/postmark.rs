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
    Case { to: "inactive", answer: Say::Code(406, "You tried to send to a recipient that has been marked as inactive."), becomes: "bounced", because: "inactive" },
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
    let asks = matches!(call.path.as_str(), "/server" | "/messages/outbound") && call.method == Method::GET;
    if call.method != Method::POST && !asks {
        return error(405, 0, "Method not allowed");
    }
    if call.header("x-postmark-server-token") != TOKEN {
        return error(401, 10, "Request does not contain a valid Server token.");
    }
    if call.path == "/messages/outbound" {
        return Some(
            search(book, call).unwrap_or_else(|why| Reply::new(422, json!({ "ErrorCode": 600, "Message": why }))),
        );
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

/// The messages of a search; an error is why it is none.
fn search(book: &Book, call: &Call) -> Result<Reply, &'static str> {
    let number = |name: &str| call.asks(name).and_then(|text| text.parse::<usize>().ok());
    let (Some(count), Some(offset)) = (number("count"), number("offset")) else {
        return Err("The 'count' and 'offset' parameters are required.");
    };
    if count > 500 || count + offset > 10_000 {
        return Err("The 'count' or the 'offset' is too large.");
    }
    let metadata: Vec<(&str, &str)> =
        call.query.iter().filter_map(|(name, value)| Some((name.strip_prefix("metadata_")?, value.as_str()))).collect();
    if metadata.len() > 1 {
        return Err("Messages are searched by one field of their metadata at a time.");
    }
    let text = |email: &Value, name: &str| email[name].as_str().unwrap_or_default().to_string();
    let is_meant = |email: &Value| {
        metadata.iter().all(|(name, value)| email["Metadata"][*name] == *value)
            && call.asks("recipient").is_none_or(|to| text(email, "To") == to)
            && call.asks("messagestream").is_none_or(|stream| text(email, "MessageStream") == stream)
    };
    let all: Vec<Value> = book
        .found()
        .into_iter()
        .filter(|(_, taken)| is_meant(&taken.body))
        .map(|(number, taken)| {
            let email = &taken.body;
            json!({
                "Tag": email["Tag"], "MessageID": format!("pm-{number}"), "MessageStream": email["MessageStream"],
                "To": [{ "Email": taken.to, "Name": null }], "Cc": [], "Bcc": [], "Recipients": [taken.to],
                "ReceivedAt": "2026-01-01T09:00:00.0000000-05:00", "From": email["From"], "Subject": email["Subject"],
                "Attachments": [], "Status": "Sent", "TrackOpens": false, "TrackLinks": "None",
                "Metadata": email["Metadata"], "Sandboxed": false,
            })
        })
        .collect();
    let total = all.len();
    let page: Vec<Value> = all.into_iter().skip(offset).take(count).collect();
    Ok(Reply::new(200, json!({ "TotalCount": total, "Messages": page })))
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
