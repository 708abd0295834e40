//! What every provider does.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use segflow_core::ledger::Outcome;
use segflow_core::protocol::Rendered;
use tokio::sync::Semaphore;

/// An email, ready to go.
#[derive(Debug, Clone)]
pub struct Email {
    /// The message's id in the ledger.
    pub id: String,
    /// An RFC 5322 mailbox.
    pub from: String,
    /// An address.
    pub to: String,
    pub content: Rendered,
}

/// A way out. Never fails: whatever happens is an [`Outcome`], and what is not certain is ambiguous.
pub trait Provider: Send + Sync {
    /// As the ledger names it.
    fn id(&self) -> &str;

    /// One permit per message that may be under way at once.
    fn slots(&self) -> Arc<Semaphore>;

    /// Hands one email over.
    fn send<'a>(&'a self, email: &'a Email) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;
}
