//! How much a provider takes, per second and in 24 hours, over all servers.
//!
//! A server leases what it is going to send in blocks, from counters that all share. What it has leased and not used is lost when it
//! dies: one block at most.

use segflow_protocol::Stream;

/// A block is what a second's allowance comes to in this time, in µs.
const BLOCK: i64 = 250_000;

/// Nothing that was leased is kept for longer than this, in ms: what was not used then was not there to be sent.
const KEPT: i64 = 1_000;

/// Of a day's allowance: a block is one part in this, up to the largest.
const DAY_PARTS: u32 = 100;
const LARGEST: u32 = 1_000;

/// Of a day's allowance: campaigns leave one part in this to transactions.
const RESERVE: u32 = 20;

/// Hours that count into a day: 24 whole ones, and the one that is not over.
pub const HOURS: i64 = 25;

pub const HOUR: i64 = 3_600_000;

/// What is known of how much a provider takes; nothing is without limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    pub per_second: Option<u32>,
    /// In any 24 hours, counted by the hour.
    pub per_day: Option<u32>,
}

impl Limits {
    pub fn is_none(&self) -> bool {
        *self == Limits::default()
    }

    /// The tighter of two.
    pub fn and(self, other: Limits) -> Limits {
        let least = |a: Option<u32>, b: Option<u32>| a.into_iter().chain(b).min();
        Limits { per_second: least(self.per_second, other.per_second), per_day: least(self.per_day, other.per_day) }
    }
}

/// Leases a block of a second's allowance: how many, and from when on the next may be had. `next_at` and `now` in µs. An error is the
/// instant from which on there is something.
pub fn of_second(per_second: u32, next_at: i64, now: i64) -> Result<(u32, i64), i64> {
    if now < next_at {
        return Err(next_at);
    }
    let rate = i64::from(per_second.max(1));
    let tokens = (rate * BLOCK / 1_000_000).max(1);
    let takes = tokens * 1_000_000 / rate;
    // Whoever comes a little late has not lost what it could have sent until then.
    let from = next_at.max(now - takes.min(BLOCK));
    Ok((tokens as u32, from + takes))
}

/// How many of a day's allowance may be leased at once. `used` is what was leased within the day.
pub fn of_day(per_day: u32, used: u64, stream: Stream) -> u32 {
    let kept_back = match stream {
        Stream::Transactions => 0,
        Stream::Campaigns => per_day / RESERVE,
    };
    let left = u64::from(per_day - kept_back).saturating_sub(used);
    let block = (per_day / DAY_PARTS).clamp(1, LARGEST);
    left.min(u64::from(block)) as u32
}

/// What a server has leased of a provider's allowances.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Purse {
    second: u32,
    /// ms.
    second_until: i64,
    transactions: u32,
    campaigns: u32,
}

impl Purse {
    /// How many may be sent with what is there.
    pub fn holds(&self, limits: &Limits, stream: Stream, now: i64) -> usize {
        let second = if now < self.second_until { self.second } else { 0 };
        let second = limits.per_second.map_or(u32::MAX, |_| second);
        let day = limits.per_day.map_or(u32::MAX, |_| *self.day(stream));
        second.min(day) as usize
    }

    /// Which allowances there is nothing left of.
    pub fn lacks(&self, limits: &Limits, stream: Stream, now: i64) -> (bool, bool) {
        let second = limits.per_second.is_some() && (self.second == 0 || now >= self.second_until);
        (second, limits.per_day.is_some() && *self.day(stream) == 0)
    }

    pub fn put_second(&mut self, tokens: u32, now: i64) {
        (self.second, self.second_until) = (tokens, now.saturating_add(KEPT));
    }

    pub fn put_day(&mut self, tokens: u32, stream: Stream) {
        *self.day_mut(stream) += tokens;
    }

    pub fn spend(&mut self, tokens: usize, stream: Stream) {
        let tokens = tokens as u32;
        self.second = self.second.saturating_sub(tokens);
        let day = self.day_mut(stream);
        *day = day.saturating_sub(tokens);
    }

    /// What was spent on nothing.
    pub fn take_back(&mut self, tokens: usize, limits: &Limits, stream: Stream) {
        let tokens = tokens as u32;
        self.second += tokens;
        if limits.per_day.is_some() {
            *self.day_mut(stream) += tokens;
        }
    }

    /// Of the day's allowance, all that was not used: it goes back to where it came from.
    pub fn empty(&mut self) -> u32 {
        std::mem::take(self).day_left()
    }

    fn day_left(&self) -> u32 {
        self.transactions + self.campaigns
    }

    fn day(&self, stream: Stream) -> &u32 {
        match stream {
            Stream::Transactions => &self.transactions,
            Stream::Campaigns => &self.campaigns,
        }
    }

    fn day_mut(&mut self, stream: Stream) -> &mut u32 {
        match stream {
            Stream::Transactions => &mut self.transactions,
            Stream::Campaigns => &mut self.campaigns,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However many servers ask, and whenever: over any stretch of time no more is leased than the rate allows, but for a little.
        #[test]
        fn a_rate_is_kept(rate in 1..5_000u32, waits in proptest::collection::vec(0..600_000i64, 1..200)) {
            let (mut now, mut next_at, mut leased) = (0i64, 0, vec![]);
            for wait in waits {
                now += wait;
                if let Ok((tokens, next)) = of_second(rate, next_at, now) {
                    leased.push((now, i64::from(tokens)));
                    next_at = next;
                }
            }
            let block = (i64::from(rate) / 4).max(1);
            for (i, (from, _)) in leased.iter().enumerate() {
                let mut sum = 0;
                for (to, tokens) in &leased[i..] {
                    sum += tokens;
                    let allowed = (to - from) * i64::from(rate) / 1_000_000 + 2 * block + 1;
                    prop_assert!(sum <= allowed, "{sum} of {allowed} within {} µs", to - from);
                }
            }
        }

        #[test]
        fn a_day_is_kept_and_transactions_have_their_part(per_day in 1..100_000u32, turns in proptest::collection::vec(any::<bool>(), 300..1_000)) {
            let (mut used, mut campaigns) = (0u64, 0u64);
            for is_transaction in turns {
                let stream = if is_transaction { Stream::Transactions } else { Stream::Campaigns };
                let block = of_day(per_day, used, stream);
                prop_assert!(block <= (per_day / 100).clamp(1, 1_000));
                used += u64::from(block);
                if !is_transaction { campaigns += u64::from(block); }
                prop_assert!(used <= u64::from(per_day) && campaigns <= u64::from(per_day - per_day / 20));
            }
        }
    }

    /// As the loop does it: it looks every so often, a little late each time.
    #[test]
    fn a_rate_is_reached() {
        for rate in [1, 2, 7, 14, 100, 3_333] {
            let (mut next_at, mut sum) = (0, 0u64);
            for now in (0..100_000_000).step_by(37_000) {
                while let Ok((tokens, next)) = of_second(rate, next_at, now) {
                    (sum, next_at) = (sum + u64::from(tokens), next);
                }
            }
            let wanted = u64::from(rate) * 100;
            assert!((wanted * 99 / 100..=wanted + u64::from(rate)).contains(&sum), "{sum} of {wanted}");
        }
    }

    #[test]
    fn a_purse_keeps_the_two_apart() {
        let both = Limits { per_second: Some(8), per_day: Some(1_000) };
        let mut purse = Purse::default();
        assert_eq!(purse.lacks(&both, Stream::Campaigns, 0), (true, true));
        purse.put_second(2, 0);
        purse.put_day(10, Stream::Campaigns);
        assert_eq!((purse.holds(&both, Stream::Campaigns, 1), purse.holds(&both, Stream::Transactions, 1)), (2, 0));
        purse.spend(2, Stream::Campaigns);
        assert_eq!(purse.lacks(&both, Stream::Campaigns, 1), (true, false));
        purse.put_second(2, 5);
        assert_eq!(purse.holds(&both, Stream::Campaigns, 1_004), 2);
        assert_eq!(purse.holds(&both, Stream::Campaigns, 1_005), 0, "too old");
        assert_eq!(purse.holds(&Limits::default(), Stream::Campaigns, 0), u32::MAX as usize);
        assert_eq!(purse.empty(), 8);
    }

    #[test]
    fn the_tighter_limit_counts() {
        let limits = |per_second, per_day| Limits { per_second, per_day };
        assert_eq!(limits(Some(5), None).and(limits(Some(3), Some(9))), limits(Some(3), Some(9)));
        assert!(limits(None, None).and(Limits::default()).is_none());
    }
}
