//! What providers tell of messages, as each of them writes it: proven to come from there by the bytes as they came, then put into the
//! words of [`Notice`].
//!
//! A vendor says more with every year. What is not understood is left out, and never an error: the vendor would only tell it again.

mod json;
mod password;
mod postmark;
mod resend;
mod sendgrid;
mod ses;
mod sns;
#[cfg(test)]
mod tests;

use axum::http::HeaderMap;
use segflow_core::notice::Notice;
use segflow_core::protocol::ProviderKind;
use serde_json::Value;

use sns::Sns;

/// Why nothing is taken from a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It does not come from whom it says.
    Unsigned(String),
    /// It comes from there, and says nothing that can be read.
    Unreadable(String),
    /// Not now: something has to be done here, or elsewhere, first.
    Later(String),
}

/// Whoever reads what providers tell.
pub struct Notices {
    sns: Sns,
}

impl Notices {
    /// `sns` is called in place of Amazon SNS: a fake of it.
    ///
    /// # Errors
    ///
    /// If no HTTP client can be made.
    pub fn new(sns: Option<String>) -> anyhow::Result<Notices> {
        Ok(Notices { sns: Sns::new(sns)? })
    }

    /// Reads a call of a provider whose secret this is. `now` is the real time, ms UTC.
    pub async fn read(
        &self,
        kind: &ProviderKind,
        secret: &str,
        headers: &HeaderMap,
        body: &[u8],
        now: i64,
    ) -> Result<Vec<Notice>, Refusal> {
        match kind {
            ProviderKind::Postmark { .. } => {
                password::prove(secret, headers)?;
                Ok(postmark::read(&json(body)?).into_iter().collect())
            }
            ProviderKind::SendGrid { .. } => {
                sendgrid::prove(secret, headers, body)?;
                Ok(sendgrid::read(&json(body)?))
            }
            ProviderKind::Resend { .. } => {
                resend::prove(secret, headers, body, now)?;
                Ok(resend::read(&json(body)?).into_iter().collect())
            }
            ProviderKind::Ses { .. } => {
                let message = self.sns.open(secret, body).await?.unwrap_or_default();
                // When it is switched on, SES says so in plain words.
                Ok(serde_json::from_str(&message).ok().and_then(|told| ses::read(&told)).into_iter().collect())
            }
            ProviderKind::Capture
            | ProviderKind::Smtp { .. }
            | ProviderKind::MixMax { .. }
            | ProviderKind::Endpoint { .. } => Err(Refusal::Unreadable("this provider tells nothing".into())),
        }
    }
}

/// Whether a call that nobody signs comes with the password that was given for it.
pub fn prove_password(secret: &str, headers: &HeaderMap) -> Result<(), Refusal> {
    password::prove(secret, headers)
}

fn json(body: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(body).map_err(|e| Refusal::Unreadable(format!("the body is not JSON: {e}")))
}

/// A header as text; empty, if there is none.
fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn unsigned<T>(why: &str) -> Result<T, Refusal> {
    Err(Refusal::Unsigned(why.into()))
}
