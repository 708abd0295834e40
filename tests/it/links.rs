//! What emails lead to: one click out, a page to choose on, the email as a page. Nobody logs in for it, and nobody can make a link up.

use crate::harness::*;

both![
    one_click_of_a_mail_program_is_enough,
    to_open_a_page_changes_nothing,
    a_page_asks_says_what_it_did_and_takes_it_back,
    a_reader_chooses_what_to_get,
    an_address_is_confirmed_once,
    an_email_is_shown_as_it_was_sent,
    what_is_missing_at_the_end_of_an_email_is_added,
    nobody_can_make_a_link_up,
    keys_are_changed_without_breaking_a_link,
    nothing_is_left_to_choose_for_the_erased,
    unsubscribing_ends_and_pauses_flows_and_makes_a_segment,
    an_application_has_its_own_settings_page,
    a_push_says_what_is_missing,
];

async fn start(db: &Database, variant: &str) -> App {
    let app = App::start(db).await;
    app.push(plugins::letters(variant)).await;
    app
}

/// The first message of a user of a campaign, sent.
async fn sent(app: &App, name: &str, campaign: &str) -> Value {
    app.add(name, json!({ "email": format!("{name}@x.example"), "does": campaign })).await;
    app.settle().await;
    let messages = app.messages(name).await;
    let mine = messages.iter().find(|m| m["campaign"] == campaign).expect("a message");
    assert_eq!(mine["status"], "sent", "{mine}");
    app.message(mine).await
}

/// Where a message's link of a kind leads, from the server on.
fn link(message: &Value, kind: &str) -> String {
    let html = message["html"].as_str().expect("HTML");
    let mark = format!("/{kind}/");
    let at = html.find(&mark).unwrap_or_else(|| panic!("no /{kind}/ in {html}"));
    html[at..].split('"').next().expect("a part").to_string()
}

fn anybody(app: &App) -> Client {
    Client::new(app.base.clone(), "")
}

/// Presses a button.
async fn press(app: &App, path: &str, form: &str) -> Answer {
    let anybody = anybody(app);
    let request = anybody.request(reqwest::Method::POST, path).body(form.to_string());
    anybody.send(request.header("content-type", "application/x-www-form-urlencoded")).await
}

async fn consent(app: &App, name: &str) -> Value {
    app.get(&format!("/v1/users/{name}/consent")).await.ok()
}

/// What was told of a user: name, topic and by which way.
async fn told(app: &App, name: &str) -> Vec<(String, Value, String)> {
    let events = app.items(&format!("/v1/users/{name}/events")).await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    events.iter().map(|e| (text(&e["name"]), e["attributes"]["topic"].clone(), text(&e["attributes"]["via"]))).collect()
}

async fn one_click_of_a_mail_program_is_enough(db: Database) {
    let app = start(&db, "base").await;
    let message = sent(&app, "ada", "news").await;
    let answer = press(&app, &link(&message, "u"), "List-Unsubscribe=One-Click").await;
    assert_eq!((answer.status, answer.headers.get("set-cookie")), (200, None));
    assert_eq!(told(&app, "ada").await, [("$unsubscribed".into(), json!("news"), "one_click".into())]);
    let event = app.items("/v1/users/ada/events").await.remove(0);
    for (field, value) in [("message", &message["id"]), ("campaign", &json!("news")), ("template", &json!("letter"))] {
        assert_eq!(&event["attributes"][field], value);
    }
    // Again is the same, and told once; so is the other way to send a form.
    let anybody = anybody(&app);
    let parts = "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n";
    let request = anybody.request(reqwest::Method::POST, &link(&message, "u")).body(parts);
    let again = anybody.send(request.header("content-type", "multipart/form-data; boundary=b")).await;
    assert_eq!((again.status, told(&app, "ada").await.len()), (200, 1));
    app.settle().await;
    assert_eq!(consent(&app, "ada").await["topics"][0], json!({ "id": "news", "name": "News", "wanted": false }));
    // Of a campaign about nothing in particular: from everything.
    let message = sent(&app, "bob", "plain").await;
    assert_eq!(press(&app, &link(&message, "u"), "List-Unsubscribe=One-Click").await.status, 200);
    assert_eq!(consent(&app, "bob").await["unsubscribed"], true);
    app.advance("1d").await;
    let messages = app.messages("bob").await;
    let last = messages.iter().rfind(|m| m["campaign"] == "plain").expect("a message");
    assert_eq!(last["reason"], "unsubscribed");
    app.advance("9d").await;
}

async fn to_open_a_page_changes_nothing(db: Database) {
    let app = start(&db, "base").await;
    let message = sent(&app, "ada", "news").await;
    let before = consent(&app, "ada").await;
    for kind in ["u", "p", "v"] {
        let page = anybody(&app).get(&link(&message, kind)).await;
        assert_eq!(page.status, 200);
        let header = |name: &str| page.headers[name].to_str().expect("text").to_string();
        assert_eq!(header("content-type"), "text/html; charset=utf-8");
        assert_eq!((header("cache-control"), header("referrer-policy")), ("no-store".into(), "no-referrer".into()));
        assert!(
            header("content-security-policy").starts_with("default-src 'none'")
                && header("x-robots-tag").starts_with("noindex")
        );
        assert!(!page.text().contains("<script"));
        let anybody = anybody(&app);
        let head = anybody.send(anybody.request(reqwest::Method::HEAD, &link(&message, kind))).await;
        assert_eq!((head.status, head.body.len()), (200, 0));
    }
    assert_eq!((consent(&app, "ada").await, told(&app, "ada").await.len()), (before, 0));
    app.advance("9d").await;
}

async fn a_page_asks_says_what_it_did_and_takes_it_back(db: Database) {
    let app = start(&db, "base").await;
    let message = sent(&app, "ada", "news").await;
    let path = link(&message, "u");
    let anybody = anybody(&app);
    let asked = anybody.get(&path).await.text();
    for words in [
        "<html lang=\"en\" dir=\"ltr\">",
        "no more of “News” from The Letters?",
        "name=\"all\"",
        "1 High Street, London",
    ] {
        assert!(asked.contains(words), "{words}: {asked}");
    }
    let german = anybody.request(reqwest::Method::GET, &path).header("accept-language", "de-AT, en;q=0.5");
    let german = anybody.send(german).await.text();
    assert!(german.contains("<html lang=\"de\"") && german.contains("„News“ von The Letters nicht mehr"), "{german}");
    let done = press(&app, &path, "unsubscribe=1").await.text();
    assert!(done.contains("You are unsubscribed") && done.contains("name=\"undo\""), "{done}");
    assert!(press(&app, &path, "undo=1").await.text().contains("You are subscribed again"));
    assert_eq!(consent(&app, "ada").await["topics"][0]["wanted"], true);
    assert!(press(&app, &path, "all=1").await.text().contains("name=\"undo-all\""));
    assert_eq!(consent(&app, "ada").await["unsubscribed"], true);
    press(&app, &path, "undo-all=1").await;
    let mut all: Vec<(String, Value)> =
        told(&app, "ada").await.into_iter().map(|(name, topic, _)| (name, topic)).collect();
    all.sort_by_key(|(name, topic)| (name.clone(), topic.to_string()));
    let expected = [
        ("$subscribed", json!("news")),
        ("$subscribed", json!(null)),
        ("$unsubscribed", json!("news")),
        ("$unsubscribed", json!(null)),
    ];
    assert_eq!(all, expected.map(|(name, topic)| (name.to_string(), topic)));
    app.advance("9d").await;
}

async fn a_reader_chooses_what_to_get(db: Database) {
    let app = start(&db, "base").await;
    let message = sent(&app, "ada", "news").await;
    let path = link(&message, "p");
    let checked = |page: &str, topic: &str| page.contains(&format!("value=\"{topic}\" checked"));
    let page = anybody(&app).get(&path).await.text();
    assert!(checked(&page, "news") && !checked(&page, "tips"), "what it is by itself: {page}");
    assert!(
        page.contains("a•••@x.example") && !page.contains("ada@x.example") && page.contains("What is new, every day.")
    );
    let page = press(&app, &path, "topic=tips&save=1").await.text();
    assert!(!checked(&page, "news") && checked(&page, "tips") && page.contains("role=\"status\""), "{page}");
    let page = press(&app, &path, "topic=tips&none=1").await.text();
    assert!(!checked(&page, "news") && !checked(&page, "tips"), "{page}");
    assert_eq!(consent(&app, "ada").await["unsubscribed"], true);
    // Whoever chooses something again is not unsubscribed any more.
    press(&app, &path, "topic=news&topic=nonsense&save=1").await;
    let now = consent(&app, "ada").await;
    assert_eq!(
        (&now["unsubscribed"], &now["topics"][0]["wanted"], &now["topics"][1]["wanted"]),
        (&json!(false), &json!(true), &json!(false))
    );
    press(&app, &path, "save=1").await;
    assert_eq!(consent(&app, "ada").await["unsubscribed"], true, "none of them is nothing at all");
    // Nothing to choose where nothing is sent.
    app.post("/v1/suppressions", json!({ "items": [{ "address": "ada@x.example", "blocked": "complaint" }] }))
        .await
        .ok();
    assert!(!anybody(&app).get(&path).await.text().contains("type=\"checkbox\""));
    app.advance("9d").await;
    // A project without topics has one question.
    app.push(plugins::letters("plain")).await;
    let message = sent(&app, "bob", "plain").await;
    assert!(anybody(&app).get(&link(&message, "p")).await.text().contains("name=\"unsubscribe\""));
    assert!(press(&app, &link(&message, "p"), "unsubscribe=1").await.text().contains("name=\"subscribe\""));
    assert_eq!(consent(&app, "bob").await["unsubscribed"], true);
    press(&app, &link(&message, "p"), "subscribe=1").await;
    assert_eq!(consent(&app, "bob").await["unsubscribed"], false);
    app.advance("9d").await;
}

/// Double opt-in: to open the link is not enough, and to press twice is told once.
async fn an_address_is_confirmed_once(db: Database) {
    let app = start(&db, "base").await;
    app.add("ada", json!({ "email": "ada@x.example" })).await;
    app.emit("ada", "order", json!({ "number": 7 })).await;
    app.settle().await;
    let message = app.message(app::of_template(&app.messages("ada").await, "receipt")[0]).await;
    let path = link(&message, "confirm");
    assert!(message["text"].as_str().unwrap().contains("/confirm/"), "{message}");
    let confirmed = async || {
        let events = app.items("/v1/users/ada/events").await;
        events.into_iter().filter(|event| event["name"] == "$confirmed").collect::<Vec<Value>>()
    };
    let asked = anybody(&app).get(&path).await;
    assert!(asked.status == 200 && asked.text().contains("ada@x.example"), "{}", asked.text());
    assert_eq!(confirmed().await, Vec::<Value>::new());
    for _ in 0..2 {
        let done = press(&app, &path, "confirm=").await;
        assert!(done.status == 200 && done.text().contains("Thank you"), "{}", done.text());
    }
    let told = confirmed().await;
    assert_eq!(told.len(), 1);
    let said = json!({ "message": message["id"], "template": "receipt", "transaction": "receipt" });
    assert_eq!(told[0]["attributes"], said);
    // A token for something else opens nothing.
    let other = path.replace("/confirm/", "/u/");
    assert!(!anybody(&app).get(&other).await.text().contains("ada@x.example"));
    app.delete("/v1/users/ada").await.ok();
    assert_eq!(press(&app, &path, "confirm=").await.status, 200);
    assert_eq!(db.count("SELECT COUNT(*) FROM events WHERE name = '$confirmed'").await, 0);
}

async fn an_email_is_shown_as_it_was_sent(db: Database) {
    let app = start(&db, "base").await;
    let message = sent(&app, "ada", "news").await;
    assert_eq!(message["rendered"], "as_sent");
    let text = message["text"].as_str().expect("text");
    assert!(text.contains("Unsubscribe (http://127.0.0.1:") && !text.contains("segflow:"), "{text}");
    let page = anybody(&app).get(&link(&message, "v")).await;
    assert_eq!(page.text(), message["html"].as_str().expect("HTML"));
    let policy = page.headers["content-security-policy"].to_str().expect("text").to_string();
    assert!(policy.contains("sandbox") && !policy.contains("allow-scripts"), "{policy}");
    // However the person has changed since.
    app.add("ada", json!({ "email": "other@x.example" })).await;
    assert!(anybody(&app).get(&link(&message, "v")).await.text().contains("To ada@x.example"));
    app.advance("9d").await;
}

async fn what_is_missing_at_the_end_of_an_email_is_added(db: Database) {
    let app = start(&db, "base").await;
    let message = sent(&app, "ada", "bare").await;
    let html = message["html"].as_str().expect("HTML");
    assert!(html.contains("Letters &amp; Co<br>1 High Street, London<br><a href=\"http"), "{html}");
    assert!(html.contains(">Abmelden</a>") && message["text"].as_str().unwrap().contains("Abmelden (http"));
    assert_eq!(press(&app, &link(&message, "u"), "").await.status, 200);
    assert_eq!(consent(&app, "ada").await["unsubscribed"], true);
    // Only the address, where there is a way out; and nothing in what a reader has caused.
    let letter = sent(&app, "bob", "plain").await["html"].to_string();
    assert_eq!((letter.matches("/u/").count(), letter.matches("1 High Street").count()), (1, 1));
    app.emit("bob", "order", json!({ "number": 7 })).await;
    app.settle().await;
    let messages = app.messages("bob").await;
    let receipt = app.message(app::of_template(&messages, "receipt")[0]).await;
    assert!(!receipt["html"].as_str().unwrap().contains("High Street"));
    app.advance("9d").await;
}

async fn nobody_can_make_a_link_up(db: Database) {
    let app = start(&db, "base").await;
    let message = sent(&app, "ada", "news").await;
    let path = link(&message, "u");
    let token = path.strip_prefix("/u/").expect("a token");
    let mut wrong = vec![
        "test".to_string(),
        "x".into(),
        token[1..].into(),
        format!("{token}A"),
        "%00".into(),
        "A".repeat(54),
        "A".repeat(5_000),
    ];
    // One letter is another, wherever it stands.
    for at in [0, 5, 7, 20, 40, 53] {
        let mut other = token.to_string();
        other.replace_range(at..=at, if &token[at..=at] == "A" { "B" } else { "A" });
        wrong.push(other);
    }
    for token in &wrong {
        for kind in ["u", "p", "v"] {
            let page = anybody(&app).get(&format!("/{kind}/{token}")).await;
            assert_eq!(page.status, 404, "{token}");
            assert!(page.headers["content-type"].to_str().unwrap().starts_with("text/html"));
        }
        assert_eq!(press(&app, &format!("/u/{token}"), "").await.status, 404);
    }
    // A token is for one thing.
    for (kind, of) in [("p", "u"), ("v", "u"), ("u", "p"), ("u", "v")] {
        let other = link(&message, of).replace(&format!("/{of}/"), &format!("/{kind}/"));
        assert_eq!(anybody(&app).get(&other).await.status, 404);
    }
    assert_eq!(consent(&app, "ada").await["topics"][0]["wanted"], true);
    assert!(anybody(&app).get("/u/test").await.text().contains("only a test"));
    app.advance("9d").await;
}

async fn keys_are_changed_without_breaking_a_link(db: Database) {
    let app = start(&db, "base").await;
    assert_eq!(app.items("/v1/link-keys").await, Vec::<Value>::new());
    let path = link(&sent(&app, "ada", "news").await, "u");
    let first = app.items("/v1/link-keys").await.remove(0);
    assert_eq!(first["signs"], true);
    app.delete(&format!("/v1/link-keys/{}", first["id"].as_str().unwrap())).await.problem(409, "conflict");
    let second = app.post("/v1/link-keys", json!({})).await.ok();
    let message = sent(&app, "bob", "news").await;
    let newer = link(&message, "u");
    assert_ne!(path[..9], newer[..9], "another key");
    let app = app.restart().await;
    for path in [&path, &newer] {
        assert_eq!(anybody(&app).get(path).await.status, 200);
    }
    let other = app.workspace("other").await;
    let revoke = format!("/v1/link-keys/{}", first["id"].as_str().unwrap());
    other.delete(&revoke).await.problem(404, "not_found");
    app.delete("/v1/link-keys/nonsense").await.problem(404, "not_found");
    assert_eq!(app.delete(&revoke).await.status, 204);
    assert_eq!((anybody(&app).get(&path).await.status, anybody(&app).get(&newer).await.status), (404, 200));
    let keys = app.items("/v1/link-keys").await;
    let ids: Vec<&Value> = keys.iter().map(|key| &key["id"]).collect();
    assert_eq!(ids, [&first["id"], &second["id"]]);
    assert!(!keys[0]["revoked_at"].is_null() && keys[1]["signs"] == json!(true));
    app.advance("9d").await;
}

async fn nothing_is_left_to_choose_for_the_erased(db: Database) {
    let app = start(&db, "base").await;
    let message = sent(&app, "ada", "news").await;
    assert_eq!(app.delete("/v1/users/ada").await.status, 204);
    for kind in ["u", "p"] {
        let page = anybody(&app).get(&link(&message, kind)).await;
        assert!(page.status == 200 && page.text().contains("Nothing is kept about you"), "{page:?}");
    }
    assert_eq!(press(&app, &link(&message, "u"), "List-Unsubscribe=One-Click").await.status, 200);
    assert_eq!(anybody(&app).get(&link(&message, "v")).await.status, 404);
    assert_eq!(app.items("/v1/suppressions").await, Vec::<Value>::new());
    assert_eq!(db.count("SELECT COUNT(*) FROM events").await, 0);
}

async fn unsubscribing_ends_and_pauses_flows_and_makes_a_segment(db: Database) {
    let app = start(&db, "base").await;
    sent(&app, "ada", "sulk").await;
    let message = sent(&app, "ada", "news").await;
    press(&app, &link(&message, "u"), "unsubscribe=1").await;
    app.settle().await;
    let status = |enrollments: &[Value], campaign: &str| {
        let of = enrollments.iter().find(|e| e["campaign"] == campaign).expect("an enrollment");
        (of["status"].as_str().unwrap().to_string(), of["reason"].as_str().unwrap_or_default().to_string())
    };
    let enrollments = app.enrollments("ada").await;
    assert_eq!(status(&enrollments, "news"), ("exited".into(), "$unsubscribed happened".into()));
    assert_eq!(status(&enrollments, "sulk"), ("paused".into(), "$unsubscribed happened".into()));
    assert!(app.segments("ada").await.contains(&"gone".to_string()));
    assert_eq!(status(&enrollments, "sorry").0, "active");
    // Another topic is no reason to leave this one.
    let message = sent(&app, "bob", "news").await;
    press(&app, &link(&message, "p"), "topic=news&topic=tips").await;
    press(&app, &link(&message, "p"), "topic=news").await;
    app.settle().await;
    assert_eq!(status(&app.enrollments("bob").await, "news").0, "active");
    app.advance("9d").await;
}

async fn an_application_has_its_own_settings_page(db: Database) {
    let app = start(&db, "base").await;
    sent(&app, "ada", "news").await;
    let topic = |id: &str, name: &str, wanted: bool| json!({ "id": id, "name": name, "wanted": wanted });
    let expected = json!({ "address": "ada@x.example", "blocked": null, "unsubscribed": false,
        "topics": [topic("news", "News", true), topic("tips", "Tips", false)] });
    assert_eq!(consent(&app, "ada").await, expected);
    let patch = json!({ "unsubscribed": true, "topics": { "tips": true } });
    let answer = app.patch("/v1/users/ada/consent", patch).await.ok();
    assert_eq!((&answer["unsubscribed"], &answer["topics"][1]["wanted"]), (&json!(true), &json!(true)));
    assert_eq!(consent(&app, "ada").await, answer);
    let all = told(&app, "ada").await;
    assert_eq!(all.iter().filter(|(_, _, via)| via == "api").count(), 2, "{all:?}");
    app.patch("/v1/users/eve/consent", json!({})).await.problem(404, "not_found");
    app.patch("/v1/users/ada/consent", json!({ "topics": { "nwes": true } })).await.problem(422, "unknown_topic");
    app.patch("/v1/users/ada/consent", json!({ "topics": { "news": "yes" } })).await.problem(422, "wrong_type");
    app.add("none", json!({ "does": "" })).await;
    app.get("/v1/users/none/consent").await.problem(422, "invalid_address");
    app.advance("9d").await;
}

async fn a_push_says_what_is_missing(db: Database) {
    let app = App::start(&db).await;
    let problem = app.deploy("", plugins::letters("bad")).await.problem(422, "invalid_project");
    for word in ["ftp://x", "`nobody` is not an email address", "the postal address is empty"] {
        assert!(problem["problems"].to_string().contains(word), "{problem}");
    }
    let plan = app.push(plugins::letters("plain")).await;
    let warnings: Vec<&str> = plan["warnings"].as_array().unwrap().iter().map(|w| w.as_str().unwrap()).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].starts_with("emails `bare`, `private`, `receipt` without a link to unsubscribe"),
        "{warnings:?}"
    );
    let plan = app.push(plugins::letters("base")).await;
    assert_eq!(plan["warnings"], json!([]), "what is missing is added");
    drop(app);
    let fresh = Database::create(db.kind()).await;
    let app = App::with(&fresh, segflow_server::Config { public_url: None, ..app::production(&fresh) }).await;
    let plan = app.push(plugins::letters("base")).await;
    assert!(plan["warnings"][0].as_str().unwrap().contains("SEGFLOW_PUBLIC_URL"), "{plan}");
}
