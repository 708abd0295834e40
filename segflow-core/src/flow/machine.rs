//! The state of one turn and the loop that polls it.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::Location;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use segflow_protocol::{
    Completion, Cut, Divergence, Effect, End, Entry, Happened, Json, MAX_OPS_PER_TURN, OpKind, Pending, Turn,
    TurnOutcome, Waits,
};

use super::Flow;
use crate::ids;
use crate::merge::{Object, apply_delta, delta};

/// What a flow is given besides its turn.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// What an earlier run handed on.
    pub state: Option<Json>,
    /// What all randomness is, in tests.
    pub random: Option<u64>,
}

/// Replays a flow and runs it on to where it waits, ends, fails or diverges.
pub fn run<F: Future<Output = ()>>(turn: Turn, given: Given, start: impl FnOnce(Flow) -> F) -> TurnOutcome {
    let flow = match State::new(turn, given) {
        Ok(state) => Flow::new(state),
        Err(end) => {
            return TurnOutcome { entries: vec![], effects: vec![], pending: vec![], next_op: 0, end, logs: vec![] };
        }
    };
    let end = {
        let mut future = pin!(start(flow.clone()));
        let end = drive(&flow, |context| future.as_mut().poll(context));
        // What is dropped from here on was not dropped by the flow.
        flow.state().closing = true;
        end
    };
    let mut state = flow.state();
    let stopped = matches!(end, End::Failed(_) | End::Diverged(_));
    TurnOutcome {
        // A turn that stops half-way decides nothing.
        entries: if stopped { vec![] } else { std::mem::take(&mut state.fresh) },
        effects: if stopped { vec![] } else { std::mem::take(&mut state.effects) },
        pending: if end == End::Waiting { state.open().map(PendingOp::what).collect() } else { vec![] },
        next_op: state.next_op,
        end,
        logs: std::mem::take(&mut state.logs),
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn drive(flow: &Flow, mut poll: impl FnMut(&mut Context<'_>) -> Poll<()>) -> End {
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(woken.clone());
    let mut context = Context::from_waker(&waker);
    loop {
        woken.0.store(false, Ordering::Relaxed);
        let polled = poll(&mut context);
        let mut state = flow.state();
        if let Some(end) = state.stopped.take() {
            return end;
        }
        if polled.is_ready() {
            return match state.live {
                true => End::Done,
                false => End::Diverged(state.divergence("the end of the flow".into(), String::new())),
            };
        }
        // A future that woke itself wants to be polled again before anything else happens.
        if woken.0.load(Ordering::Relaxed) {
            continue;
        }
        match state.deliver_next() {
            Ok(true) => {}
            Ok(false) if state.open().next().is_none() => {
                return End::Failed(
                    "the flow awaits something that is not an operation of its flow, and would never wake".into(),
                );
            }
            Ok(false) => return End::Waiting,
            Err(end) => return end,
        }
    }
}

pub(super) struct State {
    turn: Turn,
    given: Given,
    /// The next entry of the journal that the flow has not seen, and where the one after it stands. Each is read when its turn comes.
    unread: Option<Entry>,
    next: Cut,
    /// Whether the flow is past all that earlier turns saw. The journal's end is not yet there: what follows its last entry, up to
    /// where the last turn waited, has been done before too.
    live: bool,
    completions: VecDeque<Completion>,
    pub(super) now: i64,
    next_op: u64,
    /// The operation that has sent a message last.
    pub(super) sent: Option<u64>,
    ops: usize,
    /// In the order of their numbers. Few at a time, and a journal's worth of them one after the other.
    pending: Vec<PendingOp>,
    fresh: Vec<Entry>,
    effects: Vec<Effect>,
    logs: Vec<String>,
    /// The user's attributes as of this turn, with what this turn has changed.
    attributes: Object,
    /// The user as the flow last read it.
    snapshot: Rc<Object>,
    /// Counts the readings that brought something new.
    pub(super) reading: u64,
    stopped: Option<End>,
    closing: bool,
}

struct PendingOp {
    begun: Begun,
    /// What came of it, until the flow looks at it.
    over: Option<Happened>,
    waker: Option<Waker>,
}

impl PendingOp {
    fn what(&self) -> Pending {
        let Begun { op, kind, identity, waits, source } = &self.begun;
        let waits = match waits {
            Lazy::Duration(ms) => Waits::Duration { ms: *ms },
            Lazy::Made(make) => make(),
        };
        Pending { op: *op, kind: *kind, identity: *identity, waits, source: place(source) }
    }
}

/// An operation that stays pending. What it waits for is put into words only if it does to the end of the turn: nearly all of them are
/// of the past.
pub(super) struct Begun {
    pub op: u64,
    pub kind: OpKind,
    pub identity: u32,
    pub waits: Lazy,
    pub source: &'static Location<'static>,
}

pub(super) enum Lazy {
    /// The most frequent one by far, without an allocation.
    Duration(i64),
    Made(Box<dyn Fn() -> Waits>),
}

impl State {
    fn new(mut turn: Turn, given: Given) -> Result<State, End> {
        let attributes = turn.attributes.read().map_err(|e| End::Failed(format!("the user's attributes: {e}")))?;
        let (unread, next) = turn.journal.entry(Cut::default()).unzip();
        if unread.is_none() && !turn.journal.is_empty() {
            return Err(End::Failed("its journal cannot be read".into()));
        }
        Ok(State {
            unread,
            next: next.unwrap_or_default(),
            live: turn.journal.is_empty() && turn.completions.is_empty(),
            completions: std::mem::take(&mut turn.completions).into(),
            now: turn.started_at,
            next_op: turn.first_op,
            sent: None,
            ops: 0,
            pending: vec![],
            fresh: vec![],
            effects: vec![],
            logs: vec![],
            attributes,
            snapshot: Rc::default(),
            reading: 0,
            stopped: None,
            closing: false,
            given,
            turn,
        })
    }

    /// Goes on to the next entry; the one before.
    fn take(&mut self) -> Option<Entry> {
        let (unread, next) = self.turn.journal.entry(self.next).unzip();
        if let Some(next) = next {
            self.next = next;
        }
        std::mem::replace(&mut self.unread, unread)
    }

    /// How much of the journal has been replayed.
    fn replayed(&self) -> usize {
        self.next.entries - usize::from(self.unread.is_some())
    }

    /// What the flow has begun and nothing has come of yet.
    fn open(&self) -> impl Iterator<Item = &PendingOp> {
        self.pending.iter().filter(|p| p.over.is_none())
    }

    pub(super) fn stop(&mut self, end: End) {
        self.stopped.get_or_insert(end);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    pub(super) fn log(&mut self, line: String) {
        if self.live && self.logs.len() < MAX_OPS_PER_TURN {
            self.logs.push(line);
        }
    }

    fn divergence(&self, got: String, source: String) -> Divergence {
        let expected = match &self.unread {
            Some(entry) => {
                let what = if entry.happened == Happened::Cancelled { "the dropping of" } else { "" };
                format!("{what} {} (operation {})", entry.kind.name(), entry.op).trim_start().to_string()
            }
            None => "nothing more before it waits".into(),
        };
        Divergence { entry: self.replayed() as u64, expected, got, source }
    }

    fn diverge(&mut self, got: String, source: String) {
        let divergence = self.divergence(got, source);
        self.stop(End::Diverged(divergence));
    }

    /// The number of a new operation; `None` when the turn has stopped.
    pub(super) fn number(&mut self) -> Option<u64> {
        if self.is_stopped() {
            return None;
        }
        if self.live {
            self.ops += 1;
            if self.ops > MAX_OPS_PER_TURN {
                self.stop(End::Failed(format!(
                    "{MAX_OPS_PER_TURN} operations without waiting: a loop needs a `flow.wait(…).await` in it"
                )));
                return None;
            }
        }
        self.next_op += 1;
        Some(self.next_op - 1)
    }

    /// An operation that is complete at once: from the journal, or by `live`. `None` when the turn has stopped.
    pub(super) fn at_once(
        &mut self,
        kind: OpKind,
        identity: u32,
        name: impl Fn() -> String,
        source: &Location<'_>,
        live: impl FnOnce(&mut State, u64) -> Happened,
    ) -> Option<Happened> {
        let op = self.number()?;
        if let Some(entry) = &self.unread {
            if (entry.op, entry.kind, entry.identity) != (op, kind, identity) || entry.happened == Happened::Cancelled {
                let other = if (entry.op, entry.kind) == (op, kind) { "a different " } else { "" };
                self.diverge(format!("{other}{} (operation {op})", name()), place(source));
                return None;
            }
            return self.take().map(|entry| entry.happened);
        }
        if !self.live {
            self.diverge(format!("{} (operation {op})", name()), place(source));
            return None;
        }
        let happened = live(self, op);
        self.fresh.push(Entry { op, kind, identity, happened: happened.clone() });
        Some(happened)
    }

    /// Which message was sent last: the run that has sent it, and its operation there.
    pub(super) fn last_sent(&self) -> Option<(u64, u64)> {
        self.sent.map(|op| (self.turn.seed, op))
    }

    /// The number of the operation before the next.
    pub(super) fn last_op(&self) -> u64 {
        self.next_op.saturating_sub(1)
    }

    pub(super) fn begin(&mut self, begun: Begun) {
        self.pending.push(PendingOp { begun, over: None, waker: None });
    }

    fn index(&self, op: u64) -> Option<usize> {
        self.pending.iter().position(|p| p.begun.op == op)
    }

    /// What came of a pending operation, once; if nothing has yet, `waker` is called when it does.
    pub(super) fn poll_pending(&mut self, op: u64, waker: &Waker) -> Option<Happened> {
        let index = self.index(op)?;
        let pending = &mut self.pending[index];
        match pending.over.take() {
            Some(happened) => {
                self.pending.remove(index);
                Some(happened)
            }
            None => {
                pending.waker = Some(waker.clone());
                None
            }
        }
    }

    /// The flow dropped an operation that it had begun.
    pub(super) fn drop_pending(&mut self, op: u64) {
        if self.closing || self.is_stopped() {
            return;
        }
        // A completion that was delivered but not looked at has its entry already.
        let Some(index) = self.index(op) else { return };
        let PendingOp { begun, over: None, .. } = self.pending.remove(index) else { return };
        let Begun { kind, identity, source, .. } = begun;
        let cancelled = Entry { op, kind, identity, happened: Happened::Cancelled };
        match &self.unread {
            Some(entry) if *entry == cancelled => drop(self.take()),
            None if self.live => self.fresh.push(cancelled),
            _ => self.diverge(format!("the dropping of {} (operation {op})", kind.name()), place(source)),
        }
    }

    /// Completes the next pending operation, from the journal while there is one, then from the news. `false`: there is none.
    fn deliver_next(&mut self) -> Result<bool, End> {
        if let Some(entry) = &self.unread {
            let wanted = (entry.op, entry.kind, entry.identity);
            let fits = self.open().any(|p| (p.begun.op, p.begun.kind, p.begun.identity) == wanted);
            if !fits || entry.happened == Happened::Cancelled {
                let (got, source) = match self.open().next() {
                    Some(p) => (format!("{} (operation {})", p.begun.kind.name(), p.begun.op), place(p.begun.source)),
                    None => ("nothing".into(), String::new()),
                };
                return Err(End::Diverged(self.divergence(got, source)));
            }
            if let Some(Entry { op, happened, .. }) = self.take() {
                self.complete(op, happened);
            }
            return Ok(true);
        }
        while let Some(Completion { op, happened }) = self.completions.pop_front() {
            self.live = true;
            // One that an earlier completion made the flow drop is no news any more.
            let Some(pending) = self.open().find(|p| p.begun.op == op) else { continue };
            let (kind, identity) = (pending.begun.kind, pending.begun.identity);
            self.complete(op, happened.clone());
            self.fresh.push(Entry { op, kind, identity, happened });
            return Ok(true);
        }
        Ok(false)
    }

    fn complete(&mut self, op: u64, happened: Happened) {
        if let Happened::Elapsed { at } | Happened::Came { at, .. } = &happened {
            self.now = *at;
        }
        let index = self.index(op).expect("looked up by the caller");
        let pending = &mut self.pending[index];
        pending.over = Some(happened);
        if let Some(waker) = pending.waker.take() {
            waker.wake();
        }
    }

    pub(super) fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    pub(super) fn patch(&mut self, patch: &Object) {
        crate::merge::merge(&mut self.attributes, patch);
    }

    /// A live reading: what changed since the last one.
    pub(super) fn read_user(&mut self) -> Happened {
        Happened::Read(delta(&self.snapshot, &self.attributes))
    }

    /// Makes a reading the flow's view of the user.
    pub(super) fn see(&mut self, happened: &Happened) -> Rc<Object> {
        if let Happened::Read(Some(delta)) = happened {
            let mut next = (*self.snapshot).clone();
            match apply_delta(&mut next, delta) {
                Ok(()) => {
                    self.snapshot = Rc::new(next);
                    self.reading += 1;
                }
                Err(e) => self.stop(End::Failed(format!("the journal's reading of the user is not JSON: {e}"))),
            }
        }
        self.snapshot.clone()
    }

    /// The random number of an operation.
    pub(super) fn random(&self, op: u64) -> u64 {
        self.given.random.unwrap_or_else(|| ids::random(self.turn.seed, op))
    }

    pub(super) fn handed_on(&self) -> Option<&Json> {
        self.given.state.as_ref()
    }

    /// The flow ends its run here, which it must not do where the journal goes on.
    pub(super) fn finish(&mut self, end: End, name: &str, source: &Location<'_>) {
        if self.live && self.unread.is_none() {
            self.stop(end);
        } else {
            self.diverge(name.to_string(), place(source));
        }
    }

    pub(super) fn user_id(&self) -> &str {
        &self.turn.user_id
    }
}

pub(super) fn place(source: &Location<'_>) -> String {
    format!("{}:{}", source.file(), source.line())
}
