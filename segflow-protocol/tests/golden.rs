//! The bytes of every variant that crosses the boundary to a plugin or lies in a journal.
//!
//! They are what plugins and rows of years ago consist of. When one of these changes, do not correct the bytes: bring the old shape
//! back and append a new variant, or raise `ABI_VERSION` and keep reading the old version.

use std::fmt::{Debug, Write};

use segflow_protocol::{
    ABI_VERSION, Completion, Divergence, Effect, End, Entry, Happened, Json, OpKind, Pending, ReadDelta, Render,
    Rendered, Request, Response, Turn, TurnOutcome, Waits, decode, encode, identity,
};
use serde::{Serialize, de::DeserializeOwned};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("strings can be written to");
        hex
    })
}

#[track_caller]
fn golden<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, bytes: &str) {
    let encoded = encode(value);
    assert_eq!(hex(&encoded), bytes, "{value:?}");
    assert_eq!(&decode::<T>(&encoded).expect("it can be read"), value);
    assert!(decode::<T>(&[&encoded[..], &[0]].concat()).is_err(), "one byte too many");
    assert!(decode::<T>(&encoded[..encoded.len().saturating_sub(1)]).is_err(), "one byte too few");
}

fn json(text: &str) -> Json {
    Json(text.into())
}

fn entry(kind: OpKind, happened: Happened) -> Entry {
    Entry { op: 300, kind, identity: 0xdead_beef, happened }
}

fn pending() -> Pending {
    let waits = Waits::Duration { ms: 86_400_000 };
    Pending { op: 1, kind: OpKind::Wait, identity: 5, waits, source: "src/lib.rs:3".into() }
}

fn outcome(end: End) -> TurnOutcome {
    TurnOutcome { entries: vec![], effects: vec![], pending: vec![], next_op: 2, end, logs: vec![] }
}

fn turn() -> Turn {
    Turn {
        campaign: "c".into(),
        user_id: "ada".into(),
        seed: u64::MAX,
        first_op: 0,
        started_at: 1,
        now: -1,
        attributes: json("{}"),
        journal: vec![entry(OpKind::Send, Happened::Sent)],
        completions: vec![Completion { op: 1, happened: Happened::Elapsed { at: 2 } }],
    }
}

#[test]
fn the_version_of_the_conversation() {
    assert_eq!(ABI_VERSION, 1);
}

#[test]
fn journal_entries() {
    golden(&entry(OpKind::Send, Happened::Sent), "ac0200effdb6f50d00");
    golden(&entry(OpKind::Wait, Happened::Elapsed { at: 1_750_000_000_000 }), "ac0201effdb6f50d0180f086c2ee65");
    golden(&entry(OpKind::User, Happened::Read(None)), "ac0202effdb6f50d0200");
    golden(
        &entry(OpKind::User, Happened::Read(Some(ReadDelta { set: json(r#"{"a":1}"#), removed: vec!["b".into()] }))),
        "ac0202effdb6f50d0201077b2261223a317d010162",
    );
    golden(&entry(OpKind::Update, Happened::Updated), "ac0203effdb6f50d03");
    golden(&entry(OpKind::Wait, Happened::Cancelled), "ac0201effdb6f50d04");
}

#[test]
fn requests() {
    golden(&Request::Describe, "00");
    golden(&Request::Turn(turn()), "01016303616461ffffffffffffffffff01000201027b7d01ac0200effdb6f50d0001010104");
    golden(&Request::Render(Render { template: "t".into(), user: json("{}"), args: json("[]") }), "020174027b7d025b5d");
}

#[test]
fn responses() {
    golden(&Response::Manifest(json("{}")), "00027b7d");
    golden(&Response::Rendered(Rendered { subject: "s".into(), html: "h".into(), text: "t".into() }), "02017301680174");
    golden(&Response::Refused("no".into()), "03026e6f");
    golden(&Response::Turn(outcome(End::Waiting)), "01000000020000");
    golden(&Response::Turn(outcome(End::Done)), "01000000020100");
    golden(&Response::Turn(outcome(End::Failed("why".into()))), "0100000002020377687900");
    golden(
        &Response::Turn(outcome(End::Diverged(Divergence {
            entry: 1,
            expected: "e".into(),
            got: "g".into(),
            source: "s".into(),
        }))),
        "0100000002030101650167017300",
    );
    golden(
        &Response::Turn(TurnOutcome {
            entries: vec![entry(OpKind::Send, Happened::Sent)],
            effects: vec![
                Effect::Send { op: 0, template: "t".into(), args: json("{}") },
                Effect::Update { op: 300, patch: json("{}") },
            ],
            pending: vec![pending()],
            logs: vec!["l".into()],
            ..outcome(End::Waiting)
        }),
        "0101ac0200effdb6f50d000200000174027b7d01ac02027b7d010101050080f0b2520c7372632f6c69622e72733a33020001016c",
    );
}

#[test]
fn identities() {
    assert_eq!(identity(OpKind::Wait, &[]), 0x892e4ca0);
    assert_eq!(identity(OpKind::Send, &["welcome"]), 0xc95aaceb);
    assert_ne!(identity(OpKind::Update, &["ab"]), identity(OpKind::Update, &["a", "b"]));
    assert_ne!(identity(OpKind::Update, &["a"]), identity(OpKind::Send, &["a"]));
}
