//! The events of a user, as questions about them are answered.

use std::sync::Arc;

use segflow_protocol::{Cond, Events, Expr, Field, Measure};
use serde_json::Value;

use super::number::Num;
use super::stretch::{Layout, Stretch};
use super::tally::Tally;
use super::{Facts, condition, look_up};
use crate::merge::{Object, Path};

/// One event as the evaluator sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct EventFact {
    /// ms UTC.
    pub occurred_at: i64,
    pub attributes: Object,
}

/// Which events are asked about, and where in them the number stands.
#[derive(Debug, Clone, Copy)]
pub struct Of<'a> {
    pub events: &'a Events,
    pub path: Option<&'a [String]>,
}

/// The same, to be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    pub events: Events,
    pub path: Option<Path>,
}

impl<'a> Of<'a> {
    pub fn number(events: &'a Events, measure: &'a Measure) -> Of<'a> {
        let path = match measure {
            Measure::Count => None,
            Measure::Sum(path) | Measure::Min(path) | Measure::Max(path) => Some(path.as_slice()),
        };
        Of { events, path }
    }

    pub fn moment(events: &'a Events) -> Of<'a> {
        Of { events, path: None }
    }

    pub fn kept(self) -> Asked {
        Asked { events: self.events.clone(), path: self.path.map(<[String]>::to_vec) }
    }

    pub fn filter(self) -> Option<&'a Cond> {
        self.events.filter.as_ref()
    }

    /// The first instant that counts.
    pub(super) fn from(self, now: i64) -> i64 {
        self.events.within.map_or(i64::MIN, |within| begins(within, now))
    }
}

impl Asked {
    pub fn of(&self) -> Of<'_> {
        Of { events: &self.events, path: self.path.as_deref() }
    }
}

/// The first instant of a window that ends now.
pub(super) fn begins(within: i64, now: i64) -> i64 {
    now.saturating_sub(within).saturating_add(1)
}

/// Everything that an expression asks about events.
pub fn asked(expr: &Expr) -> Vec<Asked> {
    match expr {
        Expr::Everyone | Expr::User(_) | Expr::Segment(_) => vec![],
        Expr::All(parts) | Expr::Any(parts) => parts.iter().flat_map(asked).collect(),
        Expr::Not(part) => asked(part),
        Expr::Measure { events, measure, .. } => vec![Of::number(events, measure).kept()],
        Expr::When { events, .. } => vec![Of::moment(events).kept()],
    }
}

/// A number over the events that have happened; `None` when there is none.
pub fn number(events: &Events, measure: &Measure, facts: &impl Facts) -> Option<Value> {
    let of = Of::number(events, measure);
    facts.history(of).tally(of, facts.event_fields(&events.name), facts.now()).0.measured(measure)
}

/// Events of one name, loaded to be asked about.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub name: String,
    /// In any order: all that are not summed up.
    pub events: Vec<EventFact>,
    pub summed: Option<(Arc<Layout>, Vec<Stretch>)>,
}

impl Loaded {
    pub fn full(name: &str, events: Vec<EventFact>) -> Loaded {
        Loaded { name: name.into(), events, summed: None }
    }

    pub fn answers(&self, of: Of<'_>) -> bool {
        self.name == of.events.name && self.summed.as_ref().is_none_or(|(layout, _)| layout.answers(of))
    }

    pub fn history(&self) -> History<'_> {
        let summed = self.summed.as_ref().map(|(layout, stretches)| (&**layout, stretches.as_slice()));
        History { events: &self.events, summed }
    }
}

/// Events of one name: those that stand here one by one, in any order, and those that are summed up.
#[derive(Debug, Clone, Copy)]
pub struct History<'a> {
    pub events: &'a [EventFact],
    pub summed: Option<(&'a Layout, &'a [Stretch])>,
}

impl<'a> History<'a> {
    /// All of them one by one.
    pub fn full(events: &'a [EventFact]) -> History<'a> {
        History { events, summed: None }
    }

    /// Those that have happened and count, and when the first of those to come occurs.
    pub fn tally(self, of: Of<'_>, fields: &[Field], now: i64) -> (Tally, Option<i64>) {
        let mut seen = Seen { from: of.from(now), now, tally: Tally::default(), next: None };
        if let Some((layout, stretches)) = self.summed {
            let series = layout.series(of).expect("what is asked has been summed up");
            stretches.iter().for_each(|stretch| stretch.see(series, &mut seen));
        }
        for event in self.events.iter().filter(|event| passes(of, event, fields)) {
            seen.event(event.occurred_at, at(of.path, event, fields));
        }
        (seen.tally, seen.next)
    }

    /// Those that have happened and count, one by one. Those that are summed up are not among them.
    pub fn counted(self, of: Of<'_>, fields: &[Field], now: i64) -> Vec<&'a EventFact> {
        let times = of.from(now)..=now;
        self.events.iter().filter(|event| times.contains(&event.occurred_at) && passes(of, event, fields)).collect()
    }
}

fn passes(of: Of<'_>, event: &EventFact, fields: &[Field]) -> bool {
    of.filter().is_none_or(|filter| condition(filter, &event.attributes, fields))
}

pub(super) fn at(path: Option<&[String]>, event: &EventFact, fields: &[Field]) -> Option<Num> {
    look_up(path?, &event.attributes, fields).and_then(Num::of)
}

/// Events as they are gone through.
pub(super) struct Seen {
    pub from: i64,
    pub now: i64,
    pub tally: Tally,
    /// The first after now.
    pub next: Option<i64>,
}

impl Seen {
    pub fn event(&mut self, occurred_at: i64, number: Option<Num>) {
        if occurred_at > self.now {
            self.comes(occurred_at);
        } else if occurred_at >= self.from {
            self.tally.add(occurred_at, number);
        }
    }

    pub fn comes(&mut self, occurred_at: i64) {
        self.next = Some(self.next.map_or(occurred_at, |next| next.min(occurred_at)));
    }
}
