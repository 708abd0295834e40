//! Who may act: server incarnations, their leases on buckets, and the fence that every commit of a decision goes through.
//!
//! The fence is the server's own row in `servers`. No heartbeat touches it; commits lock it for share, and whoever takes over marks it
//! dead, which waits for the commits under way and stops all later ones. Leases live by the database's clock.
//!
//! Servers that are alive share the buckets: each takes what is free up to its part, and gives back what it has above that. The fence
//! does not guard a bucket that is given back, only the word of its owner that nothing is under way for it
//! ([`ownership`](crate::ownership)).

use std::collections::BTreeSet;
use std::time::Duration;

use segflow_core::ids::BUCKETS;

use super::db::{Db, Tx, Value};
use super::many::{Existing, Table, insert, run_in};
use super::{Error, Result, database_now, for_share, for_update, random_id};
use crate::args;

const LEASES: Table = Table {
    name: "leases",
    columns: &["bucket", "incarnation", "expires_at"],
    key: &["bucket"],
    existing: Existing::Stays,
};

const HEARTBEATS: Table = Table {
    name: "heartbeats",
    columns: &["incarnation", "expires_at"],
    key: &["incarnation"],
    existing: Existing::Takes(&["expires_at"]),
};

/// How long servers are remembered that are dead and accounted for, in ms: thirty days.
const REMEMBERED: i64 = 30 * 86_400_000;

/// A new incarnation of a server; it owns nothing yet.
pub async fn join(db: &Db) -> Result<String> {
    let incarnation = random_id("srv");
    let id = incarnation.clone();
    db.write(move |tx| {
        let id = id.clone();
        Box::pin(async move {
            let now = database_now(tx.kind());
            tx.run(format!("INSERT INTO servers (incarnation, started_at) VALUES (?, {now})"), args![id]).await?;
            // By their keys: a search that deletes would wait for the commits of those who live.
            let sql = format!("SELECT incarnation FROM servers WHERE recovered = 1 AND dead_at < {now} - ?");
            let rows = tx.rows(sql, args![REMEMBERED]).await?;
            let gone = rows.iter().map(|row| row.text(0).map(Value::from)).collect::<Result<Vec<_>>>()?;
            run_in(tx, "DELETE FROM servers WHERE incarnation IN ({})", &[], &gone).await?;
            let all = (0..BUCKETS).map(|bucket| args![bucket, Option::<String>::None, 0i64]).collect();
            insert(tx, &LEASES, all).await
        })
    })
    .await?;
    Ok(incarnation)
}

/// What a server has leased.
#[derive(Debug)]
pub struct Leased {
    /// Its own buckets, for `lease` from the moment it asked.
    pub buckets: BTreeSet<u16>,
    /// How many it is to have, so that every server that is alive has its part.
    pub share: usize,
    /// The database's time, ms UTC.
    pub now: i64,
}

/// Renews this server's leases, says with that that it is alive, and takes what is free up to its share. Whoever has not been heard of
/// for a lease is marked dead, and all that was theirs is free. `alone` means that the caller knows that no other server lives.
pub async fn renew(db: &Db, incarnation: &str, lease: Duration, alone: bool) -> Result<Leased> {
    let me = incarnation.to_string();
    let lease = lease.as_millis() as i64;
    db.write(move |tx| {
        let me = me.clone();
        Box::pin(async move { renew_in(tx, &me, lease, alone).await })
    })
    .await
}

async fn renew_in(tx: &mut Tx, me: &str, lease: i64, alone: bool) -> Result<Leased> {
    // The leases before the fence: one server at a time does this, and none waits for another with its fence in hand.
    let sql = format!("SELECT bucket, incarnation, expires_at FROM leases ORDER BY bucket{}", for_update(tx.kind()));
    let leases = tx.rows(sql, vec![]).await?;
    hold(tx, me).await?;
    let now = now(tx).await?;
    let gone = |server: &str, expires_at: i64| server != me && (alone || expires_at < now);

    let (mut living, mut dead) = (BTreeSet::from([me.to_string()]), BTreeSet::new());
    for row in tx.rows("SELECT incarnation, expires_at FROM heartbeats", vec![]).await? {
        let server = row.text(0)?;
        if gone(&server, row.int(1)?) { &mut dead } else { &mut living }.insert(server);
    }
    let mut owners = vec![];
    for row in leases {
        let (bucket, owner, expires_at) = (row.int(0)? as u16, row.opt_text(1)?, row.int(2)?);
        dead.extend(owner.clone().filter(|owner| gone(owner, expires_at)));
        owners.push((bucket, owner));
    }
    let is_free = |owner: &Option<String>| owner.as_ref().is_none_or(|owner| dead.contains(owner));
    let free: Vec<u16> = owners.iter().filter(|(_, owner)| is_free(owner)).map(|(bucket, _)| *bucket).collect();
    let is_mine = |owner: &Option<String>| owner.as_deref() == Some(me);
    let mut mine: BTreeSet<u16> = owners.iter().filter(|(_, o)| is_mine(o)).map(|(bucket, _)| *bucket).collect();
    let living = &living - &dead;
    for server in &dead {
        // Waits for the commits that it has under way, and stops all later ones: from here on its buckets are nobody's.
        tx.run("UPDATE servers SET dead_at = ? WHERE incarnation = ? AND dead_at IS NULL", args![now, server]).await?;
        tx.run("DELETE FROM heartbeats WHERE incarnation = ?", args![server]).await?;
        let sql = "UPDATE leases SET incarnation = NULL, expires_at = 0 WHERE incarnation = ?";
        tx.run(sql, args![server]).await?;
    }
    let share = share(&living, me);
    let lacking = share.saturating_sub(mine.len());
    mine.extend(free.into_iter().take(lacking));
    let buckets: Vec<Value> = mine.iter().map(|b| Value::from(*b)).collect();
    let sql = "UPDATE leases SET incarnation = ?, expires_at = ? WHERE bucket IN ({})";
    run_in(tx, sql, &args![me, now + lease], &buckets).await?;
    insert(tx, &HEARTBEATS, vec![args![me, now + lease]]).await?;
    Ok(Leased { buckets: mine, share, now })
}

/// One server's part of all buckets. Together they come to exactly all, and no two differ by more than one.
fn share(living: &BTreeSet<String>, me: &str) -> usize {
    let (all, servers) = (usize::from(BUCKETS), living.len());
    let place = living.iter().take_while(|server| server.as_str() < me).count();
    all / servers + usize::from(place < all % servers)
}

/// Gives buckets back, for which this server has nothing under way any more.
pub async fn give(db: &Db, incarnation: &str, buckets: BTreeSet<u16>) -> Result<()> {
    let me = incarnation.to_string();
    db.write(move |tx| {
        let (me, buckets) = (me.clone(), buckets.iter().map(|b| Value::from(*b)).collect::<Vec<_>>());
        Box::pin(async move {
            let sql = "UPDATE leases SET incarnation = NULL, expires_at = 0 WHERE incarnation = ? AND bucket IN ({})";
            run_in(tx, sql, &args![me], &buckets).await?;
            Ok(())
        })
    })
    .await
}

/// Gives everything back, for a clean end: nothing is decided or claimed any more. What is still being sent has its grace, as after any
/// other end. The database's time of it, ms UTC.
pub async fn leave(db: &Db, incarnation: &str) -> Result<i64> {
    let me = incarnation.to_string();
    db.write(move |tx| {
        let me = me.clone();
        Box::pin(async move {
            tx.run("UPDATE leases SET incarnation = NULL, expires_at = 0 WHERE incarnation = ?", args![&me]).await?;
            let now = now(tx).await?;
            tx.run("UPDATE servers SET dead_at = ? WHERE incarnation = ? AND dead_at IS NULL", args![now, &me]).await?;
            tx.run("DELETE FROM heartbeats WHERE incarnation = ?", args![&me]).await?;
            Ok(now)
        })
    })
    .await
}

/// The last instant at which a server is known to have lived on this database, or may have, ms UTC; `None` if there was none yet.
pub async fn last(db: &Db) -> Result<Option<i64>> {
    let sql = "SELECT MAX(at) FROM (SELECT MAX(started_at) AS at FROM servers UNION ALL SELECT MAX(dead_at) FROM servers \
               UNION ALL SELECT MAX(expires_at) FROM heartbeats) known";
    db.read_one(sql, vec![]).await?.map_or(Ok(None), |row| row.opt_int(0))
}

/// Holds the fence for the rest of a transaction; an error if this server has been declared dead.
pub async fn hold(tx: &mut Tx, incarnation: &str) -> Result<()> {
    let sql = format!("SELECT dead_at FROM servers WHERE incarnation = ?{}", for_share(tx.kind()));
    match tx.row(sql, args![incarnation]).await? {
        Some(row) if row.opt_int(0)?.is_none() => Ok(()),
        _ => Err(Error::Fenced),
    }
}

/// The database's time, ms UTC.
pub async fn now(tx: &mut Tx) -> Result<i64> {
    let row = tx.row(format!("SELECT {}", database_now(tx.kind())), vec![]).await?;
    row.ok_or_else(|| Error::Internal("the database has no time".into()))?.int(0)
}

/// Servers that died long enough ago that nothing they began can still be going on, and that nobody has accounted for.
pub async fn unaccounted(db: &Db, grace: Duration) -> Result<Vec<String>> {
    let sql = format!(
        "SELECT incarnation FROM servers WHERE recovered = 0 AND dead_at IS NOT NULL AND dead_at <= {} - ?",
        database_now(db.kind())
    );
    db.read(sql, args![grace.as_millis() as i64]).await?.iter().map(|row| row.text(0)).collect()
}

pub async fn accounted(tx: &mut Tx, incarnation: &str) -> Result<()> {
    tx.run("UPDATE servers SET recovered = 1 WHERE incarnation = ?", args![incarnation]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_come_to_all_and_differ_by_one_at_most() {
        for servers in 1..=70 {
            let living: BTreeSet<String> = (0..servers).map(|n| format!("srv_{n}")).collect();
            let shares: Vec<usize> = living.iter().map(|me| share(&living, me)).collect();
            assert_eq!(shares.iter().sum::<usize>(), usize::from(BUCKETS), "{servers}");
            let (most, least) = (shares.iter().max(), shares.iter().min());
            assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 1), "{shares:?}");
        }
    }
}
