//! Data to look at emails with: in a preview, in checks, and to tell whether an email says something else than before. JSON, like the
//! manifest, and for people and tools alone: nothing that is sent depends on it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How an email is refused whose file uses a name that is not there.
pub const UNDEFINED: &str = "a value that is not there is used";

/// The samples of all emails, by the email's id. Each has one at least.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Samples {
    #[serde(default)]
    pub emails: BTreeMap<String, Vec<Sample>>,
}

/// What one email is looked at with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// What it is called, when an email has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The attributes of the user.
    pub user: Value,
    /// The other arguments by name.
    pub args: Map<String, Value>,
    /// What nobody declared, and was made up from types and names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub made_up: Vec<String>,
    /// Why there is no whole one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}
