//! Users and expressions by dice, the same for one seed.

use std::collections::BTreeMap;

use segflow_core::eval::{self, EventFact, Facts, History, Of};
use segflow_core::merge::Object;
use segflow_protocol::{Cond, Event, Events, Expr, Field, Manifest, Measure, Segment, Test, TimeTest, Type, Which};

use crate::harness::*;

/// SplitMix64 (Steele, Lea and Flood 2014).
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize].clone()
    }

    fn value(&mut self) -> Value {
        let all = [
            json!(true),
            json!(false),
            json!(0),
            json!(1),
            json!(1.0),
            json!(-1),
            json!(2),
            json!(0.1),
            json!(0.3),
            json!(-2.5),
            json!(1e300),
            json!(9_007_199_254_740_993_i64),
            json!(u64::MAX),
            json!(i64::MIN),
            json!("1"),
            json!(""),
            json!("a"),
            json!("A"),
            json!("a "),
            json!("é"),
            json!("true"),
            json!("o'brien \"?\\ 100%"),
            json!("2026-01-01"),
            json!(["a", 1]),
            json!({ "x": "a" }),
        ];
        self.one_of(&all)
    }

    fn path(&mut self) -> Vec<String> {
        let all: [&[&str]; 6] = [&["a"], &["b"], &["o", "x"], &["o", "y"], &["two words"], &["odd\"key"]];
        self.one_of(&all).iter().map(ToString::to_string).collect()
    }

    fn test(&mut self) -> Test {
        match self.below(9) {
            0 => Test::Exists,
            1 => Test::Eq(self.value()),
            2 => Test::Ne(self.value()),
            3 => Test::Lt(self.value()),
            4 => Test::Le(self.value()),
            5 => Test::Gt(self.value()),
            6 => Test::Ge(self.value()),
            7 => Test::OneOf((0..3).map(|_| self.value()).collect()),
            _ => Test::Contains(self.value()),
        }
    }

    fn cond(&mut self, depth: u64) -> Cond {
        match self.below(if depth == 0 { 1 } else { 5 }) {
            2 => Cond::All((0..2).map(|_| self.cond(depth - 1)).collect()),
            3 => Cond::Any((0..2).map(|_| self.cond(depth - 1)).collect()),
            4 => Cond::Not(Box::new(self.cond(depth - 1))),
            _ => Cond::At { path: self.path(), is: self.test() },
        }
    }

    fn events(&mut self) -> Events {
        let filter = (self.below(3) == 0).then(|| self.cond(1));
        let within = (self.below(2) == 0).then(|| self.one_of(&[DAY, 20 * DAY, 60 * DAY]));
        Events { name: self.one_of(&["login", "purchase"]).into(), filter, within }
    }

    /// Asks about these segments, too.
    pub fn expr(&mut self, depth: u64, segments: &[&str]) -> Expr {
        match self.below(if depth == 0 { 5 } else { 9 }) {
            0 if !segments.is_empty() => Expr::Segment(self.one_of(segments).into()),
            1 => {
                let measure = self.one_of(&[
                    Measure::Count,
                    Measure::Sum(vec!["a".into()]),
                    Measure::Min(vec!["a".into()]),
                    Measure::Max(vec!["a".into()]),
                ]);
                let is = if self.below(3) == 0 { self.test() } else { Test::Ge(json!(self.below(3))) };
                Expr::Measure { events: self.events(), measure, is }
            }
            2 => {
                let age = self.one_of(&[DAY, 30 * DAY]);
                let is = if self.below(2) == 0 { TimeTest::OlderThan(age) } else { TimeTest::Within(age) };
                let (which, or_never) = (self.one_of(&[Which::First, Which::Last]), self.below(3) == 0);
                Expr::When { events: self.events(), which, is, or_never }
            }
            5 | 6 => Expr::All((0..2).map(|_| self.expr(depth - 1, segments)).collect()),
            7 => Expr::Any((0..2).map(|_| self.expr(depth - 1, segments)).collect()),
            8 => Expr::Not(Box::new(self.expr(depth - 1, segments))),
            _ => Expr::User(self.cond(2)),
        }
    }

    fn object(&mut self) -> Object {
        let mut object = Object::new();
        for path in [&["a"][..], &["b"], &["o", "x"], &["o", "y"], &["two words"], &["odd\"key"]] {
            let value = match self.below(4) {
                0 => continue,
                1 if path.len() == 1 => Value::Null,
                _ => self.value(),
            };
            match path {
                [key] => object.insert(key.to_string(), value),
                [key, inner] => {
                    let slot = object.entry(*key).or_insert_with(|| json!({}));
                    slot.as_object_mut().and_then(|slot| slot.insert(inner.to_string(), value))
                }
                _ => None,
            };
        }
        object
    }

    pub fn user(&mut self, now: i64) -> User {
        let mut user = User { attributes: self.object(), ..User::default() };
        for name in ["login", "purchase"] {
            for _ in 0..self.below(4) {
                let ages = [-10 * DAY, -DAY, -1, 0, 1, DAY - 1, DAY, 19 * DAY, 20 * DAY, 29 * DAY, 61 * DAY, 400 * DAY];
                let occurred_at = now - self.one_of(&ages);
                let event = EventFact { occurred_at, attributes: self.object() };
                user.events.entry(name.to_string()).or_default().push(event);
            }
        }
        user
    }
}

#[derive(Debug, Clone, Default)]
pub struct User {
    pub attributes: Object,
    pub events: BTreeMap<String, Vec<EventFact>>,
}

pub fn fields() -> Vec<Field> {
    let default = Some(json!("a"));
    vec![Field { name: "b".into(), ty: Type::Any, required: false, default }]
}

pub fn manifest(segments: Vec<Segment>) -> Manifest {
    let event = |name: &str| Event { name: name.into(), fields: vec![] };
    Manifest {
        name: "made".into(),
        user: fields(),
        events: vec![event("login"), event("purchase")],
        segments,
        ..Manifest::default()
    }
}

/// What the evaluator sees of a user.
pub struct View<'a> {
    pub user: &'a User,
    pub members: &'a [String],
    pub fields: &'a [Field],
    pub now: i64,
}

impl Facts for View<'_> {
    fn attributes(&self) -> &Object {
        &self.user.attributes
    }
    fn history(&self, of: Of<'_>) -> History<'_> {
        History::full(self.user.events.get(&of.events.name).map_or(&[], Vec::as_slice))
    }
    fn in_segment(&self, id: &str) -> bool {
        self.members.iter().any(|member| member == id)
    }
    fn user_fields(&self) -> &[Field] {
        self.fields
    }
    fn event_fields(&self, _: &str) -> &[Field] {
        &[]
    }
    fn now(&self) -> i64 {
        self.now
    }
}

/// Whether an expression holds for a user who is in these segments.
pub fn holds(expr: &Expr, user: &User, members: &[String], now: i64) -> bool {
    eval::evaluate(expr, &View { user, members, fields: &fields(), now }).holds
}
