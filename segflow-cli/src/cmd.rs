//! The verbs, one file each.

mod add;
mod allow_list;
mod campaigns;
mod clock;
mod deployments;
mod doctor;
mod emit;
mod enroll;
mod enrollment;
mod hold;
mod init;
mod keys;
mod links;
mod login;
mod messages;
mod providers;
mod push;
mod secret;
mod segment;
mod suppressions;
mod update;
mod webhooks;

#[cfg(feature = "server")]
mod dev;
#[cfg(feature = "server")]
mod emails;
#[cfg(feature = "server")]
mod serve;
#[cfg(feature = "server")]
mod simulate;
#[cfg(not(feature = "server"))]
mod without_server;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::{
    api::Api,
    failure::usage,
    printer::Printer,
    target::{self, Surroundings},
};

/// Emails that follow what people do: segments, campaigns and transactions, written in Rust
#[derive(Debug, Parser)]
#[command(name = "segflow", version, arg_required_else_help = true, max_term_width = 100, after_long_help = AFTER)]
pub struct Cli {
    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// Use this server of ~/.segflow/credentials.json
    #[arg(long, global = true, value_name = "NAME")]
    pub server: Option<String>,
    /// Run as if started in this folder
    #[arg(short = 'C', global = true, value_name = "DIR")]
    pub folder: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

const AFTER: &str = "\
A first project:
  segflow init shop             a project that builds, tests and pushes
  segflow dev shop              a server on this machine, with captured mail and live reload
  segflow -C shop add ada username=Ada email=ada@shop.example

Which server, the first of:
  SEGFLOW_URL and SEGFLOW_API_KEY in the environment, or in .env
  the `segflow dev` that runs for the project in this folder
  ~/.segflow/credentials.json, which `segflow login` writes

Exit code 0: done, 1: failed, 2: wrong use.";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a new project that builds, tests and pushes
    Init(init::Init),
    /// Run a server on this machine, push a project to it, and again whenever it changes
    #[cfg(feature = "server")]
    Dev(dev::Dev),
    /// Run a server on this machine (not in this build)
    #[cfg(not(feature = "server"))]
    Dev(without_server::Anything),
    /// Show or move the virtual clock of a dev server
    Clock(clock::Clock),
    /// Run the production server
    #[cfg(feature = "server")]
    Serve(serve::Serve),
    /// Run the production server (not in this build)
    #[cfg(not(feature = "server"))]
    Serve(without_server::Anything),
    /// Show what a campaign would do for a user, or for a file of history, without a server
    #[cfg(feature = "server")]
    Simulate(simulate::Simulate),
    /// Show what a campaign would do (not in this build)
    #[cfg(not(feature = "server"))]
    Simulate(without_server::Anything),
    /// See a project's emails in the browser, check them, and send one as a test
    #[cfg(feature = "server")]
    Emails(emails::Emails),
    /// See a project's emails (not in this build)
    #[cfg(not(feature = "server"))]
    Emails(without_server::Anything),
    /// Build a project, show what pushing it would do, ask, and push it
    Push(push::Push),
    /// List what was pushed, and go back
    Deployments(deployments::Deployments),
    /// Show how many are in each campaign, what has come of its messages, and what it says of itself
    Campaigns(campaigns::Campaigns),
    /// Put users into a campaign by hand
    Enroll(enroll::Enroll),
    /// Show one run of a user through a campaign, pause, resume, restart or remove it
    Enrollment(enrollment::Enrollment),
    /// Show a segment, explain it for a user, list its members, hold everybody against it
    Segment(segment::Segment),
    /// Look a set-up over: database, clock, address, providers, DNS
    Doctor(doctor::Doctor),
    /// List messages, and show why one is where it is
    Messages(messages::Messages),
    /// Show how each provider is, and ask one again that is left alone
    Providers(providers::Providers),
    /// Report an event of a user
    Emit(emit::Emit),
    /// Add a user, or merge attributes into the one that exists
    Add(add::Add),
    /// Merge attributes into a user that exists
    Update(update::Update),
    /// Remember a server and a key for it
    Login(login::Login),
    /// Create, list and revoke API keys
    Keys(keys::Keys),
    /// Store, list and remove secrets, which providers and webhooks need
    Secret(secret::Secret),
    /// List, renew and revoke the keys that sign the links in emails
    Links(links::Links),
    /// Show, add, remove, import and export addresses that are not to be written to
    Suppressions(suppressions::Suppressions),
    /// Have other programs told what happens: add, show, renew and remove webhooks, look at and repeat what they were told
    Webhooks(webhooks::Webhooks),
    /// Stop all sending, at once and on every server
    Hold(hold::Hold),
    /// Go on after `hold`: send what waits, or cancel it
    Release(hold::Release),
    /// Say who may be written to, for a server that must not write to everybody
    AllowList(allow_list::AllowList),
}

/// What every verb needs.
pub struct Context {
    pub printer: Printer,
    /// `--server NAME`
    pub server: Option<String>,
}

impl Context {
    /// A client for the server that this command is about. `project` is the folder the command was given, if any.
    async fn api(&self, project: Option<&Path>) -> Result<Api> {
        Api::new(target::find(self.server.as_deref(), &Surroundings::here(project)).await?)
    }

    /// A client for a command that changes something: says where, after checking that the key is good.
    async fn api_to_change(&self) -> Result<Api> {
        let api = self.api(None).await?;
        let me = api.me().await?;
        self.printer.note(place(&api, &me.workspace));
        Ok(api)
    }
}

/// Which server and workspace.
fn place(api: &Api, workspace: &str) -> String {
    format!("{} · workspace {}", api.target().url, crate::printer::visible(workspace))
}

pub async fn run(cli: Cli, printer: Printer) -> Result<ExitCode> {
    if let Some(folder) = &cli.folder {
        std::env::set_current_dir(folder)
            .map_err(|error| usage(format!("-C {}: this folder cannot be entered ({error})", folder.display())))?;
    }
    let context = Context { printer, server: cli.server };
    match cli.verb {
        Verb::Init(verb) => verb.run(&context).await,
        #[cfg(feature = "server")]
        Verb::Dev(verb) => verb.run(&context).await,
        #[cfg(not(feature = "server"))]
        Verb::Dev(_) => without_server::refuse("dev"),
        Verb::Clock(verb) => verb.run(&context).await,
        #[cfg(feature = "server")]
        Verb::Serve(verb) => verb.run(&context).await,
        #[cfg(not(feature = "server"))]
        Verb::Serve(_) => without_server::refuse("serve"),
        #[cfg(feature = "server")]
        Verb::Simulate(verb) => verb.run(&context).await,
        #[cfg(not(feature = "server"))]
        Verb::Simulate(_) => without_server::refuse("simulate"),
        #[cfg(feature = "server")]
        Verb::Emails(verb) => verb.run(&context).await,
        #[cfg(not(feature = "server"))]
        Verb::Emails(_) => without_server::refuse("emails"),
        Verb::Push(verb) => verb.run(&context).await,
        Verb::Deployments(verb) => verb.run(&context).await,
        Verb::Campaigns(verb) => verb.run(&context).await,
        Verb::Enroll(verb) => verb.run(&context).await,
        Verb::Enrollment(verb) => verb.run(&context).await,
        Verb::Segment(verb) => verb.run(&context).await,
        Verb::Doctor(verb) => verb.run(&context).await,
        Verb::Messages(verb) => verb.run(&context).await,
        Verb::Providers(verb) => verb.run(&context).await,
        Verb::Emit(verb) => verb.run(&context).await,
        Verb::Add(verb) => verb.run(&context).await,
        Verb::Update(verb) => verb.run(&context).await,
        Verb::Login(verb) => verb.run(&context).await,
        Verb::Keys(verb) => verb.run(&context).await,
        Verb::Secret(verb) => verb.run(&context).await,
        Verb::Links(verb) => verb.run(&context).await,
        Verb::Suppressions(verb) => verb.run(&context).await,
        Verb::Webhooks(verb) => verb.run(&context).await,
        Verb::Hold(verb) => verb.run(&context).await,
        Verb::Release(verb) => verb.run(&context).await,
        Verb::AllowList(verb) => verb.run(&context).await,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_has_a_line_and_examples() {
        for verb in Cli::command().get_subcommands() {
            assert!(verb.get_about().is_some(), "{} says nothing about itself", verb.get_name());
            if cfg!(feature = "server") {
                assert!(verb.get_after_long_help().is_some(), "{} has no examples", verb.get_name());
            }
        }
    }
}
