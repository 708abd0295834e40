//! Everything that can go wrong, as RFC 9457 documents, from one table.

use std::any::Any;
use std::fmt::Display;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::store;

/// What went wrong, as a word for programs. The words are part of the contract: append, never rename.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    MalformedJson,
    MalformedUrl,
    BadParameter,
    UnreadableBody,
    NoKey,
    WrongKey,
    UnknownRoute,
    NotFound,
    MethodNotAllowed,
    SlowBody,
    Conflict,
    GenerationPassed,
    ClockNotVirtual,
    TooLarge,
    WrongContentType,
    WrongType,
    UnknownField,
    MissingField,
    InvalidId,
    InvalidName,
    InvalidAttributes,
    AttributesTooLarge,
    InvalidTime,
    BatchTooLarge,
    PushRefused,
    TooManyEnter,
    Internal,
    StoreAway,
    NotReady,
    InvalidAddress,
    ProviderFailed,
    WrongSignature,
    InvalidUrl,
    SegmentFailed,
}

impl Code {
    /// The table: code, status, title.
    const fn row(self) -> (&'static str, u16, &'static str) {
        match self {
            Code::MalformedJson => ("malformed_json", 400, "The body is not JSON"),
            Code::MalformedUrl => ("malformed_url", 400, "The address is malformed"),
            Code::BadParameter => ("bad_parameter", 400, "A query parameter is wrong"),
            Code::UnreadableBody => ("unreadable_body", 400, "The body could not be read"),
            Code::NoKey => ("no_key", 401, "A key is needed"),
            Code::WrongKey => ("wrong_key", 401, "The key is not valid"),
            Code::UnknownRoute => ("unknown_route", 404, "There is no such address"),
            Code::NotFound => ("not_found", 404, "There is no such thing"),
            Code::MethodNotAllowed => ("method_not_allowed", 405, "The method is not allowed here"),
            Code::SlowBody => ("slow_body", 408, "The body did not arrive in time"),
            Code::Conflict => ("conflict", 409, "Something else came first"),
            Code::GenerationPassed => ("generation_passed", 409, "Another push came first"),
            Code::ClockNotVirtual => ("clock_not_virtual", 409, "The clock cannot be moved"),
            Code::TooLarge => ("too_large", 413, "The body is too large"),
            Code::WrongContentType => ("wrong_content_type", 415, "The body is of another type than is read here"),
            Code::WrongType => ("wrong_type", 422, "A value is of another type than is read here"),
            Code::UnknownField => ("unknown_field", 422, "A field is not known"),
            Code::MissingField => ("missing_field", 422, "A field is missing"),
            Code::InvalidId => ("invalid_id", 422, "An id is not valid"),
            Code::InvalidName => ("invalid_name", 422, "A name is not valid"),
            Code::InvalidAttributes => ("invalid_attributes", 422, "The attributes are not valid"),
            Code::AttributesTooLarge => ("attributes_too_large", 422, "The attributes are too large"),
            Code::InvalidTime => ("invalid_time", 422, "A time is not valid"),
            Code::BatchTooLarge => ("batch_too_large", 422, "The batch has too many items"),
            Code::PushRefused => ("push_refused", 422, "The push was refused, and nothing has changed"),
            Code::TooManyEnter => ("too_many_enter", 422, "Too many users would enter campaigns at once"),
            Code::Internal => ("internal", 500, "Something went wrong on the server"),
            Code::StoreAway => ("store_away", 503, "The store is away"),
            Code::NotReady => ("not_ready", 503, "The server is not ready"),
            Code::InvalidAddress => ("invalid_address", 422, "An email address is not valid"),
            Code::ProviderFailed => ("provider_failed", 502, "The provider did not take the email"),
            Code::WrongSignature => ("wrong_signature", 401, "It does not come from whom it says"),
            Code::InvalidUrl => ("invalid_url", 422, "A URL is not valid"),
            Code::SegmentFailed => ("segment_failed", 409, "The segment cannot be answered now"),
        }
    }
}

/// One thing that went wrong. Boxed inside, so that the good way stays small.
#[derive(Debug)]
pub struct Problem(Box<Parts>);

#[derive(Debug)]
struct Parts {
    code: Code,
    /// A code that is told apart further than the table does.
    name: Option<&'static str>,
    detail: String,
    more: Map<String, Value>,
}

impl Problem {
    pub fn new(code: Code, detail: impl Into<String>) -> Problem {
        Problem(Box::new(Parts { code, name: None, detail: detail.into(), more: Map::new() }))
    }

    pub fn not_found(what: &str, id: &str) -> Problem {
        Problem::new(Code::NotFound, format!("there is no {what} `{id}`"))
    }

    /// For codes that come from elsewhere and are finer than the table.
    pub fn named(mut self, name: &'static str) -> Problem {
        self.0.name = Some(name);
        self
    }

    /// Another member of the document.
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Problem {
        self.0.more.insert(member.into(), value.into());
        self
    }

    pub fn status(&self) -> u16 {
        self.0.code.row().1
    }

    pub fn code(&self) -> &'static str {
        self.0.name.unwrap_or(self.0.code.row().0)
    }

    pub fn detail(&self) -> &str {
        &self.0.detail
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (_, status, title) = self.0.code.row();
        let code = self.code();
        let mut document = self.0.more;
        document.insert("type".into(), format!("urn:segflow:problem:{code}").into());
        document.insert("title".into(), title.into());
        document.insert("status".into(), status.into());
        document.insert("detail".into(), self.0.detail.into());
        document.insert("code".into(), code.into());
        let status = StatusCode::from_u16(status).expect("the table has valid statuses");
        let mut response = (status, Value::Object(document).to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match status {
            StatusCode::UNAUTHORIZED => headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            StatusCode::SERVICE_UNAVAILABLE => headers.insert(RETRY_AFTER, HeaderValue::from_static("1")),
            _ => None,
        };
        response
    }
}

/// What the store says, without what only its operator should read.
impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Problem {
        if error.is_away() {
            return away(error);
        }
        match error {
            store::Error::NotFound(_) => Problem::new(Code::NotFound, error.to_string()),
            store::Error::TooLarge(_) => Problem::new(Code::AttributesTooLarge, error.to_string()),
            store::Error::Conflict(_) => Problem::new(Code::Conflict, error.to_string()),
            store::Error::Fenced => away(error),
            other => internal(other),
        }
    }
}

fn away(error: impl Display) -> Problem {
    tracing::warn!(%error, "the store is away");
    Problem::new(Code::StoreAway, "the database does not answer at the moment; the same request may work later")
}

/// A bug of ours: logged with its reason, answered without.
pub fn internal(error: impl Display) -> Problem {
    tracing::error!(%error, "a request failed by a bug");
    Problem::new(Code::Internal, "this is a bug of the server, not of the request; its log says more")
}

pub async fn no_route(uri: Uri) -> Problem {
    Problem::new(Code::UnknownRoute, format!("there is nothing at {}", uri.path()))
}

/// What a handler that panicked answers; the panic hook has said where.
pub fn panicked(_: Box<dyn Any + Send>) -> Response {
    internal("a handler panicked").into_response()
}

/// Gives an error that was answered without a document (by the router itself) one, with its headers.
pub fn documented(response: Response) -> Response {
    let status = response.status();
    if status.is_success() || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    // Pages for people are what they are.
    let ty = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    if ty == b"application/problem+json" || ty.starts_with(b"text/html") {
        return response;
    }
    let problem = match status {
        // The router adds `Allow` after this.
        StatusCode::METHOD_NOT_ALLOWED => {
            Problem::new(Code::MethodNotAllowed, "this address has other methods: the header Allow says which")
        }
        StatusCode::NOT_FOUND => Problem::new(Code::UnknownRoute, "there is nothing at this address"),
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(Code::TooLarge, "the body is too large"),
        status if status.is_client_error() => Problem::new(Code::UnreadableBody, "the request could not be read"),
        status => internal(format!("status {status} without a reason")),
    };
    let (parts, _) = response.into_parts();
    let mut answer = problem.into_response();
    for (name, value) in &parts.headers {
        if name != CONTENT_TYPE && name != "content-length" {
            answer.headers_mut().insert(name, value.clone());
        }
    }
    answer
}

/// One item of a batch that was refused.
pub fn item(problem: &Problem) -> Value {
    json!({ "status": problem.status(), "code": problem.code(), "detail": problem.detail() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Code; 29] = [
        Code::MalformedJson,
        Code::MalformedUrl,
        Code::BadParameter,
        Code::UnreadableBody,
        Code::NoKey,
        Code::WrongKey,
        Code::UnknownRoute,
        Code::NotFound,
        Code::MethodNotAllowed,
        Code::SlowBody,
        Code::Conflict,
        Code::GenerationPassed,
        Code::ClockNotVirtual,
        Code::TooLarge,
        Code::WrongContentType,
        Code::WrongType,
        Code::UnknownField,
        Code::MissingField,
        Code::InvalidId,
        Code::InvalidName,
        Code::InvalidAttributes,
        Code::AttributesTooLarge,
        Code::InvalidTime,
        Code::BatchTooLarge,
        Code::PushRefused,
        Code::TooManyEnter,
        Code::Internal,
        Code::StoreAway,
        Code::NotReady,
    ];

    #[test]
    fn the_codes_are_told_apart_and_only_bugs_are_500() {
        assert_eq!(ALL.len(), Code::NotReady as usize + 1, "a code is missing here");
        let mut names: Vec<&str> = ALL.iter().map(|code| code.row().0).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
        for code in ALL {
            let (name, status, title) = code.row();
            assert!(StatusCode::from_u16(status).is_ok() && !title.is_empty());
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
            assert_eq!(status == 500, code == Code::Internal, "{name}");
        }
    }

    #[test]
    fn a_problem_is_a_whole_document_with_its_headers() {
        let response = Problem::new(Code::StoreAway, "later").with("retry", true).into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.headers()[RETRY_AFTER], "1");
        let response = Problem::new(Code::NoKey, "").into_response();
        assert_eq!(response.headers()[WWW_AUTHENTICATE], "Bearer");
    }

    #[test]
    fn a_bare_405_gets_a_document_and_keeps_its_allow() {
        let bare = (StatusCode::METHOD_NOT_ALLOWED, [("allow", "GET,HEAD")]).into_response();
        let answer = documented(bare);
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.headers()["allow"], "GET,HEAD");
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/problem+json");
    }

    #[test]
    fn what_the_database_says_is_not_answered() {
        let secret = "INSERT INTO users";
        let problem = Problem::from(store::Error::Internal(secret.into()));
        assert_eq!((problem.status(), problem.detail().contains(secret)), (500, false));
        let problem = Problem::from(store::Error::Away(secret.into()));
        assert_eq!((problem.status(), problem.detail().contains(secret)), (503, false));
        assert_eq!(Problem::from(store::Error::NotFound("user `a`".into())).status(), 404);
        assert_eq!(Problem::from(store::Error::Conflict("x".into())).status(), 409);
    }
}
