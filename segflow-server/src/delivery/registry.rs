//! The providers of all projects, made when they are first needed, and anew when what they are made of has changed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use reqwest::Client;
use segflow_core::protocol::{Dkim, Provider as Declared, ProviderKind};
use sha2::{Digest, Sha256};

use super::endpoint::Endpoint;
use super::http::Place;
use super::postmark::Postmark;
use super::provider::Provider;
use super::resend::Resend;
use super::sendgrid::SendGrid;
use super::ses::Ses;
use super::smtp::{Signing, Smtp};
use super::{Capture, postmark, resend, sendgrid, ses, sigv4};

/// What a provider was made of, without telling it, and the provider.
type Made = (Hash, Arc<dyn Provider>);
type Hash = [u8; 32];

pub struct Registry {
    client: Client,
    capture: Arc<Capture>,
    /// By workspace and id.
    made: Mutex<BTreeMap<(String, String), Made>>,
}

impl Registry {
    /// # Errors
    ///
    /// If no HTTP client can be made.
    pub fn new(capture: Arc<Capture>) -> anyhow::Result<Registry> {
        Ok(Registry { client: crate::outgoing::client(|builder| builder)?, capture, made: Mutex::default() })
    }

    /// The provider of a declaration. An error is what has to be done first.
    pub fn get(
        &self,
        workspace: &str,
        declared: &Declared,
        secret: impl Fn(&str) -> Option<String>,
    ) -> Result<Arc<dyn Provider>, String> {
        let mut values = BTreeMap::new();
        for name in declared.kind.secrets() {
            let value = secret(name).ok_or_else(|| format!("secret {name} is not set on the server"))?;
            // As a file or a shell has put it there, with the end of its line.
            values.insert(name, value.trim().to_string());
        }
        let hash = hash(declared, &values);
        let key = (workspace.to_string(), declared.id.clone());
        let mut made = self.made.lock().expect("no panic while held");
        if let Some((of, provider)) = made.get(&key)
            && *of == hash
        {
            return Ok(provider.clone());
        }
        let provider = self.make(declared, &values)?;
        made.insert(key, (hash, provider.clone()));
        Ok(provider)
    }

    fn make(&self, declared: &Declared, secrets: &BTreeMap<&str, String>) -> Result<Arc<dyn Provider>, String> {
        let id = declared.id.as_str();
        let secret = |name: &String| secrets.get(name.as_str()).cloned().unwrap_or_default();
        // What is wrong with a secret's value, without the value.
        let cannot = |name: &String, why: String| format!("secret {name} cannot be used: {why}");
        let place = |name: &Option<String>, usual: &str| match name {
            Some(name) => Place::new(self.client.clone(), &secret(name)).map_err(|why| cannot(name, why)),
            None => Place::new(self.client.clone(), usual),
        };
        Ok(match &declared.kind {
            ProviderKind::Capture => self.capture.clone(),
            ProviderKind::Smtp { url, dkim } => {
                let signing = dkim.as_ref().map(|Dkim { domain, selector, key }| {
                    Signing::new(domain, selector, &secret(key)).map_err(|why| cannot(key, why))
                });
                let smtp = Smtp::new(id, &secret(url), signing.transpose()?).map_err(|why| cannot(url, why))?;
                Arc::new(smtp)
            }
            ProviderKind::Postmark { token, transactions, campaigns, url } => {
                let place = place(url, postmark::ADDRESS)?;
                Arc::new(Postmark::new(id, place, secret(token), (transactions, campaigns)))
            }
            ProviderKind::Ses { region, key_id, key, configuration_set, url } => {
                if !region.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
                    return Err(format!("`{region}` is not a region such as eu-central-1"));
                }
                let place = place(url, &ses::address(region))?;
                let key = sigv4::Key { id: secret(key_id), secret: secret(key), region: region.clone() };
                Arc::new(Ses::new(id, place, key, configuration_set.clone()))
            }
            ProviderKind::SendGrid { key, url } => {
                Arc::new(SendGrid::new(id, place(url, sendgrid::ADDRESS)?, secret(key)))
            }
            ProviderKind::Resend { key, url } => Arc::new(Resend::new(id, place(url, resend::ADDRESS)?, secret(key))),
            ProviderKind::Endpoint { url, token, knows_keys } => {
                let place = Place::new(self.client.clone(), &secret(url)).map_err(|why| cannot(url, why))?;
                Arc::new(Endpoint::new(id, place, token.as_ref().map(secret), *knows_keys))
            }
        })
    }
}

fn hash(declared: &Declared, values: &BTreeMap<&str, String>) -> Hash {
    let made_of = serde_json::to_vec(&(declared, values)).unwrap_or_default();
    Sha256::digest(made_of).into()
}
