//! Who looks at an email and follows its links, counted by the server itself.

use std::collections::BTreeMap;

use segflow_server::Config;

use crate::harness::app::dev;
use crate::harness::vendors::{Fake, endpoint};
use crate::harness::*;

both![
    links_lead_over_the_server_to_where_they_were_written_to,
    what_is_done_with_a_message_reaches_its_flow,
    what_programs_do_is_kept_and_tells_nobody,
    nobody_can_make_a_link_lead_elsewhere,
    what_only_one_person_was_sent_goes_with_them,
    a_message_that_is_opened_without_end_costs_little,
];

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// A server with a virtual clock whose mail goes to a fake, since nothing else sees it as it leaves.
async fn start(db: &Database) -> (App, Fake) {
    let fake = Fake::start(endpoint::vendor).await;
    let secrets = [("VENDOR_URL", format!("{}/send", fake.url)), ("MAIL_TOKEN", endpoint::TOKEN.to_string())];
    let secrets: BTreeMap<String, String> = secrets.map(|(name, value)| (name.to_string(), value)).into();
    let app = App::with(db, Config { secrets, dev_sends: true, ..dev(db) }).await;
    app.push(plugins::letters("counted")).await;
    (app, fake)
}

async fn add(app: &App, name: &str) {
    app.add(name, json!({ "email": format!("{name}@x.example"), "does": "watched" })).await;
    app.settle().await;
}

/// The HTML of the message of a template to a user, as it left.
fn html(fake: &Fake, name: &str, template: &str) -> String {
    let to = format!("{name}@x.example");
    let all = fake.taken();
    let mine = all.iter().find(|taken| taken.to == to && taken.body["template"] == template).expect("it was sent");
    mine.body["html"].as_str().expect("HTML").to_string()
}

/// Where its addresses of a kind lead, from the server on, in their order.
fn addresses(html: &str, kind: &str) -> Vec<String> {
    let mark = format!("/{kind}/");
    let all = html.split('"').filter(|part| part.starts_with("http://127.0.0.1") && part.contains(&mark));
    all.map(|address| address[address.find(&mark).expect("the mark")..].to_string()).collect()
}

async fn get(app: &App, path: &str, agent: &str) -> (u16, Option<String>) {
    visit(app, reqwest::Method::GET, path, agent).await
}

/// The status, and where it leads.
async fn visit(app: &App, method: reqwest::Method, path: &str, agent: &str) -> (u16, Option<String>) {
    // One that follows nothing.
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).redirect(reqwest::redirect::Policy::none());
    let request = http.build().expect("a client").request(method, format!("{}{path}", app.base));
    let answer = request.header("user-agent", agent).send().await.expect("an answer");
    let location = answer.headers().get("location").map(|value| value.to_str().expect("text").to_string());
    (answer.status().as_u16(), location)
}

async fn told(app: &App, name: &str) -> Vec<String> {
    let events = app.items(&format!("/v1/users/{name}/events")).await;
    let mut names: Vec<String> = events.iter().map(|event| event["name"].as_str().expect("a name").into()).collect();
    names.sort();
    names
}

async fn offer(app: &App, name: &str) -> Value {
    let messages = app.messages(name).await;
    app.message(messages.iter().find(|m| m["template"] == "offer").expect("an offer")).await
}

async fn links_lead_over_the_server_to_where_they_were_written_to(db: Database) {
    let (app, fake) = start(&db).await;
    add(&app, "ada").await;
    let html = html(&fake, "ada", "offer");
    let links = addresses(&html, "c");
    assert_eq!((links.len(), addresses(&html, "o").len()), (2, 1), "{html}");
    assert!(!html.contains("shop.example/offer") && html.contains("mailto:shop@shop.example"), "{html}");
    assert_eq!(addresses(&html, "u").len(), 1, "the way out is its own: {html}");
    app.advance("1m").await;
    let leads = get(&app, &links[0], FIREFOX).await;
    assert_eq!(leads, (302, Some("https://shop.example/offer?a=1&b=2".into())));
    app.advance("1m").await;
    let leads = get(&app, &links[1], FIREFOX).await;
    assert_eq!(leads, (302, Some("https://shop.example/for/ada@x.example".into())));
    let point = Client::new(app.base.clone(), "").get(&addresses(&html, "o")[0]).await;
    assert_eq!((point.status, point.headers["content-type"].to_str().unwrap()), (200, "image/gif"));
    assert_eq!(point.headers["cache-control"], "no-store, private");
    // The text, and what the API shows, have them as they were written.
    let sent = fake.taken().into_iter().find(|taken| taken.body["template"] == "offer").expect("it was sent");
    assert!(sent.body["text"].as_str().unwrap().contains("https://shop.example/offer"));
    let shown = offer(&app, "ada").await;
    assert!(shown["html"].as_str().unwrap().contains("https://shop.example/offer?a=1&amp;b=2"), "{shown}");
    assert_eq!(shown["rendered"], "as_sent");
    // And of an email that says so nothing is counted.
    app.advance("4d").await;
    let private = self::html(&fake, "ada", "private");
    assert!(private.contains("https://shop.example/private") && addresses(&private, "o").is_empty(), "{private}");
}

async fn what_is_done_with_a_message_reaches_its_flow(db: Database) {
    let (app, fake) = start(&db).await;
    for name in ["ada", "bob", "eve"] {
        add(&app, name).await;
    }
    app.advance("1h").await;
    // Ada looks and follows, bob looks, eve looks at something else.
    for name in ["ada", "bob"] {
        get(&app, &addresses(&html(&fake, name, "offer"), "o")[0], FIREFOX).await;
    }
    get(&app, &addresses(&html(&fake, "eve", "letter"), "o")[0], FIREFOX).await;
    app.advance("1h").await;
    let links = addresses(&html(&fake, "ada", "offer"), "c");
    get(&app, &links[1], FIREFOX).await;
    app.advance("1h").await;
    get(&app, &links[0], FIREFOX).await;
    get(&app, &links[0], FIREFOX).await;
    assert_eq!(told(&app, "ada").await, ["$clicked", "$clicked", "$opened"], "each link once");
    assert_eq!(told(&app, "eve").await, ["$opened"]);
    assert!(app.segments("bob").await.contains(&"readers".to_string()));
    assert!(!app.segments("eve").await.contains(&"readers".to_string()));
    app.advance("4d").await;
    for (name, line) in [
        ("ada", "opened true, clicked true"),
        ("bob", "opened true, clicked false"),
        ("eve", "opened false, clicked false"),
    ] {
        let last = app.messages(name).await.into_iter().rfind(|m| m["template"] == "letter").expect("a letter");
        assert_eq!(app.message(&last).await["subject"], line, "{name}");
    }
    let event = app.items("/v1/users/bob/events").await.remove(0);
    let message = offer(&app, "bob").await;
    assert_eq!(
        (&event["attributes"]["message"], &event["attributes"]["campaign"]),
        (&message["id"], &json!("watched"))
    );
    // Whoever looks at a message has got it.
    assert_eq!(message["status"], "delivered");
    // Each message counts once, whatever is done with it.
    assert_eq!((&message["opened_at"], &message["clicked_at"]), (&json!("2026-01-01T10:00:00Z"), &Value::Null));
    assert_eq!(offer(&app, "ada").await["clicked_at"], "2026-01-01T11:00:00Z");
    let came = json!({ "sent": 12, "opened": 3, "clicked": 1, "converted": 0, "conversions": 0, "value": 0.0 });
    assert_eq!(app.get("/v1/campaigns/watched").await.ok()["results"], came);
}

async fn what_programs_do_is_kept_and_tells_nobody(db: Database) {
    let (app, fake) = start(&db).await;
    add(&app, "ada").await;
    let html = html(&fake, "ada", "offer");
    let (point, links) = (addresses(&html, "o").remove(0), addresses(&html, "c"));
    // At once, as what looks through mail does.
    assert_eq!(get(&app, &links[0], FIREFOX).await.0, 302);
    app.advance("1m").await;
    assert_eq!(visit(&app, reqwest::Method::HEAD, &links[0], FIREFOX).await.0, 302);
    get(&app, &links[0], "Mozilla/5.0 (compatible; bingbot/2.0)").await;
    get(&app, &point, "Mozilla/5.0").await;
    get(&app, &point, "").await;
    assert_eq!(told(&app, "ada").await, [""; 0]);
    let kinds = |message: &Value| -> Vec<String> {
        let mut kinds: Vec<String> = message["outcomes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|o| format!("{} {}", o["outcome"], o["kind"]).replace('"', ""))
            .collect();
        kinds.sort();
        kinds
    };
    let expected = ["clicked robot", "clicked robot", "opened prefetch", "opened robot"];
    assert_eq!(kinds(&offer(&app, "ada").await), expected);
    // A person, and then everything at once: the first one counts.
    app.advance("1h").await;
    get(&app, &links[0], FIREFOX).await;
    get(&app, &links[1], FIREFOX).await;
    assert_eq!(told(&app, "ada").await, ["$clicked"]);
    app.advance("4d").await;
}

async fn nobody_can_make_a_link_lead_elsewhere(db: Database) {
    let (app, fake) = start(&db).await;
    add(&app, "ada").await;
    let html = html(&fake, "ada", "offer");
    let (point, link) = (addresses(&html, "o").remove(0), addresses(&html, "c").remove(0));
    app.advance("1h").await;
    let anybody = Client::new(app.base.clone(), "");
    let token = link.rsplit('/').next().unwrap();
    let swapped = format!("{}{}", if token.starts_with('A') { "B" } else { "A" }, &token[1..]);
    let tail = format!("{}{}", &token[..token.len() - 1], if token.ends_with('A') { "B" } else { "A" });
    for path in [
        format!("/c/{swapped}"),
        format!("/c/{tail}"),
        format!("/c/{token}A"),
        format!("/c/{token}?to=https://evil.example"),
        "/c/https:%2F%2Fevil.example".into(),
        "/c/test".into(),
        point.replacen("/o/", "/c/", 1),
        link.replacen("/c/", "/u/", 1),
    ] {
        let (status, location) = get(&app, &path, FIREFOX).await;
        if path.contains("?to=") {
            assert_eq!(location.as_deref(), Some("https://shop.example/offer?a=1&b=2"), "{path}");
        } else {
            assert_eq!((status, location), (404, None), "{path}");
        }
    }
    // A picture is a picture, whoever asks for whatever.
    for path in ["/o/test".to_string(), "/o/é".into(), link.replacen("/c/", "/o/", 1)] {
        assert_eq!(anybody.get(&path).await.status, 200, "{path}");
    }
    assert_eq!(told(&app, "ada").await, ["$clicked"], "by the one that was a link");
    // With the key that has signed it, every link ends.
    let keys = app.get("/v1/link-keys").await.ok();
    assert_eq!(keys["items"].as_array().map(Vec::len), Some(1), "of many first emails at once");
    app.post("/v1/link-keys", json!({})).await.ok();
    let id = keys["items"][0]["id"].as_str().map_or_else(|| keys["items"][0]["id"].to_string(), String::from);
    assert!(app.delete(&format!("/v1/link-keys/{id}")).await.status < 300);
    until("the key is forgotten", || async { (get(&app, &link, FIREFOX).await.0 == 404).then_some(()) }).await;
    app.advance("4d").await;
}

async fn what_only_one_person_was_sent_goes_with_them(db: Database) {
    let (app, fake) = start(&db).await;
    for name in ["ada", "bob"] {
        add(&app, name).await;
    }
    let (ada, bob) = (html(&fake, "ada", "offer"), html(&fake, "bob", "offer"));
    assert_eq!(db.count("SELECT COUNT(*) FROM tracked_links").await, 3, "one that both have, and one of each");
    app.advance("1h").await;
    assert_eq!(app.delete("/v1/users/ada").await.status, 204);
    assert_eq!(db.count("SELECT COUNT(*) FROM tracked_links WHERE address LIKE '%ada%'").await, 0);
    let leads = async |path: String| get(&app, &path, FIREFOX).await;
    let of = |html: &str, at: usize| addresses(html, "c")[at].clone();
    assert_eq!(leads(of(&ada, 0)).await.0, 302, "what everybody has leads there still");
    assert_eq!(leads(of(&ada, 1)).await.0, 404);
    assert_eq!(leads(of(&bob, 1)).await, (302, Some("https://shop.example/for/bob@x.example".into())));
    // The first one of a link of many was erased, and others are sent it all the same.
    add(&app, "eve").await;
    app.advance("1h").await;
    assert_eq!(leads(of(&html(&fake, "eve", "offer"), 0)).await.0, 302);
    app.advance("4d").await;
}

async fn a_message_that_is_opened_without_end_costs_little(db: Database) {
    let (app, fake) = start(&db).await;
    add(&app, "ada").await;
    let point = addresses(&html(&fake, "ada", "offer"), "o").remove(0);
    app.advance("1m").await;
    for _ in 0..20 {
        app.advance("1s").await;
        get(&app, &point, FIREFOX).await;
    }
    assert_eq!(told(&app, "ada").await, ["$opened"]);
    assert_eq!(offer(&app, "ada").await["outcomes"].as_array().unwrap().len(), 20);
    app.advance("4d").await;
}
