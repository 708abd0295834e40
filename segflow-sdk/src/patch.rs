//! Changes to a user: an RFC 7396 merge patch, built by the typed setters of `Shopper::patch()`.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::Attributes;

/// Attributes to set and to take away; all others stay as they are.
///
/// A value that is a JSON object is merged into the one that is there; anything else replaces it.
#[derive(Debug, Clone, Default)]
pub struct Patch {
    changes: Map<String, Value>,
    broken: Option<String>,
}

/// A patch for users of one type, as `Shopper::patch()` builds it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a patch of a user",
    note = "a patch is made by the type of users: `Shopper::patch().winback(true)`"
)]
pub trait IntoPatch {
    /// Whose attributes it changes.
    type User: Attributes;

    /// The changes without their type.
    fn into_patch(self) -> Patch;
}

impl Patch {
    pub(crate) fn finish(self) -> Result<Map<String, Value>, String> {
        match self.broken {
            Some(why) => Err(why),
            None => Ok(self.changes),
        }
    }
}

#[doc(hidden)]
impl Patch {
    pub fn new() -> Patch {
        Patch::default()
    }

    pub fn set<T: Serialize + ?Sized>(mut self, attribute: &str, value: &T) -> Patch {
        match serde_json::to_value(value) {
            Ok(value) => drop(self.changes.insert(attribute.to_string(), value)),
            Err(e) => self.broken = Some(format!("the value of `{attribute}` cannot be written as JSON: {e}")),
        }
        self
    }

    pub fn clear(mut self, attribute: &str) -> Patch {
        self.changes.insert(attribute.to_string(), Value::Null);
        self
    }
}
