//! Clients for calls to other servers.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, ClientBuilder};

/// A client that follows nothing, uses no proxy, and gives up connecting after ten seconds.
///
/// # Errors
///
/// If no HTTP client can be made.
pub fn client(configure: impl Fn(ClientBuilder) -> ClientBuilder) -> anyhow::Result<Client> {
    // Whoever has installed one already keeps it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = || {
        configure(
            Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(Duration::from_secs(10))
                .no_proxy()
                .user_agent(concat!("segflow/", env!("CARGO_PKG_VERSION"))),
        )
    };
    let client = builder().build().or_else(|error| {
        tracing::warn!(%error, "this machine has no root certificates: calls to https fail");
        builder().tls_certs_only([]).build()
    })?;
    Ok(client)
}

/// Why there was no answer, without the address, which may hold anything.
pub fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".into();
    }
    let mut source: &dyn std::error::Error = error;
    while let Some(deeper) = source.source() {
        source = deeper;
    }
    format!("no answer: {source}")
}

/// For how long an answer asks that nobody calls again, in ms.
pub fn pause(headers: &HeaderMap) -> Option<i64> {
    let seconds: f64 = headers.get("retry-after")?.to_str().ok()?.trim().parse().ok()?;
    Some((seconds.clamp(0.0, 86_400.0) * 1_000.0) as i64)
}
