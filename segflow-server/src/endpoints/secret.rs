//! What deliveries are signed with, as Standard Webhooks has it: `whsec_` and random bytes in base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::store::{Error, Result};

const PREFIX: &str = "whsec_";

/// A new secret, as receivers are given it.
pub fn new() -> Result<String> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(|e| Error::Internal(format!("no random numbers: {e}")))?;
    Ok(format!("{PREFIX}{}", STANDARD.encode(bytes)))
}

/// Under which name the secret of an endpoint is stored: one of the server's own, so that no project gets at it.
pub fn name(endpoint: &str) -> String {
    format!("SEGFLOW_WEBHOOK_{endpoint}")
}

/// What is stored when a secret follows what was stored before: both, as long as they are needed.
pub fn follows(new: &str, stored: Option<&str>) -> String {
    let before = stored.and_then(|stored| stored.split(' ').next()).unwrap_or_default();
    format!("{new} {before}").trim_end().into()
}

/// Those that sign, the newest first.
pub struct Keys(Vec<Vec<u8>>);

impl Keys {
    /// From what is stored. `rotates`: with the one before as well.
    pub fn read(stored: &str, rotates: bool) -> Option<Keys> {
        let key = |secret: &str| STANDARD.decode(secret.strip_prefix(PREFIX)?).ok();
        let keys: Vec<_> = stored.split(' ').take(if rotates { 2 } else { 1 }).map(key).collect::<Option<_>>()?;
        Some(Keys(keys))
    }

    /// The header `webhook-signature` of a delivery. `at` is in seconds.
    pub fn sign(&self, id: &str, at: i64, body: &str) -> String {
        let sign = |key: &Vec<u8>| {
            let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length will do");
            mac.update(format!("{id}.{at}.{body}").as_bytes());
            format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
        };
        self.0.iter().map(sign).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_secret_follows_another() {
        let [first, second, third] = std::array::from_fn(|_| new().expect("random"));
        let stored = follows(&second, Some(&follows(&first, None)));
        assert_eq!(stored, format!("{second} {first}"));
        let sign = |stored: &str, rotates| Keys::read(stored, rotates).expect("keys").sign("evt_1", 7, "{}");
        assert_eq!(sign(&stored, false), sign(&second, true));
        assert_eq!(sign(&stored, true), format!("{} {}", sign(&second, false), sign(&first, false)));
        assert_eq!(follows(&third, Some(&stored)), format!("{third} {second}"));
        assert!(Keys::read("hush", false).is_none());
    }
}
