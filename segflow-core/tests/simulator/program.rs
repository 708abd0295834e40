//! Small random campaigns: a tree of statements, played by an `async fn` over the turn machine.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use segflow_core::flow::Flow;
use segflow_core::merge::Object;
use segflow_core::protocol::Json;
use serde_json::{Value, json};

use crate::manifest::{ATTRIBUTES, MAILS};
use crate::rng::Rng;

pub const HOUR: i64 = 3_600_000;
pub const DAY: i64 = 24 * HOUR;
const WAITS: [i64; 8] = [0, 1, HOUR, HOUR, DAY, DAY, 3 * DAY, 10 * DAY];

pub type Block = Arc<[Stmt]>;

#[derive(Debug, Clone)]
pub enum Stmt {
    Send(&'static str),
    Update(&'static str, Change),
    Wait(i64),
    Read,
    If(Test, Block, Block),
    Loop(u32, Block),
    /// The first of two waits goes on, the other is dropped.
    Race(i64, i64, Block, Block),
    Join(i64, i64),
    /// Begins one wait, awaits another, and only then looks at the first again.
    Hold(i64, i64),
    Log(u64),
    Fail,
}

#[derive(Debug, Clone, Copy)]
pub enum Change {
    Set(i64),
    Remove,
    /// One more than the user is read to have.
    Add,
}

#[derive(Debug, Clone, Copy)]
pub enum Test {
    Attribute(&'static str, i64),
    Random(u64),
    /// Whether this many hours have gone since the start of time an even number of times.
    Now(i64),
}

/// A value that an attribute has in the simulator.
pub fn value(of: &Object, key: &str) -> i64 {
    of.get(key).and_then(Value::as_i64).unwrap_or(0)
}

pub fn even(now: i64, hours: i64) -> bool {
    now / (hours * HOUR) % 2 == 0
}

pub fn message(now: i64, seen: &Object) -> Json {
    Json(json!({"at": now, "seen": seen}).to_string())
}

pub fn block(rng: &mut Rng, depth: u32) -> Block {
    let length = 1 + rng.below(if depth == 0 { 5 } else { 3 });
    (0..length).map(|_| statement(rng, depth)).collect()
}

fn statement(rng: &mut Rng, depth: u32) -> Stmt {
    let deep = depth < 2;
    match rng.below(21) {
        0..=4 => Stmt::Send(rng.pick(&MAILS)),
        5..=8 => Stmt::Wait(rng.pick(&WAITS)),
        9 | 10 => {
            let change = match rng.below(4) {
                0 => Change::Remove,
                1 => Change::Add,
                _ => Change::Set(rng.below(3) as i64),
            };
            Stmt::Update(rng.pick(&ATTRIBUTES), change)
        }
        11 => Stmt::Read,
        12 => Stmt::Log(rng.below(100)),
        13 => Stmt::Join(rng.pick(&WAITS), rng.pick(&WAITS)),
        14 => Stmt::Hold(rng.pick(&WAITS), rng.pick(&WAITS)),
        15 | 16 if deep => {
            let test = match rng.below(3) {
                0 => Test::Attribute(rng.pick(&ATTRIBUTES), rng.below(3) as i64),
                1 => Test::Random(2 + rng.below(2)),
                _ => Test::Now(1 + rng.below(30) as i64),
            };
            Stmt::If(test, block(rng, depth + 1), block(rng, depth + 1))
        }
        17 | 18 if deep => Stmt::Loop(1 + rng.below(4) as u32, block(rng, depth + 1)),
        19 if deep => Stmt::Race(rng.pick(&WAITS), rng.pick(&WAITS), block(rng, depth + 1), block(rng, depth + 1)),
        20 if rng.chance(10) => Stmt::Fail,
        20 if depth == 0 => endless(rng),
        _ => Stmt::Send(rng.pick(&MAILS)),
    }
}

/// A loop that goes on for ever; one that waits for no time cannot.
fn endless(rng: &mut Rng) -> Stmt {
    if rng.chance(25) {
        let change = Stmt::Update(rng.pick(&ATTRIBUTES), Change::Add);
        return Stmt::Loop(u32::MAX, [Stmt::Wait(0), Stmt::Send(rng.pick(&MAILS)), change].into());
    }
    let wait = Stmt::Wait(rng.pick(&[DAY, DAY, 3 * DAY, 10 * DAY]));
    let body = block(rng, 1);
    Stmt::Loop(u32::MAX, [wait].into_iter().chain(body.iter().cloned()).collect())
}

pub async fn play(flow: Flow, program: Block) {
    run(flow, program, Rc::default()).await;
}

fn run(flow: Flow, block: Block, seen: Rc<RefCell<Object>>) -> Pin<Box<dyn Future<Output = ()>>> {
    Box::pin(async move {
        for statement in block.iter() {
            match statement {
                Stmt::Send(template) => {
                    let args = message(flow.now(), &seen.borrow());
                    flow.send(template, args).await;
                }
                Stmt::Update(key, change) => {
                    let to = match change {
                        Change::Set(to) => json!(to),
                        Change::Remove => Value::Null,
                        Change::Add => json!((value(&flow.user().await.1, key) + 1) % 4),
                    };
                    flow.update(Object::from_iter([(key.to_string(), to)])).await;
                }
                Stmt::Wait(ms) => drop(flow.wait(*ms).await),
                Stmt::Read => {
                    let user = flow.user().await.1;
                    *seen.borrow_mut() = (*user).clone();
                }
                Stmt::If(test, yes, no) => {
                    let holds = match test {
                        Test::Attribute(key, x) => value(&flow.user().await.1, key) == *x,
                        Test::Random(n) => flow.random().is_multiple_of(*n),
                        Test::Now(hours) => even(flow.now(), *hours),
                    };
                    run(flow.clone(), if holds { yes.clone() } else { no.clone() }, seen.clone()).await;
                }
                Stmt::Loop(times, body) => {
                    for _ in 0..*times {
                        run(flow.clone(), body.clone(), seen.clone()).await;
                    }
                }
                Stmt::Race(a, b, first, second) => {
                    let won = race(&flow, *a, *b).await;
                    run(flow.clone(), if won { first.clone() } else { second.clone() }, seen.clone()).await;
                }
                Stmt::Join(a, b) => join(&flow, *a, *b).await,
                Stmt::Hold(a, b) => {
                    let mut held = flow.wait(*a);
                    poll_fn(|context| {
                        let _ = Pin::new(&mut held).poll(context);
                        Poll::Ready(())
                    })
                    .await;
                    flow.wait(*b).await;
                    held.await;
                }
                Stmt::Log(n) => flow.log(format!("line {n}")),
                Stmt::Fail => flow.fail("on purpose"),
            }
        }
    })
}

async fn race(flow: &Flow, a: i64, b: i64) -> bool {
    let (mut a, mut b) = (flow.wait(a), flow.wait(b));
    poll_fn(|context| match (Pin::new(&mut a).poll(context), Pin::new(&mut b).poll(context)) {
        (Poll::Ready(_), _) => Poll::Ready(true),
        (_, Poll::Ready(_)) => Poll::Ready(false),
        _ => Poll::Pending,
    })
    .await
}

async fn join(flow: &Flow, a: i64, b: i64) {
    let (mut a, mut b) = (flow.wait(a), flow.wait(b));
    poll_fn(|context| match (Pin::new(&mut a).poll(context), Pin::new(&mut b).poll(context)) {
        (Poll::Ready(_), Poll::Ready(_)) => Poll::Ready(()),
        _ => Poll::Pending,
    })
    .await;
}
