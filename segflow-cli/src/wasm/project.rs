//! Which package a folder is, asked of cargo.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::cargo;

#[derive(Debug)]
pub struct Project {
    pub name: String,
    /// Cargo's package id.
    pub id: String,
    pub dir: PathBuf,
    pub workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    id: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    crate_types: Vec<String>,
    kind: Vec<String>,
}

impl Project {
    pub async fn find(dir: &Path) -> Result<Self> {
        let manifest = dir.join("Cargo.toml");
        if !manifest.is_file() {
            bail!(
                "{} is no project: it has no Cargo.toml. Name the project's folder, or make one with `segflow init {}`",
                dir.display(),
                dir.display()
            );
        }
        let manifest = manifest.canonicalize()?;
        let dir = manifest.parent().expect("a file has a folder").to_owned();
        let metadata = metadata(&dir).await?;
        let mut packages = metadata.packages;
        let Some(at) = packages.iter().position(|package| same_file(&package.manifest_path, &manifest)) else {
            let names: Vec<String> = packages.iter().map(|package| place(package, &dir)).collect();
            bail!(
                "{} is a workspace, not one project: name the folder of one of its members\n  {}",
                dir.display(),
                names.join("\n  ")
            );
        };
        let package = packages.swap_remove(at);
        check_library(&package, &manifest)?;
        Ok(Self { name: package.name, id: package.id, dir, workspace_root: metadata.workspace_root })
    }
}

async fn metadata(dir: &Path) -> Result<Metadata> {
    let output = cargo(dir)
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output()
        .await
        .context("cargo cannot be started: it comes with Rust, see https://rustup.rs")?;
    if !output.status.success() {
        bail!(
            "cargo cannot read {}:\n{}",
            dir.join("Cargo.toml").display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    serde_json::from_slice(&output.stdout).context("`cargo metadata` answers something unknown")
}

fn same_file(one: &Path, other: &Path) -> bool {
    one == other || one.canonicalize().is_ok_and(|one| one == other)
}

fn place(package: &Package, root: &Path) -> String {
    let dir = package.manifest_path.parent().unwrap_or(&package.manifest_path);
    dir.strip_prefix(root).unwrap_or(dir).display().to_string()
}

fn check_library(package: &Package, manifest: &Path) -> Result<()> {
    let library = package.targets.iter().find(|target| {
        target.kind.iter().any(|kind| matches!(kind.as_str(), "lib" | "rlib" | "cdylib" | "dylib" | "staticlib"))
    });
    let fix = "add\n\n    [lib]\n    crate-type = [\"cdylib\", \"rlib\"]\n";
    match library {
        None => bail!(
            "{} has no library to push: put the project into src/lib.rs, and to {} {fix}",
            package.name,
            manifest.display()
        ),
        Some(library) if !library.crate_types.iter().any(|kind| kind == "cdylib") => bail!(
            "the library of {} is not built as a module that a server can load: to {} {fix}\n(\"rlib\" keeps `cargo test` working)",
            package.name,
            manifest.display()
        ),
        Some(_) => Ok(()),
    }
}
