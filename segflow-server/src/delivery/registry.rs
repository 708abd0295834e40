//! The providers of all projects, made when they are first needed, and anew when what they are made of has changed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use reqwest::Client;
use segflow_core::ids::hex;
use segflow_core::protocol::{Dkim, Provider as Declared, ProviderKind};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::endpoint::Endpoint;
use super::http::Place;
use super::mixmax::MixMax;
use super::postmark::Postmark;
use super::provider::Provider;
use super::resend::Resend;
use super::sendgrid::SendGrid;
use super::ses::Ses;
use super::smtp::{Signing, Smtp};
use super::{Capture, mixmax, postmark, resend, sendgrid, ses, sigv4};

/// A provider that can be asked.
#[derive(Clone)]
pub struct Made {
    pub provider: Arc<dyn Provider>,
    /// One permit for each message that may be under way.
    pub slots: Arc<Semaphore>,
    /// A few bits of what it was made of: enough to see that it has changed, too few to find out what it was.
    pub made_of: String,
}

type Hash = [u8; 32];

impl Made {
    fn of(provider: Arc<dyn Provider>, hash: &Hash) -> Made {
        Made { slots: Arc::new(Semaphore::new(provider.most())), made_of: hex(&hash[..4]), provider }
    }
}

pub struct Registry {
    client: Client,
    capture: Made,
    /// By workspace and id.
    made: Mutex<BTreeMap<(String, String), (Hash, Made)>>,
}

impl Registry {
    /// # Errors
    ///
    /// If no HTTP client can be made.
    pub fn new(capture: Arc<Capture>) -> anyhow::Result<Registry> {
        let capture = Made::of(capture, &[0; 32]);
        Ok(Registry { client: crate::outgoing::client(|builder| builder)?, capture, made: Mutex::default() })
    }

    /// The provider of a declaration. An error is what has to be done first.
    pub fn get(
        &self,
        workspace: &str,
        declared: &Declared,
        secret: impl Fn(&str) -> Option<String>,
    ) -> Result<Made, String> {
        let mut values = BTreeMap::new();
        for name in declared.kind.secrets() {
            let value = secret(name).ok_or_else(|| format!("secret {name} is not set on the server"))?;
            // As a file or a shell has put it there, with the end of its line.
            values.insert(name, value.trim().to_string());
        }
        if declared.kind == ProviderKind::Capture {
            return Ok(self.capture());
        }
        let hash = hash(declared, &values);
        let key = (workspace.to_string(), declared.id.clone());
        let mut made = self.made.lock().expect("no panic while held");
        if let Some((of, made)) = made.get(&key)
            && *of == hash
        {
            return Ok(made.clone());
        }
        let new = Made::of(self.make(declared, &values)?, &hash);
        made.insert(key, (hash, new.clone()));
        Ok(new)
    }

    /// Where mail goes that is not to leave.
    pub fn capture(&self) -> Made {
        self.capture.clone()
    }

    fn make(&self, declared: &Declared, secrets: &BTreeMap<&str, String>) -> Result<Arc<dyn Provider>, String> {
        let secret = |name: &String| secrets.get(name.as_str()).cloned().unwrap_or_default();
        // What is wrong with a secret's value, without the value.
        let cannot = |name: &String, why: String| format!("secret {name} cannot be used: {why}");
        let place = |name: &Option<String>, usual: &str| match name {
            Some(name) => Place::new(self.client.clone(), &secret(name)).map_err(|why| cannot(name, why)),
            None => Place::new(self.client.clone(), usual),
        };
        Ok(match &declared.kind {
            ProviderKind::Capture => self.capture.provider.clone(),
            ProviderKind::Smtp { url, dkim, connections } => {
                let signing = dkim.as_ref().map(|Dkim { domain, selector, key }| {
                    Signing::new(domain, selector, &secret(key)).map_err(|why| cannot(key, why))
                });
                let smtp =
                    Smtp::new(&secret(url), signing.transpose()?, *connections).map_err(|why| cannot(url, why))?;
                Arc::new(smtp)
            }
            ProviderKind::Postmark { token, transactions, campaigns, url } => {
                let place = place(url, postmark::ADDRESS)?;
                Arc::new(Postmark::new(place, secret(token), (transactions, campaigns)))
            }
            ProviderKind::Ses { region, key_id, key, configuration_set, url } => {
                if !region.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
                    return Err(format!("`{region}` is not a region such as eu-central-1"));
                }
                let place = place(url, &ses::address(region))?;
                let key = sigv4::Key { id: secret(key_id), secret: secret(key), region: region.clone() };
                Arc::new(Ses::new(place, key, configuration_set.clone()))
            }
            ProviderKind::SendGrid { key, url } => Arc::new(SendGrid::new(place(url, sendgrid::ADDRESS)?, secret(key))),
            ProviderKind::Resend { key, url } => Arc::new(Resend::new(place(url, resend::ADDRESS)?, secret(key))),
            ProviderKind::MixMax { token, sequence, url } => {
                if sequence.is_empty() || !sequence.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
                    return Err(format!("`{sequence}` is not the id of a MixMax sequence"));
                }
                Arc::new(MixMax::new(place(url, mixmax::ADDRESS)?, secret(token), sequence.clone()))
            }
            ProviderKind::Endpoint { url, token, knows_keys } => {
                let place = Place::new(self.client.clone(), &secret(url)).map_err(|why| cannot(url, why))?;
                Arc::new(Endpoint::new(place, token.as_ref().map(secret), *knows_keys))
            }
        })
    }
}

fn hash(declared: &Declared, values: &BTreeMap<&str, String>) -> Hash {
    // How much of it goes there makes no other of it.
    let made_of = serde_json::to_vec(&(&declared.id, &declared.kind, values)).unwrap_or_default();
    Sha256::digest(made_of).into()
}
