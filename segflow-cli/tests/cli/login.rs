use serde_json::{Value, json};

use crate::{
    fake::{Fake, ok},
    run::Place,
};

fn credentials(place: &Place) -> Value {
    let text = std::fs::read_to_string(place.home.path().join(".segflow/credentials.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_key_is_checked_and_kept() {
    let server = Fake::start(|_| ok(json!({})));
    let place = Place::new();
    let ran = place.segflow_with(&["login", &server.url], "sk_good\n");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("workspace main"), "{ran:?}");
    assert_eq!(credentials(&place), json!({"url": server.url, "api_key": "sk_good"}));
    place.segflow(&["add", "ada"]).done("user ada is there\n");

    place.segflow_with(&["login", &server.url, "--server", "eu"], "sk_good\n");
    let eu = json!({"eu": {"url": server.url, "api_key": "sk_good"}});
    assert_eq!(credentials(&place), json!({"url": server.url, "api_key": "sk_good", "servers": eu}));
    place.segflow(&["add", "ada", "--server", "eu"]).done("user ada is there\n");
}

#[test]
fn a_wrong_key_is_not_kept() {
    let server = Fake::start(|_| ok(json!({})));
    let place = Place::new();
    place.segflow_with(&["login", &server.url], "sk_bad\n").failed(1, &["(401 unauthorized)"]);
    place.segflow_with(&["login", &server.url], "").failed(1, &["no key on stdin"]);
    place.segflow_with(&["login", "shop.example"], "sk_good").failed(2, &["is no URL"]);
    assert!(!place.home.path().join(".segflow").exists());
}
