use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::{Value, json};

use super::Context;
use crate::{failure::usage, plan::thousands, printer::visible};

/// The most users in one request.
const CHUNK: usize = 1_000;

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  segflow enroll onboarding ada bob
  segflow enroll onboarding --file ids.txt --start-at 2026-12-01T09:00:00Z

Puts users into a campaign, whatever its segments say. Who is in it already stays where they are. A user id a line in the file;
`-` is standard input.")]
pub struct Enroll {
    /// The campaign's id
    campaign: String,
    /// Users' ids
    users: Vec<String>,
    /// More of them, one a line
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// When they start; now, if not said
    #[arg(long, value_name = "TIME")]
    start_at: Option<String>,
}

impl Enroll {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let mut users = self.users;
        if let Some(file) = &self.file {
            let text = match file.to_str() {
                Some("-") => std::io::read_to_string(std::io::stdin()).context("standard input cannot be read")?,
                _ => std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?,
            };
            users.extend(text.lines().filter(|line| !line.is_empty()).map(str::to_owned));
        }
        if users.is_empty() {
            return Err(usage("nobody to enrol: name users, or give a file with `--file`"));
        }
        let api = context.api_to_change().await?;
        let (mut results, mut failed) = (Vec::new(), 0u64);
        for part in users.chunks(CHUNK) {
            let answer = api.enroll(&self.campaign, part, self.start_at.as_deref()).await?;
            let Value::Array(part) = answer["results"].clone() else { bail!("the server answers something else") };
            for result in &part {
                if result["status"] != json!(202) {
                    failed += 1;
                    let (user, why) = (result["user_id"].as_str(), result["detail"].as_str());
                    let (user, why) = (visible(user.unwrap_or_default()), visible(why.unwrap_or("refused")));
                    context.printer.warning(format!("{user}: {why}"));
                }
            }
            results.extend(part);
        }
        let entered = results.len() as u64 - failed;
        let people = if entered == 1 { "user" } else { "users" };
        context.printer.result(format!("{} {people} into {}", thousands(entered), visible(&self.campaign)));
        context.printer.document(&json!({"results": results}));
        Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
