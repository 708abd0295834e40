//! The segments of the project as it is now, and who is in them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use segflow_core::eval::{self, Dependencies, Explained, Reads};
use segflow_core::project::Project;
use segflow_core::step;
use segflow_protocol::{Rule, Segment};
use serde_json::{Value, json};

use super::auth::By;
use super::page::Page;
use super::params::{Params, bad};
use super::path::Id;
use super::problem::{Code, Problem};
use super::{App, check};
use crate::clock::rfc3339;
use crate::store::history::{Detail, Reading};
use crate::store::{behind, engine as rows, read, runs, segments};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/v1/segments", get(list))
        .route("/v1/segments/{id}", get(one))
        .route("/v1/segments/{id}/members", get(members))
        .route("/v1/segments/{id}/explain", get(explain))
        .route("/v1/segments/{id}/recalculate", post(recalculate))
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
    let (project, index) = declared(&app, &by, &id).await?;
    let (db, segment) = (&app.store.db, &project.manifest.segments[index]);
    let counts = read::member_counts(db, &by.workspace, Some(&id)).await?;
    let mut answer = segment_json(segment, &counts);
    let sizes = runs::sizes(db, &by.workspace, &id).await?;
    let sizes: Vec<Value> = sizes.iter().map(|(at, users)| json!({ "at": rfc3339(*at), "users": users })).collect();
    answer["says"] = says(segment).into();
    answer["reads"] = reads(project.depends_on(index));
    answer["every_seconds"] = segment.every.map(|ms| ms / 1_000).into();
    // Those who have not been held against the newest push yet.
    answer["behind"] = behind::left(db, &by.workspace, project.generation).await?.into();
    answer["next_run"] = runs::planned(db, &by.workspace).await?.get(&id).map(|at| rfc3339(*at)).into();
    answer["sizes"] = sizes.into();
    // Raw SQL that could not be asked about these users; it is tried again.
    let failing = runs::failing(db, &by.workspace, &id).await?;
    answer["failing"] = failing.map_or(
        Value::Null,
        |failing| json!({ "users": failing.users, "at": rfc3339(failing.at), "error": failing.error }),
    );
    Ok(Json(answer))
}

fn says(segment: &Segment) -> String {
    match &segment.rule {
        Rule::Expr(expr) => eval::rule(expr),
        Rule::Sql(sql) => sql.clone(),
    }
}

/// What can change who is in it.
fn reads(on: &Dependencies) -> Value {
    let attributes = match &on.attributes {
        Reads::Any => json!("any"),
        Reads::Only(paths) => paths.iter().map(|path| path.join(".")).collect(),
    };
    let events = match &on.events {
        Reads::Any => json!("any"),
        Reads::Only(names) => names.iter().cloned().collect(),
    };
    json!({
        "attributes": attributes,
        "events": events,
        "segments": on.segments,
        "clock": on.clock,
        "other_users": on.other_users,
    })
}

/// Why a user is in it or not, evaluated now.
async fn explain(State(app): State<App>, by: By, Id(id): Id, params: Params) -> Result<Json<Value>, Problem> {
    let params = params.only(&["user"])?;
    let user = params.text("user").ok_or_else(|| bad("name the user: `?user=`".into()))?;
    check::user_id(user)?;
    let (project, index) = declared(&app, &by, &id).await?;
    let (segment, on) = (&project.manifest.segments[index], project.depends_on(index));
    let (db, workspace, now) = (&app.store.db.for_guests(), &by.workspace, app.now());
    let users = BTreeSet::from([user.to_string()]);
    let asked = step::asked(&project, &id);
    let reading = Reading { db, project: &project, workspace, now, detail: Detail::OneByOne };
    let loaded = rows::look(&reading, &users, &asked).await?;
    let (work, _) = loaded.work.into_iter().next().ok_or_else(|| Problem::not_found("user", user))?;
    let since = read::memberships(db, workspace, user, None, i64::MAX).await?;
    let since = since.iter().find(|m| m.segment == id).map(|m| m.since);
    let (holds, next, rule) = match &segment.rule {
        Rule::Expr(_) => {
            let (explained, verdict) = step::explain(&project, work, &id, now).expect("it is one of them");
            (verdict.holds, verdict.flip, part(&explained))
        }
        Rule::Sql(sql) => {
            let asked = match on.other_users {
                true => segments::everyone(db, workspace, sql, now).await,
                false => segments::members(db, workspace, sql, &[user.to_string()], now).await,
            };
            let members = asked.map_err(|error| match error.is_away() {
                true => error.into(),
                false => {
                    Problem::new(Code::SegmentFailed, format!("the SQL of segment `{id}` cannot be answered: {error}"))
                }
            })?;
            let holds = members.contains(user);
            let next = runs::planned(db, workspace).await?.get(&id).copied();
            let because = if holds { "the query selects this user" } else { "the query does not select this user" };
            let rule = json!({ "says": sql, "holds": holds, "because": because, "events": [], "parts": [] });
            (holds, next, rule)
        }
    };
    Ok(Json(json!({
        "segment": id,
        "user_id": user,
        "member": since.is_some(),
        "since": since.map(rfc3339),
        "holds": holds,
        // The next instant at which time alone may change it.
        "next_change": next.map(rfc3339),
        "rule": rule,
    })))
}

fn part(explained: &Explained) -> Value {
    let events = explained.events.iter();
    let events: Vec<Value> =
        events.map(|e| json!({ "occurred_at": rfc3339(e.occurred_at), "attributes": e.attributes })).collect();
    json!({
        "says": explained.says,
        "holds": explained.holds,
        "because": explained.because,
        "events": events,
        "parts": explained.parts.iter().map(part).collect::<Vec<_>>(),
    })
}

/// Holds everybody against it once more.
async fn recalculate(
    State(app): State<App>,
    by: By,
    Id(id): Id,
    params: Params,
) -> Result<(StatusCode, Json<Value>), Problem> {
    params.none()?;
    let (project, index) = declared(&app, &by, &id).await?;
    let (every, now) = (project.manifest.segments[index].every, app.now());
    runs::ask(&app.store.db, &by.workspace, &id, every, now).await?;
    app.drive.wake();
    Ok((StatusCode::ACCEPTED, Json(json!({ "id": id, "next_run": rfc3339(now) }))))
}

async fn members(State(app): State<App>, by: By, Id(id): Id, params: Params) -> Result<Json<Value>, Problem> {
    let page = Page::of(&params.only(&["limit", "after"])?)?;
    let after: Option<String> = page.after()?;
    declared(&app, &by, &id).await?;
    let found = read::members(&app.store.db, &by.workspace, &id, after.as_deref(), page.rows()).await?;
    Ok(page.answer(found, |m| m.user_id.clone(), |m| json!({ "user_id": m.user_id, "since": rfc3339(m.since) })))
}

/// The project, and which of its segments it is.
async fn declared(app: &App, by: &By, id: &str) -> Result<(Arc<Project>, usize), Problem> {
    let project = app.deploy.current(&by.workspace).await?;
    let index = project.as_ref().and_then(|p| p.manifest.segments.iter().position(|s| s.id == id));
    project.zip(index).ok_or_else(|| Problem::not_found("segment", id))
}

fn segment_json(segment: &Segment, counts: &BTreeMap<String, i64>) -> Value {
    json!({
        "id": segment.id,
        "users": counts.get(&segment.id).copied().unwrap_or(0),
        "rule": segment.rule,
    })
}
