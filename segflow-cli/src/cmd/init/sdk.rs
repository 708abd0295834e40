//! The SDK that fits this CLI. The crates are not published: it lies beside the CLI's own sources, as long as these are there.

use std::path::{Path, PathBuf};

/// The value of `segflow = …` in the new project's Cargo.toml.
pub fn dependency(project: &Path) -> String {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).parent().and_then(|clone| clone.canonicalize().ok());
    match sources.filter(|clone| clone.join("segflow-sdk/Cargo.toml").is_file()) {
        Some(clone) => {
            let path = toml::Value::String(path_to(&clone, project).to_string_lossy().replace('\\', "/"));
            format!("{{ package = \"segflow-sdk\", path = {path} }}")
        }
        None => format!("{{ package = \"segflow-sdk\", version = \"{}\" }}", env!("CARGO_PKG_VERSION")),
    }
}

/// Inside the clone the path is relative, so that the clone can move.
fn path_to(clone: &Path, project: &Path) -> PathBuf {
    let sdk = clone.join("segflow-sdk");
    match real(project).strip_prefix(clone) {
        Ok(inside) => inside.components().map(|_| "..").collect::<PathBuf>().join("segflow-sdk"),
        Err(_) => sdk,
    }
}

/// Without symbolic links, also where the last folders are yet to be made.
fn real(path: &Path) -> PathBuf {
    for folder in path.ancestors() {
        if let Ok(real) = folder.canonicalize() {
            return match path.strip_prefix(folder) {
                Ok(rest) if rest.as_os_str().is_empty() => real,
                Ok(rest) => real.join(rest),
                Err(_) => real,
            };
        }
    }
    path.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_inside_the_clone_absolute_outside() {
        let clone = tempfile::tempdir().unwrap();
        let clone = clone.path().canonicalize().unwrap();
        assert_eq!(path_to(&clone, &clone.join("examples/shop")), Path::new("../../segflow-sdk"));
        assert_eq!(path_to(&clone, &clone.join("shop")), Path::new("../segflow-sdk"));
        assert_eq!(path_to(&clone, Path::new("/elsewhere/shop")), clone.join("segflow-sdk"));
    }
}
