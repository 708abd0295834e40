//! Flows: what a campaign does for one user, written as an `async fn`.

mod race;
mod split;
mod wait;
mod webhook;
mod when;

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;

use jiff::Timestamp;
use segflow_core::flow::{self, Never};
use segflow_protocol::{Ask, Cond, Json, Rule, Test};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::email::Message;
use crate::{
    Attributes, Clicked, Column, Duration, Event, Events, IntoPatch, Measured, Numeric, Opened, Replied, Segment,
    schema,
};
pub use race::{Either, join, race};
pub use split::{Experiment, WithHoldout};
pub use wait::{Wait, WaitFor, WaitForWithin};
use wait::{stop, typed};
pub(crate) use webhook::Came;
pub use webhook::{Answer, Completed, Task, Webhook, WebhookError};
pub use when::{WORKDAYS, Weekday, When, at, between, business_hours, next, on};

/// A flow's handle on its user and on time. Cloning it gives another handle on the same flow.
///
/// A flow is replayed from its journal whenever it goes on. It must therefore depend on nothing but what this handle returns: no
/// clock, no randomness, no network of its own. Every method that returns a future does nothing until it is awaited.
///
/// `S` is what the flow hands on to itself with [`continue_as_new`](Flow::continue_as_new); most have none.
pub struct Flow<U, S = ()> {
    inner: flow::Flow,
    /// The last reading of the user, under its number.
    read: Rc<RefCell<Option<Reading<U>>>>,
    user: PhantomData<fn() -> (U, S)>,
}

type Reading<U> = (u64, Rc<U>);

/// A question to the server, which answers it from the user's facts in the same step.
pub type Asked<T> = Pin<Box<dyn Future<Output = T>>>;

impl<U, S> Clone for Flow<U, S> {
    fn clone(&self) -> Self {
        Flow { inner: self.inner.clone(), read: self.read.clone(), user: PhantomData }
    }
}

impl<U: Attributes, S> Flow<U, S> {
    pub(crate) fn new(inner: flow::Flow) -> Flow<U, S> {
        Flow { inner, read: Rc::default(), user: PhantomData }
    }

    /// Decides a message to the user: `flow.send(emails::welcome()).await`.
    ///
    /// The server delivers it; the flow goes on at once. A user without an address gets a refused message, and the flow goes on too.
    #[track_caller]
    #[must_use = "nothing happens until it is awaited"]
    pub fn send(&self, message: Message<U>) -> impl Future<Output = ()> + use<U, S> {
        self.inner.send(message.template, move || message.json())
    }

    /// Waits: `flow.wait(days(3)).await`.
    #[track_caller]
    pub fn wait(&self, duration: Duration) -> Wait {
        Wait(self.inner.wait(duration.as_millis()))
    }

    /// Waits for an instant: a timestamp, or a rule about the user's calendar like `at(9, 0)` or `next(Monday).at(9, 0)`; see [`When`].
    #[track_caller]
    pub fn wait_until(&self, when: impl Into<When>) -> Wait {
        Wait(self.inner.wait_until(when.into().waits()))
    }

    /// Waits for an event of the user's.
    ///
    /// It matches events that are reported after it began, in the order in which they are, whenever they are said to have occurred.
    /// With [`within`](WaitFor::within) it returns `None` when the time is over first. Imported history never matches.
    ///
    /// ```
    /// # use segflow::prelude::*;
    /// # #[derive(Attributes, Serialize, Deserialize)] struct Shopper { name: String }
    /// # #[derive(Event, Serialize, Deserialize)] struct Purchase { value: f64, order_id: String }
    /// # async fn f(flow: Flow<Shopper>) {
    /// match flow.wait_for::<Purchase>().matching(|p| p.value.gt(10.0)).within(days(3)).await {
    ///     Some(purchase) => flow.log(format!("bought for {}", purchase.value)),
    ///     None => flow.log("nothing for three days"),
    /// }
    /// # }
    /// ```
    pub fn wait_for<E: Event>(&self) -> WaitFor<E> {
        WaitFor { flow: self.inner.clone(), filter: None, event: PhantomData }
    }

    /// Waits until the user looks at the message that this flow has sent last: `flow.opened().within(days(2)).await`. What programs fetch
    /// that look through mail counts for nothing. The project has to [count that](crate::Project::track_opens), or the provider tells it.
    pub fn opened(&self) -> WaitFor<Opened> {
        self.of_last_sent()
    }

    /// Waits until the user follows a link in the message that this flow has sent last, perhaps a certain one:
    /// `flow.clicked().matching(|c| c.link.contains("/offer")).within(days(2)).await`.
    pub fn clicked(&self) -> WaitFor<Clicked> {
        self.of_last_sent()
    }

    /// Waits until the user answers a message of this flow, whichever of them: people answer the first when the second has come.
    /// `flow.replied().matching(|r| r.template.eq("offer")).within(days(3)).await`: that one. The project has to say [where answers come
    /// from](crate::Project::replies); what programs answer counts for nothing.
    pub fn replied(&self) -> WaitFor<Replied> {
        self.of_sent(|(run, _)| vec![("run", run.into())])
    }

    fn of_last_sent<E: Event>(&self) -> WaitFor<E> {
        self.of_sent(|(run, op)| vec![("run", run.into()), ("op", op.into())])
    }

    fn of_sent<E: Event>(&self, known_by: impl FnOnce((String, u64)) -> Vec<(&'static str, Value)>) -> WaitFor<E> {
        let Some(last) = self.inner.last_sent() else {
            self.inner.fail("the flow waits for what is done with a message, and has sent none");
            return self.wait_for();
        };
        let is = |(name, value): (&str, Value)| Cond::At { path: vec![name.into()], is: Test::Eq(value) };
        let filter = Cond::All(known_by(last).into_iter().map(is).collect());
        WaitFor { flow: self.inner.clone(), filter: Some(filter), event: PhantomData }
    }

    /// Whether the user is in a segment, now, with what this flow has changed. The segment need not be one of the project's, unless it
    /// is in SQL.
    #[track_caller]
    #[must_use = "nothing happens until it is awaited"]
    pub fn in_segment(&self, segment: Segment<U>) -> Asked<bool> {
        let expr = match &segment.rule {
            Rule::Expr(expr) => Some(Json(schema::to_value(expr).to_string())),
            Rule::Sql(_) => None,
        };
        self.ask(Ask::Segment { id: segment.id, expr })
    }

    /// How many such events there have been: `flow.count(events::<Purchase>().within(days(30)))`.
    #[track_caller]
    #[must_use = "nothing happens until it is awaited"]
    pub fn count<E: Event>(&self, events: Events<E>) -> Asked<u64> {
        let (events, measure) = events.count().question();
        self.ask(Ask::Number { events, measure })
    }

    /// The sum of a column over such events: `flow.sum(events::<Purchase>(), |p| p.value)`.
    #[track_caller]
    #[must_use = "nothing happens until it is awaited"]
    pub fn sum<E: Event, T: Numeric>(
        &self,
        events: Events<E>,
        column: impl FnOnce(E::Columns) -> Column<E, T>,
    ) -> Asked<f64> {
        let (events, measure) = events.sum(column).question();
        self.ask(Ask::Number { events, measure })
    }

    /// Any number over events, `None` if there is none: `flow.measure(events::<Purchase>().max(|p| p.value))`.
    #[track_caller]
    #[must_use = "nothing happens until it is awaited"]
    pub fn measure<T>(&self, measured: Measured<T>) -> Asked<Option<f64>> {
        let (events, measure) = measured.question();
        self.ask(Ask::Number { events, measure })
    }

    #[track_caller]
    fn ask<T: DeserializeOwned + 'static>(&self, ask: Ask) -> Asked<T> {
        let (flow, op) = (self.inner.clone(), self.inner.ask(ask));
        Box::pin(async move {
            match op.await {
                Some(came) => typed(&flow, &came, || "the answer to a question".into()).await,
                None => stop(&flow, "a question has no answer".into()).await,
            }
        })
    }

    /// Chooses one of several ways by weight, always the same for a user: `flow.split("offer", [("ten", 1), ("twenty", 3)])`.
    #[track_caller]
    #[must_use = "nothing happens until it is awaited"]
    pub fn split<const N: usize>(
        &self,
        name: &str,
        arms: [(&'static str, u32); N],
    ) -> impl Future<Output = &'static str> + use<U, S, N> {
        split::choose(self.inner.clone(), name.into(), arms.into(), false)
    }

    /// An experiment with named arms; see [`Experiment`].
    pub fn experiment<const N: usize>(&self, name: &str, arms: [&'static str; N]) -> Experiment {
        Experiment { flow: self.inner.clone(), name: name.into(), arms: arms.into() }
    }

    /// Reports an event of the user's, as the application does: `flow.emit(&Offered { percent: 10 }).await`.
    #[track_caller]
    #[must_use = "nothing happens until it is awaited"]
    pub fn emit<E: Event>(&self, event: &E) -> impl Future<Output = ()> + use<U, S, E> {
        let attributes = schema::written(E::NAME, event).unwrap_or_else(|why| self.failing(why));
        self.inner.emit(E::NAME, attributes)
    }

    /// The turn stops here: it comes to nothing what stands in for the value that could not be had.
    fn failing(&self, why: String) -> Json {
        self.inner.fail(why);
        Json("{}".into())
    }

    /// Calls somebody else's server and waits for the answer. An error is for the flow to handle, or to pass on with `?`.
    ///
    /// ```
    /// # use segflow::prelude::*;
    /// # #[derive(Attributes, Serialize, Deserialize)] struct Shopper { name: String }
    /// async fn lead(flow: Flow<Shopper>) -> Result<(), WebhookError> {
    ///     let lead = serde_json::json!({"id": flow.user_id()});
    ///     let crm = Webhook::post("https://crm.example/leads").json(&lead).secret("Authorization", "CRM_TOKEN");
    ///     let answer = flow.webhook(crm).await?;
    ///     flow.log(format!("the CRM says {}", answer.status));
    ///     Ok(())
    /// }
    /// ```
    #[track_caller]
    #[must_use = "nothing happens until it is awaited"]
    pub fn webhook(&self, webhook: Webhook) -> impl Future<Output = Result<Answer, WebhookError>> + use<U, S> {
        let webhook = webhook.protocol().unwrap_or_else(|why| {
            self.inner.fail(why);
            segflow_protocol::Webhook::default()
        });
        let (flow, op) = (self.inner.clone(), self.inner.webhook(webhook));
        async move {
            match op.await {
                Some(came) => typed::<Came>(&flow, &came, || "the answer of a webhook".into()).await.into(),
                None => stop(&flow, "a webhook has no answer".into()).await,
            }
        }
    }

    /// Asks a person to do something and waits until it is done: listed by `GET /v1/tasks`, done by
    /// `POST /v1/tasks/{id}/complete`.
    #[track_caller]
    #[must_use = "nothing happens until it is awaited"]
    pub fn task(&self, task: Task) -> impl Future<Output = Completed> + use<U, S> {
        let (flow, op) = (self.inner.clone(), self.inner.task(task.protocol()));
        async move {
            match op.await {
                Some(came) => typed(&flow, &came, || "the result of a task".into()).await,
                None => stop(&flow, "a task has no result".into()).await,
            }
        }
    }

    /// Puts the user into another campaign, by its id, whatever its segments say; nothing happens if the user is in it already.
    #[track_caller]
    #[must_use = "nothing happens until it is awaited"]
    pub fn start(&self, campaign: &str) -> impl Future<Output = ()> + use<U, S> {
        self.inner.start(campaign)
    }

    /// Takes the user out of another campaign, by its id.
    #[track_caller]
    #[must_use = "nothing happens until it is awaited"]
    pub fn stop(&self, campaign: &str) -> impl Future<Output = ()> + use<U, S> {
        self.inner.stop(campaign)
    }

    /// The user has reached a goal: counted for the campaign and, by [`converts_on`](crate::Campaign::converts_on), for the last message of
    /// this run; and a reason to leave those that say [`exits_on_goal`](crate::Campaign::exits_on_goal).
    #[track_caller]
    #[must_use = "nothing happens until it is awaited"]
    pub fn goal(&self, name: &str) -> impl Future<Output = ()> + use<U, S> {
        self.inner.goal(name)
    }

    /// Ends the flow here, from however deep, and says why. What it has decided is still sent.
    #[track_caller]
    pub fn exit(&self, reason: &str) -> Never {
        self.inner.exit(reason)
    }

    /// The user as of now, with what this flow has changed.
    ///
    /// If a declared attribute is missing that is neither an `Option` nor has a `#[serde(default)]`, or has a value that does not fit, the
    /// flow stops with a sentence that names it, and can be resumed once it is there.
    #[track_caller]
    #[must_use = "nothing happens until it is awaited"]
    pub fn user(&self) -> impl Future<Output = Rc<U>> + use<U, S> {
        let (flow, reading) = (self.clone(), self.inner.user());
        async move {
            let (number, attributes) = reading.await;
            if let Some((_, user)) = flow.read.borrow().as_ref().filter(|(read, _)| *read == number) {
                return user.clone();
            }
            match schema::typed_user::<U>(&attributes) {
                Ok(user) => {
                    let user = Rc::new(user);
                    *flow.read.borrow_mut() = Some((number, user.clone()));
                    user
                }
                Err(why) => {
                    flow.inner.fail(why);
                    std::future::pending().await
                }
            }
        }
    }

    /// Changes the user: `flow.update(Shopper::patch().winback(false)).await`.
    #[track_caller]
    #[must_use = "nothing happens until it is awaited"]
    pub fn update<P: IntoPatch<User = U>>(&self, patch: P) -> impl Future<Output = ()> + use<U, S, P> {
        let patch = patch.into_patch().finish().unwrap_or_else(|why| {
            self.inner.fail(why);
            serde_json::Map::new()
        });
        self.inner.update(patch)
    }

    /// The instant at which the flow went on, UTC; the same whenever it is replayed.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.inner.now()).unwrap_or(Timestamp::MAX)
    }

    /// A random number from 0 up to but not including 1; the same whenever the flow is replayed.
    pub fn random(&self) -> f64 {
        // The upper 53 bits: as many as a float holds.
        (self.inner.random() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// The id of the user.
    pub fn user_id(&self) -> String {
        self.inner.user_id()
    }

    /// Writes a line to the log of this user's run; once, not when the flow is replayed.
    pub fn log(&self, line: impl Into<String>) {
        self.inner.log(line);
    }
}

impl<U: Attributes, S: Serialize + DeserializeOwned + Default> Flow<U, S> {
    /// What the flow handed on to itself; the default, the first time.
    pub fn state(&self) -> S {
        let Some(state) = self.inner.handed_on() else { return S::default() };
        state.read().unwrap_or_else(|e| {
            self.inner.fail(format!("what the flow handed on to itself is not of its type any more: {e}"));
            S::default()
        })
    }

    /// Begins the flow anew with this state and an empty journal: for flows that go on for ever.
    ///
    /// ```
    /// # use segflow::prelude::*;
    /// # #[derive(Attributes, Serialize, Deserialize)] struct Shopper { name: String }
    /// #[derive(Default, Serialize, Deserialize)]
    /// struct Months(u32);
    ///
    /// async fn monthly(flow: Flow<Shopper, Months>) {
    ///     let Months(count) = flow.state();
    ///     flow.log(format!("month {count}"));
    ///     flow.wait(days(30)).await;
    ///     flow.continue_as_new(Months(count + 1)).await;
    /// }
    /// ```
    #[track_caller]
    pub fn continue_as_new(&self, state: S) -> Never {
        let state = schema::written("the state", &state).unwrap_or_else(|why| self.failing(why));
        self.inner.again(state)
    }
}

/// What a flow may return: nothing, or a `Result` whose error stops the flow where it can be resumed.
pub trait Outcome {
    #[doc(hidden)]
    fn error(self) -> Option<String>;
}

impl Outcome for () {
    fn error(self) -> Option<String> {
        None
    }
}

impl Outcome for Infallible {
    fn error(self) -> Option<String> {
        match self {}
    }
}

impl<T: Outcome, E: std::fmt::Display> Outcome for Result<T, E> {
    fn error(self) -> Option<String> {
        match self {
            Ok(value) => value.error(),
            Err(error) => Some(error.to_string()),
        }
    }
}

/// Runs a flow; one that returns an error cannot go on.
pub(crate) async fn run<F: Future<Output: Outcome>>(inner: flow::Flow, flow: F) {
    if let Some(why) = flow.await.error() {
        stop(&inner, why).await
    }
}
