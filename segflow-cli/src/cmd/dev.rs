use std::{net::TcpListener, path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;
use segflow_server::{Config, Mode, Server, plugin::Host};
use serde_json::json;

use super::Context;
use crate::{
    api::{Api, PushOptions},
    dev::{DevFolder, LiveLog, Published, Traffic, Watch, settle},
    emails::{Gallery, Preview},
    failure::{Shown, text, usage},
    messages, plan,
    printer::{Printer, Tone},
    stop::Interrupt,
    target::{DevFile, Target},
    wasm::{self, Plugin},
};

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  segflow dev                                    the project in this folder
  segflow dev shop --port 0                      on any free port
  segflow dev shop --virtual-clock               then `segflow clock advance 3d`
  segflow dev shop --virtual-clock --play traffic.jsonl --once

Mail is captured: see /v1/messages. What `segflow emails` shows is to be seen at the port above. stdout has one line, `ready URL key=…`, when the server runs and the project is pushed; all else
is on stderr. In the project's folder, and with -C DIR elsewhere, the other commands find this server by themselves.

A line for --play: {\"at\": \"2026-01-01T09:00:00Z\", \"user\": \"ada\", \"attributes\": {…}}
     or an event:  {\"at\": …, \"user\": \"ada\", \"event\": \"purchase\", \"attributes\": {…}}")]
pub struct Dev {
    /// The project's folder
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Where to listen on 127.0.0.1; 0 takes any free port
    #[arg(long, default_value_t = 3000, value_name = "N")]
    port: u16,
    /// sqlite://PATH or mysql://… [default: .segflow/dev.db in DIR]
    #[arg(long, value_name = "URL")]
    db: Option<String>,
    /// Begin with an empty database
    #[arg(long, conflicts_with = "db")]
    fresh: bool,
    /// Play facts from a file of JSON lines
    #[arg(long, value_name = "FILE")]
    play: Option<PathBuf>,
    /// Time stands still until it is moved
    #[arg(long)]
    virtual_clock: bool,
    /// Exit when nothing is left to do, and show the messages
    #[arg(long)]
    once: bool,
}

impl Dev {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        crate::logs::start("warn");
        let printer = context.printer;
        let traffic = self.play.as_deref().map(|file| Traffic::read(file, self.virtual_clock)).transpose()?;
        // Before anything is made in a folder that may be the wrong one.
        let dir = wasm::Project::find(&self.dir).await?.dir;
        let interrupt = Arc::new(Interrupt::listen()?);
        let folder = DevFolder::make(&dir)?;
        let (log, config) = self.config(&folder, traffic.as_ref(), printer)?;
        let listener = listen(self.port)?;
        let preview = if self.once { None } else { Some(self.preview()?) };

        // A server that cannot start ends the build too; a build that fails leaves the server running.
        let starting = async { Server::start(config, listener).await.context("the server cannot start") };
        let building = async { Ok(wasm::build(&dir, &printer).await) };
        let (server, built) = tokio::select! {
            both = async { tokio::try_join!(starting, building) } => both?,
            () = interrupt.requested() => return Ok(ExitCode::SUCCESS),
        };
        let session = Session::open(&self, &server, &folder, dir, log, printer, preview).await;
        let outcome = match session {
            Ok(session) => tokio::select! {
                outcome = session.run(built, traffic.as_ref()) => outcome,
                error = server.failed() => Err(anyhow!("the server had to stop: {error}")),
                () = interrupt.requested() => Ok(()),
            },
            Err(error) => Err(error),
        };
        tokio::select! {
            _ = server.stop() => {}
            () = interrupt.again() => {}
        }
        outcome.map(|()| ExitCode::SUCCESS)
    }

    /// The emails in the browser, one port above the server's, or on any that is free.
    fn preview(&self) -> Result<Preview> {
        let above = self.port.checked_add(1).filter(|_| self.port != 0);
        let listener = above.and_then(|port| TcpListener::bind(("127.0.0.1", port)).ok());
        Preview::start(listener.map_or_else(|| TcpListener::bind(("127.0.0.1", 0)), Ok)?)
    }

    fn config(&self, folder: &DevFolder, traffic: Option<&Traffic>, printer: Printer) -> Result<(LiveLog, Config)> {
        if self.fresh {
            folder.forget()?;
        }
        let database = match &self.db {
            Some(url) => url.clone(),
            None => format!("sqlite://{}", folder.database().to_str().context("the project's path is not UTF-8")?),
        };
        let (log, events) = LiveLog::start(printer, self.virtual_clock, self.once);
        let starts = traffic.and_then(Traffic::starts).filter(|_| self.virtual_clock);
        let config = Config {
            mode: Mode::Dev,
            virtual_clock: self.virtual_clock,
            start_at: starts.map(|at| at.as_millisecond()),
            cache: Some(folder.cache()),
            events: Some(events),
            ..Config::production(database)
        };
        Ok((log, config))
    }
}

/// The server runs; what is left is to push, play and watch.
struct Session {
    dir: PathBuf,
    api: Api,
    log: LiveLog,
    printer: Printer,
    virtual_clock: bool,
    once: bool,
    preview: Option<Preview>,
    /// Where compiled plugins are kept: the preview finds there what the server has compiled.
    cache: PathBuf,
    // Other commands find the server as long as this lives.
    _published: Published,
}

impl Session {
    async fn open(
        args: &Dev,
        server: &Server,
        folder: &DevFolder,
        dir: PathBuf,
        log: LiveLog,
        printer: Printer,
        preview: Option<Preview>,
    ) -> Result<Self> {
        let url = format!("http://{}", server.address());
        let api = Api::new(Target::new(&url, &server.dev_key().await?, "this server")?)?;
        let published = folder.publish(DevFile { url, api_key: api.target().key.clone() })?;
        let (virtual_clock, once) = (args.virtual_clock, args.once);
        let cache = folder.cache();
        Ok(Self { dir, api, log, printer, virtual_clock, once, preview, cache, _published: published })
    }

    async fn run(&self, built: Result<Plugin>, traffic: Option<&Traffic>) -> Result<()> {
        let mut watch = if self.once { None } else { Some(Watch::start(&self.dir)?) };
        self.push_until_it_works(built, watch.as_mut()).await?;
        self.ready();
        if let Some(preview) = &self.preview {
            self.printer.note(format!("emails {}", preview.url()));
        }
        if let Some(traffic) = traffic {
            self.play(traffic).await?;
        }
        let Some(mut watch) = watch else { return self.finish().await };
        loop {
            watch.changed().await;
            if let Err(error) = self.push(wasm::build(&self.dir, &self.printer).await).await {
                self.complain(&error);
                self.printer.note("the code from before goes on");
            }
        }
    }

    async fn push_until_it_works(&self, mut built: Result<Plugin>, mut watch: Option<&mut Watch>) -> Result<()> {
        loop {
            let Err(error) = self.push(built).await else { return Ok(()) };
            let Some(watch) = watch.as_mut() else { return Err(error) };
            self.complain(&error);
            self.printer.note("waiting for a change …");
            watch.changed().await;
            built = wasm::build(&self.dir, &self.printer).await;
        }
    }

    /// Without asking: it is a server to try things on.
    async fn push(&self, built: Result<Plugin>) -> Result<()> {
        let Plugin { wasm, took, .. } = built?;
        let applied = self.api.deploy(wasm.clone(), PushOptions::default()).await;
        let plan = applied.map_err(|error| plan::explain(&self.printer, &self.dir, error))?;
        let pushed = self.printer.err("pushed", Tone::Good);
        self.printer.note(format!(
            "{pushed} {} ({:.1} s): {}",
            plan::short(&plan.deployment),
            took.as_secs_f64(),
            plan::one_line(&plan)
        ));
        for warning in &plan.warnings {
            self.printer.warning(crate::printer::visible(warning));
        }
        self.show_emails(wasm).await;
        Ok(())
    }

    /// What was pushed has emails that can be looked at; if not, that is no reason to stop.
    async fn show_emails(&self, wasm: Vec<u8>) {
        let Some(preview) = &self.preview else { return };
        let cache = self.cache.clone();
        let loading = tokio::task::spawn_blocking(move || Gallery::load(&Host::new(Some(cache))?, &wasm));
        match loading.await.map_err(anyhow::Error::from).and_then(|loaded| loaded) {
            Ok(gallery) => preview.show(gallery),
            Err(error) => preview.trouble(&text(&error)),
        }
    }

    fn complain(&self, error: &anyhow::Error) {
        if !error.is::<Shown>() {
            self.printer.error(text(error));
        }
        if let Some(preview) = &self.preview {
            preview.trouble("The sources as they are now could not be pushed: the terminal says why.");
        }
    }

    /// The one line that scripts wait for.
    fn ready(&self) {
        let Target { url, key, .. } = self.api.target();
        if self.printer.json && !self.once {
            self.printer.document(&json!({"url": url, "api_key": key}));
        } else if !self.printer.json {
            self.printer.stdout_line(&format!("ready {url} key={key}"));
        }
    }

    async fn play(&self, traffic: &Traffic) -> Result<()> {
        self.log.hints(false).await;
        self.printer.note(format!("playing {} facts", traffic.len()));
        traffic.play(&self.api, self.virtual_clock).await?;
        self.log.hints(true).await;
        Ok(())
    }

    async fn finish(&self) -> Result<()> {
        settle(&self.api, self.virtual_clock, &self.printer).await?;
        self.log.flush().await;
        if self.printer.json {
            let Target { url, key, .. } = self.api.target();
            self.printer.document(&json!({"url": url, "api_key": key, "messages": self.api.raw_messages().await?}));
            return Ok(());
        }
        self.printer.result("");
        let mut messages = self.api.messages("").await?;
        messages.sort_by(|a, b| messages::key(a).cmp(&messages::key(b)));
        messages::show(&messages, &self.printer);
        Ok(())
    }
}

fn listen(port: u16) -> Result<TcpListener> {
    match TcpListener::bind(("127.0.0.1", port)) {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            bail!(
                "port {port} is taken, perhaps by another `segflow dev`: choose another with --port N (0 takes any that is free)"
            )
        }
        Err(error) => Err(usage(format!("--port {port}: {error}"))),
    }
}
