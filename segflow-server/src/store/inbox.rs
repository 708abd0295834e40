//! Facts that are neither events nor changes of attributes, as the inbox keeps them.

use segflow_core::merge::{Object, Path, changed};
use segflow_core::step::What;
use segflow_protocol::Json;
use serde::{Deserialize, Serialize};

use super::db::Value;
use super::many::{Existing, Table};
use super::{Error, Result};
use crate::args;

pub const INBOX: Table = Table {
    name: "inbox",
    columns: &["bucket", "workspace", "user_id", "event_id", "body", "hops", "historical"],
    key: &["id"],
    existing: Existing::Fails,
};

/// What a row without an event says; none: the attributes changed, in many places. `at` is when it was reported, ms UTC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    Answer {
        enrollment: String,
        op: u64,
        value: String,
        at: i64,
    },
    Enter {
        campaign: String,
        start_at: Option<i64>,
        at: i64,
    },
    Leave {
        campaign: String,
        at: i64,
    },
    /// The attributes changed, in these places.
    Changed(Vec<Path>),
    Verdict {
        segment: String,
        holds: bool,
        rule: u64,
        first: bool,
        at: i64,
    },
}

impl Body {
    /// The fact, and when it was reported.
    pub fn read(text: &str) -> Result<(What, i64)> {
        let body: Body =
            serde_json::from_str(text).map_err(|e| Error::Internal(format!("a stored fact cannot be read: {e}")))?;
        Ok(match body {
            Body::Answer { enrollment, op, value, at } => (What::Answer { enrollment, op, value: Json(value) }, at),
            Body::Enter { campaign, start_at, at } => (What::Enter { campaign, start_at }, at),
            Body::Leave { campaign, at } => (What::Leave { campaign }, at),
            // Nothing waits for a change of attributes, so its instant says nothing.
            Body::Changed(places) => (What::Attributes { changed: Some(places) }, i64::MIN),
            Body::Verdict { segment, holds, rule, first, at } => (What::Verdict { segment, holds, rule, first }, at),
        })
    }

    /// That the attributes changed, where that can be said in a few words.
    pub fn changed(old: &Object, new: &Object) -> Option<String> {
        const LONGEST: usize = 1_000;
        let body = Body::Changed(changed(old, new)?);
        Some(serde_json::to_string(&body).expect("strings")).filter(|text| text.len() <= LONGEST)
    }

    /// The row for a user.
    pub fn row(&self, bucket: u16, workspace: &str, user: &str, hops: u32) -> Vec<Value> {
        let body = serde_json::to_string(self).expect("strings and numbers");
        args![bucket, workspace, user, Option::<String>::None, body, hops, false]
    }
}
