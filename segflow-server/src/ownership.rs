//! Which users this server works for, and since when it may believe so.
//!
//! The fence stops a server that is dead. Nothing but this module stops one that is alive from working for a bucket it gives back: the
//! bucket first leaves what [`Ownership::held`] says, then every tick that may still have it ends, and only then is its lease freed.

use std::collections::BTreeSet;
use std::sync::RwLock;
use std::time::{Duration, Instant};

use crate::clock::monotonic;
use crate::seen::{self, Seen};
use crate::store::db::Db;
use crate::store::{Error, Result, fence};

/// The longest between two beats: how soon what is free is taken, after a lease has run out or a server has left.
const PACE: Duration = Duration::from_secs(1);

/// The buckets this server has leased.
pub struct Ownership {
    lease: Duration,
    /// No other server can be alive on this database.
    alone: bool,
    /// Where it is noted how far the database has come.
    seen: Option<Seen>,
    state: RwLock<State>,
}

struct State {
    incarnation: String,
    buckets: BTreeSet<u16>,
    /// Still leased, no longer worked for, and to be given back.
    leaving: BTreeSet<u16>,
    until: Instant,
}

/// What a tick works for, and as whom. A tick takes it once: what is decided for a bucket is committed by the incarnation that had it.
pub struct Held {
    pub incarnation: String,
    pub buckets: BTreeSet<u16>,
}

/// What a beat has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beaten {
    /// Nothing that anybody has to look at.
    Same,
    /// There are buckets that it did not have before.
    More,
    /// Another server had taken over; this one has joined again as another incarnation, with no buckets yet.
    Rejoined,
}

/// A new incarnation. Of a database that was restored nothing is sent before somebody has looked at it.
async fn join(db: &Db, seen: Option<&Seen>, now: i64) -> Result<String> {
    if let Some(seen) = seen {
        seen.hold_restored(db, now).await?;
    }
    fence::join(db).await
}

impl Ownership {
    pub async fn join(db: &Db, lease: Duration, alone: bool, seen: Option<Seen>, now: i64) -> Result<Ownership> {
        let state = RwLock::new(State::of(join(db, seen.as_ref(), now).await?));
        let ownership = Ownership { lease, alone, seen, state };
        ownership.beat(db, now).await?;
        Ok(ownership)
    }

    /// Renews the lease, takes buckets that are free, and says which are to be given back. The time it counts from is the time before
    /// the database was asked. Not to be called while [`Ownership::give`] is going on.
    pub async fn beat(&self, db: &Db, now: i64) -> Result<Beaten> {
        let incarnation = self.state.read().expect("no panic while held").incarnation.clone();
        let asked = monotonic();
        let leased = match fence::renew(db, &incarnation, self.lease, self.alone).await {
            Err(Error::Fenced) if !self.alone => {
                let joined = State::of(join(db, self.seen.as_ref(), now).await?);
                tracing::warn!(dead = incarnation, joined.incarnation, "another server has taken over; joined again");
                *self.state.write().expect("no panic while held") = joined;
                return Ok(Beaten::Rejoined);
            }
            leased => leased?,
        };
        if let Some(seen) = &self.seen {
            seen.note(leased.now);
        }
        let mut state = self.state.write().expect("no panic while held");
        let mut buckets = &leased.buckets - &state.leaving;
        if state.leaving.is_empty() {
            let surplus = buckets.len().saturating_sub(leased.share);
            state.leaving = buckets.iter().rev().take(surplus).copied().collect();
            buckets = &buckets - &state.leaving;
        }
        let more = !buckets.is_subset(&state.buckets);
        if buckets != state.buckets {
            tracing::info!(buckets = buckets.len(), leaving = state.leaving.len(), "the share of this server");
        }
        state.buckets = buckets;
        state.until = asked + self.lease;
        Ok(if more { Beaten::More } else { Beaten::Same })
    }

    /// Whether there are buckets to be given back, once all that is under way for them has ended.
    pub fn is_leaving(&self) -> bool {
        !self.state.read().expect("no panic while held").leaving.is_empty()
    }

    /// Gives these buckets back. The caller has waited for every tick that began while they were held.
    pub async fn give(&self, db: &Db) -> Result<()> {
        let (incarnation, leaving) = {
            let state = self.state.read().expect("no panic while held");
            (state.incarnation.clone(), state.leaving.clone())
        };
        fence::give(db, &incarnation, leaving).await?;
        self.state.write().expect("no panic while held").leaving.clear();
        Ok(())
    }

    /// What to work for, now. Nothing once the lease has run out unrenewed: then another server may have it.
    pub fn held(&self) -> Held {
        let state = self.state.read().expect("no panic while held");
        let buckets = if self.is_valid(&state) { state.buckets.clone() } else { BTreeSet::new() };
        Held { incarnation: state.incarnation.clone(), buckets }
    }

    /// Whether what was claimed by an incarnation may still be begun.
    pub fn may_begin(&self, incarnation: &str) -> bool {
        let state = self.state.read().expect("no panic while held");
        state.incarnation == incarnation && self.is_valid(&state)
    }

    fn is_valid(&self, state: &State) -> bool {
        self.alone || monotonic() < state.until
    }

    /// No other server can be alive, so there is nobody to account for.
    pub fn is_alone(&self) -> bool {
        self.alone
    }

    /// How long between two beats; `None` if there is nobody to be told of them.
    pub fn pace(&self) -> Option<Duration> {
        match self.alone {
            true => self.seen.as_ref().map(|_| seen::PACE),
            false => Some(PACE.min(self.lease / 3)),
        }
    }

    /// Gives everything back at the end, when no tick will come any more.
    pub async fn leave(&self, db: &Db) {
        let incarnation = {
            let mut state = self.state.write().expect("no panic while held");
            state.buckets.clear();
            state.incarnation.clone()
        };
        match fence::leave(db, &incarnation).await {
            Ok(now) => self.seen.iter().for_each(|seen| seen.note_last(now)),
            Err(Error::Fenced) => {}
            Err(error) => tracing::warn!(%error, "the leases were not given back; they run out by themselves"),
        }
    }
}

impl State {
    /// A new incarnation; it has nothing yet.
    fn of(incarnation: String) -> State {
        State { incarnation, buckets: BTreeSet::new(), leaving: BTreeSet::new(), until: monotonic() }
    }
}
