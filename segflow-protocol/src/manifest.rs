//! What a project declares, as it is shown, compared and stored. JSON, so that a manifest of today can be read in five years:
//! new fields come with a serde default.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Cond, Expr};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The project's name.
    pub name: String,
    /// The version of the SDK that wrote this.
    pub sdk: String,
    /// The sender of every message, as an RFC 5322 mailbox.
    #[serde(default)]
    pub from: Option<String>,
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
    /// What the SDK itself found wrong; a push with any is refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
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

/// What makes everybody whom it happens to leave, or pause.
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
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderKind {
    /// Kept, not sent.
    Capture,
    /// `url` is the name of a secret that holds `smtp://…` or `smtps://…`.
    Smtp { url: String },
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
