//! For load balancers and Prometheus; no key.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;

use super::App;
use super::problem::{Code, Problem};
use crate::store::read;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

/// How long the store may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

async fn ready(State(app): State<App>) -> Result<&'static str, Problem> {
    if !app.ready.load(Ordering::Relaxed) {
        return Err(Problem::new(Code::NotReady, "the server is starting or stopping"));
    }
    match tokio::time::timeout(PATIENCE, read::ping(&app.store.db)).await {
        Ok(Ok(())) => Ok("ready\n"),
        Ok(Err(error)) => {
            tracing::warn!(%error, "not ready");
            Err(Problem::new(Code::StoreAway, "the database does not answer"))
        }
        Err(_) => {
            Err(Problem::new(Code::StoreAway, format!("the database did not answer within {} s", PATIENCE.as_secs())))
        }
    }
}

async fn metrics(State(app): State<App>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics.render())
}
