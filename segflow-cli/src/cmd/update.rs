use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::Args;

use super::Context;
use crate::{api::Problem, attributes::Attributes, printer::visible};

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  segflow update ada winback=true
  segflow update ada address.city=Paris
  segflow update ada nickname=null                      removes the attribute

Attributes that are not given stay as they are. `segflow add` is the same for users that may not exist yet.")]
pub struct Update {
    /// The id of a user that exists
    user_id: String,
    #[command(flatten)]
    attributes: Attributes,
}

impl Update {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let attributes = self.attributes.parse()?;
        let api = context.api_to_change().await?;
        let user = api.merge(&self.user_id, attributes, false).await.map_err(|error| self.unknown(error))?;
        context.printer.result(format!("user {} is updated", visible(&self.user_id)));
        context.printer.document(&user);
        Ok(ExitCode::SUCCESS)
    }

    fn unknown(&self, error: anyhow::Error) -> anyhow::Error {
        match error.downcast_ref::<Problem>() {
            Some(problem) if problem.code == "not_found" => {
                let id = visible(&self.user_id);
                anyhow!("there is no user `{id}`, and `update` creates none: `segflow add {id} …` does")
            }
            _ => error,
        }
    }
}
