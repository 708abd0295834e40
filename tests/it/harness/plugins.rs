//! Real plugins, built once and again when their sources change. Tests may run as many processes: one builds, the others wait.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// The tour of Segflow, as it is.
pub fn storefront() -> Vec<u8> {
    built("storefront", "examples/storefront")
}

/// Everybody gets two emails over SMTP, two seconds apart.
pub fn mailer() -> Vec<u8> {
    built("mailer", "tests/plugins/mailer")
}

/// Sixteen bytes of the plugin `variants` that say which of its variants it is.
const MARK: &[u8; 16] = b"variant:--------";

/// One of the variants of a project that changes over time.
pub fn variant(name: &str) -> Vec<u8> {
    marked(built("variants", "tests/plugins/variants"), name)
}

/// One of the variants of a project with every verb of a flow.
pub fn flows(name: &str) -> Vec<u8> {
    marked(built("flows", "tests/plugins/flows"), name)
}

/// A project that sends through the provider of that name.
pub fn senders(provider: &str) -> Vec<u8> {
    marked(built("senders", "tests/plugins/senders"), provider)
}

/// One of the variants of a project that asks what people want.
pub fn letters(variant: &str) -> Vec<u8> {
    marked(built("letters", "tests/plugins/letters"), variant)
}

fn marked(mut wasm: Vec<u8>, name: &str) -> Vec<u8> {
    let at = wasm.windows(MARK.len()).position(|w| w == MARK).expect("the mark is in the module");
    assert!(name.len() <= 8, "{name}");
    let name = format!("variant:{name:-<8}");
    wasm[at..at + MARK.len()].copy_from_slice(name.as_bytes());
    wasm
}

/// Where compiled modules are kept, for all tests.
pub fn compiled() -> PathBuf {
    folder().join("compiled")
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_path_buf()
}

/// The target folder that these tests were built into.
pub fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder").to_path_buf()
}

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugins");
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn built(package: &str, path: &str) -> Vec<u8> {
    let kept = folder().join(format!("{package}.wasm"));
    let lock = File::create(folder().join("lock")).expect("a lock file");
    lock.lock().expect("the lock");
    let mut sources: Vec<PathBuf> =
        ["segflow-protocol", "segflow-core/src", "segflow-macros", "segflow-sdk/src", "Cargo.lock"]
            .map(PathBuf::from)
            .into();
    sources.push(path.into());
    let newest = sources.iter().map(|source| newest(&root().join(source))).max().expect("sources");
    let is_fresh = fs::metadata(&kept).and_then(|m| m.modified()).is_ok_and(|at| at > newest);
    if !is_fresh {
        fs::copy(build(package), &kept).expect("the module is kept");
    }
    fs::read(&kept).expect("a module")
}

/// When the newest file of a folder was changed.
pub fn newest(path: &Path) -> SystemTime {
    let metadata = fs::metadata(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    if metadata.is_file() {
        return metadata.modified().expect("a time");
    }
    let entries = fs::read_dir(path).expect("a folder").map(|entry| newest(&entry.expect("an entry").path()));
    entries.max().unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Like `segflow push`, but for being built quickly.
fn build(package: &str) -> PathBuf {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args([
        "build",
        "--quiet",
        "--lib",
        "--target",
        "wasm32-unknown-unknown",
        "--profile",
        "segflow",
    ]);
    command.args(["--package", package]).arg("--target-dir").arg(target());
    for setting in [
        r#"inherits="release""#,
        r#"opt-level="s""#,
        "debug=false",
        "strip=true",
        r#"panic="abort""#,
        r#"lto="off""#,
        "incremental=true",
        "codegen-units=16",
        "overflow-checks=true",
    ] {
        command.args(["--config", &format!("profile.segflow.{setting}")]);
    }
    let built = command.output().expect("cargo runs");
    assert!(built.status.success(), "{package}: {}", String::from_utf8_lossy(&built.stderr));
    target().join("wasm32-unknown-unknown/segflow").join(format!("{package}.wasm"))
}
