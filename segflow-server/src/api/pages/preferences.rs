//! `/p/TOKEN`: which topics its reader wants.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use segflow_core::consent::Consent;

use super::look::{self, Button, Choosable, Notice, Preferences};
use super::{Form, Reader, Visit};
use crate::api::App;
use crate::links::Kind;
use crate::store::Error;
use crate::store::consent::{self, Said};

pub async fn ask(State(app): State<App>, Path(token): Path<String>, headers: HeaderMap) -> Response {
    match Visit::open(&app, &token, Kind::Preferences, &headers).await {
        Ok(visit) => show(&app, &visit, false).await.unwrap_or_else(|error| visit.later(error)),
        Err(page) => page,
    }
}

pub async fn done(State(app): State<App>, Path(token): Path<String>, headers: HeaderMap, form: Form) -> Response {
    match Visit::open(&app, &token, Kind::Preferences, &headers).await {
        Ok(visit) => choose(&app, &visit, &form).await.unwrap_or_else(|error| visit.later(error)),
        Err(page) => page,
    }
}

async fn choose(app: &App, visit: &Visit, form: &Form) -> Result<Response, Error> {
    let Some(reader) = visit.reader(app).await? else { return Ok(visit.erased()) };
    let topics = &visit.project.manifest.topics;
    let wanted: Vec<&str> = if form.has("none") { vec![] } else { form.all("topic").collect() };
    let topic = |id: &String| Said::Topic { id: id.clone(), wants: wanted.contains(&id.as_str()) };
    let said = match topics.is_empty() {
        true => vec![Said::Wants(form.has("subscribe"))],
        // Whoever wants none of them wants nothing, also not what is about none.
        false if wanted.is_empty() => vec![Said::Wants(false)],
        false => topics.iter().map(|t| topic(&t.id)).chain([Said::Wants(true)]).collect(),
    };
    visit.choose(app, &reader, said, "page").await?;
    show(app, visit, true).await
}

async fn show(app: &App, visit: &Visit, saved: bool) -> Result<Response, Error> {
    let Some(Reader { address, .. }) = visit.reader(app).await? else { return Ok(visit.erased()) };
    let known = consent::one(&app.store.db, &visit.workspace, &address).await?;
    let consent = known.map(|known| known.consent).unwrap_or_default();
    let (texts, frame) = (&visit.texts, visit.frame.clone());
    if consent.blocked.is_some() {
        return Ok(look::page(&Notice::new(frame, &texts.preferences, texts.blocked_note.clone())));
    }
    if visit.project.manifest.topics.is_empty() {
        return Ok(look::page(&all_or_nothing(visit, &consent)));
    }
    let topics = visit.project.manifest.topics.iter().map(|topic| Choosable {
        id: topic.id.clone(),
        name: topic.name.clone(),
        about: topic.about.clone(),
        wanted: !consent.unsubscribed && consent.wants(topic),
    });
    Ok(look::page(&Preferences {
        frame,
        title: texts.preferences.clone(),
        saved: saved.then(|| texts.saved.clone()),
        question: visit.words(&texts.preferences_question).replace("{address}", &masked(&address)),
        topics: topics.collect(),
        save: texts.save.clone(),
        nothing: texts.unsubscribe_from_all.clone(),
        also: texts.transactions_note.clone(),
    }))
}

/// Without topics there is one thing to choose.
fn all_or_nothing(visit: &Visit, consent: &Consent) -> Notice {
    let (texts, frame) = (&visit.texts, visit.frame.clone());
    let (name, label, note) = match consent.unsubscribed {
        true => ("subscribe", &texts.undo, &texts.unsubscribed_note),
        false => ("unsubscribe", &texts.unsubscribe, &texts.unsubscribe_question),
    };
    let mut page = Notice::new(frame, &texts.preferences, visit.words(note));
    page.buttons.push(Button { name, label: label.clone() });
    page.quiet = consent.unsubscribed;
    page.also = Some(texts.transactions_note.clone());
    page
}

/// Enough for its owner to know it, and for whoever the mail was passed on to not to learn it.
fn masked(address: &str) -> String {
    let Some((local, domain)) = address.rsplit_once('@') else { return String::new() };
    let first: String = local.chars().take(1).collect();
    format!("{first}•••@{domain}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_address_is_shown_to_its_owner_alone() {
        assert_eq!(super::masked("ada@x.example"), "a•••@x.example");
        assert_eq!(super::masked("äda@x.example"), "ä•••@x.example");
        assert_eq!(super::masked(""), "");
    }
}
