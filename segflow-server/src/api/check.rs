//! The rules that facts must keep. What passes here is stored without fail: one bad fact must not hold up the others of its commit.

use segflow_core::merge::Object;
use serde_json::Value;

use super::problem::{Code, Problem};
use crate::clock;

/// The longest id or name, in bytes.
const LONGEST: usize = 255;
/// The largest attributes, as compact JSON, in bytes.
const LARGEST: usize = 64 << 10;
/// How deep attributes may nest.
const DEEPEST: usize = 32;

/// Any string of 1 to 255 bytes.
pub fn user_id(id: &str) -> Result<(), Problem> {
    if id.is_empty() {
        return Err(Problem::new(Code::InvalidId, "a user id is not empty"));
    }
    if id.len() > LONGEST {
        return Err(Problem::new(
            Code::InvalidId,
            format!("a user id has at most {LONGEST} bytes, and this has {}", id.len()),
        ));
    }
    Ok(())
}

/// An id that a caller gives to an event.
pub fn event_id(id: &str) -> Result<(), Problem> {
    word(id).map_err(|why| Problem::new(Code::InvalidId, format!("the event id {why}")))
}

/// What a caller calls something.
pub fn name(what: &str, text: &str) -> Result<(), Problem> {
    word(text).map_err(|why| Problem::new(Code::InvalidName, format!("the {what} {why}")))
}

fn word(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("is empty".into());
    }
    if text.len() > LONGEST {
        return Err(format!("has {} bytes; at most {LONGEST} are allowed", text.len()));
    }
    if text.contains('\0') {
        return Err("contains a NUL character".into());
    }
    Ok(())
}

pub fn attributes(attributes: &Object) -> Result<(), Problem> {
    for (key, value) in attributes {
        walk(key, value, 2).map_err(|why| Problem::new(Code::InvalidAttributes, format!("attribute `{key}` {why}")))?;
    }
    let mut size = Size(0);
    serde_json::to_writer(&mut size, attributes).map_err(super::problem::internal)?;
    if size.0 > LARGEST {
        let detail = format!("the attributes have {} bytes as compact JSON; at most {LARGEST} are allowed", size.0);
        return Err(Problem::new(Code::AttributesTooLarge, detail));
    }
    Ok(())
}

fn walk(key: &str, value: &Value, depth: usize) -> Result<(), &'static str> {
    const NUL: &str = "contains a NUL character";
    if key.contains('\0') {
        return Err(NUL);
    }
    match value {
        Value::String(text) if text.contains('\0') => Err(NUL),
        Value::Array(_) | Value::Object(_) if depth > DEEPEST => Err("is nested deeper than 32"),
        Value::Array(items) => items.iter().try_for_each(|item| walk("", item, depth + 1)),
        Value::Object(fields) => fields.iter().try_for_each(|(key, value)| walk(key, value, depth + 1)),
        _ => Ok(()),
    }
}

/// Counts bytes and keeps none.
struct Size(usize);

impl std::io::Write for Size {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The years in which something can occur: 1970 to 9999, in ms UTC.
const YEARS: std::ops::Range<i64> = 0..253_402_300_800_000;

/// An instant, ms UTC.
pub fn time(field: &str, text: &str) -> Result<i64, Problem> {
    let wrong = |detail: String| Problem::new(Code::InvalidTime, format!("`{field}`: {detail}"));
    let ms = clock::parse(text).map_err(wrong)?;
    if !YEARS.contains(&ms) {
        return Err(wrong(format!("`{text}` is not between the years 1970 and 9999")));
    }
    Ok(ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(value: Value) -> Object {
        value.as_object().expect("an object").clone()
    }

    #[test]
    fn any_string_of_1_to_255_bytes_is_a_user_id() {
        for id in ["a", " ", "ada ", "o'brien", "a/b?c#d%", "🦀", "\u{0}", &"x".repeat(255)] {
            assert!(user_id(id).is_ok(), "{id:?}");
        }
        for id in ["", &"x".repeat(256), &"🦀".repeat(64)] {
            assert_eq!(user_id(id).expect_err("refused").code(), "invalid_id");
        }
    }

    #[test]
    fn attributes_have_a_size_and_a_depth() {
        let string = |bytes: usize| of(json!({ "a": "x".repeat(bytes) }));
        assert!(attributes(&string(LARGEST - 8)).is_ok());
        assert_eq!(attributes(&string(LARGEST - 7)).expect_err("large").code(), "attributes_too_large");
        let nested = |depth: usize| of((1..depth).fold(json!({}), |inner, _| json!({ "a": inner })));
        assert!(attributes(&nested(DEEPEST)).is_ok());
        assert_eq!(attributes(&nested(DEEPEST + 1)).expect_err("deep").code(), "invalid_attributes");
        for nul in [json!({"a\u{0}": 1}), json!({"a": ["\u{0}"]}), json!({"a": {"b\u{0}": 1}})] {
            assert_eq!(attributes(&of(nul)).expect_err("nul").code(), "invalid_attributes");
        }
    }

    #[test]
    fn times_are_rfc_3339_of_four_digit_years() {
        assert_eq!(time("occurred_at", "1970-01-01T00:00:00Z").expect("valid"), 0);
        assert_eq!(time("occurred_at", "2026-01-31T09:00:00+01:00").expect("valid"), 1_769_846_400_000);
        for wrong in ["yesterday", "2026-01-31", "1969-12-31T23:59:59Z", "-000001-01-01T00:00:00Z", ""] {
            let problem = time("occurred_at", wrong).expect_err(wrong);
            assert_eq!((problem.status(), problem.code()), (422, "invalid_time"));
            assert!(problem.detail().starts_with("`occurred_at`"));
        }
    }
}
