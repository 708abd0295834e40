use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Context, push::InFlight};
use crate::{
    api::PushOptions,
    plan::{self, pad},
    printer::visible,
};

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  segflow deployments                      what was pushed, newest first
  segflow deployments activate previous    one step back
  segflow deployments activate dep_7c1f…   any other one whose code is still kept

Going back is a push of the earlier code: a new generation, with the same checks. Users who have started since finish with the code
they started with, unless --in-flight says otherwise.")]
pub struct Deployments {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Put an earlier deployment in force again
    Activate {
        /// Its id, or `previous`
        id: String,
        /// What happens to users in the middle of a campaign
        #[arg(long, value_enum, value_name = "HOW")]
        in_flight: Option<InFlight>,
        /// Let up to N users enter campaigns at once
        #[arg(long, value_name = "N")]
        allow_enter: Option<u64>,
    },
}

impl Deployments {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        match self.verb {
            None => list(context).await?,
            Some(Verb::Activate { id, in_flight, allow_enter }) => {
                let options =
                    PushOptions { allow_enter, in_flight: in_flight.map(InFlight::name), ..PushOptions::default() };
                activate(context, &id, options).await?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn list(context: &Context) -> Result<()> {
    let mut all = context.api(None).await?.deployments().await?;
    all.sort_by_key(|d| std::cmp::Reverse(d["generation"].as_i64()));
    for deployment in &all {
        let text = |field: &str| visible(deployment[field].as_str().unwrap_or_default());
        let mark = if deployment["current"] == json!(true) { "in force" } else { "" };
        let generation = pad(&deployment["generation"].to_string(), 4);
        context.printer.result(format!("{generation}  {}  {}  {mark}", text("id"), text("created_at")).trim_end());
    }
    if all.is_empty() {
        context.printer.note("nothing was pushed yet");
    }
    context.printer.document(&json!({"items": all}));
    Ok(())
}

async fn activate(context: &Context, id: &str, options: PushOptions<'_>) -> Result<()> {
    let api = context.api_to_change().await?;
    let id = match id {
        "previous" => previous(&api.deployments().await?)?,
        id => id.to_owned(),
    };
    let plan = api.activate(&id, options).await?;
    plan::show(&context.printer, &plan);
    let short = plan::short(&plan.deployment);
    match plan.applied {
        true => context.printer.result(format!("  Applied: deployment {short}, generation {}", plan.generation)),
        false => context.printer.note("This code is in force already."),
    }
    context.printer.document(&plan);
    Ok(())
}

/// The newest whose code is not the one in force.
fn previous(all: &[Value]) -> Result<String> {
    let none = || anyhow!("there is no earlier deployment to go back to");
    let current = all.iter().find(|d| d["current"] == json!(true)).ok_or_else(none)?;
    let earlier = all.iter().filter(|d| d["sha256"] != current["sha256"]);
    let newest = earlier.max_by_key(|d| d["generation"].as_i64()).ok_or_else(none)?;
    newest["id"].as_str().map(str::to_owned).ok_or_else(none)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn previous_is_the_newest_with_other_code() {
        let all = [
            json!({"id": "a", "generation": 1, "sha256": "x", "current": false}),
            json!({"id": "b", "generation": 2, "sha256": "y", "current": false}),
            json!({"id": "c", "generation": 3, "sha256": "y", "current": true}),
        ];
        assert_eq!(previous(&all).unwrap(), "a");
        assert!(previous(&all[1..]).is_err());
    }
}
