//! Segments, evaluated. One evaluator decides everywhere: in servers, tests, simulations and previews.
//!
//! # The truth table
//!
//! In short; `docs/segments.md` has it case by case, and `truth.rs` holds each case.
//!
//! A value is looked up by its path of object keys. It is *missing* when a key is not there, when something on the way is no object,
//! or when it is `null`; a missing top-level attribute that is declared with a default is that default.
//!
//! | test | true when |
//! |---|---|
//! | `exists` | the value is not missing |
//! | `eq x` | same JSON type and equal; `1` equals `1.0`; `"1"` does not equal `1`; arrays and objects compare whole |
//! | `ne x` | exactly when `eq x` is false, so also for a missing value |
//! | `lt le gt ge x` | both are numbers, or both are strings (compared byte by byte), and in that order; otherwise false |
//! | `one_of [x, y]` | `eq` one of them |
//! | `contains x` | a string that has `x` in it, or an array with an element that `eq x` |
//!
//! Numbers compare by their value, exactly, however large.
//!
//! An event has *happened* when its `occurred_at` is not after now. `within d` keeps those with `occurred_at > now − d`.
//! `count` of none is 0; `sum` of none is 0; values that are not numbers do not count in `sum`, `min` and `max`; `min` and `max`
//! of none are missing. A sum of whole numbers is whole; any other is the 64-bit float nearest to the exact sum, in whatever order or
//! parts it was added up. `older_than d` holds when the first (or last) one occurred at or before `now − d`; what never happened is not
//! older, unless `or_never` is said. `within d` on a first or last holds when it occurred after `now − d`, never for what never happened,
//! unless `or_never` is said.

mod depends;
mod explain;
mod history;
mod number;
mod stretch;
mod sum;
mod tally;
mod value;

#[cfg(test)]
mod summed;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod truth;

use segflow_protocol::{Cond, Expr, Field, TimeTest, Which};
use serde_json::Value;

use crate::merge::Object;
pub use depends::{Dependencies, Reads, dependencies};
pub use explain::{Explained, explain, rule};
pub use history::{Asked, EventFact, History, Loaded, Of, asked, number};
pub use stretch::{Layout, Stretch, apart};
use tally::Tally;
pub use value::test;

/// All that a verdict can depend on.
pub trait Facts {
    fn attributes(&self) -> &Object;
    /// The stored events from which this can be answered.
    fn history(&self, of: Of<'_>) -> History<'_>;
    fn in_segment(&self, id: &str) -> bool;
    /// The declared attributes, for their defaults.
    fn user_fields(&self) -> &[Field];
    fn event_fields(&self, name: &str) -> &[Field];
    /// ms UTC.
    fn now(&self) -> i64;
}

/// Whether a segment holds, and the next instant at which time alone might change that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    pub holds: bool,
    /// ms UTC, always after now.
    pub flip: Option<i64>,
}

pub fn evaluate(expr: &Expr, facts: &impl Facts) -> Verdict {
    let mut flips = Flips { now: facts.now(), next: None };
    let holds = expression(expr, facts, &mut flips);
    Verdict { holds, flip: flips.next }
}

struct Flips {
    now: i64,
    next: Option<i64>,
}

impl Flips {
    fn at(&mut self, instant: i64) {
        if instant > self.now {
            self.next = Some(self.next.map_or(instant, |next| next.min(instant)));
        }
    }
}

/// Evaluates every branch, also those that no longer matter: each may hold the next flip.
#[expect(clippy::unnecessary_fold, reason = "`all` and `any` stop early, and the flips of the rest would be lost")]
fn expression(expr: &Expr, facts: &impl Facts, flips: &mut Flips) -> bool {
    match expr {
        Expr::Everyone => true,
        Expr::All(parts) => parts.iter().fold(true, |all, part| expression(part, facts, flips) && all),
        Expr::Any(parts) => parts.iter().fold(false, |any, part| expression(part, facts, flips) || any),
        Expr::Not(part) => !expression(part, facts, flips),
        Expr::User(cond) => condition(cond, facts.attributes(), facts.user_fields()),
        Expr::Segment(id) => facts.in_segment(id),
        Expr::Measure { events, measure, is } => {
            let (tally, leaves) = happened(Of::number(events, measure), facts, flips);
            let holds = test(is, tally.measured(measure).as_ref());
            // Most users are far from most numbers, and need no timer.
            leaves.filter(|_| !tally.outlasts(measure, is, holds)).into_iter().for_each(|instant| flips.at(instant));
            holds
        }
        Expr::When { events, which, is, or_never } => {
            let (tally, leaves) = happened(Of::moment(events), facts, flips);
            leaves.into_iter().for_each(|instant| flips.at(instant));
            let time = match which {
                Which::First => tally.first,
                Which::Last => tally.last,
            };
            let Some(time) = time else { return *or_never };
            let (TimeTest::OlderThan(age) | TimeTest::Within(age)) = is;
            let instant = time.saturating_add(*age);
            flips.at(instant);
            matches!(is, TimeTest::OlderThan(_)) == (instant <= flips.now)
        }
    }
}

/// The events that have happened, fit the filter and lie within the window, summed up, and when the first of them leaves it. The next of
/// those to come is a flip.
fn happened(of: Of<'_>, facts: &impl Facts, flips: &mut Flips) -> (Tally, Option<i64>) {
    let (tally, next) = facts.history(of).tally(of, facts.event_fields(&of.events.name), facts.now());
    next.into_iter().for_each(|instant| flips.at(instant));
    let leaves = tally.first.zip(of.events.within).map(|(first, within)| first.saturating_add(within));
    (tally, leaves)
}

/// Whether a condition holds for one JSON object.
pub fn condition(cond: &Cond, object: &Object, fields: &[Field]) -> bool {
    match cond {
        Cond::All(parts) => parts.iter().all(|part| condition(part, object, fields)),
        Cond::Any(parts) => parts.iter().any(|part| condition(part, object, fields)),
        Cond::Not(part) => !condition(part, object, fields),
        Cond::At { path, is } => test(is, look_up(path, object, fields)),
    }
}

/// The number at a path of one JSON object, as a float; `None` where there is none.
pub fn float_at(path: &[String], object: &Object, fields: &[Field]) -> Option<f64> {
    look_up(path, object, fields)?.as_f64()
}

fn look_up<'a>(path: &[String], object: &'a Object, fields: &'a [Field]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    let found = object.get(first).filter(|v| !v.is_null());
    let top = found.or_else(|| fields.iter().find(|f| f.name == *first)?.default.as_ref())?;
    rest.iter().try_fold(top, |value, key| value.get(key)).filter(|v| !v.is_null())
}
