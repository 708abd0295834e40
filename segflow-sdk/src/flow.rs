//! Flows: what a campaign does for one user, written as an `async fn`.

use std::cell::RefCell;
use std::future::Future;
use std::marker::PhantomData;
use std::rc::Rc;

use jiff::Timestamp;
use segflow_core::flow::{self, Now, Wait};
use segflow_protocol::Json;

use crate::email::Message;
use crate::{Attributes, Duration, IntoPatch, schema};

/// A flow's handle on its user and on time. Cloning it gives another handle on the same flow.
///
/// A flow is replayed from its journal whenever it goes on. It must therefore depend on nothing but what this handle returns: no
/// clock, no randomness, no network of its own. Every method that returns a future does nothing until it is awaited.
pub struct Flow<U> {
    inner: flow::Flow,
    /// The last reading of the user, under its number.
    read: Rc<RefCell<Option<Reading<U>>>>,
    user: PhantomData<fn() -> U>,
}

type Reading<U> = (u64, Rc<U>);

impl<U> Clone for Flow<U> {
    fn clone(&self) -> Self {
        Flow { inner: self.inner.clone(), read: self.read.clone(), user: PhantomData }
    }
}

impl<U: Attributes> Flow<U> {
    pub(crate) fn new(inner: flow::Flow) -> Flow<U> {
        Flow { inner, read: Rc::default(), user: PhantomData }
    }

    /// Decides a message to the user: `flow.send(emails::welcome()).await`.
    ///
    /// The server delivers it; the flow goes on at once. A user without an address gets a refused message, and the flow goes on too.
    #[track_caller]
    #[must_use = "nothing happens until it is awaited"]
    pub fn send(&self, message: Message<U>) -> Now<()> {
        let template = message.template;
        let arguments = message.json().unwrap_or_else(|why| {
            self.inner.fail(why);
            Json("{}".into())
        });
        self.inner.send(template, arguments)
    }

    /// Waits: `flow.wait(days(3)).await`.
    #[track_caller]
    #[must_use = "nothing happens until it is awaited"]
    pub fn wait(&self, duration: Duration) -> Wait {
        self.inner.wait(duration.as_millis())
    }

    /// The user as of now, with what this flow has changed.
    ///
    /// If a declared attribute is missing that is neither an `Option` nor has a `#[serde(default)]`, or has a value that does not fit, the
    /// flow stops with a sentence that names it, and can be resumed once it is there.
    #[track_caller]
    #[must_use = "nothing happens until it is awaited"]
    pub fn user(&self) -> impl Future<Output = Rc<U>> + use<U> {
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
    pub fn update(&self, patch: impl IntoPatch<User = U>) -> Now<()> {
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
