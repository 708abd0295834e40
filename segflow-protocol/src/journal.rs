//! The journal of an enrollment: what happened in its flow, in the order in which the flow saw it.

use serde::{Deserialize, Serialize};

use crate::Json;

/// The kinds of operation a flow can journal. The numbers are stored: append, never renumber.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OpKind {
    Send,
    Wait,
    User,
    Update,
    /// An instant, or the next time of a local calendar.
    Until,
    /// An event of the user's.
    Event,
    /// A question about segments or events.
    Ask,
    /// One of several arms.
    Choose,
    Emit,
    Webhook,
    Task,
    Start,
    Stop,
    Goal,
}

impl OpKind {
    pub fn name(self) -> &'static str {
        match self {
            OpKind::Send => "send",
            OpKind::Wait => "wait",
            OpKind::User => "user",
            OpKind::Update => "update",
            OpKind::Until => "wait_until",
            OpKind::Event => "wait_for",
            OpKind::Ask => "question",
            OpKind::Choose => "split",
            OpKind::Emit => "emit",
            OpKind::Webhook => "webhook",
            OpKind::Task => "task",
            OpKind::Start => "start",
            OpKind::Stop => "stop",
            OpKind::Goal => "goal",
        }
    }
}

/// One entry: which operation, and what came of it.
///
/// `identity` tells apart operations of one kind that are not the same step, and only those: a corrected duration or text keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The number of the operation in its enrollment, counted from 0 and never used again.
    pub op: u64,
    pub kind: OpKind,
    pub identity: u32,
    pub happened: Happened,
}

/// The value an operation returned to the flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Happened {
    /// The message was decided.
    Sent,
    /// A wait ended, or ran out, in the turn of this instant (ms UTC).
    Elapsed { at: i64 },
    /// The user was read. `None`: as at the last reading; otherwise the top-level attributes that changed since, and those that went.
    Read(Option<ReadDelta>),
    /// The patch was put on the user.
    Updated,
    /// The flow dropped the operation before it was complete.
    Cancelled,
    /// What was waited for came, in the turn of this instant (ms UTC): an event's attributes, a webhook's answer, a task's result, an
    /// answer to a question, an arm.
    Came { at: i64, value: Json },
    /// It was decided, and there is nothing to return: an event, a start, a stop, a goal.
    Done,
}

/// The difference between two readings of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadDelta {
    /// A JSON object of the attributes that are new or have another value.
    pub set: Json,
    pub removed: Vec<String>,
}

/// The identity of an operation: 32 bits of FNV-1a over its kind and the arguments that make it this step and no other.
pub fn identity(kind: OpKind, stable: &[&str]) -> u32 {
    let mut hash: u32 = 0x811c_9dc5;
    let mut eat = |byte: u8| hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    kind.name().bytes().for_each(&mut eat);
    for argument in stable {
        eat(0);
        argument.bytes().for_each(&mut eat);
    }
    hash
}
