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
                // Load balancers close what has been idle for a minute: a call that begins at that moment would be lost.
                .pool_idle_timeout(Duration::from_secs(30))
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

/// The user or the password of an address, as it is without the escapes that an address needs.
pub fn unescaped(text: &str) -> Result<String, String> {
    let mut bytes = vec![];
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = match (first, tail) {
            (b'%', [high, low, tail @ ..]) => {
                let digits = [*high, *low];
                let code = std::str::from_utf8(&digits).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok());
                bytes.push(code.ok_or("a % that is not followed by two hex digits")?);
                tail
            }
            (byte, tail) => {
                bytes.push(*byte);
                tail
            }
        };
    }
    String::from_utf8(bytes).map_err(|_| "user and password must be UTF-8".into())
}
