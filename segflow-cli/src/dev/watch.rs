//! Notices when the project's sources change.

use std::{ffi::OsStr, path::Path, time::Duration};

use anyhow::{Context, Result};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher, event::ModifyKind};
use tokio::sync::mpsc;

/// Editors write a file in several steps, and "save all" writes several files.
const QUIET: Duration = Duration::from_millis(200);

const FOLDERS: [&str; 2] = ["src", "emails"];

pub struct Watch {
    changes: mpsc::UnboundedReceiver<()>,
    // Watches as long as it lives.
    _watcher: RecommendedWatcher,
}

impl Watch {
    pub fn start(project: &Path) -> Result<Self> {
        let root = project.to_owned();
        let (sender, changes) = mpsc::unbounded_channel();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.is_ok_and(|event| matters(&event, &root)) {
                let _ = sender.send(());
            }
        })
        .context("file changes cannot be watched on this machine")?;
        // The folder itself for Cargo.toml and for `emails` that is made later; a file alone is lost when an editor replaces it.
        watcher.watch(project, RecursiveMode::NonRecursive).context("the project's folder cannot be watched")?;
        for folder in FOLDERS.map(|folder| project.join(folder)).iter().filter(|folder| folder.is_dir()) {
            let watched = watcher.watch(folder, RecursiveMode::Recursive);
            watched.with_context(|| format!("{} cannot be watched", folder.display()))?;
        }
        Ok(Self { changes, _watcher: watcher })
    }

    /// Waits for a change, and then until nothing has changed for a moment.
    pub async fn changed(&mut self) {
        if self.changes.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
        while let Ok(Some(())) = tokio::time::timeout(QUIET, self.changes.recv()).await {}
    }
}

/// Compiling reads files and writes `target`; neither is a change.
fn matters(event: &Event, root: &Path) -> bool {
    let written = match event.kind {
        EventKind::Create(_) | EventKind::Remove(_) => true,
        EventKind::Modify(kind) => !matches!(kind, ModifyKind::Metadata(_)),
        EventKind::Any | EventKind::Access(_) | EventKind::Other => false,
    };
    written && event.paths.iter().any(|path| is_source(path, root))
}

fn is_source(path: &Path, root: &Path) -> bool {
    let Ok(inside) = path.strip_prefix(root) else { return false };
    let parts: Vec<&OsStr> = inside.components().map(|part| part.as_os_str()).collect();
    match parts.as_slice() {
        [] => false,
        [file] => [OsStr::new("Cargo.toml"), OsStr::new("build.rs")].contains(file),
        [folder, .., file] => FOLDERS.iter().any(|name| folder == name) && !is_scratch(Path::new(file)),
    }
}

/// What editors leave for a moment.
fn is_scratch(file: &Path) -> bool {
    let name = file.to_string_lossy();
    name.starts_with('.') || name.starts_with('#') || name.ends_with('~') || name.ends_with(".swp") || name == "4913"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_and_nothing_else() {
        let root = Path::new("/p");
        for path in ["/p/src/lib.rs", "/p/src/a/b.rs", "/p/emails/x.html", "/p/Cargo.toml", "/p/build.rs"] {
            assert!(is_source(Path::new(path), root), "{path}");
        }
        for path in [
            "/p/target/x",
            "/p/.segflow/dev.db",
            "/p/src",
            "/p/src/.lib.rs.swp",
            "/p/src/lib.rs~",
            "/q/src/lib.rs",
            "/p/Cargo.lock",
        ] {
            assert!(!is_source(Path::new(path), root), "{path}");
        }
    }

    #[tokio::test]
    async fn a_burst_of_changes_is_one() {
        let project = tempfile::tempdir().unwrap();
        let root = project.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("src")).unwrap();
        let mut watch = Watch::start(&root).unwrap();
        for text in ["a", "b", "c"] {
            std::fs::write(root.join("src/lib.rs"), text).unwrap();
        }
        tokio::time::timeout(Duration::from_secs(10), watch.changed()).await.expect("the change is seen");
        let again = tokio::time::timeout(Duration::from_millis(500), watch.changed()).await;
        assert!(again.is_err(), "seen twice");
        std::fs::read(root.join("src/lib.rs")).unwrap();
        let read = tokio::time::timeout(Duration::from_millis(500), watch.changed()).await;
        assert!(read.is_err(), "reading is no change");
    }
}
