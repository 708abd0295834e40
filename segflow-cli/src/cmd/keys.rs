use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::json;

use super::Context;
use crate::{
    api::Key,
    plan::pad,
    printer::{columns, visible},
};

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  segflow keys create shop-backend      prints the new key, this once
  segflow keys list
  segflow keys revoke key_01H…          from now on it is refused")]
pub struct Keys {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a key and print it; it is shown this once
    Create {
        /// What it is for
        name: String,
    },
    /// List the workspace's keys
    List,
    /// Make a key useless, at once
    Revoke {
        /// The key's id, as `list` shows it
        id: String,
    },
}

impl Keys {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        match self.verb {
            Verb::Create { name } => create(context, &name).await?,
            Verb::List => list(context).await?,
            Verb::Revoke { id } => revoke(context, &id).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn create(context: &Context, name: &str) -> Result<()> {
    let key = context.api_to_change().await?.create_key(name).await?;
    context.printer.note(format!("key {} for {}; it is shown this once:", visible(&key.id), visible(&key.name)));
    // Alone on stdout, so that KEY=$(segflow keys create NAME) works.
    context.printer.result(&key.key);
    context.printer.document(&key);
    Ok(())
}

async fn list(context: &Context) -> Result<()> {
    let keys = context.api(None).await?.keys().await?;
    let width = |text: fn(&Key) -> &String| keys.iter().map(|key| columns(&visible(text(key)))).max().unwrap_or(0);
    let (ids, names, prefixes) = (width(|key| &key.id), width(|key| &key.name), width(|key| &key.prefix));
    for key in &keys {
        let state = match (&key.revoked_at, &key.created_at) {
            (Some(at), _) => format!("revoked {at}"),
            (None, Some(at)) => format!("since {at}"),
            (None, None) => String::new(),
        };
        let line = format!("{}  {}  {}  {state}", pad(&key.id, ids), pad(&key.name, names), pad(&key.prefix, prefixes));
        context.printer.result(line.trim_end());
    }
    if keys.is_empty() {
        context.printer.note("no keys");
    }
    context.printer.document(&json!({"items": keys}));
    Ok(())
}

async fn revoke(context: &Context, id: &str) -> Result<()> {
    context.api_to_change().await?.revoke_key(id).await?;
    context.printer.result(format!("{} is revoked", visible(id)));
    context.printer.document(&json!({"id": id, "revoked": true}));
    Ok(())
}
