//! What flows wait for people to do.

use segflow_core::ids;
use segflow_core::step::Job;
use segflow_protocol::Task;

use super::db::{Db, Row, Value};
use super::inbox::{Body, INBOX};
use super::many::{Existing, Table, insert};
use super::read::{Query, TimeAndId};
use super::{Result, for_update};
use crate::args;

/// A task as it is shown. Times are ms UTC.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskRow {
    pub id: String,
    pub enrollment: String,
    pub user_id: String,
    pub campaign: String,
    pub title: String,
    pub assignee: Option<String>,
    pub due_at: Option<i64>,
    /// open, done, cancelled
    pub status: String,
    /// JSON.
    pub result: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
}

pub fn row(workspace: &str, user: &str, bucket: u16, job: &Job, task: &Task) -> Vec<Value> {
    let op = job.op as i64;
    let due = task.due.map(|ms| job.created_at.saturating_add(ms));
    args![
        ids::derived("task", &[&job.enrollment, &job.op.to_string()]),
        &job.enrollment,
        op,
        workspace,
        user,
        bucket,
        &job.campaign,
        &task.title,
        task.assignee.as_ref(),
        due,
        "open",
        job.created_at,
        job.created_at
    ]
}

const SELECT: &str = "SELECT id, enrollment, user_id, campaign, title, assignee, due_at, status, result, created_at, updated_at \
                      FROM tasks WHERE workspace = ?";

pub async fn list(
    db: &Db,
    workspace: &str,
    status: Option<&str>,
    assignee: Option<&str>,
    after: Option<&TimeAndId>,
    limit: i64,
) -> Result<Vec<TaskRow>> {
    let query =
        Query::new(SELECT, workspace).and("status =", status).and("assignee =", assignee).by_time("created_at", after);
    query.rows(db, limit).await?.iter().map(read).collect()
}

pub async fn get(db: &Db, workspace: &str, id: &str) -> Result<Option<TaskRow>> {
    let rows = Query::new(SELECT, workspace).and("id =", Some(id)).rows(db, 1).await?;
    rows.first().map(read).transpose()
}

/// Marks a task as done, with a result in JSON, and tells the flow. `None`: there is no such task; `Some(false)`: it was not open.
pub async fn complete(db: &Db, workspace: &str, id: &str, result: String, now: i64) -> Result<Option<bool>> {
    let (workspace, id) = (workspace.to_string(), id.to_string());
    db.write(move |tx| {
        let (workspace, id, result) = (workspace.clone(), id.clone(), result.clone());
        Box::pin(async move {
            let lock = for_update(tx.kind());
            let sql = format!("SELECT status, enrollment, op, user_id FROM tasks WHERE workspace = ? AND id = ?{lock}");
            let Some(row) = tx.row(sql, args![&workspace, &id]).await? else { return Ok(None) };
            if row.text(0)? != "open" {
                return Ok(Some(false));
            }
            let (enrollment, op, user) = (row.text(1)?, row.int(2)? as u64, row.text(3)?);
            let sql = "UPDATE tasks SET status = 'done', result = ?, updated_at = ? WHERE id = ?";
            tx.run(sql, args![&result, now, &id]).await?;
            let value = format!("{{\"result\":{result}}}");
            let body = Body::Answer { enrollment, op, value, at: now };
            let bucket = ids::bucket(&workspace, &user);
            insert(tx, &INBOX, vec![body.row(bucket, &workspace, &user, 0)]).await?;
            Ok(Some(true))
        })
    })
    .await
}

fn read(row: &Row) -> Result<TaskRow> {
    Ok(TaskRow {
        id: row.text(0)?,
        enrollment: row.text(1)?,
        user_id: row.text(2)?,
        campaign: row.text(3)?,
        title: row.text(4)?,
        assignee: row.opt_text(5)?,
        due_at: row.opt_int(6)?,
        status: row.text(7)?,
        result: row.opt_text(8)?,
        created_at: row.int(9)?,
        updated_at: row.int(10)?,
    })
}

pub const TASKS: Table = Table {
    name: "tasks",
    columns: &[
        "id",
        "enrollment",
        "op",
        "workspace",
        "user_id",
        "bucket",
        "campaign",
        "title",
        "assignee",
        "due_at",
        "status",
        "created_at",
        "updated_at",
    ],
    key: &["id"],
    existing: Existing::Fails,
};
