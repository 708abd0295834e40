use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::{Args, Subcommand};

use super::Context;
use crate::api::Problem;

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  segflow clock                      the time it is there
  segflow clock advance \"3d 2h\"      everything due on the way happens, then this answers

Units are w, d, h, m and s. Only a server that was started with `segflow dev --virtual-clock` has such a clock.")]
pub struct Clock {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Move time forward, and run everything that comes due
    Advance {
        /// How far: 90s, 3d, "3d 2h"
        #[arg(required = true, num_args = 1..)]
        by: Vec<String>,
    },
}

impl Clock {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let clock = match self.verb {
            None => context.api(None).await?.clock().await,
            Some(Verb::Advance { by }) => context.api_to_change().await?.advance(&by.join(" ")).await,
        };
        let clock = clock.map_err(no_clock)?;
        context.printer.result(clock["now"].as_str().unwrap_or_default());
        context.printer.document(&clock);
        Ok(ExitCode::SUCCESS)
    }
}

fn no_clock(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<Problem>() {
        Some(problem) if problem.code == "clock_not_virtual" => {
            anyhow!("this server runs on real time: only one started with `segflow dev --virtual-clock` can be moved")
        }
        _ => error,
    }
}
