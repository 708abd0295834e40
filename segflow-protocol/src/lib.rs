//! What a plugin and a server say to each other.
//!
//! A plugin is a WebAssembly core module. It exports `memory`, [`segflow_abi`](ABI_VERSION), `segflow_alloc(len) -> ptr` and
//! `segflow_call(ptr, len) -> u64` (pointer in the upper half, length in the lower). A call carries one [`Request`] and answers one
//! [`Response`], both in postcard. Postcard does not describe itself, so the rules are: enums only grow at their end, structs never
//! change once released (a changed one becomes a new variant), and golden bytes in the tests hold both. What is read once per push
//! and must stay readable for years, the [`Manifest`], travels as JSON instead.

mod codec;
mod events;
mod expr;
mod journal;
mod manifest;
mod policy;
mod reader;
mod samples;
mod texts;
mod turn;

pub use codec::{DecodeError, decode, decode_request, encode, encode_request, encode_response};
pub use events::{is_own, own};
pub use expr::{Cond, Events, Expr, Measure, Test, TimeTest, Which};
pub use journal::{Cut, Entries, Entry, Happened, Journal, OpKind, ReadDelta, identity};
pub use manifest::{
    Argument, Campaign, Conversion, Dkim, Event, Field, Guarantee, InFlight, Mailbox, Manifest, Mode, Problem,
    Provider, ProviderKind, Reentry, Route, Rule, Segment, Stream, Template, Topic, Tracking, Transaction, Trigger,
    Type,
};
pub use policy::{Beyond, Cap, Daily, Window};
pub use samples::{Sample, Samples, UNDEFINED};
pub use texts::Texts;
pub use turn::{
    Ask, Completion, Divergence, Effect, End, Json, Local, Pending, Render, Rendered, Request, Response, Task, Turn,
    TurnOutcome, Waits, Webhook,
};

/// The version of the conversation. A server refuses a plugin that speaks a version it does not know.
pub const ABI_VERSION: u32 = 1;

/// A flow that does more than this in one turn, without waiting, is stopped: it is a loop that was meant to wait.
pub const MAX_OPS_PER_TURN: usize = 1_000;
