//! The operations of a flow, untyped. The SDK wraps them in the types of a project.

use std::cell::{RefCell, RefMut};
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use segflow_protocol::{Effect, End, Happened, Json, OpKind, Pending, Waits, identity};

use super::machine::{State, place};
use crate::ids;
use crate::merge::Object;

/// A flow's handle on its turn.
#[derive(Clone)]
pub struct Flow(Rc<RefCell<State>>);

impl Flow {
    pub(super) fn new(state: State) -> Flow {
        Flow(Rc::new(RefCell::new(state)))
    }

    pub(super) fn state(&self) -> RefMut<'_, State> {
        self.0.borrow_mut()
    }

    /// Decides a message.
    #[track_caller]
    pub fn send(&self, template: &str, args: Json) -> Now<()> {
        let (flow, template, source) = (self.clone(), template.to_string(), Location::caller());
        Now::new(move || {
            let mut state = flow.state();
            let name = format!("send {template}");
            state.at_once(OpKind::Send, identity(OpKind::Send, &[&template]), &name, source, |state, op| {
                state.effect(Effect::Send { op, template: template.clone(), args });
                Happened::Sent
            })?;
            Some(())
        })
    }

    /// Reads the user as of this turn. The number changes when the reading does.
    #[track_caller]
    pub fn user(&self) -> Now<(u64, Rc<Object>)> {
        let (flow, source) = (self.clone(), Location::caller());
        Now::new(move || {
            let mut state = flow.state();
            let happened = state
                .at_once(OpKind::User, identity(OpKind::User, &[]), "user", source, |state, _| state.read_user())?;
            let user = state.see(&happened);
            Some((state.reading, user))
        })
    }

    /// Merges a patch (RFC 7396) into the user's attributes.
    #[track_caller]
    pub fn update(&self, patch: Object) -> Now<()> {
        let (flow, source) = (self.clone(), Location::caller());
        Now::new(move || {
            let keys: Vec<&str> = patch.keys().map(String::as_str).collect();
            let name = format!("update {}", keys.join(", "));
            let mut state = flow.state();
            state.at_once(OpKind::Update, identity(OpKind::Update, &keys), &name, source, |state, op| {
                state.patch(&patch);
                let patch = Json(serde_json::Value::Object(patch.clone()).to_string());
                state.effect(Effect::Update { op, patch });
                Happened::Updated
            })?;
            Some(())
        })
    }

    /// Waits for a number of milliseconds.
    #[track_caller]
    pub fn wait(&self, ms: i64) -> Wait {
        Wait { flow: self.clone(), ms, source: Location::caller(), op: None, over: false }
    }

    /// The instant of this turn, ms UTC; the same on every replay.
    pub fn now(&self) -> i64 {
        self.state().now
    }

    /// A random number, the same on every replay.
    pub fn random(&self) -> u64 {
        let mut state = self.state();
        let seed = state.seed();
        state.number().map_or(0, |op| ids::random(seed, op))
    }

    pub fn user_id(&self) -> String {
        self.state().user_id().to_string()
    }

    /// Writes a line to the log of the enrollment; silent while replaying.
    pub fn log(&self, line: impl Into<String>) {
        self.state().log(line.into());
    }

    /// Ends the turn: the flow cannot go on, and why.
    pub fn fail(&self, why: impl Into<String>) {
        self.state().stop(End::Failed(why.into()));
    }
}

/// An operation that is complete as soon as it is polled. A turn that has stopped never completes it.
pub struct Now<T>(Option<Box<dyn FnOnce() -> Option<T>>>);

impl<T> Now<T> {
    fn new(operation: impl FnOnce() -> Option<T> + 'static) -> Now<T> {
        Now(Some(Box::new(operation)))
    }
}

impl<T> Unpin for Now<T> {}

impl<T> Future for Now<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<T> {
        match self.0.take().and_then(|operation| operation()) {
            Some(value) => Poll::Ready(value),
            None => Poll::Pending,
        }
    }
}

/// A wait. Begins when it is first polled; dropping it before its end is journaled.
pub struct Wait {
    flow: Flow,
    ms: i64,
    source: &'static Location<'static>,
    op: Option<u64>,
    over: bool,
}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let flow = self.flow.clone();
        let mut state = flow.state();
        let op = match self.op {
            Some(op) => op,
            None => {
                let Some(op) = state.number() else { return Poll::Pending };
                self.op = Some(op);
                state.begin(Pending {
                    op,
                    kind: OpKind::Wait,
                    identity: identity(OpKind::Wait, &[]),
                    waits: Waits::Duration { ms: self.ms },
                    source: place(self.source),
                });
                op
            }
        };
        if self.over || state.poll_pending(op, context.waker()) {
            self.over = true;
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let (Some(op), false) = (self.op, self.over) {
            self.flow.state().drop_pending(op);
        }
    }
}
