//! Amazon SES, version 2 of its API. Signatures are checked with Segflow's own code, which the calls of boto3 hold to what AWS wants.

use axum::http::Method;
use segflow_server::delivery::sigv4::{self, Key};
use serde_json::{Value, json};

use super::{Book, Call, Case, Reply, Say, case, is_mailbox};

pub const KEY_ID: &str = "AKIDSEGFLOWTESTS";
pub const KEY: &str = "a+secret/of+tests";
pub const REGION: &str = "eu-central-1";

#[rustfmt::skip]
pub const CASES: &[Case] = &[
    Case { to: "ada", answer: Say::Yes, becomes: "sent", because: "" },
    Case { to: "invalid", answer: Say::No(400, r#"{"message":"Missing final '@domain'"}|x-amzn-ErrorType: BadRequestException"#), becomes: "refused", because: "Missing final" },
    Case { to: "content", answer: Say::No(400, r#"{"message":"Transaction failed: virus"}|x-amzn-ErrorType: MessageRejected"#), becomes: "refused", because: "virus" },
    Case { to: "sandbox", answer: Say::No(400, r#"{"message":"Email address is not verified. The following identities failed the check in region EU-CENTRAL-1: sandbox@x.example"}|x-amzn-ErrorType: MessageRejected"#), becomes: "refused", because: "not verified" },
    Case { to: "cut", answer: Say::Cut, becomes: "unknown", because: "no answer" },
    Case { to: "error", answer: Say::No(500, r#"{"message":"Internal"}|x-amzn-ErrorType: InternalFailure"#), becomes: "unknown", because: "Internal" },
    Case { to: "sender", answer: Say::No(400, r#"{"message":"Email address is not verified. The following identities failed the check in region EU-CENTRAL-1: hello@shop.example"}|x-amzn-ErrorType: MessageRejected"#), becomes: "pending", because: "hello@shop.example" },
    Case { to: "from", answer: Say::No(400, r#"{"message":"MAIL FROM"}|x-amzn-ErrorType: MailFromDomainNotVerifiedException:http://internal.amazon.com/coral/"#), becomes: "pending", because: "MAIL FROM" },
    Case { to: "paused", answer: Say::No(400, r#"{"message":"Sending paused for this account."}|x-amzn-ErrorType: SendingPausedException"#), becomes: "pending", because: "paused" },
    Case { to: "suspended", answer: Say::No(400, r#"{"message":"Suspended."}|x-amzn-ErrorType: AccountSuspendedException"#), becomes: "pending", because: "Suspended" },
    Case { to: "quota", answer: Say::No(400, r#"{"message":"Daily message quota exceeded."}|x-amzn-ErrorType: LimitExceededException"#), becomes: "pending", because: "quota" },
    Case { to: "away", answer: Say::No(503, ""), becomes: "pending", because: "503" },
    Case { to: "fast", answer: Say::No(429, r#"{"message":"Maximum sending rate exceeded."}|x-amzn-ErrorType: TooManyRequestsException"#), becomes: "pending", because: "rate exceeded" },
];

fn error(status: u16, name: &str, message: &str) -> Option<Reply> {
    Some(Reply::new(status, json!({ "message": message })).with("x-amzn-ErrorType", name))
}

/// What the account may send in a second, and in 24 hours.
pub const RATE: u32 = 40;
pub const QUOTA: u32 = 50_000;

pub fn vendor(book: &Book, call: &Call) -> Option<Reply> {
    let asks = call.path == "/v2/email/account" && call.method == Method::GET;
    let sends = call.path == "/v2/email/outbound-emails" && call.method == Method::POST;
    if !asks && !sends {
        return error(404, "UnknownOperationException", "there is no such operation");
    }
    if let Err((name, message)) = signature(call) {
        return error(403, name, message);
    }
    if asks {
        let quota =
            json!({ "Max24HourSend": f64::from(QUOTA), "MaxSendRate": f64::from(RATE), "SentLast24Hours": 0.0 });
        return Some(Reply::new(
            200,
            json!({ "SendQuota": quota, "SendingEnabled": true, "ProductionAccessEnabled": true }),
        ));
    }
    let body = call.json();
    let (content, to) = (&body["Content"]["Simple"], &body["Destination"]["ToAddresses"][0]);
    let from = body["FromEmailAddress"].as_str().unwrap_or_default();
    if !is_mailbox(from) || !from.is_ascii() {
        return error(400, "BadRequestException", "FromEmailAddress is missing, or has characters beyond ASCII");
    }
    if !to.as_str().is_some_and(is_mailbox) {
        return error(400, "BadRequestException", "Missing final '@domain'");
    }
    if content["Subject"]["Data"].is_null()
        || (content["Body"]["Html"]["Data"].is_null() && content["Body"]["Text"]["Data"].is_null())
    {
        return error(400, "BadRequestException", "Content is missing");
    }
    if !matches!(&body["ConfigurationSetName"], Value::Null) && body["ConfigurationSetName"] != "shop" {
        return error(404, "NotFoundException", "Configuration set does not exist.");
    }
    match case(CASES, to.as_str().unwrap_or_default()).map(|case| case.answer) {
        Some(Say::No(status, text)) => return Some(Reply::of(status, text)),
        Some(Say::Cut) => {
            book.take(&body["EmailTags"][0]["Value"], to, &body);
            return None;
        }
        _ => {}
    }
    let number = book.take(&body["EmailTags"][0]["Value"], to, &body);
    Some(Reply::new(200, json!({ "MessageId": format!("ses-{number}") })))
}

fn signature(call: &Call) -> Result<(), (&'static str, &'static str)> {
    let given = call.header("authorization");
    let part = |name: &str| given.split([' ', ',']).find_map(|part| part.strip_prefix(name)).unwrap_or_default();
    if given.is_empty() {
        return Err(("MissingAuthenticationTokenException", "Missing Authentication Token"));
    }
    if !part("Credential=").starts_with(&format!("{KEY_ID}/")) {
        return Err(("UnrecognizedClientException", "The security token included in the request is invalid."));
    }
    let names: Vec<&str> = part("SignedHeaders=").split(';').collect();
    let signed: Vec<(&str, &str)> = names.into_iter().map(|name| (name, call.header(name))).collect();
    let key = Key { id: KEY_ID.into(), secret: KEY.into(), region: REGION.into() };
    let expected = sigv4::authorization(&key, call.method.as_str(), &call.path, &signed, &call.bytes);
    if expected != given {
        return Err((
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided.",
        ));
    }
    Ok(())
}
