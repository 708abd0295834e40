//! The model of a flow: the same program, walked statement by statement and kept between turns instead of being replayed. It knows
//! neither futures nor wakers, so that it can disagree with the turn machine.

use std::collections::{BTreeMap, VecDeque};

use segflow_core::ids;
use segflow_core::merge::{Object, apply_delta, delta, merge};
use segflow_core::protocol::{
    Completion, Effect, End, Entry, Happened, Journal, Json, MAX_OPS_PER_TURN, OpKind, identity,
};
use serde_json::{Value, json};

use crate::player::{ON_PURPOSE, TRAPPED, even, handed_on, is_yes, message, state, value};
use crate::program::{Block, Change, Stmt, Test, Wait};
use crate::task::{At, Task};

/// A program, half-way.
#[derive(Debug, Clone)]
pub struct Walk {
    root: Task,
    pub next_op: u64,
    /// What has begun and nothing has come of.
    pub open: BTreeMap<u64, Wait>,
    /// What has come, until the program looks at it.
    came: BTreeMap<u64, Value>,
    seed: u64,
    runs: u64,
    seen: Object,
    /// The user as last read, and as of this turn.
    snapshot: Object,
    attributes: Object,
    now: i64,
    stop: Option<Stop>,
    /// A journal to be followed instead of going on.
    follows: Option<VecDeque<Entry>>,
    ops: usize,
    done: Done,
}

#[derive(Debug, Clone, PartialEq)]
enum Stop {
    Failed(&'static str),
    TooMuch,
    Exited(&'static str),
    Again(Json),
    /// The journal it follows goes elsewhere.
    Lost,
}

/// What one turn does. `cause` counts the completions it took up before.
#[derive(Debug, Clone, Default)]
pub struct Done {
    pub entries: Vec<Entry>,
    pub effects: Vec<Effect>,
    pub logs: Vec<String>,
    pub taken: Vec<u64>,
    /// Cause, operation.
    pub began: Vec<(usize, u64, Wait)>,
    pub dropped: Vec<(usize, u64)>,
}

impl Walk {
    pub fn new(program: &Block, seed: u64, first_op: u64, since: i64, from: Option<&Json>) -> Walk {
        let (runs, seen) = state(from);
        Walk {
            root: Task::of(program, 1),
            next_op: first_op,
            open: BTreeMap::new(),
            came: BTreeMap::new(),
            seed,
            runs,
            seen,
            snapshot: Object::new(),
            attributes: Object::new(),
            now: since,
            stop: None,
            follows: None,
            ops: 0,
            done: Done::default(),
        }
    }

    /// Follows a journal to its end; `None` if it leads elsewhere.
    pub fn follow(mut self, journal: &Journal) -> Option<Walk> {
        self.follows = Some(journal.iter().collect());
        let mut through = self.poll();
        while let Some(entry) = self.follows.as_mut().and_then(VecDeque::pop_front) {
            let open = self.open.get(&entry.op);
            let value = match &entry.happened {
                Happened::Elapsed { at } => Some((*at, Value::Null)),
                Happened::Came { at, value } => Some((*at, value.read().ok()?)),
                _ => None,
            };
            let fits = open.is_some_and(|wait| (wait.kind(), wait.identity()) == (entry.kind, entry.identity));
            let (at, value) = value.filter(|_| fits && self.stop.is_none() && !through)?;
            self.now = at;
            self.open.remove(&entry.op);
            self.came.insert(entry.op, value);
            through = self.poll();
        }
        (self.stop.is_none() && !through).then(|| {
            self.follows = None;
            self.done = Done::default();
            self
        })
    }

    /// Takes up what has come. Returns what it does, and how it ends.
    pub fn turn(&mut self, first: bool, came: &[Completion], attributes: Object) -> (Done, End) {
        self.attributes = attributes;
        self.ops = 0;
        let mut through = first && self.poll();
        for completion in came {
            if through || self.stop.is_some() {
                break;
            }
            // What an earlier one made the program drop is no news any more.
            let Some(wait) = self.open.remove(&completion.op) else { continue };
            let (at, value) = match &completion.happened {
                Happened::Elapsed { at } => (*at, Value::Null),
                Happened::Came { at, value } => (*at, value.read().expect("JSON")),
                other => panic!("{other:?} is no completion"),
            };
            let happened = completion.happened.clone();
            self.now = at;
            self.done.entries.push(Entry { op: completion.op, kind: wait.kind(), identity: wait.identity(), happened });
            self.done.taken.push(completion.op);
            self.came.insert(completion.op, value);
            through = self.poll();
        }
        let end = match (&self.stop, through) {
            (Some(Stop::Failed(why)), _) => End::Failed(why.to_string()),
            (Some(Stop::TooMuch), _) => End::Failed(String::new()),
            (Some(Stop::Exited(why)), _) => End::Exited(why.to_string()),
            (Some(Stop::Again(state)), _) => End::Again(state.clone()),
            (Some(Stop::Lost), _) => panic!("a live turn follows nothing"),
            (None, true) => End::Done,
            (None, false) => End::Waiting,
        };
        (std::mem::take(&mut self.done), end)
    }

    fn poll(&mut self) -> bool {
        let mut root = std::mem::take(&mut self.root);
        let through = self.go(&mut root);
        self.root = root;
        through && self.stop.is_none()
    }

    /// Walks on to where the task waits. `true`: it is through.
    fn go(&mut self, task: &mut Task) -> bool {
        loop {
            match std::mem::take(&mut task.at) {
                At::Going => {}
                At::One(op) => match self.came.remove(&op) {
                    Some(value) => self.saw(value),
                    None => return task.waits(At::One(op)),
                },
                At::Answer(op, yes, no) => match self.came.remove(&op) {
                    Some(value) => task.enter(if is_yes(&value) { yes } else { no }, 1),
                    None => return task.waits(At::Answer(op, yes, no)),
                },
                At::Any(arms) => match arms.iter().find_map(|(op, block)| Some((block, self.came.remove(op)?))) {
                    Some((block, value)) => {
                        self.saw(value);
                        task.enter(block.clone(), 1);
                        arms.iter().for_each(|(op, _)| self.drop(*op));
                    }
                    None => return task.waits(At::Any(arms)),
                },
                At::All(ops, mut got) => {
                    for (op, got) in ops.iter().zip(&mut got) {
                        *got = got.take().or_else(|| self.came.remove(op));
                    }
                    if got.iter().any(Option::is_none) {
                        return task.waits(At::All(ops, got));
                    }
                    self.saw(got.into_iter().flatten().collect());
                }
                At::Hold { held, other, got } => {
                    let got = got.or_else(|| self.came.remove(&other));
                    // Nobody looks at the held one before the other has come.
                    match (got.clone(), self.came.get(&held).cloned()) {
                        (Some(other), Some(value)) => {
                            self.came.remove(&held);
                            self.saw(json!([value, other]));
                        }
                        _ => return task.waits(At::Hold { held, other, got }),
                    }
                }
                At::Both { race, mut sides } => {
                    for side in &mut sides {
                        if side.as_mut().is_some_and(|side| self.go(side)) {
                            *side = None;
                            if race {
                                break;
                            }
                        }
                    }
                    let open = sides.iter().flatten().count();
                    if open == 2 || (open == 1 && !race) {
                        return task.waits(At::Both { race, sides });
                    }
                    sides.iter().flatten().for_each(|side| self.drop_task(side));
                }
                At::Never => return task.waits(At::Never),
            }
            let Some(frame) = task.frames.last_mut() else { return true };
            match frame.block.get(frame.next).cloned() {
                Some(statement) => {
                    frame.next += 1;
                    if self.one(statement, task).is_none() {
                        return task.waits(At::Never);
                    }
                }
                None => {
                    (frame.times, frame.next) = (frame.times - 1, 0);
                    if frame.times == 0 {
                        task.frames.pop();
                    }
                }
            }
        }
    }

    /// `None`: it never goes on from here.
    fn one(&mut self, statement: Stmt, task: &mut Task) -> Option<()> {
        match statement {
            Stmt::Send(template) => {
                let args = message(self.now, &self.seen);
                let op = self.at_once(OpKind::Send, template, Happened::Sent)?;
                self.done.effects.push(Effect::Send { op, template: template.into(), args });
            }
            Stmt::Update(key, change) => {
                let to = match change {
                    Change::Set(to) => json!(to),
                    Change::Remove => Value::Null,
                    Change::Add => {
                        self.read()?;
                        json!((value(&self.snapshot, key) + 1) % 4)
                    }
                };
                let op = self.at_once(OpKind::Update, key, Happened::Updated)?;
                let patch = Object::from_iter([(key.to_string(), to)]);
                merge(&mut self.attributes, &patch);
                self.done.effects.push(Effect::Update { op, patch: Json(Value::Object(patch).to_string()) });
            }
            Stmt::Emit(name, v) => {
                let op = self.at_once(OpKind::Emit, name, Happened::Done)?;
                let attributes = Json(json!({"v": v}).to_string());
                self.done.effects.push(Effect::Emit { op, name: name.into(), attributes });
            }
            Stmt::Start(campaign) => {
                let op = self.at_once(OpKind::Start, campaign, Happened::Done)?;
                self.done.effects.push(Effect::Start { op, campaign: campaign.into() });
            }
            Stmt::Stop(campaign) => {
                let op = self.at_once(OpKind::Stop, campaign, Happened::Done)?;
                self.done.effects.push(Effect::Stop { op, campaign: campaign.into() });
            }
            Stmt::Goal(name) => {
                let op = self.at_once(OpKind::Goal, name, Happened::Done)?;
                self.done.effects.push(Effect::Goal { op, name: name.into() });
            }
            Stmt::Read => {
                self.read()?;
                self.seen.insert("user".into(), Value::Object(self.snapshot.clone()));
            }
            Stmt::Log(n) => self.done.logs.push(format!("line {n}")),
            Stmt::Await(wait) => task.at = At::One(self.begin(wait)?),
            Stmt::Race(arms) => {
                let arms = arms.iter().map(|(wait, block)| Some((self.begin(wait.clone())?, block.clone())));
                task.at = At::Any(arms.collect::<Option<_>>()?);
            }
            Stmt::Join(waits) => {
                let ops = waits.iter().map(|wait| self.begin(wait.clone())).collect::<Option<Vec<u64>>>()?;
                task.at = At::All(ops, vec![None; waits.len()]);
            }
            Stmt::Hold(a, b) => {
                let (held, other) = (self.begin(a)?, self.begin(b)?);
                task.at = At::Hold { held, other, got: None };
            }
            Stmt::If(Test::Answer(wait), yes, no) => task.at = At::Answer(self.begin(wait)?, yes, no),
            Stmt::If(test, yes, no) => {
                let holds = match test {
                    Test::Attribute(key, x) => {
                        self.read()?;
                        value(&self.snapshot, key) == x
                    }
                    // A turn that has stopped draws 0 for ever.
                    Test::Random(n) => self.number().map_or(0, |op| ids::random(self.seed, op)).is_multiple_of(n),
                    Test::Now(hours) => even(self.now, hours),
                    Test::Answer(_) => unreachable!("as above"),
                };
                task.enter(if holds { yes } else { no }, 1);
            }
            Stmt::Loop(times, body) => task.enter(body, times),
            Stmt::Both(race, a, b) => {
                task.at = At::Both { race, sides: [a, b].map(|block| Some(Box::new(Task::of(&block, 1)))) };
            }
            Stmt::Exit(reason) => return self.stops(Stop::Exited(reason)),
            Stmt::Again(times) if self.runs < times => {
                let state = handed_on(self.runs + 1, &self.seen);
                return self.stops(Stop::Again(state));
            }
            Stmt::Again(_) => {}
            // The statements after it still run, but nothing of the turn is kept.
            Stmt::Fail => return self.stops(Stop::Failed(ON_PURPOSE)),
            Stmt::Trap => return self.stops(Stop::Failed(TRAPPED)),
        }
        Some(())
    }

    fn stops(&mut self, stop: Stop) -> Option<()> {
        self.stop.get_or_insert(stop);
        None
    }

    fn number(&mut self) -> Option<u64> {
        if self.stop.is_some() {
            return None;
        }
        self.ops += 1;
        if self.ops > MAX_OPS_PER_TURN && self.follows.is_none() {
            self.stop = Some(Stop::TooMuch);
            return None;
        }
        self.next_op += 1;
        Some(self.next_op - 1)
    }

    fn at_once(&mut self, kind: OpKind, what: &str, happened: Happened) -> Option<u64> {
        let op = self.number()?;
        let entry = Entry { op, kind, identity: identity(kind, &[what]), happened };
        match &mut self.follows {
            None => self.done.entries.push(entry),
            Some(journal) if journal.front() == Some(&entry) => drop(journal.pop_front()),
            Some(_) => self.stops(Stop::Lost)?,
        }
        Some(op)
    }

    fn read(&mut self) -> Option<()> {
        let op = self.number()?;
        let (kind, identity) = (OpKind::User, identity(OpKind::User, &[]));
        let Some(journal) = &mut self.follows else {
            let happened = Happened::Read(delta(&self.snapshot, &self.attributes));
            self.snapshot = self.attributes.clone();
            self.done.entries.push(Entry { op, kind, identity, happened });
            return Some(());
        };
        let entry = journal.pop_front().filter(|e| (e.op, e.kind, e.identity) == (op, kind, identity));
        match entry.map(|e| e.happened) {
            Some(Happened::Read(None)) => Some(()),
            Some(Happened::Read(Some(delta))) => apply_delta(&mut self.snapshot, &delta).ok(),
            _ => self.stops(Stop::Lost),
        }
    }

    fn begin(&mut self, wait: Wait) -> Option<u64> {
        let op = self.number()?;
        self.done.began.push((self.done.taken.len(), op, wait.clone()));
        self.open.insert(op, wait);
        Some(op)
    }

    fn drop(&mut self, op: u64) {
        if self.stop.is_some() {
            return;
        }
        self.came.remove(&op);
        let Some(wait) = self.open.remove(&op) else { return };
        let entry = Entry { op, kind: wait.kind(), identity: wait.identity(), happened: Happened::Cancelled };
        self.done.dropped.push((self.done.taken.len(), op));
        match &mut self.follows {
            None => self.done.entries.push(entry),
            Some(journal) if journal.front() == Some(&entry) => drop(journal.pop_front()),
            Some(_) => self.stop = Some(Stop::Lost),
        }
    }

    fn drop_task(&mut self, task: &Task) {
        match &task.at {
            At::Going | At::Never => {}
            At::One(op) | At::Answer(op, ..) => self.drop(*op),
            At::Any(arms) => arms.iter().for_each(|(op, _)| self.drop(*op)),
            At::All(ops, _) => ops.iter().for_each(|op| self.drop(*op)),
            At::Hold { held, other, .. } => {
                self.drop(*other);
                self.drop(*held);
            }
            At::Both { sides, .. } => sides.iter().flatten().for_each(|side| self.drop_task(side)),
        }
    }

    fn saw(&mut self, came: Value) {
        self.seen.insert("came".into(), came);
    }
}
