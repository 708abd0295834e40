//! `/o/TOKEN` and `/c/TOKEN`: a reader looks at a message, or follows a link in it. The answer does not depend on whether that could be
//! noted, and never on who asks: a link leads where it leads.

use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, USER_AGENT};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use segflow_core::notice::{Notice, What};
use segflow_core::project::Project;
use segflow_core::reader::{self, By, Reader};
use url::Url;

use super::look::{self, Frame};
use crate::api::App;
use crate::links::{Followed, Kind};
use crate::store::notices::{self, Source};
use crate::store::read::{self, Told};
use crate::store::{Error, tracked};

/// A GIF of one point that nobody sees.
const POINT: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00\x21\xf9\x04\x01\x00\x00\x00\x00\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00\x3b";

/// What happens this soon after a message went out, after it was delivered, or after another of its links was followed, no person does; in ms.
const SOON: i64 = 2_000;

/// The longest name of a program that is kept, in characters.
const LONGEST: usize = 300;

pub async fn open(State(app): State<App>, Path(token): Path<String>, method: Method, headers: HeaderMap) -> Response {
    match app.links.open(&token).await {
        Ok(Some(opened)) if opened.token.kind == Kind::Open => {
            let message = opened.token.message_id();
            let seen = Seen { method: &method, headers: &headers, link: None };
            noted(seen.note(&app, &opened.workspace, &message).await);
        }
        Ok(_) => {}
        Err(error) => noted(Err(error)),
    }
    // Even where there is nothing to be noted: a broken picture in somebody's mail helps nobody.
    let mut response = POINT.into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("image/gif"));
    private(response)
}

pub async fn follow(State(app): State<App>, Path(token): Path<String>, method: Method, headers: HeaderMap) -> Response {
    let nobody = || Frame::new(&Project::default(), &headers);
    let gone = || {
        let (frame, texts) = nobody();
        look::gone(frame, texts.gone, texts.gone_note)
    };
    let found = async {
        let Some(Followed { workspace, message, link }) = app.links.followed(&token).await? else { return Ok(None) };
        let address = tracked::address(&app.store.db, &workspace, &link).await?;
        Ok::<_, Error>(address.map(|address| (workspace, message, address)))
    };
    let (workspace, message, address) = match found.await {
        Ok(Some(found)) => found,
        Ok(None) => return gone(),
        Err(error) => return look::later(error, nobody()),
    };
    let Ok(Ok(location)) = Url::parse(&address).map(|url| HeaderValue::from_str(url.as_str())) else { return gone() };
    let seen = Seen { method: &method, headers: &headers, link: Some(&address) };
    noted(seen.note(&app, &workspace, &message).await);
    let mut response = StatusCode::FOUND.into_response();
    response.headers_mut().insert(LOCATION, location);
    private(response)
}

/// It is lost then; whoever reads has not to suffer for it.
fn noted(result: Result<(), Error>) {
    if let Err(error) = result {
        tracing::warn!(%error, "that a message was opened or a link followed could not be noted");
    }
}

/// About one person: kept by nobody, listed nowhere.
fn private(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, private"));
    headers.insert("referrer-policy", HeaderValue::from_static("no-referrer"));
    headers.insert("x-robots-tag", HeaderValue::from_static("noindex, nofollow"));
    response
}

/// Somebody, or something, that has come by a message.
struct Seen<'a> {
    method: &'a Method,
    headers: &'a HeaderMap,
    /// Where the link leads that was followed.
    link: Option<&'a str>,
}

impl Seen<'_> {
    async fn note(&self, app: &App, workspace: &str, message: &str) -> Result<(), Error> {
        let db = &app.store.db;
        let Some(found) = read::message(db, workspace, message).await? else { return Ok(()) };
        let (now, told) = (app.now(), read::told(db, message).await?);
        let by = self.by(found.sent_at, &told, now);
        let agent = Some(self.header(USER_AGENT.as_str()).chars().take(LONGEST).collect::<String>());
        let agent = agent.filter(|agent| !agent.is_empty());
        let reader = Reader { by, agent, country: None };
        let reader = reader.from(app.country_header.as_deref().map(|name| self.header(name)));
        let what = match self.link {
            None => What::Opened(reader),
            Some(link) => What::Clicked { link: link.into(), reader },
        };
        let notice = Notice { message: Some(message.into()), provider_id: None, address: None, at: Some(now), what };
        let (workspace, is_virtual) = (workspace.to_string(), app.drive.clock().is_virtual());
        let project = app.deploy.project(&workspace).await?;
        let source = Source { workspace, provider: None, now, is_virtual };
        if notices::note(db, &project, source, vec![notice]).await?.new > 0 {
            app.drive.wake();
        }
        Ok(())
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Who that was, as far as it can be told. `told` is what was told of the message before.
    fn by(&self, sent_at: Option<i64>, told: &[Told], now: i64) -> By {
        let agent = self.header(USER_AGENT.as_str()).to_ascii_lowercase();
        let fetches = |name: &str| self.header(name).to_ascii_lowercase().contains("prefetch");
        let is_apple = self.link.is_none() && reader::is_apple(&agent);
        if is_apple || ["purpose", "sec-purpose", "x-moz", "x-purpose"].into_iter().any(fetches) {
            return By::Prefetch;
        }
        let is_soon = |at: i64| now - at < SOON;
        let is_other =
            |told: &Told| told.outcome == "clicked" && told.detail.as_deref() != self.link && is_soon(told.at);
        let is_robot = self.method == Method::HEAD
            || agent.is_empty()
            || reader::is_robot(&agent)
            || sent_at.is_none_or(is_soon)
            || told.iter().any(|told| told.outcome == "delivered" && is_soon(told.at))
            || (self.link.is_some() && told.iter().any(is_other));
        if is_robot { By::Robot } else { By::Person }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    const SENT: i64 = 1_000_000;

    fn by(
        method: Method,
        headers: &[(&'static str, &'static str)],
        link: Option<&str>,
        after: i64,
        told: &[Told],
    ) -> By {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value)))
            .collect();
        Seen { method: &method, headers: &headers, link }.by(Some(SENT), told, SENT + after)
    }

    fn clicked(link: &str, at: i64) -> Told {
        Told {
            outcome: "clicked".into(),
            kind: None,
            at,
            provider: None,
            detail: Some(link.into()),
            agent: None,
            country: None,
        }
    }

    #[test]
    fn people_are_told_from_programs() {
        let (get, firefox) = (|| Method::GET, [("user-agent", FIREFOX)]);
        assert_eq!(by(get(), &firefox, None, 60_000, &[]), By::Person);
        assert_eq!(by(get(), &firefox, Some("a"), 60_000, &[]), By::Person);
        let gmail = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)";
        assert_eq!(by(get(), &[("user-agent", gmail)], None, 60_000, &[]), By::Person);
        assert_eq!(by(get(), &[("user-agent", "Mozilla/5.0")], None, 60_000, &[]), By::Prefetch);
        let fetched = [("user-agent", FIREFOX), ("sec-purpose", "prefetch;prerender")];
        assert_eq!(by(get(), &fetched, Some("a"), 60_000, &[]), By::Prefetch);
        assert_eq!(by(Method::HEAD, &firefox, Some("a"), 60_000, &[]), By::Robot);
        assert_eq!(by(get(), &firefox, Some("a"), 1_999, &[]), By::Robot, "so soon after it was sent");
        assert_eq!(by(get(), &[], Some("a"), 60_000, &[]), By::Robot);
        for agent in
            ["curl/8.5.0", "Mozilla/5.0 (compatible; bingbot/2.0)", "Barracuda Sentinel (EE)", "python-requests/2.32"]
        {
            assert_eq!(by(get(), &[("user-agent", agent)], None, 60_000, &[]), By::Robot, "{agent}");
        }
    }

    #[test]
    fn all_links_at_once_are_followed_by_a_program() {
        let firefox = [("user-agent", FIREFOX)];
        let follow = |told: &[Told]| by(Method::GET, &firefox, Some("b"), 60_000, told);
        assert_eq!(follow(&[clicked("a", SENT + 59_000)]), By::Robot);
        assert_eq!(follow(&[clicked("b", SENT + 59_900)]), By::Person, "the same one twice");
        assert_eq!(follow(&[clicked("a", SENT + 50_000)]), By::Person);
    }

    #[test]
    fn the_point_is_a_gif() {
        assert!(POINT.starts_with(b"GIF89a") && POINT.ends_with(b"\x3b") && POINT.len() == 43);
    }
}
