//! The six emails beside what React Email makes of the same six, in a real Chromium.
//!
//! Pictures of both: `SEGFLOW_PICTURES=folder cargo test -p six --test react_email`.

mod common;

use std::process::Command;

use common::{chromium, home, rendered};
use segflow_tests::peers;
use serde_json::{Map, Value};

#[test]
fn readers_get_the_same_from_both() {
    let ours: Map<String, Value> = rendered().into_iter().map(|(name, email)| (name, email.html.into())).collect();
    let ours = Value::Object(ours).to_string();
    let home = home();
    if let Some(folder) = std::env::var_os("SEGFLOW_PICTURES") {
        let folder = std::path::absolute(folder).expect("a path");
        let mut pictures = Command::new("node");
        // With the fonts of this machine.
        pictures.arg("pictures.mjs").arg(folder).current_dir(&home);
        peers::output(chromium(&mut pictures).env("FONTCONFIG_FILE", "/etc/fonts/fonts.conf"), &ours);
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
