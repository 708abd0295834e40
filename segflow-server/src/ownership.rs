//! Which users this server works for, and since when it may believe so.

use std::collections::BTreeSet;
use std::sync::RwLock;
use std::time::{Duration, Instant};

use crate::clock::monotonic;
use crate::store::db::Db;
use crate::store::{Error, Result, fence};

/// The buckets this server has leased.
pub struct Ownership {
    pub incarnation: String,
    lease: Duration,
    /// No other server can be alive on this database.
    alone: bool,
    state: RwLock<State>,
}

struct State {
    buckets: BTreeSet<u16>,
    until: Instant,
}

impl Ownership {
    pub async fn join(db: &Db, lease: Duration, alone: bool) -> Result<Ownership> {
        let incarnation = fence::join(db).await?;
        let state = RwLock::new(State { buckets: BTreeSet::new(), until: monotonic() });
        let ownership = Ownership { incarnation, lease, alone, state };
        ownership.renew(db).await?;
        Ok(ownership)
    }

    /// Renews the lease; the time it counts from is the time before the database was asked.
    pub async fn renew(&self, db: &Db) -> Result<()> {
        let asked = monotonic();
        let buckets = fence::renew(db, &self.incarnation, self.lease, self.alone).await?;
        *self.state.write().expect("no panic while held") = State { buckets, until: asked + self.lease };
        Ok(())
    }

    /// The buckets to work for, now. None once the lease has run out unrenewed: then another server may have them.
    pub fn buckets(&self) -> BTreeSet<u16> {
        let state = self.state.read().expect("no panic while held");
        if self.alone || monotonic() < state.until { state.buckets.clone() } else { BTreeSet::new() }
    }

    /// No other server can be alive, so there is nothing to renew.
    pub fn is_alone(&self) -> bool {
        self.alone
    }

    pub fn lease(&self) -> Duration {
        self.lease
    }

    pub async fn leave(&self, db: &Db) {
        self.state.write().expect("no panic while held").buckets.clear();
        match fence::leave(db, &self.incarnation).await {
            Ok(()) | Err(Error::Fenced) => {}
            Err(error) => tracing::warn!(%error, "the leases were not given back; they run out by themselves"),
        }
    }
}
