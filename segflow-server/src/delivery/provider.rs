//! What every provider does.

use std::future::Future;
use std::pin::Pin;

use segflow_core::ledger::Outcome;
use segflow_core::ledger::lookup::Found;
use segflow_core::protocol::Rendered;
use segflow_core::route::Limits;
use serde_json::Value;

use super::told::Told;

use crate::links::Headers;

/// An email, ready to go.
#[derive(Debug, Clone)]
pub struct Email {
    /// The message's id in the ledger.
    pub id: String,
    /// An RFC 5322 mailbox.
    pub from: String,
    /// Where answers go, where that is another mailbox.
    pub reply_to: Option<String>,
    /// An address.
    pub to: String,
    pub template: String,
    /// Of a transaction, rather than of a campaign.
    pub transaction: bool,
    pub content: Rendered,
    /// Besides those that every email has. Each provider passes them on as they are.
    pub headers: Headers,
}

/// The headers of an email as an object, which is how most take them.
pub fn headers(email: &Email) -> Value {
    email.headers.iter().map(|(name, value)| (name.to_string(), Value::from(value.as_str()))).collect()
}

/// What becomes of each of some emails, in their order.
pub type Outcomes<'a> = Pin<Box<dyn Future<Output = Vec<Outcome>> + Send + 'a>>;

/// How much an account may send; an error is why that could not be learnt.
pub type Allowance<'a> = Pin<Box<dyn Future<Output = Result<Limits, String>> + Send + 'a>>;

/// Whether a provider would take mail: what it says of the account, or why it would not.
pub type Examined<'a> = Pin<Box<dyn Future<Output = Result<String, String>> + Send + 'a>>;

/// A message that a provider perhaps has.
#[derive(Debug, Clone)]
pub struct Sought {
    /// Its id in the ledger.
    pub id: String,
    /// Of a transaction, rather than of a campaign.
    pub transaction: bool,
}

/// What a provider says of a message that it perhaps has.
pub type Search = Pin<Box<dyn Future<Output = Found> + Send>>;

/// A way out. Never fails: whatever happens is an [`Outcome`], and what is not certain is ambiguous.
pub trait Provider: Send + Sync {
    /// The most messages that may be under way at once. Of more than one, the last is kept for transactions.
    fn most(&self) -> usize;

    /// The most emails that it takes in one call.
    fn batch(&self) -> usize {
        1
    }

    /// What knows messages again by their keys, if anything does: the account at the place, without telling either. Only there is a
    /// message asked for again that may have been accepted.
    fn memory(&self) -> Option<String> {
        None
    }

    /// How much it takes, as long as neither the project nor the provider has said so.
    fn usual(&self) -> Limits {
        Limits::default()
    }

    /// What it has said about that with its answers, if it does.
    fn told(&self) -> Option<&Told> {
        None
    }

    /// Asks it, where it can be asked.
    fn allowance(&self) -> Option<Allowance<'_>> {
        None
    }

    /// Asks it whether it would take mail, without sending any, where that can be asked.
    fn examine(&self) -> Option<Examined<'_>> {
        None
    }

    /// Asks it whether it has a message, where it can be asked by what it was told itself when it got the message: the ledger's id, word for
    /// word. Anything less (an address, a subject, an hour) would find another message that looks like it.
    fn look_up(&self, _sought: &Sought) -> Option<Search> {
        None
    }

    /// Hands emails over, no more than it takes in one call.
    fn send<'a>(&'a self, emails: &'a [Email]) -> Outcomes<'a>;
}
