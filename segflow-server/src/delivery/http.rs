//! What providers over HTTP share: how they are called, and what an answer says about a message when the provider says nothing better.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, RequestBuilder};
use segflow_core::ids::hex;
use segflow_core::ledger::Outcome;
use serde_json::Value;
use sha2::{Digest, Sha256};
use url::Url;

use super::told::Told;
use crate::outgoing;

/// The longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(60);

/// How long a provider is left alone that refuses the server's credentials or its sender, in ms: a person has to do something.
const MISCONFIGURED: i64 = 60_000;

/// The most of an answer that is read, in bytes.
const LARGEST: usize = 1 << 20;

/// The most of an answer that becomes part of a reason, in characters.
const TOLD: usize = 300;

/// Where a provider is, and how it is called.
#[derive(Clone)]
pub struct Place {
    client: Client,
    base: Url,
    /// What was heard from there.
    told: Arc<Told>,
}

impl Place {
    /// The error does not repeat the address: there may be a password in it.
    pub fn new(client: Client, address: &str) -> Result<Place, String> {
        let base = Url::parse(address).map_err(|e| format!("not an address such as https://HOST: {e}"))?;
        if !matches!(base.scheme(), "http" | "https") || base.host().is_none() {
            return Err("not an address such as https://HOST".into());
        }
        Ok(Place { client, base, told: Arc::default() })
    }

    /// The address of a path below it; itself for an empty one.
    pub fn at(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        if !path.is_empty() {
            url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        }
        url
    }

    pub fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(self.at(path))
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(self.at(path))
    }

    /// Makes a call here. Without an answer, what that says about what was to be sent.
    pub async fn call(&self, request: RequestBuilder) -> Result<Answer, Outcome> {
        let answer = call(request).await?;
        self.told.heed(&answer);
        Ok(answer)
    }

    /// The same for a question. Without an answer, why.
    pub async fn ask(&self, request: RequestBuilder) -> Result<Answer, String> {
        call(request).await.map_err(|outcome| outcome.why().to_string())
    }

    pub fn told(&self) -> &Told {
        &self.told
    }

    /// An account here, without telling where that is or what opens it.
    pub fn account(&self, credential: &str) -> String {
        hex(&Sha256::digest(format!("{}\0{credential}", self.base)))
    }
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// What there is of it.
    pub body: String,
}

/// How long an answer is waited for that is usually waited for so long: no longer than a debug build is told in `SEGFLOW_ANSWER_MS`, so that
/// a test can wait for a time-out.
pub fn patience(usual: Duration) -> Duration {
    static TOLD: LazyLock<Option<Duration>> = LazyLock::new(|| {
        let told = std::env::var("SEGFLOW_ANSWER_MS").ok()?.trim().parse().ok()?;
        Some(Duration::from_millis(told))
    });
    if !cfg!(debug_assertions) {
        return usual;
    }
    TOLD.map_or(usual, |told| told.min(usual))
}

async fn call(request: RequestBuilder) -> Result<Answer, Outcome> {
    let mut response = match request.timeout(patience(ANSWER)).send().await {
        Ok(response) => response,
        // The address may have a secret in it.
        Err(error) => {
            let error = error.without_url();
            return Err(match (error.is_builder(), error.is_connect()) {
                // A secret that no header can carry: everything else in a call is made here.
                (true, _) => misconfigured(format!("the call cannot be made: {}", causes(&error))),
                (_, true) => unable(format!("no connection to the provider: {}", causes(&error))),
                (_, _) => Outcome::Ambiguous(format!("no answer from the provider: {}", causes(&error))),
            });
        }
    };
    let mut body = vec![];
    // What was answered counts, even if not all of it arrives.
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > LARGEST {
            break;
        }
    }
    Ok(Answer {
        status: response.status().as_u16(),
        headers: std::mem::take(response.headers_mut()),
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

impl Answer {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Null, if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// For how long the provider asks to be left alone, in ms.
    pub fn pause(&self) -> Option<i64> {
        outgoing::pause(&self.headers)
    }

    /// With what was answered, in short.
    pub fn tell(&self, what: &str) -> String {
        let body: String = self.body.chars().filter(|c| !c.is_control()).take(TOLD).collect();
        format!("{what} ({} {body})", self.status).replace(" )", ")")
    }

    /// What an answer other than of success says by its status alone.
    pub fn outcome(&self, why: String) -> Outcome {
        match self.status {
            // Something before the server has given up waiting for it, or it broke in the middle: nobody knows how far it came.
            500 | 502 | 504 | 408 => Outcome::Ambiguous(why),
            // It is called at the wrong place. Other redirects may come after it has taken what was posted.
            301 | 307 | 308 => misconfigured(why),
            429 | 503 => Outcome::Unable { why, pause: self.pause() },
            401 | 402 | 403 | 404 | 405 | 407 => misconfigured(why),
            400 | 413 | 422 => Outcome::Refused(why),
            _ => Outcome::Ambiguous(why),
        }
    }
}

/// The provider is in trouble.
pub fn unable(why: String) -> Outcome {
    Outcome::Unable { why, pause: None }
}

/// The provider does not take the credentials, or the sender: a person has to do something.
pub fn misconfigured(why: String) -> Outcome {
    Outcome::Unable { why, pause: Some(MISCONFIGURED) }
}

/// What is not certain can be asked again, where the provider knows messages by their keys.
pub fn keyed(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Ambiguous(why) => Outcome::Repeatable(why),
        other => other,
    }
}

/// An error with what is behind it: reqwest's own words say little.
fn causes(error: &reqwest::Error) -> String {
    let mut told = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        told = format!("{told}: {next}");
        cause = next.source();
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, after: &str) -> Answer {
        let mut headers = HeaderMap::new();
        if !after.is_empty() {
            headers.insert("retry-after", after.parse().expect("a value"));
        }
        Answer { status, headers, body: String::new() }
    }

    #[test]
    fn what_a_status_says() {
        for status in [400, 413, 422] {
            assert_eq!(answer(status, "").outcome("x".into()), Outcome::Refused("x".into()), "{status}");
        }
        for status in [500, 502, 504, 418, 599, 302, 303, 304] {
            assert_eq!(answer(status, "").outcome("x".into()), Outcome::Ambiguous("x".into()), "{status}");
        }
        for status in [401, 403, 404, 301, 308] {
            assert_eq!(answer(status, "").outcome("x".into()), misconfigured("x".into()), "{status}");
        }
        let busy = |pause| Outcome::Unable { why: "x".into(), pause };
        assert_eq!(answer(429, "1.5").outcome("x".into()), busy(Some(1_500)));
        assert_eq!(answer(503, "999999999").outcome("x".into()), busy(Some(86_400_000)));
        assert_eq!(answer(503, "Fri, 31 Dec 1999 23:59:59 GMT").outcome("x".into()), busy(None));
        assert_eq!(answer(429, "-5").outcome("x".into()), busy(Some(0)));
    }

    #[test]
    fn places() {
        let place = |address: &str| Place::new(outgoing::client(|b| b).expect("a client"), address);
        assert_eq!(
            place("https://api.example/base/").expect("good").at("/email").as_str(),
            "https://api.example/base/email"
        );
        assert_eq!(
            place("https://api.example/hook?a=1").expect("good").at("").as_str(),
            "https://api.example/hook?a=1"
        );
        for bad in ["api.example", "ftp://api.example", "data:text"] {
            assert!(place(bad).is_err(), "{bad}");
        }
    }
}
