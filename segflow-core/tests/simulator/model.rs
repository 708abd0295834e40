//! The model of a flow: the same program, walked statement by statement and kept between turns instead of being replayed. It knows
//! neither futures nor a journal, so that it can disagree with the turn machine.

use std::collections::VecDeque;

use segflow_core::ids;
use segflow_core::merge::{Object, merge};
use segflow_core::protocol::{Effect, Json};
use serde_json::{Value, json};

use crate::program::{Block, Change, Stmt, Test, even, message, value};

/// A program, half-way.
#[derive(Debug, Clone)]
pub struct Walk {
    frames: Vec<Frame>,
    waits_for: Waits,
    pub next_op: u64,
    seed: u64,
    seen: Object,
    now: i64,
    pub state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Going,
    Waiting,
    Done,
    Failed,
}

#[derive(Debug, Clone)]
struct Frame {
    block: Block,
    at: usize,
    /// How often it is still to be done, this time included.
    times: u32,
}

#[derive(Debug, Clone)]
enum Waits {
    Nothing,
    All(Vec<u64>),
    Race(u64, u64, Block, Block),
    Hold { held: Option<u64>, other: u64 },
}

/// What one turn does.
#[derive(Debug, Default, PartialEq)]
pub struct Done {
    pub effects: Vec<Effect>,
    pub logs: Vec<String>,
}

impl Walk {
    pub fn new(program: &Block, seed: u64, now: i64) -> Walk {
        Walk {
            frames: vec![Frame { block: program.clone(), at: 0, times: 1 }],
            waits_for: Waits::Nothing,
            next_op: 0,
            seed,
            seen: Object::new(),
            now,
            state: State::Going,
        }
    }

    /// The operations it waits for.
    pub fn open(&self) -> Vec<u64> {
        let mut open = match &self.waits_for {
            Waits::Nothing => vec![],
            Waits::All(ops) => ops.clone(),
            Waits::Race(a, b, ..) => vec![*a, *b],
            Waits::Hold { held, other } => held.iter().copied().chain([*other]).collect(),
        };
        open.sort_unstable();
        open
    }

    /// Goes on after these operations have ended, in this order.
    pub fn turn(&mut self, mut ended: VecDeque<u64>, now: i64, attributes: &Object) -> Done {
        let mut attributes = attributes.clone();
        let mut done = Done::default();
        self.go(&mut attributes, &mut done);
        while let (State::Waiting, Some(op)) = (self.state, ended.pop_front()) {
            if self.open().contains(&op) {
                self.now = now;
                self.end(op);
                self.go(&mut attributes, &mut done);
            }
        }
        done
    }

    fn end(&mut self, op: u64) {
        self.waits_for = match std::mem::replace(&mut self.waits_for, Waits::Nothing) {
            Waits::All(mut ops) => {
                ops.retain(|o| *o != op);
                if ops.is_empty() { Waits::Nothing } else { Waits::All(ops) }
            }
            Waits::Race(a, _, first, second) => {
                self.enter(if op == a { first } else { second }, 1);
                Waits::Nothing
            }
            Waits::Hold { held: Some(held), other } if held == op => Waits::Hold { held: None, other },
            Waits::Hold { held: Some(held), .. } => Waits::All(vec![held]),
            Waits::Hold { held: None, .. } | Waits::Nothing => Waits::Nothing,
        };
        if matches!(self.waits_for, Waits::Nothing) {
            self.state = State::Going;
        }
    }

    fn enter(&mut self, block: Block, times: u32) {
        self.frames.push(Frame { block, at: 0, times });
    }

    fn op(&mut self) -> u64 {
        self.next_op += 1;
        self.next_op - 1
    }

    fn wait(&mut self, waits_for: Waits) {
        self.waits_for = waits_for;
        self.state = State::Waiting;
    }

    fn go(&mut self, attributes: &mut Object, done: &mut Done) {
        while self.state == State::Going {
            let Some(frame) = self.frames.last_mut() else {
                self.state = State::Done;
                return;
            };
            let Some(statement) = frame.block.get(frame.at).cloned() else {
                frame.times -= 1;
                frame.at = 0;
                if frame.times == 0 {
                    self.frames.pop();
                }
                continue;
            };
            frame.at += 1;
            self.one(statement, attributes, done);
        }
    }

    fn one(&mut self, statement: Stmt, attributes: &mut Object, done: &mut Done) {
        match statement {
            Stmt::Send(template) => {
                let (op, args) = (self.op(), message(self.now, &self.seen));
                done.effects.push(Effect::Send { op, template: template.into(), args });
            }
            Stmt::Update(key, change) => {
                let to = match change {
                    Change::Set(to) => json!(to),
                    Change::Remove => Value::Null,
                    Change::Add => {
                        self.op();
                        json!((value(attributes, key) + 1) % 4)
                    }
                };
                let patch = Object::from_iter([(key.to_string(), to)]);
                merge(attributes, &patch);
                let op = self.op();
                done.effects.push(Effect::Update { op, patch: Json(Value::Object(patch).to_string()) });
            }
            Stmt::Wait(_) => {
                let op = self.op();
                self.wait(Waits::All(vec![op]));
            }
            Stmt::Read => {
                self.op();
                self.seen = attributes.clone();
            }
            Stmt::If(test, yes, no) => {
                let holds = match test {
                    Test::Attribute(key, x) => {
                        self.op();
                        value(attributes, key) == x
                    }
                    Test::Random(n) => ids::random(self.seed, self.op()).is_multiple_of(n),
                    Test::Now(hours) => even(self.now, hours),
                };
                self.enter(if holds { yes } else { no }, 1);
            }
            Stmt::Loop(times, body) => self.enter(body, times),
            Stmt::Race(_, _, first, second) => {
                let (a, b) = (self.op(), self.op());
                self.wait(Waits::Race(a, b, first, second));
            }
            Stmt::Join(..) => {
                let (a, b) = (self.op(), self.op());
                self.wait(Waits::All(vec![a, b]));
            }
            Stmt::Hold(..) => {
                let (held, other) = (self.op(), self.op());
                self.wait(Waits::Hold { held: Some(held), other });
            }
            Stmt::Log(n) => done.logs.push(format!("line {n}")),
            // The statements after it still run, but nothing of the turn is kept.
            Stmt::Fail => self.state = State::Failed,
        }
    }
}
