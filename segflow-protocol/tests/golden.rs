//! The bytes of every variant that crosses the boundary to a plugin or lies in a journal.
//!
//! They are what plugins and rows of years ago consist of. When one of these changes, do not correct the bytes: bring the old shape
//! back and append a new variant, or raise `ABI_VERSION` and keep reading the old version.

use std::fmt::{Debug, Write};

use segflow_protocol::{
    ABI_VERSION, Ask, Completion, Divergence, Effect, End, Entry, Happened, Json, Local, OpKind, Pending, ReadDelta,
    Render, Rendered, Request, Response, Task, Turn, TurnOutcome, Waits, Webhook, decode, encode, identity,
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
        journal: [entry(OpKind::Send, Happened::Sent)].into_iter().collect(),
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
    golden(&Request::Samples, "04");
    golden(&Request::Turn(turn()), "01016303616461ffffffffffffffffff01000201027b7d01ac0200effdb6f50d0001010104");
    golden(&Request::Render(Render { template: "t".into(), user: json("{}"), args: json("[]") }), "020174027b7d025b5d");
}

#[test]
fn responses() {
    golden(&Response::Manifest(json("{}")), "00027b7d");
    golden(&Response::Rendered(Rendered { subject: "s".into(), html: "h".into(), text: "t".into() }), "02017301680174");
    golden(&Response::Refused("no".into()), "03026e6f");
    golden(&Response::Samples(json("{}")), "04027b7d");
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

#[test]
fn entries_of_every_verb() {
    let kinds = [
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
    for (kind, number) in kinds.into_iter().zip(4u8..) {
        golden(&kind, &format!("{number:02x}"));
    }
    golden(&entry(OpKind::Event, Happened::Came { at: 2, value: json("1") }), "ac0205effdb6f50d05040131");
    golden(&entry(OpKind::Emit, Happened::Done), "ac0208effdb6f50d06");
}

#[test]
fn waits_of_every_verb() {
    golden(&Waits::Until { at: -1 }, "0101");
    let local = Local {
        date: Some((2026, 1, 31)),
        days: 3,
        from: 540,
        to: Some(1_020),
        zone: Some("UTC".into()),
        or_zone: None,
    };
    golden(&Waits::Local(local), "0201d41f011f039c0401fc07010355544300");
    golden(&Waits::Event { name: "x".into(), filter: Some(json("{}")), within: Some(1) }, "03017801027b7d0102");
    golden(&Waits::Ask(Ask::Segment { id: "s".into(), expr: None }), "0400017300");
    golden(&Waits::Ask(Ask::Number { events: json("{}"), measure: json("1") }), "0401027b7d0131");
    golden(
        &Waits::Ask(Ask::Arm { name: "n".into(), arms: vec![("a".into(), 2)], experiment: true }),
        "0402016e0101610201",
    );
    let webhook = Webhook {
        method: "GET".into(),
        url: "u".into(),
        headers: vec![("h".into(), "v".into())],
        secrets: vec![("h".into(), "S".into())],
        body: Some(json("1")),
        timeout: 2,
        attempts: 3,
    };
    golden(&Waits::Webhook(webhook), "05034745540175010168017601016801530101310403");
    golden(&Waits::Task(Task { title: "t".into(), assignee: Some("a".into()), due: Some(1) }), "0601740101610102");
}

#[test]
fn effects_and_ends_of_every_verb() {
    golden(&Effect::Emit { op: 1, name: "x".into(), attributes: json("{}") }, "02010178027b7d");
    golden(&Effect::Start { op: 1, campaign: "c".into() }, "03010163");
    golden(&Effect::Stop { op: 1, campaign: "c".into() }, "04010163");
    golden(&Effect::Goal { op: 1, name: "g".into() }, "05010167");
    golden(&End::Exited("why".into()), "0403776879");
    golden(&End::Again(json("1")), "050131");
    golden(
        &Request::Anew(turn(), json("1")),
        "03016303616461ffffffffffffffffff01000201027b7d01ac0200effdb6f50d00010101040131",
    );
}
