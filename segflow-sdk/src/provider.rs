//! Providers: through which service messages leave. Secrets are named here and set on the server, never written into a project.

use segflow_protocol::{self as protocol, ProviderKind};

/// A way for messages to leave. Made of [`Capture`] or [`Smtp`].
#[derive(Debug, Clone)]
pub struct Provider(pub(crate) protocol::Provider);

/// Messages are kept and can be looked at, nothing is sent.
#[derive(Debug, Clone, Copy)]
pub struct Capture;

/// Messages are handed to an SMTP server.
#[derive(Debug, Clone)]
pub struct Smtp {
    url: String,
}

impl Smtp {
    /// `secret` is the name of a secret of the server that holds `smtp://user:password@host:587` or `smtps://…`.
    pub fn url(secret: impl Into<String>) -> Smtp {
        Smtp { url: secret.into() }
    }
}

impl From<Capture> for Provider {
    fn from(_: Capture) -> Provider {
        Provider(protocol::Provider { id: "capture".into(), kind: ProviderKind::Capture })
    }
}

impl From<Smtp> for Provider {
    fn from(smtp: Smtp) -> Provider {
        Provider(protocol::Provider { id: "smtp".into(), kind: ProviderKind::Smtp { url: smtp.url } })
    }
}
