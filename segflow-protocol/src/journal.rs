//! The journal of an enrollment: what happened in its flow, in the order in which the flow saw it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::reader::{Reader, write_number};
use crate::{DecodeError, Json};

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
    /// Each at the place of its number.
    pub(crate) const ALL: [OpKind; 14] = [
        OpKind::Send,
        OpKind::Wait,
        OpKind::User,
        OpKind::Update,
        OpKind::Until,
        OpKind::Event,
        OpKind::Ask,
        OpKind::Choose,
        OpKind::Emit,
        OpKind::Webhook,
        OpKind::Task,
        OpKind::Start,
        OpKind::Stop,
        OpKind::Goal,
    ];

    pub const fn name(self) -> &'static str {
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

/// Entries one behind the other, as they are stored and sent. Nobody reads most of them but the flow that is replayed, each once.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Journal {
    entries: usize,
    bytes: Vec<u8>,
}

/// A place in a journal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cut {
    pub entries: usize,
    pub bytes: usize,
}

impl Journal {
    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.entries
    }

    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    pub fn push(&mut self, entry: &Entry) {
        self.bytes.extend(crate::encode(entry));
        self.entries += 1;
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries = 0;
    }

    /// Appends all of another.
    pub fn append(&mut self, other: &Journal) {
        self.entries += other.entries;
        self.bytes.extend_from_slice(&other.bytes);
    }

    /// Where it ends.
    pub fn end(&self) -> Cut {
        Cut { entries: self.entries, bytes: self.bytes.len() }
    }

    /// The entries, in order. It ends early where they cannot be read; [`is_sound`](Journal::is_sound) tells.
    pub fn iter(&self) -> Entries<'_> {
        Entries(Reader(&self.bytes))
    }

    /// Whether all of it can be read, and is as many entries as it says.
    pub fn is_sound(&self) -> bool {
        let mut reader = Reader(&self.bytes);
        (0..self.entries).all(|_| reader.entry().is_some()) && reader.0.is_empty()
    }

    /// The entry at a place and the place after it; `None` at the end, and where there is none to be read.
    pub fn entry(&self, at: Cut) -> Option<(Entry, Cut)> {
        let mut reader = Reader(self.bytes.get(at.bytes..)?);
        let entry = reader.entry()?;
        Some((entry, Cut { entries: at.entries + 1, bytes: self.bytes.len() - reader.0.len() }))
    }

    /// What comes after a place, as it is stored: the postcard of a `Vec<Entry>`.
    pub fn store(&self, from: Cut) -> Vec<u8> {
        let mut stored = vec![];
        self.write(&mut stored, from);
        stored
    }

    /// Appends what was stored.
    pub fn load(&mut self, stored: &[u8]) -> Result<(), DecodeError> {
        if stored.is_empty() {
            return Ok(());
        }
        let mut reader = Reader(stored);
        let entries = reader.number().and_then(|n| usize::try_from(n).ok());
        self.entries += entries.ok_or_else(|| DecodeError("a journal".into()))?;
        self.bytes.extend_from_slice(reader.0);
        Ok(())
    }

    pub(crate) fn write(&self, bytes: &mut Vec<u8>, from: Cut) {
        let rest = &self.bytes[from.bytes..];
        bytes.reserve(rest.len() + 10);
        write_number(bytes, (self.entries - from.entries) as u64);
        bytes.extend_from_slice(rest);
    }

    /// Reads it from the front of some bytes; the rest of them.
    pub(crate) fn take(bytes: &[u8]) -> Option<(Journal, &[u8])> {
        let mut reader = Reader(bytes);
        let entries = usize::try_from(reader.number()?).ok()?;
        let all = reader.0;
        for _ in 0..entries {
            reader.skip_entry()?;
        }
        let bytes = all[..all.len() - reader.0.len()].to_vec();
        Some((Journal { entries, bytes }, reader.0))
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Extend<Entry> for Journal {
    fn extend<I: IntoIterator<Item = Entry>>(&mut self, entries: I) {
        entries.into_iter().for_each(|entry| self.push(&entry));
    }
}

impl FromIterator<Entry> for Journal {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Journal {
        let mut journal = Journal::default();
        journal.extend(entries);
        journal
    }
}

impl<'a> IntoIterator for &'a Journal {
    type Item = Entry;
    type IntoIter = Entries<'a>;

    fn into_iter(self) -> Entries<'a> {
        self.iter()
    }
}

pub struct Entries<'a>(Reader<'a>);

impl Iterator for Entries<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        self.0.entry()
    }
}

/// As a list of entries. A turn's bytes are made and read without it: see [`encode_request`](crate::encode_request).
impl Serialize for Journal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().collect::<Vec<_>>())
    }
}

impl<'de> Deserialize<'de> for Journal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Journal, D::Error> {
        Ok(Vec::<Entry>::deserialize(deserializer)?.into_iter().collect())
    }
}

/// The identity of an operation: 32 bits of FNV-1a over its kind and the arguments that make it this step and no other.
pub const fn identity(kind: OpKind, stable: &[&str]) -> u32 {
    let mut hash = eat(0x811c_9dc5, kind.name().as_bytes());
    let mut at = 0;
    while at < stable.len() {
        hash = eat(eat(hash, &[0]), stable[at].as_bytes());
        at += 1;
    }
    hash
}

const fn eat(mut hash: u32, bytes: &[u8]) -> u32 {
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    hash
}
