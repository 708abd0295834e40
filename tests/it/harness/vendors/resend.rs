//! Resend.

use axum::http::Method;
use serde_json::{Value, json};

use super::{Book, Call, Case, Reply, Say, case, is_mailbox};

pub const KEY: &str = "re_a_key_of_tests";

/// How many it takes in a second, as it says with each answer.
pub const PER_SECOND: u32 = 5;

#[rustfmt::skip]
pub const CASES: &[Case] = &[
    Case { to: "ada", answer: Say::Yes, becomes: "sent", because: "" },
    Case { to: "invalid", answer: Say::No(422, r#"{"statusCode":422,"name":"validation_error","message":"Invalid `to` field."}"#), becomes: "refused", because: "Invalid `to`" },
    Case { to: "reused", answer: Say::No(409, r#"{"statusCode":409,"name":"invalid_idempotent_request","message":"Same key, another payload."}"#), becomes: "unknown", because: "another payload" },
    // Asked again they are known again, so nothing of this is unknown.
    Case { to: "busy", answer: Say::No(409, r#"{"statusCode":409,"name":"concurrent_idempotent_requests","message":"Still at it."}"#), becomes: "pending", because: "Still at it" },
    Case { to: "error", answer: Say::No(500, r#"{"statusCode":500,"name":"application_error","message":"Oh"}"#), becomes: "pending", because: "500" },
    Case { to: "domain", answer: Say::No(403, r#"{"statusCode":403,"name":"validation_error","message":"The shop.example domain is not verified."}"#), becomes: "pending", because: "not verified" },
    Case { to: "sender", answer: Say::No(422, r#"{"statusCode":422,"name":"invalid_from_address","message":"Invalid `from` field."}"#), becomes: "pending", because: "`from`" },
    Case { to: "quota", answer: Say::No(429, r#"{"statusCode":429,"name":"daily_quota_exceeded","message":"You have reached your daily quota."}"#), becomes: "pending", because: "daily quota" },
    Case { to: "fast", answer: Say::No(429, r#"{"statusCode":429,"name":"rate_limit_exceeded","message":"Too many requests."}|retry-after: 1"#), becomes: "pending", because: "Too many" },
];

pub fn vendor(book: &Book, call: &Call) -> Option<Reply> {
    let error = |status: u16, name: &str, message: &str| {
        Some(Reply::new(status, json!({ "statusCode": status, "name": name, "message": message })))
    };
    match (call.path.as_str(), &call.method) {
        ("/emails", &Method::POST) | ("/domains", &Method::GET) => {}
        ("/emails", _) => return error(405, "method_not_allowed", "This endpoint does not support this method."),
        _ => return error(404, "not_found", "The requested endpoint does not exist."),
    }
    match call.header("authorization") {
        "" => return error(401, "missing_api_key", "Missing API key in the authorization header."),
        key if key != format!("Bearer {KEY}") => return error(403, "invalid_api_key", "API key is invalid."),
        _ => {}
    }
    if call.path == "/domains" {
        return Some(Reply::new(200, json!({ "data": [{ "name": "shop.example", "status": "verified" }] })));
    }
    let (key, body) = (call.header("idempotency-key"), call.json());
    if key.len() > 256 {
        return error(400, "invalid_idempotency_key", "The key must be between 1-256 chars.");
    }
    if !body["from"].as_str().is_some_and(is_mailbox) {
        return error(422, "invalid_from_address", "Invalid `from` field.");
    }
    for field in ["to", "subject"] {
        if body[field].is_null() {
            return error(422, "missing_required_field", &format!("Missing `{field}` field."));
        }
    }
    let to: &Value = if body["to"].is_array() { &body["to"][0] } else { &body["to"] };
    if !to.as_str().is_some_and(is_mailbox) {
        return error(422, "validation_error", "Invalid `to` field.");
    }
    if let Say::No(status, text) = case(CASES, to.as_str().unwrap_or_default()).map_or(Say::Yes, |case| case.answer) {
        return Some(Reply::of(status, text));
    }
    let mut keys = book.keys.lock().unwrap();
    if let Some((before, id)) = keys.get(key).filter(|_| !key.is_empty()) {
        return match *before == body {
            true => Some(Reply::new(200, json!({ "id": id }))),
            false => {
                error(409, "invalid_idempotent_request", "Same idempotency key used with a different request payload.")
            }
        };
    }
    let id = format!("re-{}", book.take(&body["tags"][0]["value"], to, &body));
    keys.insert(key.to_string(), (body.clone(), id.clone()));
    let told = Reply::new(200, json!({ "id": id })).with("ratelimit-limit", PER_SECOND);
    // Takes it and says nothing, the first time.
    if to.as_str().is_some_and(|to| to.starts_with("cut@")) {
        return None;
    }
    Some(told.with("ratelimit-remaining", PER_SECOND - 1).with("ratelimit-reset", 1))
}
