//! Pushes that are refused: nothing has changed, and everything that is wrong is told at once.

use segflow_protocol::{ABI_VERSION, Response, encode};

use crate::harness::made::{self, Made, module, wat};
use crate::harness::*;

all![sql_that_is_not_one_select];
both![
    what_is_not_a_plugin,
    what_a_manifest_can_get_wrong,
    all_problems_at_once,
    flows_that_do_not_reach_their_first_wait,
    first_waits_that_make_no_sense,
    a_user_may_not_be_made_to_wait_by_a_refused_push,
];

/// What a server shows of its project.
async fn picture(app: &App) -> Vec<Value> {
    let mut picture = vec![];
    for path in ["/v1/deployments", "/v1/segments", "/v1/campaigns", "/v1/messages", "/v1/users/ada/enrollments"] {
        picture.push(json!(app.items(path).await));
    }
    picture
}

/// A server with somebody in flight.
async fn with_ada(db: &Database) -> App {
    let app = App::storefront(db).await;
    app.add("ada", json!({ "username": "Ada", "email": "ada@shop.example", "winback": true })).await;
    app.advance("2d").await;
    app
}

/// Costs much fuel and little time: an endless loop is to be stopped by its fuel here, not by the clock of a busy machine.
const BUSY: &str = "(memory.fill (i32.const 0) (i32.const 1) (i32.const 65536))";

async fn what_is_not_a_plugin(db: Database) {
    let app = with_ada(&db).await;
    let before = picture(&app).await;
    let manifest = || encode(&Response::Refused("no".into()));
    let abi = |version: u32| module(version, &[manifest(), vec![], vec![], vec![]]);
    let exports = |except: &str| {
        let all = [
            (r#"(memory (export "memory") 1)"#, "memory"),
            (r#"(func (export "segflow_abi") (result i32) (i32.const 1))"#, "segflow_abi"),
            (r#"(func (export "segflow_alloc") (param i32) (result i32) (i32.const 0))"#, "segflow_alloc"),
            (r#"(func (export "segflow_call") (param i32 i32) (result i64) (i64.const 0))"#, "segflow_call"),
        ];
        let kept: String = all.iter().filter(|(_, name)| *name != except).map(|(text, _)| *text).collect();
        wat(&format!("(module {kept})"))
    };
    let whole = |body: &str| {
        wat(&format!(
            r#"(module (memory (export "memory") 1) {body}
        (func (export "segflow_abi") (result i32) (i32.const {ABI_VERSION}))
        (func (export "segflow_alloc") (param i32) (result i32) (i32.const 0))
        (func (export "segflow_call") (param i32 i32) (result i64) (i64.const 0)))"#
        ))
    };
    let cases: Vec<(&str, Vec<u8>, &str, &str)> = vec![
        ("nothing", vec![], "not_a_plugin", ""),
        ("garbage", b"#!/bin/sh\necho hello\n".repeat(20), "not_a_plugin", ""),
        ("half a module", plugins::storefront()[..5_000].to_vec(), "not_a_plugin", ""),
        ("an empty module", wat("(module)"), "missing_export", "segflow_call"),
        ("no memory", exports("memory"), "missing_export", "`memory`"),
        ("no call", exports("segflow_call"), "missing_export", "`segflow_call`"),
        ("no version", exports("segflow_abi"), "missing_export", "`segflow_abi`"),
        ("of tomorrow", abi(ABI_VERSION + 1), "abi_version", "the server is older"),
        ("of yesterday", abi(0), "abi_version", "the plugin's SDK is older"),
        ("a clock", whole_with_import(), "forbidden_import", "clock_time_get"),
        (
            "a gigabyte",
            wat(r#"(module (memory (export "memory") 16384)
            (func (export "segflow_abi") (result i32) (i32.const 1))
            (func (export "segflow_alloc") (param i32) (result i32) (i32.const 0))
            (func (export "segflow_call") (param i32 i32) (result i64) (i64.const 0)))"#),
            "memory_too_large",
            "",
        ),
        ("too large", whole(&format!("(data (i32.const 0) \"{}\")", "x".repeat(9 << 20))), "too_large", ""),
        ("answers outside its memory", whole(""), "invalid_project", ""),
        (
            "describes itself for ever",
            wat(&format!(
                r#"(module (memory (export "memory") 1)
            (func (export "segflow_abi") (result i32) (i32.const 1))
            (func (export "segflow_alloc") (param i32) (result i32) (i32.const 0))
            (func (export "segflow_call") (param i32 i32) (result i64) (loop $l {BUSY} (br $l)) (i64.const 0)))"#
            )),
            "invalid_project",
            "a loop that does not end?",
        ),
        (
            "starts for ever",
            wat(&format!(
                r#"(module (memory (export "memory") 1) (func $s (loop $l {BUSY} (br $l))) (start $s)
            (func (export "segflow_abi") (result i32) (i32.const 1))
            (func (export "segflow_alloc") (param i32) (result i32) (i32.const 0))
            (func (export "segflow_call") (param i32 i32) (result i64) (i64.const 0)))"#
            )),
            "not_a_plugin",
            "does not start",
        ),
        ("refuses", abi(ABI_VERSION), "invalid_project", ""),
    ];
    for (what, wasm, code, word) in cases {
        let answer = app.deploy("", wasm).await;
        assert!(answer.status == 422 || answer.status == 413, "{what}: {answer:?}");
        let document = answer.document();
        assert_eq!(document["code"], code, "{what}: {document}");
        assert!(document["detail"].as_str().unwrap().contains(word), "{what}: {document}");
        assert!(!document["problems"].as_array().unwrap().is_empty(), "{what}: {document}");
    }
    assert_eq!(picture(&app).await, before);
}

fn whole_with_import() -> Vec<u8> {
    wat(r#"(module (import "wasi_snapshot_preview1" "clock_time_get" (func (param i32 i64 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "segflow_abi") (result i32) (i32.const 1))
        (func (export "segflow_alloc") (param i32) (result i32) (i32.const 0))
        (func (export "segflow_call") (param i32 i32) (result i64) (i64.const 0)))"#)
}

async fn what_a_manifest_can_get_wrong(db: Database) {
    let app = with_ada(&db).await;
    let before = picture(&app).await;
    let of = |segment: &str| json!({ "id": segment, "rule": { "expr": { "segment": "everyone" } } });
    let transaction = |template: &str, argument: &str| json!([{ "id": "t", "event": "e", "template": template, "argument": argument, "guarantee": "at_least_once" }]);
    let cases: Vec<(&str, Value, &str, &str)> = vec![
        (
            "segments",
            json!([made::everyone("everyone"), made::everyone("everyone")]),
            "duplicate_id",
            "segment everyone",
        ),
        ("segments", json!([made::everyone("everyone"), made::everyone(" ")]), "empty_id", "segment"),
        (
            "segments",
            json!([of("a"), { "id": "everyone", "rule": { "expr": { "segment": "a" } } }]),
            "cycle",
            "segment",
        ),
        (
            "segments",
            json!([made::everyone("everyone"), { "id": "b", "rule": { "expr": { "segment": "everyon" } } }]),
            "unknown_segment",
            "segment b",
        ),
        (
            "campaigns",
            json!([made::campaign("a", "everyone"), made::campaign("a", "everyone")]),
            "duplicate_id",
            "campaign a",
        ),
        ("campaigns", json!([made::campaign("", "everyone")]), "empty_id", "campaign"),
        ("campaigns", json!([made::campaign("a", "everyon")]), "unknown_segment", "campaign a"),
        ("templates", json!([made::template("hi"), made::template("hi")]), "duplicate_id", "template hi"),
        ("templates", json!([made::template(&"x".repeat(256))]), "long_id", "template"),
        ("transactions", transaction("ih", "e"), "unknown_template", "transaction t"),
        ("transactions", transaction("hi", "e"), "wrong_argument", "transaction t"),
        ("from", json!("nobody"), "sender", "project"),
        ("from", Value::Null, "sender", "project"),
        (
            "problems",
            json!([{ "code": "unknown_variable", "message": "no `nmae`", "place": "template hi" }]),
            "unknown_variable",
            "template hi",
        ),
    ];
    for (part, value, code, place) in cases {
        let mut manifest = made::manifest();
        manifest[part] = value.clone();
        let document = app.deploy("", Made::new(manifest).wasm()).await.problem(422, "invalid_project");
        let problems = document["problems"].as_array().unwrap();
        let found = problems.iter().find(|p| p["code"] == code).unwrap_or_else(|| panic!("{part} {value}: {document}"));
        assert!(found["place"].as_str().unwrap().starts_with(place), "{part} {value}: {document}");
        assert!(!found["message"].as_str().unwrap().is_empty());
    }
    let unknown = Made::new(made::manifest()).sending("bye");
    let document = app.deploy("", unknown.wasm()).await.problem(422, "invalid_project");
    assert_eq!(
        (&document["problems"][0]["code"], &document["problems"][0]["place"]),
        (&json!("unknown_template"), &json!("campaign hello"))
    );
    assert_eq!(picture(&app).await, before);
}

async fn all_problems_at_once(db: Database) {
    let app = with_ada(&db).await;
    let before = picture(&app).await;
    let mut manifest = made::manifest();
    manifest["from"] = Value::Null;
    manifest["segments"] = json!([
        made::everyone("everyone"),
        made::everyone("everyone"),
        { "id": "bad", "rule": { "sql": "DELETE FROM users" } },
    ]);
    manifest["campaigns"] = json!([made::campaign("hello", "nobody"), made::campaign("", "everyone")]);
    let document = app.deploy("", Made::new(manifest).sending("bye").wasm()).await.problem(422, "invalid_project");
    let codes: Vec<&str> =
        document["problems"].as_array().unwrap().iter().map(|p| p["code"].as_str().unwrap()).collect();
    for code in ["duplicate_id", "empty_id", "unknown_segment", "sender", "bad_sql", "unknown_template"] {
        assert!(codes.contains(&code), "{code} is not among {codes:?}");
    }
    assert_eq!(picture(&app).await, before);
}

async fn sql_that_is_not_one_select(db: Database) {
    let app = with_ada(&db).await;
    let before = picture(&app).await;
    let with = |sql: &str| {
        let mut manifest = made::manifest();
        manifest["segments"] = json!([made::everyone("everyone"), { "id": "raw", "rule": { "sql": sql } }]);
        Made::new(manifest).wasm()
    };
    for sql in [
        "",
        "hello",
        "DELETE FROM users",
        "UPDATE users SET attributes = '{}'",
        "SELECT id FROM users; SELECT id FROM users",
        "SELECT id FROM users; DROP TABLE users",
        "SELECT id FROM api_keys",
        "SELECT v AS id FROM meta",
        "SELECT id FROM main.users",
        "SELECT id FROM other.users",
        "SELECT TABLE_NAME AS id FROM information_schema.tables",
        "SELECT nothing FROM users",
        "SELECT attributes FROM users",
        "SELECT id FROM users WHERE id = ?",
        "SELECT id FROM users FOR UPDATE",
        "WITH users AS (SELECT 1 AS id) SELECT id FROM users",
        "SELECT id FROM users WHERE",
        "SELECT id FROM users) q; DELETE FROM users; --",
        "SELECT id FROM users WHERE 1 = 0 /*! UNION SELECT hash AS id FROM api_keys */",
        "SELECT id FROM users WHERE id IN (SELECT hash FROM `api_keys`)",
        "SELECT id FROM users UNION SELECT prefix FROM api_keys",
    ] {
        let document = app.deploy("", with(sql)).await.problem(422, "invalid_project");
        let problem = &document["problems"][0];
        assert_eq!(
            (&problem["code"], &problem["place"]),
            (&json!("bad_sql"), &json!("segment raw")),
            "{sql}: {document}"
        );
    }
    assert_eq!(picture(&app).await, before);
    // And one that is.
    for sql in [
        "SELECT user_id AS id FROM events WHERE name = 'what?'",
        "WITH e AS (SELECT user_id AS id FROM events) SELECT id FROM e",
        "SELECT 'ada' AS id",
    ] {
        app.push(with(sql)).await;
    }
    app.push(with("SELECT u.id FROM users u WHERE u.id IN ('ada', 'o''brien') -- what? is this")).await;
    app.add("o'brien", json!({})).await;
    app.add("bob", json!({})).await;
    app.settle().await;
    let members = app.items("/v1/segments/raw/members").await;
    let members: Vec<&str> = members.iter().map(|m| m["user_id"].as_str().unwrap()).collect();
    assert_eq!(members, ["ada", "o'brien"]);
}

async fn flows_that_do_not_reach_their_first_wait(db: Database) {
    let app = with_ada(&db).await;
    let before = picture(&app).await;
    for (variant, code, words) in [
        ("trap", "flow_traps", &["there is no cake", "variants/src/lib.rs:"][..]),
        ("endless", "flow_traps", &["a loop that does not end?"]),
        ("crowd", "flow_fails", &["1000"]),
    ] {
        let document = app.deploy("", plugins::variant(variant)).await.problem(422, "invalid_project");
        let problem = &document["problems"][0];
        assert_eq!((&problem["code"], &problem["place"]), (&json!(code), &json!("campaign greet")), "{document}");
        for word in words {
            assert!(problem["message"].as_str().unwrap().contains(word), "{document}");
        }
    }
    assert_eq!(picture(&app).await, before);
}

/// What would park every run as it begins.
async fn first_waits_that_make_no_sense(db: Database) {
    use segflow_protocol::{Ask, End, Json, Local, OpKind, Pending, TurnOutcome, Waits, Webhook};
    let app = App::start(&db).await;
    let mut manifest = made::manifest();
    manifest["campaigns"] = json!([made::campaign("c", "everyone")]);
    let push = async |kind: OpKind, waits: Waits| {
        let waits = vec![Pending { op: 0, kind, identity: 1, waits, source: "src/lib.rs:3".into() }];
        let (entries, effects, logs) = (vec![], vec![], vec![]);
        let turn = TurnOutcome { entries, effects, pending: waits, next_op: 1, end: End::Waiting, logs };
        let made = Made { turn: Response::Turn(turn), ..Made::new(manifest.clone()) };
        app.deploy("?dry_run=true", made.wasm()).await
    };
    let local = |local: Local| (OpKind::Until, Waits::Local(local));
    let arms = |arms: &[(&str, u32)]| {
        let arms = arms.iter().map(|(arm, weight)| (arm.to_string(), *weight)).collect();
        (OpKind::Choose, Waits::Ask(Ask::Arm { name: "offer".into(), arms, experiment: false }))
    };
    let hook = |method: &str, url: &str, header: &str, value: &str| {
        let headers = vec![(header.to_string(), value.to_string())];
        let (method, url) = (method.to_string(), url.to_string());
        let request = Webhook { method, url, headers, timeout: 1, attempts: 1, ..Webhook::default() };
        (OpKind::Webhook, Waits::Webhook(request))
    };
    let member = |id: &str, expr: Option<Value>| {
        let expr = expr.map(|expr| Json(expr.to_string()));
        (OpKind::Ask, Waits::Ask(Ask::Segment { id: id.into(), expr }))
    };
    let url = "https://crm.example/";
    let cases = [
        (local(Local { zone: Some("Europe/Bern".into()), ..Local::default() }), "flow_fails", "`Europe/Bern`"),
        (local(Local { from: 25 * 60, ..Local::default() }), "flow_fails", "between 0:00 and 24:00"),
        (local(Local { days: 0x80, ..Local::default() }), "flow_fails", "no day of the week"),
        (arms(&[]), "flow_fails", "`offer` has no arm"),
        (arms(&[("a", 0), ("b", 0)]), "flow_fails", "`offer` has no arm"),
        (hook("GE T", url, "a", "b"), "bad_webhook", "`GE T` is not a method"),
        (hook("GET", "crm.example", "a", "b"), "bad_webhook", "`crm.example` is not an address"),
        (hook("GET", "ftp://crm.example", "a", "b"), "bad_webhook", "neither http nor https"),
        (hook("GET", url, "a b", "b"), "bad_webhook", "`a b` is not a header"),
        (hook("GET", url, "a", "b\n"), "bad_webhook", "the value of header `a`"),
        (member("rich", None), "unknown_segment", "segment `rich`"),
        (member("x", Some(json!({ "segment": "rich" }))), "unknown_segment", "segment `rich`"),
    ];
    for ((kind, waits), code, word) in cases {
        let document = push(kind, waits).await.problem(422, "invalid_project");
        let problem = &document["problems"][0];
        assert_eq!((&problem["code"], &problem["place"]), (&json!(code), &json!("campaign c")), "{document}");
        assert!(problem["message"].as_str().unwrap().contains(word), "{document}");
    }
    // A user who is made up has no address of a CRM.
    for (kind, waits) in [
        hook("GET", "", "a", "b"),
        hook("GET", "sample@example.com", "a", "b"),
        local(Local { zone: Some(String::new()), ..Local::default() }),
        arms(&[("a", 1)]),
        member("everyone", None),
        member("x", Some(json!({ "segment": "everyone" }))),
    ] {
        push(kind, waits).await.ok();
    }
}

async fn a_user_may_not_be_made_to_wait_by_a_refused_push(db: Database) {
    let app = with_ada(&db).await;
    for _ in 0..3 {
        app.deploy("", plugins::variant("trap")).await.problem(422, "invalid_project");
    }
    app.advance("2d").await;
    assert_eq!(app.items("/v1/messages?campaign=winback-campaign").await.len(), 3);
}
