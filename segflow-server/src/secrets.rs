//! Secrets by name: from the environment of the server, or stored in the database, sealed with a key that only servers have. A value is
//! never shown, not by the API, not by a log, not by `Debug`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use crate::clock::{monotonic, system_now};
use crate::store::secrets::{self, Sealed};
use crate::store::{Error, Result, Store, clock as stored};

/// How long after another server has stored a secret this one may not know it.
const FRESH: Duration = Duration::from_secs(1);

/// The largest value, in bytes.
pub const LARGEST: usize = 16 << 10;

/// What a sealed value begins with: how it was sealed, and its nonce.
const VERSION: u8 = 1;
const NONCE: usize = 24;

/// Where secrets come from.
#[derive(Clone)]
pub struct Secrets(Arc<Inner>);

struct Inner {
    store: Store,
    given: Arc<BTreeMap<String, String>>,
    /// The first seals; all open.
    keys: Vec<XChaCha20Poly1305>,
    known: Mutex<BTreeMap<String, (Instant, Known)>>,
}

/// The secrets of a workspace, as they were a moment ago.
#[derive(Clone, Default)]
pub struct Known {
    given: Arc<BTreeMap<String, String>>,
    stored: Arc<BTreeMap<String, String>>,
}

/// Where a secret comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The environment of this server.
    Environment,
    Stored,
    /// Stored, and sealed with a key that this server has not got.
    Sealed,
}

impl Secrets {
    /// `keys` as in `SEGFLOW_SECRET_KEY`: 64 hex digits each, with commas between them. What an older one has sealed is sealed anew with
    /// the first. `given` are for names that the environment does not have.
    ///
    /// # Errors
    ///
    /// If a key is none, or the database fails.
    pub async fn open(store: Store, given: BTreeMap<String, String>, keys: &str) -> anyhow::Result<Secrets> {
        let keys = keys.split(',').map(str::trim).filter(|key| !key.is_empty()).map(key);
        let keys = keys.collect::<Option<Vec<_>>>();
        // Without the key: whatever stands there was meant to be secret.
        let keys = keys.context("SEGFLOW_SECRET_KEY: a key is 64 hex digits, as `openssl rand -hex 32` makes them")?;
        let secrets = Secrets(Arc::new(Inner { store, given: Arc::new(given), keys, known: Mutex::default() }));
        secrets.reseal().await?;
        Ok(secrets)
    }

    /// The key of a development server, which is kept in its database.
    pub async fn dev_key(store: &Store) -> Result<String> {
        if let Some(key) = stored::get(&store.db, "dev_secret_key").await? {
            return Ok(key);
        }
        let mut bytes = [0u8; 32];
        random(&mut bytes)?;
        let key = segflow_core::ids::hex(&bytes);
        stored::set(&store.db, "dev_secret_key", key.clone()).await?;
        Ok(key)
    }

    /// The secrets of a workspace.
    pub async fn of(&self, workspace: &str) -> Result<Known> {
        let known = self.0.known.lock().expect("no panic while held").get(workspace).cloned();
        if let Some((_, known)) = known.filter(|(at, _)| at.elapsed() < FRESH) {
            return Ok(known);
        }
        let asked = monotonic();
        let mut stored = BTreeMap::new();
        for secret in secrets::list(&self.0.store.db, workspace).await? {
            match self.opened(&secret) {
                Some((_, value)) => drop(stored.insert(secret.name, value)),
                None => tracing::debug!(secret.name, "a secret is sealed with a key that this server has not got"),
            }
        }
        let known = Known { given: self.0.given.clone(), stored: Arc::new(stored) };
        self.0.known.lock().expect("no panic while held").insert(workspace.into(), (asked, known.clone()));
        Ok(known)
    }

    /// Whether secrets can be stored here.
    pub fn can_seal(&self) -> bool {
        !self.0.keys.is_empty()
    }

    /// Stores a secret, in place of the one before.
    pub async fn set(&self, workspace: &str, name: &str, value: &str) -> Result<()> {
        let (workspace, name) = (workspace.to_string(), name.to_string());
        let sealed = self.sealed(&workspace, &name, value)?;
        secrets::set(&self.0.store.db, Sealed { workspace: workspace.clone(), name, sealed, updated_at: system_now() })
            .await?;
        self.forget(&workspace);
        Ok(())
    }

    /// Removes a stored secret; `false` if there was none.
    pub async fn remove(&self, workspace: &str, name: &str) -> Result<bool> {
        let removed = secrets::remove(&self.0.store.db, workspace, name).await?;
        self.forget(workspace);
        Ok(removed)
    }

    /// The stored secrets of a workspace by name, but for the server's own, with the time at which each was stored, and where its value comes from.
    pub async fn list(&self, workspace: &str) -> Result<Vec<(String, i64, Source)>> {
        let mut stored = secrets::list(&self.0.store.db, workspace).await?;
        stored.retain(|secret| !is_reserved(&secret.name));
        let source = |secret: &Sealed| match (environment(&secret.name), self.opened(secret)) {
            (Some(_), _) => Source::Environment,
            (None, Some(_)) => Source::Stored,
            (None, None) => Source::Sealed,
        };
        Ok(stored.into_iter().map(|secret| (secret.name.clone(), secret.updated_at, source(&secret))).collect())
    }

    fn forget(&self, workspace: &str) {
        self.0.known.lock().expect("no panic while held").remove(workspace);
    }

    fn sealed(&self, workspace: &str, name: &str, value: &str) -> Result<Vec<u8>> {
        let no_key = || Error::Internal("there is no key to seal with".into());
        let key = self.0.keys.first().ok_or_else(no_key)?;
        let mut nonce = [0u8; NONCE];
        random(&mut nonce)?;
        let place = place(workspace, name);
        let payload = Payload { msg: value.as_bytes(), aad: &place };
        let failed = |_| Error::Internal("a secret could not be sealed".into());
        let sealed = key.encrypt(&XNonce::from(nonce), payload).map_err(failed)?;
        Ok([&[VERSION][..], &nonce, &sealed].concat())
    }

    /// Which key opens it, and what it says.
    fn opened(&self, secret: &Sealed) -> Option<(usize, String)> {
        let (version, rest) = secret.sealed.split_first()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>()?;
        if *version != VERSION {
            return None;
        }
        let place = place(&secret.workspace, &secret.name);
        let open =
            |key: &XChaCha20Poly1305| key.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: &place }).ok();
        let (index, value) = self.0.keys.iter().enumerate().find_map(|(index, key)| Some((index, open(key)?)))?;
        Some((index, String::from_utf8(value).ok()?))
    }

    /// What an older key has sealed is sealed with the first.
    async fn reseal(&self) -> Result<()> {
        for secret in secrets::all(&self.0.store.db).await? {
            match self.opened(&secret) {
                Some((0, _)) => {}
                Some((_, value)) => {
                    let sealed = self.sealed(&secret.workspace, &secret.name, &value)?;
                    secrets::reseal(&self.0.store.db, secret, sealed).await?;
                }
                None => {
                    tracing::warn!(secret.name, "no key in SEGFLOW_SECRET_KEY opens this secret: it counts as not set")
                }
            }
        }
        Ok(())
    }
}

impl Known {
    /// The environment wins.
    pub fn get(&self, name: &str) -> Option<String> {
        if is_reserved(name) {
            return None;
        }
        let kept = || self.given.get(name).or_else(|| self.stored.get(name)).cloned();
        environment(name).or_else(kept).filter(|value| !value.is_empty())
    }

    /// One of the server's own, which no project gets at.
    pub fn own(&self, name: &str) -> Option<String> {
        self.stored.get(name).filter(|_| is_reserved(name)).cloned()
    }
}

/// An empty value counts as none.
fn environment(name: &str) -> Option<String> {
    if is_reserved(name) {
        return None;
    }
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether a name is of the server itself: whoever may push must not get at its database or at the key of all secrets.
pub fn is_reserved(name: &str) -> bool {
    name == "DATABASE_URL" || name.starts_with("SEGFLOW_")
}

/// What is sealed belongs to its workspace and name: in the row of another it does not open.
fn place(workspace: &str, name: &str) -> Vec<u8> {
    format!("{workspace}\0{name}").into_bytes()
}

fn key(text: &str) -> Option<XChaCha20Poly1305> {
    let digits = text.as_bytes();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Vec<u8> = digits.chunks(2).map(byte).collect::<Option<_>>()?;
    XChaCha20Poly1305::new_from_slice(&bytes).ok()
}

fn random(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|e| Error::Internal(format!("no random numbers: {e}")))
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").field("given", &self.0.given.keys()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.given.keys().chain(self.stored.keys())).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "1111111111111111111111111111111111111111111111111111111111111111";
    const TWO: &str = "2222222222222222222222222222222222222222222222222222222222222222";

    async fn open(store: &Store, keys: &str) -> Secrets {
        Secrets::open(store.clone(), BTreeMap::new(), keys).await.expect("they open")
    }

    #[tokio::test]
    async fn what_is_sealed_is_opened_by_its_key_in_its_place_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("s.db").display());
        let store = Store::open_within(&url, Duration::ZERO, Duration::from_secs(5)).await.expect("it opens");
        let secrets_one = open(&store, ONE).await;
        secrets_one.set("main", "TOKEN", "hush").await.expect("stored");
        secrets_one.set("main", "TOKEN", "hush, hush").await.expect("stored");
        assert_eq!(secrets_one.of("main").await.expect("read").get("TOKEN").as_deref(), Some("hush, hush"));
        assert_eq!(secrets_one.of("other").await.expect("read").get("TOKEN"), None);
        let row = secrets::all(&store.db).await.expect("read").remove(0);
        assert!(!row.sealed.windows(4).any(|part| part == b"hush"));
        // In the row of another name or workspace, or changed, it does not open.
        for wrong in [
            Sealed { name: "OTHER".into(), ..row.clone() },
            Sealed { workspace: "other".into(), ..row.clone() },
            Sealed { sealed: [&row.sealed[..row.sealed.len() - 1], b"x"].concat(), ..row.clone() },
            Sealed { sealed: row.sealed[..10].to_vec(), ..row.clone() },
            Sealed { sealed: vec![], ..row.clone() },
        ] {
            assert!(secrets_one.opened(&wrong).is_none());
        }
        // Nor with another key; it is listed as what it is.
        let secrets_two = open(&store, TWO).await;
        assert_eq!(secrets_two.of("main").await.expect("read").get("TOKEN"), None);
        assert_eq!(secrets_two.list("main").await.expect("read")[0].2, Source::Sealed);
        // Rotation: both, the new one first; then the new one alone is enough.
        open(&store, &format!("{TWO}, {ONE}")).await;
        assert_eq!(open(&store, TWO).await.of("main").await.expect("read").get("TOKEN").as_deref(), Some("hush, hush"));
        assert_eq!(open(&store, ONE).await.of("main").await.expect("read").get("TOKEN"), None);
        let told = format!("{secrets_one:?} {:?}", open(&store, TWO).await.of("main").await.expect("read"));
        assert!(told.contains("TOKEN") && !told.contains("hush"), "{told}");
    }

    #[test]
    fn keys_are_64_hex_digits() {
        assert!(key(ONE).is_some());
        for bad in ["", "11", &ONE[1..], &format!("{ONE}1"), &ONE.replace('1', "g"), &format!("+{}", &ONE[1..])] {
            assert!(key(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn what_is_the_servers_own_is_nobodys_secret() {
        for name in ["DATABASE_URL", "SEGFLOW_SECRET_KEY", "SEGFLOW_API_KEY"] {
            let given = Arc::new(BTreeMap::from([(name.to_string(), "hush".to_string())]));
            assert_eq!(Known { given, ..Known::default() }.get(name), None, "{name}");
        }
    }
}
