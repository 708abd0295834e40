//! The circuit breaker of a provider: one that is in trouble is left alone for a while, then one message shows whether it is well again.

use crate::ids;
use crate::ledger::Outcome;

/// So many calls that fail in a row open it.
const FAILURES: u32 = 5;

/// How long it stays open, in ms: doubled each time, up to the longest.
const FIRST: i64 = 10_000;
const LONGEST: i64 = 300_000;

/// How long the one message is waited for, in ms: longer than any call takes. Then its server is gone, and another is sent.
const PROBE: i64 = 300_000;

/// A provider that asks for no more than this, in ms, is only busy: it is waited for, and nobody else is asked instead.
pub const BUSY: i64 = 10_000;

/// What all servers know about a provider. Times are ms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Breaker {
    #[default]
    Closed,
    Open {
        until: i64,
        /// How often in a row.
        times: u32,
    },
    /// One message is on its way.
    HalfOpen { until: i64, times: u32 },
}

/// Whether a provider may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Free,
    /// With one message, and only by whoever says so first.
    Probe,
    /// It asked to be left alone for a moment.
    Busy(i64),
    /// Not before this instant.
    Shut(i64),
}

impl Breaker {
    pub fn access(self, now: i64) -> Access {
        match self {
            Breaker::Closed => Access::Free,
            Breaker::Open { until, .. } | Breaker::HalfOpen { until, .. } if now < until => Access::Shut(until),
            Breaker::Open { .. } | Breaker::HalfOpen { .. } => Access::Probe,
        }
    }

    /// With one message on its way.
    pub fn half_open(self, now: i64) -> Breaker {
        Breaker::HalfOpen { until: now.saturating_add(PROBE), times: self.times() }
    }

    /// The message that was to show it never reached the provider.
    pub fn unproven(self, now: i64) -> Breaker {
        Breaker::Open { until: now, times: self.times() }
    }

    /// `pause` is what the provider asked for. Servers that open it at one time do not come back at one time.
    fn opened(self, pause: Option<i64>, seed: u64, now: i64) -> Breaker {
        let times = self.times() + 1;
        let own = (FIRST << (times - 1).min(10)).min(LONGEST);
        let spread = ids::random(seed, u64::from(times)) % (own as u64 / 4);
        let pause = own.saturating_add(spread as i64).max(pause.unwrap_or(0));
        Breaker::Open { until: now.saturating_add(pause), times }
    }

    fn times(self) -> u32 {
        match self {
            Breaker::Closed => 0,
            Breaker::Open { times, .. } | Breaker::HalfOpen { times, .. } => times,
        }
    }
}

/// What one server knows about a provider.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    pub breaker: Breaker,
    /// Calls that have failed here since one went well.
    failures: u32,
    busy_until: i64,
}

/// What all servers have to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Opened { why: String },
    Closed,
}

/// What a call says about its provider.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Sign {
    /// It does what it is for.
    Well,
    Busy(i64),
    /// Something went wrong; once says little.
    Failed(String),
    /// It says itself that it takes nothing.
    Down {
        why: String,
        pause: i64,
    },
}

impl Health {
    pub fn of(breaker: Breaker) -> Health {
        Health { breaker, ..Health::default() }
    }

    pub fn access(&self, now: i64) -> Access {
        match self.breaker.access(now) {
            Access::Free | Access::Probe if now < self.busy_until => Access::Busy(self.busy_until),
            access => access,
        }
    }

    /// It is to be left alone until then, and is well otherwise.
    pub fn is_busy(&mut self, until: i64) {
        self.busy_until = self.busy_until.max(until);
    }

    /// Hears what became of the messages of one call. `probe` says that the call was to show whether the provider is well again.
    pub fn hear(&mut self, call: &[Outcome], probe: bool, seed: u64, now: i64) -> Option<Change> {
        let sign = sign(call)?;
        if let Sign::Busy(pause) = sign {
            self.is_busy(now.saturating_add(pause));
        }
        // Calls that began before it opened end after it: they show nothing new.
        if self.breaker != Breaker::Closed && !probe {
            return None;
        }
        let (why, pause) = match sign {
            Sign::Well | Sign::Busy(_) => {
                self.failures = 0;
                let was = std::mem::take(&mut self.breaker);
                return (was != Breaker::Closed).then_some(Change::Closed);
            }
            Sign::Failed(_) if self.failures + 1 < FAILURES && !probe => {
                self.failures += 1;
                return None;
            }
            Sign::Failed(why) => (why, None),
            Sign::Down { why, pause } => (why, Some(pause)),
        };
        self.failures = 0;
        self.breaker = self.breaker.opened(pause, seed, now);
        Some(Change::Opened { why })
    }
}

/// One message that is taken or refused says that the provider is well, whatever it says of the others in the call.
fn sign(call: &[Outcome]) -> Option<Sign> {
    let one = |outcome: &Outcome| match outcome {
        Outcome::Accepted { .. } | Outcome::Refused(_) | Outcome::Bounced { .. } | Outcome::Retry(_) => Sign::Well,
        Outcome::Unable { pause: Some(pause), .. } if *pause <= BUSY => Sign::Busy(*pause),
        Outcome::Unable { why, pause: Some(pause) } => Sign::Down { why: why.clone(), pause: *pause },
        Outcome::Unable { why, pause: None } | Outcome::Ambiguous(why) | Outcome::Repeatable(why) => {
            Sign::Failed(why.clone())
        }
    };
    let rank = |sign: &Sign| match sign {
        Sign::Well => (3, 0),
        Sign::Busy(pause) => (2, *pause),
        Sign::Down { pause, .. } => (1, *pause),
        Sign::Failed(_) => (0, 0),
    };
    call.iter().map(one).max_by_key(rank)
}

/// Whether a message that a provider could not take may go to another one at once. `before` is how often that has happened to it, and
/// `others` are those that could take it now: each is given one chance before there is a pause.
pub fn goes_elsewhere(outcome: &Outcome, before: u32, others: u32) -> bool {
    match outcome {
        Outcome::Unable { pause: Some(pause), .. } if *pause <= BUSY => false,
        Outcome::Unable { .. } => before < others,
        _ => false,
    }
}

#[cfg(test)]
#[path = "breaker_tests.rs"]
mod tests;
