//! The compiler needs the WebAssembly target; rustup adds it.

use std::{path::Path, process::Stdio};

use anyhow::{Result, bail};
use tokio::process::Command;

use super::TARGET;
use crate::printer::Printer;

pub async fn ensure(dir: &Path, printer: &Printer) -> Result<()> {
    if installed(dir).await {
        return Ok(());
    }
    printer.note(format!("plugins are WebAssembly: rustup target add {TARGET}"));
    let added = Command::new("rustup")
        .args(["target", "add", TARGET])
        // A project may have a toolchain of its own (rust-toolchain.toml).
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await;
    let why = match added {
        Ok(status) if status.success() && installed(dir).await => return Ok(()),
        Ok(status) if status.success() => {
            "rustup has it now, but the `rustc` found first on the PATH is another one: put ~/.cargo/bin first"
                .to_owned()
        }
        Ok(_) => "rustup could not add it".to_owned(),
        Err(error) => format!("rustup cannot be started ({error})"),
    };
    bail!(
        "this Rust toolchain lacks the target {TARGET}, and {why}.\n\
         \x20 With rustup and a way to its server: rustup target add {TARGET}\n\
         \x20 With Debian's own rustc: apt-get install libstd-rust-dev-wasm32 lld, of the version that rustc has"
    )
}

/// Asks the compiler that will be used, so that toolchains without rustup count too.
async fn installed(dir: &Path) -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output =
        Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]).current_dir(dir).output().await;
    output.is_ok_and(|output| {
        output.status.success() && Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir()
    })
}
