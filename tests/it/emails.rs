//! Emails before anybody gets them: checked, shown, tried; and what a push says of changed ones.

use crate::harness::program::{Process, Segflow};
use crate::harness::smtp::{Act, At, Smtp};
use crate::harness::*;

both![
    a_test_goes_out_by_the_provider_and_leaves_no_trace,
    a_test_that_is_not_taken_says_why,
    without_a_project_there_is_nothing_to_send_by,
    an_email_that_says_something_else_is_a_change,
    an_email_that_cannot_be_rendered_is_not_pushed,
    files_arrive_as_html_and_text,
];

fn email(to: &str) -> Value {
    json!({ "to": to, "subject": "A test", "html": "<p>Hello</p>", "text": "Hello" })
}

async fn a_test_goes_out_by_the_provider_and_leaves_no_trace(db: Database) {
    let smtp = Smtp::start().await;
    let app = App::smtp(&db, &smtp).await;
    let segflow = Segflow::to(&app);
    let project = plugins::root().join("tests/plugins/mailer");
    let project = project.to_str().expect("UTF-8");
    let sent = segflow.run(&["emails", "send", "receipt", "--to", "me@x.example", "--project", project]).await.ok();
    assert!(sent.stdout.contains("receipt → me@x.example, by smtp"), "{sent:?}");
    assert!(sent.stderr.contains(&app.base), "it says where it does something: {sent:?}");
    let mail = smtp.accepted()[0].clone();
    assert_eq!((mail.from.as_str(), mail.to.as_str()), ("mailer@segflow.example", "me@x.example"));
    assert!(mail.raw.contains("multipart/alternative") && mail.raw.contains("text/plain"), "{}", mail.raw);
    assert!(!mail.raw.contains("List-Unsubscribe"), "a transaction sends it: {}", mail.raw);
    segflow.run(&["emails", "send", "first", "--to", "me@x.example", "--project", project]).await.ok();
    let mail = smtp.accepted()[1].clone();
    assert!(mail.raw.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click"), "a campaign: {}", mail.raw);
    assert!(app.items("/v1/messages").await.is_empty(), "no message");
    assert!(app.items("/v1/users").await.is_empty(), "no user");
    let unknown = segflow.run(&["emails", "send", "none", "--to", "me@x.example", "--project", project]).await;
    assert_eq!(unknown.code, 1);
    assert!(unknown.stderr.contains("no email `none`; it has first, receipt, second"), "{unknown:?}");
    app.settle().await;
}

async fn a_test_that_is_not_taken_says_why(db: Database) {
    let smtp = Smtp::start().await;
    let app = App::smtp(&db, &smtp).await;
    smtp.script("no@x.example", At::Rcpt, Act::Say("554 not like this"));
    let refused = app.post("/v1/emails/test", email("no@x.example")).await.problem(502, "provider_failed");
    assert_eq!((&refused["outcome"], &refused["provider"]), (&json!("refused"), &json!("smtp")));
    assert!(refused["detail"].as_str().expect("a sentence").contains("not like this"), "{refused}");
    smtp.script("later@x.example", At::Rcpt, Act::Say("451 later"));
    let later = app.post("/v1/emails/test", email("later@x.example")).await.problem(502, "provider_failed");
    assert_eq!(later["outcome"], "retry");
    app.post("/v1/emails/test", email("nobody")).await.problem(422, "invalid_address");
    app.post("/v1/emails/test", json!({ "to": "me@x.example" })).await.problem(422, "missing_field");
    app.with_key("sk_wrong").post("/v1/emails/test", email("me@x.example")).await.problem(401, "wrong_key");
    assert!(smtp.accepted().is_empty());
    app.settle().await;
}

async fn without_a_project_there_is_nothing_to_send_by(db: Database) {
    let app = App::production(&db).await;
    let refused = app.post("/v1/emails/test", email("me@x.example")).await.problem(409, "conflict");
    assert!(refused["detail"].as_str().expect("a sentence").contains("push first"), "{refused}");
    app.push(plugins::mailer()).await;
    let refused = app.post("/v1/emails/test", email("me@x.example")).await.problem(409, "conflict");
    assert!(refused["detail"].as_str().expect("a sentence").contains("SMTP_URL is not set"), "{refused}");
}

async fn an_email_that_says_something_else_is_a_change(db: Database) {
    let app = App::start(&db).await;
    app.push(plugins::variant("none")).await;
    // The same functions and files: only what they say is different.
    let plan = app.push(plugins::variant("text")).await;
    let changes = plan["changes"].as_array().expect("changes");
    let of = |id: &str| changes.iter().find(|c| c["kind"] == "template" && c["id"] == id).map(|c| c["change"].clone());
    assert_eq!((of("hello"), of("goodbye"), of("receipt")), (Some(json!("~")), Some(json!("~")), Some(json!("="))));
}

async fn an_email_that_cannot_be_rendered_is_not_pushed(db: Database) {
    let app = App::start(&db).await;
    // A loop's own variable: no type of the project says what it has.
    let refused = app.deploy("", plugins::variant("misspelt")).await.problem(422, "invalid_project");
    let why = "`hello` cannot be rendered with a made-up `user`: emails/line.html:4: a value that is not there is used: `person.nmae`; \
               if it is there in life, say what it is shown with by `sample(…)`";
    let problems = json!([{ "code": "not_rendered", "message": why, "place": "template hello" }]);
    assert_eq!(refused["problems"], problems, "{refused}");
    assert!(app.items("/v1/deployments").await.is_empty());
}

async fn files_arrive_as_html_and_text(db: Database) {
    let smtp = Smtp::start().await;
    let app = App::smtp(&db, &smtp).await;
    app.push(plugins::mailer()).await;
    app.add("ada", json!({ "email": "ada@x.example" })).await;
    app.emit("ada", "order", json!({ "number": "<7>", "items": ["A & B", "C"] })).await;
    let sent = async |id: &str| {
        let of = async || app.messages("ada").await.into_iter().find(|m| m["template"] == id && m["status"] == "sent");
        let message = until("it is sent", of).await;
        app.message(&message).await
    };
    let receipt = sent("receipt").await;
    assert_eq!(receipt["subject"], "Order <7>");
    let html = receipt["html"].as_str().expect("HTML");
    assert!(html.contains("Order <span style=\"font-weight: 700\" class=\"number\">&lt;7&gt;</span>"), "{html}");
    assert!(html.contains("1. A &amp; B") && html.contains("2. C"), "{html}");
    assert!(html.contains("href=\"https://mailer.example/orders/&lt;7&gt;\"") && !html.contains("<mj-"), "{html}");
    let text = "Order <7> has arrived here.\n\n1. A & B\n\n2. C\n\nSee it (https://mailer.example/orders/<7>)\n";
    assert_eq!(receipt["text"], text);
    let second = sent("second").await;
    let html = second["html"].as_str().expect("HTML");
    assert!(html.contains("<p style=\"margin: 0 0 16px; color: #333333\">Hello ada@x.example, this is"), "{html}");
    assert_eq!(second["text"], "Hello ada@x.example, this is the second.\n");
}

#[test]
fn a_dev_server_captures_a_test() {
    run(Kind::Sqlite, async |db| {
        let app = App::storefront(&db).await;
        let captured = app.post("/v1/emails/test", email("me@x.example")).await.ok();
        assert_eq!(captured["provider"], "captured");
        assert!(app.items("/v1/messages").await.is_empty());
    });
}

#[test]
fn checks_are_for_ci() {
    alone(async {
        let segflow = Segflow::new();
        let storefront = plugins::root().join("examples/storefront");
        let good = segflow.run(&["emails", storefront.to_str().expect("UTF-8"), "--check"]).await.ok();
        assert!(good.stdout.contains("4 emails, 0 errors, 0 warnings"), "{good:?}");
        let folder = tempfile::tempdir().expect("a folder");
        let out = folder.path().join("site");
        let args = ["emails", storefront.to_str().expect("UTF-8"), "--out", out.to_str().expect("UTF-8")];
        segflow.run(&args).await.ok();
        let read = |name: &str| std::fs::read_to_string(out.join(name)).expect(name);
        assert!(read("welcome-email.html").starts_with("<!doctype html>"));
        assert!(read("order-confirmed.txt").contains("Order A-1042"));
        // The project has the way out, in its postal address.
        let components = plugins::root().join("examples/components");
        let shown = segflow.run(&["emails", components.to_str().expect("UTF-8"), "--check"]).await.ok();
        assert!(shown.stdout.contains(" emails, 0 errors"), "{shown:?}");
        // A new project, with the versions that this clone has, so that nothing is downloaded.
        let shop = folder.path().join("shop");
        segflow.run(&["init", shop.to_str().expect("UTF-8")]).await.ok();
        std::fs::copy(plugins::root().join("Cargo.lock"), shop.join("Cargo.lock")).expect("a lock file");
        let new = segflow.run(&["emails", shop.to_str().expect("UTF-8"), "--check"]).await.ok();
        assert!(new.stdout.contains("3 emails, 0 errors, 0 warnings"), "{new:?}");
        // Emails of a campaign without a way out of it.
        let mailer = plugins::root().join("tests/plugins/mailer");
        let bad = segflow.run(&["--json", "emails", mailer.to_str().expect("UTF-8"), "--check"]).await;
        assert_eq!(bad.code, 1, "{bad:?}");
        let report: Value = serde_json::from_str(&bad.stdout).expect("one JSON document");
        assert_eq!(report["errors"], 2, "{report}");
        let first = &report["emails"][0];
        assert_eq!((&first["id"], &first["findings"][0]["code"]), (&json!("first"), &json!("no_unsubscribe")));
        let receipt = report["emails"].as_array().expect("emails").iter().find(|e| e["id"] == "receipt").expect("it");
        assert_eq!(receipt["made_up"], json!(["user", "order"]));
        assert!(receipt["subject"].as_str().expect("a subject").contains("A-1042"), "{receipt}");
    });
}

#[test]
fn the_preview_serves_what_the_project_has() {
    alone(async {
        let storefront = plugins::root().join("examples/storefront");
        let segflow = Segflow::new();
        let preview =
            Process::start(segflow.command(["emails", storefront.to_str().expect("UTF-8"), "--port", "0"])).await;
        let page = preview.client();
        let built = || async { Some(page.get("/gallery.json").await.ok()).filter(|now| now["gallery"].is_object()) };
        let shown = until("the project is built", built).await;
        assert_eq!(shown["gallery"]["project"], "storefront");
        let order = &shown["gallery"]["emails"][0];
        assert_eq!((&order["id"], &order["transactional"]), (&json!("order-confirmed"), &json!(true)));
        assert_eq!(order["args"]["purchase"]["order_id"], "A-1042", "the declared sample");
        assert!(page.get("/frame/0?scheme=dark").await.text().contains("A-1042"));
        // A page elsewhere whose name leads to this machine sees nothing.
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().expect("a client");
        let asked = http.get(format!("{}/gallery.json", preview.url)).header("host", "elsewhere.example:80").send();
        assert_eq!(asked.await.expect("an answer").status(), 403);
        preview.kill().await;
    });
}
