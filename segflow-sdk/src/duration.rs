//! Spans of time: `days(90)`, `hours(1) + minutes(30)`. Never negative; one too long to express is the longest there is.

use std::fmt;
use std::ops::{Add, Mul};

/// A span of time in whole milliseconds.
///
/// A day is always 24 hours here; what follows the calendar and its summer time is another matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(i64);

const UNITS: [(&str, i64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// `n` milliseconds.
pub const fn milliseconds(n: u64) -> Duration {
    Duration::of(n, 1)
}

/// `n` seconds.
pub const fn seconds(n: u64) -> Duration {
    Duration::of(n, 1_000)
}

/// `n` minutes.
pub const fn minutes(n: u64) -> Duration {
    Duration::of(n, 60_000)
}

/// `n` hours.
pub const fn hours(n: u64) -> Duration {
    Duration::of(n, 3_600_000)
}

/// `n` times 24 hours.
pub const fn days(n: u64) -> Duration {
    Duration::of(n, 86_400_000)
}

/// `n` times 7 days.
pub const fn weeks(n: u64) -> Duration {
    Duration::of(n, 604_800_000)
}

impl Duration {
    /// The longest: about 292 million years.
    pub const MAX: Duration = Duration(i64::MAX);

    const fn of(n: u64, unit: u64) -> Duration {
        let ms = n.saturating_mul(unit);
        if ms > i64::MAX as u64 { Duration::MAX } else { Duration(ms as i64) }
    }

    /// In milliseconds, never negative.
    pub const fn as_millis(self) -> i64 {
        self.0
    }
}

impl Add for Duration {
    type Output = Duration;

    fn add(self, other: Duration) -> Duration {
        Duration(self.0.saturating_add(other.0))
    }
}

impl Mul<u64> for Duration {
    type Output = Duration;

    fn mul(self, times: u64) -> Duration {
        Duration::of(self.0 as u64, times)
    }
}

/// `3d 2h`, as the `segflow` command reads it.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        let mut parts = vec![];
        for (unit, ms) in UNITS {
            if rest >= ms {
                parts.push(format!("{}{unit}", rest / ms));
                rest %= ms;
            }
        }
        f.write_str(if parts.is_empty() { "0s" } else { "" })?;
        f.write_str(&parts.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_add_up_and_saturate() {
        assert_eq!(weeks(1), days(7));
        assert_eq!(hours(1) + minutes(30), seconds(5400));
        assert_eq!(minutes(1) * 3, milliseconds(180_000));
        assert_eq!(days(u64::MAX), Duration::MAX);
        assert_eq!(Duration::MAX + days(1), Duration::MAX);
        assert_eq!((0..3).map(|i| days(1 << i).as_millis() / 86_400_000).collect::<Vec<_>>(), [1, 2, 4]);
    }

    #[test]
    fn they_print_as_the_command_reads_them() {
        assert_eq!((days(3) + hours(2)).to_string(), "3d 2h");
        assert_eq!(milliseconds(0).to_string(), "0s");
        assert_eq!(milliseconds(61_001).to_string(), "1m 1s 1ms");
    }
}
