//! Who may import whom, held by a test: the invariant is an absence, and nobody sees those in a review.

use std::path::{Path, PathBuf};

/// A module, and the modules it must never use.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("api", &["engine", "delivery", "loops", "ownership", "plugin"]),
    ("store", &["api", "engine", "delivery", "deploy", "drive", "loops", "notices", "plugin"]),
    ("engine.rs", &["api", "delivery"]),
    ("delivery", &["api", "engine"]),
    ("deploy", &["api", "engine", "delivery"]),
    ("notices", &["api", "engine", "delivery", "deploy", "store"]),
    ("plugin", &["api", "engine", "delivery", "deploy", "store"]),
];

fn sources(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_path_buf()];
    }
    let entries = std::fs::read_dir(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    entries.flat_map(|entry| sources(&entry.expect("readable").path())).collect()
}

#[test]
fn no_module_imports_what_it_must_not() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (module, forbidden) in FORBIDDEN {
        let files = sources(&src.join(module));
        assert!(!files.is_empty(), "{module} has moved");
        for file in files {
            let text = std::fs::read_to_string(&file).expect("readable");
            for (number, line) in text.lines().enumerate() {
                for other in *forbidden {
                    let used =
                        line.contains(&format!("crate::{other}::")) || line.contains(&format!("crate::{{{other}"));
                    assert!(!used, "{}:{}: {module} must not use {other}: {line}", file.display(), number + 1);
                }
            }
        }
    }
}

#[test]
fn sql_stands_in_the_store() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for file in sources(&src).into_iter().filter(|f| !f.starts_with(src.join("store")) && !f.ends_with("layers.rs")) {
        let text = std::fs::read_to_string(&file).expect("readable");
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for word in ["\"SELECT ", "\"INSERT ", "\"UPDATE ", "\"DELETE "] {
            assert!(!text.contains(word), "{} has SQL in it: {word}", file.display());
        }
    }
}
