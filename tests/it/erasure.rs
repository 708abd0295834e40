//! Erasing a person.

use segflow_server::delivery::capture::Act;

use crate::harness::smtp::Act::Hold;
use crate::harness::smtp::{At, Smtp};
use crate::harness::*;

both![
    nothing_of_an_erased_person_is_left,
    counts_stay,
    the_same_id_starts_afresh,
    who_is_waiting_can_be_erased,
    a_late_outcome_changes_only_the_status,
];

/// Everything that is stored, as bytes.
async fn dump(db: &Database) -> Vec<u8> {
    if db.kind() == Kind::Sqlite {
        let mut all = vec![];
        for entry in std::fs::read_dir(db.folder()).expect("a folder") {
            all.extend(std::fs::read(entry.expect("an entry").path()).expect("a file"));
        }
        return all;
    }
    let handle = db.open().await;
    let read = async |sql: String| handle.read(sql, vec![]).await.expect("read");
    let columns = "SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()";
    let mut all = vec![];
    for column in read(columns.into()).await {
        let (table, column) = (column.text(0).expect("a table"), column.text(1).expect("a column"));
        let values = format!("SELECT HEX(CAST(`{column}` AS BINARY)) FROM `{table}` WHERE `{column}` IS NOT NULL");
        for row in read(values).await {
            let digits = row.text(0).expect("digits");
            all.extend(
                (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex")),
            );
            all.push(b'\n');
        }
    }
    handle.close().await;
    all
}

fn contains(haystack: &[u8], needle: &str) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle.as_bytes())
}

const SECRETS: [&str; 4] = ["ada.secret@shop.example", "SecretName", "secret-order", "secret-user"];

/// Somebody with a past of every kind, some of it in flight.
async fn with_a_past(db: &Database) -> App {
    let app = App::storefront(db).await;
    let refusal = "550 no mailbox ada.secret@shop.example here";
    app.capture.script("ada.secret@shop.example", Act::Refuse(refusal.into()));
    let attributes =
        json!({ "username": "SecretName", "email": "ada.secret@shop.example", "winback": true, "note": "SecretName" });
    app.add("secret-user", attributes).await;
    app.advance("1d").await;
    app.post(
        "/v1/users/secret-user/events",
        json!({"name": "purchase", "id": "secret-order-1", "attributes": {"value": 2000, "order_id": "secret-order"}}),
    )
    .await
    .ok();
    app.settle().await;
    app.capture.script("ada.secret@shop.example", Act::Busy("421 ada.secret@shop.example".into()));
    app.emit("secret-user", "purchase", json!({ "value": 1, "order_id": "secret-order" })).await;
    app.settle().await;
    app.add("bob", json!({ "username": "Bob", "email": "bob@shop.example" })).await;
    app.settle().await;
    app
}

async fn nothing_of_an_erased_person_is_left(db: Database) {
    let app = with_a_past(&db).await;
    let before = dump(&db).await;
    for secret in SECRETS {
        assert!(contains(&before, secret), "{secret} is looked for in the right place");
    }
    assert_eq!(app.delete("/v1/users/secret-user").await.status, 204);
    app.get("/v1/users/secret-user").await.problem(404, "not_found");
    app.get("/v1/users/secret-user/messages").await.problem(404, "not_found");
    app.settle().await;
    let after = dump(&db).await;
    for secret in SECRETS {
        assert!(!contains(&after, secret), "{secret} is still there");
    }
    assert!(contains(&after, "bob@shop.example"));
    app.advance("100d").await;
    assert!(!contains(&dump(&db).await, "ada.secret"));
    let app = app.restart().await;
    app.advance("100d").await;
    assert!(!contains(&dump(&db).await, "ada.secret"));
}

async fn counts_stay(db: Database) {
    let app = with_a_past(&db).await;
    let counts = async || {
        let mut counts = vec![];
        for campaign in app.items("/v1/campaigns").await {
            let total = |of: &str| campaign[of].as_object().unwrap().values().map(|n| n.as_i64().unwrap()).sum::<i64>();
            counts.push((campaign["id"].clone(), total("counts"), total("messages")));
        }
        (counts, app.items("/v1/messages").await.len(), app.items("/v1/messages?status=sent").await.len())
    };
    let before = counts().await;
    app.delete("/v1/users/secret-user").await.ok();
    app.settle().await;
    assert_eq!(counts().await, before);
    let statuses = app.get("/v1/campaigns/winback-campaign").await.ok()["counts"].clone();
    assert_eq!((&statuses["exited"], &statuses["active"]), (&json!(1), &json!(0)));
    for message in app.items("/v1/messages").await {
        let message = app.message(&message).await;
        if message["user_id"].is_null() {
            assert_eq!(
                (&message["to"], &message["html"], &message["subject"]),
                (&Value::Null, &Value::Null, &Value::Null)
            );
            assert_ne!(message["status"], "pending");
        }
    }
}

async fn the_same_id_starts_afresh(db: Database) {
    let app = with_a_past(&db).await;
    app.delete("/v1/users/secret-user").await.ok();
    let fresh = app.add("secret-user", json!({ "username": "New", "email": "new@shop.example" })).await;
    assert_eq!(fresh["attributes"], json!({ "username": "New", "email": "new@shop.example" }));
    app.settle().await;
    assert_eq!(app.segments("secret-user").await, ["all-users"]);
    assert_eq!(app.items("/v1/users/secret-user/events").await.len(), 0);
    let messages = app.messages("secret-user").await;
    assert_eq!(messages.len(), 1, "welcomed as anybody else: {messages:?}");
    // The id of an event of the one before is free again.
    let event = json!({"name": "purchase", "id": "secret-order-1", "attributes": {"value": 1, "order_id": "B"}});
    app.post("/v1/users/secret-user/events", event).await.ok();
    app.settle().await;
    assert_eq!(app.messages("secret-user").await.len(), 2);
}

/// Seen in a predecessor: deleting a user who had been in a campaign failed on a foreign key.
async fn who_is_waiting_can_be_erased(db: Database) {
    let app = App::storefront(&db).await;
    for _ in 0..3 {
        app.add("ada", json!({ "username": "Ada", "email": "ada@shop.example", "winback": true })).await;
        app.advance("2d").await;
        assert_eq!(app.delete("/v1/users/ada").await.status, 204);
        app.get("/v1/users/ada").await.problem(404, "not_found");
        app.delete("/v1/users/ada").await.problem(404, "not_found");
    }
    app.advance("300d").await;
    let sent = app.items("/v1/messages?campaign=winback-campaign").await;
    assert_eq!(sent.len(), 6, "two for each of three lives");
}

async fn a_late_outcome_changes_only_the_status(db: Database) {
    let smtp = Smtp::start().await;
    let app = App::smtp(&db, &smtp).await;
    smtp.script("ada.secret@shop.example", At::Body, Hold);
    app.add("ada", json!({ "email": "ada.secret@shop.example" })).await;
    until("the message is being sent", || async { (smtp.held() == 1).then_some(()) }).await;
    let message = app.messages("ada").await[0].clone();
    assert_eq!(app.delete("/v1/users/ada").await.status, 204);
    assert_eq!(app.message(&message).await["status"], "sending");
    smtp.release();
    let sent = until("the outcome is known", || async {
        Some(app.message(&message).await).filter(|m| m["status"] != "sending")
    });
    let message = sent.await;
    assert_eq!((&message["status"], &message["user_id"], &message["to"]), (&json!("sent"), &Value::Null, &Value::Null));
    assert!(!contains(&dump(&db).await, "ada.secret"));
    app.settle().await;
    assert_eq!(smtp.accepted().len(), 1, "what was still to come is not sent");
}
