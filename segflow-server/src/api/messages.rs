//! The ledger: every message that was decided, and one with what it said.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use segflow_core::ledger::Status;
use segflow_core::merge::Object;
use segflow_core::project::declared;
use segflow_core::reader::Device;
use segflow_protocol::{Json as Raw, Render, Rendered};
use serde_json::{Value, json};

use super::App;
use super::auth::By;
use super::page::Page;
use super::params::Params;
use super::path::Id;
use super::problem::Problem;
use crate::clock::rfc3339;
use crate::links;
use crate::store;
use crate::store::lookups;
use crate::store::read::{self, Attempt, Conversion, Message, MessageFilter, MessageResults, Order, Told};

pub fn routes() -> Router<App> {
    Router::new().route("/v1/messages", get(list_all)).route("/v1/messages/{id}", get(one))
}

async fn list_all(State(app): State<App>, by: By, params: Params) -> Result<Json<Value>, Problem> {
    let params = params.only(&["user_id", "status", "campaign", "transaction", "order", "limit", "after"])?;
    let page = Page::of(&params)?;
    let filter = MessageFilter { user: params.text("user_id"), ..filter(&params)? };
    // Messages of the erased have an empty user, which nobody may ask for as if it were one.
    if filter.user == Some("") {
        return Err(super::params::bad("`user_id` is empty".into()));
    }
    let found = read::messages(&app.store.db, &by.workspace, filter, page.after()?.as_ref(), page.rows()).await?;
    list(&app, &page, found).await
}

/// What any list of messages can be narrowed by.
pub fn filter(params: &Params) -> Result<MessageFilter<'_>, Problem> {
    Ok(MessageFilter {
        user: None,
        status: params.one_of("status", &Status::ALL.map(Status::name))?,
        campaign: params.text("campaign"),
        transaction: params.text("transaction"),
        order: match params.one_of("order", &["oldest", "newest"])? {
            Some("newest") => Order::Newest,
            _ => Order::Oldest,
        },
    })
}

pub async fn list(app: &App, page: &Page, found: Vec<Message>) -> Result<Json<Value>, Problem> {
    let results = read::results_of(&app.store.db, &found).await?;
    let shown = |m: Message| message_json(&m, results.get(&m.id));
    Ok(page.answer(found, |m| (m.created_at, m.id.clone()), shown))
}

async fn one(State(app): State<App>, by: By, Id(id): Id, params: Params) -> Result<Json<Value>, Problem> {
    params.none()?;
    let found = read::message(&app.store.db, &by.workspace, &id).await?;
    let message = found.ok_or_else(|| Problem::not_found("message", &id))?;
    let attempts = read::attempts(&app.store.db, &message).await?;
    let results = read::results_of(&app.store.db, std::slice::from_ref(&message)).await?;
    let mut answer = message_json(&message, results.get(&id));
    answer["from"] = json!(message.from);
    answer["to"] = json!(message.to);
    answer["provider"] = json!(message.provider);
    answer["provider_message_id"] = json!(message.provider_message_id);
    answer["attempts"] = attempts.iter().map(attempt_json).collect();
    answer["converted_by"] = read::conversions(&app.store.db, &id).await?.iter().map(conversion_json).collect();
    let told = read::told(&app.store.db, &id).await?;
    let replied = told.iter().find(|told| told.outcome == "replied" && told.kind.as_deref() == Some("person"));
    answer["replied_at"] = json!(replied.map(|told| rfc3339(told.at)));
    let lookup = lookups::of(&app.store.db, &id).await?;
    answer["lookup"] = lookup.map_or(Value::Null, |(asked, at)| json!({ "asked": asked, "next_at": rfc3339(at) }));
    answer["outcomes"] = told.iter().map(told_json).collect();
    let (rendered, body) = match body(&app, &by.workspace, &message).await? {
        Body::AsSent(body) => ("as_sent", Some(body)),
        Body::AsNow(body) => ("as_now", Some(body)),
        Body::Gone(why) => {
            answer["render_error"] = why.into();
            ("gone", None)
        }
    };
    let body = body.as_ref();
    answer["rendered"] = rendered.into();
    // The subject that was sent is known even if the rest cannot be rendered again.
    answer["subject"] = json!(body.map(|b| &b.subject).or(message.subject.as_ref()));
    answer["html"] = json!(body.map(|b| &b.html));
    answer["text"] = json!(body.map(|b| &b.text));
    Ok(Json(answer))
}

fn message_json(message: &Message, results: Option<&MessageResults>) -> Value {
    let results = results.copied().unwrap_or_default();
    json!({
        "id": message.id,
        "user_id": message.user_id,
        "status": message.status,
        "reason": message.reason,
        "template": message.template,
        // Known once it was rendered to be sent.
        "subject": message.subject,
        "campaign": message.campaign,
        "enrollment": message.enrollment,
        "op": message.op,
        "transaction": message.transaction,
        "event_id": message.event_id,
        "deployment": message.deployment,
        "guarantee": message.guarantee,
        "attempt": message.attempt,
        "created_at": rfc3339(message.created_at),
        "updated_at": rfc3339(message.updated_at),
        "due_at": message.due_at.map(rfc3339),
        "sent_at": message.sent_at.map(rfc3339),
        // By a person, the first time.
        "opened_at": results.opened_at.map(rfc3339),
        "clicked_at": results.clicked_at.map(rfc3339),
        "conversions": results.conversions,
        "value": results.value,
    })
}

fn conversion_json(conversion: &Conversion) -> Value {
    let of = |kind: &str| (conversion.kind == kind).then_some(&conversion.name);
    json!({
        "at": rfc3339(conversion.at),
        "event": of("event"),
        "goal": of("goal"),
        "event_id": conversion.event_id,
        "value": conversion.value,
    })
}

fn attempt_json(attempt: &Attempt) -> Value {
    json!({
        "attempt": attempt.attempt,
        "at": rfc3339(attempt.at),
        "provider": attempt.provider,
        "outcome": attempt.outcome,
        "detail": attempt.detail,
    })
}

fn told_json(told: &Told) -> Value {
    json!({
        "outcome": told.outcome,
        "kind": told.kind,
        "at": rfc3339(told.at),
        "provider": told.provider,
        "detail": told.detail,
        "agent": told.agent,
        "device": told.agent.as_deref().and_then(Device::of).map(Device::name),
        "country": told.country,
    })
}

/// What a message says.
pub enum Body {
    /// Rendered again, and the same to the byte.
    AsSent(Rendered),
    /// Not sent, as far as is known: as it would be sent now.
    AsNow(Rendered),
    /// It cannot be shown, and why.
    Gone(String),
}

/// What a message says, with the addresses that its links lead to.
pub async fn body(app: &App, workspace: &str, message: &Message) -> store::Result<Body> {
    let Some(user_id) = &message.user_id else { return Ok(Body::Gone("the user was erased".into())) };
    // One that waits for another try will be rendered anew.
    let waits = matches!(Status::parse(&message.status), Some(Status::Pending | Status::Held));
    let (user, hash) = match (&message.context, &message.body_hash) {
        (Some(context), Some(hash)) if !waits => (context.clone(), Some(hash)),
        _ => match attributes_now(app, workspace, message, user_id).await? {
            Some(attributes) => (attributes, None),
            None => return Ok(Body::Gone("its user or its deployment is gone".into())),
        },
    };
    let render = Render { template: message.template.clone(), user: Raw(user), args: Raw(message.args.clone()) };
    let mut rendered = match app.deploy.render(&message.deployment, render).await {
        Ok(rendered) => rendered,
        Err(why) => return Ok(Body::Gone(why)),
    };
    let is_same = hash.map(|hash| *hash == read::body_hash(&rendered));
    // What was rendered is compared; the addresses were made afterwards, and are made again.
    let manifest = app.deploy.code(&message.deployment).await?.manifest;
    let signer = app.links.signer(workspace, &manifest).await?;
    links::fill(&mut rendered, &signer, &manifest, &message.id, message.transaction.is_none());
    Ok(match is_same {
        None => Body::AsNow(rendered),
        Some(true) => Body::AsSent(rendered),
        Some(false) => Body::Gone("it no longer renders to what was sent".into()),
    })
}

/// The user's declared attributes as they are now, as JSON.
async fn attributes_now(app: &App, workspace: &str, message: &Message, user: &str) -> store::Result<Option<String>> {
    let db = &app.store.db;
    let Some(fields) = read::fields_of(db, workspace, &message.deployment).await? else { return Ok(None) };
    let Some(user) = read::user(db, workspace, user).await? else { return Ok(None) };
    let attributes: Object = declared(&fields, &user.attributes);
    Ok(Some(Value::Object(attributes).to_string()))
}
