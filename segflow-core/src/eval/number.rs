//! Numbers of JSON, by their value.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

/// A whole number within 64 bits, or a 64-bit float; never NaN.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub enum Num {
    Whole(i128),
    Real(f64),
}

impl Num {
    pub fn of(value: &Value) -> Option<Num> {
        value.as_number().and_then(Num::read)
    }

    pub fn read(number: &Number) -> Option<Num> {
        let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
        whole.map(Num::Whole).or_else(|| number.as_f64().map(Num::Real))
    }

    /// A whole number beyond 64 bits becomes the nearest float; JSON knows no infinity, so a float beyond the range stays at its end.
    pub fn json(self) -> Value {
        let real = |x: f64| Value::from(x.clamp(f64::MIN, f64::MAX));
        match self {
            Num::Whole(n) => match (i64::try_from(n), u64::try_from(n)) {
                (Ok(n), _) => Value::from(n),
                (_, Ok(n)) => Value::from(n),
                _ => real(n as f64),
            },
            Num::Real(x) => real(x),
        }
    }

    pub fn compare(self, other: Num) -> Ordering {
        match (self, other) {
            (Num::Whole(a), Num::Whole(b)) => a.cmp(&b),
            (Num::Real(a), Num::Real(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
            (Num::Whole(a), Num::Real(b)) => whole_with_real(a, b),
            (Num::Real(a), Num::Whole(b)) => whole_with_real(b, a).reverse(),
        }
    }
}

/// Without rounding either: the order of three numbers is never a circle.
fn whole_with_real(a: i128, b: f64) -> Ordering {
    // Far beyond whole numbers this is the nearest end of their range.
    let whole = b.trunc();
    a.cmp(&(whole as i128)).then_with(|| 0.0.partial_cmp(&(b - whole)).unwrap_or(Ordering::Equal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_and_floats_compare_exactly() {
        let two_53 = 9_007_199_254_740_992_i128;
        let order = [
            Num::Real(-1e300),
            Num::Whole(i128::from(i64::MIN)),
            Num::Real(-2.5),
            Num::Whole(-2),
            Num::Real(-0.5),
            Num::Whole(0),
            Num::Real(5e-324),
            Num::Whole(1),
            Num::Real(two_53 as f64),
            Num::Whole(two_53 + 1),
            Num::Whole(i128::from(u64::MAX)),
            Num::Real(18_446_744_073_709_551_616.0),
            Num::Real(1e300),
        ];
        for (at, a) in order.iter().enumerate() {
            for (beside, b) in order.iter().enumerate() {
                assert_eq!(a.compare(*b), at.cmp(&beside), "{a:?} {b:?}");
            }
        }
        assert_eq!(Num::Real(-0.0).compare(Num::Whole(0)), Ordering::Equal);
        assert_eq!(Num::Whole(two_53).compare(Num::Real(two_53 as f64)), Ordering::Equal);
    }
}
