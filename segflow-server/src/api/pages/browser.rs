//! `/v/TOKEN`: the message as a page, rendered again from the ledger.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::{Visit, look};
use crate::api::App;
use crate::api::messages::{self, Body};
use crate::links::Kind;

/// Pictures and looks, as in a mail program; no scripts, no forms, and links open beside it.
const POLICY: &str = "default-src 'none'; img-src https: http: data:; style-src 'unsafe-inline' https:; font-src https: data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation";

pub async fn show(State(app): State<App>, Path(token): Path<String>, headers: HeaderMap) -> Response {
    let visit = match Visit::open(&app, &token, Kind::Browser, &headers).await {
        Ok(visit) => visit,
        Err(page) => return page,
    };
    match messages::body(&app, &visit.workspace, &visit.message).await {
        Ok(Body::AsSent(body) | Body::AsNow(body)) => look::html_with(StatusCode::OK, body.html, POLICY),
        Ok(Body::Gone(_)) => look::gone(visit.frame, visit.texts.gone, visit.texts.gone_note),
        Err(error) => visit.later(error),
    }
}
