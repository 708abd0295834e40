//! The preview in the browser: a page of our own on 127.0.0.1, which needs nothing from anywhere else.

use std::{collections::HashMap, net::TcpListener, sync::Arc};

use anyhow::{Context as _, Result};
use axum::{
    Json, Router,
    extract::{Path, Query, Request, State},
    http::{HeaderName, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{Gallery, check::CLIPPED_AT, dark::in_scheme, style::Scheme};

/// What the page shows now.
#[derive(Debug, Default)]
struct Now {
    version: u64,
    gallery: Option<Gallery>,
    /// Why there is nothing newer.
    trouble: Option<String>,
}

/// The page, and a way to show something else on it. It goes when this is dropped.
pub struct Preview {
    url: String,
    now: watch::Sender<Arc<Now>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Preview {
    pub fn start(listener: TcpListener) -> Result<Preview> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let url = format!("http://{}", listener.local_addr().context("the preview has no address")?);
        let (now, watched) = watch::channel(Arc::default());
        let app = routes(watched);
        let serving = tokio::spawn(async move {
            // It ends with the process.
            let _ = axum::serve(listener, app).await;
        });
        Ok(Preview { url, now, serving })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn show(&self, gallery: Gallery) {
        self.next(|_| (Some(gallery), None));
    }

    /// What was there stays, with a word that it is not what the sources say.
    pub fn trouble(&self, why: &str) {
        self.next(|before| (before.gallery.clone(), Some(why.to_owned())));
    }

    fn next(&self, change: impl FnOnce(&Now) -> (Option<Gallery>, Option<String>)) {
        self.now.send_modify(|now| {
            let (gallery, trouble) = change(now);
            *now = Arc::new(Now { version: now.version + 1, gallery, trouble });
        });
    }
}

impl Drop for Preview {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

type Watched = watch::Receiver<Arc<Now>>;

fn routes(watched: Watched) -> Router {
    let file =
        |kind: &'static str, text: &'static str| get(move || async move { ([(header::CONTENT_TYPE, kind)], text) });
    Router::new()
        .route("/", file("text/html; charset=utf-8", include_str!("page/page.html")))
        .route("/page.css", file("text/css; charset=utf-8", include_str!("page/page.css")))
        .route("/page.js", file("text/javascript; charset=utf-8", include_str!("page/page.js")))
        .route("/gallery.json", get(gallery))
        .route("/changed", get(changed))
        .route("/frame/{index}", get(frame))
        .with_state(watched)
        .layer(middleware::from_fn(only_by_its_own_name))
}

/// Only what asks for this machine by its own name: a page elsewhere, whose name leads here, does not.
async fn only_by_its_own_name(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    match name {
        "127.0.0.1" | "localhost" => next.run(request).await,
        _ => StatusCode::FORBIDDEN.into_response(),
    }
}

async fn gallery(State(watched): State<Watched>) -> Json<Value> {
    let now = watched.borrow().clone();
    Json(json!({
        "version": now.version,
        "trouble": now.trouble,
        "clipped_at": CLIPPED_AT,
        "gallery": now.gallery,
    }))
}

/// Answers when what is shown is another version than the one the page has.
async fn changed(State(mut watched): State<Watched>, Query(query): Query<HashMap<String, String>>) -> Json<Value> {
    let known: u64 = query.get("version").and_then(|version| version.parse().ok()).unwrap_or(0);
    let version = watched.wait_for(|now| now.version != known).await.map_or(known, |now| now.version);
    Json(json!({ "version": version }))
}

/// An email as a page: nothing in it runs, and pictures are all that it may load.
async fn frame(
    State(watched): State<Watched>,
    Path(index): Path<usize>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<impl IntoResponse, StatusCode> {
    let now = watched.borrow().clone();
    let shown = now.gallery.as_ref().and_then(|gallery| gallery.emails.get(index)).ok_or(StatusCode::NOT_FOUND)?;
    let content = shown.content.as_ref().ok_or(StatusCode::NOT_FOUND)?;
    let is = |name: &str, value: &str| query.get(name).is_some_and(|said| said == value);
    let scheme = if is("scheme", "dark") { Scheme::Dark } else { Scheme::Light };
    let pictures = if is("pictures", "off") { "img-src data:" } else { "img-src * data:" };
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; font-src *; {pictures}; sandbox allow-same-origin allow-popups"
    );
    Ok((
        [
            (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
            (HeaderName::from_static("content-security-policy"), policy),
        ],
        in_scheme(&content.html, scheme),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emails::{Content, Shown};

    fn gallery(subject: &str) -> Gallery {
        let content = Content {
            subject: subject.into(),
            html: "<style>@media (prefers-color-scheme:dark){p{color:#fff}}</style><p>Hi</p><script>1</script>".into(),
            text: "Hi".into(),
        };
        let shown = Shown {
            id: "welcome".into(),
            sample: None,
            transactional: false,
            from: None,
            reply_to: None,
            to: None,
            preview: None,
            content: Some(content),
            headers: vec![],
            user: json!({}),
            args: json!({}),
            made_up: vec![],
            findings: vec![],
        };
        Gallery { project: "shop".into(), emails: vec![shown] }
    }

    fn preview() -> Preview {
        Preview::start(TcpListener::bind("127.0.0.1:0").expect("a free port")).expect("started")
    }

    async fn get(preview: &Preview, path: &str) -> reqwest::Response {
        let client = crate::api::http_client(preview.url()).expect("a client");
        client.get(format!("{}{path}", preview.url())).send().await.expect("an answer")
    }

    async fn json_of(preview: &Preview, path: &str) -> Value {
        get(preview, path).await.json().await.expect("JSON")
    }

    #[tokio::test]
    async fn the_page_learns_of_a_change() {
        let preview = preview();
        let before = json_of(&preview, "/gallery.json").await;
        assert_eq!((&before["version"], &before["gallery"]), (&json!(0), &Value::Null));
        let (changed, ()) =
            tokio::join!(json_of(&preview, "/changed?version=0"), async { preview.show(gallery("One")) });
        assert_eq!(changed["version"], 1);
        let shown = json_of(&preview, "/gallery.json").await;
        assert_eq!(shown["gallery"]["emails"][0]["content"]["subject"], "One");
        preview.trouble("it does not compile");
        let shown = json_of(&preview, "/gallery.json").await;
        assert_eq!(shown["trouble"], "it does not compile");
        assert_eq!(shown["gallery"]["emails"][0]["id"], "welcome", "what was there stays");
        preview.show(gallery("Two"));
        assert_eq!(json_of(&preview, "/gallery.json").await["trouble"], Value::Null);
    }

    #[tokio::test]
    async fn an_email_is_shown_in_a_scheme_and_runs_nothing() {
        let preview = preview();
        preview.show(gallery("One"));
        let light = get(&preview, "/frame/0").await;
        let policy = light.headers()["content-security-policy"].to_str().expect("text").to_owned();
        assert!(policy.contains("default-src 'none'") && policy.contains("img-src * data:"), "{policy}");
        assert!(policy.contains("sandbox") && !policy.contains("allow-scripts"), "{policy}");
        assert!(light.text().await.expect("text").contains("@media (max-width:0px){p"));
        let dark = get(&preview, "/frame/0?scheme=dark&pictures=off").await;
        assert!(dark.headers()["content-security-policy"].to_str().expect("text").contains("img-src data:"));
        assert!(dark.text().await.expect("text").contains("@media (min-width:0px){p"));
        assert_eq!(get(&preview, "/frame/1").await.status(), 404);
    }

    #[tokio::test]
    async fn the_page_needs_nothing_from_elsewhere() {
        let preview = preview();
        for path in ["/", "/page.css", "/page.js"] {
            let text = get(&preview, path).await.text().await.expect("text");
            assert!(!text.contains("https://") && !text.contains("http://") && !text.contains("url("), "{path}");
        }
    }
}
