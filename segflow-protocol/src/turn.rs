use serde::{Deserialize, Serialize};

use crate::{Entry, OpKind};

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
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Response {
    /// The [`Manifest`](crate::Manifest) as JSON.
    Manifest(Json),
    Turn(TurnOutcome),
    Rendered(Rendered),
    /// The request was understood and cannot be answered: an unknown campaign or template, arguments that do not fit.
    Refused(String),
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
    /// ms UTC.
    pub started_at: i64,
    /// The instant of this turn, ms UTC.
    pub now: i64,
    /// The user's declared attributes, as of this turn.
    pub attributes: Json,
    /// All entries of this run so far.
    pub journal: Vec<Entry>,
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
