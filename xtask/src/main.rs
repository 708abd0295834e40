//! The chores of this repository. They work on a machine that has a Rust toolchain and package registries, and nothing else.

mod cache;
mod debian;
mod mysql;
mod postfix;
mod run;
mod test;
mod wasm;

use std::process::ExitCode;

use anyhow::{Result, bail};

use run::{Interrupt, Interrupted};

const USAGE: &str = "\
The chores of this repository.

Usage:
  cargo xtask test                   everything: formatting, lints, documentation tests, all tests on SQLite and MySQL
  cargo xtask test -- [NEXTEST ARGS] only the tests that match, for example: cargo xtask test -- -p segflow-core journal
  cargo xtask mysql                  start a throwaway MySQL server, print its URL, keep it until Ctrl-C
  cargo xtask mariadb                the same with MariaDB
  cargo xtask postfix                print the folder with smtp-sink and smtp-source, which delivery is measured with

Environment:
  SEGFLOW_TEST_MYSQL  a MySQL server (8.4 or later) that the tests may use, such as mysql://root@127.0.0.1:3306;
                      without it one is started: in Docker where that runs, otherwise from Debian's packages
  SEGFLOW_TEST_MARIADB  the same for MariaDB (10.11 or later); where none can be had, its tests are left out
  SEGFLOW_CACHE       where downloads are kept; else $XDG_CACHE_HOME/segflow, else ~/.cache/segflow
";

fn main() -> ExitCode {
    match chore() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Interrupted>() => {
            eprintln!("xtask: interrupted");
            ExitCode::from(130)
        }
        Err(error) => {
            eprintln!("xtask: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn chore() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["test"] => test::everything(&Interrupt::watch()?),
        ["test", "--", filter @ ..] => test::matching(filter, &Interrupt::watch()?),
        ["mysql"] => mysql::serve(&mysql::MYSQL, &Interrupt::watch()?),
        ["mariadb"] => mysql::serve(&mysql::MARIADB, &Interrupt::watch()?),
        ["postfix"] => {
            println!("{}", postfix::folder(&Interrupt::watch()?)?.display());
            Ok(())
        }
        [] | ["help" | "--help" | "-h", ..] | [_, "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        ["test", filter, ..] => {
            bail!("`{filter}` is not known here; arguments for the test runner go after `--`:\n\n{USAGE}")
        }
        other => bail!("`cargo xtask {}` is not known:\n\n{USAGE}", other.join(" ")),
    }
}
