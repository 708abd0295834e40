//! Journals of earlier releases: each turn that they were written in is replayed and has to come out as it did then.
//!
//! `tests/golden/*.journal` are never changed. A release adds one: `SEGFLOW_MAKE_GOLDEN=0.2.0 cargo test -p segflow-core --test golden`.
//! A line is a turn as a plugin was asked for it and what it answered, both as they go over the ABI, in hex.

use std::future::poll_fn;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::Poll;

use segflow_core::flow::{self, Flow, Given, Op};
use segflow_core::ids::hex;
use segflow_protocol::{
    Ask, Completion, End, Happened, Json, Local, Request, Response, Task, Turn, Waits, Webhook, decode, decode_request,
    encode,
};
use serde_json::json;

const DAY: i64 = 86_400_000;

fn json(value: serde_json::Value) -> Json {
    Json(value.to_string())
}

async fn first(mut a: Op, mut b: Op) {
    poll_fn(|context| match (Pin::new(&mut a).poll(context), Pin::new(&mut b).poll(context)) {
        (Poll::Pending, Poll::Pending) => Poll::Pending,
        _ => Poll::Ready(()),
    })
    .await;
}

/// Does everything that a flow of the first release could.
async fn everything(flow: Flow) {
    flow.send("welcome", || Ok(json(json!({ "percent": 10 })))).await;
    let (_, user) = flow.user().await;
    flow.update(json!({ "seen": user.len() }).as_object().expect("an object").clone()).await;
    flow.user().await;
    flow.emit("offered", json(json!({ "percent": 10 }))).await;
    flow.start("other").await;
    flow.stop("another").await;
    flow.goal("there").await;
    let chance = flow.random();
    flow.wait(DAY).await;
    flow.wait_until(Waits::Until { at: 3 * DAY }).await;
    flow.wait_until(Waits::Local(Local { days: 0b1_1111, from: 540, to: Some(1_020), ..Local::default() })).await;
    let bought = flow.wait_for("purchase", || Some(json(json!({ "true": null }))), Some(DAY)).await;
    let silence = flow.wait_for("purchase", || None, Some(DAY)).await;
    let inside = flow.ask(Ask::Segment { id: "big".into(), expr: None }).await;
    let sum = flow.ask(Ask::Number { events: json(json!({})), measure: json(json!("count")) }).await;
    let arms = vec![("a".to_string(), 1), ("b".to_string(), 3)];
    let arm = flow.ask(Ask::Arm { name: "offer".into(), arms, experiment: true }).await;
    let call = Webhook { method: "POST".into(), url: "https://crm.example/leads?x=1".into(), ..Webhook::default() };
    let answer = flow.webhook(call).await;
    let done = flow.task(Task { title: "call".into(), ..Task::default() }).await;
    first(flow.wait(DAY), flow.wait(2 * DAY)).await;
    first(flow.wait_for("reply", || None, None), flow.wait(DAY)).await;
    let heard = [bought, silence, inside, sum, arm, answer, done].map(|came| came.map(|json| json.0));
    let (now, who) = (flow.now(), flow.user_id());
    flow.send("all", move || Ok(json(json!({ "heard": heard, "chance": chance, "now": now, "who": who })))).await;
    flow.log("that was all");
    flow.again(json(json!({ "round": 2 }))).await;
}

/// Its turns, one after the other: time passes, and what is waited for comes, except where it is silence that is waited for.
fn played() -> Vec<(Turn, Response)> {
    let mut turn = Turn {
        campaign: "everything".into(),
        user_id: "ada".into(),
        seed: 7,
        first_op: 3,
        started_at: 0,
        now: 0,
        attributes: json(json!({ "name": "Ada", "seen": null })),
        journal: Default::default(),
        completions: vec![],
    };
    let (mut turns, mut purchases) = (vec![], 0);
    loop {
        let outcome = flow::run(turn.clone(), Given::default(), everything);
        turns.push((turn.clone(), Response::Turn(outcome.clone())));
        if outcome.end != End::Waiting {
            return turns;
        }
        turn.now += DAY;
        turn.attributes = json(json!({ "name": "Ada", "seen": 2, "day": turn.now / DAY }));
        turn.journal.extend(outcome.entries);
        let open = outcome.pending.first().expect("it waits");
        let value = json(json!({ "of": open.op }));
        let happened = match &open.waits {
            Waits::Duration { .. } | Waits::Until { .. } | Waits::Local(_) => Happened::Elapsed { at: turn.now },
            Waits::Event { name, .. } if name == "purchase" && std::mem::replace(&mut purchases, 1) == 1 => {
                Happened::Elapsed { at: turn.now }
            }
            _ => Happened::Came { at: turn.now, value },
        };
        turn.completions = vec![Completion { op: open.op, happened }];
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().map(|c| c.to_digit(16).expect("hex") as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

#[test]
fn journals_of_all_releases_replay_as_they_did() {
    if let Ok(release) = std::env::var("SEGFLOW_MAKE_GOLDEN") {
        let line = |(turn, answer): (Turn, Response)| {
            format!("{} {}\n", hex(&encode(&Request::Turn(turn))), hex(&encode(&answer)))
        };
        let text: String = played().into_iter().map(line).collect();
        std::fs::create_dir_all(folder()).expect("a folder");
        std::fs::write(folder().join(format!("{release}.journal")), text).expect("written");
    }
    let mut releases = 0;
    for file in std::fs::read_dir(folder()).expect("the folder") {
        let path = file.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("text");
        assert!(text.lines().count() >= 12, "{}", path.display());
        for (number, line) in text.lines().enumerate() {
            let at = format!("{}, turn {}", path.display(), number + 1);
            let (asked, answered) = line.split_once(' ').expect("two words");
            let Request::Turn(turn) = decode_request(&bytes(asked)).expect(&at) else { panic!("{at}: not a turn") };
            let Response::Turn(mut then) = decode(&bytes(answered)).expect(&at) else { panic!("{at}: not of a turn") };
            let mut now = flow::run(turn, Given::default(), everything);
            // Where in this file it stands may change.
            then.pending.iter_mut().chain(&mut now.pending).for_each(|pending| pending.source.clear());
            assert_eq!(now, then, "{at}");
        }
        releases += 1;
    }
    assert!(releases > 0);
}
