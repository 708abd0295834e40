//! Who is calling: the key decides the workspace.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::extract::{FromRequestParts, Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::App;
use super::problem::{Code, Problem};
use crate::clock;
use crate::store::keys::{self, Caller};

/// Whose key a request came with.
#[derive(Clone)]
pub struct By(Arc<Caller>);

impl std::ops::Deref for By {
    type Target = Caller;
    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl FromRequestParts<App> for By {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<By, Problem> {
        // A route without the check would be a bug, and is closed rather than open.
        parts.extensions.get::<By>().cloned().ok_or_else(|| super::problem::internal("a route asks for no key"))
    }
}

/// Lets a request with a valid key on; answers any other.
pub async fn require_key(State(app): State<App>, mut request: Request, next: Next) -> Response {
    match caller(&app, request.headers()).await {
        Ok(caller) => {
            request.extensions_mut().insert(By(caller));
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

async fn caller(app: &App, headers: &HeaderMap) -> Result<Arc<Caller>, Problem> {
    let key = bearer(headers)?;
    let hash: Hash = Sha256::digest(key.as_bytes()).into();
    let now = clock::monotonic();
    if let Some(caller) = app.0.keys.get(&hash, now) {
        return Ok(caller);
    }
    match keys::check(&app.store.db, key).await? {
        Some(caller) => Ok(app.0.keys.put(hash, caller, now)),
        None => Err(Problem::new(
            Code::WrongKey,
            "this key is unknown here or was revoked: make one with `segflow keys create`",
        )),
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let wanted = "send the key as `Authorization: Bearer sk_…`";
    let Some(header) = headers.get(AUTHORIZATION) else { return Err(Problem::new(Code::NoKey, wanted)) };
    let key = header.to_str().ok().and_then(|text| {
        let (scheme, key) = text.trim().split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    key.filter(|key| !key.is_empty()).ok_or_else(|| Problem::new(Code::WrongKey, wanted))
}

/// Valid keys of the last moment, by hash. Only for a moment, so that a key revoked on another server ends soon.
#[derive(Default)]
pub struct Keys(RwLock<HashMap<Hash, Known>>);

/// SHA-256 of a key.
type Hash = [u8; 32];
/// Whose it is, and since when that is known.
type Known = (Arc<Caller>, Instant);

impl Keys {
    const LIFE: Duration = Duration::from_secs(1);
    const MOST: usize = 1_024;

    fn get(&self, hash: &Hash, now: Instant) -> Option<Arc<Caller>> {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let (caller, since) = keys.get(hash)?;
        (now.saturating_duration_since(*since) < Keys::LIFE).then(|| caller.clone())
    }

    /// `asked` is when the database was asked, not when it answered.
    fn put(&self, hash: Hash, caller: Caller, asked: Instant) -> Arc<Caller> {
        let caller = Arc::new(caller);
        let mut keys = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= Keys::MOST {
            keys.retain(|_, (_, since)| asked.saturating_duration_since(*since) < Keys::LIFE);
        }
        keys.insert(hash, (caller.clone(), asked));
        caller
    }

    /// Forgets a key that was revoked here.
    pub fn forget(&self, key_id: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).retain(|_, (caller, _)| caller.key_id != key_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, value.parse().expect("a header"))])
    }

    #[test]
    fn only_a_bearer_key_is_a_key() {
        assert_eq!(bearer(&with("Bearer sk_1")).expect("a key"), "sk_1");
        assert_eq!(bearer(&with("bearer  sk_1 ")).expect("a key"), "sk_1");
        for wrong in ["sk_1", "Basic sk_1", "Bearer", "Bearer "] {
            assert_eq!(bearer(&with(wrong)).expect_err(wrong).code(), "wrong_key");
        }
        assert_eq!(bearer(&HeaderMap::new()).expect_err("none").code(), "no_key");
    }

    #[test]
    fn a_key_is_remembered_for_a_moment_only() {
        let (keys, start) = (Keys::default(), clock::monotonic());
        let caller = Caller { workspace: "w".into(), key_id: "key_1".into(), name: "ci".into() };
        keys.put([1; 32], caller.clone(), start);
        assert!(keys.get(&[1; 32], start + Duration::from_millis(999)).is_some());
        assert!(keys.get(&[1; 32], start + Keys::LIFE).is_none());
        assert!(keys.get(&[2; 32], start).is_none());
        keys.forget("key_1");
        assert!(keys.get(&[1; 32], start).is_none());
    }
}
