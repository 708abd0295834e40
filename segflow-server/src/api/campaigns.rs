//! The campaigns of the project as it is now, with what has come of them.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use segflow_core::enrollment;
use segflow_core::ledger::Status;
use segflow_protocol::{Campaign, Manifest};
use serde_json::{Map, Value, json};

use super::auth::By;
use super::body::{Fields, needed};
use super::page::Page;
use super::params::Params;
use super::path::Id;
use super::problem::{Code, Problem, item};
use super::{App, check, declared, enrollments};
use crate::store::ingest::{Fact, What};
use crate::store::read::{self, Counts, Mark, Results};

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
    let come = Come::of(&app, &by, None).await?;
    Ok(page.answer(campaigns, |c| &c.id, |c| campaign_json(&project.manifest, c, &come)))
}

async fn one(State(app): State<App>, by: By, Id(id): Id, params: Params) -> Result<Json<Value>, Problem> {
    params.none()?;
    let project = app.deploy.current(&by.workspace).await?;
    let found = project.as_ref().and_then(|p| Some((&p.manifest, p.campaign(&id)?)));
    let (manifest, campaign) = found.ok_or_else(|| Problem::not_found("campaign", &id))?;
    let come = Come::of(&app, &by, Some(&id)).await?;
    Ok(Json(campaign_json(manifest, campaign, &come)))
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

/// What has come of campaigns.
struct Come {
    enrolled: Counts,
    messages: Counts,
    marks: Vec<Mark>,
    results: BTreeMap<String, Results>,
}

impl Come {
    /// Of all, or of one.
    async fn of(app: &App, by: &By, campaign: Option<&str>) -> Result<Come, Problem> {
        let (db, workspace) = (&app.store.db, &by.workspace);
        Ok(Come {
            enrolled: read::enrollment_counts(db, workspace, campaign).await?,
            messages: read::message_counts(db, workspace, campaign).await?,
            marks: read::marks(db, workspace, campaign).await?,
            results: read::results(db, workspace, campaign).await?,
        })
    }
}

fn campaign_json(manifest: &Manifest, campaign: &Campaign, come: &Come) -> Value {
    let marks = &come.marks;
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
        "policies": declared::policies(manifest, campaign),
        "converts_on": declared::conversions(campaign),
        "counts": counts(&come.enrolled, &campaign.id, enrollment::Status::ALL.map(enrollment::Status::name)),
        "goals": goals,
        "experiments": experiments,
        "messages": counts(&come.messages, &campaign.id, Status::ALL.map(Status::name)),
        "results": results_json(campaign, come),
    })
}

/// Messages, each of them once: how many were accepted, and of these how many were opened, clicked and successful. And what they brought.
fn results_json(campaign: &Campaign, come: &Come) -> Value {
    let results = come.results.get(&campaign.id).copied().unwrap_or_default();
    let by_status = come.messages.get(&campaign.id);
    let count = |status: Status| by_status.and_then(|counts| counts.get(status.name())).copied().unwrap_or(0);
    let accepted = [Status::Sent, Status::Delivered, Status::Bounced, Status::Complained];
    json!({
        "sent": accepted.into_iter().map(count).sum::<i64>(),
        "opened": results.opened,
        "clicked": results.clicked,
        "converted": results.converted,
        "conversions": results.conversions,
        "value": results.value,
    })
}

/// Every status, also those that nobody is in: a script reads a number, not perhaps one.
fn counts<const N: usize>(counts: &Counts, campaign: &str, statuses: [&str; N]) -> Map<String, Value> {
    let found = counts.get(campaign);
    let count = |status: &str| found.and_then(|c| c.get(status)).copied().unwrap_or(0);
    statuses.into_iter().map(|status| (status.to_string(), count(status).into())).collect()
}
