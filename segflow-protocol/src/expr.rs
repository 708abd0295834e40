//! Segments as data. What each node means, case by case, is written down with the evaluator in `segflow-core`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Who belongs to a segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expr {
    Everyone,
    All(Vec<Expr>),
    Any(Vec<Expr>),
    Not(Box<Expr>),
    /// The user's attributes fulfil a condition.
    User(Cond),
    /// A number taken over events, compared.
    Measure {
        events: Events,
        measure: Measure,
        is: Test,
    },
    /// The time of the first or last such event, compared with now.
    When {
        events: Events,
        which: Which,
        is: TimeTest,
        or_never: bool,
    },
    /// Membership of another segment.
    Segment(String),
}

/// A condition on one JSON object: a user's attributes, or those of one event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cond {
    All(Vec<Cond>),
    Any(Vec<Cond>),
    Not(Box<Cond>),
    /// The value at a path of object keys.
    At {
        path: Vec<String>,
        is: Test,
    },
}

/// A comparison with constants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    Exists,
    Eq(Value),
    Ne(Value),
    Lt(Value),
    Le(Value),
    Gt(Value),
    Ge(Value),
    OneOf(Vec<Value>),
    Contains(Value),
}

/// Which events are looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Events {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Cond>,
    /// Only those that occurred less than this many milliseconds ago.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    Count,
    Sum(Vec<String>),
    Min(Vec<String>),
    Max(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    First,
    Last,
}

/// An age, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeTest {
    OlderThan(i64),
    Within(i64),
}
