//! A verdict in words: which part of an expression holds, and which facts decided it.

use jiff::Timestamp;
use segflow_protocol::{Cond, Events, Expr, Field, Measure, Test, TimeTest, Which};
use serde_json::Value;

use super::{EventFact, Facts, Flips, Of, condition, expression, look_up, number};
use crate::merge::Object;

/// How many events are shown.
const SHOWN: usize = 3;

/// One part of an expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// What is asked.
    pub says: String,
    pub holds: bool,
    /// What there is instead, or that it is so; none where that stands with the parts.
    pub because: Option<String>,
    /// The newest events that counted.
    pub events: Vec<EventFact>,
    pub parts: Vec<Explained>,
}

/// The whole of it, also the parts that did not matter. The events have to be there one by one.
pub fn explain(expr: &Expr, facts: &impl Facts) -> Explained {
    let mut flips = Flips { now: facts.now(), next: None };
    let holds = expression(expr, facts, &mut flips);
    let counted = |of: Of<'_>| facts.history(of).counted(of, facts.event_fields(&of.events.name), facts.now());
    let leaf = |because: String, events: Vec<EventFact>| Explained {
        says: leaf(expr),
        holds,
        because: Some(because),
        events,
        parts: vec![],
    };
    match expr {
        Expr::Everyone => Explained { because: None, ..leaf(String::new(), vec![]) },
        Expr::All(parts) | Expr::Any(parts) => {
            let parts = parts.iter().map(|part| explain(part, facts)).collect();
            Explained { says: joint(matches!(expr, Expr::All(_))), holds, because: None, events: vec![], parts }
        }
        Expr::Not(part) => {
            Explained { says: "not".into(), holds, because: None, events: vec![], parts: vec![explain(part, facts)] }
        }
        Expr::User(cond) => attributes(cond, facts.attributes(), facts.user_fields()),
        Expr::Segment(id) => leaf(if holds { "a member" } else { "not a member" }.to_string() + " of " + id, vec![]),
        Expr::Measure { events, measure, .. } => {
            let counted = counted(Of::number(events, measure));
            let number = number(events, measure, facts);
            let events = counted_in_words(counted.len());
            let because = match (measure, number) {
                (Measure::Count, _) => format!("there {} {events}", if counted.len() == 1 { "is" } else { "are" }),
                (_, Some(number)) => format!("it is {number}, over {events}"),
                (_, None) => format!("there is none, over {events}"),
            };
            leaf(because, newest(counted))
        }
        Expr::When { events, which, .. } => {
            let mut counted = counted(Of::moment(events));
            counted.sort_by_key(|event| event.occurred_at);
            let decides = match which {
                Which::First => counted.first(),
                Which::Last => counted.last(),
            };
            let because = match decides {
                Some(event) => format!("it was at {}", instant(event.occurred_at)),
                None => "it never happened".to_string(),
            };
            leaf(because, decides.map(|event| vec![(*event).clone()]).unwrap_or_default())
        }
    }
}

fn newest(mut events: Vec<&EventFact>) -> Vec<EventFact> {
    events.sort_by_key(|event| std::cmp::Reverse(event.occurred_at));
    events.into_iter().take(SHOWN).cloned().collect()
}

fn attributes(cond: &Cond, object: &Object, fields: &[Field]) -> Explained {
    let holds = condition(cond, object, fields);
    let of = |says: String, parts: Vec<Explained>| Explained { says, holds, because: None, events: vec![], parts };
    let each = |parts: &[Cond]| parts.iter().map(|part| attributes(part, object, fields)).collect();
    match cond {
        Cond::All(parts) => of(joint(true), each(parts)),
        Cond::Any(parts) => of(joint(false), each(parts)),
        Cond::Not(part) => of("not".into(), vec![attributes(part, object, fields)]),
        Cond::At { path, .. } => {
            let name = path.join(".");
            let because = match (look_up(path, object, &[]), look_up(path, object, fields)) {
                (Some(value), _) => format!("{name} is {}", shown(value)),
                (None, Some(default)) => format!("{name} is missing, and counts as {}", shown(default)),
                (None, None) => format!("{name} is missing"),
            };
            Explained { because: Some(because), ..of(self::cond(cond), vec![]) }
        }
    }
}

fn joint(all: bool) -> String {
    if all { "all of" } else { "one of" }.into()
}

/// An expression in one line.
pub fn rule(expr: &Expr) -> String {
    match expr {
        Expr::All(parts) if parts.is_empty() => "all of nothing".into(),
        Expr::Any(parts) if parts.is_empty() => "one of nothing".into(),
        Expr::All(parts) => joined(parts.iter().map(|part| inner(part, rule(part))), " and "),
        Expr::Any(parts) => joined(parts.iter().map(|part| inner(part, rule(part))), " or "),
        Expr::Not(part) => format!("not ({})", rule(part)),
        Expr::User(cond) => self::cond(cond),
        other => leaf(other),
    }
}

fn inner(expr: &Expr, text: String) -> String {
    let joint = match expr {
        Expr::All(parts) | Expr::Any(parts) => parts.len() > 1,
        Expr::User(Cond::All(parts) | Cond::Any(parts)) => parts.len() > 1,
        _ => false,
    };
    if joint { format!("({text})") } else { text }
}

fn joined(parts: impl Iterator<Item = String>, by: &str) -> String {
    parts.collect::<Vec<_>>().join(by)
}

fn leaf(expr: &Expr) -> String {
    match expr {
        Expr::Everyone => "everybody".into(),
        Expr::Segment(id) => format!("in segment {id}"),
        Expr::Measure { events, measure, is } => {
            let of = |word: &str, path: &[String]| format!("{word} of {} over {}", path.join("."), over(events));
            let what = match measure {
                Measure::Count => format!("count of {}", over(events)),
                Measure::Sum(path) => of("sum", path),
                Measure::Min(path) => of("smallest", path),
                Measure::Max(path) => of("largest", path),
            };
            compared(&what, is)
        }
        Expr::When { events, which, is, or_never } => {
            let which = if *which == Which::First { "first" } else { "last" };
            let age = match is {
                TimeTest::OlderThan(ms) => format!("{} ago or longer", span(*ms)),
                TimeTest::Within(ms) => format!("less than {} ago", span(*ms)),
            };
            let never = if *or_never { ", or never" } else { "" };
            format!("the {which} {} was {age}{never}", over(events))
        }
        Expr::All(_) | Expr::Any(_) | Expr::Not(_) | Expr::User(_) => rule(expr),
    }
}

fn over(events: &Events) -> String {
    let filter = events.filter.as_ref().map(|filter| format!(" with {}", cond(filter)));
    let within = events.within.map(|ms| format!(" in the last {}", span(ms)));
    format!("{}{}{}", events.name, filter.unwrap_or_default(), within.unwrap_or_default())
}

fn cond(cond: &Cond) -> String {
    let part = |part: &Cond| match part {
        Cond::All(parts) | Cond::Any(parts) if parts.len() > 1 => format!("({})", self::cond(part)),
        part => self::cond(part),
    };
    match cond {
        Cond::All(parts) => joined(parts.iter().map(part), " and "),
        Cond::Any(parts) => joined(parts.iter().map(part), " or "),
        Cond::Not(one) => format!("not ({})", self::cond(one)),
        Cond::At { path, is } => compared(&path.join("."), is),
    }
}

fn compared(what: &str, is: &Test) -> String {
    match is {
        Test::Exists => format!("{what} is there"),
        Test::Eq(x) => format!("{what} = {}", shown(x)),
        Test::Ne(x) => format!("{what} ≠ {}", shown(x)),
        Test::Lt(x) => format!("{what} < {}", shown(x)),
        Test::Le(x) => format!("{what} ≤ {}", shown(x)),
        Test::Gt(x) => format!("{what} > {}", shown(x)),
        Test::Ge(x) => format!("{what} ≥ {}", shown(x)),
        Test::OneOf(all) => format!("{what} is one of {}", joined(all.iter().map(shown), ", ")),
        Test::Contains(x) => format!("{what} contains {}", shown(x)),
    }
}

/// A value in a few words.
fn shown(value: &Value) -> String {
    const LONGEST: usize = 60;
    let text = value.to_string();
    if text.chars().count() <= LONGEST { text } else { text.chars().take(LONGEST - 1).chain(['…']).collect() }
}

fn counted_in_words(events: usize) -> String {
    if events == 1 { "1 event".into() } else { format!("{events} events") }
}

fn instant(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| format!("{ms} ms"), |at| at.to_string())
}

/// 2 days 3 hours.
pub(super) fn span(ms: i64) -> String {
    const UNITS: [(&str, i64); 5] =
        [("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000), ("second", 1_000), ("ms", 1)];
    let (mut left, mut parts) = (ms.max(0), vec![]);
    for (unit, length) in UNITS {
        let many = left / length;
        left %= length;
        if many > 0 {
            let plural = if many == 1 || unit == "ms" { "" } else { "s" };
            parts.push(format!("{many} {unit}{plural}"));
        }
    }
    if parts.is_empty() { "0 seconds".into() } else { parts.join(" ") }
}
