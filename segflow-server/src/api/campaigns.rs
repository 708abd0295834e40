//! The campaigns of the project as it is now, with what has come of them.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use segflow_core::{enrollment, ledger};
use segflow_protocol::Campaign;
use serde_json::{Map, Value, json};

use super::auth::By;
use super::body::{Fields, needed};
use super::page::Page;
use super::params::Params;
use super::path::Id;
use super::problem::{Code, Problem, item};
use super::{App, check, enrollments};
use crate::store::ingest::{Fact, What};
use crate::store::read::{self, Counts, Mark};

/// The most users in one request.
const MOST: usize = 5_000;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/v1/campaigns", get(list))
        .route("/v1/campaigns/{id}", get(one))
        .route("/v1/campaigns/{id}/enrollments", get(enrollments_of).post(enroll))
}

async fn list(State(app): State<App>, by: By, params: Params) -> Result<Json<Value>, Problem> {
    let page = Page::of(&params.only(&["limit", "after"])?)?;
    let after: Option<String> = page.after()?;
    let Some(project) = app.deploy.current(&by.workspace).await? else {
        return Ok(page.answer(vec![], Campaign::clone, |_| Value::Null));
    };
    let mut campaigns: Vec<&Campaign> = project.manifest.campaigns.iter().collect();
    campaigns.retain(|c| after.as_ref().is_none_or(|after| c.id > *after));
    campaigns.sort_by(|a, b| a.id.cmp(&b.id));
    let enrolled = read::enrollment_counts(&app.store.db, &by.workspace, None).await?;
    let sent = read::message_counts(&app.store.db, &by.workspace, None).await?;
    let marks = read::marks(&app.store.db, &by.workspace, None).await?;
    Ok(page.answer(campaigns, |c| &c.id, |c| campaign_json(c, &enrolled, &sent, &marks)))
}

async fn one(State(app): State<App>, by: By, Id(id): Id, params: Params) -> Result<Json<Value>, Problem> {
    params.none()?;
    let project = app.deploy.current(&by.workspace).await?;
    let campaign = project.as_ref().and_then(|p| p.campaign(&id)).ok_or_else(|| Problem::not_found("campaign", &id))?;
    let enrolled = read::enrollment_counts(&app.store.db, &by.workspace, Some(&id)).await?;
    let sent = read::message_counts(&app.store.db, &by.workspace, Some(&id)).await?;
    let marks = read::marks(&app.store.db, &by.workspace, Some(&id)).await?;
    Ok(Json(campaign_json(campaign, &enrolled, &sent, &marks)))
}

/// Also of a campaign that was removed, as long as it has had any.
async fn enrollments_of(State(app): State<App>, by: By, Id(id): Id, params: Params) -> Result<Json<Value>, Problem> {
    let params = params.only(&["status", "limit", "after"])?;
    let page = Page::of(&params)?;
    let status = params.one_of("status", &enrollments::STATUSES)?;
    let filter = read::EnrollmentFilter { campaign: Some(&id), status, user: None };
    let found = read::enrollments(&app.store.db, &by.workspace, filter, page.after()?.as_ref(), page.rows()).await?;
    if found.is_empty() && page.is_first() {
        let project = app.deploy.current(&by.workspace).await?;
        let is_there = project.is_some_and(|p| p.campaign(&id).is_some());
        if !is_there && read::enrollment_counts(&app.store.db, &by.workspace, Some(&id)).await?.is_empty() {
            return Err(Problem::not_found("campaign", &id));
        }
    }
    Ok(enrollments::list(&page, found))
}

/// Puts users into a campaign, whatever its segments say, each with its own result.
async fn enroll(
    State(app): State<App>,
    by: By,
    Id(id): Id,
    params: Params,
    fields: Fields,
) -> Result<Json<Value>, Problem> {
    params.none()?;
    let mut fields = fields.only(&["users", "start_at"])?;
    let users = needed("users", fields.list("users")?)?;
    if users.len() > MOST {
        let detail = format!("{} users, and at most {MOST} are allowed: send several requests", users.len());
        return Err(Problem::new(Code::BatchTooLarge, detail));
    }
    let start_at = fields.text("start_at")?.map(|text| check::time("start_at", &text)).transpose()?;
    let project = app.deploy.current(&by.workspace).await?;
    if project.is_none_or(|p| p.campaign(&id).is_none()) {
        return Err(Problem::not_found("campaign", &id));
    }
    let mut facts = vec![];
    for user in users {
        let Value::String(user) = user else {
            return Err(Problem::new(Code::WrongType, "`users` holds ids, and an id is a string"));
        };
        check::user_id(&user)?;
        let what = What::Enter { campaign: id.clone(), start_at };
        facts.push(Fact { workspace: by.workspace.clone(), user, what, historical: false, now: app.now() });
    }
    let ids: Vec<String> = facts.iter().map(|fact| fact.user.clone()).collect();
    let storing = tokio::spawn(async move { app.store.ingest.store_all(facts).await });
    let stored = storing.await.map_err(super::problem::internal)??;
    let results = ids.into_iter().zip(stored).map(|(user, stored)| match stored {
        Ok(_) => json!({ "user_id": user, "status": 202 }),
        Err(error) => {
            let mut result = item(&error.into());
            result["user_id"] = user.into();
            result
        }
    });
    Ok(Json(json!({ "results": results.collect::<Vec<_>>() })))
}

fn campaign_json(campaign: &Campaign, enrolled: &Counts, sent: &Counts, marks: &[Mark]) -> Value {
    let goals = marks.iter().filter(|m| m.campaign == campaign.id && m.kind == "goal" && m.arm.is_none());
    let goals: Map<String, Value> = goals.map(|m| (m.name.clone(), m.count.into())).collect();
    let mut experiments = Map::new();
    for mark in marks.iter().filter(|m| m.campaign == campaign.id && m.arm.is_some()) {
        let (experiment, arm) = mark.experiment_and_arm();
        let place = experiments.entry(experiment).or_insert_with(|| json!({}));
        match mark.kind.as_str() {
            "goal" => place[arm]["goals"][&mark.name] = mark.count.into(),
            _ => place[arm]["users"] = mark.count.into(),
        }
    }
    json!({
        "id": campaign.id,
        "mode": campaign.mode,
        "guarantee": campaign.guarantee,
        "segments": campaign.segments,
        "exclude_segments": campaign.exclude_segments,
        "counts": counts(enrolled, &campaign.id, enrollment::Status::ALL.map(enrollment::Status::name)),
        "goals": goals,
        "experiments": experiments,
        "messages": counts(sent, &campaign.id, ledger::Status::ALL.map(ledger::Status::name)),
    })
}

/// Every status, also those that nobody is in: a script reads a number, not perhaps one.
fn counts<const N: usize>(counts: &Counts, campaign: &str, statuses: [&str; N]) -> Map<String, Value> {
    let found = counts.get(campaign);
    let count = |status: &str| found.and_then(|c| c.get(status)).copied().unwrap_or(0);
    statuses.into_iter().map(|status| (status.to_string(), count(status).into())).collect()
}
