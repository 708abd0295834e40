//! Builds a project's plugin: its library as a WebAssembly module.

mod flags;
mod project;
mod toolchain;

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use crate::printer::Printer;

pub use project::Project;

const TARGET: &str = "wasm32-unknown-unknown";

/// A profile of its own, so that it neither depends on the user's profiles nor throws away what they built with them.
///
/// Measured with the storefront: opt-level "z" makes it 250 KiB instead of 344, and its turns and emails three times slower. LTO with
/// all that it depends on makes it no smaller and no faster, and nothing could be kept from build to build. The project itself is compiled
/// in sixteen parts: one with fifty emails takes 5.9 s instead of 12.2, and 3.7 instead of 11.2 when one of them has changed.
const PROFILE: &[&str] = &[
    r#"inherits="release""#,
    "opt-level=3",
    "codegen-units=1",
    // Among the parts of one crate.
    "lto=false",
    "incremental=true",
    "debug=false",
    r#"panic="abort""#,
    // As under `cargo test`: a sum that overflows stops the flow instead of going on with nonsense.
    "overflow-checks=true",
    r#"package."*".overflow-checks=false"#,
];

pub struct Plugin {
    pub wasm: Vec<u8>,
    /// The project that it was built from.
    pub dir: PathBuf,
    pub took: Duration,
}

/// Cargo's own output, compile errors above all, goes to stderr as cargo prints it.
pub async fn build(dir: &Path, printer: &Printer) -> Result<Plugin> {
    let started = now();
    let project = Project::find(dir).await?;
    toolchain::ensure(&project.dir, printer).await?;
    let path = compile(&project).await?;
    let wasm = std::fs::read(&path).with_context(|| format!("the built plugin cannot be read: {}", path.display()))?;
    Ok(Plugin { wasm, dir: project.dir, took: started.elapsed() })
}

/// For a person's "in 2.1 s"; nothing depends on it.
#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}

async fn compile(project: &Project) -> Result<PathBuf> {
    let mut command = cargo(&project.dir);
    command.args(["build", "--lib", "--target", TARGET, "--profile", "segflow"]);
    command.args(["--message-format", "json-render-diagnostics", "--package", &project.id]);
    let parts = format!(r#"package."{}".codegen-units=16"#, project.name);
    for setting in PROFILE.iter().copied().chain([parts.as_str()]) {
        command.args(["--config", &format!("profile.segflow.{setting}")]);
    }
    flags::apply(&mut command, &project.workspace_root)?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .context("cargo cannot be started: it comes with Rust, see https://rustup.rs")?;
    let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
    let mut module = None;
    while let Some(line) = lines.next_line().await? {
        module = artifact(&line, &project.id).or(module);
    }
    let status = child.wait().await?;
    if !status.success() {
        bail!("{} does not compile: cargo says above what is wrong", project.name);
    }
    module.context("cargo built no .wasm file: does `[lib] crate-type` in Cargo.toml list \"cdylib\"?")
}

/// The module, if this line of cargo's reports it.
fn artifact(line: &str, package: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    if message["reason"] != "compiler-artifact" || message["package_id"] != package {
        return None;
    }
    let files = message["filenames"].as_array()?;
    files.iter().filter_map(Value::as_str).find(|file| file.ends_with(".wasm")).map(PathBuf::from)
}

/// The cargo that runs us, if one does, so that both use one toolchain.
fn cargo(dir: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(dir);
    command
}
