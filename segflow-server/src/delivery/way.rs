//! A way out of the project: a provider that it declares, with what this server knows about it.

use std::sync::{Arc, Mutex, MutexGuard};

use segflow_core::ids;
use segflow_core::protocol::{Route, Stream};
use segflow_core::route::{Access, Breaker, Candidate, Health, Limits, Purse};
use tokio::sync::OwnedSemaphorePermit;

use super::registry::Made;
use crate::store::providers::{Key, Known};

/// A provider that can be asked.
#[derive(Clone)]
pub struct Way {
    pub key: Key,
    pub route: Route,
    pub made: Made,
    pub track: Arc<Track>,
}

/// What this server knows about a provider, as long as it runs.
pub struct Track {
    pub key: Key,
    state: Mutex<State>,
}

pub struct State {
    pub health: Health,
    /// What is known of what all servers know.
    pub known: Known,
    pub purse: Purse,
    /// From when on there is more of an allowance, in ms: of a second's, and of a day's for each stream.
    pub next_second: i64,
    pub next_day: [i64; 2],
    pub credit: i64,
    pub asking: bool,
}

/// Room for one message.
pub struct Opening {
    pub way: Way,
    pub permit: OwnedSemaphorePermit,
    /// It is to show whether the provider is well again.
    pub probe: bool,
}

impl Track {
    pub fn new(key: Key) -> Track {
        let state = State {
            health: Health::default(),
            known: Known::nothing(key.clone()),
            purse: Purse::default(),
            next_second: 0,
            next_day: [0; 2],
            credit: 0,
            asking: false,
        };
        Track { key, state: Mutex::new(state) }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while held")
    }
}

impl State {
    /// Learns what all servers know now.
    pub fn learn(&mut self, known: Known) {
        if known.version > self.known.version && known.breaker != self.health.breaker {
            self.health = Health::of(known.breaker);
        }
        if known.version >= self.known.version {
            self.known = known;
        }
    }

    /// When something changes by itself, in ms.
    pub fn next(&self, now: i64) -> Option<i64> {
        let opens = match self.health.access(now) {
            Access::Busy(until) | Access::Shut(until) => Some(until),
            Access::Free | Access::Probe => None,
        };
        let more = [self.next_second, self.next_day[0], self.next_day[1]];
        opens.into_iter().chain(more).filter(|at| *at > now).min()
    }
}

impl Way {
    /// How much it takes: what the project says and what it says itself, whichever is less.
    pub fn limits(&self, state: &State) -> Limits {
        let declared = Limits { per_second: self.route.per_second, per_day: self.route.per_day };
        let all = declared.and(state.known.told);
        let usual = self.made.provider.usual();
        Limits { per_second: all.per_second.or(usual.per_second), per_day: all.per_day.or(usual.per_day) }
    }

    /// Whether what it may send has to be asked for before it is asked to send anything.
    pub fn is_unknown(&self, state: &State) -> bool {
        state.known.told_at.is_none() && self.made.provider.allowance().is_some()
    }

    /// As it stands among others. Capture is always well.
    pub fn candidate(&self, stream: Stream, now: i64) -> Candidate {
        let state = self.track.state();
        let limits = self.limits(&state);
        let held = state.purse.holds(&limits, stream, now);
        Candidate {
            priority: self.route.priority,
            weight: self.route.weight,
            access: if self.is_unknown(&state) { Access::Busy(i64::MAX) } else { state.health.access(now) },
            spent: limits.per_day.is_some() && held == 0 && now < state.next_day[stream as usize],
            room: self.free(stream).min(held),
            credit: state.credit,
        }
    }

    /// Connections that are free; of several, campaigns leave one to transactions.
    fn free(&self, stream: Stream) -> usize {
        let kept = usize::from(stream == Stream::Campaigns && self.made.provider.most() > 1);
        self.made.slots.available_permits().saturating_sub(kept)
    }

    /// Takes room for some messages.
    pub fn open(&self, wanted: usize, probe: bool, stream: Stream) -> Vec<Opening> {
        let permit = || self.made.slots.clone().try_acquire_owned().ok();
        let opening = |permit| Opening { way: self.clone(), permit, probe };
        let openings: Vec<Opening> = std::iter::from_fn(permit).take(wanted).map(opening).collect();
        self.track.state().purse.spend(openings.len(), stream);
        openings
    }

    /// Room that was not needed.
    pub fn close(&self, unused: usize, stream: Stream) {
        let mut state = self.track.state();
        let limits = self.limits(&state);
        state.purse.take_back(unused, &limits, stream);
    }

    /// Whether it was left alone for something that is not so any more: it has other secrets now.
    pub fn has_changed(&self) -> bool {
        let state = self.track.state();
        state.health.breaker != Breaker::Closed
            && state.known.made_of.as_ref().is_some_and(|made_of| *made_of != self.made.made_of)
    }

    pub fn seed(&self) -> u64 {
        ids::seed(&format!("{}/{}", self.key.workspace, self.key.id))
    }
}
