//! Who the caller is: what `segflow login` asks, and what a command says before it changes something.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::App;
use super::auth::By;
use super::params::Params;
use super::problem::Problem;

pub fn routes() -> Router<App> {
    Router::new().route("/v1/me", get(me))
}

async fn me(State(app): State<App>, by: By, params: Params) -> Result<Json<Value>, Problem> {
    params.none()?;
    Ok(Json(json!({
        "workspace": by.workspace,
        "key": { "id": by.key_id, "name": by.name },
        "mode": if app.production { "production" } else { "dev" },
    })))
}
