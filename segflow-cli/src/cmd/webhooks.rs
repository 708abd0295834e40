use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::Context;
use crate::{
    plan::thousands,
    printer::{Printer, visible},
};

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  segflow webhooks add https://shop.example/segflow                    is told everything; prints the secret, this once
  segflow webhooks add https://shop.example/segflow --events message.bounced,message.complained
  segflow webhooks list                                                how each is, and why
  segflow webhooks deliveries whe_7c1f --status failed                 what it was told last, and what it answered
  segflow webhooks replay whe_7c1f evt_09ab                            tell it once more
  segflow webhooks replay whe_7c1f --since 2026-01-31T00:00:00Z        all that was given up since then
  segflow webhooks rotate whe_7c1f                                     a new secret; the old one signs as well, for a day

Deliveries are signed as Standard Webhooks says, and tried again for three days. docs/webhooks.md has a receiver in ten lines.")]
pub struct Webhooks {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Have a URL called when something happens, and print the secret that the calls are signed with
    Add {
        url: String,
        /// Only these; everything, if it is left out
        #[arg(long, value_name = "TYPE,…", value_delimiter = ',')]
        events: Vec<String>,
    },
    /// List the webhooks of the workspace
    List,
    /// Show one, and how much waits for it
    Show { id: String },
    /// Call it no more, and forget what it was to be told
    Remove { id: String },
    /// Call one again that was disabled; what waits for it goes on
    Enable { id: String },
    /// Make a new secret and print it; the one before signs as well, for a day
    Rotate { id: String },
    /// List what it was told, the newest first
    Deliveries {
        id: String,
        #[arg(long, value_enum)]
        status: Option<Status>,
    },
    /// Tell it one thing once more, or all that was given up
    Replay {
        id: String,
        /// As `deliveries` shows it
        #[arg(required_unless_present = "since", conflicts_with = "since")]
        delivery: Option<String>,
        /// All that was given up, of what happened since this instant
        #[arg(long, value_name = "INSTANT")]
        since: Option<String>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Status {
    Pending,
    Delivered,
    Failed,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Status::Pending => "pending",
            Status::Delivered => "delivered",
            Status::Failed => "failed",
        }
    }
}

impl Webhooks {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let printer = &context.printer;
        match self.verb {
            Verb::Add { url, events } => {
                let mut webhook = json!({"url": url});
                if !events.is_empty() {
                    webhook["events"] = json!(events);
                }
                let made = context.api_to_change().await?.add_webhook(&webhook).await?;
                printer.note(format!("webhook {}; its secret is shown this once:", text(&made, "id")));
                secret(printer, &made);
            }
            Verb::List => {
                let all = context.api(None).await?.webhooks().await?;
                all.iter().for_each(|webhook| printer.result(told(webhook)));
                if all.is_empty() {
                    printer.note("no webhooks: `segflow webhooks add URL` makes one");
                }
                printer.document(&json!({"items": all}));
            }
            Verb::Show { id } => {
                let webhook = context.api(None).await?.webhook(&id).await?;
                printer.result(told(&webhook));
                printer.result(format!("told: {}", types(&webhook)));
                printer.result(format!("waiting: {}", thousands(webhook["waiting"].as_u64().unwrap_or_default())));
                printer.document(&webhook);
            }
            Verb::Remove { id } => {
                context.api_to_change().await?.remove_webhook(&id).await?;
                printer.result(format!("{} is removed", visible(&id)));
                printer.document(&json!({"id": id, "removed": true}));
            }
            Verb::Enable { id } => {
                let webhook = context.api_to_change().await?.enable_webhook(&id).await?;
                printer.result(told(&webhook));
                printer.document(&webhook);
            }
            Verb::Rotate { id } => {
                let made = context.api_to_change().await?.rotate_webhook(&id).await?;
                let until = text(&made, "rotates_until");
                printer.note(format!("the secret before signs as well until {until}; this one is shown this once:"));
                secret(printer, &made);
            }
            Verb::Deliveries { id, status } => {
                let page = context.api(None).await?.deliveries(&id, status.map(Status::name)).await?;
                page.items.iter().for_each(|delivery| printer.result(delivered(delivery)));
                match (page.items.is_empty(), &page.next) {
                    (true, _) => printer.note("nothing"),
                    (_, Some(_)) => printer.note("… and earlier ones"),
                    _ => {}
                }
                printer.document(&json!({"items": page.items, "next": page.next}));
            }
            Verb::Replay { id, delivery, since } => {
                let what = match delivery {
                    Some(delivery) => json!({"delivery": delivery}),
                    None => json!({"since": since}),
                };
                let answer = context.api_to_change().await?.replay_webhook(&id, &what).await?;
                let count = answer["replayed"].as_u64().unwrap_or_default();
                let deliveries = if count == 1 { "delivery" } else { "deliveries" };
                printer.result(format!("{} {deliveries} to be told again", thousands(count)));
                printer.document(&answer);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Alone on stdout, so that SECRET=$(segflow webhooks add URL) works.
fn secret(printer: &Printer, made: &Value) {
    printer.result(text(made, "secret"));
    printer.document(made);
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().map(|text| visible(text).into_owned()).unwrap_or_default()
}

fn types(webhook: &Value) -> String {
    let types = webhook["events"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let types = types.map(|ty| visible(ty).into_owned()).collect::<Vec<_>>().join(", ");
    if types.is_empty() { "everything".into() } else { types }
}

/// One line: where it is, how it is, and why.
fn told(webhook: &Value) -> String {
    let mut state = text(webhook, "status");
    match (webhook["disabled_at"].as_str(), webhook["failures"].as_u64()) {
        (Some(at), _) => state = format!("{state} since {}", visible(at)),
        (None, Some(failures)) if failures > 0 => state = format!("{state}, {} times in a row", thousands(failures)),
        _ => {}
    }
    if let Some(why) = webhook["reason"].as_str() {
        state = format!("{state}: {}", visible(why));
    }
    format!("{}  {}  {state}", text(webhook, "id"), text(webhook, "url"))
}

/// One line: what and when, and what became of it.
fn delivered(delivery: &Value) -> String {
    let mut state = text(delivery, "status");
    if let Some(why) = delivery["reason"].as_str() {
        state = format!("{state}: {}", visible(why));
    }
    if let Some(at) = delivery["due_at"].as_str() {
        state = format!("{state}, next at {}", visible(at));
    }
    format!("{}  {}  {}  {state}", text(delivery, "created_at"), text(delivery, "id"), text(delivery, "type"))
}
