//! Waits: for time, and for events.

use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use segflow_core::flow::{self, Op};
use segflow_protocol::{Cond, Json};
use serde::de::DeserializeOwned;

use crate::{Condition, Duration, Event};

/// A wait for time. It begins when it is first polled; dropping it ends it.
#[must_use = "nothing happens until it is awaited"]
pub struct Wait(pub(super) Op);

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(context).map(|_| ())
    }
}

/// A wait for an event: `flow.wait_for::<Purchase>()`, perhaps with a condition and a limit.
#[must_use = "nothing happens until it is awaited"]
pub struct WaitFor<E> {
    pub(super) flow: flow::Flow,
    pub(super) filter: Option<Cond>,
    pub(super) event: PhantomData<fn() -> E>,
}

/// A wait for an event that gives up after a time.
#[must_use = "nothing happens until it is awaited"]
pub struct WaitForWithin<E> {
    wait: WaitFor<E>,
    within: Duration,
}

impl<E: Event> WaitFor<E> {
    /// Only an event that fulfils a condition; with several, all of them.
    pub fn matching(mut self, condition: impl FnOnce(E::Columns) -> Condition<E>) -> WaitFor<E> {
        let condition = condition(E::COLUMNS).cond;
        self.filter = Some(match self.filter.take() {
            Some(before) => Cond::All(vec![before, condition]),
            None => condition,
        });
        self
    }

    /// Gives up after so long: then it returns `None`.
    pub fn within(self, duration: Duration) -> WaitForWithin<E> {
        WaitForWithin { wait: self, within: duration }
    }

    #[track_caller]
    fn begin(self, within: Option<Duration>) -> impl Future<Output = Option<E>> + use<E> {
        let filter = self.filter;
        let filter = move || filter.as_ref().map(|cond| Json(crate::schema::to_value(cond).to_string()));
        let op = self.flow.wait_for(E::NAME, filter, within.map(Duration::as_millis));
        let flow = self.flow;
        async move {
            let came = op.await?;
            Some(typed(&flow, &came, || format!("an event `{}` does not fit {}", E::NAME, E::TYPE)).await)
        }
    }
}

/// What came, as its type; a flow that is given something else stops and says so.
pub(super) async fn typed<T: DeserializeOwned>(flow: &flow::Flow, came: &Json, what: impl FnOnce() -> String) -> T {
    match serde_json::from_str(&came.0) {
        Ok(value) => value,
        Err(e) => stop(flow, format!("{}: {e}", what())).await,
    }
}

/// The flow cannot go on.
pub(super) async fn stop<T>(flow: &flow::Flow, why: String) -> T {
    flow.fail(why);
    std::future::pending().await
}

impl<E: Event> IntoFuture for WaitFor<E> {
    type Output = E;
    type IntoFuture = Pin<Box<dyn Future<Output = E>>>;

    #[track_caller]
    fn into_future(self) -> Self::IntoFuture {
        let event = self.begin(None);
        Box::pin(async move {
            match event.await {
                Some(event) => event,
                // Only time ends a wait without an event, and this one has no limit.
                None => std::future::pending().await,
            }
        })
    }
}

impl<E: Event> IntoFuture for WaitForWithin<E> {
    type Output = Option<E>;
    type IntoFuture = Pin<Box<dyn Future<Output = Option<E>>>>;

    #[track_caller]
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.wait.begin(Some(self.within)))
    }
}
