//! How pages look, and what goes with them.

use askama::Template;
use axum::http::header::{ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use segflow_core::project::Project;
use segflow_protocol::Texts;

use super::super::problem;
use super::language;
use crate::store::Error;

/// What is around every page.
#[derive(Debug, Clone, Default)]
pub struct Frame {
    pub lang: String,
    pub dir: &'static str,
    /// The name of the sender, or the address.
    pub sender: String,
    /// The lines of the sender's postal address.
    pub postal: Vec<String>,
}

impl Frame {
    /// Of a project, for whoever asks, and in which words.
    pub fn new(project: &Project, headers: &HeaderMap) -> (Frame, Texts) {
        let manifest = &project.manifest;
        let accepted = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (lang, texts) = language::choose(accepted, &manifest.texts);
        let dir = if language::is_rtl(&lang) { "rtl" } else { "ltr" };
        let mailbox = manifest.from.as_ref().and_then(|from| from.parse::<lettre::message::Mailbox>().ok());
        let sender = mailbox.map_or(String::new(), |mailbox| mailbox.name.unwrap_or_else(|| mailbox.email.to_string()));
        let postal = manifest.postal.iter().flat_map(|postal| postal.lines()).map(str::to_string).collect();
        (Frame { lang, dir, sender, postal }, texts)
    }
}

/// A sentence, and what can be done.
#[derive(Template)]
#[template(path = "pages/notice.html")]
pub struct Notice {
    frame: Frame,
    title: String,
    note: String,
    pub buttons: Vec<Button>,
    /// No button is what most people want.
    pub quiet: bool,
    /// Another page: its address and what the link says.
    pub next: Option<(String, String)>,
    /// In small letters.
    pub also: Option<String>,
}

pub struct Button {
    pub name: &'static str,
    pub label: String,
}

impl Notice {
    pub fn new(frame: Frame, title: &str, note: String) -> Notice {
        Notice { frame, title: title.into(), note, buttons: vec![], quiet: false, next: None, also: None }
    }
}

/// Topics to choose from.
#[derive(Template)]
#[template(path = "pages/preferences.html")]
pub struct Preferences {
    pub frame: Frame,
    pub title: String,
    pub saved: Option<String>,
    pub question: String,
    pub topics: Vec<Choosable>,
    pub save: String,
    pub nothing: String,
    pub also: String,
}

pub struct Choosable {
    pub id: String,
    pub name: String,
    pub about: Option<String>,
    pub wanted: bool,
}

/// Nothing from elsewhere, nothing that runs, nobody who frames it.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

pub fn page(page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => html_with(StatusCode::OK, html, POLICY),
        Err(error) => problem::internal(error).into_response(),
    }
}

/// An answer of HTML that is about one person: kept by nobody, listed nowhere, and its address is told to no other site.
pub fn html_with(status: StatusCode, html: String, policy: &'static str) -> Response {
    let mut response = (status, html).into_response();
    let headers = response.headers_mut();
    let mut put = |name: &'static str, value| drop(headers.insert(name, HeaderValue::from_static(value)));
    put(CONTENT_TYPE.as_str(), "text/html; charset=utf-8");
    put(CACHE_CONTROL.as_str(), "no-store");
    put("content-security-policy", policy);
    put("referrer-policy", "no-referrer");
    put("x-content-type-options", "nosniff");
    put("x-robots-tag", "noindex, nofollow");
    response
}

/// A link that leads nowhere.
pub fn gone(frame: Frame, title: String, note: String) -> Response {
    let mut response = page(&Notice::new(frame, &title, note));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

/// The store is away, or something is wrong with us.
pub fn later(error: Error, (frame, texts): (Frame, Texts)) -> Response {
    tracing::warn!(%error, "a page could not be shown");
    let mut response = page(&Notice::new(frame, &texts.later, texts.later_note.clone()));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("60"));
    response
}
