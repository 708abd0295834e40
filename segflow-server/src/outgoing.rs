//! Clients for calls to other servers.

use std::time::Duration;

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
