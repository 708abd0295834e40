//! HTTP requests that flows wait for the answers to: an outbox like the ledger, but at least once, and the answer is a fact.

use std::collections::BTreeSet;

use segflow_core::ids;
use segflow_core::step::Job;
use segflow_protocol::Webhook;

use super::db::{Db, Row, Tx, Value};
use super::inbox::{Body, INBOX};
use super::many::{Existing, On, Table, insert, run_in, select_in};
use super::{Result, fence, for_share, for_update};
use crate::args;

/// A request that is to be made now.
#[derive(Debug, Clone)]
pub struct Call {
    pub workspace: String,
    pub user: String,
    pub enrollment: String,
    pub op: u64,
    /// Counted from 1.
    pub attempt: u32,
    /// Or why what is stored of it cannot be read.
    pub request: std::result::Result<Webhook, String>,
}

/// The longest time that one attempt is given, in ms.
const LONGEST: i64 = 60_000;

/// How long one attempt of a request may take, in ms.
pub fn patience(request: &Webhook) -> i64 {
    request.timeout.clamp(1, LONGEST)
}

/// A request that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    pub workspace: String,
    pub enrollment: String,
    pub op: u64,
    pub url: String,
    pub due_at: i64,
}

/// A place in the queue of a bucket: after this request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    pub due_at: i64,
    pub enrollment: String,
    pub op: u64,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Called {
    /// What the flow is told: an answer, or that none can be had, in JSON.
    Over { value: String, failed: Option<String> },
    /// To be tried again at this instant, ms UTC.
    Again { at: i64, why: String },
}

pub fn row(workspace: &str, user: &str, bucket: u16, job: &Job, request: &Webhook) -> Vec<Value> {
    let request = serde_json::to_string(request).expect("strings and numbers");
    let op = job.op as i64;
    args![
        &job.enrollment,
        op,
        workspace,
        user,
        bucket,
        &job.campaign,
        request,
        "pending",
        0,
        job.created_at,
        job.created_at,
        job.created_at
    ]
}

/// What is read of a request that is due, of a workspace that is not held. Only the address of what can be long.
/// It may be no JSON: then it fails alone, when it is called.
const OF_DUE: &str = "SELECT workspace, enrollment, op, \
                      CASE WHEN JSON_VALID(request) THEN JSON_EXTRACT(request, '$.url') END, due_at FROM webhooks WHERE workspace NOT IN (SELECT id FROM workspaces WHERE held_at IS NOT NULL) AND due_at <= ?";

/// Requests of these buckets that are due, the first of those that were read first.
pub async fn due(db: &Db, buckets: &BTreeSet<u16>, now: i64, limit: usize) -> Result<Vec<Due>> {
    let list: Vec<Value> = buckets.iter().map(|b| Value::from(*b)).collect();
    let sql = format!("{OF_DUE} AND bucket IN ({{}}) LIMIT {limit}");
    let rows = select_in(&mut On::Db(db), &sql, &args![now], &list).await?;
    let mut due = rows.iter().map(read_due).collect::<Result<Vec<_>>>()?;
    due.sort_by_key(|due| due.due_at);
    Ok(due)
}

/// Those of one bucket after a place, in order.
pub async fn due_after(db: &Db, bucket: u16, place: &Place, now: i64, limit: usize) -> Result<Vec<Due>> {
    let Place { due_at, enrollment, op } = place;
    let sql = format!(
        "{OF_DUE} AND bucket = ? AND due_at >= ? AND (due_at > ? OR enrollment > ? OR (enrollment = ? AND op > ?)) \
         ORDER BY due_at, enrollment, op LIMIT {limit}"
    );
    let args = args![now, bucket, *due_at, *due_at, enrollment, enrollment, *op as i64];
    db.read(sql, args).await?.iter().map(read_due).collect()
}

fn read_due(row: &Row) -> Result<Due> {
    Ok(Due {
        workspace: row.text(0)?,
        enrollment: row.text(1)?,
        op: row.int(2)? as u64,
        // Some databases give it back as JSON.
        url: row.opt_text(3)?.unwrap_or_default().trim_matches('"').into(),
        due_at: row.int(4)?,
    })
}

/// The earliest instant at which a request is due whose workspace is not held: what is held has been due for long, and would hide the rest.
pub async fn next_due(db: &Db) -> Result<Option<i64>> {
    let row = db.read_one(NEXT_DUE, vec![]).await?;
    Ok(row.map(|row| row.opt_int(0)).transpose()?.flatten())
}

const NEXT_DUE: &str = "SELECT MIN(due_at) FROM webhooks WHERE due_at IS NOT NULL \
                        AND workspace NOT IN (SELECT id FROM workspaces WHERE held_at IS NOT NULL)";

/// Takes a request in hand. It stays due, `grace` ms after its time is over: if this server dies, another tries again. `None`: it is not
/// due any more, or its workspace is held.
pub async fn claim(db: &Db, incarnation: &str, due: &Due, grace: i64, now: i64) -> Result<Option<Call>> {
    let (incarnation, due) = (incarnation.to_string(), due.clone());
    db.write(move |tx| {
        let (incarnation, due) = (incarnation.clone(), due.clone());
        Box::pin(async move {
            fence::hold(tx, &incarnation).await?;
            let sql = format!("SELECT held_at FROM workspaces WHERE id = ?{}", for_share(tx.kind()));
            let row = tx.row(sql, args![&due.workspace]).await?;
            if row.map(|row| row.opt_int(0)).transpose()?.flatten().is_some() {
                return Ok(None);
            }
            let (enrollment, op) = (due.enrollment, due.op as i64);
            let sql = format!(
                "SELECT workspace, user_id, attempt, request FROM webhooks \
                 WHERE enrollment = ? AND op = ? AND status = 'pending' AND due_at <= ?{}",
                for_update(tx.kind())
            );
            let Some(row) = tx.row(sql, args![&enrollment, op, now]).await? else { return Ok(None) };
            let request: std::result::Result<Webhook, String> = serde_json::from_str(&row.text(3)?)
                .map_err(|error| format!("what is stored of it cannot be read: {error}"));
            let attempt = row.int(2)? as u32 + 1;
            let again = now.saturating_add(request.as_ref().map_or(LONGEST, patience)).saturating_add(grace);
            let sql = "UPDATE webhooks SET attempt = ?, due_at = ?, updated_at = ? WHERE enrollment = ? AND op = ?";
            tx.run(sql, args![attempt, again, now, &enrollment, op]).await?;
            let (workspace, user) = (row.text(0)?, row.text(1)?);
            Ok(Some(Call { workspace, user, enrollment, op: due.op, attempt, request }))
        })
    })
    .await
}

/// While runs are paused their requests are due at no time, and none is begun.
pub async fn pause(tx: &mut Tx, enrollments: &[Value], now: i64) -> Result<()> {
    let sql = "UPDATE webhooks SET due_at = NULL, updated_at = ? WHERE status = 'pending' AND enrollment IN ({})";
    run_in(tx, sql, &args![now], enrollments).await.map(drop)
}

/// And then they are due at once.
pub async fn resume(tx: &mut Tx, enrollment: &str, now: i64) -> Result<()> {
    let sql = "UPDATE webhooks SET due_at = ?, updated_at = ? \
               WHERE enrollment = ? AND status = 'pending' AND due_at IS NULL";
    tx.run(sql, args![now, now, enrollment]).await.map(drop)
}

/// Records what became of an attempt, and tells the flow if it is over. Ignored if another attempt has begun since, or nobody waits.
pub async fn conclude(db: &Db, call: &Call, called: &Called, now: i64) -> Result<()> {
    let (call, called) = (call.clone(), called.clone());
    db.write(move |tx| {
        let (call, called) = (call.clone(), called.clone());
        Box::pin(async move {
            let op = call.op as i64;
            let (status, reason, due) = match &called {
                Called::Over { failed: None, .. } => ("answered", None, None),
                Called::Over { failed, .. } => ("failed", failed.clone(), None),
                Called::Again { at, why } => {
                    // It may have been paused meanwhile; then it is due when it is resumed.
                    let lock = for_share(tx.kind());
                    let sql = format!("SELECT status FROM enrollments WHERE id = ?{lock}");
                    let row = tx.row(sql, args![&call.enrollment]).await?;
                    let is_paused = row.map(|row| row.text(0)).transpose()?.as_deref() == Some("paused");
                    ("pending", Some(why.clone()), (!is_paused).then_some(*at))
                }
            };
            let sql = "UPDATE webhooks SET status = ?, reason = ?, due_at = ?, updated_at = ? \
                       WHERE enrollment = ? AND op = ? AND attempt = ? AND status = 'pending'";
            let args = args![status, reason, due, now, &call.enrollment, op, call.attempt];
            if tx.run(sql, args).await? == 0 {
                return Ok(());
            }
            if let Called::Over { value, .. } = called {
                let body = Body::Answer { enrollment: call.enrollment, op: call.op, value, at: now };
                let bucket = ids::bucket(&call.workspace, &call.user);
                insert(tx, &INBOX, vec![body.row(bucket, &call.workspace, &call.user, 0)]).await?;
            }
            Ok(())
        })
    })
    .await
}

pub const WEBHOOKS: Table = Table {
    name: "webhooks",
    columns: &[
        "enrollment",
        "op",
        "workspace",
        "user_id",
        "bucket",
        "campaign",
        "request",
        "status",
        "attempt",
        "due_at",
        "created_at",
        "updated_at",
    ],
    key: &["enrollment", "op"],
    existing: Existing::Fails,
};
