use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::Value;

use super::Context;
use crate::{plan::thousands, printer::visible};

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_long_help = "\
Examples:
  segflow hold                              nothing is sent any more, from the moment that this answers
  segflow hold --reason \"wrong prices\"      every message that waits shows why
  segflow hold status                       since when, by whom, why, and how many messages wait
  segflow release                           what waits is sent
  segflow release --drop                    what waits is cancelled

Flows go on meanwhile: what they decide to send waits, and so do their webhooks. What was being handed to a provider already is not called back."
)]
pub struct Hold {
    /// Why; every message that waits shows it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show whether sending is held, and how many messages wait
    Status,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  segflow release          what `segflow hold` kept back is sent; what was cancelled or suppressed meanwhile is not
  segflow release --drop   all that waits is cancelled, and what is decided from now on is sent")]
pub struct Release {
    /// Cancel what waits instead of sending it
    #[arg(long)]
    drop: bool,
}

impl Hold {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let state = match self.verb {
            Some(Verb::Status) => context.api(None).await?.hold_state().await?,
            None => context.api_to_change().await?.hold(self.reason.as_deref()).await?,
        };
        context.printer.result(told(&state));
        context.printer.document(&state);
        Ok(ExitCode::SUCCESS)
    }
}

impl Release {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let done = context.api_to_change().await?.release(self.drop).await?;
        let (dropped, released) = (messages(&done["dropped"]), messages(&done["released"]));
        let line = if self.drop { format!("{dropped} cancelled") } else { format!("{released} sent now") };
        context.printer.result(format!("sending goes on; {line}"));
        context.printer.document(&done);
        Ok(ExitCode::SUCCESS)
    }
}

/// One line: how it is, and what waits.
fn told(state: &Value) -> String {
    let text = |value: &Value| value.as_str().map(|text| visible(text).into_owned());
    if state["held"] != true {
        return format!("sending goes on; {} to be sent", messages(&state["waiting"]));
    }
    let by = text(&state["by"]["name"]).map_or(String::new(), |name| format!(" by {name}"));
    let why = text(&state["reason"]).map_or(String::new(), |why| format!(": {why}"));
    let since = text(&state["since"]).unwrap_or_default();
    format!("sending is held since {since}{by}{why}; {} waiting", messages(&state["waiting"]))
}

fn messages(count: &Value) -> String {
    let count = count.as_u64().unwrap_or(0);
    format!("{} {}", thousands(count), if count == 1 { "message" } else { "messages" })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_hold_is_told_in_a_line() {
        let free = json!({"held": false, "since": null, "by": null, "reason": null, "waiting": 1});
        assert_eq!(told(&free), "sending goes on; 1 message to be sent");
        let held = json!({"held": true, "since": "2026-01-01T09:00:00Z", "by": {"id": "key_1", "name": "ops"},
            "reason": "wrong prices", "waiting": 1200});
        let line = "sending is held since 2026-01-01T09:00:00Z by ops: wrong prices; 1,200 messages waiting";
        assert_eq!(told(&held), line);
    }
}
