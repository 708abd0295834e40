//! When messages of campaigns may be sent, and how many: parts of a manifest.

use serde::{Deserialize, Serialize};

/// A span of the day in which messages are sent, by the clocks where their reader is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Window {
    /// On these days of the week only, a bit each, Monday's the lowest; 0: on all.
    #[serde(skip_serializing_if = "is_zero")]
    pub days: u8,
    /// Minutes after midnight. One that ends no later than it begins ends on the next day.
    pub from: u16,
    pub to: u16,
    /// In this zone, whatever the user's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// In this zone, where the user has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub or_zone: Option<String>,
}

fn is_zero(days: &u8) -> bool {
    *days == 0
}

/// The most messages of a campaign in a day of the calendar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Daily {
    pub messages: u32,
    /// Where the day begins and ends; UTC, if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

/// The most messages to one user, of all campaigns together, in any span of this many milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cap {
    pub messages: u32,
    pub per: i64,
    pub beyond: Beyond,
}

/// What becomes of a message that would be one too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Beyond {
    /// It is sent as soon as it would not be.
    Wait,
    /// It is not sent.
    Drop,
}
