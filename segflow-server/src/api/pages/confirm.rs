//! `/confirm/TOKEN`: its reader says that the address is theirs (double opt-in). Told as an event, once for each message.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use segflow_core::merge::Object;
use segflow_protocol::own;
use serde_json::json;

use super::look::{self, Button, Notice};
use super::{Reader, Visit};
use crate::api::App;
use crate::links::Kind;
use crate::store::Error;
use crate::store::happened::{self, Happened};
use crate::store::read::Message;

pub async fn ask(State(app): State<App>, Path(token): Path<String>, headers: HeaderMap) -> Response {
    match Visit::open(&app, &token, Kind::Confirm, &headers).await {
        Ok(visit) => asked(&app, &visit).await.unwrap_or_else(|error| visit.later(error)),
        Err(page) => page,
    }
}

async fn asked(app: &App, visit: &Visit) -> Result<Response, Error> {
    let Some(reader) = visit.reader(app).await? else { return Ok(visit.erased()) };
    let texts = &visit.texts;
    let mut page = Notice::new(visit.frame.clone(), &texts.confirm, words(visit, &texts.confirm_question, &reader));
    page.buttons.push(Button { name: "confirm", label: texts.confirm.clone() });
    Ok(look::page(&page))
}

pub async fn done(State(app): State<App>, Path(token): Path<String>, headers: HeaderMap) -> Response {
    match Visit::open(&app, &token, Kind::Confirm, &headers).await {
        Ok(visit) => confirm(&app, &visit).await.unwrap_or_else(|error| visit.later(error)),
        Err(page) => page,
    }
}

async fn confirm(app: &App, visit: &Visit) -> Result<Response, Error> {
    let Some(reader) = visit.reader(app).await? else { return Ok(visit.erased()) };
    let Message { id, template, campaign, transaction, .. } = &visit.message;
    let about = [("message", Some(id)), ("template", Some(template)), ("campaign", campaign.as_ref())];
    let about = about.into_iter().chain([("transaction", transaction.as_ref())]);
    let attributes: Object = about.filter_map(|(name, value)| Some((name.to_string(), json!(value?)))).collect();
    let happened = Happened {
        user: reader.user.clone(),
        incarnation: None,
        name: own::CONFIRMED,
        id: format!("confirmed-{id}"),
        attributes,
        at: app.now(),
    };
    happened::note(&app.store.db, &visit.workspace, happened).await?;
    app.drive.wake();
    let texts = &visit.texts;
    let page = Notice::new(visit.frame.clone(), &texts.confirmed, words(visit, &texts.confirmed_note, &reader));
    Ok(look::page(&page))
}

fn words(visit: &Visit, text: &str, reader: &Reader) -> String {
    visit.words(text).replace("{address}", &reader.address)
}
