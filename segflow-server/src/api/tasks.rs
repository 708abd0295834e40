//! What flows wait for people to do.

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::App;
use super::auth::By;
use super::body::Optional;
use super::page::Page;
use super::params::Params;
use super::path::Id;
use super::problem::{Code, Problem};
use crate::clock::rfc3339;
use crate::store::tasks::{self, TaskRow};

const STATUSES: [&str; 3] = ["open", "done", "cancelled"];

/// The largest result, in bytes of JSON.
const LARGEST: usize = 65_536;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/v1/tasks", get(list))
        .route("/v1/tasks/{id}", get(one))
        .route("/v1/tasks/{id}/complete", post(complete))
}

async fn list(State(app): State<App>, by: By, params: Params) -> Result<Json<Value>, Problem> {
    let params = params.only(&["status", "assignee", "limit", "after"])?;
    let page = Page::of(&params)?;
    let status = params.one_of("status", &STATUSES)?;
    let (after, assignee) = (page.after()?, params.text("assignee"));
    let found = tasks::list(&app.store.db, &by.workspace, status, assignee, after.as_ref(), page.rows()).await?;
    Ok(page.answer(found, |task| (task.created_at, task.id.clone()), task_json))
}

async fn one(State(app): State<App>, by: By, Id(id): Id, params: Params) -> Result<Json<Value>, Problem> {
    params.none()?;
    let found = tasks::get(&app.store.db, &by.workspace, &id).await?;
    Ok(Json(task_json(found.ok_or_else(|| Problem::not_found("task", &id))?)))
}

/// Done: the flow that waits for it goes on with the result.
async fn complete(
    State(app): State<App>,
    by: By,
    Id(id): Id,
    params: Params,
    Optional(fields): Optional,
) -> Result<Json<Value>, Problem> {
    params.none()?;
    let result = fields.only(&["result"])?.any("result").unwrap_or(Value::Null).to_string();
    if result.len() > LARGEST {
        let detail = format!("the result has {} bytes of JSON, and at most {LARGEST} are kept", result.len());
        return Err(Problem::new(Code::AttributesTooLarge, detail));
    }
    let db = &app.store.db;
    match tasks::complete(db, &by.workspace, &id, result, app.now()).await? {
        None => Err(Problem::not_found("task", &id)),
        Some(false) => Err(Problem::new(Code::Conflict, "the task is not open any more")),
        Some(true) => {
            app.drive.wake();
            let found = tasks::get(db, &by.workspace, &id).await?;
            Ok(Json(task_json(found.ok_or_else(|| Problem::not_found("task", &id))?)))
        }
    }
}

fn task_json(task: TaskRow) -> Value {
    let result: Option<Value> = task.result.and_then(|text| serde_json::from_str(&text).ok());
    json!({
        "id": task.id,
        "title": task.title,
        "assignee": task.assignee,
        "status": task.status,
        "user_id": task.user_id,
        "campaign": task.campaign,
        "enrollment": task.enrollment,
        "due_at": task.due_at.map(rfc3339),
        "result": result,
        "created_at": rfc3339(task.created_at),
        "updated_at": rfc3339(task.updated_at),
    })
}
