//! Mailboxes in which answers to messages are looked for.

use segflow_protocol as protocol;

use crate::Duration;

/// Where answers are looked for. Made of [`Imap`].
#[derive(Debug, Clone)]
pub struct Mailbox(pub(crate) protocol::Mailbox);

/// A mailbox that is read over IMAP, without changing anything in it.
///
/// ```
/// # use segflow::prelude::*;
/// # #[derive(Attributes, Serialize, Deserialize)] struct Shopper { email: String }
/// # let project = Project::<Shopper>::new("shop");
/// project
///     .from("Shop <hello@shop.example>")
///     .replies(Imap::url("IMAP_URL").folder("Replies").every(minutes(5)));
/// ```
#[derive(Debug, Clone)]
pub struct Imap {
    id: String,
    url: String,
    folder: Option<String>,
    every: Option<Duration>,
}

impl Imap {
    /// `secret` is the name of a secret of the server that holds `imaps://user:password@host`, or `imap://…?tls=required`.
    pub fn url(secret: impl Into<String>) -> Imap {
        Imap { id: "imap".into(), url: secret.into(), folder: None, every: None }
    }

    /// Another folder than `INBOX`.
    pub fn folder(mut self, name: impl Into<String>) -> Imap {
        self.folder = Some(name.into());
        self
    }

    /// How often it is looked at: once in a minute if nothing is said.
    pub fn every(mut self, period: Duration) -> Imap {
        self.every = Some(period);
        self
    }

    /// A name of its own, for the second mailbox. The first is called `imap`.
    pub fn named(mut self, id: impl Into<String>) -> Imap {
        self.id = id.into();
        self
    }
}

impl From<Imap> for Mailbox {
    fn from(Imap { id, url, folder, every }: Imap) -> Mailbox {
        Mailbox(protocol::Mailbox { id, url, folder, every: every.map(Duration::as_millis) })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::minutes;

    #[test]
    fn what_is_not_said_is_not_there() {
        let told = |imap: Imap| serde_json::to_value(Mailbox::from(imap).0).expect("JSON");
        assert_eq!(told(Imap::url("A")), json!({"id": "imap", "url": "A"}));
        let other = Imap::url("A").folder("Replies").every(minutes(5)).named("second");
        assert_eq!(told(other), json!({"id": "second", "url": "A", "folder": "Replies", "every": 300_000}));
    }
}
