//! Many users and events in one call: imports, and queues that are emptied now and then.

use jiff::Timestamp;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Client, Error, error, event_id, object, whole};
use crate::{Attributes, Event};

/// As many as a server takes at once.
const MOST: usize = 5_000;

/// One entry of a batch.
#[derive(Debug)]
#[must_use = "an item is sent by `client.batch`"]
pub struct Item(Result<Value, Error>);

/// Why a server did not take an item.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Rejected {
    /// Of HTTP.
    pub status: u16,
    /// A stable word for programs.
    #[serde(default)]
    pub code: String,
    /// For people: what was wrong and what to do.
    #[serde(default)]
    pub detail: String,
}

impl Item {
    /// A user, as [`Client::add`] takes it.
    pub fn identify<U: Attributes>(user_id: &str, attributes: &U) -> Item {
        Item(
            whole(attributes)
                .map(|attributes| json!({"type": "identify", "user_id": user_id, "attributes": attributes})),
        )
    }

    /// An event, as [`Client::emit`] takes it.
    pub fn track<E: Event>(user_id: &str, event: &E) -> Item {
        Item::track_untyped(user_id, E::NAME, event)
    }

    /// An event by name, as [`Client::emit_untyped`] takes it.
    pub fn track_untyped(user_id: &str, name: &str, attributes: impl Serialize) -> Item {
        Item(object(&attributes).and_then(|attributes| {
            let id = event_id()?;
            Ok(json!({"type": "track", "user_id": user_id, "id": id, "name": name, "attributes": attributes}))
        }))
    }

    /// When the event happened, if not now.
    pub fn occurred_at(self, at: Timestamp) -> Item {
        self.with("occurred_at", json!(at.to_string()))
    }

    /// An id of the application's own for the event; the server stores one event of an id for each user.
    pub fn id(self, id: &str) -> Item {
        self.with("id", json!(id))
    }

    /// Counts for segments, and starts no campaign and no transaction.
    pub fn historical(self) -> Item {
        self.with("historical", json!(true))
    }

    fn with(self, key: &str, value: Value) -> Item {
        Item(self.0.map(|mut item| {
            item[key] = value;
            item
        }))
    }
}

impl Client {
    /// Reports many users and events, in order, 5,000 at a time. Returns what became of each.
    ///
    /// ```no_run
    /// # use segflow::prelude::*;
    /// # use segflow::client::{Error, Item};
    /// # #[derive(Attributes, Serialize, Deserialize)] struct Shopper { email: String }
    /// # #[derive(Event, Serialize, Deserialize)] struct Purchase { value: f64, order_id: String }
    /// # async fn import(segflow: segflow::Client, ada: Shopper, old: Purchase) -> Result<(), Error> {
    /// let results = segflow.batch([Item::identify("ada", &ada), Item::track("ada", &old).historical()]).await?;
    /// assert!(results.iter().all(Result::is_ok));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// If an item cannot be written nothing is sent. If a call fails, those before it are done; the whole batch can be sent again when
    /// its events have ids of the application's own.
    pub async fn batch(&self, items: impl IntoIterator<Item = Item>) -> Result<Vec<Result<(), Rejected>>, Error> {
        #[derive(Deserialize)]
        struct Results {
            results: Vec<Rejected>,
        }
        let items = items.into_iter().map(|item| item.0).collect::<Result<Vec<Value>, Error>>()?;
        let mut all = vec![];
        for chunk in items.chunks(MOST) {
            let answer = self.send(Method::POST, "/v1/batch", Some(&json!({ "batch": chunk }))).await?;
            let Results { results } = error::read(&answer)?;
            if results.len() != chunk.len() {
                let (sent, got) = (chunk.len(), results.len());
                return Err(Error::Value(format!("{sent} items were sent, and {got} results came back")));
            }
            all.extend(results.into_iter().map(|result| if result.status < 300 { Ok(()) } else { Err(result) }));
        }
        Ok(all)
    }
}
