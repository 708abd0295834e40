//! Comparisons of JSON values, as the truth table has them.

use std::cmp::Ordering;

use segflow_protocol::Test;
use serde_json::{Number, Value};

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
        (Value::Number(a), Value::Number(b)) => numbers(a, b) == Some(Ordering::Equal),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        _ => a == b,
    }
}

fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => numbers(a, b),
        (Value::String(a), Value::String(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        _ => None,
    }
}

/// Less, for two numbers.
pub fn less(a: &Value, b: &Value) -> bool {
    compare(a, b) == Some(Ordering::Less)
}

fn integer(n: &Number) -> Option<i128> {
    n.as_i64().map(i128::from).or_else(|| n.as_u64().map(i128::from))
}

fn numbers(a: &Number, b: &Number) -> Option<Ordering> {
    match (integer(a), integer(b)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

/// The sum of numbers: exact for integers that stay within 64 bits, otherwise compensated (Neumaier 1974), so that the order of the
/// events makes no difference that anybody sees.
pub fn sum(values: &[Value]) -> Value {
    let numbers = || values.iter().filter_map(Value::as_number);
    if let Some(total) = numbers().try_fold(0i128, |total, n| Some(total + integer(n)?))
        && let Ok(total) = i64::try_from(total)
    {
        return Value::from(total);
    }
    let (mut total, mut lost) = (0.0f64, 0.0f64);
    for x in numbers().filter_map(Number::as_f64) {
        let next = total + x;
        lost += if total.abs() >= x.abs() { (total - next) + x } else { (x - next) + total };
        total = next;
    }
    // A sum beyond the range of floats stays at its end: JSON knows no infinity.
    let sum = if total.is_finite() { total + lost } else { total };
    Value::from(sum.clamp(f64::MIN, f64::MAX))
}
