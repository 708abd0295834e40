use std::{
    io::ErrorKind,
    net::TcpListener,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use segflow_server::plugin::Host;
use serde_json::{Value, json};

use super::{Context, place};
use crate::{
    dev::Watch,
    emails::{Content, Gallery, Level, Preview, Shown},
    failure::{text, usage},
    plan::pad,
    printer::{Printer, Tone, visible},
    wasm,
};

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_long_help = "\
Examples:
  segflow emails                                  see every email in the browser; again whenever a file is saved
  segflow emails shop --port 0                    on any free port
  segflow emails --check                          for CI: what is wrong with them; exits with 1 when there are errors
  segflow emails --out site                       write them as site/welcome-email.html, site/welcome-email.txt and so on
  segflow emails send welcome-email --to me@shop.example

An email is shown with its samples: `#[email(\"welcome-email\", sample(user = ada(), percent = 10))]`. What no sample says is made up
from types and names. `segflow dev` shows the same page, one port above its own."
)]
pub struct Emails {
    /// The project's folder
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Where to listen on 127.0.0.1; 0 takes any free port
    #[arg(long, default_value_t = 3001, value_name = "N")]
    port: u16,
    /// Show nothing; print what is wrong, and exit with 1 when there are errors
    #[arg(long)]
    check: bool,
    /// Show nothing; write every email into a folder, as HTML and as text
    #[arg(long, value_name = "FOLDER", conflicts_with = "check")]
    out: Option<PathBuf>,
    #[command(subcommand)]
    send: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Send an email as it is here, with its sample, through the provider of the server
    #[command(after_long_help = "\
Examples:
  segflow emails send welcome-email --to me@shop.example
  segflow emails send digest --sample \"twenty things\" --to me@shop.example --server staging

It is built here and goes out by the server's provider, from the sender of the project that was pushed there. No user is touched and no
message is stored.")]
    Send(Send),
}

#[derive(Debug, Args)]
struct Send {
    /// The email's id
    template: String,
    /// Where to
    #[arg(long, value_name = "ADDRESS")]
    to: String,
    /// Which of the email's samples
    #[arg(long, value_name = "NAME")]
    sample: Option<String>,
    /// The project's folder
    #[arg(long, default_value = ".", value_name = "DIR")]
    project: PathBuf,
}

impl Emails {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        match &self.send {
            Some(Verb::Send(send)) => send.run(context).await,
            None if self.check => check(&self.dir, &context.printer).await,
            None if let Some(folder) = &self.out => write(&self.dir, folder, &context.printer).await,
            None => self.show(&context.printer).await,
        }
    }

    async fn show(&self, printer: &Printer) -> Result<ExitCode> {
        let dir = wasm::Project::find(&self.dir).await?.dir;
        let preview = Preview::start(listen(self.port)?)?;
        let mut watch = Watch::start(&dir)?;
        if printer.json {
            printer.document(&json!({ "url": preview.url() }));
        } else {
            printer.stdout_line(&format!("ready {}", preview.url()));
        }
        loop {
            match gallery(&dir, printer).await {
                Ok(gallery) => {
                    printer.note(summary(&gallery));
                    preview.show(gallery);
                }
                Err(error) => {
                    printer.error(text(&error));
                    preview.trouble(&text(&error));
                }
            }
            tokio::select! {
                () = watch.changed() => {}
                stopped = tokio::signal::ctrl_c() => return stopped.map(|()| ExitCode::SUCCESS).context("no signals here"),
            }
        }
    }
}

/// Builds the project and renders all that it has.
async fn gallery(dir: &Path, printer: &Printer) -> Result<Gallery> {
    let plugin = wasm::build(dir, printer).await?;
    tokio::task::spawn_blocking(move || Gallery::load(&Host::new(None)?, &plugin.wasm)).await?
}

fn listen(port: u16) -> Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", port)).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => anyhow::anyhow!(
            "port {port} is taken, perhaps by a `segflow dev`, which shows the emails too: choose another with --port N (0 takes any that is free)"
        ),
        _ => usage(format!("--port {port}: {error}")),
    })
}

async fn check(dir: &Path, printer: &Printer) -> Result<ExitCode> {
    let gallery = gallery(dir, printer).await?;
    for email in &gallery.emails {
        line(email, printer);
    }
    printer.result(summary(&gallery));
    printer.document(&report(&gallery));
    Ok(if gallery.count(Level::Error) > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A file for each email and sample. One that cannot be rendered is an error, the others are written all the same.
async fn write(dir: &Path, folder: &Path, printer: &Printer) -> Result<ExitCode> {
    let gallery = gallery(dir, printer).await?;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let (mut files, mut failed) = (vec![], false);
    for email in &gallery.emails {
        let Some(content) = &email.content else {
            let why = email.findings.first().map_or("it cannot be rendered", |finding| &finding.message);
            printer.error(format!("{}: {}", visible(&email.name()), visible(why)));
            failed = true;
            continue;
        };
        let name = file_name(&email.id, email.sample.as_deref());
        for (ending, text) in [("html", &content.html), ("txt", &content.text)] {
            let path = folder.join(format!("{name}.{ending}"));
            std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            printer.result(path.display().to_string());
            files.push(path.display().to_string());
        }
    }
    printer.document(&json!({ "project": gallery.project, "files": files }));
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What any file system takes.
fn file_name(id: &str, sample: Option<&str>) -> String {
    let whole = sample.map_or(id.to_string(), |sample| format!("{id}.{sample}"));
    whole.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect()
}

fn line(email: &Shown, printer: &Printer) {
    let size = email.content.as_ref().map_or(String::new(), Gallery::size);
    let good = if email.findings.is_empty() { printer.out("ok", Tone::Good) } else { String::new() };
    printer.result(format!("{}  {}  {good}", pad(&visible(&email.name()), 32), pad(&size, 9)).trim_end());
    for finding in &email.findings {
        let word = match finding.level {
            Level::Error => printer.out("error", Tone::Bad),
            Level::Warning => printer.out("warning", Tone::Changed),
        };
        printer.result(format!("  {word} {}: {}", finding.code, visible(&finding.message)));
    }
}

fn summary(gallery: &Gallery) -> String {
    let many = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let (errors, warnings) = (gallery.count(Level::Error), gallery.count(Level::Warning));
    format!("{}, {}, {}", many(gallery.emails.len(), "email"), many(errors, "error"), many(warnings, "warning"))
}

fn report(gallery: &Gallery) -> Value {
    let emails = gallery.emails.iter().map(|email| {
        json!({
            "id": email.id,
            "sample": email.sample,
            "subject": email.content.as_ref().map(|content| &content.subject),
            "bytes": email.content.as_ref().map(|content| content.html.len()),
            "made_up": email.made_up,
            "findings": email.findings,
        })
    });
    json!({
        "project": gallery.project,
        "emails": emails.collect::<Vec<_>>(),
        "errors": gallery.count(Level::Error),
        "warnings": gallery.count(Level::Warning),
    })
}

impl Send {
    async fn run(&self, context: &Context) -> Result<ExitCode> {
        let printer = &context.printer;
        let api = context.api(Some(&self.project)).await?;
        // Before minutes of compiling: is the server there, and the key good?
        let me = api.me().await?;
        let gallery = gallery(&self.project, printer).await?;
        let email = gallery.find(&self.template, self.sample.as_deref())?;
        let Some(Content { subject, html, text }) = &email.content else {
            let why = email.findings.first().map_or("it cannot be rendered", |finding| &finding.message);
            bail!("`{}` cannot be sent: {why}", email.id);
        };
        printer.note(place(&api, &me.workspace));
        let message =
            json!({ "to": self.to, "subject": subject, "html": html, "text": text, "campaign": !email.transactional });
        let answer = api.try_email(&message).await?;
        let provider = answer["provider"].as_str().unwrap_or("the provider");
        let (name, to) = (email.name(), &self.to);
        match provider {
            "captured" => printer.result(format!("{name} was captured, not sent: this server sends nothing")),
            _ => printer.result(format!("{} → {to}, by {}", visible(&name), visible(provider))),
        }
        printer.document(&answer);
        Ok(ExitCode::SUCCESS)
    }
}
