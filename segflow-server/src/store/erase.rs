//! Erasing a person: everything that says who it was goes, everything that is counted stays.

use std::collections::BTreeSet;

use super::db::{Db, Tx, Value};
use super::many::run_in;
use super::{Result, consent, for_update};
use crate::args;

/// Why what was still under way has ended.
pub const REASON: &str = "the user was erased";

/// Erases a user; `false` if there is none. In SQLite the bytes are gone from the files when this returns.
///
/// A message that is being sent stays `sending`: its outcome still counts. Whoever holds an older reading of the user loses by the
/// missing row, of an enrollment by its version.
pub async fn erase(db: &Db, workspace: &str, user: &str, now: i64) -> Result<bool> {
    let (workspace, user) = (workspace.to_string(), user.to_string());
    let erased = db
        .write(move |tx| {
            let (workspace, user) = (workspace.clone(), user.clone());
            Box::pin(async move { erase_in(tx, &workspace, &user, now).await })
        })
        .await?;
    if erased {
        db.checkpoint().await?;
    }
    Ok(erased)
}

/// Locks in the order of all: the user, the addresses, the enrollments, the messages; several of a kind by key.
async fn erase_in(tx: &mut Tx, workspace: &str, user: &str, now: i64) -> Result<bool> {
    let lock = for_update(tx.kind());
    let sql = format!("SELECT email FROM users WHERE workspace = ? AND id = ?{lock}");
    let Some(row) = tx.row(sql, args![workspace, user]).await? else { return Ok(false) };
    let mut addresses: BTreeSet<String> = row.opt_text(0)?.into_iter().collect();
    let sql = "SELECT DISTINCT recipient FROM messages WHERE workspace = ? AND user_id = ? AND recipient IS NOT NULL";
    for row in tx.rows(sql, args![workspace, user]).await? {
        addresses.insert(row.text(0)?);
    }
    consent::forget(tx, workspace, &addresses).await?;
    let mine = |table: &str| format!("SELECT id FROM {table} WHERE workspace = ? AND user_id = ? ORDER BY id{lock}");
    let enrollments = ids(tx, &mine("enrollments"), workspace, user).await?;
    let messages = ids(tx, &mine("messages"), workspace, user).await?;

    for table in [
        "events",
        "tallies",
        "inbox",
        "memberships",
        "flips",
        "segment_failures",
        "webhooks",
        "tasks",
        "sendings",
        "tracked_links",
        "webhook_deliveries",
    ] {
        let sql = format!("DELETE FROM {table} WHERE workspace = ? AND user_id = ?");
        tx.run(sql, args![workspace, user]).await?;
    }
    run_in(tx, "DELETE FROM journal_chunks WHERE enrollment IN ({})", &[], &enrollments).await?;
    run_in(tx, ANONYMOUS_ENROLLMENTS, &before_enrollments(now), &enrollments).await?;
    let before = args!["{}", REASON, now];
    run_in(tx, ANONYMOUS_MESSAGES, &before, &messages).await?;
    run_in(tx, "UPDATE attempts SET detail = NULL WHERE message IN ({})", &[], &messages).await?;
    run_in(tx, "UPDATE outcomes SET detail = NULL, agent = NULL, country = NULL WHERE message IN ({})", &[], &messages)
        .await?;
    run_in(tx, "UPDATE conversions SET event_id = NULL WHERE message IN ({})", &[], &messages).await?;
    tx.run("DELETE FROM users WHERE workspace = ? AND id = ?", args![workspace, user]).await?;
    Ok(true)
}

async fn ids(tx: &mut Tx, sql: &str, workspace: &str, user: &str) -> Result<Vec<Value>> {
    let rows = tx.rows(sql, args![workspace, user]).await?;
    rows.iter().map(|row| Ok(Value::from(row.text(0)?))).collect()
}

/// The enrollment's own id takes the person's place, because user, campaign and run are unique together. Assignments run from left
/// to right in MySQL and see what was assigned before them: the status comes after what depends on it.
const ANONYMOUS_ENROLLMENTS: &str = "UPDATE enrollments SET user_id = id, \
     reason = CASE WHEN status IN ('active', 'parked', 'paused') THEN ? ELSE NULL END, \
     status = CASE WHEN status IN ('active', 'parked', 'paused') THEN 'exited' ELSE status END, \
     version = version + 1, updated_at = ?, wake_at = NULL, pending = ?, journal = ?, chunks = 0, first_chunk = 0, bytes = 0, \
     state = NULL, entry_key = NULL WHERE id IN ({})";

fn before_enrollments(now: i64) -> Vec<Value> {
    let nothing = || Vec::<u8>::new();
    args![REASON, now, nothing(), nothing()]
}

/// The reason of a cancelled message is ours; any other may quote what a provider said about an address.
const ANONYMOUS_MESSAGES: &str = "UPDATE messages SET user_id = '', args = ?, context = NULL, recipient = NULL, \
     subject = NULL, body_hash = NULL, event_id = NULL, provider_message_id = NULL, due_at = NULL, \
     reason = CASE WHEN status = 'pending' THEN ? WHEN status = 'cancelled' THEN reason ELSE NULL END, \
     status = CASE WHEN status = 'pending' THEN 'cancelled' ELSE status END, \
     updated_at = ? WHERE id IN ({})";
