//! Users and their events.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::harness::*;

both![
    patch_merges_and_put_replaces,
    create_false_makes_nobody,
    any_string_of_255_bytes_is_a_user,
    ids_are_compared_byte_for_byte,
    ids_in_paths_are_percent_encoded,
    values_come_back_as_they_were_given,
    users_are_found_by_their_address,
    concurrent_patches_lose_nothing,
    what_was_answered_is_committed,
    a_client_that_goes_away_changes_nothing,
    an_event_is_stored_once_per_id,
    an_event_makes_its_user,
    events_tell_when_they_happened,
    an_old_event_triggers_no_transaction,
];

async fn patch_merges_and_put_replaces(db: Database) {
    let app = App::start(&db).await;
    let first = app.patch("/v1/users/ada", json!({"attributes": {"a": 1, "b": {"c": 2, "d": [1, 2]}}})).await;
    assert_eq!(first.status, 200);
    let first = first.ok();
    assert_eq!((&first["id"], &first["attributes"]), (&json!("ada"), &json!({"a": 1, "b": {"c": 2, "d": [1, 2]}})));
    let again = app.patch("/v1/users/ada", json!({"attributes": {"a": null, "b": {"c": 3, "d": [3]}, "e": "x"}})).await;
    assert_eq!(again.status, 200);
    assert_eq!(again.ok()["attributes"], json!({"b": {"c": 3, "d": [3]}, "e": "x"}));
    app.put("/v1/users/ada", json!({"attributes": {"f": true}})).await.ok();
    let ada = app.get("/v1/users/ada").await.ok();
    assert_eq!(ada["attributes"], json!({"f": true}));
    assert_eq!((&ada["created_at"], &ada["updated_at"]), (&json!(START), &json!(START)));
    app.put("/v1/users/new", json!({"attributes": {}})).await.ok();
    assert_eq!(app.get("/v1/users/new").await.ok()["attributes"], json!({}));
}

async fn create_false_makes_nobody(db: Database) {
    let app = App::start(&db).await;
    let patch = json!({"attributes": {"a": 1}});
    app.patch("/v1/users/ada?create=false", patch.clone()).await.problem(404, "not_found");
    app.get("/v1/users/ada").await.problem(404, "not_found");
    app.patch("/v1/users/ada?create=true", patch.clone()).await.ok();
    assert_eq!(app.patch("/v1/users/ada?create=false", patch).await.status, 200);
}

/// Ids that have broken something before.
fn ids() -> Vec<String> {
    let mut ids: Vec<String> = [
        "o'brien",
        "a/b",
        "/",
        "//",
        " ",
        "ada ",
        " ada",
        "a\tb",
        "a\nb",
        "%",
        "%2F",
        "a%20b",
        "?",
        "a?b=c",
        "#",
        "a&b",
        "a+b",
        "..a",
        "…",
        "\"quoted\"",
        "back\\slash",
        "; DROP TABLE users; --",
        "emoji 🦀👩‍👩‍👧",
        "ÅÄÖ",
        "A\u{30a}",
        "日本語",
        "null",
        "0",
        "-1",
        "{id}",
        "*",
        "a\u{0}b",
        "\u{feff}",
        "\u{202e}rtl",
        "\u{1}",
        "\u{7f}",
        "ada@shop.example",
    ]
    .map(String::from)
    .into();
    ids.push("x".repeat(255));
    ids.push("🦀".repeat(63) + "abc");
    ids
}

/// Values hold no NUL.
fn told(id: &str) -> String {
    id.replace('\0', "␀")
}

async fn any_string_of_255_bytes_is_a_user(db: Database) {
    let app = App::storefront(&db).await;
    for (n, id) in ids().iter().enumerate() {
        let email = format!("u{n}@shop.example");
        let made = app.add(id, json!({ "username": told(id), "email": email })).await;
        assert_eq!(made["id"], json!(id));
        app.emit(id, "purchase", json!({ "value": 1, "order_id": told(id) })).await;
    }
    app.settle().await;
    for (n, id) in ids().iter().enumerate() {
        let path = format!("/v1/users/{}", segment(id));
        let user = app.get(&path).await.ok();
        assert_eq!((&user["id"], &user["attributes"]["username"]), (&json!(id), &json!(told(id))), "{id:?}");
        let events = app.items(&format!("{path}/events")).await;
        assert_eq!((events.len(), &events[0]["attributes"]["order_id"]), (1, &json!(told(id))), "{id:?}");
        assert_eq!(app.segments(id).await, ["all-users", "purchased-users"], "{id:?}");
        let enrollments = app.enrollments(id).await;
        assert_eq!((enrollments.len(), &enrollments[0]["user_id"]), (1, &json!(id)), "{id:?}");
        let messages = app.items(&format!("/v1/messages?user_id={}", segment(id))).await;
        assert_eq!(messages.len(), 2, "{id:?}: {messages:?}");
        for message in messages {
            let message = app.message(&message).await;
            assert_eq!(
                (&message["user_id"], &message["to"]),
                (&json!(id), &json!(format!("u{n}@shop.example"))),
                "{id:?}"
            );
            assert_eq!(message["status"], "sent", "{id:?}: {message}");
        }
    }
    let listed: Vec<String> =
        app.items("/v1/users").await.iter().map(|u| u["id"].as_str().unwrap().to_string()).collect();
    let mut expected = ids();
    expected.sort();
    assert_eq!(listed, expected);
    for id in ids() {
        assert_eq!(app.delete(&format!("/v1/users/{}", segment(&id))).await.status, 204, "{id:?}");
    }
    assert_eq!(app.items("/v1/users").await.len(), 0);
    let too_long = json!({"attributes": {}});
    app.patch(&format!("/v1/users/{}", "x".repeat(256)), too_long.clone()).await.problem(422, "invalid_id");
    app.patch(&format!("/v1/users/{}", segment(&"🦀".repeat(64))), too_long.clone()).await.problem(422, "invalid_id");
    app.patch("/v1/users/", too_long).await.problem(404, "unknown_route");
}

async fn ids_are_compared_byte_for_byte(db: Database) {
    let app = App::start(&db).await;
    let alike = ["ada", "ada ", "ada  ", "Ada", "ADA", "àda", "a\u{300}da", "ada\u{0}", "ada\u{200b}"];
    for id in alike {
        app.add(id, json!({ "is": told(id) })).await;
        app.post(
            &format!("/v1/users/{}/events", segment(id)),
            json!({"name": "seen", "id": "1", "attributes": {"by": told(id)}}),
        )
        .await
        .ok();
    }
    // So are the ids and names of events.
    for id in alike {
        app.post("/v1/users/events/events", json!({"name": id, "id": id})).await.ok_or_nul(id);
    }
    app.settle().await;
    for id in alike {
        let path = format!("/v1/users/{}", segment(id));
        assert_eq!(app.get(&path).await.ok()["attributes"]["is"], json!(told(id)));
        let events = app.items(&format!("{path}/events")).await;
        assert_eq!((events.len(), &events[0]["attributes"]["by"]), (1, &json!(told(id))));
    }
    assert_eq!(app.items("/v1/users/events/events").await.len(), alike.len() - 1);
}

impl Answer {
    /// Ids of events hold no NUL.
    fn ok_or_nul(self, id: &str) {
        if id.contains('\0') {
            self.problem(422, "invalid_name");
        } else {
            self.ok();
        }
    }
}

async fn ids_in_paths_are_percent_encoded(db: Database) {
    let app = App::start(&db).await;
    app.add("a/b c", json!({ "n": 1 })).await;
    for path in ["/v1/users/a%2Fb%20c", "/v1/users/a%2fb%20c", "/v1/users/%61%2Fb%20c"] {
        assert_eq!(app.get(path).await.ok()["id"], "a/b c", "{path}");
    }
    app.get("/v1/users/a/b%20c").await.problem(404, "unknown_route");
    app.get("/v1/users/a%2Fb+c").await.problem(404, "not_found");
    // What a URL library would take away before it is sent.
    for id in [".", ".."] {
        let encoded = id.replace('.', "%2E");
        let body = r#"{"attributes":{"dots":true}}"#;
        let answer = raw(&app, &format!("PATCH /v1/users/{encoded} HTTP/1.1"), body.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains(&format!(r#""id":"{id}""#)), "{answer}");
    }
    let answer = raw(&app, "GET /v1/users/%ff HTTP/1.1", b"").await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("malformed_url"), "{answer}");
}

/// Sends bytes as they are; all that comes back.
pub async fn raw(client: &Client, line: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(client.base.trim_start_matches("http://")).await.expect("connected");
    let head = format!(
        "{line}\r\nhost: test\r\nauthorization: Bearer {}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        client.key,
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    stream.write_all(body).await.expect("sent");
    let mut answer = vec![];
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

async fn values_come_back_as_they_were_given(db: Database) {
    let app = App::start(&db).await;
    let attributes = json!({
        "zip": "01234", "empty": "", "question": "what? is ? this", "quote": "o'brien \"x\" \\", "emoji": "🦀", "big": u64::MAX, "small": i64::MIN,
        "float": 0.1, "tiny": 5e-324, "nested": {"a": {"b": [null, {"c": false}]}}, "": "no name", "a.b": 1, "é": "é",
        "percent": "%s %d :name $1 @p",
    });
    app.put("/v1/users/ada", json!({ "attributes": attributes })).await.ok();
    assert_eq!(app.get("/v1/users/ada").await.ok()["attributes"], attributes);
    app.post("/v1/users/ada/events", json!({"name": "what? 'this'", "id": "? or '", "attributes": attributes}))
        .await
        .ok();
    let event = &app.items("/v1/users/ada/events").await[0];
    assert_eq!(
        (&event["attributes"], &event["name"], &event["id"]),
        (&attributes, &json!("what? 'this'"), &json!("? or '"))
    );
    app.settle().await;
}

async fn users_are_found_by_their_address(db: Database) {
    let app = App::start(&db).await;
    for (id, email) in [("a", "x@y.example"), ("b", "X@y.example"), ("c", "x@y.example"), ("d", "o'x+1@y.example")] {
        app.add(id, json!({ "email": email })).await;
    }
    let found = async |email: &str| {
        let users = app.items(&format!("/v1/users?email={}", segment(email))).await;
        users.iter().map(|u| u["id"].as_str().unwrap().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(found("x@y.example").await, ["a", "c"]);
    assert_eq!(found("o'x+1@y.example").await, ["d"]);
    assert_eq!(found("nobody@y.example").await, [""; 0]);
    app.add("a", json!({ "email": null })).await;
    assert_eq!(found("x@y.example").await, ["c"]);
    app.settle().await;
}

/// Seen in a predecessor: a concurrent update of attributes was lost.
async fn concurrent_patches_lose_nothing(db: Database) {
    let app = App::start(&db).await;
    app.add("ada", json!({ "nested": {} })).await;
    let patches: Vec<_> = (0..50)
        .map(|n| {
            let client = app.with_key(&app.key);
            tokio::spawn(async move {
                client.add("ada", json!({ format!("k{n}"): n, "nested": { format!("k{n}"): n } })).await;
            })
        })
        .collect();
    for patch in patches {
        patch.await.expect("answered");
    }
    let attributes = app.get("/v1/users/ada").await.ok()["attributes"].clone();
    for n in 0..50 {
        let key = format!("k{n}");
        assert_eq!((&attributes[&key], &attributes["nested"][&key]), (&json!(n), &json!(n)));
    }
    app.settle().await;
}

async fn what_was_answered_is_committed(db: Database) {
    let app = App::start(&db).await;
    for n in 0..20 {
        app.add("ada", json!({ "n": n })).await;
        app.post("/v1/users/ada/events", json!({"name": "seen", "id": n.to_string()})).await.ok();
        let fresh = app.with_key(&app.key);
        assert_eq!(fresh.get("/v1/users/ada").await.ok()["attributes"]["n"], n);
        assert_eq!(fresh.items("/v1/users/ada/events").await.len(), n + 1);
        assert_eq!(db.count(&format!("SELECT COUNT(*) FROM events WHERE id = '{n}'")).await, 1);
    }
    app.settle().await;
}

async fn a_client_that_goes_away_changes_nothing(db: Database) {
    let app = App::start(&db).await;
    for n in 0..20 {
        let mut stream = TcpStream::connect(app.base.trim_start_matches("http://")).await.expect("connected");
        let body = format!(
            r#"{{"batch":[{{"type":"identify","user_id":"u{n}"}},{{"type":"track","user_id":"u{n}","name":"seen"}}]}}"#
        );
        let head = format!(
            "POST /v1/batch HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n",
            app.key,
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).await.expect("sent");
        drop(stream);
    }
    // Half of a body is no request.
    let mut stream = TcpStream::connect(app.base.trim_start_matches("http://")).await.expect("connected");
    let head = format!(
        "PATCH /v1/users/half HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: 40\r\n\r\n",
        app.key
    );
    stream.write_all(format!("{head}{{\"attributes\":").as_bytes()).await.expect("sent");
    drop(stream);
    app.add("last", json!({})).await;
    app.settle().await;
    // Whether a request was read before its client went is a matter of luck; each of them is there whole, or not at all.
    for user in app.items("/v1/users").await {
        let id = user["id"].as_str().unwrap();
        assert_ne!(id, "half");
        let events = app.items(&format!("/v1/users/{id}/events")).await.len();
        assert_eq!(events, usize::from(id != "last"), "{id}");
    }
}

async fn an_event_is_stored_once_per_id(db: Database) {
    let app = App::storefront(&db).await;
    let purchase = json!({"name": "purchase", "id": "order-1", "attributes": {"value": 5, "order_id": "A-1"}});
    for _ in 0..3 {
        let answer = app.post("/v1/users/ada/events", purchase.clone()).await;
        assert_eq!(answer.status, 202);
        assert_eq!(answer.ok(), json!({"id": "order-1"}));
    }
    // The same id of another user is another event.
    app.post("/v1/users/bob/events", purchase.clone()).await.ok();
    // Also when they come at once.
    let again: Vec<_> = (0..8)
        .map(|_| {
            let (client, purchase) = (app.with_key(&app.key), purchase.clone());
            tokio::spawn(async move { client.post("/v1/users/cleo/events", purchase).await.ok() })
        })
        .collect();
    for answer in again {
        answer.await.expect("answered");
    }
    app.settle().await;
    for user in ["ada", "bob", "cleo"] {
        assert_eq!(app.items(&format!("/v1/users/{user}/events")).await.len(), 1, "{user}");
        let messages = app.items(&format!("/v1/messages?user_id={user}&transaction=purchase")).await;
        assert_eq!(messages.len(), 1, "{user}");
    }
    // Without an id, each is one of its own.
    let first = app.emit("ada", "login", json!({})).await;
    let second = app.emit("ada", "login", json!({})).await;
    assert_ne!(first["id"], second["id"]);
    assert_eq!(app.items("/v1/users/ada/events").await.len(), 3);
    app.settle().await;
}

async fn an_event_makes_its_user(db: Database) {
    let app = App::storefront(&db).await;
    app.emit("ada", "purchase", json!({ "value": 2000, "order_id": "A-1" })).await;
    app.settle().await;
    assert_eq!(app.get("/v1/users/ada").await.ok()["attributes"], json!({}));
    assert_eq!(app.segments("ada").await, ["all-users", "big-spenders", "purchased-users"]);
    let messages = app.messages("ada").await;
    assert_eq!(messages.len(), 3);
    for message in &messages {
        assert_eq!(message["status"], "refused");
        assert_eq!(message["reason"], "no email address: attribute `email` is missing");
    }
}

async fn events_tell_when_they_happened(db: Database) {
    let app = App::start(&db).await;
    app.post("/v1/users/ada/events", json!({"name": "b", "occurred_at": "2025-12-24T18:00:00+01:00"})).await.ok();
    app.post("/v1/users/ada/events", json!({"name": "c"})).await.ok();
    app.post("/v1/users/ada/events", json!({"name": "a", "occurred_at": "2025-01-01T00:00:00Z"})).await.ok();
    let events = app.items("/v1/users/ada/events").await;
    let listed: Vec<_> =
        events.iter().map(|e| (e["name"].as_str().unwrap(), e["occurred_at"].as_str().unwrap())).collect();
    assert_eq!(listed, [("a", "2025-01-01T00:00:00Z"), ("b", "2025-12-24T17:00:00Z"), ("c", START)]);
    assert!(events.iter().all(|e| e["received_at"] == START));
    app.settle().await;
}

async fn an_old_event_triggers_no_transaction(db: Database) {
    let app = App::storefront(&db).await;
    app.add("ada", json!({ "username": "Ada", "email": "ada@shop.example" })).await;
    for (order, at) in [("old", "2025-12-31T09:00:00Z"), ("young", "2025-12-31T09:00:01Z")] {
        let event = json!({"name": "purchase", "occurred_at": at, "attributes": {"value": 600, "order_id": order}});
        app.post("/v1/users/ada/events", event).await.ok();
    }
    app.settle().await;
    let messages = app.items("/v1/messages?transaction=purchase").await;
    assert_eq!(messages.len(), 1);
    assert!(app.message(&messages[0]).await["text"].as_str().unwrap().contains("young"));
    assert!(app.segments("ada").await.contains(&"big-spenders".to_string()), "both count for segments");
}
