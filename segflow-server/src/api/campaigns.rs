//! The campaigns of the project as it is now, with what has come of them.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use segflow_core::{enrollment, ledger};
use segflow_protocol::Campaign;
use serde_json::{Map, Value, json};

use super::auth::By;
use super::page::Page;
use super::params::Params;
use super::path::Id;
use super::problem::Problem;
use super::{App, enrollments};
use crate::store::read::{self, Counts};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/v1/campaigns", get(list))
        .route("/v1/campaigns/{id}", get(one))
        .route("/v1/campaigns/{id}/enrollments", get(enrollments_of))
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
    Ok(page.answer(campaigns, |c| &c.id, |c| campaign_json(c, &enrolled, &sent)))
}

async fn one(State(app): State<App>, by: By, Id(id): Id, params: Params) -> Result<Json<Value>, Problem> {
    params.none()?;
    let project = app.deploy.current(&by.workspace).await?;
    let campaign = project.as_ref().and_then(|p| p.campaign(&id)).ok_or_else(|| Problem::not_found("campaign", &id))?;
    let enrolled = read::enrollment_counts(&app.store.db, &by.workspace, Some(&id)).await?;
    let sent = read::message_counts(&app.store.db, &by.workspace, Some(&id)).await?;
    Ok(Json(campaign_json(campaign, &enrolled, &sent)))
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

fn campaign_json(campaign: &Campaign, enrolled: &Counts, sent: &Counts) -> Value {
    json!({
        "id": campaign.id,
        "mode": campaign.mode,
        "guarantee": campaign.guarantee,
        "segments": campaign.segments,
        "exclude_segments": campaign.exclude_segments,
        "counts": counts(enrolled, &campaign.id, enrollment::Status::ALL.map(enrollment::Status::name)),
        "messages": counts(sent, &campaign.id, ledger::Status::ALL.map(ledger::Status::name)),
    })
}

/// Every status, also those that nobody is in: a script reads a number, not perhaps one.
fn counts<const N: usize>(counts: &Counts, campaign: &str, statuses: [&str; N]) -> Map<String, Value> {
    let found = counts.get(campaign);
    let count = |status: &str| found.and_then(|c| c.get(status)).copied().unwrap_or(0);
    statuses.into_iter().map(|status| (status.to_string(), count(status).into())).collect()
}
