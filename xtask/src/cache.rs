//! The folder outside of the checkout that keeps what was downloaded.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// `name` inside the cache folder, created.
pub fn folder(name: &str) -> Result<PathBuf> {
    let set = |variable| env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("SEGFLOW_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|folder| folder.join("segflow")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/segflow")))
        .context("no folder to keep downloads in: set SEGFLOW_CACHE, XDG_CACHE_HOME or HOME")?;
    let folder = std::path::absolute(cache)?.join(name);
    fs::create_dir_all(&folder).with_context(|| {
        format!("cannot create {}; set SEGFLOW_CACHE to a folder that can be written", folder.display())
    })?;
    Ok(folder)
}

/// An empty folder in place of whatever was there.
pub fn empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))
}

/// Holds `path` against other runs of this program until dropped, however this one ends.
pub fn lock(path: &Path) -> Result<File> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}
