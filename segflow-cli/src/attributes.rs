//! `key=value` pairs as people type them, and what they mean.
//!
//! A value that is a JSON number, true, false, null, object, array or quoted string is that; everything else is the text itself.
//! So `zip=01234` stays "01234": JSON knows no number with a leading zero.

use clap::Args;
use serde_json::{Map, Value};

use crate::failure::usage;

#[derive(Debug, Args)]
pub struct Attributes {
    /// key=value pairs; `a.b=1` nests. A JSON value is that value, everything else is text: `age=36`, `zip=01234`, `tags=["a"]`
    #[arg(value_name = "KEY=VALUE")]
    pub pairs: Vec<String>,
    /// All attributes as one JSON object
    #[arg(short = 'j', long = "attributes", value_name = "JSON", conflicts_with = "pairs")]
    pub object: Option<String>,
}

impl Attributes {
    pub fn parse(&self) -> anyhow::Result<Map<String, Value>> {
        match &self.object {
            Some(text) => object(text),
            None => pairs(&self.pairs),
        }
    }
}

fn object(text: &str) -> anyhow::Result<Map<String, Value>> {
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => {
            Err(usage(format!("-j wants a JSON object such as '{{\"username\": \"Ada\"}}', and this is none: {text}")))
        }
        Err(error) => Err(usage(format!(
            "-j is not valid JSON: {error}\n  {text}\nWrite it as one quoted argument: -j '{{\"username\": \"Ada\"}}'"
        ))),
    }
}

fn pairs(pairs: &[String]) -> anyhow::Result<Map<String, Value>> {
    let mut object = Map::new();
    for pair in pairs {
        let Some((key, text)) = pair.split_once('=') else {
            return Err(usage(format!("`{pair}` is no attribute: write key=value, for example `username=Ada`")));
        };
        if key.split('.').any(|part| part.is_empty()) {
            return Err(usage(format!(
                "`{pair}` has an empty name before the `=`: write key=value, or a.b=value to nest"
            )));
        }
        insert(&mut object, key, value(key, text)?).map_err(|clash| {
            usage(format!(
                "`{pair}` contradicts an attribute before it: `{clash}` is already given. Give each attribute once"
            ))
        })?;
    }
    Ok(object)
}

/// Puts a value at `a.b.c`; on failure answers the name that is taken.
fn insert(object: &mut Map<String, Value>, key: &str, value: Value) -> Result<(), String> {
    let mut object = object;
    let mut rest = key;
    while let Some((head, tail)) = rest.split_once('.') {
        let taken = || key[..key.len() - tail.len() - 1].to_owned();
        object = object.entry(head).or_insert_with(|| Value::Object(Map::new())).as_object_mut().ok_or_else(taken)?;
        rest = tail;
    }
    match object.insert(rest.to_owned(), value) {
        None => Ok(()),
        Some(_) => Err(key.to_owned()),
    }
}

fn value(key: &str, text: &str) -> anyhow::Result<Value> {
    // JSON itself allows blanks around a value; a number with a blank in front is no number to the person who typed it.
    if text.trim() != text {
        return Ok(Value::String(text.to_owned()));
    }
    match serde_json::from_str(text) {
        Ok(Value::Number(number)) if loses_digits(text, &number) => Err(too_large(key, text)),
        Ok(value) => Ok(value),
        Err(error) if error.to_string().starts_with("number out of range") => Err(too_large(key, text)),
        Err(_) => Ok(Value::String(text.to_owned())),
    }
}

/// A whole number beyond 64 bits would be rounded in silence. Whoever typed one meant an identifier.
fn loses_digits(text: &str, number: &serde_json::Number) -> bool {
    number.is_f64() && text != "-0" && text.bytes().all(|b| b.is_ascii_digit() || b == b'-')
}

fn too_large(key: &str, text: &str) -> anyhow::Error {
    usage(format!(
        "`{key}={text}` is a number too large to keep exactly. To keep it as text, quote it: '{key}=\"{text}\"'"
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(list: &[&str]) -> Value {
        let list: Vec<String> = list.iter().map(|pair| (*pair).to_owned()).collect();
        Value::Object(pairs(&list).unwrap())
    }

    fn refused(list: &[&str]) -> String {
        let list: Vec<String> = list.iter().map(|pair| (*pair).to_owned()).collect();
        pairs(&list).unwrap_err().to_string()
    }

    /// Seen in a predecessor: `zip=01234` became the number 1234; an empty value became 0.
    #[test]
    fn leading_zeros_and_empty_values_are_text() {
        assert_eq!(parsed(&["zip=01234"]), json!({"zip": "01234"}));
        assert_eq!(parsed(&["name="]), json!({"name": ""}));
    }

    #[test]
    fn json_values_are_what_they_are() {
        assert_eq!(
            parsed(&["a=1", "b=-2.5", "c=true", "d=false", "e=null", "f={\"x\":[1]}", "g=[1,\"2\"]", "h=\"7\""]),
            json!({"a": 1, "b": -2.5, "c": true, "d": false, "e": null, "f": {"x": [1]}, "g": [1, "2"], "h": "7"})
        );
        assert_eq!(parsed(&["a=1e5"]), json!({"a": 1e5}));
        assert_eq!(parsed(&["a=-0"]).to_string(), "{\"a\":-0.0}");
        assert_eq!(parsed(&["a=18446744073709551615"]), json!({"a": u64::MAX}));
    }

    #[test]
    fn what_only_resembles_json_is_text() {
        for text in [
            "+1", "1.", ".5", " 1", "1 ", "NaN", "Infinity", "True", "nil", "0x10", "1_000", "{x", "[1", "\"open",
            "a=b", "-", "1e", "o'brien",
        ] {
            assert_eq!(parsed(&[&format!("key={text}")]), json!({"key": text}), "{text}");
        }
    }

    #[test]
    fn dots_nest() {
        assert_eq!(parsed(&["a.b=1", "a.c.d=x", "e=2"]), json!({"a": {"b": 1, "c": {"d": "x"}}, "e": 2}));
        assert_eq!(parsed(&["a={\"b\": 1}", "a.c=2"]), json!({"a": {"b": 1, "c": 2}}));
    }

    #[test]
    fn wrong_pairs_are_shown_with_the_right_form() {
        assert_eq!(refused(&["username"]), "`username` is no attribute: write key=value, for example `username=Ada`");
        for pair in ["=1", ".a=1", "a.=1", "a..b=1"] {
            assert!(refused(&[pair]).starts_with(&format!("`{pair}` has an empty name")), "{pair}");
        }
        assert!(refused(&["a=1", "a=2"]).contains("`a` is already given"));
        assert!(refused(&["a=1", "a.b=2"]).contains("`a` is already given"));
        assert!(refused(&["a.b=2", "a=1"]).contains("`a` is already given"));
    }

    #[test]
    fn numbers_that_would_lose_digits_are_refused() {
        assert!(refused(&["card=12345678901234567890123"]).contains("'card=\"12345678901234567890123\"'"));
        assert!(refused(&["n=1e400"]).contains("too large"));
        assert_eq!(parsed(&["card=\"12345678901234567890123\""]), json!({"card": "12345678901234567890123"}));
    }

    #[test]
    fn the_object_form() {
        assert_eq!(Value::Object(object("{\"a\": {\"b\": 1}}").unwrap()), json!({"a": {"b": 1}}));
        assert!(object("[1]").unwrap_err().to_string().contains("wants a JSON object"));
        assert!(object("{a: 1}").unwrap_err().to_string().contains("not valid JSON"));
    }
}
