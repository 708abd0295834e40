use serde::{Deserialize, Serialize};

use crate::{Entry, Journal, OpKind};

/// JSON text that is passed on as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Json(pub String);

impl Json {
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Json, serde_json::Error> {
        serde_json::to_string(value).map(Json)
    }

    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Say what the project declares.
    Describe,
    Turn(Turn),
    Render(Render),
    /// A turn of a run to which an earlier one has handed on a state.
    Anew(Turn, Json),
    /// Say what emails can be looked at with.
    Samples,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Response {
    /// The [`Manifest`](crate::Manifest) as JSON.
    Manifest(Json),
    Turn(TurnOutcome),
    Rendered(Rendered),
    /// The request was understood and cannot be answered: an unknown campaign or template, arguments that do not fit.
    Refused(String),
    /// The [`Samples`](crate::Samples) as JSON.
    Samples(Json),
}

/// Replay a flow and let it run on to where it waits again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    pub campaign: String,
    pub user_id: String,
    /// Where the flow's randomness comes from.
    pub seed: u64,
    /// The number of the first operation of this run: those before belong to earlier runs of the same enrollment.
    pub first_op: u64,
    /// When this run began, ms UTC.
    pub started_at: i64,
    /// The instant of this turn, ms UTC.
    pub now: i64,
    /// The user's declared attributes, as of this turn.
    pub attributes: Json,
    /// All entries of this run so far.
    pub journal: Journal,
    /// What has become of pending operations since the last turn, in order.
    pub completions: Vec<Completion>,
}

/// A pending operation that is complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Completion {
    pub op: u64,
    pub happened: crate::Happened,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnOutcome {
    /// To be appended to the journal.
    pub entries: Vec<Entry>,
    pub effects: Vec<Effect>,
    /// All that the flow waits for now.
    pub pending: Vec<Pending>,
    /// The number the next operation will have.
    pub next_op: u64,
    pub end: End,
    /// What the flow logged in this turn (not while replaying).
    pub logs: Vec<String>,
}

/// What a turn wants done, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    Send {
        op: u64,
        template: String,
        args: Json,
    },
    /// An RFC 7396 patch on the user's attributes.
    Update {
        op: u64,
        patch: Json,
    },
    /// An event happens to the user.
    Emit {
        op: u64,
        name: String,
        attributes: Json,
    },
    /// The user enters another campaign.
    Start {
        op: u64,
        campaign: String,
    },
    /// The user leaves another campaign.
    Stop {
        op: u64,
        campaign: String,
    },
    /// A goal is reached.
    Goal {
        op: u64,
        name: String,
    },
}

impl Effect {
    /// The operation it belongs to.
    pub fn op(&self) -> u64 {
        match self {
            Effect::Send { op, .. }
            | Effect::Update { op, .. }
            | Effect::Emit { op, .. }
            | Effect::Start { op, .. }
            | Effect::Stop { op, .. }
            | Effect::Goal { op, .. } => *op,
        }
    }
}

/// An operation that is not complete yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    pub op: u64,
    pub kind: OpKind,
    pub identity: u32,
    pub waits: Waits,
    /// Where in the project's source, `src/lib.rs:31`.
    pub source: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Waits {
    /// For so many milliseconds, from when it was first asked for.
    Duration { ms: i64 },
    /// Until an instant, ms UTC.
    Until { at: i64 },
    /// Until the next such time in the user's calendar.
    Local(Local),
    /// For an event whose attributes fulfil a condition ([`Cond`](crate::Cond) as JSON), perhaps only for so many milliseconds.
    Event { name: String, filter: Option<Json>, within: Option<i64> },
    /// For an answer that the engine gives at once.
    Ask(Ask),
    /// For the answer to an HTTP request.
    Webhook(Webhook),
    /// For a person to have done something.
    Task(Task),
}

/// A rule for instants of a local calendar: the first that is later than now, or now itself if it lies within a span.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Local {
    /// On this day only: year, month, day.
    pub date: Option<(i16, i8, i8)>,
    /// The weekdays, bit 0 for Monday; 0 for any.
    pub days: u8,
    /// Minutes since midnight.
    pub from: u16,
    /// Where a span ends, minutes since midnight, itself outside; `None`: the rule is about the minute `from`.
    pub to: Option<u16>,
    /// An IANA zone instead of the user's.
    pub zone: Option<String>,
    /// The zone of a user whose own is missing or unknown; `None`: UTC.
    pub or_zone: Option<String>,
}

/// A question that is answered from the user's facts as they are in the turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// Whether the user is in a segment; `expr` is its rule ([`Expr`](crate::Expr) as JSON), `None` for one in SQL.
    Segment { id: String, expr: Option<Json> },
    /// A number over events ([`Events`](crate::Events) and [`Measure`](crate::Measure) as JSON); `null` when there is none.
    Number { events: Json, measure: Json },
    /// One of these arms, with their weights: always the same one for a user. `experiment` is counted, and the same in all campaigns.
    Arm { name: String, arms: Vec<(String, u32)>, experiment: bool },
}

/// An HTTP request to somebody else's server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    /// A header whose value is a secret of the server: its name and that of the secret.
    pub secrets: Vec<(String, String)>,
    pub body: Option<Json>,
    /// How long one attempt may take, in ms.
    pub timeout: i64,
    /// How often it is tried.
    pub attempts: u32,
}

/// Something for a person to do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    pub title: String,
    pub assignee: Option<String>,
    /// When it should be done, in ms from when it was asked for.
    pub due: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// It waits for one of the pending operations.
    Waiting,
    /// The flow returned.
    Done,
    /// The flow cannot go on, and says why.
    Failed(String),
    /// The flow no longer does what its journal says it did.
    Diverged(Divergence),
    /// The flow ended itself, and says why.
    Exited(String),
    /// The flow begins anew, with an empty journal and this state.
    Again(Json),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Divergence {
    /// The number of the entry, counted from 0.
    pub entry: u64,
    /// What the journal has there.
    pub expected: String,
    /// What the flow did.
    pub got: String,
    /// Where the flow did it; empty when it returned.
    pub source: String,
}

impl std::fmt::Display for Divergence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "diverges at entry {}: expected {}, got {}", self.entry, self.expected, self.got)?;
        if self.source.is_empty() { Ok(()) } else { write!(f, " ({})", self.source) }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Render {
    pub template: String,
    /// The user's declared attributes.
    pub user: Json,
    /// An object with the template's other arguments by name.
    pub args: Json,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rendered {
    pub subject: String,
    pub html: String,
    pub text: String,
}
