//! `segflow push` of a small crate: what the module contains does not matter to a server that is not real.

use serde_json::{Value, json};

use crate::{
    fake::{Asked, Fake, ok, problem},
    run::Place,
};

fn plan() -> Value {
    json!({
        "applied": false, "changed": true, "base": 3, "generation": 3, "from": "dep_7c1f0000aa", "deployment": "dep_9be00000bb", "size": 15_000,
        "changes": [
            {"change": "+", "kind": "segment", "id": "quiet", "note": "1,284 users"},
            {"change": "~", "kind": "campaign", "id": "winback-campaign", "note": "311 in flight"},
            {"change": "=", "kind": "template", "id": "welcome", "note": ""},
            {"change": "=", "kind": "template", "id": "winback", "note": ""}
        ],
        "entering": 1_284, "leaving": 40, "emails_24h": 1_590, "warnings": []
    })
}

const SHOWN: &str = "
  + segment  quiet             1,284 users
  ~ campaign winback-campaign  311 in flight
  = 2 more unchanged

  Now: 1,284 enter, 40 leave.  Next 24 h: about 1,590 emails.
";

fn answer(asked: &Asked) -> crate::fake::Answer {
    if asked.method == "GET" {
        return ok(json!({"id": "dep_9be00000bb", "current": true, "behind": 12_000}));
    }
    assert!(asked.body.starts_with(b"\0asm"), "no WebAssembly module");
    let mut plan = plan();
    if !asked.path.contains("dry_run") {
        plan["applied"] = true.into();
        plan["generation"] = 4.into();
    }
    ok(plan)
}

fn project(place: &Place, dir: &str) {
    let manifest = "[package]\nname = \"shop\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[lib]\ncrate-type = [\"cdylib\", \"rlib\"]\n\n[workspace]\n";
    place.write(&format!("{dir}/Cargo.toml"), manifest);
    place.write(
        &format!("{dir}/src/lib.rs"),
        "#[unsafe(no_mangle)]\npub extern \"C\" fn answer(n: usize) -> u8 {\n    if n > 9 { panic!(\"{n} is too much\") }\n    [1, 2, 3][n]\n}\n",
    );
}

#[test]
fn a_dry_run_shows_the_plan_and_changes_nothing() {
    let server = Fake::start(answer);
    let place = Place::with_server(&server.url);
    project(&place, ".");
    let ran = place.segflow(&["push", "--dry-run"]);
    ran.done(SHOWN);
    let header = format!("{} · workspace main · deployment 7c1f0000… → 9be00000…\n", server.url);
    assert!(ran.stderr.contains(&header), "{}", ran.stderr);
    assert_eq!(server.lines(), ["POST /v1/deployments?dry_run=true"]);

    let ran = place.segflow(&["push", "--dry-run", "--exit-code", "--json"]);
    assert_eq!(ran.code, 3);
    assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap(), plan());
}

#[test]
fn where_nobody_can_answer_yes_has_to_be_said() {
    let server = Fake::start(answer);
    let place = Place::with_server(&server.url);
    project(&place, "shop");
    let ran = place.segflow(&["push", "shop"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, SHOWN));
    assert!(ran.stderr.contains("nobody to ask") && ran.stderr.contains("--yes"), "{}", ran.stderr);
    assert_eq!(server.asked().len(), 1);

    let ran = place.segflow(&["push", "shop", "--yes", "--allow-enter", "2000"]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, &*format!("{SHOWN}  Applied: deployment 9be00000…, generation 4\n"))
    );
    assert_eq!(
        server.lines()[2..],
        ["POST /v1/deployments?base=3&allow_enter=2000", "GET /v1/deployments/dep_9be00000bb"]
    );
    assert!(ran.stderr.contains("12,000 users are still to be held against it"), "{}", ran.stderr);
}

#[test]
fn nothing_to_push() {
    let server = Fake::start(|_| ok(json!({"changed": false, "from": "dep_1", "deployment": "dep_1", "changes": []})));
    let place = Place::with_server(&server.url);
    project(&place, ".");
    let ran = place.segflow(&["push", "--exit-code"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("Nothing to push."));
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn every_problem_is_shown_at_once() {
    let server = Fake::start(|_| {
        let mut answer = problem(422, "invalid_project", "2 problems.");
        answer.body["problems"] = json!([
            {"code": "unknown_variable", "message": "uses `user.nickname`, which User does not have\ndid you mean `username`?", "place": "template winback"},
            {"code": "unknown_variable", "message": "no such attribute", "place": "emails/hi.html:3:7"},
            {"code": "duplicate_id", "message": "two segments are called `quiet`"}
        ]);
        answer
    });
    let place = Place::with_server(&server.url);
    project(&place, ".");
    place.write("emails/hi.html", "subject: Hi\n---\n<p>{{ user.nickname }}</p>\n");
    place.segflow(&["push", "--yes"]).failed(1, &[
        "error[unknown_variable]: uses `user.nickname`, which User does not have\n  --> template winback\n  did you mean `username`?\n",
        "  --> emails/hi.html:3:7\n  3 | <p>{{ user.nickname }}</p>\n    |       ^^^^^^^^^^^^^\n",
        "error[duplicate_id]: two segments are called `quiet`\n",
        "error: nothing was pushed: 3 problems\n",
    ]);
}

#[test]
fn refusals_say_what_to_do() {
    let refuse = |status: u16, code: &'static str, detail: &'static str| {
        let server =
            Fake::start(
                move |asked| if asked.path.contains("dry_run") { answer(asked) } else { problem(status, code, detail) },
            );
        let place = Place::with_server(&server.url);
        project(&place, ".");
        let ran = place.segflow(&["push", "--yes"]);
        assert_eq!(ran.code, 1);
        ran.stderr
    };
    let stderr = refuse(409, "generation_passed", "The base is no longer current.");
    assert!(stderr.contains("somebody else has pushed") && stderr.contains("Run `segflow push` again"), "{stderr}");
    let stderr = refuse(422, "too_many_enter", "1,284 users would enter at once; the limit is 1,000.");
    assert!(stderr.contains("1,284 users would enter") && stderr.contains("--allow-enter 1284"), "{stderr}");
}

#[test]
fn what_becomes_of_users_in_flight_is_passed_on() {
    let server = Fake::start(answer);
    let place = Place::with_server(&server.url);
    project(&place, ".");
    for how in ["pin", "migrate", "restart", "cancel"] {
        place
            .segflow(&["push", "--yes", "--in-flight", how])
            .done(&format!("{SHOWN}  Applied: deployment 9be00000…, generation 4\n"));
        let asked: Vec<String> = server.lines().into_iter().filter(|line| line.starts_with("POST")).collect();
        let last = &asked[asked.len() - 2..];
        assert_eq!(last[0], format!("POST /v1/deployments?dry_run=true&in_flight={how}"));
        assert_eq!(last[1], format!("POST /v1/deployments?base=3&in_flight={how}"));
    }
    place.segflow(&["push", "--in-flight", "nonsense"]).failed(2, &["possible values: pin, migrate, restart, cancel"]);
}

#[test]
fn folders_that_cannot_be_pushed() {
    let server = Fake::start(answer);
    let place = Place::with_server(&server.url);
    place.segflow(&["push"]).failed(1, &["it has no Cargo.toml", "segflow init"]);

    place.write("ws/Cargo.toml", "[workspace]\nmembers = [\"shop\"]\n");
    project(&place, "ws/shop");
    let manifest = std::fs::read_to_string(place.path("ws/shop/Cargo.toml")).unwrap();
    place.write("ws/shop/Cargo.toml", &manifest.replace("\n[workspace]\n", ""));
    place.segflow(&["push", "ws"]).failed(1, &["is a workspace, not one project", "\n  shop"]);
    assert_eq!(place.segflow(&["push", "ws/shop", "--dry-run"]).code, 0);

    place.write("rlib/Cargo.toml", "[package]\nname = \"r\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n");
    place.write("rlib/src/lib.rs", "");
    place.segflow(&["push", "rlib"]).failed(1, &["crate-type = [\"cdylib\", \"rlib\"]"]);

    project(&place, "broken");
    place.write("broken/src/lib.rs", "pub fn broken() -> u8 { \"text\" }");
    place.segflow(&["push", "broken"]).failed(1, &["error[E0308]: mismatched types", "error: shop does not compile"]);
}

/// The hash of a module must not depend on where somebody keeps their sources.
#[test]
fn the_checkout_path_does_not_change_the_module() {
    let build = |dir: &str, env: Option<&str>| {
        let server = Fake::start(answer);
        let mut place = Place::with_server(&server.url);
        if let Some(flags) = env {
            place = place.env("RUSTFLAGS", flags);
        }
        project(&place, dir);
        assert_eq!(place.segflow(&["push", dir, "--dry-run"]).code, 0);
        server.asked()[0].body.clone()
    };
    let one = build("here", None);
    assert_eq!(one, build("a longer/path with blanks", None));
    // The user's own flags stay in force, and ours with them.
    let flags = "-C link-arg=--export-table";
    let flagged = build("here", Some(flags));
    assert_ne!(one, flagged);
    assert_eq!(flagged, build("there", Some(flags)));
}
