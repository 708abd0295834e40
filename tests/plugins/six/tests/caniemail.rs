//! What our components and classes write, held against caniemail's data on what mail clients show (of npm `caniemail`). Where one of the large
//! clients does not know a thing, caniemail.txt says why it is there all the same.

#[allow(dead_code, reason = "the other suite needs the rest")]
mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use common::{home, rendered};
use segflow_tests::peers;

/// Those that most people read their mail in.
#[rustfmt::skip]
const CLIENTS: [&str; 16] = [
    "gmail.desktop-webmail", "gmail.ios", "gmail.android", "gmail.mobile-webmail",
    "outlook.windows", "outlook.windows-mail", "outlook.macos", "outlook.outlook-com", "outlook.ios", "outlook.android",
    "apple-mail.macos", "apple-mail.ios", "yahoo.desktop-webmail", "yahoo.ios", "yahoo.android", "samsung-email.android",
];

/// What is said of several things in one.
const FAMILIES: &[(&str, &str)] = &[
    ("css-overflow-wrap", "css-word-wrap"),
    ("css-text-decoration-line", "css-text-decoration"),
    ("css-font-style", "css-font"),
    ("css-font-family", "css-font"),
    ("css-padding-", "css-padding"),
    ("css-margin-", "css-margin"),
    ("css-border-", "css-border"),
    ("html-tbody", "html-table"),
    ("html-tr", "html-table"),
    ("html-td", "html-table"),
    ("html-th", "html-table"),
    ("html-ul", "html-lists"),
    ("html-ol", "html-lists"),
    ("html-li", "html-lists"),
];

/// What caniemail has not looked at: older than any client, or words of Outlook's own.
#[rustfmt::skip]
const UNKNOWN: &[&str] = &[
    "css-color", "css-mso-font-alt", "css-mso-hide", "css-mso-line-height-rule", "css-mso-padding-alt", "css-mso-table-lspace", "css-mso-table-rspace",
    "css-src", "css-supported-color-schemes", "css--webkit-text-size-adjust", "css--ms-text-size-adjust", "html-a", "html-alt", "html-b", "html-border",
    "html-br", "html-i", "html-s", "html-sub", "html-sup", "html-u", "html-charset", "html-class", "html-content", "html-em", "html-head", "html-href", "html-html", "html-http-equiv", "html-meta",
    "html-name", "html-src", "html-title",
];

/// Everything that is written, by the name that caniemail would have for it.
fn written() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let mut found = BTreeSet::new();
    // The head and the small things of real emails, and every component.
    let mut pages: Vec<String> = rendered().into_iter().map(|(_, email)| email.html).collect();
    let snapshots =
        std::fs::read_dir(root.join("segflow-sdk/tests/snapshots")).expect("the snapshots of the components");
    for file in snapshots {
        let text = std::fs::read_to_string(file.expect("a file").path()).expect("a snapshot");
        pages.push(text.split("\n=== text").next().unwrap_or_default().to_string());
    }
    pages.iter().for_each(|page| of_page(page, &mut found));
    // Every class, by what Tailwind says of it: a test of the macros holds them together.
    let classes = std::fs::read_to_string(root.join("segflow-macros/src/class/tailwind.txt")).expect("the classes");
    let meanings = classes.lines().filter_map(|line| Some(line.split_once('\t')?.1));
    // What depends on something is in the snapshots.
    let declarations = meanings.filter(|css| !css.starts_with(['@', ':'])).flat_map(|css| css.split(';'));
    found.extend(declarations.filter_map(|css| Some(format!("css-{}", css.split_once(':')?.0))));
    found
}

fn of_page(page: &str, found: &mut BTreeSet<String>) {
    let mut declared = |css: &str| {
        for (property, value) in css.split([';', '{', '}']).filter_map(|css| css.split_once(':')) {
            let is_property = |c: char| c.is_ascii_lowercase() || c == '-';
            if property.chars().all(is_property) && !property.is_empty() {
                found.insert(format!("css-{property}"));
                if value.contains("!important") {
                    found.insert("css-important".into());
                }
                if (property, value.trim_end_matches("!important")) == ("display", "none") {
                    found.insert("css-display-none".into());
                }
            }
        }
    };
    let styles: Vec<&str> =
        page.split("<style").skip(1).filter_map(|part| part.split_once('>')?.1.split("</style").next()).collect();
    styles.iter().for_each(|css| declared(css));
    let css = styles.concat();
    for (words, feature) in [
        ("@media", "css-at-media"),
        ("@font-face", "css-at-font-face"),
        ("prefers-color-scheme", "css-at-media-prefers-color-scheme"),
        (":hover", "css-pseudo-class-hover"),
    ] {
        if css.contains(words) {
            found.insert(feature.to_string());
        }
    }
    let tags: Vec<&str> = page.split('<').skip(1).filter_map(|tag| tag.split('>').next()).collect();
    for tag in tags.into_iter().filter(|tag| tag.starts_with(|c: char| c.is_ascii_lowercase())) {
        let name = tag.split([' ', '/']).next().unwrap_or_default();
        // Those for Outlook's comments have a colon.
        if name.contains(':') || name == "xml" || name == "noscript" {
            continue;
        }
        let name = if matches!(name, "h1" | "h2" | "h3" | "h4" | "h5" | "h6") { "h1-h6" } else { name };
        found.insert(format!("html-{name}"));
        for attribute in
            tag.split("=\"").filter_map(|part| part.rsplit([' ', '"']).next()).filter(|name| !name.is_empty())
        {
            if attribute.chars().all(|c| c.is_ascii_lowercase() || c == '-') && tag.contains(&format!("{attribute}=\""))
            {
                found.insert(format!("html-{attribute}"));
            }
        }
        if let Some(css) = tag.split("style=\"").nth(1).and_then(|css| css.split('"').next()) {
            for property in css.split(';').filter_map(|css| css.split_once(':')) {
                found.insert(format!("css-{}", property.0.trim()));
            }
        }
    }
}

/// What each feature is like in the latest version of each client that was tried: y, n, a (almost) or u. Node keeps the order of versions.
fn support() -> BTreeMap<String, BTreeMap<String, String>> {
    let script = "import { readFileSync } from 'node:fs';
        const { data } = JSON.parse(readFileSync('node_modules/caniemail/data/caniemail.json', 'utf8'));
        const latest = (stats) => Object.entries(stats).flatMap(([family, platforms]) =>
          Object.entries(platforms).map(([platform, versions]) => [`${family}.${platform}`, Object.values(versions).at(-1)[0]]));
        console.log(JSON.stringify(Object.fromEntries(data.map(({ slug, stats }) => [slug, Object.fromEntries(latest(stats))]))));";
    let mut node = Command::new("node");
    let said = peers::output(node.args(["--input-type=module", "--eval", script]).current_dir(home()), "");
    serde_json::from_str(&said).expect("JSON")
}

#[test]
fn what_is_written_is_safe_or_there_is_a_reason() {
    let support = support();
    let (mut missing, mut unknown) = (BTreeMap::new(), vec![]);
    for written in written() {
        let family = FAMILIES.iter().find(|(start, _)| written.starts_with(start)).map(|(_, family)| *family);
        let known = match written.as_str() {
            radius if radius.ends_with("-radius") => Some("css-border-radius"),
            // As it is written: `written` in segflow-macros/src/class/style.rs.
            "css-overflow-wrap" | "css-text-decoration-line" => family,
            exact if support.contains_key(exact) => Some(exact),
            _ => family,
        };
        match known {
            Some(feature) => {
                let without =
                    CLIENTS.iter().filter(|client| support[feature].get(**client).is_some_and(|has| has == "n"));
                let without: Vec<&str> = without.copied().collect();
                if !without.is_empty() {
                    missing.insert(feature.to_string(), without.join(" "));
                }
            }
            None if UNKNOWN.contains(&written.as_str()) => {}
            None => unknown.push(written),
        }
    }
    assert!(unknown.is_empty(), "caniemail knows nothing of {unknown:?}");
    let reasons = include_str!("caniemail.txt").lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let reasons: BTreeMap<String, String> = reasons
        .map(|line| {
            let [feature, clients, reason] = line.split('\t').collect::<Vec<_>>()[..] else {
                panic!("feature, clients, reason: {line}")
            };
            assert!(!reason.is_empty(), "{line}");
            (feature.to_string(), clients.to_string())
        })
        .collect();
    assert_eq!(missing, reasons, "what is missing where, and what caniemail.txt gives a reason for");
}
