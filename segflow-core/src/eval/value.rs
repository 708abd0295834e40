//! Comparisons of JSON values, as the truth table has them.

use std::cmp::Ordering;

use segflow_protocol::Test;
use serde_json::Value;

use super::number::Num;

/// Whether a value passes a test. `None` is a missing value.
pub fn test(is: &Test, value: Option<&Value>) -> bool {
    let ordered = |x: &Value, accepted: &[Ordering]| {
        value.and_then(|value| compare(value, x)).is_some_and(|order| accepted.contains(&order))
    };
    match is {
        Test::Exists => value.is_some(),
        Test::Eq(x) => value.is_some_and(|value| equal(value, x)),
        Test::Ne(x) => !value.is_some_and(|value| equal(value, x)),
        Test::Lt(x) => ordered(x, &[Ordering::Less]),
        Test::Le(x) => ordered(x, &[Ordering::Less, Ordering::Equal]),
        Test::Gt(x) => ordered(x, &[Ordering::Greater]),
        Test::Ge(x) => ordered(x, &[Ordering::Greater, Ordering::Equal]),
        Test::OneOf(all) => value.is_some_and(|value| all.iter().any(|x| equal(value, x))),
        Test::Contains(x) => match (value, x) {
            (Some(Value::String(text)), Value::String(part)) => text.contains(part.as_str()),
            (Some(Value::Array(elements)), x) => elements.iter().any(|element| equal(element, x)),
            _ => false,
        },
    }
}

/// Numbers by value, everything else as it is; arrays and objects whole.
fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(_), Value::Number(_)) => compare(a, b) == Some(Ordering::Equal),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        _ => a == b,
    }
}

fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => Some(Num::read(a)?.compare(Num::read(b)?)),
        (Value::String(a), Value::String(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        _ => None,
    }
}
