//! Reports users and events to a Segflow server, from the application that knows them.
//!
//! ```no_run
//! # use segflow::prelude::*;
//! # #[derive(Attributes, Serialize, Deserialize)] struct Shopper { email: String, winback: bool }
//! # #[derive(Event, Serialize, Deserialize)] struct Purchase { value: f64, order_id: String }
//! # async fn report(shopper: &Shopper) -> Result<(), segflow::client::Error> {
//! let segflow = segflow::Client::from_env()?;
//! segflow.add("ada", shopper).await?;
//! segflow.update("ada", Shopper::patch().winback(true)).await?;
//! segflow.emit("ada", &Purchase { value: 99.0, order_id: "A-1".into() }).await?;
//! # Ok(()) }
//! ```
//!
//! An answer that is `Ok` means that the server has committed it. Every call repeats itself when the server is busy (429, 503) or cannot
//! be reached; none counts twice, because each event carries an id of its own.

mod batch;
mod error;
mod send;

use std::time::Duration;

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use batch::{Item, Rejected};
pub use error::Error;

use crate::{Attributes, Event, IntoPatch};

/// How long one attempt may take.
const TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection to one server with one key, which decides the workspace. Cloning it shares the connections.
///
/// It needs a Tokio runtime.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    /// Without a slash at its end.
    url: String,
    key: String,
}

impl Client {
    /// The server of `SEGFLOW_URL` with the key of `SEGFLOW_API_KEY`.
    ///
    /// # Errors
    ///
    /// [`Error::Setup`] if one of them is not set.
    pub fn from_env() -> Result<Client, Error> {
        let variable = |name: &str| {
            std::env::var(name).ok().filter(|value| !value.is_empty()).ok_or_else(|| {
                Error::Setup(format!("{name} is not set: it takes SEGFLOW_URL and SEGFLOW_API_KEY to reach a server"))
            })
        };
        Client::new(variable("SEGFLOW_URL")?, variable("SEGFLOW_API_KEY")?)
    }

    /// The server at `url`, `https://mail.shop.example`, with a key `sk_…`.
    ///
    /// # Errors
    ///
    /// [`Error::Setup`] if the URL is none.
    pub fn new(url: impl Into<String>, key: impl Into<String>) -> Result<Client, Error> {
        // Another one that the application has chosen stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let url = url.into().trim_end_matches('/').to_string();
        let parsed = reqwest::Url::parse(&url).map_err(|e| Error::Setup(format!("`{url}` is not a URL: {e}")))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(Error::Setup(format!("`{url}` is not a URL of http or https")));
        }
        let http = reqwest::Client::builder().timeout(TIMEOUT).connect_timeout(CONNECT_TIMEOUT).build();
        Ok(Client { http: http.map_err(|e| Error::Setup(e.to_string()))?, url, key: key.into() })
    }

    /// Adds a user, or brings one up to date: every declared attribute becomes what it is in `attributes`, `None` takes it away. Others
    /// that the user has, from another source, stay.
    ///
    /// # Errors
    ///
    /// [`Error`] says which.
    pub async fn add<U: Attributes>(&self, user_id: &str, attributes: &U) -> Result<(), Error> {
        let body = json!({ "attributes": whole(attributes)? });
        self.send(Method::PATCH, &self.user_path(user_id, "")?, Some(&body)).await.map(drop)
    }

    /// Changes some attributes of a user: `client.update("ada", Shopper::patch().winback(true))`.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with status 404 if there is no such user.
    pub async fn update(&self, user_id: &str, patch: impl IntoPatch) -> Result<(), Error> {
        let patch = patch.into_patch().finish().map_err(Error::Value)?;
        let path = self.user_path(user_id, "?create=false")?;
        self.send(Method::PATCH, &path, Some(&json!({ "attributes": patch }))).await.map(drop)
    }

    /// A user, or `None` if there is none of this id: `client.get::<Shopper>("ada")`.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if the attributes do not fit the type.
    pub async fn get<U: Attributes>(&self, user_id: &str) -> Result<Option<U>, Error> {
        #[derive(Deserialize)]
        struct User {
            attributes: Map<String, Value>,
        }
        match self.send(Method::GET, &self.user_path(user_id, "")?, None).await {
            Ok(answer) => {
                let user: User = error::read(&answer)?;
                crate::schema::typed_user(&user.attributes).map(Some).map_err(Error::Value)
            }
            Err(e) if e.is_not_found() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Erases a user, with all that is known of them. Returns whether there was one.
    ///
    /// # Errors
    ///
    /// [`Error`] says which.
    pub async fn delete(&self, user_id: &str) -> Result<bool, Error> {
        match self.send(Method::DELETE, &self.user_path(user_id, "")?, None).await {
            Ok(_) => Ok(true),
            Err(e) if e.is_not_found() => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Reports that something has happened to a user, now: `client.emit("ada", &Purchase { … })`. Returns the event's id.
    ///
    /// # Errors
    ///
    /// [`Error`] says which.
    pub async fn emit<E: Event>(&self, user_id: &str, event: &E) -> Result<String, Error> {
        self.emit_untyped(user_id, E::NAME, event).await
    }

    /// Reports an event by name, with attributes that serialise to a JSON object: `client.emit_untyped("ada", "login", json!({}))`.
    ///
    /// # Errors
    ///
    /// [`Error`] says which.
    pub async fn emit_untyped(&self, user_id: &str, name: &str, attributes: impl Serialize) -> Result<String, Error> {
        let id = event_id()?;
        let body = json!({ "id": id, "name": name, "attributes": object(&attributes)? });
        self.send(Method::POST, &self.user_path(user_id, "/events")?, Some(&body)).await?;
        Ok(id)
    }

    /// The path of a user, with an end that needs no escaping.
    fn user_path(&self, user_id: &str, end: &str) -> Result<String, Error> {
        if matches!(user_id, "." | "..") {
            return Err(Error::Value(format!("the user id `{user_id}` cannot stand in a URL; use `batch`")));
        }
        let escaped: String = user_id.bytes().map(escape).collect();
        Ok(format!("/v1/users/{escaped}{end}"))
    }
}

fn escape(byte: u8) -> String {
    match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    }
}

/// An id that no other event has: 128 random bits.
fn event_id() -> Result<String, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| Error::Setup(format!("no randomness for the id of an event: {e}")))?;
    Ok(format!("evt_{}", segflow_core::ids::hex(&bytes)))
}

fn object<T: Serialize>(value: &T) -> Result<Map<String, Value>, Error> {
    match serde_json::to_value(value) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(other) => Err(Error::Value(format!("attributes must be a JSON object, not `{other}`"))),
        Err(e) => Err(Error::Value(format!("the attributes cannot be written as JSON: {e}"))),
    }
}

/// A merge patch that makes every declared attribute what it is here. Those that serde leaves out are taken away.
fn whole<U: Attributes>(attributes: &U) -> Result<Map<String, Value>, Error> {
    let mut object = object(attributes)?;
    for field in U::fields() {
        object.entry(field.name).or_insert(Value::Null);
    }
    Ok(object)
}

#[cfg(test)]
mod tests;
