//! The keys that sign the links in emails. They themselves never come out. Their times are of the real world.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{delete, get};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::App;
use super::auth::By;
use super::page::Page;
use super::params::Params;
use super::path::Id;
use super::problem::Problem;
use crate::clock::{rfc3339, system_now};
use crate::store::link_keys::{self, LinkKey};

pub fn routes() -> Router<App> {
    Router::new().route("/v1/link-keys", get(list).post(create)).route("/v1/link-keys/{id}", delete(revoke))
}

async fn create(State(app): State<App>, by: By, params: Params) -> Result<(StatusCode, Json<Value>), Problem> {
    params.none()?;
    let key = link_keys::create(&app.store.db, &by.workspace, system_now()).await?;
    app.links.forget(&by.workspace);
    Ok((StatusCode::CREATED, Json(key_json(&key, true))))
}

async fn list(State(app): State<App>, by: By, params: Params) -> Result<Json<Value>, Problem> {
    let page = Page::of(&params.only(&["limit", "after"])?)?;
    let after: Option<(i64, u32)> = page.after()?;
    let all = link_keys::list(&app.store.db, &by.workspace).await?;
    let signs = link_keys::current(&all).map(|key| key.id);
    let place = |key: &LinkKey| (key.created_at, key.id);
    let mut found: Vec<LinkKey> = all.into_iter().filter(|key| after.is_none_or(|after| place(key) > after)).collect();
    found.truncate(usize::try_from(page.rows()).unwrap_or(usize::MAX));
    Ok(page.answer(found, place, |key| key_json(&key, Some(key.id) == signs)))
}

async fn revoke(State(app): State<App>, by: By, Id(id): Id, params: Params) -> Result<StatusCode, Problem> {
    params.none()?;
    let number = u32::from_str_radix(id.strip_prefix("lnk_").unwrap_or_default(), 16);
    let unknown = || Problem::not_found("link key", &id);
    let number = number.map_err(|_| unknown())?;
    if !link_keys::revoke(&app.store.db, &by.workspace, number, system_now()).await? {
        return Err(unknown());
    }
    app.links.forget(&by.workspace);
    Ok(StatusCode::NO_CONTENT)
}

fn key_json(key: &LinkKey, signs: bool) -> Value {
    json!({
        "id": format!("lnk_{:08x}", key.id),
        "signs": signs,
        "created_at": rfc3339(key.created_at),
        "revoked_at": key.revoked_at.map(rfc3339),
    })
}
