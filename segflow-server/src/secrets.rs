//! Secrets by name: from the environment, or given to the server by whoever starts it.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Where secrets come from. Their values are never shown, not even by `Debug`.
#[derive(Clone, Default)]
pub struct Secrets(Arc<BTreeMap<String, String>>);

impl Secrets {
    pub fn new(given: BTreeMap<String, String>) -> Secrets {
        Secrets(Arc::new(given))
    }

    /// The environment wins. An empty value counts as none.
    pub fn get(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().or_else(|| self.0.get(name).cloned()).filter(|value| !value.is_empty())
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
