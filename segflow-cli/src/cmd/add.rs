use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::Context;
use crate::{attributes::Attributes, printer::visible};

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  segflow add ada username=Ada email=ada@shop.example
  segflow add ada address.city=London age=36 tags='[\"vip\"]'
  segflow add ada -j '{\"username\": \"Ada\"}'
  segflow add ada winback=null                          removes the attribute

Attributes that are not given stay as they are.")]
pub struct Add {
    /// The user's id: any text of 1 to 255 bytes
    user_id: String,
    #[command(flatten)]
    attributes: Attributes,
}

impl Add {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let attributes = self.attributes.parse()?;
        let api = context.api_to_change().await?;
        let user = api.merge(&self.user_id, attributes, true).await?;
        context.printer.result(format!("user {} is there", visible(&self.user_id)));
        context.printer.document(&user);
        Ok(ExitCode::SUCCESS)
    }
}
