//! How a set-up is.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::App;
use super::auth::By;
use super::params::Params;
use super::problem::Problem;

pub fn routes() -> Router<App> {
    Router::new().route("/v1/doctor", get(examine))
}

async fn examine(State(app): State<App>, by: By, params: Params) -> Result<Json<Value>, Problem> {
    params.none()?;
    let found = app.doctor.examine(&by.workspace).await?;
    let one = |finding: &crate::doctor::Finding| json!({ "about": finding.about, "state": finding.state.name(), "says": finding.says });
    Ok(Json(json!({ "items": found.iter().map(one).collect::<Vec<_>>() })))
}
