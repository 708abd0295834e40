//! Which failures are tried again, and when.

use std::time::Duration;

use reqwest::{Response, StatusCode, header};

/// A person waits: after a second and a half of silence they want to be told.
const PAUSES: [Duration; 3] = [Duration::from_millis(150), Duration::from_millis(400), Duration::from_millis(1_000)];

/// A server that names a time means it, within reason.
const LONGEST: Duration = Duration::from_secs(30);

pub struct Tries {
    idempotent: bool,
    failed: usize,
}

impl Tries {
    pub fn new(idempotent: bool) -> Self {
        Self { idempotent, failed: 0 }
    }

    /// How long to wait before the next try; `None` when this answer is the one to keep.
    pub fn wait(&mut self, answer: &Result<Response, reqwest::Error>) -> Option<Duration> {
        let asked = match answer {
            Ok(response) => match response.status() {
                StatusCode::TOO_MANY_REQUESTS => retry_after(response),
                StatusCode::SERVICE_UNAVAILABLE if self.idempotent => retry_after(response),
                _ => return None,
            },
            // Nothing arrived there.
            Err(error) if error.is_connect() => None,
            Err(error) if self.idempotent && !error.is_timeout() => None,
            Err(_) => return None,
        };
        let pause = *PAUSES.get(self.failed)?;
        self.failed += 1;
        Some(asked.map_or(pause, |asked| asked.clamp(pause, LONGEST)))
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
