//! Query parameters: all strings, each known, each at most once.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;

use super::App;
use super::problem::{Code, Problem};

/// The parameters of a request that nobody has looked at yet.
pub struct Params(Vec<(String, String)>);

impl FromRequestParts<App> for Params {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Params, Problem> {
        if parts.uri.query().is_none_or(str::is_empty) {
            return Ok(Params(vec![]));
        }
        let Query(pairs) =
            Query::try_from_uri(&parts.uri).map_err(|e| Problem::new(Code::MalformedUrl, e.body_text()))?;
        Ok(Params(pairs))
    }
}

impl Params {
    /// Refuses parameters that are not among these: a misspelt filter would otherwise show everything.
    pub fn only(self, known: &[&str]) -> Result<Params, Problem> {
        for (index, (name, _)) in self.0.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let known = if known.is_empty() { "none".into() } else { known.join(", ") };
                return Err(bad(format!("unknown parameter `{name}`; known here: {known}")));
            }
            if self.0[..index].iter().any(|(earlier, _)| earlier == name) {
                return Err(bad(format!("`{name}` is given twice")));
            }
        }
        Ok(self)
    }

    /// No parameters at all.
    pub fn none(self) -> Result<(), Problem> {
        self.only(&[]).map(drop)
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub fn parsed<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, Problem> {
        self.text(name)
            .map(|text| text.parse().map_err(|e| bad(format!("`{name}={text}` is not understood: {e}"))))
            .transpose()
    }

    /// `true` or `false`; a bare name is true.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Problem> {
        match self.text(name) {
            None => Ok(None),
            Some("true" | "") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(bad(format!("`{name}={other}` is neither true nor false"))),
        }
    }

    /// One of a closed set of words.
    pub fn one_of(&self, name: &str, words: &[&'static str]) -> Result<Option<&'static str>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let found = words.iter().find(|word| **word == text).copied();
        found.map(Some).ok_or_else(|| bad(format!("`{name}={text}` is not one of {}", words.join(", "))))
    }
}

pub fn bad(detail: String) -> Problem {
    Problem::new(Code::BadParameter, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        Params(pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect())
    }

    #[test]
    fn what_is_not_known_or_not_understood_is_refused() {
        let error = params(&[("statsu", "sent")]).only(&["status"]).err().expect("refused");
        assert_eq!((error.status(), error.detail().contains("statsu")), (400, true));
        assert!(params(&[("a", "1"), ("a", "1")]).only(&["a"]).is_err());
        assert!(params(&[("a", "x")]).parsed::<i64>("a").is_err());
        assert_eq!(params(&[("a", "7")]).parsed::<i64>("a").expect("a number"), Some(7));
        assert_eq!(params(&[("a", "")]).flag("a").expect("a flag"), Some(true));
        assert!(params(&[("a", "yes")]).flag("a").is_err());
        assert_eq!(params(&[("a", "x")]).one_of("a", &["x", "y"]).expect("known"), Some("x"));
        assert!(params(&[("a", "z")]).one_of("a", &["x", "y"]).is_err());
    }
}
