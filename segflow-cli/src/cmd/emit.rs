use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::Context;
use crate::{api, attributes::Attributes, printer::visible};

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  segflow emit purchase ada value=99 order_id=A-1
  segflow emit login ada
  segflow emit purchase ada -j '{\"value\": 99, \"order_id\": \"A-1\"}'
  segflow emit purchase ada value=99 --id order-A-1     the same id again counts once

A user that is not known yet is created.")]
pub struct Emit {
    /// What happened, as the project's Event type is named: purchase, login …
    event: String,
    /// Who did it
    user_id: String,
    #[command(flatten)]
    attributes: Attributes,
    /// The event's own id: reported again for this user, it counts once [default: a new one]
    #[arg(long)]
    id: Option<String>,
}

impl Emit {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let attributes = self.attributes.parse()?;
        // Made before the first try, so that a second one after a broken connection counts once.
        let id = self.id.map_or_else(api::new_event_id, Ok)?;
        let api = context.api_to_change().await?;
        let event = json!({"name": self.event, "attributes": attributes, "id": id});
        let answer = api.emit(&self.user_id, &event).await?;
        let id = answer["id"].as_str().unwrap_or(&id).to_owned();
        context.printer.result(format!(
            "{} of {}: event {}",
            visible(&self.event),
            visible(&self.user_id),
            visible(&id)
        ));
        context.printer.document(&json!({"id": id}));
        Ok(ExitCode::SUCCESS)
    }
}
