//! Providers: through which service messages leave. Secrets are named here and set on the server, never written into a project.
//!
//! ```
//! # use segflow::prelude::*;
//! # #[derive(Attributes, Serialize, Deserialize)] struct Shopper { email: String }
//! Project::<Shopper>::new("shop").provider(Postmark::token("POSTMARK_TOKEN"));
//! ```

use segflow_protocol::{self as protocol, Dkim, ProviderKind, Stream};

/// A way for messages to leave. Made of [`Capture`], [`Smtp`], [`Postmark`], [`Ses`], [`SendGrid`], [`Resend`], [`MixMax`] or [`Endpoint`].
#[derive(Debug, Clone)]
pub struct Provider(pub(crate) protocol::Provider);

/// What can be said of any provider: which messages it gets beside the others of the project, and how many.
///
/// ```
/// # use segflow::prelude::*;
/// # #[derive(Attributes, Serialize, Deserialize)] struct Shopper { email: String }
/// # let project = Project::<Shopper>::new("shop");
/// project
///     .provider(Ses::region("eu-central-1", "SES_KEY_ID", "SES_KEY"))
///     .provider(Postmark::token("POSTMARK_TOKEN").priority(2).per_day(10_000));
/// ```
pub trait Route: Into<Provider> {
    /// A name of its own, for the second of a kind. The first is called as its kind is: `postmark`.
    fn named(self, id: impl Into<String>) -> Provider {
        let mut provider = self.into();
        provider.0.id = id.into();
        provider
    }

    /// The lowest number is asked first, 1 if nothing is said. Another comes into it when all of the first are in trouble, or have used
    /// up their day.
    fn priority(self, priority: u32) -> Provider {
        let mut provider = self.into();
        provider.0.route.priority = priority;
        provider
    }

    /// Its part beside others of the same priority, 1 if nothing is said: with 3 and 1, three messages of four go through the first.
    fn weight(self, weight: u32) -> Provider {
        let mut provider = self.into();
        provider.0.route.weight = weight;
        provider
    }

    /// Only messages of transactions, for which a person waits.
    fn transactions_only(self) -> Provider {
        let mut provider = self.into();
        provider.0.route.only = Some(Stream::Transactions);
        provider
    }

    /// Only messages of campaigns.
    fn campaigns_only(self) -> Provider {
        let mut provider = self.into();
        provider.0.route.only = Some(Stream::Campaigns);
        provider
    }

    /// No more messages than this in a second, over all servers. What a provider says of itself counts as well.
    fn per_second(self, messages: u32) -> Provider {
        let mut provider = self.into();
        provider.0.route.per_second = Some(messages);
        provider
    }

    /// No more messages than this in any 24 hours, over all servers. Campaigns leave a twentieth of it to transactions.
    fn per_day(self, messages: u32) -> Provider {
        let mut provider = self.into();
        provider.0.route.per_day = Some(messages);
        provider
    }
}

impl<P: Into<Provider>> Route for P {}

/// Messages are kept and can be looked at, nothing is sent.
#[derive(Debug, Clone, Copy)]
pub struct Capture;

/// Messages are handed to an SMTP server.
#[derive(Debug, Clone)]
pub struct Smtp {
    url: String,
    dkim: Option<Dkim>,
    connections: Option<u16>,
}

impl Smtp {
    /// `secret` is the name of a secret of the server that holds `smtp://user:password@host:587` or `smtps://…`.
    pub fn url(secret: impl Into<String>) -> Smtp {
        Smtp { url: secret.into(), dkim: None, connections: None }
    }

    /// Signs every message for `domain`, with a key whose public half stands in the DNS at `SELECTOR._domainkey.DOMAIN`. `secret` names
    /// the key: RSA as PKCS#1 PEM, or the 32 bytes of an Ed25519 key in base64. Not needed where the SMTP server signs.
    pub fn dkim(mut self, domain: impl Into<String>, selector: impl Into<String>, secret: impl Into<String>) -> Smtp {
        self.dkim = Some(Dkim { domain: domain.into(), selector: selector.into(), key: secret.into() });
        self
    }

    /// How many connections there may be at once from each server of Segflow, 16 if nothing is said. One message is under way on each, so
    /// this is also how many may become `unknown` when a server is killed.
    pub fn connections(mut self, most: u16) -> Smtp {
        self.connections = Some(most);
        self
    }
}

/// Messages are handed to Postmark: those of transactions to its stream `outbound`, those of campaigns to `broadcast`, many in one call.
#[derive(Debug, Clone)]
pub struct Postmark {
    token: String,
    transactions: String,
    campaigns: String,
    url: Option<String>,
    webhook: Option<String>,
    replies: Option<String>,
}

impl Postmark {
    /// `secret` names the token of a Postmark server.
    pub fn token(secret: impl Into<String>) -> Postmark {
        let (transactions, campaigns) = ("outbound".into(), "broadcast".into());
        Postmark { token: secret.into(), transactions, campaigns, url: None, webhook: None, replies: None }
    }

    /// Other message streams than the ones that every Postmark server has.
    pub fn streams(mut self, transactions: impl Into<String>, campaigns: impl Into<String>) -> Postmark {
        (self.transactions, self.campaigns) = (transactions.into(), campaigns.into());
        self
    }

    /// Takes what Postmark tells of messages, at `https://segflow:PASSWORD@…/webhooks/main/postmark`. `secret` names the password, which
    /// is yours to make up.
    pub fn webhook(mut self, secret: impl Into<String>) -> Postmark {
        self.webhook = Some(secret.into());
        self
    }

    /// Takes answers to messages from Postmark's inbound stream, at `https://segflow:PASSWORD@…/webhooks/main/postmark/replies`. `secret`
    /// names the password, which is yours to make up. Answers have to go there: [`Project::reply_to`](crate::Project::reply_to).
    pub fn replies(mut self, secret: impl Into<String>) -> Postmark {
        self.replies = Some(secret.into());
        self
    }
}

/// Messages are handed to Amazon SES.
#[derive(Debug, Clone)]
pub struct Ses {
    region: String,
    key_id: String,
    key: String,
    configuration_set: Option<String>,
    url: Option<String>,
    webhook: Option<String>,
}

impl Ses {
    /// `region` as AWS writes it, `eu-central-1`. `key_id` and `key` name the two halves of an access key that may `ses:SendEmail`.
    pub fn region(region: impl Into<String>, key_id: impl Into<String>, key: impl Into<String>) -> Ses {
        let (region, key_id, key) = (region.into(), key_id.into(), key.into());
        Ses { region, key_id, key, configuration_set: None, url: None, webhook: None }
    }

    /// With a configuration set, which is where SES is told to report bounces.
    pub fn configuration_set(mut self, name: impl Into<String>) -> Ses {
        self.configuration_set = Some(name.into());
        self
    }

    /// Takes what SES tells of messages by a topic of SNS, which is subscribed to `https://…/webhooks/main/ses`. `secret` names the
    /// topic: `arn:aws:sns:eu-central-1:123456789012:mail`.
    pub fn webhook(mut self, secret: impl Into<String>) -> Ses {
        self.webhook = Some(secret.into());
        self
    }
}

/// Messages are handed to SendGrid.
#[derive(Debug, Clone)]
pub struct SendGrid {
    key: String,
    url: Option<String>,
    webhook: Option<String>,
    replies: Option<String>,
}

impl SendGrid {
    /// `secret` names an API key that may send.
    pub fn key(secret: impl Into<String>) -> SendGrid {
        SendGrid { key: secret.into(), url: None, webhook: None, replies: None }
    }

    /// Takes what SendGrid tells of messages, at `https://…/webhooks/main/sendgrid`. `secret` names the verification key that SendGrid
    /// shows with its signed event webhook.
    pub fn webhook(mut self, secret: impl Into<String>) -> SendGrid {
        self.webhook = Some(secret.into());
        self
    }

    /// Takes answers to messages from SendGrid's Inbound Parse, at `https://segflow:PASSWORD@…/webhooks/main/sendgrid/replies`. `secret`
    /// names the password, which is yours to make up. Answers have to go there: [`Project::reply_to`](crate::Project::reply_to).
    pub fn replies(mut self, secret: impl Into<String>) -> SendGrid {
        self.replies = Some(secret.into());
        self
    }
}

/// Messages are handed to Resend, which knows them again: what may have got lost on the way is simply handed over once more.
#[derive(Debug, Clone)]
pub struct Resend {
    key: String,
    url: Option<String>,
    webhook: Option<String>,
}

impl Resend {
    /// `secret` names an API key that may send.
    pub fn key(secret: impl Into<String>) -> Resend {
        Resend { key: secret.into(), url: None, webhook: None }
    }

    /// Takes what Resend tells of messages, at `https://…/webhooks/main/resend`. `secret` names the signing secret, `whsec_…`.
    pub fn webhook(mut self, secret: impl Into<String>) -> Resend {
        self.webhook = Some(secret.into());
        self
    }
}

/// Messages are handed to an HTTP endpoint of your own, one JSON document each.
#[derive(Debug, Clone)]
pub struct Endpoint {
    url: String,
    token: Option<String>,
    knows_keys: bool,
}

impl Endpoint {
    /// `secret` names the address: `https://mail.internal.example/send`.
    pub fn url(secret: impl Into<String>) -> Endpoint {
        Endpoint { url: secret.into(), token: None, knows_keys: false }
    }

    /// Calls come with `Authorization: Bearer …`; `secret` names what stands there.
    pub fn token(mut self, secret: impl Into<String>) -> Endpoint {
        self.token = Some(secret.into());
        self
    }

    /// The endpoint takes a message whose `Idempotency-Key` it has seen within the last day for the same one. So what may have got lost
    /// on the way can be handed over once more.
    pub fn knows_keys(mut self) -> Endpoint {
        self.knows_keys = true;
        self
    }
}

/// An experiment: messages are handed to a MixMax sequence, as the variables `subject`, `html` and `text` of its one stage. Two in a second
/// at most, nobody twice, and no headers: not for campaigns that need one-click unsubscribe.
#[derive(Debug, Clone)]
pub struct MixMax {
    token: String,
    sequence: String,
    url: Option<String>,
}

impl MixMax {
    /// `secret` names an API token; `id` is that of the sequence, as it stands in its address.
    pub fn sequence(id: impl Into<String>, secret: impl Into<String>) -> MixMax {
        MixMax { token: secret.into(), sequence: id.into(), url: None }
    }
}

/// `url` of those that have a vendor with an address of its own.
macro_rules! elsewhere {
    ($($kind:ident)*) => {
        $(impl $kind {
            /// Calls another address than the vendor's usual one. `secret` names it: a region of theirs, or a fake of them in tests.
            pub fn url(mut self, secret: impl Into<String>) -> $kind {
                self.url = Some(secret.into());
                self
            }
        })*
    };
}
elsewhere!(Postmark Ses SendGrid Resend MixMax);

fn provider(id: &str, kind: ProviderKind) -> Provider {
    let route = protocol::Route::default();
    Provider(protocol::Provider { id: id.into(), kind, route, webhook: None, replies: None })
}

fn heard(id: &str, kind: ProviderKind, webhook: Option<String>) -> Provider {
    let mut provider = provider(id, kind);
    provider.0.webhook = webhook;
    provider
}

fn answered(mut provider: Provider, replies: Option<String>) -> Provider {
    provider.0.replies = replies;
    provider
}

impl From<Capture> for Provider {
    fn from(_: Capture) -> Provider {
        provider("capture", ProviderKind::Capture)
    }
}

impl From<Smtp> for Provider {
    fn from(Smtp { url, dkim, connections }: Smtp) -> Provider {
        provider("smtp", ProviderKind::Smtp { url, dkim, connections })
    }
}

impl From<Postmark> for Provider {
    fn from(Postmark { token, transactions, campaigns, url, webhook, replies }: Postmark) -> Provider {
        answered(heard("postmark", ProviderKind::Postmark { token, transactions, campaigns, url }, webhook), replies)
    }
}

impl From<Ses> for Provider {
    fn from(Ses { region, key_id, key, configuration_set, url, webhook }: Ses) -> Provider {
        heard("ses", ProviderKind::Ses { region, key_id, key, configuration_set, url }, webhook)
    }
}

impl From<SendGrid> for Provider {
    fn from(SendGrid { key, url, webhook, replies }: SendGrid) -> Provider {
        answered(heard("sendgrid", ProviderKind::SendGrid { key, url }, webhook), replies)
    }
}

impl From<Resend> for Provider {
    fn from(Resend { key, url, webhook }: Resend) -> Provider {
        heard("resend", ProviderKind::Resend { key, url }, webhook)
    }
}

impl From<MixMax> for Provider {
    fn from(MixMax { token, sequence, url }: MixMax) -> Provider {
        provider("mixmax", ProviderKind::MixMax { token, sequence, url })
    }
}

impl From<Endpoint> for Provider {
    fn from(Endpoint { url, token, knows_keys }: Endpoint) -> Provider {
        provider("endpoint", ProviderKind::Endpoint { url, token, knows_keys })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_declaration_has_the_names_of_secrets_and_says_which_they_are() {
        let all: [Provider; 7] = [
            Capture.into(),
            Smtp::url("A").dkim("shop.example", "mail", "B").into(),
            Postmark::token("C").streams("mine", "news").url("D").into(),
            Ses::region("eu-central-1", "E", "F").configuration_set("shop").into(),
            SendGrid::key("G").url("H").into(),
            Resend::key("I").named("second"),
            Endpoint::url("J").token("K").knows_keys().into(),
        ];
        let told: Vec<(&str, Vec<&str>)> = all.iter().map(|p| (p.0.id.as_str(), p.0.kind.secrets())).collect();
        assert_eq!(
            told,
            [
                ("capture", vec![]),
                ("smtp", vec!["A", "B"]),
                ("postmark", vec!["C", "D"]),
                ("ses", vec!["E", "F"]),
                ("sendgrid", vec!["G", "H"]),
                ("second", vec!["I"]),
                ("endpoint", vec!["J", "K"]),
            ]
        );
        // As it stands in databases: what is not said is not there.
        let told = serde_json::to_value(&all[5].0).expect("JSON");
        assert_eq!(told, json!({"id": "second", "kind": {"resend": {"key": "I"}}}));
        let heard: [Provider; 4] = [
            Postmark::token("A").webhook("W").into(),
            Ses::region("eu-central-1", "A", "B").webhook("W").into(),
            SendGrid::key("A").webhook("W").into(),
            Resend::key("A").webhook("W").priority(2),
        ];
        assert!(heard.iter().all(|provider| provider.0.webhook.as_deref() == Some("W")));
        let told = serde_json::to_value(&heard[2].0).expect("JSON");
        assert_eq!(told, json!({"id": "sendgrid", "kind": {"send_grid": {"key": "A"}}, "webhook": "W"}));
        let answered: [Provider; 2] =
            [Postmark::token("A").replies("R").into(), SendGrid::key("A").webhook("W").replies("R").into()];
        assert!(answered.iter().all(|provider| provider.0.replies.as_deref() == Some("R")));
        let routed = Capture.priority(2).weight(3).campaigns_only().per_second(14).per_day(50_000).named("bulk");
        let route = json!({"priority": 2, "weight": 3, "only": "campaigns", "per_second": 14, "per_day": 50_000});
        let told = serde_json::to_value(&routed.0).expect("JSON");
        assert_eq!(told, json!({"id": "bulk", "kind": "capture", "route": route}));
    }
}
