//! Around every request: a span, the metrics, and a document for errors that have none. Ids only, never bodies or addresses.

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument;
use tracing::field::Empty;

use super::problem::{Problem, documented};
use super::{path, problem};
use crate::clock;

pub async fn observe(request: Request, next: Next) -> Response {
    let started = clock::monotonic();
    let method = name(request.method());
    // The route as it is declared: one series per route, and no user ids in metrics.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let span = tracing::info_span!("http", method, route, status = Empty, ms = Empty);
    let response = match path::well_formed(request.uri()) {
        Ok(()) => documented(next.run(request).instrument(span.clone()).await),
        Err(detail) => Problem::new(problem::Code::MalformedUrl, detail).into_response(),
    };
    let took = clock::monotonic().saturating_duration_since(started);
    let status = response.status();
    span.record("status", status.as_u16());
    span.record("ms", took.as_millis() as u64);
    span.in_scope(|| tracing::debug!("answered"));
    let route = metrics::SharedString::from(route.to_string());
    let labels = [metrics::Label::new("method", method), metrics::Label::new("route", route)];
    metrics::histogram!("segflow_http_request_seconds", labels.iter()).record(took.as_secs_f64());
    let labels = labels.into_iter().chain([metrics::Label::new("status", status.as_str().to_string())]);
    metrics::counter!("segflow_http_requests_total", labels.collect::<Vec<_>>()).increment(1);
    response
}

/// Methods that nobody has heard of share a name, so that a caller cannot make series without end.
fn name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
