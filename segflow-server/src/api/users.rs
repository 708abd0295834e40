//! Users, and what belongs to each.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use segflow_core::merge::{Object, merge};
use serde_json::{Value, json};

use super::auth::By;
use super::body::{Fields, needed};
use super::page::Page;
use super::params::Params;
use super::path::UserId;
use super::problem::Problem;
use super::{App, check, enrollments, messages};
use crate::clock::rfc3339;
use crate::store::ingest::{Fact, Stored, What};
use crate::store::{erase, read};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/v1/users", get(list))
        .route("/v1/users/{id}", get(one).patch(merge_one).put(replace).delete(erase_one))
        .route("/v1/users/{id}/segments", get(segments))
        .route("/v1/users/{id}/enrollments", get(enrollments_of))
        .route("/v1/users/{id}/messages", get(messages_of))
}

async fn list(State(app): State<App>, by: By, params: Params) -> Result<Json<Value>, Problem> {
    let params = params.only(&["email", "limit", "after"])?;
    let page = Page::of(&params)?;
    let after: Option<String> = page.after()?;
    let email = params.text("email");
    let users = read::users(&app.store.db, &by.workspace, email, after.as_deref(), page.rows()).await?;
    Ok(page.answer(users, |user| user.id.clone(), user_json))
}

async fn one(State(app): State<App>, by: By, UserId(id): UserId, params: Params) -> Result<Json<Value>, Problem> {
    params.none()?;
    let user = read::user(&app.store.db, &by.workspace, &id).await?;
    user.map(|user| Json(user_json(user))).ok_or_else(|| Problem::not_found("user", &id))
}

async fn merge_one(
    State(app): State<App>,
    by: By,
    UserId(id): UserId,
    params: Params,
    fields: Fields,
) -> Result<Json<Value>, Problem> {
    let create = params.only(&["create"])?.flag("create")?.unwrap_or(true);
    let patch = attributes(fields)?;
    store(&app, &by, id, What::Merge { patch, create }).await
}

async fn replace(
    State(app): State<App>,
    by: By,
    UserId(id): UserId,
    params: Params,
    fields: Fields,
) -> Result<Json<Value>, Problem> {
    params.none()?;
    let attributes = without_nulls(&attributes(fields)?);
    store(&app, &by, id, What::Replace { attributes }).await
}

/// To replace is to merge into nobody: a null says that something is not there, by either way.
pub fn without_nulls(attributes: &Object) -> Object {
    let mut kept = Object::new();
    merge(&mut kept, attributes);
    kept
}

fn attributes(fields: Fields) -> Result<Object, Problem> {
    let mut fields = fields.only(&["attributes"])?;
    let attributes = needed("attributes", fields.object("attributes")?)?;
    check::attributes(&attributes)?;
    Ok(attributes)
}

/// Stores the user and answers it as it is now.
async fn store(app: &App, by: &By, id: String, what: What) -> Result<Json<Value>, Problem> {
    let now = app.now();
    let fact = Fact { workspace: by.workspace.clone(), user: id.clone(), what, historical: false, now };
    let Stored::User { attributes, created_at } = app.store.ingest.store(fact).await? else {
        return Err(super::problem::internal("a user was stored as something else"));
    };
    Ok(Json(user_json(read::User { id, attributes, created_at, updated_at: now })))
}

async fn erase_one(State(app): State<App>, by: By, UserId(id): UserId, params: Params) -> Result<StatusCode, Problem> {
    params.none()?;
    let (db, workspace, now) = (app.store.db.clone(), by.workspace.clone(), app.now());
    let user = id.clone();
    // To its end, whether or not the caller waits for it.
    let erasing = tokio::spawn(async move { erase::erase(&db, &workspace, &user, now).await });
    if !erasing.await.map_err(super::problem::internal)?? {
        return Err(Problem::not_found("user", &id));
    }
    app.drive.wake();
    Ok(StatusCode::NO_CONTENT)
}

async fn segments(State(app): State<App>, by: By, UserId(id): UserId, params: Params) -> Result<Json<Value>, Problem> {
    let page = Page::of(&params.only(&["limit", "after"])?)?;
    let after: Option<String> = page.after()?;
    let found = read::memberships(&app.store.db, &by.workspace, &id, after.as_deref(), page.rows()).await?;
    known(&app, &by, &id, &page, found.is_empty()).await?;
    Ok(page.answer(found, |m| m.segment.clone(), |m| json!({ "id": m.segment, "since": rfc3339(m.since) })))
}

async fn enrollments_of(
    State(app): State<App>,
    by: By,
    UserId(id): UserId,
    params: Params,
) -> Result<Json<Value>, Problem> {
    let params = params.only(&["campaign", "status", "limit", "after"])?;
    let page = Page::of(&params)?;
    let filter = read::EnrollmentFilter {
        user: Some(&id),
        campaign: params.text("campaign"),
        status: params.one_of("status", &enrollments::STATUSES)?,
    };
    let found = read::enrollments(&app.store.db, &by.workspace, filter, page.after()?.as_ref(), page.rows()).await?;
    known(&app, &by, &id, &page, found.is_empty()).await?;
    Ok(enrollments::list(&page, found))
}

async fn messages_of(
    State(app): State<App>,
    by: By,
    UserId(id): UserId,
    params: Params,
) -> Result<Json<Value>, Problem> {
    let params = params.only(&["status", "campaign", "transaction", "order", "limit", "after"])?;
    let page = Page::of(&params)?;
    let filter = read::MessageFilter { user: Some(&id), ..messages::filter(&params)? };
    let found = read::messages(&app.store.db, &by.workspace, filter, page.after()?.as_ref(), page.rows()).await?;
    known(&app, &by, &id, &page, found.is_empty()).await?;
    messages::list(&app, &page, found).await
}

/// An empty list of somebody who does not exist is a mistake, and looked for only then.
pub async fn known(app: &App, by: &By, id: &str, page: &Page, is_empty: bool) -> Result<(), Problem> {
    if is_empty && page.is_first() && !read::user_exists(&app.store.db, &by.workspace, id).await? {
        return Err(Problem::not_found("user", id));
    }
    Ok(())
}

fn user_json(user: read::User) -> Value {
    json!({
        "id": user.id,
        "attributes": user.attributes,
        "created_at": rfc3339(user.created_at),
        "updated_at": rfc3339(user.updated_at),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacing_keeps_no_nulls_but_those_in_arrays() {
        let body = json!({"a": null, "b": {"c": null, "d": 1}, "e": [null]});
        let kept = without_nulls(body.as_object().expect("an object"));
        assert_eq!(Value::Object(kept), json!({"b": {"d": 1}, "e": [null]}));
    }
}
