//! Enrollments as rows, and what somebody in charge does with one: pause, resume, restart, remove.

use segflow_core::enrollment::{Enrollment, Status, Waiting};
use segflow_core::protocol::{Cut, Journal, Json, decode, encode};

use super::db::{Db, Row, Tx, Value};
use super::decide::{cancel_messages, drop_jobs, parse_status, write_enrollments_of};
use super::{Error, Result, for_update, news, webhooks};
use crate::args;

/// What [`read`] reads, in this order.
pub const COLUMNS: &str = "user_id, id, campaign, run, deployment, status, reason, version, first_op, next_op, started_at, hops, \
                           pending, journal, chunks, since, state, entry_key, by_hand, bytes, first_chunk";

/// An enrollment with the newest part of its journal.
pub fn read(row: &Row) -> Result<Enrollment> {
    Ok(Enrollment {
        id: row.text(1)?,
        campaign: row.text(2)?,
        run: row.int(3)? as u32,
        deployment: row.text(4)?,
        status: parse_status(&row.text(5)?)?,
        reason: row.opt_text(6)?,
        version: row.int(7)?,
        first_op: row.int(8)? as u64,
        next_op: row.int(9)? as u64,
        started_at: row.int(10)?,
        hops: row.int(11)? as u32,
        pending: decode_pending(&row.blob(12)?)?,
        journal: load_journal([&row.blob(13)?])?,
        chunks: row.int(14)? as u32,
        since: row.int(15)?,
        state: row.opt_text(16)?.map(Json),
        key: row.opt_text(17)?,
        by_hand: row.flag(18)?,
        bytes: row.int(19)? as u64,
        first_chunk: row.int(20)? as u32,
        chunked: Cut::default(),
    })
}

/// A journal from what is stored of it, the oldest part first.
pub fn load_journal<'a>(parts: impl IntoIterator<Item = &'a Vec<u8>>) -> Result<Journal> {
    let mut journal = Journal::default();
    for part in parts {
        journal.load(part).map_err(|e| Error::Internal(format!("a stored journal cannot be read: {e}")))?;
    }
    Ok(journal)
}

/// The form in which what is waited for is stored. The first one was JSON and began with `[`.
const FORM: u8 = 1;

/// What is waited for, as it is stored.
pub fn encode_pending(pending: &[Waiting]) -> Vec<u8> {
    if pending.is_empty() {
        return vec![];
    }
    let mut bytes = vec![FORM];
    bytes.extend(encode(&pending.to_vec()));
    bytes
}

pub fn decode_pending(bytes: &[u8]) -> Result<Vec<Waiting>> {
    let unreadable = |e: String| Error::Internal(format!("what an enrollment waits for cannot be read: {e}"));
    match bytes {
        [] => Ok(vec![]),
        [FORM, rest @ ..] => decode(rest).map_err(|e| unreadable(e.to_string())),
        json => serde_json::from_slice(json).map_err(|e| unreadable(e.to_string())),
    }
}

/// What somebody does with an enrollment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// It stops until it is resumed.
    Pause,
    /// What was paused or parked goes on.
    Resume,
    /// It begins anew, on the deployment in force.
    Restart,
    /// It ends.
    Remove,
}

/// What came of an [`Act`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acted {
    Done,
    /// It is in a state in which this makes no sense.
    Not(Status),
}

/// Does it, at once: when this returns, what was pending is cancelled, and whatever is being decided about the enrollment loses.
/// `None`: there is no such enrollment. `deployment` is the one in force, `by` a reason.
pub async fn act(
    db: &Db,
    workspace: &str,
    id: &str,
    act: Act,
    deployment: &str,
    by: &str,
    now: i64,
) -> Result<Option<Acted>> {
    let (workspace, id, deployment, by) =
        (workspace.to_string(), id.to_string(), deployment.to_string(), by.to_string());
    db.write(move |tx| {
        let (workspace, id, deployment, by) = (workspace.clone(), id.clone(), deployment.clone(), by.clone());
        Box::pin(async move { act_in(tx, &workspace, &id, act, &deployment, &by, now).await })
    })
    .await
}

async fn act_in(
    tx: &mut Tx,
    workspace: &str,
    id: &str,
    act: Act,
    deployment: &str,
    by: &str,
    now: i64,
) -> Result<Option<Acted>> {
    // The user before the enrollment, as everywhere.
    let lock = for_update(tx.kind());
    let sql = "SELECT user_id FROM enrollments WHERE workspace = ? AND id = ?";
    let Some(row) = tx.row(sql, args![workspace, id]).await? else { return Ok(None) };
    let user = row.text(0)?;
    tx.row(format!("SELECT id FROM users WHERE workspace = ? AND id = ?{lock}"), args![workspace, &user]).await?;
    let sql = format!("SELECT {COLUMNS} FROM enrollments WHERE workspace = ? AND id = ?{lock}");
    let Some(row) = tx.row(sql, args![workspace, id]).await? else { return Ok(None) };
    let mut enrollment = read(&row)?;
    let status = enrollment.status;
    if act == Act::Restart && !status.is_live() {
        // Nobody is in a campaign twice by this.
        let sql = "SELECT id FROM enrollments WHERE workspace = ? AND user_id = ? AND campaign = ? \
                   AND status IN ('active', 'parked', 'paused')";
        if tx.row(sql, args![workspace, &user, &enrollment.campaign]).await?.is_some() {
            return Ok(Some(Acted::Not(status)));
        }
    }
    let ops = 0..enrollment.next_op;
    match (act, status) {
        (Act::Pause, Status::Active) => enrollment.pause(by),
        (Act::Resume, Status::Paused | Status::Parked) => enrollment.resume(),
        (Act::Remove, _) if status.is_live() => enrollment.exit(by),
        // One that has left may begin anew too, but not one of an erased user.
        (Act::Restart, _) if user != id => enrollment.restart(deployment, now),
        _ => return Ok(Some(Acted::Not(status))),
    }
    let listeners = news::listeners(tx, workspace).await?;
    if act != Act::Resume {
        cancel_messages(tx, id, by, !listeners.is_empty(), now).await?;
    }
    match act {
        Act::Restart | Act::Remove => drop_jobs(tx, id, &ops, now).await?,
        Act::Pause => webhooks::pause(tx, &[Value::from(id)], now).await?,
        Act::Resume => webhooks::resume(tx, id, now).await?,
    }
    write_enrollments_of(tx, workspace, &[(user.as_str(), &enrollment)], now).await?;
    let told = [news::started, news::ended].map(|of| of(&user, &enrollment, Some(status), now));
    let told: Vec<_> = told.into_iter().flatten().collect();
    listeners.tell(tx, workspace, &told, now).await?;
    Ok(Some(Acted::Done))
}
