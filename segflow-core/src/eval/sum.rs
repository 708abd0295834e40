//! Sums that do not depend on the order of what is added, nor on whether it was added in parts: they are exact until they are read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::number::Num;

/// An exact sum of numbers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Sum {
    whole: i128,
    /// The floats, as a whole number of the smallest float there is (2⁻¹⁰⁷⁴): its digits, each of them of either sign, to the base 2³².
    real: BTreeMap<u8, i64>,
}

const BITS: u32 = 32;
const BASE: i128 = 1 << BITS;

/// One is so many of the smallest float, as a power of two.
const ONE: u32 = 1_074;

impl Sum {
    pub fn add(&mut self, number: Num) {
        match number {
            Num::Whole(n) => self.whole += n,
            Num::Real(x) => {
                let bits = x.to_bits();
                let (exponent, fraction) = ((bits >> 52 & 0x7ff) as u32, i128::from(bits & ((1 << 52) - 1)));
                let (shift, mantissa) = if exponent == 0 { (0, fraction) } else { (exponent - 1, fraction | 1 << 52) };
                let mantissa = if x.is_sign_negative() { -mantissa } else { mantissa };
                add(&mut self.real, (shift / BITS) as u8, mantissa << (shift % BITS));
            }
        }
    }

    pub fn merge(&mut self, other: &Sum) {
        self.whole += other.whole;
        for (at, digit) in &other.real {
            add(&mut self.real, *at, i128::from(*digit));
        }
    }

    /// The sum: whole when all that was added is, otherwise the nearest float.
    pub fn total(&self) -> Num {
        if self.real.is_empty() {
            return Num::Whole(self.whole);
        }
        let mut digits = self.real.clone();
        let mut whole = self.whole.unsigned_abs();
        for at in 0.. {
            if whole == 0 {
                break;
            }
            let part = (whole % BASE as u128) as i128 * self.whole.signum();
            add(&mut digits, (ONE / BITS) as u8 + at, part << (ONE % BITS));
            whole /= BASE as u128;
        }
        Num::Real(nearest(&digits))
    }
}

fn add(digits: &mut BTreeMap<u8, i64>, mut at: u8, mut value: i128) {
    while value != 0 {
        let digit = digits.entry(at).or_default();
        let sum = i128::from(*digit) + value;
        // Within 32 bits and a sign.
        *digit = (sum % BASE) as i64;
        value = sum / BASE;
        at += 1;
    }
}

/// The float that is nearest to a number of the smallest float; of two the even one.
fn nearest(digits: &BTreeMap<u8, i64>) -> f64 {
    let (negative, digits) = match positive(digits, 1) {
        Some(digits) => (false, digits),
        None => (true, positive(digits, -1).expect("what is below zero is above it when it is turned")),
    };
    // Three digits hold 65 bits or more, which is more than a float has; the rest only decides between two.
    let top = digits.iter().rposition(|digit| *digit > 0).unwrap_or(0);
    let low = top.saturating_sub(2);
    let head = digits[low..=top].iter().rev().fold(0u128, |head, digit| head << BITS | u128::from(*digit));
    let rest = digits[..low].iter().any(|digit| *digit > 0);
    let power = low as i32 * BITS as i32 - ONE as i32;
    // In two halves, each of which is a float: the first never ends in the range where bits get lost.
    let x = (head | u128::from(rest)) as f64 * two_to(power / 2) * two_to(power - power / 2);
    if negative { -x } else { x }
}

/// The digits, none of them negative, from the lowest place on; `None` when the number is negative.
fn positive(digits: &BTreeMap<u8, i64>, sign: i128) -> Option<Vec<u32>> {
    let (mut all, mut carry) = (vec![], 0i128);
    for at in 0..=digits.last_key_value().map_or(0, |(at, _)| *at) + 1 {
        let sum = digits.get(&at).map_or(0, |digit| i128::from(*digit)) * sign + carry;
        all.push(sum.rem_euclid(BASE) as u32);
        carry = sum.div_euclid(BASE);
    }
    (carry == 0).then_some(all)
}

fn two_to(power: i32) -> f64 {
    f64::from_bits(((power + 1_023) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sum(numbers: &[Num]) -> Num {
        let mut sum = Sum::default();
        numbers.iter().for_each(|n| sum.add(*n));
        sum.total()
    }

    fn real(numbers: &[f64]) -> f64 {
        match sum(&numbers.iter().map(|x| Num::Real(*x)).collect::<Vec<_>>()) {
            Num::Real(x) => x,
            Num::Whole(n) => panic!("{n} is whole"),
        }
    }

    #[test]
    fn it_is_the_float_nearest_to_the_exact_sum() {
        assert_eq!(real(&[0.1, 0.2]), 0.300_000_000_000_000_04);
        assert_eq!(real(&[0.1; 10]), 1.0);
        assert_eq!(real(&[1e16, 1.0, -1e16]), 1.0);
        assert_eq!(real(&[1e308, 1e308, -1e308]), 1e308);
        assert_eq!(real(&[1e308, 1e308]), f64::INFINITY);
        assert_eq!(real(&[f64::MIN_POSITIVE, -5e-324]), f64::from_bits((1 << 52) - 1));
        assert_eq!(real(&[5e-324, 5e-324]), 1e-323);
        assert_eq!(real(&[1.5, -1.5]), 0.0);
        // Half-way between two floats the even one, and a trace more decides.
        let (one, half) = (1.0, f64::EPSILON / 2.0);
        assert_eq!(real(&[one, half]), one);
        assert_eq!(real(&[one, half, 5e-324]), one + f64::EPSILON);
        assert_eq!(real(&[-one, -half, -5e-324]), -one - f64::EPSILON);
        assert!(matches!(sum(&[Num::Whole(1), Num::Real(-0.75)]), Num::Real(x) if x == 0.25));
        assert!(matches!(sum(&[Num::Whole(-(1 << 70)), Num::Real(0.5)]), Num::Real(x) if x == -(2f64.powi(70))));
        assert!(matches!(sum(&[Num::Whole(2); 3]), Num::Whole(6)));
    }

    fn number() -> impl Strategy<Value = Num> {
        prop_oneof![
            any::<i64>().prop_map(|n| Num::Whole(n.into())),
            any::<f64>().prop_filter("JSON has no others", |x| x.is_finite()).prop_map(Num::Real),
            (-100_000i32..100_000).prop_map(|n| Num::Real(f64::from(n) / 100.0)),
        ]
    }

    proptest! {
        #[test]
        fn order_and_parts_make_no_difference(numbers in prop::collection::vec(number(), 0..40), at in 0usize..40) {
            let (one, other) = numbers.split_at(at.min(numbers.len()));
            let (mut left, mut right) = (Sum::default(), Sum::default());
            other.iter().rev().for_each(|n| left.add(*n));
            one.iter().for_each(|n| right.add(*n));
            let stored = segflow_protocol::encode(&left);
            right.merge(&segflow_protocol::decode(&stored).expect("read back"));
            prop_assert_eq!(right.total().json(), sum(&numbers).json());
        }

        /// Where whole numbers can say what the sum is, it is that.
        #[test]
        fn quarters_are_summed_like_whole_numbers(quarters in prop::collection::vec(-1_000_000_000i64..1_000_000_000, 1..50)) {
            let total = real(&quarters.iter().map(|n| *n as f64 / 4.0).collect::<Vec<_>>());
            prop_assert_eq!(total * 4.0, quarters.iter().sum::<i64>() as f64);
        }
    }
}
