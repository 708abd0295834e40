//! What a project declares, as it is shown, compared and stored. JSON, so that a manifest of today can be read in five years:
//! new fields come with a serde default.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Cap, Cond, Daily, Expr, Texts, Window};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The project's name.
    pub name: String,
    /// The version of the SDK that wrote this.
    pub sdk: String,
    /// The sender of every message, as an RFC 5322 mailbox.
    #[serde(default)]
    pub from: Option<String>,
    /// Where answers go, where that is not the sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// The declared attributes of a user.
    pub user: Vec<Field>,
    /// The attribute that holds the address.
    #[serde(default)]
    pub address: Option<String>,
    /// The attribute that holds the IANA time zone.
    #[serde(default)]
    pub time_zone: Option<String>,
    #[serde(default)]
    pub events: Vec<Event>,
    #[serde(default)]
    pub segments: Vec<Segment>,
    #[serde(default)]
    pub campaigns: Vec<Campaign>,
    #[serde(default)]
    pub transactions: Vec<Transaction>,
    #[serde(default)]
    pub templates: Vec<Template>,
    #[serde(default)]
    pub providers: Vec<Provider>,
    /// Where answers are looked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mailboxes: Vec<Mailbox>,
    /// What campaigns are about, and their readers may choose from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<Topic>,
    /// The postal address of the sender, its lines: emails of campaigns end with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postal: Option<String>,
    /// The beginning of the addresses that emails lead to, where that is not the server's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links_at: Option<String>,
    /// Where people can write to, to unsubscribe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsubscribe_by_mail: Option<String>,
    /// What is counted that readers do with emails.
    #[serde(default, skip_serializing_if = "Tracking::is_off")]
    pub tracking: Tracking,
    /// By language, what pages say.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub texts: BTreeMap<String, Texts>,
    /// Messages of campaigns are sent while all of these are open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
    /// How many of them one user gets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caps: Vec<Cap>,
    /// What the SDK itself found wrong; a push with any is refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

impl Manifest {
    /// Whether answers to messages come to be known.
    pub fn hears_replies(&self) -> bool {
        !self.mailboxes.is_empty() || self.providers.iter().any(|provider| provider.replies.is_some())
    }
}

/// What is counted that readers do with emails.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tracking {
    pub opens: bool,
    pub clicks: bool,
    /// The emails of which nothing is, by their ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
}

impl Tracking {
    fn is_off(&self) -> bool {
        !self.opens && !self.clicks
    }

    /// What is counted of one email: openings, and clicks.
    pub fn of(&self, template: &str) -> (bool, bool) {
        let is_counted = !self.except.iter().any(|id| id == template);
        (is_counted && self.opens, is_counted && self.clicks)
    }
}

/// A declared attribute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Field {
    pub name: String,
    #[serde(rename = "type")]
    pub ty: Type,
    /// Neither optional nor with a default.
    pub required: bool,
    /// What a missing value counts as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Type {
    Bool,
    Integer,
    Number,
    String,
    List(Box<Type>),
    /// A type of the project's own; its JSON form is not known here.
    Any,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub name: String,
    pub fields: Vec<Field>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    pub id: String,
    pub rule: Rule,
    /// Of raw SQL that reads the clock or other users: how often it is asked about everybody, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    Expr(Expr),
    Sql(String),
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Campaign {
    pub id: String,
    /// Those a user must be in, all of them.
    pub segments: Vec<String>,
    /// Those a user must not be in, none of them.
    #[serde(default)]
    pub exclude_segments: Vec<String>,
    pub mode: Mode,
    pub guarantee: Guarantee,
    /// Who may enter again; by its mode, if it does not say: a static one never, a dynamic one after leaving.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reentry: Option<Reentry>,
    /// Those who fit already when it comes do not enter.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub newcomers_only: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exits_on: Vec<Trigger>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pauses_on: Vec<Trigger>,
    /// What a push does with those who are in it, if the push does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<InFlight>,
    /// What its messages are about: those who do not want that get none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Its messages are sent while all of these are open, and the project's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_day: Option<Daily>,
    /// A message that is older, in milliseconds, is not sent any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<i64>,
    /// What counts as a success of its messages; nothing said: the goals that its flow reaches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conversions: Vec<Conversion>,
}

/// Something that counts for a campaign, and for the last of its messages that came before it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conversion {
    pub on: Trigger,
    /// How long after the message at most, in milliseconds.
    pub within: i64,
    /// The number of the event that it is worth, by its path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Vec<String>>,
}

impl Conversion {
    /// How long after a message something counts where nobody says: seven days.
    pub const WITHIN: i64 = 7 * 86_400_000;
}

/// Something that is written about, and that a reader can want or not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    pub id: String,
    /// For its readers.
    pub name: String,
    /// A sentence more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Only those get it who have asked for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub opt_in: bool,
}

/// Who may enter a campaign again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reentry {
    Never,
    /// Whoever has left, or come to the end, and comes to fit anew.
    AfterLeaving,
    /// The same, this many milliseconds after the last entry at the earliest.
    After(i64),
    /// Once for each value of an attribute of the user, given by its path.
    PerKey(Vec<String>),
}

/// What makes everybody whom it happens to leave, or pause, or is counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    Event {
        name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        filter: Option<Cond>,
    },
    /// A goal that a flow of the user's reaches.
    Goal(String),
}

/// What a push does with those who are in a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InFlight {
    /// They stay on the code they started with.
    Pin,
    /// Those whose journal the new code replays go on with it; the others stay.
    Migrate,
    /// They begin anew, on the new code.
    Restart,
    /// They leave.
    Cancel,
}

impl InFlight {
    pub const ALL: [InFlight; 4] = [InFlight::Pin, InFlight::Migrate, InFlight::Restart, InFlight::Cancel];

    pub fn name(self) -> &'static str {
        match self {
            InFlight::Pin => "pin",
            InFlight::Migrate => "migrate",
            InFlight::Restart => "restart",
            InFlight::Cancel => "cancel",
        }
    }

    pub fn parse(name: &str) -> Option<InFlight> {
        InFlight::ALL.into_iter().find(|policy| policy.name() == name)
    }
}

/// When a user leaves a campaign.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Enters once and runs to the end.
    #[default]
    Static,
    /// Leaves as soon as the segments no longer match, and enters again when they do.
    Dynamic,
}

/// What is promised of each message's acceptance by the provider.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guarantee {
    #[default]
    AtMostOnce,
    AtLeastOnce,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transaction {
    pub id: String,
    pub event: String,
    pub template: String,
    /// The argument of the template that the event fills.
    pub argument: String,
    pub guarantee: Guarantee,
    /// How old a message may get before it is of no use, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Template {
    pub id: String,
    /// The arguments that travel with a message. A corrected template of the same arguments reaches messages already decided.
    pub arguments: Vec<Argument>,
    /// A hash of what the template says, so that a push can tell a changed one.
    pub content: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Argument {
    pub name: String,
    /// The Rust type as it is written.
    #[serde(rename = "type")]
    pub ty: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provider {
    pub id: String,
    pub kind: ProviderKind,
    #[serde(default, skip_serializing_if = "Route::is_plain")]
    pub route: Route,
    /// A secret, by which it is known who tells what became of messages: the password of the calls (Postmark), the topic that they come
    /// from (SES), the public key (SendGrid) or the key (Resend) that they are signed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// A secret: the password of the calls that bring answers to messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replies: Option<String>,
}

/// A mailbox in which answers to messages are looked for, over IMAP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mailbox {
    pub id: String,
    /// A secret that holds `imaps://USER:PASSWORD@HOST`.
    pub url: String,
    /// `INBOX`, if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// How often it is looked at, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<i64>,
}

/// Which messages a provider gets, beside the others of the project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Route {
    /// The lowest is asked first; the others, when all of it cannot be asked.
    #[serde(skip_serializing_if = "is_one")]
    pub priority: u32,
    /// Its part, beside others of the same priority.
    #[serde(skip_serializing_if = "is_one")]
    pub weight: u32,
    /// Those of one kind alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<Stream>,
    /// The most messages in a second, and in any 24 hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_second: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_day: Option<u32>,
}

impl Default for Route {
    fn default() -> Route {
        Route { priority: 1, weight: 1, only: None, per_second: None, per_day: None }
    }
}

impl Route {
    fn is_plain(&self) -> bool {
        *self == Route::default()
    }

    pub fn takes(&self, stream: Stream) -> bool {
        self.only.is_none_or(|only| only == stream)
    }
}

fn is_one(number: &u32) -> bool {
    *number == 1
}

/// Where messages come from. A person waits for those of transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    Transactions,
    Campaigns,
}

impl Stream {
    pub const ALL: [Stream; 2] = [Stream::Transactions, Stream::Campaigns];

    pub fn name(self) -> &'static str {
        match self {
            Stream::Transactions => "transactions",
            Stream::Campaigns => "campaigns",
        }
    }
}

/// How a provider is spoken to. What is called a secret here is the name of one: the server has its value. `url` is a secret that holds
/// an address to call in place of the vendor's own: another region of theirs, or a fake of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderKind {
    /// Kept, not sent.
    Capture,
    /// `url` is a secret that holds `smtp://…` or `smtps://…`.
    Smtp {
        url: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dkim: Option<Dkim>,
        /// How many there may be at once; `None`: what the server thinks right.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        connections: Option<u16>,
    },
    Postmark {
        /// A secret: the token of a Postmark server.
        token: String,
        /// The message streams.
        transactions: String,
        campaigns: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<String>,
    },
    Ses {
        region: String,
        /// Secrets: an access key's id and the key.
        key_id: String,
        key: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        configuration_set: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<String>,
    },
    SendGrid {
        /// A secret.
        key: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<String>,
    },
    Resend {
        /// A secret.
        key: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<String>,
    },
    /// An experiment.
    #[serde(rename = "mixmax")]
    MixMax {
        /// A secret.
        token: String,
        /// The id of the sequence that sends.
        sequence: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<String>,
    },
    /// An HTTP endpoint of the user's own.
    Endpoint {
        /// A secret that holds its address.
        url: String,
        /// A secret, sent as a bearer token.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<String>,
        /// It takes a message with an idempotency key that it has seen for the same one.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        knows_keys: bool,
    },
}

/// Messages are signed before they are handed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dkim {
    pub domain: String,
    pub selector: String,
    /// A secret: an RSA key in PKCS#1 PEM, or an Ed25519 key in base64.
    pub key: String,
}

impl ProviderKind {
    pub fn name(&self) -> &'static str {
        match self {
            ProviderKind::Capture => "capture",
            ProviderKind::Smtp { .. } => "smtp",
            ProviderKind::Postmark { .. } => "postmark",
            ProviderKind::Ses { .. } => "ses",
            ProviderKind::SendGrid { .. } => "sendgrid",
            ProviderKind::Resend { .. } => "resend",
            ProviderKind::MixMax { .. } => "mixmax",
            ProviderKind::Endpoint { .. } => "endpoint",
        }
    }

    /// The names of all secrets that it needs.
    pub fn secrets(&self) -> Vec<&str> {
        let (needed, url): (Vec<&String>, &Option<String>) = match self {
            ProviderKind::Capture => (vec![], &None),
            ProviderKind::Smtp { url, dkim, .. } => {
                (std::iter::once(url).chain(dkim.as_ref().map(|d| &d.key)).collect(), &None)
            }
            ProviderKind::Postmark { token, url, .. } => (vec![token], url),
            ProviderKind::Ses { key_id, key, url, .. } => (vec![key_id, key], url),
            ProviderKind::SendGrid { key, url } | ProviderKind::Resend { key, url } => (vec![key], url),
            ProviderKind::MixMax { token, url, .. } => (vec![token], url),
            ProviderKind::Endpoint { url, token, .. } => (std::iter::once(url).chain(token).collect(), &None),
        };
        needed.into_iter().chain(url).map(String::as_str).collect()
    }
}

/// Something that keeps a push from being applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A stable word for programs.
    pub code: String,
    /// What is wrong and what to do.
    pub message: String,
    /// Which part of the project: `template winback`, `segment quiet` …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}
