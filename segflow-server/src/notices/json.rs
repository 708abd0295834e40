//! What all of them write alike.

use segflow_core::notice::Notice;
use serde_json::Value;

use crate::clock;

/// Text that is there and says something.
pub fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(String::from)
}

/// An instant as RFC 3339 writes it; ms UTC.
pub fn instant(value: &Value) -> Option<i64> {
    clock::parse(value.as_str()?).ok()
}

/// The message's id in the ledger, where this can be one.
pub fn message(value: &Value) -> Option<String> {
    text(value).filter(|id| id.starts_with("msg_") && id.len() <= 64)
}

/// A notice of a message that is known by one id or the other.
pub fn known(notice: Notice) -> Option<Notice> {
    (notice.message.is_some() || notice.provider_id.is_some()).then_some(notice)
}
