//! Bodies: read once, up to a limit, and taken apart field by field, so that every mistake can be named.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use segflow_core::merge::Object;
use segflow_core::words::distance;
use serde_json::Value;

use super::App;
use super::problem::{Code, Problem};

/// The fields of a JSON body that nobody has looked at yet.
#[derive(Debug)]
pub struct Fields(Object);

/// 1 MiB, for all but batches and modules.
const ORDINARY: usize = 1 << 20;

impl FromRequest<App> for Fields {
    type Rejection = Problem;
    async fn from_request(request: Request, _: &App) -> Result<Fields, Problem> {
        fields(request, ORDINARY).await
    }
}

/// The fields of a JSON body that may also be left out.
#[derive(Debug)]
pub struct Optional(pub Fields);

impl FromRequest<App> for Optional {
    type Rejection = Problem;
    async fn from_request(request: Request, _: &App) -> Result<Optional, Problem> {
        let bytes = json(request, ORDINARY).await?;
        if bytes.is_empty() { Ok(Optional(Fields(Object::new()))) } else { Fields::parse(&bytes).map(Optional) }
    }
}

/// The fields of a JSON body of at most `limit` bytes.
pub async fn fields(request: Request, limit: usize) -> Result<Fields, Problem> {
    Fields::parse(&json(request, limit).await?)
}

async fn json(request: Request, limit: usize) -> Result<Bytes, Problem> {
    // Nothing said about its type counts as JSON.
    let is_json = |ty: &str| ty.eq_ignore_ascii_case("application/json") || ty.to_ascii_lowercase().ends_with("+json");
    bytes(request, limit, is_json, "application/json").await
}

/// A whole body of at most `limit` bytes, of a type that `accepts`.
pub async fn bytes(
    request: Request,
    limit: usize,
    accepts: impl Fn(&str) -> bool,
    wanted: &str,
) -> Result<Bytes, Problem> {
    if let Some(other) = content_type(request.headers()).filter(|ty| !accepts(ty) && ty != UNSAID) {
        let detail = format!("`Content-Type: {other}` is not read here; send {wanted}");
        return Err(Problem::new(Code::WrongContentType, detail));
    }
    let mut body = request.into_body();
    let too_large = || Problem::new(Code::TooLarge, format!("at most {limit} bytes are read here"));
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    // Nearly every body arrives in one piece and is passed on as it came.
    let Some(first) = piece(&mut body).await? else { return Ok(Bytes::new()) };
    let Some(second) = piece(&mut body).await? else {
        return if first.len() > limit { Err(too_large()) } else { Ok(first) };
    };
    let mut all = Vec::with_capacity(limit.min(body.size_hint().lower() as usize + first.len() + second.len()));
    all.extend_from_slice(&first);
    let mut next = Some(second);
    while let Some(part) = next {
        if all.len() + part.len() > limit {
            return Err(too_large());
        }
        all.extend_from_slice(&part);
        next = piece(&mut body).await?;
    }
    Ok(all.into())
}

/// What curl and others say when nobody told them what they send.
const UNSAID: &str = "application/x-www-form-urlencoded";

/// Without its parameters.
fn content_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?;
    let text = String::from_utf8_lossy(value.as_bytes());
    Some(text.split(';').next().unwrap_or_default().trim().to_string())
}

/// How long a client may be silent in the middle of a body.
const PATIENCE: Duration = Duration::from_secs(30);

async fn piece(body: &mut Body) -> Result<Option<Bytes>, Problem> {
    let slow = |_| Problem::new(Code::SlowBody, format!("nothing came for {} s", PATIENCE.as_secs()));
    loop {
        let frame = tokio::time::timeout(PATIENCE, poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)));
        match frame.await.map_err(slow)? {
            None => return Ok(None),
            Some(Err(e)) => return Err(Problem::new(Code::UnreadableBody, format!("the body broke off: {e}"))),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

impl Fields {
    pub fn parse(bytes: &[u8]) -> Result<Fields, Problem> {
        let value: Value = serde_json::from_slice(bytes).map_err(|e| {
            let text = e.to_string();
            if text.starts_with("recursion limit") {
                return Problem::new(Code::InvalidAttributes, "the JSON is nested deeper than 32");
            }
            Problem::new(Code::MalformedJson, text).with("line", e.line()).with("column", e.column())
        })?;
        Fields::of(value, "the body")
    }

    pub fn of(value: Value, what: &str) -> Result<Fields, Problem> {
        match value {
            Value::Object(fields) => Ok(Fields(fields)),
            other => Err(Problem::new(Code::WrongType, format!("{what} is {}, and must be an object", kind(&other)))),
        }
    }

    /// Refuses fields that are not among these: a misspelt one would otherwise be lost in silence.
    pub fn only(self, known: &[&str]) -> Result<Fields, Problem> {
        let Some(name) = self.0.keys().find(|name| !known.contains(&name.as_str())) else { return Ok(self) };
        let near = known.iter().map(|k| (distance(name, k), k)).min().filter(|(d, _)| *d <= 1 + name.len() / 3);
        let hint = match near {
            Some((_, near)) => format!("did you mean `{near}`?"),
            None => format!("known here: {}", known.join(", ")),
        };
        let name: String = name.chars().take(100).collect();
        Err(Problem::new(Code::UnknownField, format!("unknown field `{name}`; {hint}")))
    }

    /// A field that is there, and not null.
    fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    pub fn any(&mut self, name: &str) -> Option<Value> {
        self.take(name)
    }

    pub fn text(&mut self, name: &str) -> Result<Option<String>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong(name, &other, "a string")),
        }
    }

    pub fn object(&mut self, name: &str) -> Result<Option<Object>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(other) => Err(wrong(name, &other, "an object")),
        }
    }

    pub fn list(&mut self, name: &str) -> Result<Option<Vec<Value>>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Array(list)) => Ok(Some(list)),
            Some(other) => Err(wrong(name, &other, "an array")),
        }
    }

    pub fn flag(&mut self, name: &str) -> Result<Option<bool>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(other) => Err(wrong(name, &other, "true or false")),
        }
    }
}

/// A field that must be there.
pub fn needed<T>(name: &str, value: Option<T>) -> Result<T, Problem> {
    value.ok_or_else(|| Problem::new(Code::MissingField, format!("`{name}` is missing")))
}

fn wrong(name: &str, value: &Value, wanted: &str) -> Problem {
    Problem::new(Code::WrongType, format!("`{name}` is {}, and must be {wanted}", kind(value)))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_json_says_where() {
        let problem = Fields::parse(b"{\"attributes\":\n {,}}").expect_err("malformed");
        assert_eq!((problem.status(), problem.code()), (400, "malformed_json"));
        assert!(problem.detail().contains("line 2 column 3"), "{}", problem.detail());
        for broken in [&b""[..], b"{", b"{\"a\":1}x", b"{\"a\":\"\xff\"}", b"{\"a\":1e999}", b"{\"a\":\"\\ud800\"}"] {
            assert_eq!(Fields::parse(broken).expect_err("malformed").status(), 400);
        }
        let deep = format!("{}1{}", "{\"a\":".repeat(200), "}".repeat(200));
        assert_eq!(Fields::parse(deep.as_bytes()).expect_err("deep").status(), 422);
    }

    #[test]
    fn what_is_valid_json_and_breaks_a_rule_is_422_and_named() {
        let problem = Fields::parse(b"[{}]").expect_err("an array");
        assert_eq!((problem.status(), problem.code()), (422, "wrong_type"));
        let fields = || Fields::parse(b"{\"atributes\": {}, \"id\": null, \"name\": 5}").expect("an object");
        let problem = fields().only(&["attributes", "id", "name"]).expect_err("misspelt");
        assert_eq!(problem.code(), "unknown_field");
        assert!(problem.detail().contains("`atributes`; did you mean `attributes`?"), "{}", problem.detail());
        assert_eq!(fields().text("id").expect("null is nothing"), None);
        assert_eq!(fields().text("name").expect_err("a number").detail(), "`name` is a number, and must be a string");
        assert_eq!(needed("id", None::<()>).expect_err("missing").code(), "missing_field");
    }
}
