//! Campaigns: who enters, and the flow that runs for each of them.

use std::future::Future;
use std::pin::Pin;

use segflow_protocol::{self as protocol, Guarantee, Mode};

use crate::{Flow, Segment};

type Start<U> = Box<dyn Fn(Flow<U>) -> Pin<Box<dyn Future<Output = ()>>> + Send + Sync>;

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
    pub(crate) start: Start<U>,
    enters: Vec<Segment<U>>,
    excludes: Vec<Segment<U>>,
    mode: Mode,
    guarantee: Guarantee,
}

impl<U> Campaign<U> {
    /// A campaign that runs `flow` once for each user that enters, to its end, and sends at most once.
    pub fn new<F: Future<Output = ()> + 'static>(
        id: impl Into<String>,
        flow: impl Fn(Flow<U>) -> F + Send + Sync + 'static,
    ) -> Campaign<U> {
        Campaign {
            id: id.into(),
            start: Box::new(move |handle| Box::pin(flow(handle))),
            enters: vec![],
            excludes: vec![],
            mode: Mode::Static,
            guarantee: Guarantee::AtMostOnce,
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

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn segments(&self) -> impl Iterator<Item = &Segment<U>> {
        self.enters.iter().chain(&self.excludes)
    }

    pub(crate) fn declaration(&self) -> protocol::Campaign {
        let ids = |segments: &[Segment<U>]| segments.iter().map(|segment| segment.id.clone()).collect();
        protocol::Campaign {
            id: self.id.clone(),
            segments: ids(&self.enters),
            exclude_segments: ids(&self.excludes),
            mode: self.mode,
            guarantee: self.guarantee,
        }
    }
}
