//! Against a server that answers as it is told and keeps what it was asked.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::tests::{Purchase, Shopper, ada};

/// What it was asked: `PATCH /path`, and the body.
type Asked = Arc<Mutex<Vec<(String, Value)>>>;

/// Answers each connection with the next of these; an empty one is a connection that is closed without an answer.
async fn server(answers: Vec<String>) -> (Client, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let asked = Asked::default();
    let keep = asked.clone();
    tokio::spawn(async move {
        for answer in answers {
            let (mut connection, _) = listener.accept().await.expect("a connection");
            let (head, body) = request(&mut connection).await;
            assert!(head.contains("authorization: Bearer sk_1"), "{head}");
            let line = head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_string();
            keep.lock().expect("no panic").push((line, body));
            connection.write_all(answer.as_bytes()).await.expect("written");
        }
    });
    (Client::new(url, "sk_1").expect("a client"), asked)
}

async fn request(connection: &mut tokio::net::TcpStream) -> (String, Value) {
    let mut read = vec![];
    loop {
        let mut buffer = [0; 4096];
        let n = connection.read(&mut buffer).await.expect("readable");
        read.extend_from_slice(&buffer[..n]);
        let text = String::from_utf8_lossy(&read).to_string();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_string));
        let length: usize = length.map_or(0, |length| length.parse().expect("a number"));
        if body.len() >= length {
            return (head.to_string(), serde_json::from_str(body).unwrap_or(Value::Null));
        }
    }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len())
}

fn ok(body: &str) -> String {
    answer("200 OK", "", body)
}

fn asked(asked: &Asked) -> Vec<(String, Value)> {
    asked.lock().expect("no panic").clone()
}

#[tokio::test]
async fn each_call_is_one_of_the_contract() {
    let user = r#"{"id": "ada", "attributes": {"username": "Ada", "zone": "UTC", "beta": 1}}"#;
    let (client, requests) = server(vec![ok("{}"), ok("{}"), ok(user), ok(""), ok(r#"{"id": "x"}"#), ok("{}")]).await;
    client.add("ada", &ada()).await.expect("added");
    client.update("a/ b'é", Shopper::patch().visits(3).clear_nickname()).await.expect("updated");
    assert_eq!(client.get::<Shopper>("ada").await.expect("got").map(|user| user.username), Some("Ada".into()));
    assert!(client.delete("ada").await.expect("deleted"));
    let id = client.emit("ada", &Purchase { value: 1.5, order_id: "A".into() }).await.expect("emitted");
    client.emit_untyped("ada", "login", json!({})).await.expect("emitted");

    let requests = asked(&requests);
    let lines: Vec<&str> = requests.iter().map(|(line, _)| line.as_str()).collect();
    let expected = [
        "PATCH /v1/users/ada",
        "PATCH /v1/users/a%2F%20b%27%C3%A9?create=false",
        "GET /v1/users/ada",
        "DELETE /v1/users/ada",
        "POST /v1/users/ada/events",
        "POST /v1/users/ada/events",
    ];
    assert_eq!(lines, expected);
    // Whole: what serde leaves out is taken away.
    assert_eq!(requests[0].1["attributes"].get("nickname"), Some(&Value::Null));
    assert_eq!(requests[0].1["attributes"]["e-mail"], "ada@example.com");
    assert_eq!(requests[1].1, json!({"attributes": {"visits": 3, "nickname": null}}));
    assert_eq!(requests[4].1, json!({"id": id, "name": "purchase", "attributes": {"value": 1.5, "order_id": "A"}}));
    assert!(id.len() == 36 && id.starts_with("evt_"), "{id}");
    assert_ne!(requests[5].1["id"], requests[4].1["id"]);
}

#[tokio::test]
async fn a_call_is_repeated_with_the_same_event_id_until_it_is_answered() {
    let busy = answer("429 Too Many Requests", "retry-after: 0\r\n", "{}");
    let away = answer("503 Service Unavailable", "", "");
    let (client, requests) = server(vec![busy, away, String::new(), ok("{}")]).await;
    client.emit_untyped("ada", "login", json!({})).await.expect("the fourth time");
    let requests = asked(&requests);
    assert_eq!(requests.len(), 4);
    assert!(requests.iter().all(|(_, body)| body["id"] == requests[0].1["id"]));
}

#[tokio::test]
async fn a_refusal_is_typed_and_not_repeated() {
    let body =
        r#"{"title": "Unprocessable", "code": "wrong_type", "detail": "`email` must be a string", "status": 422}"#;
    let (client, requests) = server(vec![answer("422 Unprocessable Content", "", body)]).await;
    let error = client.add("ada", &ada()).await.expect_err("refused");
    assert_eq!(error.to_string(), "`email` must be a string (status 422)");
    assert!(matches!(error, Error::Refused { status: 422, ref code, .. } if code == "wrong_type"), "{error:?}");
    assert_eq!(asked(&requests).len(), 1);
}

#[tokio::test]
async fn what_is_not_there_is_none_and_false() {
    let gone = || answer("404 Not Found", "", "{}");
    let (client, _) = server(vec![gone(), gone(), gone()]).await;
    assert_eq!(client.get::<Shopper>("ada").await.expect("an answer"), None);
    assert!(!client.delete("ada").await.expect("an answer"));
    assert!(client.update("ada", Shopper::patch().visits(1)).await.expect_err("no user").is_not_found());
}

#[tokio::test]
async fn a_server_that_wants_to_be_left_alone_is() {
    let (client, requests) = server(vec![answer("503 Service Unavailable", "retry-after: 3600\r\n", "{}")]).await;
    let error = client.delete("ada").await.expect_err("later");
    assert!(error.is_transient());
    assert_eq!(asked(&requests).len(), 1);
}

#[tokio::test]
async fn a_batch_says_what_became_of_each_item() {
    let results =
        r#"{"results": [{"status": 200}, {"status": 422, "code": "too_long", "detail": "the id is too long"}]}"#;
    let (client, requests) = server(vec![ok(results)]).await;
    let event = Item::track("..", &Purchase { value: 1.0, order_id: "A".into() }).id("order-A").historical();
    let event = event.occurred_at("2025-01-01T00:00:00Z".parse().expect("a time"));
    let results = client.batch([Item::identify("ada", &ada()), event]).await.expect("an answer");
    assert_eq!(results[0], Ok(()));
    let rejected = Rejected { status: 422, code: "too_long".into(), detail: "the id is too long".into() };
    assert_eq!(results[1], Err(rejected));
    let (line, body) = &asked(&requests)[0];
    assert_eq!(line, "POST /v1/batch");
    assert_eq!(body["batch"][0]["type"], "identify");
    let expected = json!({
        "type": "track", "user_id": "..", "id": "order-A", "name": "purchase", "historical": true,
        "occurred_at": "2025-01-01T00:00:00Z", "attributes": {"value": 1.0, "order_id": "A"},
    });
    assert_eq!(body["batch"][1], expected);
}

#[tokio::test]
async fn what_cannot_be_sent_is_said_before_it_is() {
    let client = Client::new("http://127.0.0.1:1", "sk_1").expect("a client");
    let error = client.emit_untyped("ada", "x", 3).await.expect_err("no object");
    assert_eq!(error.to_string(), "attributes must be a JSON object, not `3`");
    assert!(client.delete("..").await.is_err());
    assert_eq!(Client::new("shop", "k").err().map(|e| e.to_string().contains("not a URL")), Some(true));
    assert!(Client::new("ftp://shop", "k").is_err());
}
