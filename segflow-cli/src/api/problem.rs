//! Answers that are no success, in the words of the person at the terminal.

use std::{error::Error, fmt};

use reqwest::StatusCode;
use serde::Deserialize;

use crate::{printer::visible, target::Target};

/// An RFC 9457 problem document, with what to do about it.
#[derive(Debug)]
pub struct Problem {
    pub status: u16,
    pub code: String,
    /// What is wrong, as the server says it.
    pub detail: String,
    /// All that is wrong with a pushed project.
    pub problems: Vec<Finding>,
    advice: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Finding {
    #[serde(default)]
    pub code: String,
    pub message: String,
    #[serde(default)]
    pub place: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Document {
    title: Option<String>,
    detail: Option<String>,
    code: Option<String>,
    problems: Vec<Finding>,
}

impl Problem {
    pub fn new(status: StatusCode, body: &[u8], target: &Target) -> Self {
        let (document, ours) = match serde_json::from_slice::<Document>(body) {
            Ok(document) => {
                let ours = document.code.is_some();
                (document, ours)
            }
            Err(_) => (Document::default(), false),
        };
        let reason = status.canonical_reason().unwrap_or("an unknown status");
        let detail = document.detail.or(document.title).unwrap_or_else(|| format!("{} answers {reason}", target.url));
        Self {
            status: status.as_u16(),
            code: document.code.unwrap_or_default(),
            detail: detail.lines().map(|line| visible(line)).collect::<Vec<_>>().join("\n"),
            problems: document.problems,
            advice: advice(status, ours, target),
        }
    }
}

fn advice(status: StatusCode, ours: bool, target: &Target) -> Option<String> {
    let Target { url, source, .. } = target;
    Some(match status.as_u16() {
        401 => format!(
            "{url} does not accept the key from {source}. It may be revoked, or belong to another server: put a key of this one there, or `segflow login {url}`"
        ),
        403 => format!("the key from {source} may not do this: use another key"),
        404 if !ours => format!("is {url} (from {source}) a Segflow server?"),
        429 => "the server asks for fewer requests: wait a little, then try again".to_owned(),
        503 => "the server cannot reach its database at the moment: nothing was lost, try again".to_owned(),
        500.. => format!("this is a fault of the server, not of the command: its log at {url} says more"),
        _ => return None,
    })
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.detail, self.status)?;
        if !self.code.is_empty() {
            write!(f, " {}", self.code)?;
        }
        f.write_str(")")?;
        if let Some(advice) = &self.advice {
            write!(f, "\n  {advice}")?;
        }
        Ok(())
    }
}

impl Error for Problem {}

/// No answer at all.
pub fn unreachable(error: &reqwest::Error, target: &Target) -> anyhow::Error {
    let Target { url, source, .. } = target;
    if error.is_timeout() && !error.is_connect() {
        return anyhow::anyhow!(
            "{url} (from {source}) took the request and did not answer in time.\n  Whether it was done is not known: look before you repeat it"
        );
    }
    let mut cause: &dyn Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let help = if crate::target::is_local(url) {
        "Is it running? `segflow dev` starts one for the project in this folder"
    } else {
        "Check the URL, and that this machine may reach it"
    };
    anyhow::anyhow!("no server answers at {url} (from {source}): {cause}.\n  {help}")
}
