use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Context;
use crate::printer::{Printer, visible};

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  segflow allow-list                                   who may be written to
  segflow allow-list set @team.example ada@x.example   these and nobody else; what goes to others is suppressed
  segflow allow-list clear                             everybody again

For a staging server with the data of real people: `segflow serve --hold`, set the list, `segflow release`.")]
pub struct AllowList {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Let these addresses and domains be written to, and nobody else
    Set {
        #[arg(required = true, value_name = "ADDRESS|@DOMAIN")]
        patterns: Vec<String>,
    },
    /// Let everybody be written to
    Clear,
}

impl AllowList {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let list = match self.verb {
            None => context.api(None).await?.allow_list().await?,
            Some(Verb::Set { patterns }) => context.api_to_change().await?.set_allow_list(&patterns).await?,
            Some(Verb::Clear) => {
                context.api_to_change().await?.clear_allow_list().await?;
                json!({"allow": null})
            }
        };
        show(&context.printer, &list);
        Ok(ExitCode::SUCCESS)
    }
}

fn show(printer: &Printer, list: &Value) {
    match list["allow"].as_array() {
        None => printer.note("there is no allow-list: everybody may be written to"),
        Some(patterns) => {
            patterns.iter().filter_map(Value::as_str).for_each(|pattern| printer.result(visible(pattern)));
            printer.note("nobody else is written to");
        }
    }
    printer.document(list);
}
