use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Context;
use crate::printer::visible;

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  segflow links keys                 which keys there are, and which one signs
  segflow links rotate               a new key signs from now on; the links in emails that were sent go on working
  segflow links revoke lnk_7c1f09ab  every link that this key has signed is dead: only if it has leaked

Nobody can make a link up without a key: to unsubscribe somebody else, or to count opens and clicks that never were.")]
pub struct Links {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the keys that sign the links in emails
    Keys,
    /// Make a new key, which signs from now on
    Rotate,
    /// Make a key useless, and all links that it has signed
    Revoke {
        /// Its id, as `keys` shows it
        id: String,
    },
}

impl Links {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let printer = &context.printer;
        match self.verb {
            Verb::Keys => {
                let keys = context.api(None).await?.link_keys().await?;
                keys.iter().for_each(|key| printer.result(told(key)));
                if keys.is_empty() {
                    printer.note("no keys yet: the first email makes one");
                }
                printer.document(&json!({"items": keys}));
            }
            Verb::Rotate => {
                let key = context.api_to_change().await?.create_link_key().await?;
                printer.result(told(&key));
                printer.document(&key);
            }
            Verb::Revoke { id } => {
                context.api_to_change().await?.revoke_link_key(&id).await?;
                printer.result(format!("{} is revoked: the links that it has signed are dead", visible(&id)));
                printer.document(&json!({"id": id, "revoked": true}));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn told(key: &Value) -> String {
    let text = |field: &str| key[field].as_str().map(|text| visible(text).into_owned());
    let state = match (text("revoked_at"), key["signs"] == json!(true)) {
        (Some(at), _) => format!("revoked {at}"),
        (None, true) => format!("signs, since {}", text("created_at").unwrap_or_default()),
        (None, false) => format!("opens what it has signed, since {}", text("created_at").unwrap_or_default()),
    };
    format!("{}  {state}", text("id").unwrap_or_default())
}
