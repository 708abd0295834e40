//! The operations of a flow, untyped. The SDK wraps them in the types of a project.

use std::cell::{RefCell, RefMut};
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use segflow_protocol::{Ask, Effect, End, Happened, Json, OpKind, Task, Waits, Webhook, identity};

use super::machine::{Begun, Lazy, State};
use crate::merge::Object;

/// A template by its id. What makes it a step of its own is worked out once, where it is declared, and not at each replay.
#[derive(Debug, Clone, Copy)]
pub struct Template {
    pub id: &'static str,
    identity: u32,
}

impl Template {
    pub const fn new(id: &'static str) -> Template {
        Template { id, identity: identity(OpKind::Send, &[id]) }
    }
}

impl From<&'static str> for Template {
    fn from(id: &'static str) -> Template {
        Template::new(id)
    }
}

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

    /// Decides a message. Its arguments are written only when it is decided, not when it is replayed; an error ends the turn.
    #[track_caller]
    pub fn send<T: Into<Template>, A: FnOnce() -> Result<Json, String>>(
        &self,
        template: T,
        args: A,
    ) -> Now<impl FnOnce() -> Option<()> + use<T, A>> {
        let Template { id, identity } = template.into();
        let (flow, source) = (self.clone(), Location::caller());
        Now::new(move || {
            let mut state = flow.state();
            let name = || format!("send {id}");
            state.at_once(OpKind::Send, identity, name, source, |state, op| {
                match args() {
                    Ok(args) => state.effect(Effect::Send { op, template: id.to_string(), args }),
                    Err(why) => state.stop(End::Failed(why)),
                }
                Happened::Sent
            })?;
            state.sent = Some(state.last_op());
            Some(())
        })
    }

    /// Reads the user as of this turn. The number changes when the reading does.
    #[track_caller]
    pub fn user(&self) -> Now<impl FnOnce() -> Option<(u64, Rc<Object>)> + use<>> {
        let (flow, source) = (self.clone(), Location::caller());
        Now::new(move || {
            let mut state = flow.state();
            let happened = state.at_once(
                OpKind::User,
                identity(OpKind::User, &[]),
                || "user".into(),
                source,
                |state, _| state.read_user(),
            )?;
            let user = state.see(&happened);
            Some((state.reading, user))
        })
    }

    /// Merges a patch (RFC 7396) into the user's attributes.
    #[track_caller]
    pub fn update(&self, patch: Object) -> Now<impl FnOnce() -> Option<()> + use<>> {
        let (flow, source) = (self.clone(), Location::caller());
        Now::new(move || {
            let keys: Vec<&str> = patch.keys().map(String::as_str).collect();
            let name = || format!("update {}", keys.join(", "));
            let mut state = flow.state();
            state.at_once(OpKind::Update, identity(OpKind::Update, &keys), name, source, |state, op| {
                state.patch(&patch);
                let patch = Json(serde_json::Value::Object(patch.clone()).to_string());
                state.effect(Effect::Update { op, patch });
                Happened::Updated
            })?;
            Some(())
        })
    }

    /// An event happens to the user.
    #[track_caller]
    pub fn emit(&self, name: &str, attributes: Json) -> Now<impl FnOnce() -> Option<()> + use<>> {
        let name = name.to_string();
        self.told(OpKind::Emit, name.clone(), move |op| Effect::Emit { op, name, attributes })
    }

    /// The user enters another campaign.
    #[track_caller]
    pub fn start(&self, campaign: &str) -> Now<impl FnOnce() -> Option<()> + use<>> {
        let campaign = campaign.to_string();
        self.told(OpKind::Start, campaign.clone(), move |op| Effect::Start { op, campaign })
    }

    /// The user leaves another campaign.
    #[track_caller]
    pub fn stop(&self, campaign: &str) -> Now<impl FnOnce() -> Option<()> + use<>> {
        let campaign = campaign.to_string();
        self.told(OpKind::Stop, campaign.clone(), move |op| Effect::Stop { op, campaign })
    }

    /// A goal is reached.
    #[track_caller]
    pub fn goal(&self, name: &str) -> Now<impl FnOnce() -> Option<()> + use<>> {
        let name = name.to_string();
        self.told(OpKind::Goal, name.clone(), move |op| Effect::Goal { op, name })
    }

    /// An operation that is an effect and returns nothing; `what` makes it this step and no other.
    #[track_caller]
    fn told<E: FnOnce(u64) -> Effect>(
        &self,
        kind: OpKind,
        what: String,
        effect: E,
    ) -> Now<impl FnOnce() -> Option<()> + use<E>> {
        let (flow, source) = (self.clone(), Location::caller());
        Now::new(move || {
            let name = || format!("{} {what}", kind.name());
            let mut state = flow.state();
            state.at_once(kind, identity(kind, &[&what]), name, source, |state, op| {
                state.effect(effect(op));
                Happened::Done
            })?;
            Some(())
        })
    }

    /// Waits for a number of milliseconds.
    #[track_caller]
    pub fn wait(&self, ms: i64) -> Op {
        const IDENTITY: u32 = identity(OpKind::Wait, &[]);
        self.begin(OpKind::Wait, IDENTITY, Lazy::Duration(ms))
    }

    /// Waits for an instant, or the next of a local calendar.
    #[track_caller]
    pub fn wait_until(&self, until: Waits) -> Op {
        self.op(OpKind::Until, &[], move || until.clone())
    }

    /// Waits for an event whose attributes fulfil a condition, perhaps only for so many milliseconds.
    #[track_caller]
    pub fn wait_for(&self, name: &'static str, filter: impl Fn() -> Option<Json> + 'static, within: Option<i64>) -> Op {
        let waits = move || Waits::Event { name: name.to_string(), filter: filter(), within };
        self.op(OpKind::Event, &[name], waits)
    }

    /// Asks whether the user is in a segment, or for a number over events, or for an arm.
    #[track_caller]
    pub fn ask(&self, ask: Ask) -> Op {
        let (kind, name) = match &ask {
            Ask::Segment { id, .. } => (OpKind::Ask, id.clone()),
            Ask::Number { .. } => (OpKind::Ask, String::new()),
            Ask::Arm { name, .. } => (OpKind::Choose, name.clone()),
        };
        self.op(kind, &[&name], move || Waits::Ask(ask.clone()))
    }

    /// Sends an HTTP request and waits for the answer.
    #[track_caller]
    pub fn webhook(&self, request: Webhook) -> Op {
        // Without what varies: a query often carries values.
        let url = request.url.split(['?', '#']).next().unwrap_or_default().to_string();
        self.op(OpKind::Webhook, &[&request.method.clone(), &url], move || Waits::Webhook(request.clone()))
    }

    /// Asks a person to do something and waits until it is done.
    #[track_caller]
    pub fn task(&self, task: Task) -> Op {
        self.op(OpKind::Task, &[], move || Waits::Task(task.clone()))
    }

    #[track_caller]
    fn op(&self, kind: OpKind, stable: &[&str], waits: impl Fn() -> Waits + 'static) -> Op {
        self.begin(kind, identity(kind, stable), Lazy::Made(Box::new(waits)))
    }

    #[track_caller]
    fn begin(&self, kind: OpKind, identity: u32, waits: Lazy) -> Op {
        let begun = Begun { op: 0, kind, identity, waits, source: Location::caller() };
        Op { flow: self.clone(), begin: Some(begun), op: None, over: None }
    }

    /// Ends the flow.
    #[track_caller]
    pub fn exit(&self, reason: &str) -> Never {
        self.end(End::Exited(reason.to_string()), "exit", Location::caller())
    }

    /// Begins the flow anew, with an empty journal and this state.
    #[track_caller]
    pub fn again(&self, state: Json) -> Never {
        self.end(End::Again(state), "continue_as_new", Location::caller())
    }

    fn end(&self, end: End, name: &'static str, source: &'static Location<'static>) -> Never {
        let flow = self.clone();
        Never(Some(Box::new(move || flow.state().finish(end, name, source))))
    }

    /// What an earlier run of this flow handed on.
    pub fn handed_on(&self) -> Option<Json> {
        self.state().handed_on().cloned()
    }

    /// The instant of this turn, ms UTC; the same on every replay.
    pub fn now(&self) -> i64 {
        self.state().now
    }

    /// A random number, the same on every replay.
    pub fn random(&self) -> u64 {
        let mut state = self.state();
        state.number().map_or(0, |op| state.random(op))
    }

    /// The message that the flow has sent last, since it began: what its run is known by ([`ids::run`](crate::ids::run)), and the operation.
    pub fn last_sent(&self) -> Option<(String, u64)> {
        self.state().last_sent().map(|(seed, op)| (crate::ids::run(seed), op))
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
pub struct Now<F>(Option<F>);

impl<F> Now<F> {
    fn new(operation: F) -> Now<F> {
        Now(Some(operation))
    }
}

impl<F> Unpin for Now<F> {}

impl<T, F: FnOnce() -> Option<T>> Future for Now<F> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<T> {
        match self.0.take().and_then(|operation| operation()) {
            Some(value) => Poll::Ready(value),
            None => Poll::Pending,
        }
    }
}

/// An operation that takes time. It begins when it is first polled; dropping it before its end is journaled. It returns what came, or
/// `None` when its time was over.
pub struct Op {
    flow: Flow,
    /// Until it is polled.
    begin: Option<Begun>,
    op: Option<u64>,
    /// What it returned.
    over: Option<Option<Json>>,
}

impl Future for Op {
    type Output = Option<Json>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Json>> {
        let Op { flow, begin, op, over } = self.get_mut();
        let mut state = flow.state();
        if let Some(begun) = begin.take() {
            let Some(number) = state.number() else { return Poll::Pending };
            state.begin(Begun { op: number, ..begun });
            *op = Some(number);
        }
        if over.is_none() {
            *over = op.and_then(|op| state.poll_pending(op, context.waker())).map(|happened| match happened {
                Happened::Came { value, .. } => Some(value),
                _ => None,
            });
        }
        match over {
            Some(returned) => Poll::Ready(returned.clone()),
            None => Poll::Pending,
        }
    }
}

impl Drop for Op {
    fn drop(&mut self) {
        if let (Some(op), None) = (self.op, &self.over) {
            self.flow.state().drop_pending(op);
        }
    }
}

/// Where a flow ends: what awaits it never goes on.
#[must_use = "the flow ends where this is awaited"]
pub struct Never(Option<Box<dyn FnOnce()>>);

impl Future for Never {
    type Output = std::convert::Infallible;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(finish) = self.0.take() {
            finish();
        }
        Poll::Pending
    }
}
