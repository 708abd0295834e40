use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Result, anyhow, bail};
use clap::{Args, ValueEnum};

use super::{Context, place};
use crate::{
    api::{Api, Plan, Problem, PushOptions},
    failure::{Shown, usage},
    plan,
    wasm::{self, Plugin},
};

/// With `--exit-code`: there are changes.
const CHANGES: u8 = 3;

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  segflow push                       the project in this folder
  segflow push flows --yes           where nobody can answer, in CI for example
  segflow push --dry-run             only show what it would do
  segflow push --dry-run --exit-code exit with 3 when it would change something
  segflow push --server eu           to another server of ~/.segflow/credentials.json

  segflow push --in-flight migrate   users in the middle of a campaign go on with the new code

The plan says for how many the new code does what their journal says, and where it parts ways for the others: those stay on the
code they started with. Without --in-flight each campaign's own word counts, and without one users finish with the code they
started with.")]
pub struct Push {
    /// The project's folder
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Show the plan and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Exit with 3 when there are changes
    #[arg(long)]
    exit_code: bool,
    /// Let up to N users enter campaigns at once; a production server asks for this above 1,000
    #[arg(long, value_name = "N")]
    allow_enter: Option<u64>,
    /// What happens to users in the middle of a campaign
    #[arg(long, value_enum, value_name = "HOW")]
    in_flight: Option<InFlight>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum InFlight {
    /// They finish with the code they started with
    Pin,
    /// They go on with the new code, where it does what their journal says
    Migrate,
    /// They begin the campaign anew, with the new code
    Restart,
    /// They leave the campaign
    Cancel,
}

impl InFlight {
    pub fn name(self) -> &'static str {
        match self {
            InFlight::Pin => "pin",
            InFlight::Migrate => "migrate",
            InFlight::Restart => "restart",
            InFlight::Cancel => "cancel",
        }
    }
}

impl Push {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let printer = &context.printer;
        let api = context.api(Some(&self.dir)).await?;
        // Before minutes of compiling: is the server there, and the key good?
        let me = api.me().await?;
        let plugin = wasm::build(&self.dir, printer).await?;
        let kib = plan::thousands(plugin.wasm.len().div_ceil(1024) as u64);
        printer.note(format!("built in {:.1} s, {kib} KiB", plugin.took.as_secs_f64()));
        let place = place(&api, &me.workspace);
        let planned = match api.plan(plugin.wasm.clone(), self.in_flight.map(InFlight::name)).await {
            Ok(plan) => plan,
            Err(error) => {
                printer.note(place);
                return Err(self.refused(error, None, &plugin.dir, context));
            }
        };
        printer.note(format!("{place} · {}", deployments(&planned)));
        plan::show(printer, &planned);
        if self.dry_run || !planned.changed {
            if !planned.changed {
                printer.note("Nothing to push.");
            }
            printer.document(&planned);
            return Ok(self.code(&planned));
        }
        self.consent(context)?;
        let applied = self.apply(&api, plugin, &planned, context).await?;
        printer.result(format!(
            "  Applied: deployment {}, generation {}",
            plan::short(&applied.deployment),
            applied.generation
        ));
        follow(&api, &applied.deployment, context).await;
        printer.document(&applied);
        Ok(self.code(&planned))
    }

    fn code(&self, plan: &Plan) -> ExitCode {
        if self.exit_code && plan.changed { ExitCode::from(CHANGES) } else { ExitCode::SUCCESS }
    }

    fn consent(&self, context: &Context) -> Result<()> {
        if self.yes {
            return Ok(());
        }
        if !context.printer.can_ask() {
            return Err(usage(
                "there is nobody to ask whether to apply this: repeat with --yes, or look only with --dry-run",
            ));
        }
        let agreed = dialoguer::Confirm::new().with_prompt("  Apply?").default(false).interact().unwrap_or(false);
        if !agreed {
            context.printer.note("Nothing was pushed.");
            bail!(Shown);
        }
        Ok(())
    }

    async fn apply(&self, api: &Api, plugin: Plugin, planned: &Plan, context: &Context) -> Result<Plan> {
        let options = PushOptions {
            base: Some(planned.base),
            allow_enter: self.allow_enter,
            in_flight: self.in_flight.map(InFlight::name),
        };
        let applied = api.deploy(plugin.wasm, options).await;
        applied.map_err(|error| self.refused(error, Some(planned), &plugin.dir, context))
    }

    fn refused(
        &self,
        error: anyhow::Error,
        planned: Option<&Plan>,
        project: &Path,
        context: &Context,
    ) -> anyhow::Error {
        match error.downcast_ref::<Problem>() {
            Some(problem) if problem.code == "generation_passed" => anyhow!(
                "somebody else has pushed since this plan was made, so it was not applied.\n  Run `segflow push` again to see what it would do now"
            ),
            Some(problem) if problem.code == "too_many_enter" => {
                let users = planned.map_or(String::new(), |plan| format!("{} ", plan::thousands(plan.entering)));
                let allow = planned.map_or_else(|| "N".to_owned(), |plan| plan.entering.to_string());
                anyhow!(
                    "{users}users would enter campaigns at once, so nothing was pushed.\n  If that is meant: segflow push --allow-enter {allow}"
                )
            }
            _ => plan::explain(&context.printer, project, error),
        }
    }
}

/// Says how far users have been held against what was pushed: on a terminal until all are, otherwise once. The server goes on with it
/// whether or not anybody looks.
async fn follow(api: &Api, deployment: &str, context: &Context) {
    const LOOK: Duration = Duration::from_millis(500);
    let printer = &context.printer;
    let behind = async || api.deployment(deployment).await.ok()?["behind"].as_u64();
    let Some(all @ 1..) = behind().await else { return };
    if !printer.can_ask() {
        printer.note(format!(
            "{} users are still to be held against it; `segflow segment ID` says how many are left",
            plan::thousands(all)
        ));
        return;
    }
    let terminal = dialoguer::console::Term::stderr();
    while let Some(left @ 1..) = behind().await {
        let done = plan::thousands(all.saturating_sub(left));
        let line = format!("  {done} of {} users held against it (Ctrl-C: it goes on)", plan::thousands(all));
        let _ = terminal.clear_line().and_then(|()| terminal.write_str(&line));
        tokio::time::sleep(LOOK).await;
    }
    let _ = terminal.clear_line();
    printer.note(format!("  All {} users have been held against it.", plan::thousands(all)));
}

fn deployments(plan: &Plan) -> String {
    let new = plan::short(&plan.deployment);
    match &plan.from {
        Some(from) if *from == plan.deployment => format!("deployment {new}"),
        Some(from) => format!("deployment {} → {new}", plan::short(from)),
        None => format!("first deployment {new}"),
    }
}
