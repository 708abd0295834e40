//! Pushes.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{self, get};
use axum::{Json, Router};
use segflow_core::protocol::InFlight;
use serde_json::{Value, json};

use super::App;
use super::auth::By;
use super::body;
use super::page::Page;
use super::params::Params;
use super::path::Id;
use super::problem::{Code, Problem};
use crate::clock::rfc3339;
use crate::deploy::{PushError, PushOptions};
use crate::store::{behind, read};

/// 16 MiB.
const LARGEST: usize = 16 << 20;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/v1/deployments", get(list).post(push))
        .route("/v1/deployments/{id}", get(one))
        .route("/v1/deployments/{id}/activate", routing::post(activate))
}

async fn push(State(app): State<App>, by: By, params: Params, request: Request) -> Result<Response, Problem> {
    let options = options(params)?;
    let is_wasm =
        |ty: &str| ty.eq_ignore_ascii_case("application/wasm") || ty.eq_ignore_ascii_case("application/octet-stream");
    let wasm = body::bytes(request, LARGEST, is_wasm, "application/wasm").await?;
    let (deploy, workspace) = (app.deploy.clone(), by.workspace.clone());
    // To its end, whether or not the caller waits for it.
    let pushing = tokio::spawn(async move { deploy.push(&workspace, wasm, options).await });
    let plan = pushing.await.map_err(super::problem::internal)?.map_err(refused)?;
    app.drive.wake();
    Ok(Json(plan).into_response())
}

/// Puts an earlier deployment in force again.
async fn activate(State(app): State<App>, by: By, Id(id): Id, params: Params) -> Result<Response, Problem> {
    let options = options(params)?;
    let (deploy, workspace) = (app.deploy.clone(), by.workspace.clone());
    let pushing = tokio::spawn(async move { deploy.activate(&workspace, &id, options).await });
    let plan = pushing.await.map_err(super::problem::internal)?.map_err(refused)?;
    app.drive.wake();
    Ok(Json(plan).into_response())
}

fn options(params: Params) -> Result<PushOptions, Problem> {
    let params = params.only(&["dry_run", "base", "allow_enter", "in_flight"])?;
    let policy = params.one_of("in_flight", &InFlight::ALL.map(InFlight::name))?;
    Ok(PushOptions {
        dry_run: params.flag("dry_run")?.unwrap_or(false),
        base: params.parsed("base")?,
        allow_enter: params.parsed("allow_enter")?,
        in_flight: policy.and_then(InFlight::parse),
    })
}

fn refused(error: PushError) -> Problem {
    match error {
        PushError::Refused { code, detail, problems } => {
            let kind = if code == "too_large" { Code::TooLarge } else { Code::PushRefused };
            Problem::new(kind, detail).named(code).with("problems", json!(problems))
        }
        PushError::Passed { current } => {
            let detail = format!(
                "the workspace is at generation {current}, not at the one you saw: look at what has changed, then push again"
            );
            Problem::new(Code::GenerationPassed, detail).with("current", current)
        }
        PushError::TooMany { entering } => {
            let detail = format!(
                "{entering} users would enter campaigns at once: if they shall, push with --allow-enter {entering}"
            );
            Problem::new(Code::TooManyEnter, detail).with("entering", entering)
        }
        PushError::Store(error) => error.into(),
    }
}

async fn list(State(app): State<App>, by: By, params: Params) -> Result<Json<Value>, Problem> {
    let page = Page::of(&params.only(&["limit", "after"])?)?;
    let found = read::deployments(&app.store.db, &by.workspace, page.after()?, page.rows()).await?;
    Ok(page.answer(found, |d| d.generation, |d| deployment_json(&d)))
}

/// One, with how many users have not been held against it yet while it is the current one.
async fn one(State(app): State<App>, by: By, Id(id): Id, params: Params) -> Result<Json<Value>, Problem> {
    params.none()?;
    let found = read::deployment(&app.store.db, &by.workspace, &id).await?;
    let found = found.ok_or_else(|| Problem::not_found("deployment", &id))?;
    let mut answer = deployment_json(&found);
    if found.current {
        answer["behind"] = behind::left(&app.store.db, &by.workspace, found.generation).await?.into();
    }
    Ok(Json(answer))
}

fn deployment_json(d: &read::Deployment) -> Value {
    json!({
        "id": d.id,
        "generation": d.generation,
        "sha256": d.sha256,
        "created_at": rfc3339(d.created_at),
        "current": d.current,
    })
}
