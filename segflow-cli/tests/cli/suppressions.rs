use serde_json::{Value, json};

use crate::{
    fake::{Fake, ok},
    run::Place,
};

/// Notes every item but those of `nobody`.
fn server() -> Fake {
    Fake::start(|asked| match asked.method.as_str() {
        "POST" => {
            let items = asked.json()["items"].as_array().cloned().unwrap();
            let result = |item: &Value| match item["address"].as_str() {
                Some("nobody") => json!({"status": 422, "detail": "`address` is not an email address"}),
                _ => json!({"status": 200}),
            };
            ok(json!({"results": items.iter().map(result).collect::<Vec<_>>()}))
        }
        "DELETE" => ok(Value::Null),
        _ => ok(json!({"items": [
            {"address": "a@x.example", "hash": "00", "blocked": "bounce", "blocked_at": "2026-01-01T00:00:00Z",
                "unsubscribed": true, "unsubscribed_at": "2026-02-01T00:00:00Z", "topics": {"news": false}},
            {"address": null, "hash": "ff", "blocked": "complaint", "blocked_at": "2026-01-01T00:00:00Z",
                "unsubscribed": false, "unsubscribed_at": null, "topics": {}},
        ], "next": null})),
    })
}

#[test]
fn addresses_are_added_and_removed() {
    let server = server();
    let place = Place::with_server(&server.url);
    place.segflow(&["suppressions", "add", "a@x.example", "b@x.example"]).done("2 addresses noted\n");
    place.segflow(&["suppressions", "add", "a@x.example", "--as", "unsubscribed"]).done("1 address noted\n");
    place.segflow(&["suppressions", "add", "a@x.example", "--topic", "news"]).done("1 address noted\n");
    place.segflow(&["suppressions", "remove", "a@x.example"]).done("a@x.example may be written to again\n");
    let asked = server.asked();
    let items = |n: usize| asked[n].json()["items"].clone();
    let blocked = |address: &str| json!({"address": address, "blocked": "manual"});
    assert_eq!(items(0), json!([blocked("a@x.example"), blocked("b@x.example")]));
    assert_eq!(items(1), json!([{"address": "a@x.example", "unsubscribed": true}]));
    assert_eq!(items(2), json!([{"address": "a@x.example", "topics": {"news": false}}]));
    assert_eq!(asked[3].line(), "DELETE /v1/suppressions/a%40x.example");
    place.segflow(&["suppressions", "add", "a@x.example", "--as", "spam"]).failed(2, &["unsubscribed"]);
}

#[test]
fn what_is_known_is_listed_and_exported() {
    let server = server();
    let place = Place::with_server(&server.url);
    place.segflow(&["suppressions", "list"]).done(
        "a@x.example  bounce since 2026-01-01T00:00:00Z, unsubscribed since 2026-02-01T00:00:00Z, does not want news\n\
         (erased, ff)  complaint since 2026-01-01T00:00:00Z\n",
    );
    place.segflow(&["suppressions", "export"]).done(
        "address,blocked,blocked_at,unsubscribed_at,topics\n\
         a@x.example,bounce,2026-01-01T00:00:00Z,2026-02-01T00:00:00Z,news=no\n",
    );
}

#[test]
fn files_are_imported_in_parts_and_what_is_refused_is_named_with_its_line() {
    let server = server();
    let place = Place::with_server(&server.url);
    let mut list = "Email Address,Name\n".to_owned();
    (0..1_500).for_each(|n| list += &format!("u{n}@x.example,\"Doe, {n}\"\n"));
    list += "nobody,\n";
    place.write("list.csv", &list);
    let ran = place.segflow(&["suppressions", "import", "list.csv", "--as", "unsubscribed"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, "1,500 addresses noted\n"));
    for part in ["1502: `address` is not an email address", "1 address was refused; the others are noted"] {
        assert!(ran.stderr.contains(part), "{}", ran.stderr);
    }
    let asked = server.asked();
    assert_eq!(asked.iter().map(|one| one.json()["items"].as_array().unwrap().len()).collect::<Vec<_>>(), [1_000, 501]);
    assert_eq!(asked[0].json()["items"][0], json!({"address": "u0@x.example", "unsubscribed": true}));

    // From standard input, and as `export` writes it: the file says why.
    let export = "address,blocked,blocked_at,unsubscribed_at,topics\na@x.example,bounce,,,news=no\n";
    place.segflow_with(&["suppressions", "import", "-"], export);
    let item = server.asked()[2].json()["items"][0].clone();
    assert_eq!(item, json!({"address": "a@x.example", "blocked": "bounce", "topics": {"news": false}}));
    place.segflow(&["suppressions", "import", "none.csv"]).failed(1, &["none.csv cannot be read"]);
    place.write("bad.csv", "name,age\nAda,36\n");
    place.segflow(&["suppressions", "import", "bad.csv"]).failed(1, &["bad.csv", "line 1", "`address` or `email`"]);
}

#[test]
fn keys_of_links_are_listed_renewed_and_revoked() {
    let server = Fake::start(|asked| match asked.method.as_str() {
        "POST" => {
            ok(json!({"id": "lnk_00000002", "signs": true, "created_at": "2026-02-01T00:00:00Z", "revoked_at": null}))
        }
        "DELETE" => ok(Value::Null),
        _ => ok(json!({"items": [
            {"id": "lnk_00000001", "signs": false, "created_at": "2026-01-01T00:00:00Z", "revoked_at": null},
            {"id": "lnk_00000002", "signs": true, "created_at": "2026-02-01T00:00:00Z", "revoked_at": null},
        ], "next": null})),
    });
    let place = Place::with_server(&server.url);
    place.segflow(&["links", "keys"]).done(
        "lnk_00000001  opens what it has signed, since 2026-01-01T00:00:00Z\n\
         lnk_00000002  signs, since 2026-02-01T00:00:00Z\n",
    );
    place.segflow(&["links", "rotate"]).done("lnk_00000002  signs, since 2026-02-01T00:00:00Z\n");
    place
        .segflow(&["links", "revoke", "lnk_00000001"])
        .done("lnk_00000001 is revoked: the links that it has signed are dead\n");
    assert_eq!(server.lines()[2], "DELETE /v1/link-keys/lnk_00000001");
}
