//! Paths of this machine must not get into the module: the same sources give the same module in every checkout. The user's own
//! compiler flags stay.

use std::path::{Path, PathBuf};

use anyhow::Result;
use tokio::process::Command;

use super::TARGET;

/// Cargo forgets a profile's `strip` where one package of it has a setting of its own.
const STRIP: &str = "-Cstrip=symbols";

/// Cargo takes flags from one place only: RUSTFLAGS if it is set, else the target's configuration, to which `--config` adds.
pub fn apply(command: &mut Command, workspace_root: &Path) -> Result<()> {
    let ours = [vec![STRIP.to_owned()], remaps(workspace_root)].concat();
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let theirs: Option<Vec<String>> = match (set("CARGO_ENCODED_RUSTFLAGS"), set("RUSTFLAGS")) {
        (Some(encoded), _) => Some(encoded.split('\x1f').map(ToOwned::to_owned).collect()),
        (None, Some(flags)) => Some(flags.split_whitespace().map(ToOwned::to_owned).collect()),
        (None, None) => None,
    };
    match theirs {
        Some(theirs) => {
            command.env("CARGO_ENCODED_RUSTFLAGS", [theirs, ours].concat().join("\x1f"));
        }
        None => {
            let list = toml::Value::Array(ours.into_iter().map(toml::Value::String).collect());
            command.args(["--config", &format!("target.{TARGET}.rustflags={list}")]);
        }
    }
    Ok(())
}

/// rustc takes the last that fits, so the narrower ones come later.
fn remaps(workspace_root: &Path) -> Vec<String> {
    let mut folders: Vec<(PathBuf, &str)> = Vec::new();
    if let Some(home) = std::env::home_dir() {
        let cargo_home = std::env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
        folders.push((cargo_home, "/cargo"));
    }
    // A project outside this clone may use the SDK in it.
    if let Some(clone) = Path::new(env!("CARGO_MANIFEST_DIR")).parent() {
        folders.push((clone.to_owned(), "/segflow"));
    }
    folders.push((workspace_root.to_owned(), "/project"));
    folders.iter().map(|(folder, name)| format!("--remap-path-prefix={}={name}", folder.display())).collect()
}
