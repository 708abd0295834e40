//! Addresses: where a user's is found, how one is written to be compared, and what is kept in its place.

use hmac::{Hmac, KeyInit, Mac};
use segflow_core::merge::Object;
use sha2::Sha256;

/// The address of a user. An error says why there is none.
pub fn of(attribute: &str, attributes: &Object) -> Result<String, String> {
    match attributes.get(attribute) {
        None | Some(serde_json::Value::Null) => Err(format!("no email address: attribute `{attribute}` is missing")),
        Some(serde_json::Value::String(address)) => match is_one(address) {
            true => Ok(address.clone()),
            false => Err(format!("no email address: attribute `{attribute}` is not one")),
        },
        Some(_) => Err(format!("no email address: attribute `{attribute}` is not a string")),
    }
}

/// Whether it is one address, and nothing else.
pub fn is_one(text: &str) -> bool {
    text.parse::<lettre::Address>().is_ok()
}

/// The way in which one address is always written: in small letters, its domain as the DNS has it.
///
/// Who has `Ada@` also gets what is sent to `ada@`, wherever that is told apart at all. Dots and plus signs stay: only some ignore them.
pub fn normal(address: &str) -> String {
    let lower = address.trim().to_lowercase();
    let Some((local, domain)) = lower.rsplit_once('@') else { return lower };
    match url::Host::parse(domain) {
        Ok(domain) => format!("{local}@{domain}"),
        Err(_) => lower,
    }
}

/// A reason without anybody's address: it is kept, and shown, long after the message that it was about.
pub fn without(why: &str) -> String {
    why.split(' ').map(|word| if word.contains('@') { "…" } else { word }).collect::<Vec<_>>().join(" ")
}

/// What a workspace's addresses are hashed with.
#[derive(Clone)]
pub struct Key(Vec<u8>);

/// What is kept of an address.
pub type Hash = Vec<u8>;

impl Key {
    pub fn new(bytes: Vec<u8>) -> Key {
        Key(bytes)
    }

    /// The same for all ways to write an address. Half of the digest: what has to be told apart are some millions.
    pub fn hash(&self, address: &str) -> Hash {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("any length will do");
        mac.update(normal(address).as_bytes());
        mac.finalize().into_bytes()[..16].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_address_is_written_in_one_way() {
        for (one, other) in [
            ("Ada@X.Example", "ada@x.example"),
            (" ada@x.example ", "ada@x.example"),
            ("ada@GRÜSSE.example", "ada@xn--grsse-lva.example"),
            ("Käthe@x.example", "käthe@x.example"),
            ("ada@[127.0.0.1]", "ada@[127.0.0.1]"),
        ] {
            assert_eq!(normal(one), normal(other), "{one}");
        }
        for (one, other) in [("a.da@x.example", "ada@x.example"), ("ada+news@x.example", "ada@x.example")] {
            assert_ne!(normal(one), normal(other));
        }
        assert_eq!(normal("nobody"), "nobody");
    }

    #[test]
    fn a_hash_tells_addresses_apart_and_keys_too() {
        let (key, other) = (Key::new(vec![1; 32]), Key::new(vec![2; 32]));
        assert_eq!(key.hash("Ada@x.example"), key.hash("ada@X.EXAMPLE"));
        assert_ne!(key.hash("ada@x.example"), key.hash("bob@x.example"));
        assert_ne!(key.hash("ada@x.example"), other.hash("ada@x.example"));
        assert_eq!(key.hash("ada@x.example").len(), 16);
    }

    #[test]
    fn what_is_no_address_is_told() {
        let of = |value| of("email", json!({ "email": value }).as_object().expect("an object"));
        assert_eq!(of(json!("ada@x.example")).as_deref(), Ok("ada@x.example"));
        for (value, why) in [(json!(null), "missing"), (json!(5), "not a string"), (json!("a@x, b@x"), "not one")] {
            assert!(of(value).expect_err("refused").ends_with(why));
        }
    }
}
