//! The light client: `dev` and `serve` need the server inside.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;

#[derive(Debug, Args)]
pub struct Anything {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    arguments: Vec<String>,
}

pub fn refuse(verb: &str) -> Result<ExitCode> {
    bail!(
        "this `segflow` was built without the server, so it has no `{verb}`.\n\
         \x20 With it, from a clone of Segflow: cargo install --path segflow-cli"
    )
}
