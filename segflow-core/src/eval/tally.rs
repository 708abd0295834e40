//! What is to be known of some events to answer every question about them. Two tallies of different events make one of all.

use std::cmp::Ordering;

use segflow_protocol::{Measure, Test};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::number::Num;
use super::sum::Sum;

/// Events, summed up with the numbers that were found in them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Tally {
    pub count: u64,
    /// ms UTC.
    pub first: Option<i64>,
    pub last: Option<i64>,
    sum: Sum,
    min: Option<Num>,
    max: Option<Num>,
}

impl Tally {
    pub fn add(&mut self, at: i64, number: Option<Num>) {
        self.count += 1;
        self.spans(at, at);
        if let Some(number) = number {
            self.sum.add(number);
            self.numbers(number, number);
        }
    }

    pub fn merge(&mut self, other: &Tally) {
        self.count += other.count;
        if let (Some(first), Some(last)) = (other.first, other.last) {
            self.spans(first, last);
        }
        self.sum.merge(&other.sum);
        if let (Some(min), Some(max)) = (other.min, other.max) {
            self.numbers(min, max);
        }
    }

    /// `None`: there is no such number.
    pub fn measured(&self, measure: &Measure) -> Option<Value> {
        match measure {
            Measure::Count => Some(Value::from(self.count)),
            Measure::Sum(_) => Some(self.sum.total().json()),
            Measure::Min(_) => self.min.map(Num::json),
            Measure::Max(_) => self.max.map(Num::json),
        }
    }

    /// Whether what holds of the number, or does not, stays so however many of these events leave, those that occurred first before the
    /// others. Without numbers below zero a sum falls, for one, and what is too small stays too small.
    pub fn outlasts(&self, measure: &Measure, is: &Test, holds: bool) -> bool {
        let none = |number: Option<Num>, order| number.is_none_or(|n| n.compare(Num::Whole(0)) != order);
        let (falls, rises) = match measure {
            Measure::Count => (true, false),
            Measure::Sum(_) => (none(self.min, Ordering::Less), none(self.max, Ordering::Greater)),
            Measure::Max(_) => (true, false),
            Measure::Min(_) => (false, true),
        };
        // Of no events there is no smallest and no largest, and nothing holds of it.
        let stays_there = matches!(measure, Measure::Count | Measure::Sum(_));
        match (is, holds) {
            (Test::Gt(_) | Test::Ge(_), false) => falls,
            (Test::Gt(_) | Test::Ge(_), true) => rises && stays_there,
            (Test::Lt(_) | Test::Le(_), false) => rises,
            (Test::Lt(_) | Test::Le(_), true) => falls && stays_there,
            _ => false,
        }
    }

    fn spans(&mut self, first: i64, last: i64) {
        self.first = Some(self.first.map_or(first, |known| known.min(first)));
        self.last = Some(self.last.map_or(last, |known| known.max(last)));
    }

    fn numbers(&mut self, min: Num, max: Num) {
        let better = |known: Option<Num>, new: Num, order| {
            Some(known.filter(|known| new.compare(*known) != order).unwrap_or(new))
        };
        self.min = better(self.min, min, Ordering::Less);
        self.max = better(self.max, max, Ordering::Greater);
    }
}
