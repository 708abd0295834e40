//! What can go wrong between an application and a server.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Why a call was not done. It has been repeated already where that could help.
#[derive(Debug)]
pub enum Error {
    /// The client cannot work: an environment variable or the URL.
    Setup(String),
    /// A value of the application cannot be sent, or one of the server does not fit the application's type.
    Value(String),
    /// No answer came.
    Unreachable(reqwest::Error),
    /// The server said no.
    Refused {
        /// Of HTTP.
        status: u16,
        /// A stable word for programs; empty if something between here and the server answered.
        code: String,
        /// For people: what was wrong and what to do.
        detail: String,
        /// When to come back, if the server said.
        retry_after: Option<Duration>,
    },
}

impl Error {
    /// There is no such thing on the server.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Error::Refused { status: 404, .. })
    }

    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Setup(_) | Error::Value(_) => false,
            Error::Unreachable(e) => !e.is_builder() && !e.is_redirect(),
            Error::Refused { status, .. } => matches!(status, 429 | 503),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Setup(why) | Error::Value(why) => f.write_str(why),
            Error::Unreachable(e) => write!(f, "the Segflow server gave no answer: {e}"),
            Error::Refused { status, detail, .. } => write!(f, "{detail} (status {status})"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Unreachable(e) => Some(e),
            Error::Setup(_) | Error::Value(_) | Error::Refused { .. } => None,
        }
    }
}

/// RFC 9457, as far as it is used.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    title: String,
    detail: String,
    code: String,
}

pub fn refused(status: u16, retry_after: Option<Duration>, body: &[u8]) -> Error {
    let Problem { title, detail, code } = serde_json::from_slice(body).unwrap_or_default();
    let said = [detail, title].into_iter().find(|words| !words.is_empty());
    let detail = said.unwrap_or_else(|| "the server refused without a reason".into());
    Error::Refused { status, code, detail, retry_after }
}

pub fn read<T: DeserializeOwned>(answer: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(answer)
        .map_err(|e| Error::Value(format!("the server's answer is not what was expected: {e}")))
}
