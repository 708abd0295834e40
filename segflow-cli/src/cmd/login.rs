use std::{
    io::{IsTerminal, Read},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::json;

use super::{Context, place};
use crate::{
    api::Api,
    failure::usage,
    printer::Printer,
    target::{Credentials, Target, is_local, server_url},
};

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  segflow login https://mail.shop.example
  segflow login https://eu.shop.example --server eu     then `segflow push --server eu`
  segflow login https://mail.shop.example < key.txt     where nobody can type

The key is checked, then kept in ~/.segflow/credentials.json, readable by you alone.")]
pub struct Login {
    /// The server: https://mail.shop.example
    url: String,
}

impl Login {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let url = server_url(&self.url)?;
        let path = Credentials::path()?;
        let mut credentials = Credentials::read(&path)?;
        if url.starts_with("http:") && !is_local(&url) {
            context.printer.warning("this is not https: everybody on the way can read the key");
        }
        let key = ask(&url, &context.printer)?;
        let api = Api::new(Target::new(&url, &key, "your input")?)?;
        let me = api.me().await?;
        let name = context.server.as_deref();
        credentials.set(name, &url, &api.target().key);
        credentials.write(&path)?;
        context.printer.result(format!("{} · remembered in {}", place(&api, &me.workspace), path.display()));
        context.printer.document(&json!({"url": url, "workspace": me.workspace, "server": name}));
        Ok(ExitCode::SUCCESS)
    }
}

/// Without echo; where nobody can type, the first line of stdin.
fn ask(url: &str, printer: &Printer) -> Result<String> {
    if printer.can_ask() {
        let prompt = format!("API key for {url}");
        return dialoguer::Password::new().with_prompt(prompt).interact().context("no key was given");
    }
    if std::io::stdin().is_terminal() {
        return Err(usage("there is nobody to ask: give the key on stdin, `segflow login URL < key.txt`"));
    }
    let mut text = String::new();
    std::io::stdin().take(64 * 1024).read_to_string(&mut text).context("the key cannot be read from stdin")?;
    match text.lines().map(str::trim).find(|line| !line.is_empty()) {
        Some(key) => Ok(key.to_owned()),
        None => bail!("no key on stdin: `segflow login URL < key.txt`"),
    }
}
