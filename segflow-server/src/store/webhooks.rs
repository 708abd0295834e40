//! HTTP requests that flows wait for the answers to: an outbox like the ledger, but at least once, and the answer is a fact.

use std::collections::BTreeSet;

use segflow_core::ids;
use segflow_core::step::Job;
use segflow_protocol::Webhook;

use super::db::{Db, Value};
use super::inbox::{Body, INBOX};
use super::many::{Existing, On, Table, insert, select_in};
use super::{Error, Result, fence, for_update};
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
    pub request: Webhook,
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

/// The requests of these buckets that are due: enrollment and operation.
pub async fn due(db: &Db, buckets: &BTreeSet<u16>, now: i64, limit: usize) -> Result<Vec<(String, u64)>> {
    let list: Vec<Value> = buckets.iter().map(|b| Value::from(*b)).collect();
    let sql = format!("SELECT enrollment, op FROM webhooks WHERE due_at <= ? AND bucket IN ({{}}) LIMIT {limit}");
    let rows = select_in(&mut On::Db(db), &sql, &args![now], &list).await?;
    rows.iter().take(limit).map(|row| Ok((row.text(0)?, row.int(1)? as u64))).collect()
}

/// The earliest instant at which a request is due.
pub async fn next_due(db: &Db) -> Result<Option<i64>> {
    let row = db.read_one("SELECT MIN(due_at) FROM webhooks WHERE due_at IS NOT NULL", vec![]).await?;
    Ok(row.map(|row| row.opt_int(0)).transpose()?.flatten())
}

/// Takes a request in hand. It stays due, `patience` ms later: if this server dies, another tries again. `None`: it is not due any more.
pub async fn claim(
    db: &Db,
    incarnation: &str,
    enrollment: &str,
    op: u64,
    patience: i64,
    now: i64,
) -> Result<Option<Call>> {
    let (incarnation, enrollment) = (incarnation.to_string(), enrollment.to_string());
    db.write(move |tx| {
        let (incarnation, enrollment) = (incarnation.clone(), enrollment.clone());
        Box::pin(async move {
            fence::hold(tx, &incarnation).await?;
            let sql = format!(
                "SELECT workspace, user_id, attempt, request FROM webhooks \
                 WHERE enrollment = ? AND op = ? AND status = 'pending' AND due_at <= ?{}",
                for_update(tx.kind())
            );
            let Some(row) = tx.row(sql, args![&enrollment, op as i64, now]).await? else { return Ok(None) };
            let request: Webhook = serde_json::from_str(&row.text(3)?)
                .map_err(|e| Error::Internal(format!("a stored webhook cannot be read: {e}")))?;
            let attempt = row.int(2)? as u32 + 1;
            let due = now.saturating_add(request.timeout).saturating_add(patience);
            let sql = "UPDATE webhooks SET attempt = ?, due_at = ?, updated_at = ? WHERE enrollment = ? AND op = ?";
            tx.run(sql, args![attempt, due, now, &enrollment, op as i64]).await?;
            let (workspace, user) = (row.text(0)?, row.text(1)?);
            Ok(Some(Call { workspace, user, enrollment, op, attempt, request }))
        })
    })
    .await
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
                Called::Again { at, why } => ("pending", Some(why.clone()), Some(*at)),
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
