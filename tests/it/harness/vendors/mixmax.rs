//! MixMax, as its documentation has it; nobody's client library for it is there to prove this.

use axum::http::Method;
use serde_json::json;

use super::{Book, Call, Case, Reply, Say, case, is_mailbox};

pub const TOKEN: &str = "a-token-of-tests";
pub const SEQUENCE: &str = "5f1a";

#[rustfmt::skip]
pub const CASES: &[Case] = &[
    Case { to: "ada", answer: Say::Yes, becomes: "sent", because: "" },
    Case { to: "again", answer: Say::No(200, r#"[{"email":"again@x.example","status":"duplicated"}]"#), becomes: "refused", because: "duplicated" },
    Case { to: "invalid", answer: Say::No(400, r#"{"message":"Invalid recipients"}"#), becomes: "refused", because: "Invalid recipients" },
    Case { to: "cut", answer: Say::Cut, becomes: "unknown", because: "no answer" },
    Case { to: "error", answer: Say::No(500, "oh"), becomes: "unknown", because: "500" },
    Case { to: "away", answer: Say::No(503, ""), becomes: "pending", because: "503" },
    Case { to: "fast", answer: Say::No(429, "Too many|Retry-After: 40"), becomes: "pending", because: "Too many" },
];

pub fn vendor(book: &Book, call: &Call) -> Option<Reply> {
    let error = |status: u16, message: &str| Some(Reply::new(status, json!({ "message": message })));
    if call.path != format!("/v1/sequences/{SEQUENCE}/recipients") {
        return error(404, "no such sequence");
    }
    if call.method != Method::POST {
        return error(405, "Method not allowed");
    }
    if call.header("x-api-token") != TOKEN {
        return error(401, "Unauthorized");
    }
    let body = call.json();
    let recipient = &body["recipients"][0];
    let Some(to) = recipient["email"].as_str().filter(|to| is_mailbox(to)) else {
        return error(400, "Invalid recipients");
    };
    match case(CASES, to).map_or(Say::Yes, |case| case.answer) {
        Say::No(status, text) => return Some(Reply::of(status, text)),
        Say::Cut => {
            book.take(&recipient["variables"]["segflow"], &recipient["email"], &body);
            return None;
        }
        _ => {}
    }
    let number = book.take(&recipient["variables"]["segflow"], &recipient["email"], &body);
    Some(Reply::new(200, json!([{ "_id": format!("mm-{number}"), "email": to, "status": "success" }])))
}
