//! What all servers know about providers: their breakers, what they say of themselves, and the counters that allowances are leased from.
//!
//! Each of these is a short transaction of its own, on one row: no claim and no outcome waits for it.

use segflow_core::protocol::Stream;
use segflow_core::route::limits::{HOUR, HOURS, of_day, of_second};
use segflow_core::route::{Breaker, Limits};

use super::db::{Db, Row, Tx};
use super::many::{Existing, Table, insert};
use super::{Error, Result, database_now, for_update};
use crate::args;

/// A provider of a workspace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub workspace: String,
    pub id: String,
}

/// What is kept of a provider. Times are ms of the clock that all servers share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub key: Key,
    pub breaker: Breaker,
    /// Since when it is not closed, and why.
    pub since: Option<i64>,
    pub why: Option<String>,
    /// What it was made of then.
    pub made_of: Option<String>,
    pub version: i64,
    /// Why it cannot be made.
    pub unusable: Option<String>,
    pub told: Limits,
    pub told_at: Option<i64>,
}

impl Known {
    pub fn nothing(key: Key) -> Known {
        Known {
            key,
            breaker: Breaker::Closed,
            since: None,
            why: None,
            made_of: None,
            version: 0,
            unusable: None,
            told: Limits::default(),
            told_at: None,
        }
    }
}

const COLUMNS: &str = "p.workspace, p.id, p.breaker, p.until, p.times, p.since, p.why, p.made_of, p.version, p.unusable, \
                       p.told_per_second, p.told_per_day, p.told_at";

/// The database's time, ms UTC, and all that is known.
pub async fn all(db: &Db) -> Result<(i64, Vec<Known>)> {
    let sql = format!(
        "SELECT {COLUMNS}, t.now FROM (SELECT {} AS now) AS t LEFT JOIN providers p ON 1 = 1",
        database_now(db.kind())
    );
    let rows = db.read(sql, vec![]).await?;
    let now = rows.first().ok_or_else(|| Error::Internal("the database has no time".into()))?.int(13)?;
    // Where there is none, there is still a time.
    let is_there = |row: &&Row| row.opt_text(1).is_ok_and(|id| id.is_some());
    Ok((now, rows.iter().filter(is_there).map(known).collect::<Result<_>>()?))
}

/// What is known of those of a workspace.
pub async fn of(db: &Db, workspace: &str) -> Result<Vec<Known>> {
    let sql = format!("SELECT {COLUMNS} FROM providers p WHERE p.workspace = ?");
    db.read(sql, args![workspace]).await?.iter().map(known).collect()
}

/// What was leased of the daily allowances of a workspace within the day that ends `now`, by provider.
pub async fn used(db: &Db, workspace: &str, now: i64) -> Result<Vec<(String, i64)>> {
    // MySQL's sums are decimals; SQLite takes any word for a type.
    let sql = "SELECT provider, CAST(SUM(used) AS SIGNED) FROM provider_hours WHERE workspace = ? AND hour > ? GROUP BY provider";
    let rows = db.read(sql, args![workspace, now / HOUR - HOURS]).await?;
    rows.iter().map(|row| Ok((row.text(0)?, row.int(1)?))).collect()
}

fn known(row: &Row) -> Result<Known> {
    let (until, times) = (row.int(3)?, row.int(4)? as u32);
    let limit = |at: usize| Ok::<_, Error>(row.opt_int(at)?.and_then(|n| u32::try_from(n).ok()));
    Ok(Known {
        key: Key { workspace: row.text(0)?, id: row.text(1)? },
        breaker: match row.text(2)?.as_str() {
            "closed" => Breaker::Closed,
            "open" => Breaker::Open { until, times },
            "half_open" => Breaker::HalfOpen { until, times },
            other => return Err(Error::Internal(format!("a breaker is `{other}`"))),
        },
        since: row.opt_int(5)?,
        why: row.opt_text(6)?,
        made_of: row.opt_text(7)?,
        version: row.int(8)?,
        unusable: row.opt_text(9)?,
        told: Limits { per_second: limit(10)?, per_day: limit(11)? },
        told_at: row.opt_int(12)?,
    })
}

/// A breaker as it becomes, and why.
#[derive(Debug, Clone)]
pub struct Turned {
    pub breaker: Breaker,
    pub why: Option<String>,
    pub made_of: String,
}

/// Changes a breaker, if nobody has since `version`. What it is then, whoever has.
pub async fn turn(db: &Db, key: &Key, version: i64, to: Turned, now: i64) -> Result<Known> {
    let key = key.clone();
    db.write(move |tx| {
        let (key, to) = (key.clone(), to.clone());
        Box::pin(async move { turn_in(tx, key, version, to, now).await })
    })
    .await
}

async fn turn_in(tx: &mut Tx, key: Key, version: i64, to: Turned, now: i64) -> Result<Known> {
    let before = locked(tx, &key).await?;
    if before.version != version {
        return Ok(before);
    }
    let (name, until, times) = match to.breaker {
        Breaker::Closed => ("closed", 0, 0),
        Breaker::Open { until, times } => ("open", until, times),
        Breaker::HalfOpen { until, times } => ("half_open", until, times),
    };
    // A half open one is still what it was opened for.
    let (since, why) = match to.breaker {
        Breaker::Closed => (None, None),
        _ => (before.since.or(Some(now)), to.why.or_else(|| before.why.clone())),
    };
    let made_of = (to.breaker != Breaker::Closed).then_some(to.made_of);
    let sql = "UPDATE providers SET breaker = ?, until = ?, times = ?, since = ?, why = ?, made_of = ?, version = version + 1 \
               WHERE workspace = ? AND id = ?";
    tx.run(sql, args![name, until, times, since, why.as_ref(), made_of.as_ref(), &key.workspace, &key.id]).await?;
    Ok(Known { breaker: to.breaker, since, why, made_of, version: version + 1, ..before })
}

/// Forgets whatever keeps a provider from being asked.
pub async fn retry(db: &Db, key: &Key) -> Result<()> {
    let key = key.clone();
    db.write(move |tx| {
        let key = key.clone();
        Box::pin(async move {
            let Known { version, .. } = locked(tx, &key).await?;
            turn_in(tx, key, version, Turned { breaker: Breaker::Closed, why: None, made_of: String::new() }, 0)
                .await?;
            Ok(())
        })
    })
    .await
}

/// Notes why a provider cannot be made, or that it can.
pub async fn unusable(db: &Db, key: &Key, why: Option<String>) -> Result<()> {
    let key = key.clone();
    db.write(move |tx| {
        let (key, why) = (key.clone(), why.clone());
        Box::pin(async move {
            locked(tx, &key).await?;
            let sql = "UPDATE providers SET unusable = ? WHERE workspace = ? AND id = ?";
            tx.run(sql, args![why, &key.workspace, &key.id]).await?;
            Ok(())
        })
    })
    .await
}

/// Notes what a provider says of itself.
pub async fn told(db: &Db, key: &Key, told: Limits, now: i64) -> Result<()> {
    let key = key.clone();
    db.write(move |tx| {
        let key = key.clone();
        Box::pin(async move {
            locked(tx, &key).await?;
            let sql = "UPDATE providers SET told_per_second = ?, told_per_day = ?, told_at = ? WHERE workspace = ? AND id = ?";
            tx.run(sql, args![told.per_second, told.per_day, now, &key.workspace, &key.id]).await?;
            Ok(())
        })
    })
    .await
}

/// What is wanted of a provider's allowances; a block of each that is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    pub limits: Limits,
    pub stream: Stream,
}

/// What was leased: how many, or from when on there is something, in ms. Of what was not asked for, nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leased {
    pub second: Result<u32, i64>,
    pub day: Result<u32, i64>,
}

/// Leases a block. `now` in µs.
pub async fn lease(db: &Db, key: &Key, wanted: Wanted, now: i64) -> Result<Leased> {
    let key = key.clone();
    db.write(move |tx| {
        let key = key.clone();
        Box::pin(async move { lease_in(tx, &key, wanted, now).await })
    })
    .await
}

async fn lease_in(tx: &mut Tx, key: &Key, wanted: Wanted, now: i64) -> Result<Leased> {
    locked(tx, key).await?;
    let mut leased = Leased { second: Ok(0), day: Ok(0) };
    if let Some(rate) = wanted.limits.per_second {
        let sql = "SELECT next_at FROM providers WHERE workspace = ? AND id = ?";
        let row = tx.row(sql, args![&key.workspace, &key.id]).await?;
        match of_second(rate, row.map_or(Ok(0), |row| row.int(0))?, now) {
            Err(from) => return Ok(Leased { second: Err(from.div_euclid(1_000) + 1), ..leased }),
            Ok((tokens, next_at)) => {
                leased.second = Ok(tokens);
                let sql = "UPDATE providers SET next_at = ? WHERE workspace = ? AND id = ?";
                tx.run(sql, args![next_at, &key.workspace, &key.id]).await?;
            }
        }
    }
    if let Some(per_day) = wanted.limits.per_day {
        leased.day = lease_day(tx, key, per_day, wanted.stream, now / 1_000 / HOUR).await?;
    }
    Ok(leased)
}

async fn lease_day(tx: &mut Tx, key: &Key, per_day: u32, stream: Stream, hour: i64) -> Result<Result<u32, i64>> {
    let sql = "SELECT hour, used FROM provider_hours WHERE workspace = ? AND provider = ? AND hour > ? ORDER BY hour";
    let rows = tx.rows(sql, args![&key.workspace, &key.id, hour - HOURS]).await?;
    let hours = rows.iter().map(|row| Ok((row.int(0)?, row.int(1)?))).collect::<Result<Vec<_>>>()?;
    let used: i64 = hours.iter().map(|(_, used)| used).sum();
    let tokens = of_day(per_day, used.max(0) as u64, stream);
    if tokens == 0 {
        // When the first hour in which something was used is no part of the day any more.
        let oldest = hours.iter().find(|(_, used)| *used > 0).map_or(hour, |(hour, _)| *hour);
        return Ok(Err((oldest + HOURS) * HOUR));
    }
    add_to_hour(tx, key, hour, i64::from(tokens)).await?;
    Ok(Ok(tokens))
}

async fn add_to_hour(tx: &mut Tx, key: &Key, hour: i64, tokens: i64) -> Result<()> {
    let sql = "UPDATE provider_hours SET used = used + ? WHERE workspace = ? AND provider = ? AND hour = ?";
    if tx.run(sql, args![tokens, &key.workspace, &key.id, hour]).await? > 0 {
        return Ok(());
    }
    insert(tx, &HOURLY, vec![args![&key.workspace, &key.id, hour, tokens]]).await?;
    let sql = "DELETE FROM provider_hours WHERE workspace = ? AND provider = ? AND hour <= ?";
    tx.run(sql, args![&key.workspace, &key.id, hour - HOURS]).await?;
    Ok(())
}

/// Gives back what was leased of a day's allowance and not used. `now` in ms.
pub async fn give_back(db: &Db, key: &Key, tokens: u32, now: i64) -> Result<()> {
    let key = key.clone();
    db.write(move |tx| {
        let key = key.clone();
        Box::pin(async move {
            locked(tx, &key).await?;
            let sql = "UPDATE provider_hours SET used = used - ? WHERE workspace = ? AND provider = ? AND hour = ? AND used >= ?";
            let tokens = i64::from(tokens);
            tx.run(sql, args![tokens, &key.workspace, &key.id, now / HOUR, tokens]).await?;
            Ok(())
        })
    })
    .await
}

/// The row of a provider, which is made if it is not there, for the rest of the transaction.
async fn locked(tx: &mut Tx, key: &Key) -> Result<Known> {
    let sql = format!("SELECT {COLUMNS} FROM providers p WHERE p.workspace = ? AND p.id = ?{}", for_update(tx.kind()));
    if let Some(row) = tx.row(sql.as_str(), args![&key.workspace, &key.id]).await? {
        return known(&row);
    }
    // Whoever else makes it at the same time is waited for.
    insert(tx, &PROVIDERS, vec![args![&key.workspace, &key.id, "closed", 0, 0, 0, 0]]).await?;
    let row = tx.row(sql, args![&key.workspace, &key.id]).await?;
    row.map_or_else(|| Ok(Known::nothing(key.clone())), |row| known(&row))
}

const PROVIDERS: Table = Table {
    name: "providers",
    columns: &["workspace", "id", "breaker", "until", "times", "version", "next_at"],
    key: &["workspace", "id"],
    existing: Existing::Stays,
};

const HOURLY: Table = Table {
    name: "provider_hours",
    columns: &["workspace", "provider", "hour", "used"],
    key: &["workspace", "provider", "hour"],
    existing: Existing::Fails,
};
