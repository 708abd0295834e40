//! What the server answers, as far as the commands read it. Lenient: a newer server may say more.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize)]
pub struct Me {
    pub workspace: String,
}

#[derive(Debug, Deserialize)]
pub struct Page<T> {
    pub items: Vec<T>,
    #[serde(default)]
    pub next: Option<String>,
}

/// What a push would do, or did.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Plan {
    pub applied: bool,
    pub changed: bool,
    /// The generation it was compared with.
    pub base: i64,
    pub generation: i64,
    pub from: Option<String>,
    pub deployment: String,
    pub size: u64,
    pub changes: Vec<Change>,
    /// Who would be in each segment that differs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub segments: BTreeMap<String, Estimate>,
    pub entering: u64,
    pub leaving: u64,
    pub emails_24h: Option<u64>,
    pub warnings: Vec<String>,
    /// Users in the middle of campaigns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub in_flight: Vec<Moving>,
}

/// Who would be in a segment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Estimate {
    pub users: u64,
    pub sample: Vec<String>,
}

/// Those who are in a campaign on earlier code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Moving {
    pub campaign: String,
    pub policy: String,
    pub live: u64,
    pub looked_at: u64,
    pub same: u64,
    pub diverging: Vec<serde_json::Value>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Change {
    /// `+`, `~`, `-` or `=`.
    pub change: String,
    pub kind: String,
    pub id: String,
    pub note: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct NewKey {
    pub id: String,
    pub name: String,
    pub key: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Key {
    pub id: String,
    pub name: String,
    #[serde(default)]
    pub prefix: String,
    #[serde(default)]
    pub created_at: Option<String>,
    #[serde(default)]
    pub revoked_at: Option<String>,
}

#[cfg(feature = "server")]
#[derive(Debug, Deserialize)]
pub struct Clock {
    pub now: jiff::Timestamp,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Message {
    pub id: String,
    /// Nobody any more, for the messages of an erased person.
    pub user_id: Option<String>,
    pub status: String,
    pub reason: Option<String>,
    pub template: String,
    pub campaign: Option<String>,
    pub transaction: Option<String>,
    pub created_at: Option<jiff::Timestamp>,
    pub sent_at: Option<jiff::Timestamp>,
    pub subject: Option<String>,
    pub opened_at: Option<jiff::Timestamp>,
    pub clicked_at: Option<jiff::Timestamp>,
    pub conversions: u64,
}

/// A stored secret, without its value.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Secret {
    pub name: String,
    pub source: String,
    pub updated_at: String,
}
