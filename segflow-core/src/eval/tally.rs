//! What is to be known of some events to answer every question about them. Two tallies of different events make one of all.

use std::cmp::Ordering;

use segflow_protocol::Measure;
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
