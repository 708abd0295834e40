//! What a user wants to get, for the application's own settings.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use segflow_core::consent::{Block, Consent};
use segflow_core::merge::Object;
use segflow_core::project::Project;
use serde_json::{Value, json};

use super::App;
use super::auth::By;
use super::body::Fields;
use super::params::Params;
use super::path::UserId;
use super::problem::{Code, Problem};
use super::suppressions::topic;
use crate::address;
use crate::store::choice::{self, Choice};
use crate::store::consent::{self, Said};
use crate::store::read;

pub fn routes() -> Router<App> {
    Router::new().route("/v1/users/{id}/consent", get(show).patch(change))
}

async fn show(State(app): State<App>, by: By, UserId(id): UserId, params: Params) -> Result<Json<Value>, Problem> {
    params.none()?;
    let project = app.deploy.project(&by.workspace).await?;
    let address = address_of(&app, &by, &project, &id).await?;
    let known = consent::one(&app.store.db, &by.workspace, &address).await?;
    Ok(Json(consent_json(&project, &address, &known.map(|known| known.consent).unwrap_or_default())))
}

async fn change(
    State(app): State<App>,
    by: By,
    UserId(user): UserId,
    params: Params,
    fields: Fields,
) -> Result<Json<Value>, Problem> {
    params.none()?;
    let mut fields = fields.only(&["unsubscribed", "topics"])?;
    let project = app.deploy.project(&by.workspace).await?;
    let known: Vec<&str> = project.manifest.topics.iter().map(|topic| topic.id.as_str()).collect();
    let mut said = vec![];
    said.extend(fields.flag("unsubscribed")?.map(|unsubscribed| Said::Wants(!unsubscribed)));
    for (id, wants) in fields.object("topics")?.into_iter().flatten() {
        topic(&id, &known)?;
        let wrong = || Problem::new(Code::WrongType, format!("`topics.{id}` must be true or false"));
        let wants = wants.as_bool().ok_or_else(wrong)?;
        said.push(Said::Topic { id, wants });
    }
    let address = address_of(&app, &by, &project, &user).await?;
    let told = Object::from_iter([("via".to_string(), json!("api"))]);
    let (workspace, at) = (by.workspace.clone(), app.now());
    let choice = Choice { workspace, user, address: address.clone(), said, told, at };
    let changed = choice::choose(&app.store.db, &project, choice).await?;
    app.drive.wake();
    Ok(Json(consent_json(&project, &address, &changed.after)))
}

/// The address of a user; whoever has none has nothing to say about it.
async fn address_of(app: &App, by: &By, project: &Project, id: &str) -> Result<String, Problem> {
    let user = read::user(&app.store.db, &by.workspace, id).await?.ok_or_else(|| Problem::not_found("user", id))?;
    let attribute = project.manifest.address.as_deref().unwrap_or("email");
    address::of(attribute, &user.attributes).map_err(|why| Problem::new(Code::InvalidAddress, why))
}

fn consent_json(project: &Project, address: &str, consent: &Consent) -> Value {
    let topics = project.manifest.topics.iter();
    let topics = topics.map(|topic| json!({ "id": topic.id, "name": topic.name, "wanted": consent.wants(topic) }));
    json!({
        "address": address,
        "blocked": consent.blocked.map(Block::name),
        "unsubscribed": consent.unsubscribed,
        "topics": topics.collect::<Vec<_>>(),
    })
}
