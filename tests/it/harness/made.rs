//! Plugins made by hand: they declare whatever a test wants them to, without a compiler.

use segflow_protocol::{
    ABI_VERSION, Effect, End, Entry, Happened, Json, Manifest, OpKind, Rendered, Response, TurnOutcome, encode,
    identity,
};
use serde_json::{Value, json};

/// A plugin that gives the same answers whatever it is asked.
#[derive(Clone)]
pub struct Made {
    pub manifest: Value,
    pub turn: Response,
    pub rendered: Rendered,
    /// Changes the module's bytes and nothing else.
    pub comment: String,
}

impl Made {
    /// A project with a manifest; its flows end at once.
    pub fn new(manifest: Value) -> Made {
        let rendered = Rendered { subject: "Hello".into(), html: "<p>Hello</p>".into(), text: "Hello".into() };
        Made { manifest, turn: Response::Turn(outcome(vec![], vec![], 0)), rendered, comment: String::new() }
    }

    /// Its flows send one email and end.
    pub fn sending(mut self, template: &str) -> Made {
        let entry = Entry {
            op: 0,
            kind: OpKind::Send,
            identity: identity(OpKind::Send, &[template]),
            happened: Happened::Sent,
        };
        let effect = Effect::Send { op: 0, template: template.into(), args: Json("{}".into()) };
        self.turn = Response::Turn(outcome(vec![entry], vec![effect], 1));
        self
    }

    pub fn commented(mut self, comment: &str) -> Made {
        self.comment = comment.into();
        self
    }

    /// The module.
    pub fn wasm(&self) -> Vec<u8> {
        let manifest = serde_json::from_value::<Manifest>(self.manifest.clone()).expect("a manifest");
        let manifest = Json(serde_json::to_string(&manifest).expect("a manifest"));
        let answers = [
            encode(&Response::Manifest(manifest)),
            encode(&self.turn),
            encode(&Response::Rendered(self.rendered.clone())),
            self.comment.clone().into_bytes(),
        ];
        module(ABI_VERSION, &answers)
    }
}

fn outcome(entries: Vec<Entry>, effects: Vec<Effect>, next_op: u64) -> TurnOutcome {
    TurnOutcome { entries, effects, pending: vec![], next_op, end: End::Done, logs: vec![] }
}

/// A module of a version of the ABI that answers requests by their kind.
pub fn module(abi: u32, answers: &[Vec<u8>]) -> Vec<u8> {
    let (mut at, mut data, mut places) = (1024, String::new(), vec![]);
    for answer in answers {
        let bytes: String = answer.iter().map(|b| format!("\\{b:02x}")).collect();
        data += &format!("(data (i32.const {at}) \"{bytes}\")\n");
        places.push((at as u64) << 32 | answer.len() as u64);
        at += answer.len() + 16;
    }
    let pages = at / 65_536 + 20;
    wat(&format!(
        r#"(module
            (memory (export "memory") {pages})
            {data}
            (func (export "segflow_abi") (result i32) (i32.const {abi}))
            (func (export "segflow_alloc") (param i32) (result i32) (i32.const {at}))
            (func (export "segflow_call") (param i32 i32) (result i64)
                (if (i32.eq (i32.load8_u (local.get 0)) (i32.const 0)) (then (return (i64.const {}))))
                (if (i32.eq (i32.load8_u (local.get 0)) (i32.const 1)) (then (return (i64.const {}))))
                (i64.const {})))"#,
        places[0], places[1], places[2]
    ))
}

pub fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|e| panic!("{e}"))
}

/// The least that a manifest needs: one email, one segment with everybody, one campaign.
pub fn manifest() -> Value {
    json!({
        "name": "made",
        "sdk": "0",
        "from": "Made <made@segflow.example>",
        "user": [{ "name": "email", "type": "string", "required": true }],
        "segments": [everyone("everyone")],
        "campaigns": [campaign("hello", "everyone")],
        "templates": [template("hi")],
        "providers": [{ "id": "capture", "kind": "capture" }],
    })
}

pub fn everyone(id: &str) -> Value {
    json!({ "id": id, "rule": { "expr": "everyone" } })
}

pub fn campaign(id: &str, segment: &str) -> Value {
    json!({ "id": id, "segments": [segment], "mode": "static", "guarantee": "at_most_once" })
}

pub fn template(id: &str) -> Value {
    json!({ "id": id, "arguments": [], "content": "1" })
}
