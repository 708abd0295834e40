//! What the `segflow` program says and does about flows.

use crate::harness::program::Segflow;
use crate::harness::*;

both![people_are_enrolled_and_looked_at, deployments_are_listed_and_gone_back_to];

async fn start(db: &Database) -> App {
    let app = App::start(db).await;
    app.push(plugins::flows("")).await;
    for user in ["ada", "bob"] {
        app.add(user, json!({ "email": format!("{user}@flows.example") })).await;
    }
    app.settle().await;
    app
}

async fn people_are_enrolled_and_looked_at(db: Database) {
    let app = start(&db).await;
    let segflow = Segflow::to(&app);
    let enrolled = segflow.run(&["enroll", "drip", "ada", "nobody"]).await;
    assert_eq!((enrolled.code, enrolled.stdout.as_str()), (1, "1 user into drip\n"), "{enrolled:?}");
    assert!(enrolled.stderr.contains("nobody: "), "{enrolled:?}");
    std::fs::write(segflow.home.path().join("ids.txt"), "bob\n\n").expect("written");
    let later = segflow.run(&["enroll", "drip", "--file", "ids.txt", "--start-at", "2026-01-03T09:00:00Z"]).await.ok();
    assert_eq!(later.stdout, "1 user into drip\n");
    let unknown = segflow.run(&["enroll", "drop", "ada"]).await;
    assert_eq!((unknown.code, unknown.stderr.contains("drop")), (1, true), "{unknown:?}");
    assert_eq!(segflow.run(&["enroll", "drip"]).await.code, 2);
    app.settle().await;

    let (ada, bob) = (app.enrollments("ada").await[0].clone(), app.enrollments("bob").await[0].clone());
    let id = |of: &Value| of["id"].as_str().expect("an id").to_string();
    let shown = segflow.run(&["enrollment", &id(&ada)]).await.ok().stdout;
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[..2], ["active: ada in drip", "  started     2026-01-01T09:00:00Z"], "{shown}");
    assert!(lines[3].starts_with("  waits for   ") && lines[3].contains("2026-01-02T09:00:00Z"), "{shown}");
    assert!(lines[4].starts_with("  journal     1 entries, "), "{shown}");
    assert_eq!(lines[5..], ["  2026-01-01T09:00:00Z  decided to send note (sent)"], "{shown}");
    let shown = segflow.run(&["enrollment", &id(&bob)]).await.ok().stdout;
    assert!(shown.contains("  waits for   its start, at 2026-01-03T09:00:00Z\n"), "{shown}");

    let paused = segflow.run(&["enrollment", &id(&ada), "pause", "--reason", "on holiday"]).await.ok().stdout;
    assert!(paused.starts_with("paused: ada in drip\n") && paused.contains("  reason      on holiday\n"), "{paused}");
    app.advance("2d").await;
    let resumed = segflow.run(&["enrollment", &id(&ada), "resume"]).await.ok().stdout;
    assert!(resumed.starts_with("active: ada in drip\n"), "{resumed}");
    app.settle().await;
    assert_eq!(app.messages("ada").await.len(), 2);
    let again = segflow.run(&["enrollment", &id(&ada), "resume"]).await;
    assert_eq!((again.code, again.stderr.contains("cannot be resumed")), (1, true), "{again:?}");
    let document = segflow.run(&["--json", "enrollment", &id(&ada), "restart"]).await.ok().stdout;
    let document: Value = serde_json::from_str(&document).expect("one JSON document");
    assert_eq!((&document["status"], &document["user_id"]), (&json!("active"), &json!("ada")));
    let removed = segflow.run(&["enrollment", &id(&ada), "remove"]).await.ok().stdout;
    assert!(removed.starts_with("exited: ada in drip\n"), "{removed}");
    assert_eq!(segflow.run(&["enrollment", "enr_nothing"]).await.code, 1);
    app.advance("9d").await;
}

async fn deployments_are_listed_and_gone_back_to(db: Database) {
    let app = App::start(&db).await;
    let segflow = Segflow::to(&app);
    let none = segflow.run(&["deployments"]).await.ok();
    assert!(none.stdout.is_empty() && none.stderr.contains("nothing was pushed yet"), "{none:?}");
    app.push(plugins::flows("")).await;
    let alone = segflow.run(&["deployments", "activate", "previous"]).await;
    assert_eq!((alone.code, alone.stderr.contains("no earlier deployment")), (1, true), "{alone:?}");
    app.add("ada", json!({ "email": "ada@flows.example", "does": "drip" })).await;
    app.settle().await;
    app.push(plugins::flows("text")).await;
    let listed = segflow.run(&["deployments"]).await.ok().stdout;
    let column = |table: &str, at: usize| -> Vec<String> {
        table.lines().map(|line| line.split_whitespace().nth(at).unwrap_or_default().to_string()).collect()
    };
    assert_eq!((column(&listed, 0), column(&listed, 3)), (vec!["2".into(), "1".into()], vec!["in".into(), "".into()]));
    let back = segflow.run(&["deployments", "activate", "previous", "--in-flight", "restart"]).await.ok();
    assert!(back.stdout.contains("Applied: deployment ") && back.stdout.contains("generation 3"), "{back:?}");
    assert!(back.stdout.contains("= campaign drip  1 in flight: all begin anew"), "{back:?}");
    app.settle().await;
    assert_eq!(app.messages("ada").await.len(), 2, "it has begun anew");
    let listed = segflow.run(&["deployments"]).await.ok().stdout;
    assert_eq!(column(&listed, 3), ["in", "", ""], "{listed}");
    let ids = column(&listed, 1);
    let same = segflow.run(&["deployments", "activate", &ids[2]]).await.ok();
    assert!(same.stderr.contains("in force already"), "{same:?}");
    app.advance("9d").await;
}

/// No server, no database: the project in a folder.
#[test]
fn a_campaign_is_simulated() {
    alone(async {
        let (segflow, project) = (Segflow::new(), plugins::root().join("tests/plugins/flows"));
        let somebody = r#"{"email": "ada@flows.example", "does": "drip"}"#;
        let at = ["--from", "2026-01-01T09:00:00Z"];
        let arguments = ["simulate", "drip", "--attributes", somebody, at[0], at[1]];
        let simulated = segflow.run_in(&project, &arguments).await.ok();
        assert_eq!(
            simulated.stdout.lines().collect::<Vec<_>>(),
            [
                "2026-01-01 09:00:00  enters drip",
                "2026-01-01 09:00:00  ✉ note  one",
                "2026-01-01 09:00:00  waits until 2026-01-02 09:00:00",
                "2026-01-02 09:00:00  ✉ note  two",
                "2026-01-02 09:00:00  waits until 2026-01-03 09:00:00",
                "2026-01-03 09:00:00  ✉ note  three",
                "2026-01-03 09:00:00  has come to its end",
            ],
            "{simulated:?}"
        );
        let short = [&arguments[..], &["--until", "1h"]].concat();
        let short = segflow.run_in(&project, &short).await.ok().stdout;
        assert_eq!(short.lines().last(), Some("2026-01-01 09:00:00  waits until 2026-01-02 09:00:00"));
        let by_hand =
            segflow.run_in(&project, &["simulate", "hear", "--attributes", r#"{"email": "a@b.example"}"#]).await;
        let by_hand = by_hand.ok();
        assert!(by_hand.stderr.contains("put in by hand") && by_hand.stdout.contains("✉ note  silence"), "{by_hand:?}");
        let file = segflow.home.path().join("traffic.jsonl");
        let add = |user: &str, hour: u32| {
            let attributes = json!({ "email": format!("{user}@flows.example"), "does": "drip" });
            json!({ "at": format!("2026-01-01T{hour:02}:00:00Z"), "user": user, "attributes": attributes }).to_string()
        };
        std::fs::write(&file, [add("ada", 9), add("bob", 10)].join("\n")).expect("written");
        let totals = segflow.run_in(&project, &["simulate", "drip", "--file", file.to_str().expect("text")]).await.ok();
        let words: Vec<Vec<&str>> = totals.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(words, [vec!["emails", "note,", "sent", "6"], vec!["enrollments,", "done", "2"]], "{totals:?}");
        for (wrong, says) in [
            (&["simulate", "drop", "--attributes", "{}"][..], "no campaign `drop`"),
            (&["simulate", "drip"], "who?"),
            (&["simulate", "drip", "--attributes", "[]"], "not a JSON object"),
            (&["simulate", "drip", "--attributes", "{}", "--until", "soon"], "write it like 90d"),
        ] {
            let answer = segflow.run_in(&project, wrong).await;
            assert_eq!((answer.code, answer.stderr.contains(says)), (2, true), "{answer:?}");
        }
    });
}
