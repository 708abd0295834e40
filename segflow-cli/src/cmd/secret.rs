use std::{
    io::{IsTerminal, Read},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use serde_json::json;

use super::Context;
use crate::{
    api::Secret as Listed,
    failure::usage,
    plan::pad,
    printer::{columns, visible},
};

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  segflow secret set POSTMARK_TOKEN                asks for it
  segflow secret set DKIM_KEY < dkim.pem           reads it from standard input
  segflow secret list                              names, never values
  segflow secret rm POSTMARK_TOKEN

The server keeps them sealed with the key in its SEGFLOW_SECRET_KEY. A variable of that name in its environment wins.")]
pub struct Secret {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Store a secret, in place of the one before
    Set {
        /// As the project calls it: POSTMARK_TOKEN
        name: String,
    },
    /// List the names of stored secrets
    List,
    /// Remove a stored secret
    Rm {
        /// As the project calls it
        name: String,
    },
}

impl Secret {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        match self.verb {
            Verb::Set { name } => set(context, &name).await?,
            Verb::List => list(context).await?,
            Verb::Rm { name } => remove(context, &name).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn set(context: &Context, name: &str) -> Result<()> {
    let value = ask(name, context)?;
    context.api_to_change().await?.set_secret(name, &value).await?;
    context.printer.result(format!("{} is set", visible(name)));
    context.printer.document(&json!({"name": name, "set": true}));
    Ok(())
}

async fn list(context: &Context) -> Result<()> {
    let secrets = context.api(None).await?.secrets().await?;
    let width = secrets.iter().map(|secret| columns(&visible(&secret.name))).max().unwrap_or(0);
    for Listed { name, source, updated_at } in &secrets {
        let note = match source.as_str() {
            "environment" => ", but the server's environment has one of that name, which wins".to_owned(),
            "sealed" => ", but the server has not got the key that it was sealed with: set it again".to_owned(),
            _ => String::new(),
        };
        context.printer.result(format!("{}  since {}{note}", pad(name, width), visible(updated_at)));
    }
    if secrets.is_empty() {
        context.printer.note("no secrets are stored");
    }
    context.printer.document(&json!({"items": secrets}));
    Ok(())
}

async fn remove(context: &Context, name: &str) -> Result<()> {
    context.api_to_change().await?.remove_secret(name).await?;
    context.printer.result(format!("{} is removed", visible(name)));
    context.printer.document(&json!({"name": name, "removed": true}));
    Ok(())
}

/// Without echo; where nobody can type, all of stdin but for the line feed at its end.
fn ask(name: &str, context: &Context) -> Result<String> {
    if context.printer.can_ask() {
        return dialoguer::Password::new().with_prompt(visible(name)).interact().context("no secret was given");
    }
    if std::io::stdin().is_terminal() {
        return Err(usage(format!("there is nobody to ask: give it on stdin, `segflow secret set {name} < FILE`")));
    }
    let mut text = String::new();
    std::io::stdin().take(1 << 20).read_to_string(&mut text).context("the secret cannot be read from stdin")?;
    let value = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    if value.is_empty() {
        bail!("no secret on stdin: `segflow secret set {name} < FILE`");
    }
    Ok(value.to_owned())
}
