//! The `segflow` program with a real server.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use crate::harness::program::{Process, Segflow};
use crate::harness::*;

both![
    verbs_reach_the_server,
    messages_and_why_they_are_where_they_are,
    a_push_shows_its_plan_and_applies_it,
    login_remembers_a_server,
    sending_is_held_and_released,
];

fn test<F: Future<Output = ()>>(test: F) {
    alone(test);
}

async fn verbs_reach_the_server(db: Database) {
    let app = App::storefront(&db).await;
    let segflow = Segflow::to(&app);
    let added = segflow
        .run(&["add", "ada", "username=Ada", "email=ada@shop.example", "zip=01234", "name=", "a.b=1", "ok=true"])
        .await
        .ok();
    assert!(added.stdout.contains("ada"), "{added:?}");
    assert!(
        added.stderr.contains(&app.base) && added.stderr.contains("main"),
        "it says where it changes something: {added:?}"
    );
    // Seen in a predecessor: `add` failed the second time; `zip=01234` became a number.
    segflow.run(&["add", "ada", "-j", r#"{"winback": true}"#]).await.ok();
    let attributes = json!({"username": "Ada", "email": "ada@shop.example", "zip": "01234", "name": "", "a": {"b": 1}, "ok": true, "winback": true});
    assert_eq!(app.get("/v1/users/ada").await.ok()["attributes"], attributes);
    segflow.run(&["update", "ada", "winback=false", "zip=null"]).await.ok();
    assert_eq!(app.get("/v1/users/ada").await.ok()["attributes"].get("zip"), None);
    let refused = segflow.run(&["update", "nobody", "a=1"]).await;
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    assert!(refused.stderr.contains("nobody"), "{refused:?}");
    app.get("/v1/users/nobody").await.problem(404, "not_found");

    for _ in 0..2 {
        segflow.run(&["emit", "purchase", "ada", "value=99", "order_id=A-1", "--id", "order-A-1"]).await.ok();
    }
    let document = segflow.run(&["--json", "emit", "login", "o'brien/ü"]).await.ok().stdout;
    let id = serde_json::from_str::<Value>(&document).expect("one JSON document")["id"].clone();
    assert_eq!(app.items("/v1/users/o%27brien%2F%C3%BC/events").await[0]["id"], id);
    assert_eq!(app.items("/v1/users/ada/events").await.len(), 1);

    let now = segflow.run(&["clock"]).await.ok().stdout;
    assert_eq!(now.trim(), START);
    let now = segflow.run(&["clock", "advance", "3d 2h"]).await.ok().stdout;
    assert_eq!(now.trim(), "2026-01-04T11:00:00Z");
    let wrong = segflow.run(&["clock", "advance", "-3d"]).await;
    assert_ne!(wrong.code, 0, "{wrong:?}");
    assert_eq!(app.get("/v1/dev/clock").await.ok()["now"], "2026-01-04T11:00:00Z");

    let key = segflow.run(&["keys", "create", "shop"]).await.ok().stdout;
    let shop = app.with_key(key.trim());
    let id = shop.get("/v1/me").await.ok()["key"]["id"].as_str().unwrap().to_string();
    assert!(segflow.run(&["keys", "list"]).await.ok().stdout.contains(&id));
    segflow.run(&["keys", "revoke", &id]).await.ok();
    shop.get("/v1/me").await.problem(401, "wrong_key");
    let refused = Segflow::to(&shop).run(&["add", "eve"]).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    app.get("/v1/users/eve").await.problem(404, "not_found");
}

async fn messages_and_why_they_are_where_they_are(db: Database) {
    let app = App::storefront(&db).await;
    let segflow = Segflow::to(&app);
    assert!(segflow.run(&["messages"]).await.ok().stdout.contains("no messages"));
    for (user, hours) in [("ada", "1h"), ("bob", "1h"), ("eve", "0s")] {
        app.add(user, json!({ "username": user, "email": format!("{user}@shop.example") })).await;
        app.settle().await;
        app.advance(hours).await;
    }
    let users = |table: &str| -> Vec<String> {
        table.lines().filter_map(|line| line.split_whitespace().nth(2)).map(str::to_string).collect()
    };
    let all = segflow.run(&["messages"]).await.ok().stdout;
    assert_eq!(users(&all), ["USER", "ada", "bob", "eve"], "{all}");
    assert!(all.contains("Welcome to Segflow, ada!"), "{all}");
    let newest = segflow.run(&["messages", "--limit", "2"]).await.ok();
    assert_eq!(users(&newest.stdout), ["USER", "bob", "eve"], "{newest:?}");
    assert!(newest.stderr.contains("--limit"), "{newest:?}");
    let filtered =
        segflow.run(&["messages", "--user", "bob", "--status", "sent", "--campaign", "welcome-campaign"]).await.ok();
    assert_eq!(users(&filtered.stdout), ["USER", "bob"], "{filtered:?}");
    let document = segflow.run(&["--json", "messages", "--user", "ada"]).await.ok().stdout;
    let id = serde_json::from_str::<Value>(&document).expect("one JSON document")["items"][0]["id"].clone();
    let id = id.as_str().expect("an id");
    let one = segflow.run(&["messages", id]).await.ok().stdout;
    assert!(one.starts_with("sent: welcome-email to ada, campaign welcome-campaign\n"), "{one}");
    assert!(one.contains("try 1 by captured: accepted"), "{one}");
    let text = segflow.run(&["messages", id, "--text"]).await.ok().stdout;
    assert_eq!(text.trim(), app.get(&format!("/v1/messages/{id}")).await.ok()["text"].as_str().expect("a text").trim());
    for (wrong, code, says) in [
        (&["messages", "msg_nothing"][..], 1, "msg_nothing"),
        (&["messages", "--status", "lost"], 1, "is not one of"),
        (&["messages", "--limit", "0"], 2, "1..=1000"),
        (&["messages", "--html"], 2, "<ID>"),
    ] {
        let answer = segflow.run(wrong).await;
        assert_eq!((answer.code, answer.stderr.contains(says)), (code, true), "{answer:?}");
    }
    app.get("/v1/messages?order=sideways").await.problem(400, "bad_parameter");
    // Page by page, backwards.
    let (mut after, mut seen) = (String::new(), vec![]);
    loop {
        let page = app.get(&format!("/v1/messages?order=newest&limit=1{after}")).await.ok();
        seen.extend(page["items"].as_array().into_iter().flatten().map(|message| message["user_id"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(seen, ["eve", "bob", "ada"]);
}

async fn sending_is_held_and_released(db: Database) {
    let app = App::start(&db).await;
    app.push(plugins::letters("base")).await;
    let segflow = Segflow::to(&app);
    assert_eq!(segflow.run(&["hold", "status"]).await.ok().stdout.trim(), "sending goes on; 0 messages to be sent");
    let held = segflow.run(&["hold", "--reason", "wrong prices"]).await.ok();
    let line = format!("sending is held since {START} by test: wrong prices; 0 messages waiting");
    assert_eq!(held.stdout.trim(), line);
    assert!(held.stderr.contains(&app.base) && held.stderr.contains("main"), "{held:?}");
    app.add("ada", json!({ "email": "ada@x.example", "does": "plain" })).await;
    app.settle().await;
    let status = segflow.run(&["--json", "hold", "status"]).await.ok().stdout;
    assert_eq!(serde_json::from_str::<Value>(&status).expect("one JSON document")["waiting"], 1);
    let released = segflow.run(&["release", "--drop"]).await.ok().stdout;
    assert_eq!(released, "sending goes on; 1 message cancelled\n");
    let refused = segflow.run(&["release", "--drop"]).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("not held"), "{refused:?}");
    let released = segflow.run(&["release"]).await.ok().stdout;
    assert_eq!(released, "sending goes on; 0 messages sent now\n");

    let set = segflow.run(&["allow-list", "set", "@team.example", "ada@x.example"]).await.ok();
    assert_eq!(set.stdout, "@team.example\nada@x.example\n");
    let refused = segflow.run(&["allow-list", "set", "team.example"]).await;
    assert!(refused.code == 1 && refused.stderr.contains("`team.example`"), "{refused:?}");
    assert_eq!(segflow.run(&["allow-list"]).await.ok().stdout, set.stdout);
    segflow.run(&["allow-list", "clear"]).await.ok();
    assert_eq!(segflow.run(&["allow-list"]).await.ok().stdout, "");
    app.advance("9d").await;
}

#[test]
fn a_server_can_be_started_with_all_sending_held() {
    test(async {
        let mut segflow = Segflow::new();
        let serve = ["serve", "--db", "sqlite://segflow.db", "--port", "0", "--init-key", "--hold"];
        let server = Process::start(segflow.command(serve)).await;
        segflow.set("SEGFLOW_URL", &server.url);
        segflow.set("SEGFLOW_API_KEY", &server.key);
        let status = segflow.run(&["hold", "status"]).await.ok().stdout;
        assert!(
            status.starts_with("sending is held since ") && status.contains(": the server was started with --hold; ")
        );
        segflow.run(&["release"]).await.ok();
        let ended = server.stop().await.ok();
        assert!(ended.stderr.contains("segflow release"), "it says so in its log: {ended:?}");
    });
}

/// A copy of the storefront that may be changed, outside of any workspace; it uses the SDK of this clone. Always in the same place, so
/// that what it is built from is compiled once; locked as long as the file lives.
fn copy_storefront() -> (PathBuf, File) {
    let (from, to) = (plugins::root().join("examples/storefront"), plugins::target().join("tmp/shop"));
    let lock = File::create(plugins::target().join("tmp/shop.lock")).expect("a lock file");
    lock.lock().expect("the lock");
    std::fs::create_dir_all(to.join("src")).expect("a folder");
    for entry in std::fs::read_dir(from.join("src")).expect("a folder") {
        let entry = entry.expect("an entry");
        std::fs::copy(entry.path(), to.join("src").join(entry.file_name())).expect("copied");
    }
    // The theme of its emails is the last thing in its manifest.
    let manifest = std::fs::read_to_string(from.join("Cargo.toml")).expect("a manifest");
    let theme = manifest.find("[package.metadata.segflow.theme]").map_or("", |at| &manifest[at..]);
    let sdk = plugins::root().join("segflow-sdk");
    let manifest = format!(
        "[package]\nname = \"storefront-copy\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[lib]\ncrate-type = [\"cdylib\", \"rlib\"]\n\n\
         [dependencies]\nsegflow = {{ package = \"segflow-sdk\", path = {sdk:?} }}\nserde = {{ version = \"1\", features = [\"derive\"] }}\n\n[workspace]\n\n{theme}"
    );
    std::fs::write(to.join("Cargo.toml"), manifest).expect("written");
    std::fs::copy(plugins::root().join("Cargo.lock"), to.join("Cargo.lock")).expect("copied");
    (to, lock)
}

async fn a_push_shows_its_plan_and_applies_it(db: Database) {
    let app = App::start(&db).await;
    app.add("ada", json!({ "username": "Ada", "email": "ada@shop.example", "winback": true })).await;
    let segflow = Segflow::to(&app);
    let project = plugins::root().join("examples/storefront").display().to_string();
    let dry = segflow.run(&["push", &project, "--dry-run", "--exit-code"]).await;
    assert_eq!(dry.code, 3, "{dry:?}");
    let words: Vec<String> =
        dry.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for line in ["+ campaign winback-campaign 1 enter", "+ segment big-spenders 0 users", "Now: 2 enter, 0 leave."] {
        assert!(words.iter().any(|words| words == line), "{line} is not in {}", dry.stdout);
    }
    let wide = dry.stdout.lines().find(|line| line.chars().count() > 80);
    assert_eq!(wide, None, "a plan fits 80 columns");
    assert_eq!(app.items("/v1/deployments").await.len(), 0);
    let silent = segflow.run(&["push", &project]).await;
    assert_eq!(silent.code, 2, "nobody can answer: {silent:?}");
    assert!(silent.stderr.contains("--yes"), "{silent:?}");
    let applied = segflow.run(&["push", &project, "--yes"]).await.ok();
    assert!(applied.stdout.contains("Applied") && applied.stdout.contains("generation 1"), "{applied:?}");
    app.settle().await;
    assert_eq!(app.messages("ada").await.len(), 2);
    let again = segflow.run(&["push", &project, "--yes", "--exit-code"]).await.ok();
    assert!(again.stderr.contains("Nothing to push."), "{again:?}");
    let document = segflow.run(&["--json", "push", &project, "--dry-run"]).await.ok().stdout;
    assert_eq!(serde_json::from_str::<Value>(&document).expect("one JSON document")["changed"], false);
}

async fn login_remembers_a_server(db: Database) {
    let app = App::start(&db).await;
    let segflow = Segflow::new();
    let lost = segflow.run(&["add", "ada"]).await;
    assert_eq!((lost.code, lost.stdout.as_str()), (1, ""));
    assert!(lost.stderr.contains("segflow login"), "{lost:?}");
    let wrong = segflow.run_with_input(&["login", &app.base], "sk_wrong\n").await;
    assert_eq!(wrong.code, 1, "{wrong:?}");
    let path = segflow.home.path().join(".segflow/credentials.json");
    assert!(!path.exists());
    segflow.run_with_input(&["login", &app.base], &format!("{}\n", app.key)).await.ok();
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(&path).expect("kept")).expect("JSON");
    assert_eq!((&kept["url"], &kept["api_key"]), (&json!(app.base), &json!(app.key)));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).expect("kept").permissions().mode() & 0o777, 0o600);
    }
    segflow.run(&["add", "ada", "a=1"]).await.ok();

    // .env goes before that, the environment before both.
    let (second, third) = (app.workspace("second").await, app.workspace("third").await);
    std::fs::write(
        segflow.home.path().join(".env"),
        format!("SEGFLOW_URL={}\nSEGFLOW_API_KEY={}\n", second.base, second.key),
    )
    .expect("written");
    segflow.run(&["add", "bob"]).await.ok();
    let mut environment = segflow;
    environment.set("SEGFLOW_URL", &third.base);
    environment.set("SEGFLOW_API_KEY", &third.key);
    environment.run(&["add", "cleo"]).await.ok();
    for (client, user) in [(&*app, "ada"), (&second, "bob"), (&third, "cleo")] {
        let users = client.items("/v1/users").await;
        assert_eq!((users.len(), &users[0]["id"]), (1, &json!(user)));
    }
    app.settle().await;
}

/// What anybody can work out from the file alone: when each of the users is sent what.
fn derived(traffic: &str) -> Vec<(String, String, String, String)> {
    let lines: Vec<Value> = traffic.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let last = ms(lines.last().expect("a line")["at"].as_str().unwrap());
    let mut users: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for line in &lines {
        users.entry(line["user"].as_str().unwrap()).or_default().push(line);
    }
    let mut sent: Vec<(i64, &str, &str, String)> = vec![];
    for (user, facts) in users {
        let at = |fact: &Value| ms(fact["at"].as_str().unwrap());
        let name = facts.iter().find_map(|f| f["attributes"]["username"].as_str()).expect("a name");
        sent.push((at(facts[0]), user, "welcome-email", format!("Welcome to Segflow, {name}!")));
        let begins = facts.iter().find(|f| f["attributes"]["winback"] == true).map(|f| at(f));
        let ends = facts.iter().find(|f| f["attributes"]["winback"] == false).map_or(last, |f| at(f) - 1);
        for n in 0..8 {
            if let Some(when) = begins.map(|begins| begins + ((1 << n) - 1) * DAY).filter(|when| *when <= ends) {
                sent.push((when, user, "winback-email", format!("We miss you, {name}!")));
            }
        }
        let (mut spent, mut vip) = (0.0, None);
        for purchase in facts.iter().filter(|f| f["event"] == "purchase") {
            sent.push((at(purchase), user, "order-confirmed", format!("Order Confirmed, {name}!")));
            spent += purchase["attributes"]["value"].as_f64().unwrap();
            if spent > 1_000.0 && vip.is_none() {
                vip = Some(at(purchase));
            }
        }
        let vips = vip.into_iter().flat_map(|at| (0..).map(move |n| at + 30 * n * DAY)).take_while(|at| *at <= last);
        sent.extend(vips.map(|at| (at, user, "vip-email", format!("You're one of our VIP customers, {name}!"))));
    }
    sent.sort();
    let time = |ms: i64| jiff::Timestamp::from_millisecond(ms).unwrap().strftime("%m-%d %H:%M").to_string();
    sent.into_iter().map(|(at, user, template, subject)| (time(at), user.into(), template.into(), subject)).collect()
}

/// The README's first command: the example's traffic, played, ends with the table that follows from the file.
#[test]
fn dev_plays_the_traffic_and_shows_what_follows_from_it() {
    test(async {
        let segflow = Segflow::new();
        let project = plugins::root().join("examples/storefront");
        let traffic = project.join("traffic.jsonl");
        let db = format!("sqlite://{}", segflow.home.path().join("dev.db").display());
        let (project, file) = (project.display().to_string(), traffic.display().to_string());
        let played = segflow
            .run(&["dev", &project, "--port", "0", "--db", &db, "--virtual-clock", "--play", &file, "--once"])
            .await
            .ok();
        let (ready, table) = played.stdout.split_once('\n').expect("lines");
        assert!(ready.starts_with("ready http://127.0.0.1:") && ready.contains(" key=sk_"), "{ready}");
        let expected = derived(&std::fs::read_to_string(traffic).expect("the traffic"));
        let rows: Vec<&str> = table.lines().filter(|line| line.contains("  sent  ")).collect();
        assert_eq!(rows.len(), expected.len(), "{table}");
        for (row, (at, user, template, subject)) in rows.iter().zip(&expected) {
            let cells: Vec<&str> = row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
            let shown = (cells[0], cells[1], cells[3], *cells.last().unwrap());
            assert_eq!(shown, (at.as_str(), user.as_str(), template.as_str(), subject.as_str()), "{table}");
        }
        assert!(table.ends_with(&format!("{} messages\n", expected.len())), "{table}");
        assert!(!played.stdout.contains('\u{1b}') && !played.stderr.contains('\u{1b}'), "no colour without a terminal");
    });
}

/// `segflow dev` serves, finds a change, pushes it; the other commands find it by themselves.
#[test]
fn dev_pushes_again_when_something_is_saved() {
    test(async {
        let segflow = Segflow::new();
        let (shop, _lock) = copy_storefront();
        let dir = shop.display().to_string();
        let process = Process::start(segflow.command(["dev", &dir, "--port", "0", "--virtual-clock", "--fresh"])).await;
        segflow.run_in(&shop, &["add", "ada", "username=Ada", "email=ada@shop.example", "winback=true"]).await.ok();
        let client = process.client();
        client.advance("1h").await;
        assert_eq!(client.messages("ada").await.len(), 2);
        let path = shop.join("src/emails.rs");
        let text = std::fs::read_to_string(&path).expect("the emails").replace("We miss you", "We still miss you");
        std::fs::write(&path, text).expect("saved");
        until("it is pushed again", || async { (client.items("/v1/deployments").await.len() == 2).then_some(()) })
            .await;
        segflow.run_in(&shop, &["clock", "advance", "1d"]).await.ok();
        let second = client.items("/v1/messages?campaign=winback-campaign").await;
        assert_eq!(client.message(&second[1]).await["subject"], "We still miss you, Ada!");
        assert_eq!(client.message(&second[0]).await["subject"], "We miss you, Ada!");
        let ended = process.stop().await;
        assert_eq!((ended.code, ended.stdout.as_str()), (0, ""), "{ended:?}");
        let lost = segflow.run_in(&shop, &["clock"]).await;
        assert_eq!(lost.code, 1, "the server is gone: {lost:?}");
    });
}

/// Whatever is wrong with how a server is started: one clear message and an exit code.
#[test]
fn serve_says_what_is_wrong() {
    test(async {
        let segflow = Segflow::new();
        let none = segflow.run(&["serve"]).await;
        assert_eq!(none.code, 2, "{none:?}");
        assert!(none.stderr.contains("DATABASE_URL"), "{none:?}");
        for (url, word) in [("postgres://x/y", "postgres"), ("mysql://root@127.0.0.1:1/none", "database")] {
            let ended = segflow.run(&["serve", "--port", "0", "--db", url]).await;
            assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{ended:?}");
            assert!(ended.stderr.contains(word), "{ended:?}");
        }
        let config = segflow.home.path().join("segflow.toml");
        std::fs::write(&config, "db = \"sqlite://from-file.db\"\nport = 0\n").expect("written");
        let process = Process::start(segflow.command(["serve", "--config", "segflow.toml", "--init-key"])).await;
        process.client().add("ada", json!({})).await;
        assert_eq!(process.stop().await.code, 0);
        assert!(segflow.home.path().join("from-file.db").exists());
        std::fs::write(&config, "prot = 5\n").expect("written");
        let wrong = segflow.run(&["serve", "--config", "segflow.toml"]).await;
        assert_ne!(wrong.code, 0);
        assert!(wrong.stderr.contains("prot"), "{wrong:?}");
    });
}
