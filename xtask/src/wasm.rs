//! Plugins are WebAssembly: the toolchain needs its target.

use std::path::Path;

use anyhow::{Result, bail};

use crate::run::{Interrupt, output, run, tied};

const TARGET: &str = "wasm32-unknown-unknown";

pub fn ensure(interrupt: &Interrupt) -> Result<()> {
    if installed() {
        return Ok(());
    }
    eprintln!("xtask: rustup target add {TARGET}");
    let added = run(tied("TERM", "rustup").args(["target", "add", TARGET]), interrupt);
    interrupt.pause()?;
    match added {
        Ok(()) if installed() => Ok(()),
        Ok(()) => bail!(
            "rustup added {TARGET}, but the `rustc` on the PATH does not have it: put rustup's toolchain (~/.cargo/bin) first on the PATH"
        ),
        Err(error) => bail!(
            "plugins are built for {TARGET}, which this Rust toolchain lacks, and it could not be added: {error:#}.\n\
             With rustup and a way to its server: `rustup target add {TARGET}`.\n\
             With Debian's own rustc (1.95 or later): `apt-get install libstd-rust-dev-wasm32 lld`, of the version that rustc has."
        ),
    }
}

/// Asks the compiler that will be used, so that toolchains without rustup count too.
fn installed() -> bool {
    let folder = output("rustc", &["--print", "target-libdir", "--target", TARGET]);
    folder.is_ok_and(|folder| Path::new(folder.trim()).is_dir())
}
