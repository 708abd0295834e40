//! Projects made by hand: a manifest with whatever is to be measured, and flows that end at once.

use segflow_protocol::{ABI_VERSION, End, Json, Manifest, Rendered, Response, TurnOutcome, encode};
use serde_json::Value;

/// The module of a project with this manifest.
pub fn module(manifest: &Value) -> anyhow::Result<Vec<u8>> {
    let manifest: Manifest = serde_json::from_value(manifest.clone())?;
    let turn =
        TurnOutcome { entries: vec![], effects: vec![], pending: vec![], next_op: 0, end: End::Done, logs: vec![] };
    let answers = [
        encode(&Response::Manifest(Json(serde_json::to_string(&manifest)?))),
        encode(&Response::Turn(turn)),
        encode(&Response::Rendered(Rendered { subject: "Hello".into(), html: "Hello".into(), text: "Hello".into() })),
    ];
    let (mut at, mut data, mut places) = (1_024, String::new(), vec![]);
    for answer in &answers {
        let bytes: String = answer.iter().map(|b| format!("\\{b:02x}")).collect();
        data += &format!("(data (i32.const {at}) \"{bytes}\")\n");
        places.push((at as u64) << 32 | answer.len() as u64);
        at += answer.len() + 16;
    }
    let pages = at / 65_536 + 20;
    let [describe, turn, render] = places[..] else { unreachable!("three answers") };
    let text = format!(
        r#"(module
            (memory (export "memory") {pages})
            {data}
            (func (export "segflow_abi") (result i32) (i32.const {ABI_VERSION}))
            (func (export "segflow_alloc") (param i32) (result i32) (i32.const {at}))
            (func (export "segflow_call") (param i32 i32) (result i64)
                (if (i32.eq (i32.load8_u (local.get 0)) (i32.const 0)) (then (return (i64.const {describe}))))
                (if (i32.eq (i32.load8_u (local.get 0)) (i32.const 1)) (then (return (i64.const {turn}))))
                (i64.const {render})))"#
    );
    Ok(wat::parse_str(&text)?)
}
