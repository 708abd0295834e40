//! What users do.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::auth::By;
use super::body::{Fields, needed};
use super::page::Page;
use super::params::Params;
use super::path::UserId;
use super::problem::Problem;
use super::{App, check, users};
use crate::clock::rfc3339;
use crate::store::ingest::{Fact, What};
use crate::store::{random_id, read};

pub fn routes() -> Router<App> {
    Router::new().route("/v1/users/{id}/events", get(list).post(emit))
}

async fn emit(
    State(app): State<App>,
    by: By,
    UserId(user): UserId,
    params: Params,
    fields: Fields,
) -> Result<(StatusCode, Json<Value>), Problem> {
    params.none()?;
    let now = app.now();
    let (id, what) = event(fields.only(&["name", "attributes", "id", "occurred_at"])?, now)?;
    let fact = Fact { workspace: by.workspace.clone(), user, what, historical: false, now };
    app.store.ingest.store(fact).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "id": id }))))
}

/// An event from its fields; the id is ours where the caller gives none, and then cannot be there already.
pub fn event(mut fields: Fields, now: i64) -> Result<(String, What), Problem> {
    let name = needed("name", fields.text("name")?)?;
    check::name("event name", &name)?;
    let attributes = fields.object("attributes")?.unwrap_or_default();
    check::attributes(&attributes)?;
    let given = fields.text("id")?;
    let only_new = given.is_none();
    let id = given.unwrap_or_else(|| random_id("evt"));
    check::event_id(&id)?;
    let occurred_at = fields.text("occurred_at")?.map(|text| check::time("occurred_at", &text)).transpose()?;
    let occurred_at = occurred_at.unwrap_or(now);
    Ok((id.clone(), What::Event { id, name, attributes, occurred_at, only_new }))
}

async fn list(State(app): State<App>, by: By, UserId(id): UserId, params: Params) -> Result<Json<Value>, Problem> {
    let page = Page::of(&params.only(&["limit", "after"])?)?;
    let events = read::events(&app.store.db, &by.workspace, &id, page.after()?.as_ref(), page.rows()).await?;
    users::known(&app, &by, &id, &page, events.is_empty()).await?;
    Ok(page.answer(events, |event| (event.occurred_at, event.id.clone()), event_json))
}

fn event_json(event: read::Event) -> Value {
    json!({
        "id": event.id,
        "name": event.name,
        "attributes": event.attributes,
        "occurred_at": rfc3339(event.occurred_at),
        "received_at": rfc3339(event.received_at),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: Value) -> Result<(String, What), Problem> {
        event(Fields::of(value, "the body").expect("an object"), 7)
    }

    #[test]
    fn an_event_without_an_id_gets_one_that_is_new() {
        let (id, what) = parse(json!({"name": "login"})).expect("valid");
        assert!(id.starts_with("evt_"));
        let What::Event { occurred_at, only_new, .. } = what else { panic!("not an event") };
        assert_eq!((occurred_at, only_new), (7, true));
        let (id, what) =
            parse(json!({"name": "login", "id": "1", "occurred_at": "1970-01-01T00:00:01Z"})).expect("valid");
        let What::Event { occurred_at, only_new, .. } = what else { panic!("not an event") };
        assert_eq!((id.as_str(), occurred_at, only_new), ("1", 1_000, false));
    }

    #[test]
    fn every_wrong_event_is_422() {
        for wrong in [
            json!({}),
            json!({"name": ""}),
            json!({"name": 5}),
            json!({"name": "x".repeat(256)}),
            json!({"name": "login", "id": ""}),
            json!({"name": "login", "id": 5}),
            json!({"name": "login", "attributes": []}),
            json!({"name": "login", "occurred_at": "soon"}),
            json!({"name": "login", "occurred_at": 5}),
        ] {
            assert_eq!(parse(wrong.clone()).expect_err("refused").status(), 422, "{wrong}");
        }
    }
}
