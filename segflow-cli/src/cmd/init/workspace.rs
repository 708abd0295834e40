//! A project inside a Cargo workspace has to be one of its members, or cargo refuses both.

mod members;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use tokio::process::Command;

#[derive(Debug, PartialEq, Eq)]
pub enum Membership {
    /// There is no workspace around, or it excludes this folder.
    None,
    /// The workspace's patterns cover it.
    Covered,
    /// Added to the members of this manifest.
    Added(PathBuf),
    /// The manifest is written in a way that we do not change.
    ByHand { manifest: PathBuf, member: String },
}

/// Cargo itself knows best whether a package is covered by a pattern or excluded, so it is asked.
pub async fn join(project: &Path) -> Result<Membership> {
    match cargo(project).await? {
        Cargo::Content { workspace_root } if same(&workspace_root, project) => return Ok(Membership::None),
        Cargo::Content { .. } => return Ok(Membership::Covered),
        Cargo::NoMember => {}
    }
    let manifest = surrounding(project).context("cargo sees a workspace around this folder, but there is none")?;
    let root = manifest.parent().expect("a file has a folder");
    let member = project.strip_prefix(root).unwrap_or(project).to_string_lossy().replace('\\', "/");
    let before = fs::read_to_string(&manifest).with_context(|| format!("{} cannot be read", manifest.display()))?;
    if let Some(after) = members::add(&before, &member)
        && fs::write(&manifest, after).is_ok()
    {
        if let Ok(Cargo::Content { .. }) = cargo(project).await {
            return Ok(Membership::Added(manifest));
        }
        fs::write(&manifest, before).with_context(|| format!("{} cannot be written", manifest.display()))?;
    }
    Ok(Membership::ByHand { manifest, member: format!("\"{member}\"") })
}

enum Cargo {
    Content { workspace_root: PathBuf },
    NoMember,
}

async fn cargo(project: &Path) -> Result<Cargo> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
        .arg(project.join("Cargo.toml"))
        .output()
        .await
        .context("cargo cannot be started: it comes with Rust, see https://rustup.rs")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let root = metadata["workspace_root"].as_str().context("`cargo metadata` names no workspace_root")?;
        return Ok(Cargo::Content { workspace_root: root.into() });
    }
    if errors.contains("believes it's in a workspace when it's not") {
        return Ok(Cargo::NoMember);
    }
    bail!("cargo does not accept the new project in {}:\n{}", project.display(), errors.trim())
}

fn same(one: &Path, other: &Path) -> bool {
    one.canonicalize().ok() == other.canonicalize().ok()
}

/// The nearest workspace above.
fn surrounding(project: &Path) -> Option<PathBuf> {
    project.ancestors().skip(1).map(|folder| folder.join("Cargo.toml")).find(|manifest| {
        fs::read_to_string(manifest)
            .ok()
            .and_then(|text| text.parse::<toml::Table>().ok())
            .is_some_and(|table| table.contains_key("workspace"))
    })
}
