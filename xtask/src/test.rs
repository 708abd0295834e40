//! The project's one test command.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::Result;

use crate::mysql::Source;
use crate::run::{self, Interrupt, shown, tied};
use crate::wasm;

/// All phases. The first that fails ends it. The tests come last, so that the last lines tell how many there were.
pub fn everything(interrupt: &Interrupt) -> Result<()> {
    wasm::ensure(interrupt)?;
    let mysql = Source::find(interrupt)?;
    phase(cargo().args(["fmt", "--all", "--check"]), interrupt)?;
    phase(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]), interrupt)?;
    phase(&mut build(), interrupt)?;
    let server = mysql.start(interrupt)?;
    phase(cargo().args(["test", "--doc", "--workspace"]).env("SEGFLOW_TEST_MYSQL", &server.url), interrupt)?;
    phase(tests().arg("--workspace").env("SEGFLOW_TEST_MYSQL", &server.url), interrupt)
}

/// Only the tests that the arguments of nextest choose.
pub fn matching(filter: &[&str], interrupt: &Interrupt) -> Result<()> {
    wasm::ensure(interrupt)?;
    let mysql = Source::find(interrupt)?;
    phase(&mut build(), interrupt)?;
    let server = mysql.start(interrupt)?;
    phase(tests().args(filter).env("SEGFLOW_TEST_MYSQL", &server.url), interrupt)
}

/// With the tests, whose dependencies ask for features that the binaries alone do not: built apart, wasmtime would be built twice.
fn build() -> Command {
    let mut command = cargo();
    command.args(["build", "--workspace", "--all-targets"]);
    command
}

fn tests() -> Command {
    let mut command = cargo();
    if run::works("cargo", &["nextest", "--version"]) {
        command.args(["nextest", "run"]);
    } else {
        eprintln!("xtask: cargo-nextest is not installed (`cargo install cargo-nextest --locked`): using `cargo test`");
        command.args(["test", "--lib", "--bins", "--tests"]);
    }
    command
}

fn cargo() -> Command {
    let mut command = tied("TERM", "cargo");
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    command
}

fn phase(command: &mut Command, interrupt: &Interrupt) -> Result<()> {
    eprintln!("xtask: {}", shown(command));
    let started = Instant::now();
    run::run(command, interrupt)?;
    eprintln!("xtask: done in {:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}
