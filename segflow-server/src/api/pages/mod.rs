//! The pages that recipients see. Nobody has to log in for them, and nothing on them needs a script: the token in the address says which
//! message its reader came with. Opening one changes nothing, because programs that look through mail open all links; a button does.

mod browser;
mod confirm;
mod counted;
mod language;
mod look;
mod preferences;
mod unsubscribe;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use segflow_core::project::Project;
use segflow_protocol::{Texts, Topic};
use serde_json::{Map, Value, json};

use super::{App, body};
use crate::links::{Kind, TEST};
use crate::store::consent::Said;
use crate::store::read::{self, Message};
use crate::store::{Error, choice};
use look::{Frame, Notice};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/u/{token}", get(unsubscribe::ask).post(unsubscribe::done))
        .route("/p/{token}", get(preferences::ask).post(preferences::done))
        .route("/v/{token}", get(browser::show))
        .route("/confirm/{token}", get(confirm::ask).post(confirm::done))
        .route("/o/{token}", get(counted::open))
        .route("/c/{token}", get(counted::follow))
}

/// Somebody who followed a link in a message.
struct Visit {
    workspace: String,
    message: Message,
    /// The project in force.
    project: Arc<Project>,
    texts: Texts,
    frame: Frame,
}

/// Whom the message was sent to.
struct Reader {
    user: String,
    address: String,
}

impl Visit {
    /// Opens a token of this kind. The error is the page to show instead.
    async fn open(app: &App, token: &str, kind: Kind, headers: &HeaderMap) -> Result<Visit, Response> {
        let nobody = || Frame::new(&Project::default(), headers);
        let later = |error: Error| look::later(error, nobody());
        let gone = |note: fn(Texts) -> String| {
            let (frame, texts) = nobody();
            let note = note(texts.clone());
            look::gone(frame, texts.gone, note)
        };
        if token == TEST {
            return Err(gone(|texts| texts.test_note));
        }
        let opened = app.links.open(token).await.map_err(later)?.filter(|opened| opened.token.kind == kind);
        let Some(opened) = opened else { return Err(gone(|texts| texts.gone_note)) };
        let (db, workspace) = (&app.store.db, opened.workspace);
        let message = read::message(db, &workspace, &opened.token.message_id()).await.map_err(later)?;
        let Some(message) = message else { return Err(gone(|texts| texts.gone_note)) };
        let project = app.deploy.project(&workspace).await.map_err(later)?;
        let (frame, texts) = Frame::new(&project, headers);
        Ok(Visit { workspace, message, project, texts, frame })
    }

    /// `None` once the person was erased.
    async fn reader(&self, app: &App) -> Result<Option<Reader>, Error> {
        let Some(user) = &self.message.user_id else { return Ok(None) };
        if let Some(address) = &self.message.to {
            return Ok(Some(Reader { user: user.clone(), address: address.clone() }));
        }
        // That it was sent is not written down yet, and somebody is quick.
        let Some(found) = read::user(&app.store.db, &self.workspace, user).await? else { return Ok(None) };
        let attribute = self.project.manifest.address.as_deref().unwrap_or("email");
        let address = crate::address::of(attribute, &found.attributes).ok();
        Ok(address.map(|address| Reader { user: user.clone(), address }))
    }

    /// What the message was about.
    fn topic(&self) -> Option<&Topic> {
        self.project.topic_of(self.message.campaign.as_deref()?)
    }

    /// Notes what its reader wants. Whoever erased is not noted any more.
    async fn choose(&self, app: &App, reader: &Reader, said: Vec<Said>, via: &str) -> Result<(), Error> {
        let Message { id, template, campaign, transaction, .. } = &self.message;
        let mut told = Map::new();
        told.insert("message".into(), json!(id));
        told.insert("template".into(), json!(template));
        told.insert("campaign".into(), json!(campaign));
        told.insert("transaction".into(), json!(transaction));
        told.insert("via".into(), via.into());
        told.retain(|_, value| *value != Value::Null);
        let choice = choice::Choice {
            workspace: self.workspace.clone(),
            user: reader.user.clone(),
            address: reader.address.clone(),
            said,
            told,
            at: app.now(),
        };
        choice::choose(&app.store.db, &self.project, choice).await?;
        app.drive.wake();
        Ok(())
    }

    fn words(&self, text: &str) -> String {
        text.replace("{sender}", &self.frame.sender).replace("{topic}", self.topic().map_or("", |topic| &topic.name))
    }

    /// Where its reader chooses, if there is a choice.
    async fn preferences(&self, app: &App) -> Result<Option<(String, String)>, Error> {
        if self.project.manifest.topics.is_empty() {
            return Ok(None);
        }
        let signer = app.links.signer(&self.workspace, &self.project.manifest).await?;
        // On this very server, whatever name it was reached by.
        let link = signer.link(Kind::Preferences, &self.message.id, 0);
        let token = link.rsplit('/').next().unwrap_or_default();
        Ok(Some((format!("../{}/{token}", Kind::Preferences.path()), self.texts.preferences.clone())))
    }

    fn later(&self, error: Error) -> Response {
        look::later(error, (self.frame.clone(), self.texts.clone()))
    }

    fn erased(&self) -> Response {
        let page = Notice::new(self.frame.clone(), &self.texts.unsubscribed, self.texts.erased_note.clone());
        look::page(&page)
    }
}

/// The fields of a form that was sent.
struct Form(Vec<(String, String)>);

/// More than any form here has.
const LARGEST: usize = 64 << 10;

impl Form {
    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(field, _)| field == name)
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}

impl FromRequest<App> for Form {
    type Rejection = Response;
    async fn from_request(request: Request, _: &App) -> Result<Form, Response> {
        let ty = request.headers().get(CONTENT_TYPE).and_then(|ty| ty.to_str().ok()).unwrap_or_default().to_string();
        let bytes = body::bytes(request, LARGEST, |_| true, "a form").await.map_err(IntoResponse::into_response)?;
        Ok(Form(fields(&ty, &bytes)))
    }
}

/// RFC 8058 lets mail programs send their one field in either of the two ways in which forms are sent.
fn fields(ty: &str, bytes: &Bytes) -> Vec<(String, String)> {
    if !ty.starts_with("multipart/form-data") {
        return url::form_urlencoded::parse(bytes).into_owned().collect();
    }
    let text = String::from_utf8_lossy(bytes);
    let part = |part: &str| {
        let (head, value) = part.split_once("\r\n\r\n")?;
        let name = head.split("name=\"").nth(1)?.split('"').next()?;
        Some((name.to_string(), value.trim_end_matches("\r\n").to_string()))
    };
    let boundary = ty.split("boundary=").nth(1).unwrap_or_default().trim_matches('"');
    text.split(&format!("--{boundary}")).filter_map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_send_a_form_are_read() {
        let of = |ty: &str, text: &str| fields(ty, &Bytes::from(text.to_string()));
        let one_click = vec![("List-Unsubscribe".to_string(), "One-Click".to_string())];
        assert_eq!(of("application/x-www-form-urlencoded", "List-Unsubscribe=One-Click"), one_click);
        assert_eq!(of("", "List-Unsubscribe=One-Click"), one_click);
        let parts = "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n";
        assert_eq!(of("multipart/form-data; boundary=b", parts), one_click);
        assert_eq!(of("multipart/form-data; boundary=\"b\"", parts), one_click);
        for broken in ["", "--b", "\u{0}", "--b\r\n\r\n--b", "name=\"x\"\r\n\r\n"] {
            of("multipart/form-data", broken);
            of("multipart/form-data; boundary=b", broken);
        }
    }
}
