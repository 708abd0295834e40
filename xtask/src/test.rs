//! The project's one test command.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::Result;

use crate::mysql::{MARIADB, MYSQL, Server, Source};
use crate::run::{self, Interrupt, Interrupted, shown, tied};
use crate::wasm;

/// All phases. The first that fails ends it. The tests come last, so that the last lines tell how many there were.
pub fn everything(interrupt: &Interrupt) -> Result<()> {
    wasm::ensure(interrupt)?;
    let sources = Sources::find(interrupt)?;
    phase(cargo().args(["fmt", "--all", "--check"]), interrupt)?;
    phase(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]), interrupt)?;
    phase(&mut build(), interrupt)?;
    let servers = sources.start(interrupt)?;
    phase(servers.named_to(cargo().args(["test", "--doc", "--workspace"])), interrupt)?;
    // All of them, also after one that fails: one run tells everything that is wrong.
    phase(servers.named_to(tests().args(["--workspace", "--no-fail-fast"])), interrupt)
}

/// Only the tests that the arguments of nextest choose.
pub fn matching(filter: &[&str], interrupt: &Interrupt) -> Result<()> {
    wasm::ensure(interrupt)?;
    let sources = Sources::find(interrupt)?;
    phase(&mut build(), interrupt)?;
    let servers = sources.start(interrupt)?;
    phase(servers.named_to(tests().args(filter)), interrupt)
}

/// MySQL, and MariaDB where it can be had.
struct Sources {
    mysql: Source,
    mariadb: Option<Source>,
}

impl Sources {
    fn find(interrupt: &Interrupt) -> Result<Self> {
        let mysql = Source::find(&MYSQL, interrupt)?;
        let mariadb = match Source::find(&MARIADB, interrupt) {
            Err(error) if !error.is::<Interrupted>() => {
                eprintln!("xtask: the tests on MariaDB are left out: {error:#}");
                None
            }
            found => Some(found?),
        };
        Ok(Self { mysql, mariadb })
    }

    fn start(self, interrupt: &Interrupt) -> Result<Servers> {
        let mysql = self.mysql.start(interrupt)?;
        let mariadb = self.mariadb.map(|mariadb| mariadb.start(interrupt)).transpose()?;
        Ok(Servers { mysql, mariadb })
    }
}

struct Servers {
    mysql: Server,
    mariadb: Option<Server>,
}

impl Servers {
    fn named_to<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env(MYSQL.variable, &self.mysql.url);
        match &self.mariadb {
            Some(mariadb) => command.env(MARIADB.variable, &mariadb.url),
            None => command,
        }
    }
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
    // What cargo tells this program about itself: some crates are built anew when it differs, ring and all that stands on it among them, and that
    // would be at each change between this and a `cargo check` by hand.
    for (name, _) in std::env::vars_os() {
        let told = name.to_string_lossy();
        if told.starts_with("CARGO_PKG_") || told.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
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
