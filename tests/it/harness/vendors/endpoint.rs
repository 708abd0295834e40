//! An endpoint of the user's own, as docs/providers.md describes it.

use serde_json::json;

use super::{Book, Call, Case, Reply, Say, case};

pub const TOKEN: &str = "a-token-of-tests";

#[rustfmt::skip]
pub const CASES: &[Case] = &[
    Case { to: "ada", answer: Say::Yes, becomes: "sent", because: "" },
    Case { to: "invalid", answer: Say::No(422, "nobody lives there"), becomes: "refused", because: "nobody lives there" },
    Case { to: "cut", answer: Say::Cut, becomes: "unknown", because: "no answer" },
    Case { to: "error", answer: Say::No(500, "oh"), becomes: "unknown", because: "500" },
    Case { to: "moved", answer: Say::No(301, "|location: http://127.0.0.1:1/"), becomes: "pending", because: "301" },
    Case { to: "locked", answer: Say::No(403, "no"), becomes: "pending", because: "403" },
    Case { to: "away", answer: Say::No(503, "|retry-after: 40"), becomes: "pending", because: "503" },
];

pub fn vendor(book: &Book, call: &Call) -> Option<Reply> {
    if call.header("authorization") != format!("Bearer {TOKEN}") {
        return Some(Reply::new(401, "who are you?"));
    }
    let body = call.json();
    if body["id"] != call.header("idempotency-key") || call.path != "/send" {
        return Some(Reply::new(400, "the key is not the id"));
    }
    match case(CASES, body["to"].as_str().unwrap_or_default()).map(|case| case.answer) {
        Some(Say::No(status, text)) => return Some(Reply::of(status, text)),
        Some(Say::Cut) => {
            book.take(&body["id"], &body["to"], &body);
            return None;
        }
        _ => {}
    }
    let number = book.take(&body["id"], &body["to"], &body);
    Some(Reply::new(200, json!({ "id": format!("own-{number}") })))
}
