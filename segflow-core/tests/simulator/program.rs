//! Small random campaigns: a tree of statements. `player.rs` plays them over the turn machine, `model.rs` walks them.

use std::sync::Arc;

use segflow_core::protocol::{
    Ask, Cond, Events, Expr, Json, Local, Measure, OpKind, Task, Test as Compare, Waits, Webhook, identity,
};
use serde_json::json;

use crate::manifest::{self, ATTRIBUTES, EVENTS, GOALS, MAILS};
use crate::rng::Rng;

pub const HOUR: i64 = 3_600_000;
pub const DAY: i64 = 24 * HOUR;
const TIMES: [i64; 8] = [0, 1, HOUR, HOUR, DAY, DAY, 3 * DAY, 10 * DAY];
const CAMPAIGNS: [&str; 3] = ["c0", "c1", "c2"];

pub type Block = Arc<[Stmt]>;

#[derive(Debug, Clone)]
pub enum Stmt {
    Send(&'static str),
    Update(&'static str, Change),
    Emit(&'static str, i64),
    Start(&'static str),
    Stop(&'static str),
    Goal(&'static str),
    Read,
    Log(u64),
    Await(Wait),
    /// The first of these goes on, the others are dropped.
    Race(Arc<[(Wait, Block)]>),
    Join(Arc<[Wait]>),
    /// Begins one wait, awaits another, and only then looks at the first again.
    Hold(Wait, Wait),
    If(Test, Block, Block),
    Loop(u32, Block),
    /// Two blocks side by side, until the first is through (`true`) or both are.
    Both(bool, Block, Block),
    Exit(&'static str),
    /// Begins anew, so many times.
    Again(u64),
    Fail,
    Trap,
}

/// What takes time, or is answered by somebody else.
#[derive(Debug, Clone)]
pub enum Wait {
    Time(i64),
    At(i64),
    Local(Local),
    /// An event whose `v` is at least that.
    Event {
        name: &'static str,
        least: Option<i64>,
        within: Option<i64>,
    },
    Webhook(u64),
    Task(u64),
    Member(Option<Arc<Expr>>),
    Number(Arc<(Events, Measure)>),
    Arm(&'static Split),
}

/// A name, its arms, and whether it is an experiment.
pub type Split = (&'static str, &'static [(&'static str, u32)], bool);

pub const SPLITS: [Split; 3] = [
    ("halves", &[("a", 1), ("b", 1)], false),
    ("thirds", &[("never", 0), ("a", 1), ("b", 2)], false),
    ("subject", &[("a", 1), ("b", 1)], true),
];

#[derive(Debug, Clone, Copy)]
pub enum Change {
    Set(i64),
    Remove,
    /// One more than the user is read to have.
    Add,
}

#[derive(Debug, Clone)]
pub enum Test {
    Attribute(&'static str, i64),
    Random(u64),
    /// Whether this many hours have gone since the start of time an even number of times.
    Now(i64),
    /// Whether the answer is `true`, a number above 0, or an arm called `a`.
    Answer(Wait),
}

/// What random programs may do.
#[derive(Debug, Clone, Copy)]
pub struct Taste {
    /// Nothing whose outcome depends on how many facts a step takes at once.
    pub plain: bool,
    pub campaigns: u64,
    pub start: i64,
}

impl Wait {
    pub fn waits(&self) -> Waits {
        let text = |value: serde_json::Value| Json(value.to_string());
        match self {
            Wait::Time(ms) => Waits::Duration { ms: *ms },
            Wait::At(at) => Waits::Until { at: *at },
            Wait::Local(local) => Waits::Local(local.clone()),
            Wait::Event { name, least, within } => {
                let filter = least.map(|v| Cond::At { path: vec!["v".into()], is: Compare::Ge(json!(v)) });
                Waits::Event { name: name.to_string(), filter: filter.map(|f| text(json!(f))), within: *within }
            }
            Wait::Webhook(n) => Waits::Webhook(Webhook {
                method: "POST".into(),
                url: format!("https://example.com/{}?n={n}", n % 3),
                body: Some(text(json!({"n": n}))),
                timeout: 1_000,
                attempts: 3,
                ..Webhook::default()
            }),
            Wait::Task(n) => Waits::Task(Task { title: format!("task {n}"), assignee: None, due: Some(DAY) }),
            Wait::Member(expr) => {
                let expr = expr.as_ref().map(|expr| text(json!(**expr)));
                Waits::Ask(Ask::Segment { id: "s0".into(), expr })
            }
            Wait::Number(number) => {
                let (events, measure) = &**number;
                Waits::Ask(Ask::Number { events: text(json!(events)), measure: text(json!(measure)) })
            }
            Wait::Arm((name, arms, experiment)) => {
                let arms = arms.iter().map(|(arm, weight)| (arm.to_string(), *weight)).collect();
                Waits::Ask(Ask::Arm { name: name.to_string(), arms, experiment: *experiment })
            }
        }
    }

    pub fn kind(&self) -> OpKind {
        match self {
            Wait::Time(_) => OpKind::Wait,
            Wait::At(_) | Wait::Local(_) => OpKind::Until,
            Wait::Event { .. } => OpKind::Event,
            Wait::Webhook(_) => OpKind::Webhook,
            Wait::Task(_) => OpKind::Task,
            Wait::Member(_) | Wait::Number(_) => OpKind::Ask,
            Wait::Arm(_) => OpKind::Choose,
        }
    }

    pub fn identity(&self) -> u32 {
        match self {
            Wait::Event { name, .. } | Wait::Arm((name, ..)) => identity(self.kind(), &[name]),
            Wait::Webhook(n) => identity(self.kind(), &["POST", &format!("https://example.com/{}", n % 3)]),
            Wait::Member(_) => identity(self.kind(), &["s0"]),
            Wait::Number(_) => identity(self.kind(), &[""]),
            _ => identity(self.kind(), &[]),
        }
    }

    pub fn is_job(&self) -> bool {
        matches!(self, Wait::Webhook(_) | Wait::Task(_))
    }

    pub fn is_ask(&self) -> bool {
        matches!(self, Wait::Member(_) | Wait::Number(_) | Wait::Arm(_))
    }
}

pub fn block(rng: &mut Rng, taste: Taste, depth: u32) -> Block {
    let length = 1 + rng.below(if depth == 0 { 5 } else { 3 });
    (0..length).map(|_| statement(rng, taste, depth)).collect()
}

/// The same with one thing changed.
pub fn edited(rng: &mut Rng, taste: Taste, old: &Block) -> Block {
    let mut new: Vec<Stmt> = old.to_vec();
    let at = rng.below(new.len() as u64) as usize;
    match (rng.below(6), new[at].clone()) {
        (0, _) => new.insert(at, statement(rng, taste, 1)),
        (1, _) => new[at] = statement(rng, taste, 1),
        (2, _) => new.push(statement(rng, taste, 0)),
        (3, Stmt::Await(wait)) => new[at] = widened(rng, taste, wait),
        (_, Stmt::Await(wait)) => new[at] = Stmt::Await(tweaked(rng, wait)),
        (_, Stmt::Hold(a, b)) => new[at] = Stmt::Hold(tweaked(rng, a), tweaked(rng, b)),
        (_, Stmt::Join(waits)) => new[at] = Stmt::Join(waits.iter().map(|wait| tweaked(rng, wait.clone())).collect()),
        (_, Stmt::Race(arms)) => {
            let arms = arms.iter().map(|(wait, block)| (tweaked(rng, wait.clone()), block.clone()));
            new[at] = Stmt::Race(arms.collect());
        }
        (_, Stmt::Loop(times, body)) => new[at] = Stmt::Loop(times, edited(rng, taste, &body)),
        (_, Stmt::If(test, yes, no)) => new[at] = Stmt::If(test, edited(rng, taste, &yes), no),
        (_, Stmt::Both(race, a, b)) => new[at] = Stmt::Both(race, edited(rng, taste, &a), b),
        (_, Stmt::Log(_)) => new[at] = Stmt::Log(rng.below(100)),
        _ => new.insert(at, Stmt::Log(rng.below(100))),
    }
    new.into()
}

/// The same step, with something beside it.
fn widened(rng: &mut Rng, taste: Taste, wait: Wait) -> Stmt {
    let then = || -> Block { [Stmt::Log(1)].into() };
    match rng.below(3) {
        0 => Stmt::Race([(wait, then()), (self::wait(rng, taste), then())].into()),
        1 => Stmt::Both(
            true,
            [Stmt::Await(wait)].into(),
            [Stmt::If(Test::Random(2), then(), then()), Stmt::Await(self::wait(rng, taste))].into(),
        ),
        _ => Stmt::Join([wait, self::wait(rng, taste)].into()),
    }
}

/// The same step, otherwise; or, now and then, one that only looks like it.
fn tweaked(rng: &mut Rng, wait: Wait) -> Wait {
    match wait {
        Wait::Webhook(n) if rng.chance(50) => Wait::Webhook(n + 1),
        Wait::Event { least, within, .. } if rng.chance(30) => Wait::Event { name: rng.pick(&EVENTS), least, within },
        Wait::Time(_) => Wait::Time(rng.pick(&TIMES)),
        Wait::Event { name, .. } => Wait::Event { name, least: Some(0), within: Some(rng.pick(&TIMES)) },
        other => other,
    }
}

fn statement(rng: &mut Rng, taste: Taste, depth: u32) -> Stmt {
    let deep = depth < 2;
    match rng.below(40) {
        0..=5 => Stmt::Send(rng.pick(&MAILS)),
        6..=14 => Stmt::Await(wait(rng, taste)),
        15 | 16 => Stmt::Update(rng.pick(&ATTRIBUTES), change(rng)),
        17 => Stmt::Read,
        18 => Stmt::Log(rng.below(100)),
        19 => Stmt::Join([wait(rng, taste), wait(rng, taste)].into()),
        20 => Stmt::Hold(wait(rng, taste), wait(rng, taste)),
        21 if !taste.plain => Stmt::Emit(rng.pick(&EVENTS), rng.below(3) as i64),
        22 if !taste.plain => Stmt::Start(CAMPAIGNS[rng.below(taste.campaigns) as usize]),
        23 if !taste.plain && rng.chance(60) => Stmt::Stop(CAMPAIGNS[rng.below(taste.campaigns) as usize]),
        24 if rng.chance(70) => Stmt::Goal(rng.pick(&GOALS)),
        25 if rng.chance(50) => Stmt::Exit("enough"),
        26 => Stmt::Again(1 + rng.below(3)),
        27..=30 if deep => Stmt::If(test(rng, taste), block(rng, taste, depth + 1), block(rng, taste, depth + 1)),
        31 | 32 if deep => Stmt::Loop(1 + rng.below(3) as u32, block(rng, taste, depth + 1)),
        33 | 34 if deep => {
            let arms = 2 + rng.below(2);
            Stmt::Race((0..arms).map(|_| (wait(rng, taste), block(rng, taste, depth + 1))).collect())
        }
        35 | 36 if deep => {
            let (a, b) = (block(rng, taste, depth + 1), block(rng, taste, depth + 1));
            Stmt::Both(rng.chance(60), a, b)
        }
        37 if rng.chance(15) => Stmt::Fail,
        37 if rng.chance(15) => Stmt::Trap,
        38 if depth == 0 => endless(rng, taste),
        _ => Stmt::Send(rng.pick(&MAILS)),
    }
}

fn change(rng: &mut Rng) -> Change {
    match rng.below(4) {
        0 => Change::Remove,
        1 => Change::Add,
        _ => Change::Set(rng.below(3) as i64),
    }
}

fn test(rng: &mut Rng, taste: Taste) -> Test {
    match rng.below(6) {
        0 => Test::Attribute(rng.pick(&ATTRIBUTES), rng.below(3) as i64),
        1 => Test::Random(2 + rng.below(2)),
        2 => Test::Now(1 + rng.below(30) as i64),
        _ => Test::Answer(ask(rng, taste)),
    }
}

fn wait(rng: &mut Rng, taste: Taste) -> Wait {
    match rng.below(20) {
        0..=5 => Wait::Time(rng.pick(&TIMES)),
        6 => Wait::At(taste.start + rng.pick(&[0, 1, DAY, 7 * DAY, 20 * DAY])),
        7 | 8 => Wait::Local(local(rng, taste.start)),
        9..=14 => Wait::Event {
            name: rng.pick(&EVENTS),
            least: rng.chance(50).then(|| rng.below(3) as i64),
            within: rng.chance(60).then(|| rng.pick(&TIMES)),
        },
        15 | 16 => Wait::Webhook(rng.below(9)),
        17 => Wait::Task(rng.below(9)),
        _ => ask(rng, taste),
    }
}

fn ask(rng: &mut Rng, taste: Taste) -> Wait {
    let split = &SPLITS[rng.below(SPLITS.len() as u64) as usize];
    match rng.below(4) {
        _ if taste.plain => Wait::Arm(split),
        0 => Wait::Arm(split),
        1 => {
            let measure = match rng.below(3) {
                0 => Measure::Count,
                1 => Measure::Sum(vec!["v".into()]),
                _ => Measure::Max(vec!["v".into()]),
            };
            Wait::Number(Arc::new((manifest::events(rng), measure)))
        }
        2 => Wait::Member(Some(Arc::new(manifest::expr(rng, 2, 2)))),
        _ => Wait::Member(None),
    }
}

fn local(rng: &mut Rng, start: i64) -> Local {
    let zones = [None, None, Some("Europe/Berlin"), Some("America/New_York")];
    // Days around the changes of summer time that the worlds begin before.
    let near = if start > 1_770_000_000_000 { (2026, 3, 29) } else { (2025, 10, 26) };
    Local {
        date: rng.chance(15).then_some(near),
        days: rng.pick(&[0, 0, 0b1, 0b1_1111, 0b100_0000, 0b110_0000]),
        from: rng.pick(&[0, 150, 150, 540, 1_320]),
        to: rng.pick(&[None, None, Some(1_020), Some(360), Some(1_440)]),
        zone: rng.pick(&zones).map(str::to_string),
        or_zone: rng.pick(&zones).map(str::to_string),
    }
}

/// A loop that goes on for ever; one that waits for no time cannot.
fn endless(rng: &mut Rng, taste: Taste) -> Stmt {
    if rng.chance(20) {
        let change = Stmt::Update(rng.pick(&ATTRIBUTES), Change::Add);
        return Stmt::Loop(u32::MAX, [Stmt::Await(Wait::Time(0)), Stmt::Send(rng.pick(&MAILS)), change].into());
    }
    if !taste.plain && rng.chance(15) {
        // Each of these doubles.
        let (name, v) = (rng.pick(&EVENTS), rng.below(3) as i64);
        let wait = Wait::Event { name, least: None, within: None };
        return Stmt::Loop(u32::MAX, [Stmt::Await(wait), Stmt::Emit(name, v), Stmt::Emit(name, v)].into());
    }
    let first = match rng.below(3) {
        0 => Wait::Event { name: rng.pick(&EVENTS), least: None, within: None },
        _ => Wait::Time(rng.pick(&[DAY, DAY, 3 * DAY, 10 * DAY])),
    };
    let body = block(rng, taste, 1);
    Stmt::Loop(u32::MAX, [Stmt::Await(first)].into_iter().chain(body.iter().cloned()).collect())
}
