use std::{fs, process::Output};

use crate::run::Place;

#[test]
fn a_new_project_outside_any_workspace() {
    let place = Place::new();
    let ran = place.segflow(&["init", "my-shop"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.starts_with("my-shop is there, in "), "{ran:?}");
    assert!(ran.stderr.contains("cd my-shop") && ran.stderr.contains("segflow dev"), "{ran:?}");
    let manifest = fs::read_to_string(place.path("my-shop/Cargo.toml")).unwrap();
    assert!(manifest.contains("name = \"my-shop\"") && manifest.contains("/segflow-sdk\""), "{manifest}");
    assert!(fs::read_to_string(place.path("my-shop/.gitignore")).unwrap().contains(".segflow/"));
    for file in ["Cargo.toml", "src/lib.rs", "src/emails.rs", "tests/welcome.rs"] {
        let text = fs::read_to_string(place.path("my-shop").join(file)).unwrap();
        assert!(!text.contains("__"), "{file}:\n{text}");
    }
    place.segflow(&["init", "my-shop"]).failed(2, &["has Cargo.toml, src/lib.rs", "nothing is overwritten"]);
}

#[test]
fn a_project_joins_the_workspace_around_it() {
    let place = Place::new();
    place.write("Cargo.toml", "# ours\n[workspace]\nresolver = \"3\"\nmembers = [\n  \"app\", # the shop\n]\n");
    place.write("app/Cargo.toml", "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
    place.write("app/src/lib.rs", "");
    let ran = place.segflow(&["init", "flows/shop"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("added to the members of "), "{ran:?}");
    assert_eq!(
        fs::read_to_string(place.path("Cargo.toml")).unwrap(),
        "# ours\n[workspace]\nresolver = \"3\"\nmembers = [\n  \"app\", # the shop\n  \"flows/shop\",\n]\n"
    );
}

#[test]
fn a_pattern_that_covers_the_project_is_enough() {
    let place = Place::new();
    let manifest = "[workspace]\nmembers = [\"flows/*\"]\n";
    place.write("Cargo.toml", manifest);
    assert_eq!(place.segflow(&["init", "flows/shop"]).code, 0);
    assert_eq!(fs::read_to_string(place.path("Cargo.toml")).unwrap(), manifest);
}

#[test]
fn a_manifest_that_is_written_otherwise_is_left_to_its_owner() {
    let place = Place::new();
    let manifest = "workspace = { members = [] }\n";
    place.write("Cargo.toml", manifest);
    let ran = place.segflow(&["init", "shop"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("add \"shop\" to its `members`"), "{ran:?}");
    assert_eq!(fs::read_to_string(place.path("Cargo.toml")).unwrap(), manifest);
}

/// The template is a project: its tests pass, and notice when a wait or a send is changed.
#[test]
fn the_new_projects_tests_play_a_month_and_notice_changes() {
    let place = Place::new();
    assert_eq!(place.segflow(&["init", "shop"]).code, 0);
    // The versions that this clone has, so that nothing is downloaded.
    fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock"), place.path("shop/Cargo.lock")).unwrap();
    let lib = fs::read_to_string(place.path("shop/src/lib.rs")).unwrap();
    let good = test(&place);
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    for (from, to) in [("weeks(1)", "days(8)"), ("flow.send(emails::welcome()).await;", ""), ("1..=3", "1..=2")] {
        assert!(lib.contains(from));
        fs::write(place.path("shop/src/lib.rs"), lib.replace(from, to)).unwrap();
        let changed = test(&place);
        let stdout = String::from_utf8_lossy(&changed.stdout);
        assert!(!changed.status.success() && stdout.contains("panicked"), "{from} → {to} was not noticed:\n{stdout}");
    }
}

fn test(place: &Place) -> Output {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = place.command(cargo);
    // Kept between runs: the SDK is compiled once.
    command.env("CARGO_TARGET_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/init"));
    command.args(["test", "--offline"]).current_dir(place.path("shop")).output().unwrap()
}
