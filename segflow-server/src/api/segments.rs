//! The segments of the project as it is now, and who is in them.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use segflow_protocol::Segment;
use serde_json::{Value, json};

use super::App;
use super::auth::By;
use super::page::Page;
use super::params::Params;
use super::path::Id;
use super::problem::Problem;
use crate::clock::rfc3339;
use crate::store::read;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/v1/segments", get(list))
        .route("/v1/segments/{id}", get(one))
        .route("/v1/segments/{id}/members", get(members))
}

async fn list(State(app): State<App>, by: By, params: Params) -> Result<Json<Value>, Problem> {
    let page = Page::of(&params.only(&["limit", "after"])?)?;
    let after: Option<String> = page.after()?;
    let Some(project) = app.deploy.current(&by.workspace).await? else {
        return Ok(page.answer(vec![], Segment::clone, |_| Value::Null));
    };
    let mut segments: Vec<&Segment> = project.manifest.segments.iter().collect();
    segments.retain(|s| after.as_ref().is_none_or(|after| s.id > *after));
    segments.sort_by(|a, b| a.id.cmp(&b.id));
    let counts = read::member_counts(&app.store.db, &by.workspace, None).await?;
    Ok(page.answer(segments, |s| &s.id, |s| segment_json(s, &counts)))
}

async fn one(State(app): State<App>, by: By, Id(id): Id, params: Params) -> Result<Json<Value>, Problem> {
    params.none()?;
    let segment = declared(&app, &by, &id).await?.ok_or_else(|| Problem::not_found("segment", &id))?;
    let counts = read::member_counts(&app.store.db, &by.workspace, Some(&id)).await?;
    Ok(Json(segment_json(&segment, &counts)))
}

async fn members(State(app): State<App>, by: By, Id(id): Id, params: Params) -> Result<Json<Value>, Problem> {
    let page = Page::of(&params.only(&["limit", "after"])?)?;
    let after: Option<String> = page.after()?;
    if declared(&app, &by, &id).await?.is_none() {
        return Err(Problem::not_found("segment", &id));
    }
    let found = read::members(&app.store.db, &by.workspace, &id, after.as_deref(), page.rows()).await?;
    Ok(page.answer(found, |m| m.user_id.clone(), |m| json!({ "user_id": m.user_id, "since": rfc3339(m.since) })))
}

async fn declared(app: &App, by: &By, id: &str) -> Result<Option<Segment>, Problem> {
    let Some(project) = app.deploy.current(&by.workspace).await? else { return Ok(None) };
    Ok(project.manifest.segments.iter().find(|s| s.id == id).cloned())
}

fn segment_json(segment: &Segment, counts: &BTreeMap<String, i64>) -> Value {
    json!({
        "id": segment.id,
        "users": counts.get(&segment.id).copied().unwrap_or(0),
        "rule": segment.rule,
    })
}
