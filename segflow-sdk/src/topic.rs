//! Topics: what a project writes about, for its readers to choose from.

use segflow_protocol as protocol;

/// Something that campaigns are about, and that a reader can want or not.
///
/// ```
/// # use segflow::prelude::*;
/// # #[derive(Attributes, Serialize, Deserialize)] struct Shopper { email: String }
/// # async fn monthly(_: Flow<Shopper>) {}
/// # fn everyone() -> Segment<Shopper> { Segment::everyone("everyone") }
/// fn news() -> Topic {
///     Topic::new("news", "News").about("What is new in the shop, once a month.")
/// }
///
/// let campaign = Campaign::new("monthly", monthly).enters(everyone()).topic(news());
/// ```
///
/// A reader who unsubscribes from one of its messages unsubscribes from the topic. Messages of transactions, and of campaigns without a
/// topic, are not about any.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a topic is part of a project when a campaign, or `Project::topic`, is given it"]
pub struct Topic(pub(crate) protocol::Topic);

impl Topic {
    /// A topic that everybody gets who does not say otherwise. `name` is what its readers see.
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Topic {
        Topic(protocol::Topic { id: id.into(), name: name.into(), ..protocol::Topic::default() })
    }

    /// A sentence about it, for its readers.
    pub fn about(mut self, sentence: impl Into<String>) -> Topic {
        self.0.about = Some(sentence.into());
        self
    }

    /// Only those get it who have asked for it.
    pub fn opt_in(mut self) -> Topic {
        self.0.opt_in = true;
        self
    }
}
