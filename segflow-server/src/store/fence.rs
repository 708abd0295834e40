//! Who may act: server incarnations, their leases on buckets, and the fence that every commit of a decision goes through.
//!
//! The fence is the server's own row in `servers`. No heartbeat touches it; commits lock it for share, and whoever takes over marks it
//! dead, which waits for the commits under way and stops all later ones. Leases live by the database's clock.

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

/// A new incarnation of a server; it owns nothing yet.
pub async fn join(db: &Db) -> Result<String> {
    let incarnation = random_id("srv");
    let id = incarnation.clone();
    db.write(move |tx| {
        let id = id.clone();
        Box::pin(async move {
            let sql = format!("INSERT INTO servers (incarnation, started_at) VALUES (?, {})", database_now(tx.kind()));
            tx.run(sql, args![id]).await?;
            let all = (0..BUCKETS).map(|bucket| args![bucket, Option::<String>::None, 0i64]).collect();
            insert(tx, &LEASES, all).await
        })
    })
    .await?;
    Ok(incarnation)
}

/// Renews this server's leases and takes those that are free, or whose owner has let them expire. `alone` takes all: the caller
/// knows that no other server lives. Returns the buckets that are its own for `lease` from now.
pub async fn renew(db: &Db, incarnation: &str, lease: Duration, alone: bool) -> Result<BTreeSet<u16>> {
    let me = incarnation.to_string();
    let lease = lease.as_millis() as i64;
    db.write(move |tx| {
        let me = me.clone();
        Box::pin(async move {
            hold(tx, &me).await?;
            let now = now(tx).await?;
            let sql =
                format!("SELECT bucket, incarnation, expires_at FROM leases ORDER BY bucket{}", for_update(tx.kind()));
            let (mut mine, mut victims) = (BTreeSet::new(), BTreeSet::new());
            for row in tx.rows(sql, vec![]).await? {
                let owner = row.opt_text(1)?;
                let free = owner.as_deref().is_none_or(|owner| owner == me);
                if free || alone || row.int(2)? < now {
                    mine.insert(row.int(0)? as u16);
                    victims.extend(owner.filter(|owner| *owner != me));
                }
            }
            for victim in victims {
                tx.run("UPDATE servers SET dead_at = ? WHERE incarnation = ? AND dead_at IS NULL", args![now, victim])
                    .await?;
            }
            let buckets: Vec<Value> = mine.iter().map(|b| Value::from(*b)).collect();
            let sql = "UPDATE leases SET incarnation = ?, expires_at = ? WHERE bucket IN ({})";
            run_in(tx, sql, &args![&me, now + lease], &buckets).await?;
            Ok(mine)
        })
    })
    .await
}

/// Gives everything back, for a clean end: nothing is being sent any more.
pub async fn leave(db: &Db, incarnation: &str) -> Result<()> {
    let me = incarnation.to_string();
    db.write(move |tx| {
        let me = me.clone();
        Box::pin(async move {
            tx.run("UPDATE leases SET incarnation = NULL, expires_at = 0 WHERE incarnation = ?", args![&me]).await?;
            let now = now(tx).await?;
            tx.run("UPDATE servers SET dead_at = ? WHERE incarnation = ? AND dead_at IS NULL", args![now, &me]).await?;
            Ok(())
        })
    })
    .await
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
