//! Transactions: an email for each event of a type, sent as soon as the event is known.

use std::any::TypeId;

use segflow_protocol::{self as protocol, Guarantee, Problem};

use crate::email::{Message, of_constructor, type_id_of};
use crate::{Attributes, Duration, Event};

/// An email that answers an event.
///
/// The email is a function with one argument besides the user, a reference to the event:
/// `#[email("order-confirmed")] fn order_confirmed(user: &Shopper, purchase: &Purchase) -> Email`.
#[must_use = "a transaction is part of a project when `Project::transaction` is given it"]
pub struct Transaction {
    id: String,
    event: &'static str,
    email: TypeId,
    guarantee: Guarantee,
    max_age: Option<Duration>,
}

impl Transaction {
    /// Sends `email` for each event of the type that it takes; when it is unknown whether the provider took a message, again.
    pub fn new<U: Attributes, E: Event, F: Fn(&E) -> Message<U> + 'static>(
        id: impl Into<String>,
        email: F,
    ) -> Transaction {
        let (id, email) = (id.into(), type_id_of(&email));
        Transaction { id, event: E::NAME, email, guarantee: Guarantee::AtLeastOnce, max_age: None }
    }

    /// When it is unknown whether the provider took a message, it is not sent again.
    pub fn at_most_once(mut self) -> Transaction {
        self.guarantee = Guarantee::AtMostOnce;
        self
    }

    /// A message that could not be sent for so long is of no use any more, and is dropped with that as its reason: a link to reset a password, after
    /// a provider was down for the night.
    ///
    /// ```
    /// # use segflow::prelude::*;
    /// # #[derive(Attributes, Serialize, Deserialize)] struct Shopper { email: String }
    /// # #[derive(Event, Serialize, Deserialize)] struct ResetAsked { link: String }
    /// #[email("reset")]
    /// fn reset(_user: &Shopper, asked: &ResetAsked) -> Email {
    ///     html! { <Subject>"A new password"</Subject> <Link href={&asked.link}>"Choose one"</Link> }
    /// }
    /// let transaction = Transaction::new("reset", reset).max_age(hours(1));
    /// ```
    pub fn max_age(mut self, age: Duration) -> Transaction {
        self.max_age = Some(age);
        self
    }

    pub(crate) fn declaration(&self) -> Result<protocol::Transaction, Problem> {
        let email = of_constructor(self.email).filter(|email| email.arguments.len() == 1).ok_or_else(|| Problem {
            code: "unknown_template".into(),
            message: format!(
                "transaction `{}` is given a function that is not an email: name the function with `#[email(\"…\")]` itself",
                self.id
            ),
            place: Some(format!("transaction {}", self.id)),
        })?;
        Ok(protocol::Transaction {
            id: self.id.clone(),
            event: self.event.to_string(),
            template: email.id.to_string(),
            argument: email.arguments[0].0.to_string(),
            guarantee: self.guarantee,
            max_age: self.max_age.map(Duration::as_millis),
        })
    }
}
