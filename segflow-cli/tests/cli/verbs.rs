use serde_json::{Value, json};

use crate::{
    fake::{Fake, ok, problem},
    run::Place,
};

#[test]
fn add_merges_and_says_where() {
    let server = Fake::start(|asked| ok(json!({"id": "ada", "attributes": asked.json()["attributes"]})));
    let place = Place::with_server(&server.url);
    let ran = place.segflow(&["add", "ada", "username=Ada", "zip=01234", "age=36", "address.city=London", "note="]);
    ran.done("user ada is there\n");
    assert_eq!(ran.stderr, format!("{} · workspace main\n", server.url));
    let asked = server.asked();
    assert_eq!(asked[0].line(), "PATCH /v1/users/ada");
    let expected = json!({"username": "Ada", "zip": "01234", "age": 36, "address": {"city": "London"}, "note": ""});
    assert_eq!(asked[0].json(), json!({"attributes": expected}));
}

#[test]
fn ids_of_every_kind_are_encoded() {
    let server = Fake::start(|_| ok(json!({})));
    let place = Place::with_server(&server.url);
    let long = "é".repeat(127) + "x";
    for id in ["o'brien", "a/b", "a b", "ada ", "🦊", "50%", "a?b#c", &long] {
        let ran = place.segflow(&["add", id]);
        assert_eq!(ran.code, 0, "{id}: {ran:?}");
        let path = server.asked().last().unwrap().path.clone();
        let encoded = path.strip_prefix("/v1/users/").unwrap();
        assert_eq!(percent_encoding::percent_decode_str(encoded).decode_utf8().unwrap(), id);
        assert!(!encoded.contains('/'));
    }
    place.segflow(&["add", ".."]).failed(2, &["`..` cannot stand in a URL"]);
    place.segflow(&["add", ""]).failed(2, &["1 to 255 bytes"]);
}

#[test]
fn update_never_creates() {
    let server = Fake::start(|_| problem(404, "not_found", "There is no user `eve`."));
    let place = Place::with_server(&server.url);
    place.segflow(&["update", "eve", "a=1"]).failed(1, &["there is no user `eve`", "segflow add eve"]);
    assert_eq!(server.lines(), ["PATCH /v1/users/eve?create=false"]);
}

#[test]
fn emit_sends_the_event() {
    let server = Fake::start(|asked| ok(json!({"id": asked.json()["id"]})));
    let place = Place::with_server(&server.url);
    place.segflow(&["emit", "purchase", "u1", "value=99", "--id", "A-1"]).done("purchase of u1: event A-1\n");
    let asked = server.asked();
    assert_eq!(asked[0].line(), "POST /v1/users/u1/events");
    assert_eq!(asked[0].json(), json!({"name": "purchase", "attributes": {"value": 99}, "id": "A-1"}));
    let ran = place.segflow(&["emit", "login", "u1", "--json"]);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(document, json!({"id": server.asked()[1].json()["id"]}));
}

/// The second try carries the id of the first, so that the event counts once.
#[test]
fn a_retried_emit_counts_once() {
    let mut tries = 0;
    let server = Fake::start(move |asked| {
        tries += 1;
        let mut answer = problem(503, "away", "The store is away.");
        answer.headers = "retry-after: 0\r\n";
        if tries < 3 { answer } else { ok(json!({"id": asked.json()["id"]})) }
    });
    let ran = Place::with_server(&server.url).segflow(&["emit", "login", "u1"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let asked = server.asked();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|one| one.body == asked[0].body));
    assert!(asked[0].json()["id"].as_str().unwrap().starts_with("evt_"));
}

#[test]
fn moving_the_clock_is_never_repeated() {
    let server = Fake::start(|_| problem(503, "away", "The store is away."));
    Place::with_server(&server.url).segflow(&["clock", "advance", "3d"]).failed(1, &["The store is away. (503 away)"]);
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn the_clock() {
    let server = Fake::start(|_| ok(json!({"now": "2026-01-04T11:00:00Z", "virtual": true})));
    let place = Place::with_server(&server.url);
    place.segflow(&["clock"]).done("2026-01-04T11:00:00Z\n");
    place.segflow(&["clock", "advance", "3d", "2h"]).done("2026-01-04T11:00:00Z\n");
    place.segflow(&["clock", "advance", "3d 2h"]).done("2026-01-04T11:00:00Z\n");
    assert_eq!(server.asked()[1].json(), json!({"advance": "3d 2h"}));
    assert_eq!(server.asked()[1].body, server.asked()[2].body);

    let real = Fake::start(|_| problem(409, "clock_not_virtual", "The clock is real."));
    Place::with_server(&real.url).segflow(&["clock"]).failed(1, &["runs on real time", "--virtual-clock"]);
}

#[test]
fn keys_are_created_listed_and_revoked() {
    let server = Fake::start(|asked| match asked.method.as_str() {
        "POST" => ok(json!({"id": "key_2", "name": asked.json()["name"], "key": "sk_new"})),
        "DELETE" => ok(Value::Null),
        _ => ok(json!({"items": [
            {"id": "key_1", "name": "first", "prefix": "sk_go…", "created_at": "2026-01-01T00:00:00Z", "revoked_at": null},
            {"id": "key_22", "name": "ci", "prefix": "sk_ne…", "created_at": "2026-01-01T00:00:00Z", "revoked_at": "2026-02-01T00:00:00Z"}
        ], "next": null})),
    });
    let place = Place::with_server(&server.url);
    place.segflow(&["keys", "create", "ci"]).done("sk_new\n");
    place.segflow(&["keys", "list"]).done(
        "key_1   first  sk_go…  since 2026-01-01T00:00:00Z\nkey_22  ci     sk_ne…  revoked 2026-02-01T00:00:00Z\n",
    );
    place.segflow(&["keys", "revoke", "key_1"]).done("key_1 is revoked\n");
    assert_eq!(server.lines(), ["POST /v1/keys", "GET /v1/keys?limit=1000", "DELETE /v1/keys/key_1"]);
}

#[test]
fn a_folder_can_be_chosen() {
    let server = Fake::start(|_| ok(json!({})));
    let place = Place::new();
    place.write("shop/.env", &format!("SEGFLOW_URL={}\nSEGFLOW_API_KEY=sk_good\n", server.url));
    place.segflow(&["-C", "shop", "add", "ada"]).done("user ada is there\n");
    place.segflow(&["-C", "nowhere", "add", "ada"]).failed(2, &["-C nowhere"]);
}

#[test]
fn a_segment_is_shown_explained_listed_and_recalculated() {
    let server = Fake::start(|asked| match asked.path.as_str() {
        "/v1/segments/big%20spenders" => ok(json!({
            "id": "big spenders", "users": 2, "says": "sum of value over purchase > 1000", "behind": 0, "sizes": [],
            "reads": {"attributes": [], "events": ["purchase"], "segments": [], "clock": false, "other_users": false},
        })),
        "/v1/segments/big%20spenders/explain?user=o%27brien" => ok(json!({
            "segment": "big spenders", "user_id": "o'brien", "member": false, "holds": false, "since": null, "next_change": null,
            "rule": {"says": "sum of value over purchase > 1000", "holds": false, "because": "it is 0, over 0 events", "events": [], "parts": []},
        })),
        path if path.contains("/members") => {
            ok(json!({"items": [{"user_id": "ada", "since": "2026-01-01T09:00:00Z"}], "next": null}))
        }
        path if path.contains("/recalculate") => ok(json!({"id": "big spenders"})),
        _ => problem(404, "not_found", "There is no segment `none`."),
    });
    let place = Place::with_server(&server.url);
    let shown = "big spenders: 2 users\n  rule       sum of value over purchase > 1000\n  reads      event purchase\n";
    place.segflow(&["segment", "big spenders"]).done(shown);
    let why = "o'brien is not in big spenders\n✗ sum of value over purchase > 1000\n    it is 0, over 0 events\n";
    place.segflow(&["segment", "big spenders", "--user", "o'brien"]).done(why);
    place.segflow(&["segment", "big spenders", "members"]).done("2026-01-01T09:00:00Z  ada\n");
    place
        .segflow(&["segment", "big spenders", "recalculate"])
        .done("everybody is held against big spenders once more\n");
    assert_eq!(server.lines().last().unwrap(), "POST /v1/segments/big%20spenders/recalculate");
    place.segflow(&["segment", "none"]).failed(1, &["no segment `none`"]);
    place.segflow(&["segment", "x", "members", "--user", "ada"]).failed(2, &["--user"]);
}
