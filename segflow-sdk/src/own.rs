//! Events that the server itself reports: what became of messages, and what their readers did. Segments, flows and
//! [`exits_on`](crate::Campaign::exits_on) take them like events of the project's own.

use serde::{Deserialize, Serialize};

use crate::Event;

/// A user wants no more of a topic; without one, of anything but transactions.
///
/// ```
/// # use segflow::prelude::*;
/// # #[derive(Attributes, Serialize, Deserialize)] struct Shopper { email: String }
/// # async fn monthly(_: Flow<Shopper>) {}
/// # fn everyone() -> Segment<Shopper> { Segment::everyone("everyone") }
/// let campaign = Campaign::new("monthly", monthly).enters(everyone()).exits_on(events::<Unsubscribed>());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Event, Serialize, Deserialize)]
#[event(name = "$unsubscribed", own)]
pub struct Unsubscribed {
    pub topic: Option<String>,
    /// The message by which it happened, if it was one.
    pub message: Option<String>,
    pub campaign: Option<String>,
    pub template: Option<String>,
    /// `one_click` by a mail program, `page`, `api`, or `provider` where its reader told that.
    pub via: String,
}

/// A user wants a topic; without one, messages at all, having unsubscribed before.
#[derive(Debug, Clone, PartialEq, Eq, Event, Serialize, Deserialize)]
#[event(name = "$subscribed", own)]
pub struct Subscribed {
    pub topic: Option<String>,
    pub message: Option<String>,
    pub campaign: Option<String>,
    pub template: Option<String>,
    pub via: String,
}

/// A user has said that the address is theirs, by a link to [`CONFIRM`](crate::links::CONFIRM) in a message: once for each message.
///
/// ```
/// # use segflow::prelude::*;
/// # #[derive(Attributes, Serialize, Deserialize)] struct Shopper { email: String }
/// # async fn monthly(_: Flow<Shopper>) {}
/// fn confirmed() -> Segment<Shopper> {
///     Segment::new("confirmed", events::<Confirmed>().exists())
/// }
/// let campaign = Campaign::new("monthly", monthly).enters(confirmed());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Event, Serialize, Deserialize)]
#[event(name = "$confirmed", own)]
pub struct Confirmed {
    pub message: String,
    pub template: String,
    pub campaign: Option<String>,
    pub transaction: Option<String>,
}

/// A message did not reach a user. The provider has to tell ([`Postmark::webhook`](crate::Postmark::webhook)).
#[derive(Debug, Clone, PartialEq, Eq, Event, Serialize, Deserialize)]
#[event(name = "$bounced", own)]
pub struct Bounced {
    pub message: String,
    pub template: String,
    pub campaign: Option<String>,
    pub transaction: Option<String>,
    /// `hard`: there is no such address. `soft`: it may pass. `policy`: the message was not wanted there.
    pub kind: String,
    /// What the recipient's mail server said.
    pub reason: String,
}

/// A user has called a message spam, and gets nothing more.
///
/// ```
/// # use segflow::prelude::*;
/// # #[derive(Attributes, Serialize, Deserialize)] struct Shopper { email: String }
/// # async fn monthly(_: Flow<Shopper>) {}
/// # fn everyone() -> Segment<Shopper> { Segment::everyone("everyone") }
/// let campaign = Campaign::new("monthly", monthly).enters(everyone()).exits_on(events::<Complained>());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Event, Serialize, Deserialize)]
#[event(name = "$complained", own)]
pub struct Complained {
    pub message: String,
    pub template: String,
    pub campaign: Option<String>,
    pub transaction: Option<String>,
}

/// A user has looked at a message: once for each message, and not when a program did.
#[derive(Debug, Clone, PartialEq, Eq, Event, Serialize, Deserialize)]
#[event(name = "$opened", own)]
pub struct Opened {
    pub message: String,
    pub template: String,
    pub campaign: Option<String>,
    pub transaction: Option<String>,
    /// `phone`, `tablet` or `desktop`, where the mail program says it.
    pub device: Option<String>,
    /// Two capital letters, where the provider or the proxy says it.
    pub country: Option<String>,
}

/// A user has followed a link in a message: once for each link of each message, and not when a program did.
#[derive(Debug, Clone, PartialEq, Eq, Event, Serialize, Deserialize)]
#[event(name = "$clicked", own)]
pub struct Clicked {
    pub message: String,
    pub template: String,
    pub campaign: Option<String>,
    pub transaction: Option<String>,
    /// Where it leads.
    pub link: String,
    /// As of [`Opened`].
    pub device: Option<String>,
    pub country: Option<String>,
}

/// A user has answered a message: once for each answer, and not when a program did (out of office, a bounce). The project says where
/// answers come from ([`Project::replies`](crate::Project::replies)).
///
/// ```
/// # use segflow::prelude::*;
/// # #[derive(Attributes, Serialize, Deserialize)] struct Shopper { email: String }
/// # async fn sequence(_: Flow<Shopper>) {}
/// # fn everyone() -> Segment<Shopper> { Segment::everyone("everyone") }
/// let campaign = Campaign::new("sequence", sequence).enters(everyone()).exits_on(events::<Replied>());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Event, Serialize, Deserialize)]
#[event(name = "$replied", own)]
pub struct Replied {
    /// The message that was answered.
    pub message: String,
    pub template: String,
    pub campaign: Option<String>,
    pub transaction: Option<String>,
    pub subject: String,
    /// What was written, without what it answers; its first 2,000 characters.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use segflow_protocol::own;

    use super::*;
    use crate::schema;

    #[test]
    fn they_are_called_as_the_server_calls_them_and_no_project_declares_them() {
        assert_eq!([Unsubscribed::NAME, Subscribed::NAME], [own::UNSUBSCRIBED, own::SUBSCRIBED]);
        assert_eq!(Confirmed::NAME, own::CONFIRMED);
        assert_eq!([Bounced::NAME, Complained::NAME], [own::BOUNCED, own::COMPLAINED]);
        assert_eq!([Opened::NAME, Clicked::NAME], [own::OPENED, own::CLICKED]);
        assert_eq!(Replied::NAME, own::REPLIED);
        assert!(schema::declared_events().iter().all(|event| !event.name.starts_with('$')));
        let told = serde_json::json!({"topic": null, "message": "msg_1", "campaign": "news", "template": "letter", "via": "page"});
        let read: Unsubscribed = serde_json::from_value(told).expect("as the server tells it");
        assert_eq!(read.campaign.as_deref(), Some("news"));
    }
}
