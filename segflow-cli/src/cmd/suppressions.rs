mod file;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Result, bail};
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
  segflow suppressions list
  segflow suppressions show ada@shop.example               what is known of one address
  segflow suppressions add ada@shop.example                nothing is sent to it any more
  segflow suppressions add ada@shop.example --as unsubscribed
  segflow suppressions add ada@shop.example --topic news   it does not want this topic
  segflow suppressions remove ada@shop.example             it may be written to again
  segflow suppressions import unsubscribed.csv --as unsubscribed
  segflow suppressions export > suppressions.csv

A file has one address on each line, or columns with names: address (or email), and perhaps blocked, blocked_at, unsubscribed_at and topics
as `export` writes them. Other columns are passed over.")]
pub struct Suppressions {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the addresses of which something is known
    List,
    /// Show what is known of an address
    Show { address: String },
    /// Keep addresses from being written to
    Add {
        #[arg(required = true, value_name = "ADDRESS")]
        addresses: Vec<String>,
        /// Why; `unsubscribed` still gets transactions
        #[arg(long = "as", value_enum, value_name = "REASON", default_value = "manual", conflicts_with = "topic")]
        reason: Reason,
        /// They do not want this topic; everything else is sent
        #[arg(long, value_name = "ID")]
        topic: Option<String>,
    },
    /// Let addresses be written to again; what they said of topics stays
    Remove {
        #[arg(required = true, value_name = "ADDRESS")]
        addresses: Vec<String>,
    },
    /// Add all addresses of a file; `-` is standard input
    Import {
        file: PathBuf,
        /// Why, for those of which the file does not say it
        #[arg(long = "as", value_enum, value_name = "REASON", default_value = "manual")]
        reason: Reason,
    },
    /// Write all that is known as CSV; of people who were erased, the address is not
    Export,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Reason {
    Manual,
    Unsubscribed,
    Bounce,
    Complaint,
}

impl Reason {
    /// Notes it in an item that says nothing yet.
    fn note(self, item: &mut Value) {
        match self {
            Reason::Manual => item["blocked"] = "manual".into(),
            Reason::Bounce => item["blocked"] = "bounce".into(),
            Reason::Complaint => item["blocked"] = "complaint".into(),
            Reason::Unsubscribed => item["unsubscribed"] = true.into(),
        }
    }
}

/// How many addresses go in one request.
const PART: usize = 1_000;

/// How many of those that are refused are named.
const NAMED: usize = 10;

impl Suppressions {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let printer = &context.printer;
        match self.verb {
            Verb::List => {
                let all = context.api(None).await?.suppressions().await?;
                all.iter().for_each(|listed| printer.result(told(listed)));
                if all.is_empty() {
                    printer.note("nothing is known of any address");
                }
                printer.document(&json!({"items": all}));
            }
            Verb::Show { address } => {
                let listed = context.api(None).await?.suppression(&address).await?;
                printer.result(told(&listed));
                printer.document(&listed);
            }
            Verb::Add { addresses, reason, topic } => {
                let item = |address: String| {
                    let mut item = json!({"address": address});
                    match &topic {
                        Some(topic) => item["topics"] = json!({topic.clone(): false}),
                        None => reason.note(&mut item),
                    }
                    item
                };
                add(context, addresses.into_iter().map(item).zip(1..).collect()).await?;
            }
            Verb::Remove { addresses } => {
                let api = context.api_to_change().await?;
                for address in &addresses {
                    api.lift_suppression(address).await?;
                    printer.result(format!("{} may be written to again", visible(address)));
                }
                printer.document(&json!({"removed": addresses.len()}));
            }
            Verb::Import { file, reason } => {
                let mut items = file::read(&file)?;
                let says = |item: &Value| item.as_object().is_some_and(|item| item.len() > 1);
                items.iter_mut().filter(|(item, _)| !says(item)).for_each(|(item, _)| reason.note(item));
                add(context, items).await?;
            }
            Verb::Export => {
                let all = context.api(None).await?.suppressions().await?;
                if !printer.json {
                    printer.result(file::written(&all)?.trim_end());
                }
                printer.document(&json!({"items": all}));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Items, each with its place in the list or the file.
async fn add(context: &Context, items: Vec<(Value, u64)>) -> Result<()> {
    let api = context.api_to_change().await?;
    let (mut noted, mut refused) = (0, vec![]);
    for part in items.chunks(PART) {
        let body: Vec<&Value> = part.iter().map(|(item, _)| item).collect();
        let answer = api.add_suppressions(&json!({"items": body})).await?;
        let results = answer["results"].as_array().cloned().unwrap_or_default();
        for ((_, place), result) in part.iter().zip(results) {
            match result["status"].as_u64() {
                Some(200) => noted += 1,
                _ => refused.push((place, result["detail"].as_str().unwrap_or("refused").to_owned())),
            }
        }
    }
    say(&context.printer, noted, &refused);
    let named = |(place, why): &(&u64, String)| json!({"line": place, "detail": why});
    let all: Vec<Value> = refused.iter().map(named).collect();
    context.printer.document(&json!({"noted": noted, "refused": all}));
    match refused.len() {
        0 => Ok(()),
        1 => bail!("1 address was refused; the others are noted"),
        many => bail!("{many} addresses were refused; the others are noted"),
    }
}

fn say(printer: &Printer, noted: u64, refused: &[(&u64, String)]) {
    let addresses = if noted == 1 { "address" } else { "addresses" };
    printer.result(format!("{} {addresses} noted", thousands(noted)));
    for (place, why) in refused.iter().take(NAMED) {
        printer.warning(format!("{place}: {}", visible(why)));
    }
    if refused.len() > NAMED {
        printer.note(format!("… and {} more", refused.len() - NAMED));
    }
}

/// One line: the address, and what is known of it.
fn told(listed: &Value) -> String {
    let text = |field: &str| listed[field].as_str().map(|text| visible(text).into_owned());
    let mut known = vec![];
    if let (Some(why), Some(at)) = (text("blocked"), text("blocked_at")) {
        known.push(format!("{why} since {at}"));
    }
    if let Some(at) = text("unsubscribed_at") {
        known.push(format!("unsubscribed since {at}"));
    }
    for (topic, wants) in listed["topics"].as_object().into_iter().flatten() {
        let word = if *wants == json!(true) { "wants" } else { "does not want" };
        known.push(format!("{word} {}", visible(topic)));
    }
    if known.is_empty() {
        known.push("nothing".into());
    }
    let erased = || format!("(erased, {})", &text("hash").unwrap_or_default());
    format!("{}  {}", text("address").unwrap_or_else(erased), known.join(", "))
}
