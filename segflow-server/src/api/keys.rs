//! Keys of the caller's workspace. Their times are of the real world, also where business time is virtual.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{delete, get};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::auth::By;
use super::body::{Fields, needed};
use super::page::Page;
use super::params::Params;
use super::path::Id;
use super::problem::Problem;
use super::{App, check};
use crate::clock::{rfc3339, system_now};
use crate::store::keys::{self, Key};

pub fn routes() -> Router<App> {
    Router::new().route("/v1/keys", get(list).post(create)).route("/v1/keys/{id}", delete(revoke))
}

async fn create(
    State(app): State<App>,
    by: By,
    params: Params,
    fields: Fields,
) -> Result<(StatusCode, Json<Value>), Problem> {
    params.none()?;
    let mut fields = fields.only(&["name"])?;
    let name = needed("name", fields.text("name")?)?;
    check::name("key's name", &name)?;
    let (id, key) = keys::create(&app.store.db, &by.workspace, &name, system_now()).await?;
    Ok((StatusCode::CREATED, Json(json!({ "id": id, "name": name, "key": key }))))
}

async fn list(State(app): State<App>, by: By, params: Params) -> Result<Json<Value>, Problem> {
    let page = Page::of(&params.only(&["limit", "after"])?)?;
    let after: Option<String> = page.after()?;
    let found = keys::list(&app.store.db, &by.workspace, after.as_deref(), page.rows()).await?;
    Ok(page.answer(found, |key| key.id.clone(), key_json))
}

async fn revoke(State(app): State<App>, by: By, Id(id): Id, params: Params) -> Result<StatusCode, Problem> {
    params.none()?;
    if !keys::revoke(&app.store.db, &by.workspace, &id, system_now()).await? {
        return Err(Problem::not_found("key", &id));
    }
    app.0.keys.forget(&id);
    Ok(StatusCode::NO_CONTENT)
}

fn key_json(key: Key) -> Value {
    json!({
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "created_at": rfc3339(key.created_at),
        "revoked_at": key.revoked_at.map(rfc3339),
    })
}
