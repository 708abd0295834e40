//! One call, repeated with growing pauses while that can help.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use serde_json::Value;

use super::{Client, Error, error};

/// Pauses of about 0.2, 0.4, 0.8 … s, each with as much again by chance, so that clients do not come back all at once.
fn pauses() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(10))
        .with_max_times(6)
        .with_jitter()
}

/// A server that wants a longer pause than this is not waited for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

impl Client {
    /// The body of an answer of 2xx.
    pub(super) async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Vec<u8>, Error> {
        let once = || self.attempt(method.clone(), path, body);
        once.retry(pauses())
            .when(Error::is_transient)
            .adjust(|error, pause| match error {
                Error::Refused { retry_after: Some(said), .. } if *said > LONGEST_PAUSE => None,
                Error::Refused { retry_after: Some(said), .. } => pause.map(|pause| pause.max(*said)),
                _ => pause,
            })
            .await
    }

    async fn attempt(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Vec<u8>, Error> {
        let mut request = self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.key);
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        let response = request.send().await.map_err(Error::Unreachable)?;
        let status = response.status();
        let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let body = response.bytes().await.map_err(Error::Unreachable)?;
        match status.is_success() {
            true => Ok(body.into()),
            false => Err(error::refused(status.as_u16(), seconds.map(Duration::from_secs), &body)),
        }
    }
}
