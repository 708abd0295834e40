//! Conversions: what counts as a success of a campaign.

use segflow_protocol::{self as protocol, Trigger};

use crate::{Column, Duration, Event, Events, Numeric};

/// What counts as a success of a campaign and of its messages, within a time after a message. The last message of the campaign that came
/// before it is the one that it counts for.
///
/// ```
/// # use segflow::prelude::*;
/// # #[derive(Attributes, Serialize, Deserialize)] struct Shopper { email: String }
/// # #[derive(Event, Serialize, Deserialize)] struct Purchase { value: f64, order_id: String }
/// # async fn winback(_: Flow<Shopper>) {}
/// # fn everyone() -> Segment<Shopper> { Segment::everyone("everyone") }
/// let campaign = Campaign::new("winback", winback)
///     .enters(everyone())
///     .converts_on(events::<Purchase>().within(days(3)).value(|p| p.value))
///     .converts_on(Conversion::goal("subscribed"));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a conversion is declared by `Campaign::converts_on`"]
pub struct Conversion {
    on: Trigger,
    within: Option<Duration>,
    value: Option<Vec<String>>,
}

impl Conversion {
    /// A goal that the campaign's flow reaches, [`flow.goal("subscribed")`](crate::Flow::goal). It counts for the messages of that run.
    pub fn goal(name: &str) -> Conversion {
        Conversion { on: Trigger::Goal(name.into()), within: None, value: None }
    }

    /// Only what happens less than this long after the message. Without it that is seven days.
    pub fn within(mut self, time: Duration) -> Conversion {
        self.within = Some(self.within.map_or(time, |within| within.min(time)));
        self
    }

    pub(crate) fn declaration(&self) -> protocol::Conversion {
        protocol::Conversion {
            on: self.on.clone(),
            within: self.within.map_or(protocol::Conversion::WITHIN, Duration::as_millis),
            value: self.value.clone(),
        }
    }
}

impl<E: Event> From<Events<E>> for Conversion {
    /// Here `within` says how long after a message.
    fn from(events: Events<E>) -> Conversion {
        let within = events.within;
        let protocol::Events { name, filter, .. } = events.protocol();
        Conversion { on: Trigger::Event { name, filter }, within, value: None }
    }
}

impl<E: Event> Events<E> {
    /// As a [conversion](crate::Campaign::converts_on), each of which is worth what a column says: values add up. One that has none is
    /// counted, and worth nothing.
    pub fn value<T: Numeric>(self, column: impl FnOnce(E::Columns) -> Column<E, T>) -> Conversion {
        let value = Some(column(E::COLUMNS).path());
        Conversion { value, ..Conversion::from(self) }
    }
}
