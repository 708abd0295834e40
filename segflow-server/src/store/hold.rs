//! A stop for everything: while a workspace is held, none of its messages goes from `pending` to `sending`.
//!
//! Nothing is written on the messages: they go on as pending ones do, are cancelled, suppressed and erased, and are called held where they
//! are shown. So a hold is one row however many wait, and what is counted is always what waits. Every claim locks that row for share
//! ([`gate`](super::gate)): a hold that was acknowledged comes wholly before it. So do the claims of flows' webhooks.

use std::collections::BTreeSet;

use segflow_core::ledger::Status;

use super::db::{Db, Row, Tx, Value};
use super::many::{On, run_in, select_in};
use super::news::{self, Change};
use super::{Error, Result, for_update, ledger};
use crate::args;

/// What is known of a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// ms UTC.
    pub since: i64,
    /// Id and name of the key that asked for it. Nobody: a server that was started so.
    pub by: Option<(String, String)>,
    pub why: Option<String>,
}

impl Hold {
    /// Why a message waits, for people.
    pub fn reason(&self) -> String {
        match &self.why {
            Some(why) => format!("sending is held: {why}"),
            None => "sending is held".into(),
        }
    }
}

/// The status by which a message is shown: what is pending in a workspace that is held.
pub fn shown(status: &str, hold: Option<&Hold>) -> String {
    let held = hold.is_some() && status == Status::Pending.name();
    if held { Status::Held.name().into() } else { status.into() }
}

/// The hold of a workspace, if it is held.
pub async fn of(db: &Db, workspace: &str) -> Result<Option<Hold>> {
    let sql = "SELECT w.held_at, w.held_by, k.name, w.held_why FROM workspaces w \
               LEFT JOIN api_keys k ON k.id = w.held_by WHERE w.id = ? AND w.held_at IS NOT NULL";
    let read = |row: Row| {
        let by = row.opt_text(1)?.map(|id| Ok::<_, Error>((id, row.opt_text(2)?.unwrap_or_default()))).transpose()?;
        Ok(Hold { since: row.int(0)?, by, why: row.opt_text(3)? })
    };
    db.read_one(sql, args![workspace]).await?.map(read).transpose()
}

/// The workspaces that are held.
pub async fn all(db: &Db) -> Result<BTreeSet<String>> {
    let rows = db.read("SELECT id FROM workspaces WHERE held_at IS NOT NULL", vec![]).await?;
    rows.iter().map(|row| row.text(0)).collect()
}

/// How many messages of a workspace wait to be sent.
pub async fn waiting(db: &Db, workspace: &str) -> Result<i64> {
    waiting_on(&mut On::Db(db), workspace).await
}

async fn waiting_on(on: &mut On<'_>, workspace: &str) -> Result<i64> {
    let lanes = ledger::lanes_of(on, workspace).await?;
    let rows = select_in(on, "SELECT COUNT(*) FROM messages WHERE lane IN ({})", &[], &lanes).await?;
    rows.iter().map(|row| row.int(0)).sum()
}

/// Holds a workspace. One that is held already stays so since when and by whom it was; another reason takes the place of the first.
pub async fn begin(db: &Db, workspace: &str, by: Option<&str>, why: Option<&str>, now: i64) -> Result<()> {
    let sql = "UPDATE workspaces SET held_by = CASE WHEN held_at IS NULL THEN ? ELSE held_by END, \
               held_why = COALESCE(?, held_why), held_at = COALESCE(held_at, ?) WHERE id = ?";
    let args = args![by, why, now, workspace];
    db.write(move |tx| {
        let args = args.clone();
        Box::pin(async move { tx.run(sql, args).await.map(drop) })
    })
    .await
}

/// The most messages that are dropped in one transaction.
const PART: i64 = 500;

/// What the end of a hold has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Released {
    /// How many messages are sent from now on.
    pub released: i64,
    pub dropped: u64,
}

/// Ends a hold: what waits is sent, or is dropped first, for a reason. `None`: the workspace was not held.
pub async fn release(db: &Db, workspace: &str, drop_for: Option<String>, now: i64) -> Result<Option<Released>> {
    let mut dropped = 0;
    loop {
        let (workspace, why) = (workspace.to_string(), drop_for.clone());
        let part = db.write(move |tx| {
            let (workspace, why) = (workspace.clone(), why.clone());
            Box::pin(async move { release_part(tx, &workspace, why.as_deref(), now).await })
        });
        match part.await? {
            Part::NotHeld => return Ok(None),
            Part::Some(more) => dropped += more,
            Part::Over(last) => return Ok(Some(Released { dropped: dropped + last.dropped, ..last })),
        }
    }
}

enum Part {
    NotHeld,
    /// So many were dropped, and there may be more.
    Some(u64),
    /// The hold has ended.
    Over(Released),
}

async fn release_part(tx: &mut Tx, workspace: &str, drop_for: Option<&str>, now: i64) -> Result<Part> {
    // Nothing is decided while this is in hand, so that what is dropped last is all that there is.
    let sql = format!("SELECT held_at, listeners FROM workspaces WHERE id = ?{}", for_update(tx.kind()));
    let row = tx.row(sql, args![workspace]).await?;
    let (held_at, listeners) = row.map_or(Ok((None, 0)), |row| Ok::<_, Error>((row.opt_int(0)?, row.int(1)?)))?;
    if held_at.is_none() {
        return Ok(Part::NotHeld);
    }
    let mut dropped = 0;
    if let Some(why) = drop_for {
        let ids = some_waiting(tx, workspace).await?;
        let sql = "UPDATE messages SET status = 'cancelled', reason = ?, due_at = NULL, updated_at = ? \
                   WHERE status = 'pending' AND id IN ({})";
        dropped = run_in(tx, sql, &args![why, now], &ids).await?;
        if listeners > 0 {
            let change = |id: &Value| match id {
                Value::Text(id) => Some(Change::new(id, Status::Cancelled, Some(why.into()))),
                _ => None,
            };
            let changes: Vec<Change> = ids.iter().filter_map(change).collect();
            news::of_messages(tx, &changes, now).await?;
        }
        if ids.len() as i64 == PART {
            return Ok(Part::Some(dropped));
        }
    }
    let sql = "UPDATE workspaces SET held_at = NULL, held_by = NULL, held_why = NULL WHERE id = ?";
    tx.run(sql, args![workspace]).await?;
    let released = waiting_on(&mut On::Tx(tx), workspace).await?;
    Ok(Part::Over(Released { released, dropped }))
}

/// Ids of messages that wait, in order.
async fn some_waiting(tx: &mut Tx, workspace: &str) -> Result<Vec<Value>> {
    let mut ids = BTreeSet::new();
    for lane in ledger::lanes_of(&mut On::Tx(tx), workspace).await? {
        let left = PART - ids.len() as i64;
        let rows = tx.rows("SELECT id FROM messages WHERE lane = ? LIMIT ?", vec![lane, left.into()]).await?;
        for row in rows {
            ids.insert(row.text(0)?);
        }
    }
    Ok(ids.into_iter().map(Value::from).collect())
}
