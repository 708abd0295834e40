//! `/u/TOKEN`: no more of this, by one click of a mail program (RFC 8058) or by a button.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::look::{self, Button, Notice};
use super::{Form, Visit};
use crate::api::App;
use crate::links::Kind;
use crate::store::Error;
use crate::store::consent::Said;

pub async fn ask(State(app): State<App>, Path(token): Path<String>, headers: HeaderMap) -> Response {
    match Visit::open(&app, &token, Kind::Unsubscribe, &headers).await {
        Ok(visit) => asked(&app, &visit).await.unwrap_or_else(|error| visit.later(error)),
        Err(page) => page,
    }
}

async fn asked(app: &App, visit: &Visit) -> Result<Response, Error> {
    if visit.reader(app).await?.is_none() {
        return Ok(visit.erased());
    }
    let texts = &visit.texts;
    let question = if visit.topic().is_some() { &texts.topic_question } else { &texts.unsubscribe_question };
    let mut page = Notice::new(visit.frame.clone(), &texts.unsubscribe, visit.words(question));
    page.buttons.push(Button { name: "unsubscribe", label: texts.unsubscribe.clone() });
    if visit.topic().is_some() {
        page.buttons.push(Button { name: "all", label: texts.unsubscribe_from_all.clone() });
    }
    page.next = visit.preferences(app).await?;
    page.also = Some(texts.transactions_note.clone());
    Ok(look::page(&page))
}

pub async fn done(State(app): State<App>, Path(token): Path<String>, headers: HeaderMap, form: Form) -> Response {
    match Visit::open(&app, &token, Kind::Unsubscribe, &headers).await {
        Ok(visit) => choose(&app, &visit, &form).await.unwrap_or_else(|error| visit.later(error)),
        Err(page) => page,
    }
}

/// Whatever is sent here unsubscribes, unless it says otherwise: a mail program sends one field that says nothing more.
async fn choose(app: &App, visit: &Visit, form: &Form) -> Result<Response, Error> {
    let Some(reader) = visit.reader(app).await? else { return Ok(visit.erased()) };
    let topic = visit.topic().filter(|_| !form.has("all") && !form.has("undo-all"));
    let wants = form.has("undo") || form.has("undo-all");
    let said = match topic {
        Some(topic) => Said::Topic { id: topic.id.clone(), wants },
        None => Said::Wants(wants),
    };
    let via = if form.has("List-Unsubscribe") { "one_click" } else { "page" };
    visit.choose(app, &reader, vec![said], via).await?;
    let texts = &visit.texts;
    let mut page = match (wants, topic) {
        (true, _) => Notice::new(visit.frame.clone(), &texts.subscribed, texts.saved.clone()),
        (false, Some(_)) => {
            Notice::new(visit.frame.clone(), &texts.unsubscribed, visit.words(&texts.topic_unsubscribed_note))
        }
        (false, None) => Notice::new(visit.frame.clone(), &texts.unsubscribed, visit.words(&texts.unsubscribed_note)),
    };
    page.quiet = true;
    if !wants {
        let name = if topic.is_some() { "undo" } else { "undo-all" };
        page.buttons.push(Button { name, label: texts.undo.clone() });
        page.also = Some(texts.transactions_note.clone());
    }
    page.next = visit.preferences(app).await?;
    Ok(look::page(&page))
}
