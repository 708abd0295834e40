//! Campaigns: who enters, and the flow that runs for each of them.

use std::future::Future;
use std::pin::Pin;

use segflow_protocol::{
    self as protocol, Cond, Daily, Guarantee, InFlight, Mode, Problem, Reentry, Test, Trigger, Window, own,
};

use crate::flow::{self, Outcome};
use crate::{Attributes, Column, Conversion, Duration, Event, Events, Flow, Segment, Topic, When};

type Start = Box<dyn Fn(segflow_core::flow::Flow) -> Pin<Box<dyn Future<Output = ()>>> + Send + Sync>;

/// A flow for the users of some segments.
///
/// ```
/// # use segflow::prelude::*;
/// # #[derive(Attributes, Serialize, Deserialize)] struct Shopper { winback: bool }
/// async fn winback(flow: Flow<Shopper>) {
///     flow.wait(days(3)).await;
///     flow.update(Shopper::patch().winback(false)).await;
/// }
/// # let everyone = || Segment::everyone("everyone");
/// let campaign = Campaign::new("winback", winback).enters(everyone()).dynamic();
/// ```
#[must_use = "a campaign is part of a project when `Project::campaign` is given it"]
pub struct Campaign<U> {
    id: String,
    pub(crate) start: Start,
    enters: Vec<Segment<U>>,
    excludes: Vec<Segment<U>>,
    mode: Mode,
    guarantee: Guarantee,
    reentry: Option<Reentry>,
    newcomers_only: bool,
    exits_on: Vec<Trigger>,
    pauses_on: Vec<Trigger>,
    in_flight: Option<InFlight>,
    topic: Option<Topic>,
    windows: Vec<Window>,
    per_day: Option<Daily>,
    max_age: Option<Duration>,
    conversions: Vec<Conversion>,
    problems: Vec<Problem>,
}

impl<U: Attributes> Campaign<U> {
    /// A campaign that runs `flow` once for each user that enters, to its end, and sends at most once.
    ///
    /// A flow returns nothing, or a `Result`: an error stops it, says why, and it can be resumed.
    pub fn new<S: 'static, F: Future<Output: Outcome> + 'static>(
        id: impl Into<String>,
        flow: impl Fn(Flow<U, S>) -> F + Send + Sync + 'static,
    ) -> Campaign<U> {
        Campaign {
            id: id.into(),
            start: Box::new(move |inner| Box::pin(flow::run(inner.clone(), flow(Flow::new(inner))))),
            enters: vec![],
            excludes: vec![],
            mode: Mode::Static,
            guarantee: Guarantee::AtMostOnce,
            reentry: None,
            newcomers_only: false,
            exits_on: vec![],
            pauses_on: vec![],
            in_flight: None,
            topic: None,
            windows: vec![],
            per_day: None,
            max_age: None,
            conversions: vec![],
            problems: vec![],
        }
    }

    /// Users of this segment enter. With several, those that are in all of them.
    pub fn enters(mut self, segment: Segment<U>) -> Campaign<U> {
        self.enters.push(segment);
        self
    }

    /// Users of this segment do not enter. With several, those that are in any of them.
    pub fn excludes(mut self, segment: Segment<U>) -> Campaign<U> {
        self.excludes.push(segment);
        self
    }

    /// A user leaves as soon as the segments no longer match, wherever the flow is, and enters anew when they match again.
    pub fn dynamic(mut self) -> Campaign<U> {
        self.mode = Mode::Dynamic;
        self
    }

    /// When it is unknown whether the provider took a message, it is sent again. Without this it is not.
    pub fn at_least_once(mut self) -> Campaign<U> {
        self.guarantee = Guarantee::AtLeastOnce;
        self
    }

    /// Whoever has come to the end, or left, enters again when the segments come to match again.
    pub fn reenters(mut self) -> Campaign<U> {
        self.reentry = Some(Reentry::AfterLeaving);
        self
    }

    /// The same, but no sooner than this long after the last time.
    pub fn reenters_after(mut self, period: Duration) -> Campaign<U> {
        self.reentry = Some(Reentry::After(period.as_millis()));
        self
    }

    /// Nobody enters twice, also not a dynamic campaign.
    pub fn enters_once(mut self) -> Campaign<U> {
        self.reentry = Some(Reentry::Never);
        self
    }

    /// A user enters once for each value of an attribute, `.once_per(|u| u.cart_id)`; runs for several values may go on at once.
    pub fn once_per<T>(mut self, attribute: impl FnOnce(U::Columns) -> Column<U, T>) -> Campaign<U> {
        self.reentry = Some(Reentry::PerKey(attribute(U::COLUMNS).path()));
        self
    }

    /// Those whom the segments match already when this campaign comes to the server do not enter, only those who come later.
    pub fn newcomers_only(mut self) -> Campaign<U> {
        self.newcomers_only = true;
        self
    }

    /// A user leaves when such an event happens: `.exits_on(events::<Purchase>().filter(|p| p.value.gt(10.0)))`.
    pub fn exits_on<E: Event>(mut self, events: Events<E>) -> Campaign<U> {
        let trigger = self.trigger(events);
        self.exits_on.push(trigger);
        self
    }

    /// A user leaves on answering a message of this campaign. `.exits_on(events::<Replied>())` is an answer to any message.
    pub fn exits_on_reply(mut self) -> Campaign<U> {
        self.exits_on.push(self.reply());
        self
    }

    /// A user leaves when one of the user's flows reaches this goal.
    pub fn exits_on_goal(mut self, goal: &str) -> Campaign<U> {
        self.exits_on.push(Trigger::Goal(goal.into()));
        self
    }

    /// A user's flow stops, until somebody resumes it, when such an event happens.
    pub fn pauses_on<E: Event>(mut self, events: Events<E>) -> Campaign<U> {
        let trigger = self.trigger(events);
        self.pauses_on.push(trigger);
        self
    }

    /// A user's flow stops, until somebody resumes it, on answering a message of this campaign.
    pub fn pauses_on_reply(mut self) -> Campaign<U> {
        self.pauses_on.push(self.reply());
        self
    }

    fn reply(&self) -> Trigger {
        let is = Test::Eq(self.id.as_str().into());
        Trigger::Event { name: own::REPLIED.into(), filter: Some(Cond::At { path: vec!["campaign".into()], is }) }
    }

    /// A user's flow stops, until somebody resumes it, when another of the user's flows reaches this goal.
    pub fn pauses_on_goal(mut self, goal: &str) -> Campaign<U> {
        self.pauses_on.push(Trigger::Goal(goal.into()));
        self
    }

    /// What a push does with those who are in the campaign, unless `segflow push --in-flight` says otherwise. Without this they stay on
    /// the code they started with.
    pub fn in_flight(mut self, policy: InFlight) -> Campaign<U> {
        self.in_flight = Some(policy);
        self
    }

    /// What the campaign is about. Whoever does not want that, or has not asked for it if it is [opt-in](Topic::opt_in), gets none of its
    /// messages.
    pub fn topic(mut self, topic: Topic) -> Campaign<U> {
        self.topic = Some(topic);
        self
    }

    /// Its messages are sent in this span of the day only, by the clocks where each user is. What is decided at another time waits.
    /// With several, while all of them are open. For hours in which nothing is sent there is [`quiet_hours`](Campaign::quiet_hours).
    ///
    /// ```
    /// # use segflow::prelude::*;
    /// # #[derive(Attributes, Serialize, Deserialize)] struct Shopper { email: String, time_zone: Option<String> }
    /// # async fn news(_: Flow<Shopper>) {}
    /// # fn everyone() -> Segment<Shopper> { Segment::everyone("everyone") }
    /// let campaign = Campaign::new("news", news)
    ///     .enters(everyone())
    ///     .window(between((9, 0), (18, 0)).on(WORKDAYS).or_zone("Europe/Berlin"));
    /// ```
    pub fn window(mut self, span: When) -> Campaign<U> {
        let place = format!("campaign {}", self.id);
        take_window(span.open(), place, &mut self.windows, &mut self.problems);
        self
    }

    /// None of its messages is sent in this span of the day, by the clocks where each user is. What is decided then waits.
    /// [`Project::quiet_hours`](crate::Project::quiet_hours) are those of all campaigns.
    ///
    /// ```
    /// # use segflow::prelude::*;
    /// # #[derive(Attributes, Serialize, Deserialize)] struct Shopper { email: String, time_zone: Option<String> }
    /// # async fn news(_: Flow<Shopper>) {}
    /// # fn everyone() -> Segment<Shopper> { Segment::everyone("everyone") }
    /// let campaign = Campaign::new("news", news).enters(everyone()).quiet_hours(between((20, 0), (9, 30)));
    /// ```
    pub fn quiet_hours(mut self, span: When) -> Campaign<U> {
        let place = format!("campaign {}", self.id);
        take_window(span.closed(), place, &mut self.windows, &mut self.problems);
        self
    }

    /// No more of its messages than this go out in one day of the calendar, from midnight to midnight UTC, over all servers. The others
    /// wait for the next day. A message that is tried several times counts once.
    ///
    /// ```
    /// # use segflow::prelude::*;
    /// # #[derive(Attributes, Serialize, Deserialize)] struct Shopper { email: String }
    /// # async fn news(_: Flow<Shopper>) {}
    /// # fn everyone() -> Segment<Shopper> { Segment::everyone("everyone") }
    /// let campaign = Campaign::new("news", news).enters(everyone()).per_day(5_000);
    /// ```
    pub fn per_day(mut self, messages: u32) -> Campaign<U> {
        self.per_day = Some(Daily { messages, zone: None });
        self
    }

    /// The same, with days that begin at midnight in a zone.
    ///
    /// ```
    /// # use segflow::prelude::*;
    /// # #[derive(Attributes, Serialize, Deserialize)] struct Shopper { email: String }
    /// # async fn news(_: Flow<Shopper>) {}
    /// # fn everyone() -> Segment<Shopper> { Segment::everyone("everyone") }
    /// let campaign = Campaign::new("news", news).enters(everyone()).per_day_in("Europe/Berlin", 5_000);
    /// ```
    pub fn per_day_in(mut self, zone: &str, messages: u32) -> Campaign<U> {
        self.per_day = Some(Daily { messages, zone: Some(zone.into()) });
        self
    }

    /// A message that could not be sent within this time after its flow decided it is not sent any more: it becomes `cancelled`, with the
    /// reason, and the flow goes on.
    ///
    /// ```
    /// # use segflow::prelude::*;
    /// # #[derive(Attributes, Serialize, Deserialize)] struct Shopper { email: String }
    /// # async fn sale_ends_tonight(_: Flow<Shopper>) {}
    /// # fn everyone() -> Segment<Shopper> { Segment::everyone("everyone") }
    /// let campaign = Campaign::new("sale", sale_ends_tonight).enters(everyone()).max_age(hours(6));
    /// ```
    pub fn max_age(mut self, age: Duration) -> Campaign<U> {
        self.max_age = Some(age);
        self
    }

    /// What counts as a success of the campaign, and of the last of its messages that came before it: at most seven days before, or as
    /// long as [`within`](Events::within) says. Several things may count. Whoever has left counts as well.
    ///
    /// A campaign that does not say what counts has its goals counted ([`Flow::goal`]); one that does has only what it says.
    ///
    /// ```
    /// # use segflow::prelude::*;
    /// # #[derive(Attributes, Serialize, Deserialize)] struct Shopper { email: String }
    /// # #[derive(Event, Serialize, Deserialize)] struct Purchase { value: f64, order_id: String }
    /// # async fn winback(_: Flow<Shopper>) {}
    /// # fn everyone() -> Segment<Shopper> { Segment::everyone("everyone") }
    /// let campaign = Campaign::new("winback", winback)
    ///     .enters(everyone())
    ///     .converts_on(events::<Purchase>().filter(|p| p.value.gt(10.0)).within(days(3)).value(|p| p.value));
    /// ```
    pub fn converts_on(mut self, what: impl Into<Conversion>) -> Campaign<U> {
        self.conversions.push(what.into());
        self
    }

    fn trigger<E: Event>(&mut self, events: Events<E>) -> Trigger {
        let events = events.protocol();
        if events.within.is_some() {
            self.problems.push(Problem {
                code: "window".into(),
                message: format!("`{}` ends or pauses it the moment it happens: leave `within` out", events.name),
                place: Some(format!("campaign {}", self.id)),
            });
        }
        Trigger::Event { name: events.name, filter: events.filter }
    }

    pub(crate) fn problems(&self) -> &[Problem] {
        &self.problems
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn segments(&self) -> impl Iterator<Item = &Segment<U>> {
        self.enters.iter().chain(&self.excludes)
    }

    pub(crate) fn about(&self) -> Option<&Topic> {
        self.topic.as_ref()
    }

    pub(crate) fn declaration(&self) -> protocol::Campaign {
        let ids = |segments: &[Segment<U>]| segments.iter().map(|segment| segment.id.clone()).collect();
        protocol::Campaign {
            id: self.id.clone(),
            segments: ids(&self.enters),
            exclude_segments: ids(&self.excludes),
            mode: self.mode,
            guarantee: self.guarantee,
            reentry: self.reentry.clone(),
            newcomers_only: self.newcomers_only,
            exits_on: self.exits_on.clone(),
            pauses_on: self.pauses_on.clone(),
            in_flight: self.in_flight,
            topic: self.topic.as_ref().map(|topic| topic.0.id.clone()),
            windows: self.windows.clone(),
            per_day: self.per_day.clone(),
            max_age: self.max_age.map(Duration::as_millis),
            conversions: self.conversions.iter().map(Conversion::declaration).collect(),
        }
    }
}

/// Adds a window to those of a campaign, or of a project; or what is wrong with it.
pub(crate) fn take_window(
    window: Result<Window, &'static str>,
    place: String,
    windows: &mut Vec<Window>,
    problems: &mut Vec<Problem>,
) {
    match window {
        Ok(window) => windows.push(window),
        Err(why) => {
            problems.push(Problem { code: "bad_window".into(), message: why.into(), place: Some(place) });
        }
    }
}
