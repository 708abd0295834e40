//! The `segflow` command: a user's project on one side, a server on the other.

#![warn(clippy::print_stdout, clippy::print_stderr)]

mod api;
mod attributes;
mod cmd;
mod failure;
mod messages;
mod plan;
mod printer;
mod target;
mod wasm;

#[cfg(feature = "server")]
mod dev;
#[cfg(feature = "server")]
mod emails;
#[cfg(feature = "server")]
mod logs;
#[cfg(feature = "server")]
mod stop;

use std::process::ExitCode;

use clap::Parser;

use crate::printer::Printer;

/// A fifth of the server's time went to the system's allocator: work moves from thread to thread here, and so does its memory.
#[cfg(feature = "server")]
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = cmd::Cli::parse();
    let printer = Printer::new(cli.json);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("the system gives us threads");
    let outcome = runtime.block_on(cmd::run(cli, printer));
    // Whatever still runs (a compiler that was asked to stop) is not waited for.
    runtime.shutdown_background();
    match outcome {
        Ok(code) => code,
        Err(error) => {
            if !error.is::<failure::Shown>() {
                printer.error(failure::text(&error));
            }
            failure::exit_code(&error)
        }
    }
}
