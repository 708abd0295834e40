use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Context;
use crate::{
    plan::pad,
    printer::{columns, visible},
};

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  segflow providers                  how each provider of the project is, and why
  segflow providers retry postmark   what was wrong is mended: ask it again now

A provider in trouble is left alone for a while, and the next one by priority gets its messages. Then one message shows whether it is
well again.")]
pub struct Providers {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Ask a provider again that is left alone
    Retry {
        /// Its name in the list
        id: String,
    },
}

impl Providers {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        match self.verb {
            None => list(context).await?,
            Some(Verb::Retry { id }) => {
                context.api_to_change().await?.retry_provider(&id).await?;
                context.printer.result(format!("{} is asked again", visible(&id)));
                context.printer.document(&json!({"id": id, "retried": true}));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn list(context: &Context) -> Result<()> {
    let all = context.api(None).await?.providers().await?;
    let id = |provider: &Value| visible(provider["id"].as_str().unwrap_or_default()).into_owned();
    let width = all.iter().map(|provider| columns(&id(provider))).max().unwrap_or(0);
    for provider in &all {
        let line = format!("{}  {}", pad(&id(provider), width), told(provider).join(" · "));
        context.printer.result(line);
    }
    if all.is_empty() {
        context.printer.note("the project has no providers: add `.provider(…)` and push");
    }
    context.printer.document(&json!({"items": all}));
    Ok(())
}

/// How it is, what it gets, and how much it takes.
fn told(provider: &Value) -> Vec<String> {
    let text = |field: &str| provider[field].as_str().map(|text| visible(text).into_owned());
    let until = text("until").map_or(String::new(), |until| format!(" until {until}"));
    let why = text("why").map_or(String::new(), |why| format!(": {why}"));
    let mut told = vec![format!("{}{until}{why}", text("state").unwrap_or_default())];
    let not_one = |field: &str| provider[field].as_u64().filter(|n| *n != 1).map(|n| format!("{field} {n}"));
    told.extend(not_one("priority"));
    told.extend(not_one("weight"));
    told.extend(text("only").map(|only| format!("{only} only")));
    let least = |limit: &Value| limit["declared"].as_u64().into_iter().chain(limit["told"].as_u64()).min();
    told.extend(least(&provider["per_second"]).map(|limit| format!("{limit}/s")));
    let day = &provider["per_day"];
    told.extend(least(day).map(|limit| format!("{} of {limit} in 24 hours", day["used"].as_u64().unwrap_or(0))));
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_out_of_the_ordinary() {
        let plain = json!({"state": "ready", "priority": 1, "weight": 1, "only": null, "why": null, "until": null,
            "per_second": {"declared": null, "told": null}, "per_day": {"declared": null, "told": null, "used": null}});
        assert_eq!(told(&plain), ["ready"]);
        let much = json!({"state": "down", "priority": 2, "weight": 3, "only": "campaigns", "why": "wrong password",
            "until": "2026-01-01T09:00:00Z", "per_second": {"declared": 20, "told": 14},
            "per_day": {"declared": 1000, "told": null, "used": 7}});
        let expected =
            ["down until 2026-01-01T09:00:00Z: wrong password", "priority 2", "weight 3", "campaigns only", "14/s"];
        assert_eq!(told(&much)[..5], expected);
        assert_eq!(told(&much)[5], "7 of 1000 in 24 hours");
    }
}
