//! What a provider says with its answers about how much it takes.

use std::sync::Mutex;

use segflow_core::route::breaker::BUSY;

use super::http::Answer;
use crate::clock::system_now;

/// Seconds above this are an instant of Unix time, not a span.
const INSTANT: i64 = 1_000_000_000;

#[derive(Default)]
pub struct Told(Mutex<Heard>);

#[derive(Default)]
struct Heard {
    per_second: Option<u32>,
    pause: Option<i64>,
}

impl Told {
    /// Hears that nothing is left for now. What is said of longer pauses is believed when a message is refused for it.
    pub fn heed(&self, answer: &Answer) {
        let header = |name: &str| answer.header(name).or_else(|| answer.header(&format!("x-{name}")));
        let number = |name: &str| header(name)?.trim().parse::<i64>().ok();
        if number("ratelimit-remaining").is_some_and(|left| left <= 0)
            && let Some(pause) = number("ratelimit-reset").map(from_now)
        {
            self.0.lock().expect("no panic while held").pause = Some(pause.min(BUSY));
        }
    }

    /// Hears how many it takes in a second.
    pub fn takes_per_second(&self, limit: Option<&str>) {
        if let Some(limit) = limit.and_then(|limit| limit.trim().parse().ok()).filter(|limit| *limit > 0) {
            self.0.lock().expect("no panic while held").per_second = Some(limit);
        }
    }

    pub fn per_second(&self) -> Option<u32> {
        self.0.lock().expect("no panic while held").per_second
    }

    /// For how long it is to be left alone, in ms; told once.
    pub fn pause(&self) -> Option<i64> {
        self.0.lock().expect("no panic while held").pause.take()
    }
}

/// In ms, at most a day: of seconds, or of an instant in seconds of Unix time.
pub fn from_now(reset: i64) -> i64 {
    let ms = reset.saturating_mul(1_000);
    let ms = if reset > INSTANT { ms.saturating_sub(system_now()) } else { ms };
    ms.clamp(0, 86_400_000)
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderName};

    use super::*;

    fn heard(headers: &[(&'static str, &str)]) -> Option<i64> {
        let header =
            |(name, value): &(&'static str, &str)| (HeaderName::from_static(name), value.parse().expect("a value"));
        let headers: HeaderMap = headers.iter().map(header).collect();
        let told = Told::default();
        told.heed(&Answer { status: 200, headers, body: String::new() });
        told.pause()
    }

    #[test]
    fn with_nothing_left_it_is_left_alone_for_a_moment() {
        assert_eq!(heard(&[("ratelimit-remaining", "0"), ("ratelimit-reset", "1")]), Some(1_000));
        assert_eq!(heard(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "4102444800")]), Some(BUSY));
        assert_eq!(heard(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1577836800")]), Some(0), "long ago");
        assert_eq!(heard(&[("ratelimit-remaining", "4"), ("ratelimit-reset", "1")]), None);
        assert_eq!(heard(&[("ratelimit-remaining", "0")]), None);
        assert_eq!(heard(&[("ratelimit-remaining", "none"), ("ratelimit-reset", "soon")]), None);
    }

    #[test]
    fn what_it_takes_in_a_second() {
        let told = Told::default();
        for nothing in [None, Some("0"), Some("many"), Some("-3")] {
            told.takes_per_second(nothing);
            assert_eq!(told.per_second(), None);
        }
        told.takes_per_second(Some("2"));
        told.takes_per_second(None);
        assert_eq!(told.per_second(), Some(2));
    }
}
