//! A program, played by an `async fn` over the turn machine, as a plugin would.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use segflow_core::flow::{Flow, Op};
use segflow_core::merge::Object;
use segflow_core::protocol::{Json, Waits};
use serde_json::{Value, json};

use crate::program::{Block, Change, HOUR, Stmt, Test, Wait};

pub const ON_PURPOSE: &str = "on purpose";
pub const TRAPPED: &str = "panicked on purpose";

/// A value that an attribute has in the simulator.
pub fn value(of: &Object, key: &str) -> i64 {
    of.get(key).and_then(Value::as_i64).unwrap_or(0)
}

pub fn even(now: i64, hours: i64) -> bool {
    now / (hours * HOUR) % 2 == 0
}

pub fn is_yes(answer: &Value) -> bool {
    match answer {
        Value::Bool(yes) => *yes,
        Value::Number(n) => n.as_f64().is_some_and(|n| n > 0.0),
        other => other == "a",
    }
}

/// What a message carries: when it was decided, and all that the flow has seen.
pub fn message(now: i64, seen: &Object) -> Json {
    Json(json!({"at": now, "seen": seen}).to_string())
}

pub fn handed_on(runs: u64, seen: &Object) -> Json {
    Json(json!({"runs": runs, "seen": seen}).to_string())
}

/// What a state says: how often the flow has begun anew, and what it had seen.
pub fn state(of: Option<&Json>) -> (u64, Object) {
    let state: Value = of.map_or(Value::Null, |json| json.read().expect("JSON"));
    (state["runs"].as_u64().unwrap_or(0), state["seen"].as_object().cloned().unwrap_or_default())
}

struct Player {
    flow: Flow,
    runs: u64,
    seen: RefCell<Object>,
}

pub async fn play(flow: Flow, program: Block) {
    let (runs, seen) = state(flow.handed_on().as_ref());
    run(Rc::new(Player { flow, runs, seen: RefCell::new(seen) }), program).await;
}

type Running = Pin<Box<dyn Future<Output = ()>>>;

fn run(player: Rc<Player>, block: Block) -> Running {
    Box::pin(async move {
        for statement in block.iter() {
            player.clone().one(statement).await;
        }
    })
}

impl Player {
    async fn one(self: Rc<Player>, statement: &Stmt) {
        let flow = &self.flow;
        match statement {
            Stmt::Send(template) => {
                let (player, now) = (self.clone(), flow.now());
                flow.send(*template, move || Ok(message(now, &player.seen.borrow()))).await;
            }
            Stmt::Update(key, change) => {
                let to = match change {
                    Change::Set(to) => json!(to),
                    Change::Remove => Value::Null,
                    Change::Add => json!((value(&flow.user().await.1, key) + 1) % 4),
                };
                flow.update(Object::from_iter([(key.to_string(), to)])).await;
            }
            Stmt::Emit(name, v) => flow.emit(name, Json(json!({"v": v}).to_string())).await,
            Stmt::Start(campaign) => flow.start(campaign).await,
            Stmt::Stop(campaign) => flow.stop(campaign).await,
            Stmt::Goal(name) => flow.goal(name).await,
            Stmt::Read => {
                let user = flow.user().await.1;
                self.seen.borrow_mut().insert("user".into(), Value::Object((*user).clone()));
            }
            Stmt::Log(n) => flow.log(format!("line {n}")),
            Stmt::Await(wait) => {
                let came = self.begin(wait).await;
                self.saw(value_of(came));
            }
            Stmt::Race(arms) => {
                let mut ops: Vec<Op> = arms.iter().map(|(wait, _)| self.begin(wait)).collect();
                let (won, came) = poll_fn(|context| {
                    let polled = ops.iter_mut().map(|op| Pin::new(op).poll(context));
                    let mut ready = polled.enumerate().filter_map(|(index, poll)| match poll {
                        Poll::Ready(came) => Some((index, came)),
                        Poll::Pending => None,
                    });
                    ready.next().map_or(Poll::Pending, Poll::Ready)
                })
                .await;
                drop(ops);
                self.saw(value_of(came));
                run(self.clone(), arms[won].1.clone()).await;
            }
            Stmt::Join(waits) => {
                let mut ops: Vec<(Op, Option<Value>)> = waits.iter().map(|wait| (self.begin(wait), None)).collect();
                poll_fn(|context| {
                    for (op, got) in ops.iter_mut().filter(|(_, got)| got.is_none()) {
                        if let Poll::Ready(came) = Pin::new(op).poll(context) {
                            *got = Some(value_of(came));
                        }
                    }
                    if ops.iter().all(|(_, got)| got.is_some()) { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
                self.saw(ops.into_iter().filter_map(|(_, got)| got).collect());
            }
            Stmt::Hold(a, b) => {
                let mut held = self.begin(a);
                // It has just begun: nothing can have come of it yet.
                let begun = poll_fn(|context| Poll::Ready(Pin::new(&mut held).poll(context).is_pending()));
                assert!(begun.await);
                let other = value_of(self.begin(b).await);
                let held = value_of(held.await);
                self.saw(json!([held, other]));
            }
            Stmt::If(test, yes, no) => {
                let holds = match test {
                    Test::Attribute(key, x) => value(&flow.user().await.1, key) == *x,
                    Test::Random(n) => flow.random().is_multiple_of(*n),
                    Test::Now(hours) => even(flow.now(), *hours),
                    Test::Answer(wait) => is_yes(&value_of(self.begin(wait).await)),
                };
                run(self.clone(), if holds { yes.clone() } else { no.clone() }).await;
            }
            Stmt::Loop(times, body) => {
                for _ in 0..*times {
                    run(self.clone(), body.clone()).await;
                }
            }
            Stmt::Both(race, a, b) => {
                let mut sides = [Some(run(self.clone(), a.clone())), Some(run(self.clone(), b.clone()))];
                poll_fn(|context| {
                    for side in &mut sides {
                        let Some(running) = side else { continue };
                        if running.as_mut().poll(context).is_ready() {
                            *side = None;
                            if *race {
                                return Poll::Ready(());
                            }
                        }
                    }
                    if sides.iter().all(Option::is_none) { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
            }
            Stmt::Exit(reason) => match flow.exit(reason).await {},
            Stmt::Again(times) if self.runs < *times => {
                let state = handed_on(self.runs + 1, &self.seen.borrow());
                match flow.again(state).await {}
            }
            Stmt::Again(_) => {}
            Stmt::Fail => flow.fail(ON_PURPOSE),
            Stmt::Trap => flow.fail(TRAPPED),
        }
    }

    fn begin(&self, wait: &Wait) -> Op {
        match wait.waits() {
            Waits::Duration { ms } => self.flow.wait(ms),
            until @ (Waits::Until { .. } | Waits::Local(_)) => self.flow.wait_until(until),
            Waits::Event { filter, within, .. } => {
                let Wait::Event { name, .. } = wait else { unreachable!("only they wait for events") };
                self.flow.wait_for(name, move || filter.clone(), within)
            }
            Waits::Ask(ask) => self.flow.ask(ask),
            Waits::Webhook(request) => self.flow.webhook(request),
            Waits::Task(task) => self.flow.task(task),
        }
    }

    fn saw(&self, came: Value) {
        self.seen.borrow_mut().insert("came".into(), came);
    }
}

fn value_of(came: Option<Json>) -> Value {
    came.map_or(Value::Null, |json| json.read().expect("JSON"))
}
