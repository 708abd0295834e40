//! A second opinion about every enrollment: its program as the model walks it, and what it waits for, matched with the history of
//! the user's facts as committed. Facts have positions: the first is 0, and a wait that begins at position 3 may be ended by the
//! fact at 3 and those after it.

use std::collections::{BTreeMap, BTreeSet};

use segflow_core::enrollment::{Enrollment, Status};
use segflow_core::merge::Object;
use segflow_core::protocol::{Effect, End, Entry, Happened, Json};
use segflow_core::step::What;
use serde_json::Value;

use crate::calendar;
use crate::invariants::{equal, holds};
use crate::model::{Done, Walk};
use crate::plugin::Traced;
use crate::program::{Block, Wait};

/// A fact as it was taken up.
#[derive(Debug)]
pub struct Heard {
    pub what: What,
    /// When it was reported, ms UTC.
    pub at: i64,
    pub historical: bool,
}

/// An enrollment as it should be.
pub struct Run {
    pub program: Block,
    /// Since its first turn.
    pub walk: Option<Walk>,
    pub first_op: u64,
    since: i64,
    state: Option<Json>,
    open: BTreeMap<u64, Open>,
    entries: usize,
    /// How its program has ended.
    pub end: Option<End>,
}

/// An operation that has begun.
#[derive(Debug)]
struct Open {
    wait: Wait,
    begun: i64,
    /// What may come of it has this position at least.
    from: usize,
    due: Option<i64>,
}

/// When something was over: before the fact of this position, and when by the clock.
type Moment = (usize, i64);

/// What a step works on.
pub struct Taken<'a> {
    pub history: &'a [Heard],
    /// Where this step's facts begin.
    pub from: usize,
    pub now: i64,
    /// Whether it was there before the step: one that enters waits for later facts only.
    pub is_old: bool,
    pub turns: Vec<&'a Traced>,
    /// The goals that end it.
    pub goals: BTreeSet<String>,
    /// Whether a question may be answered with that.
    pub answers: &'a dyn Fn(&Enrollment, &Wait, &Value) -> bool,
}

/// What an enrollment did in a step.
#[derive(Default)]
pub struct Did {
    pub effects: Vec<Effect>,
    pub logs: Vec<String>,
    pub entries: Vec<Entry>,
    pub begun: Vec<(u64, Wait)>,
    pub taken: Vec<(Wait, bool)>,
    pub dropped: Vec<(u64, Wait)>,
    pub agains: u32,
}

impl Run {
    pub fn new(program: Block, since: i64) -> Run {
        let open = BTreeMap::new();
        Run { program, walk: None, first_op: 0, since, state: None, open, entries: 0, end: None }
    }

    /// Begins anew.
    pub fn restart(&mut self, program: Block, next_op: u64, now: i64) {
        *self = Run { first_op: next_op, ..Run::new(program, now) };
    }

    /// Whether another program would be where this one is; then it goes on with that.
    pub fn migrate(&mut self, program: &Block, enrollment: &Enrollment) -> bool {
        let Some(old) = &self.walk else {
            self.program = program.clone();
            return true;
        };
        let seed = segflow_core::ids::seed(&enrollment.id);
        let walk = Walk::new(program, seed, self.first_op, self.since, self.state.as_ref()).follow(&enrollment.journal);
        let kinds = |walk: &Walk| -> Vec<_> { walk.open.iter().map(|(op, w)| (*op, w.kind(), w.identity())).collect() };
        match walk.filter(|new| new.next_op == old.next_op && kinds(new) == kinds(old)) {
            Some(walk) => {
                (self.walk, self.program) = (Some(walk), program.clone());
                true
            }
            None => false,
        }
    }

    /// What ended an operation, if a fact did: its position and the fact.
    fn arrival<'a>(&self, id: &str, op: u64, history: &'a [Heard]) -> Option<(usize, i64, Value)> {
        let Open { wait, from, due, .. } = &self.open[&op];
        let value = |heard: &'a Heard| match (&heard.what, wait) {
            _ if heard.historical || due.is_some_and(|due| due <= heard.at) => None,
            (What::Event { name, attributes, .. }, Wait::Event { name: wanted, least, .. }) => {
                let enough = least.is_none_or(|least| attributes.get("v").and_then(Value::as_i64) >= Some(least));
                (name == wanted && enough).then(|| Value::Object(attributes.clone()))
            }
            (What::Answer { enrollment, op: of, value }, Wait::Webhook(_) | Wait::Task(_)) => {
                (enrollment == id && *of == op).then(|| value.read().expect("JSON"))
            }
            _ => None,
        };
        let mut later = history.iter().enumerate().skip(*from);
        later.find_map(|(index, heard)| Some((index, heard.at, value(heard)?)))
    }

    /// When an operation is over, if anything yet says so.
    fn moment(&self, id: &str, op: u64, taken: &Taken<'_>) -> Option<Moment> {
        let open = &self.open[&op];
        let position = match (self.arrival(id, op, taken.history), open.due) {
            (Some((index, at, _)), _) => (index + 1, at),
            (None, Some(due)) => (taken.elapsed(due), due),
            (None, None) if open.wait.is_ask() => (open.from, open.begun),
            (None, None) => return None,
        };
        Some((position.0.max(open.from).max(taken.from), position.1))
    }

    /// A step took these turns; `new` is the enrollment as committed.
    pub fn stepped(&mut self, new: &Enrollment, was: Status, taken: &Taken<'_>) -> Did {
        let mut did = Did::default();
        // One that enters has all of this step's facts behind it.
        let mut moment: Moment = (if taken.is_old { taken.from } else { taken.history.len() }, i64::MIN);
        // A turn that begins nothing, though something has begun, is a rehearsal for a push.
        let mut turns = taken.turns.iter().filter(|t| t.entries_before == 0 || !t.completions.is_empty()).peekable();
        while let Some(turn) = turns.next() {
            let first = self.walk.is_none();
            if turn.completions.is_empty() && !first {
                continue;
            }
            let story = || format!("{turn:?}\n  of {new:?}");
            holds(self.end.is_none(), "what has ended does not move", story);
            equal(&turn.entries_before, &self.entries, "a turn goes on where one has ended");
            let begins = (turn.first_op, turn.since, &turn.state, turn.now);
            equal(&begins, &(self.first_op, self.since, &self.state, taken.now), "a turn goes on where one has ended");
            let fresh = || Walk::new(&self.program, turn.seed, self.first_op, self.since, self.state.as_ref());
            let mut walk = self.walk.clone().unwrap_or_else(fresh);
            let attributes: Object = turn.attributes.read().expect("attributes are JSON");
            let zone = attributes.get("tz").and_then(Value::as_str).map(str::to_string);
            let (done, end) = walk.turn(first, &turn.completions, attributes);
            // Whoever is parked may still be made to leave by another flow of this step.
            let parked = new.status == Status::Parked && was != Status::Parked;
            let left = new.status == Status::Exited && (new.next_op < walk.next_op || matches!(end, End::Failed(_)));
            let refused = turns.peek().is_none() && (parked || left);
            if let End::Failed(why) = &end {
                let failed = matches!(&turn.outcome.end, End::Failed(got) if got.starts_with(why.as_str()));
                let nothing = turn.outcome.effects.is_empty() && turn.outcome.entries.is_empty();
                holds(failed && nothing && refused, "a turn that fails decides nothing, and parks", story);
                break;
            }
            let agrees = walk.agrees(&done, &end, &turn.outcome);
            holds(agrees.is_ok(), "a turn is what the program says", || format!("{agrees:?}\n  {}", story()));
            if refused && !new.reason.as_deref().is_some_and(|why| why.contains("questions")) {
                break;
            }
            if first {
                moment.0 = moment.0.max(taken.elapsed(self.since));
            }
            self.match_up(new, &done, turn, taken, zone.as_deref(), &mut moment, &mut did);
            // What comes after a goal that ends it does not happen.
            let goal =
                done.effects.iter().find(|e| matches!(e, Effect::Goal { name, .. } if taken.goals.contains(name)));
            let last = goal.map(Effect::op);
            let happens = |effect: &&Effect| last.is_none_or(|last| effect.op() <= last);
            did.effects.extend(done.effects.iter().filter(happens).cloned());
            did.logs.extend(done.logs.iter().cloned());
            let entries = last.and_then(|last| done.entries.iter().position(|entry| entry.op == last));
            let entries = entries.map_or(done.entries.len(), |last| last + 1);
            did.entries.extend(done.entries[..entries].iter().cloned());
            self.entries += entries;
            self.walk = Some(walk);
            match end {
                End::Waiting => {
                    // One that has reached a goal of its own is not asked any more.
                    let gone = new.status == Status::Exited && turns.peek().is_none();
                    let begun = done
                        .began
                        .iter()
                        .filter(|(_, op, wait)| self.open.contains_key(op) && !(gone && wait.is_ask()));
                    did.begun.extend(begun.map(|(_, op, wait)| (*op, wait.clone())));
                }
                End::Again(state) => {
                    let next_op = self.walk.as_ref().map_or(0, |walk| walk.next_op);
                    self.restart(self.program.clone(), next_op, taken.now);
                    self.state = Some(state);
                    did.agains += 1;
                    did.entries.clear();
                }
                end => {
                    self.open.clear();
                    self.end = Some(end);
                }
            }
        }
        did
    }

    /// What has come, in its order, and what begins because of it.
    #[expect(clippy::too_many_arguments, reason = "a turn has so many sides")]
    fn match_up(
        &mut self,
        new: &Enrollment,
        done: &Done,
        turn: &Traced,
        taken: &Taken<'_>,
        zone: Option<&str>,
        moment: &mut Moment,
        did: &mut Did,
    ) {
        for cause in 0..=done.taken.len() {
            let by = cause.checked_sub(1).map(|index| done.taken[index]);
            if let Some(op) = by {
                let next = self.came(new, op, turn, taken);
                holds(next >= *moment, "what comes first is taken up first", || {
                    format!("{next:?} after {moment:?}: operation {op} of {new:?}")
                });
                *moment = next;
            }
            for (_, op, wait) in done.began.iter().filter(|(c, ..)| *c == cause) {
                let due = due(wait, zone, taken.now);
                let open = Open { wait: wait.clone(), begun: taken.now, from: moment.0, due };
                self.open.insert(*op, open);
            }
            let by_ask = by.is_some_and(|op| self.open[&op].wait.is_ask());
            for (_, op) in done.dropped.iter().filter(|(c, _)| *c == cause) {
                if let (Some(by), Some(over)) = (by, self.moment(&new.id, *op, taken)) {
                    let order = over.cmp(moment).then(if by_ask { std::cmp::Ordering::Equal } else { op.cmp(&by) });
                    // What an earlier turn of this step has asked is answered before anything else.
                    let late = !by_ask && did.begun.iter().any(|(asked, wait)| asked == op && wait.is_ask());
                    holds(order.is_ge() && !late, "what comes first wins", || {
                        format!("operation {op} at {over:?} was dropped for {by} at {moment:?}: {new:?}")
                    });
                }
                let open = self.open.remove(op).expect("it has begun");
                did.dropped.push((*op, open.wait));
            }
            if let Some(op) = by {
                let open = self.open.remove(&op).expect("it was there for `came`");
                let came = turn.completions.iter().any(|c| c.op == op && matches!(c.happened, Happened::Came { .. }));
                did.taken.push((open.wait, came));
            }
        }
    }

    /// An operation was taken up: rightly?
    fn came(&self, new: &Enrollment, op: u64, turn: &Traced, taken: &Taken<'_>) -> Moment {
        let open = &self.open[&op];
        let completion = turn.completions.iter().find(|c| c.op == op).expect("the model takes up what it is told");
        let arrival = self.arrival(&new.id, op, taken.history);
        let story =
            || format!("operation {op}, {open:?}, {arrival:?} in {:?}\n  {completion:?}: {new:?}", taken.history);
        match &completion.happened {
            Happened::Elapsed { at } => {
                let over = open.due.is_some_and(|due| due <= taken.now) && *at == taken.now;
                holds(over, "nothing wakes early", story);
                holds(arrival.is_none(), "what came in time wins over a timeout", story);
            }
            Happened::Came { at, value } if open.wait.is_ask() => {
                let value = value.read().expect("JSON");
                let right = *at == taken.now && (open.begun < taken.now || (taken.answers)(new, &open.wait, &value));
                holds(right, "a question is answered from the user's facts", story);
            }
            Happened::Came { at, value } => {
                let value: Value = value.read().expect("JSON");
                let right = *at == taken.now && arrival.as_ref().is_some_and(|(_, _, first)| *first == value);
                holds(right, "a wait ends with the first later fact that fits", story);
            }
            other => panic!("{other:?} is no completion"),
        }
        self.moment(&new.id, op, taken).expect("it is over")
    }

    /// After a step, or after somebody in charge has changed it: the enrollment is as it should be.
    pub fn check(&self, new: &Enrollment, history: &[Heard], now: i64, rests: bool) {
        let story = || format!("at {now}: {new:?}");
        let is = (new.first_op, new.since, &new.state, new.journal.len());
        equal(&is, &(self.first_op, self.since, &self.state, self.entries), "a journal begins where it should");
        let next_op = self.walk.as_ref().map_or(self.first_op, |walk| walk.next_op);
        holds(new.next_op == next_op, "operations are numbered without a gap", story);
        if !new.status.is_live() {
            return holds(new.pending.is_empty(), "what has ended waits for nothing", story);
        }
        holds(self.end.is_none(), "what has ended does not move", story);
        equal(&new.pending.len(), &self.open.len(), "it waits for what the program says");
        for waiting in &new.pending {
            let Some(open) = self.open.get(&waiting.what.op) else { panic!("nobody began {waiting:?}: {}", story()) };
            let is = (waiting.what.kind, waiting.what.identity, &waiting.what.waits, waiting.begun, waiting.due);
            let should = (open.wait.kind(), open.wait.identity(), &open.wait.waits(), open.begun, open.due);
            equal(&is, &should, "a wait is what it was when it began");
            let arrival = self.arrival(&new.id, waiting.what.op, history);
            let came = waiting.came.as_ref();
            if open.wait.is_ask() {
                // It stays when the turn that took up the answer has failed.
                holds(came.is_some() && !rests, "a question is answered at once", story);
                continue;
            }
            let is = came.map(|came| (came.at, came.value.read().expect("JSON")));
            let should = arrival.map(|(_, at, value)| (at, value));
            holds(is == should, "what came is kept until it is taken up", || {
                format!("is {is:?}, should be {should:?} for {open:?} in {history:?} {}", story())
            });
        }
    }

    /// Nothing is left to take up at `now`.
    pub fn at_rest(&self, new: &Enrollment, now: i64) {
        for waiting in &new.pending {
            let open = &self.open[&waiting.what.op];
            let rests = waiting.came.is_none() && open.due.is_none_or(|due| due > now);
            holds(rests, "what has come is taken up", || format!("{waiting:?} at {now}: {new:?}"));
        }
    }

    /// Webhooks and tasks that it waits for.
    pub fn jobs(&self) -> impl Iterator<Item = (u64, &Wait)> {
        self.open.iter().filter(|(_, open)| open.wait.is_job()).map(|(op, open)| (*op, &open.wait))
    }

    pub fn leave(&mut self, why: &str) {
        self.open.clear();
        self.end = Some(End::Exited(why.into()));
    }
}

impl Taken<'_> {
    /// Before which fact an instant lies.
    fn elapsed(&self, due: i64) -> usize {
        self.history.len() - self.history[self.from..].iter().rev().take_while(|heard| heard.at >= due).count()
    }
}

fn due(wait: &Wait, zone: Option<&str>, now: i64) -> Option<i64> {
    match wait {
        Wait::Time(ms) => Some(now + ms.max(&0)),
        Wait::At(at) => Some(*at.max(&now)),
        Wait::Local(rule) => Some(calendar::next(rule, zone, now)),
        Wait::Event { within, .. } => within.map(|ms| now + ms.max(0)),
        _ => None,
    }
}
