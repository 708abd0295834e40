//! The six emails beside what React Email makes of the same six, in a real Chromium.
//!
//! Pictures of both: `SEGFLOW_PICTURES=folder cargo test -p letters --test react_email`.

use std::path::PathBuf;
use std::process::Command;

use segflow::dispatch::respond;
use segflow_protocol::{Json, Render, Rendered, Request, Response};
use segflow_tests::peers;
use serde_json::{Map, Value};

/// The emails by name, rendered as a server renders them.
fn rendered() -> Vec<(String, Rendered)> {
    let data: Value = serde_json::from_str(letters::DATA).expect("JSON");
    let emails = data["emails"].as_object().expect("emails");
    let render = |(name, args): (&String, &Value)| {
        let render =
            Render { template: name.clone(), user: Json(data["user"].to_string()), args: Json(args.to_string()) };
        match respond(&letters::letters(), Request::Render(render)) {
            Response::Rendered(rendered) => (name.clone(), rendered),
            other => panic!("{name}: {other:?}"),
        }
    };
    emails.iter().map(render).collect()
}

/// The folder of the scripts, in which Node finds React Email and Chromium.
fn home() -> PathBuf {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../vendors/letters");
    let home = peers::installed("letters", &source.join("package.json"), |folder| {
        peers::output(Command::new("npm").args(peers::NPM).current_dir(folder), "");
        // It unpacks itself, once.
        let unpack = "import c from '@sparticuz/chromium'; await c.executablePath()";
        let unpack = ["--input-type=module", "--eval", unpack];
        peers::output(chromium(Command::new("node").args(unpack).current_dir(folder)), "");
    });
    for file in ["browser.mjs", "compare.mjs", "pictures.mjs", "letters.mjs", "data.json"] {
        // Other tests may be reading it: it is replaced as a whole.
        let new = home.join(format!("{file}.{}", std::process::id()));
        std::fs::copy(source.join(file), &new).expect("copied");
        std::fs::rename(new, home.join(file)).expect("renamed");
    }
    home
}

/// The Chromium of npm brings its libraries and a font for machines that have none: it has to be told that this may be one.
fn chromium(command: &mut Command) -> &mut Command {
    let folder = command.get_current_dir().expect("a folder").join("chromium");
    std::fs::create_dir_all(&folder).expect("a folder");
    command.env("TMPDIR", folder).env("AWS_LAMBDA_JS_RUNTIME", "nodejs22.x")
}

#[test]
fn readers_get_the_same_from_both() {
    let ours: Map<String, Value> = rendered().into_iter().map(|(name, email)| (name, email.html.into())).collect();
    let ours = Value::Object(ours).to_string();
    let home = home();
    if let Some(folder) = std::env::var_os("SEGFLOW_PICTURES") {
        let folder = std::path::absolute(folder).expect("a path");
        let mut pictures = Command::new("node");
        // With the fonts of this machine.
        pictures.arg("pictures.mjs").arg(folder).current_dir(&home).env("FONTCONFIG_PATH", "/etc/fonts");
        peers::output(chromium(&mut pictures), &ours);
    }
    let seen = peers::output(chromium(Command::new("node").arg("compare.mjs").current_dir(&home)), &ours);
    let seen: Map<String, Value> = serde_json::from_str(&seen).expect("JSON");
    assert_eq!(seen.len(), 6);
    for (name, both) in seen {
        let (ours, theirs) = (&both["ours"], &both["theirs"]);
        for what in ["lang", "preview", "headings", "links", "pictures", "words"] {
            assert_eq!(ours[what], theirs[what], "{what} of {name}: ours, and theirs");
            assert!(ours[what].as_str() != Some(""), "{what} of {name}");
        }
        // Nothing has to be moved sideways on a phone.
        assert_eq!(ours["wider"], Value::Array(vec![]), "{name}");
    }
}

/// The plain text says what the HTML says: the same words in the same order, with the addresses between them.
#[test]
fn the_text_says_it_too() {
    for (name, email) in rendered() {
        assert!(!email.text.contains(['<', '>', '|']), "{name}: {}", email.text);
        assert!(email.text.contains("Unsubscribe (segflow:unsubscribe)"), "{name}: {}", email.text);
        assert!(!email.text.contains("\n\n\n"), "{name}: {}", email.text);
    }
    let order = rendered().into_iter().find(|(name, _)| name == "order").expect("it").1;
    assert!(order.text.contains("Total  $818.70\n"), "{}", order.text);
}
