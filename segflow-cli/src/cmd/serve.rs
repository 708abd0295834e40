use std::{
    net::{IpAddr, Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use segflow_server::{Config, Server};
use serde::Deserialize;
use serde_json::json;

use super::Context;
use crate::{failure::usage, stop::Interrupt};

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  segflow serve --db mysql://segflow:…@db.internal/segflow --init-key
  DATABASE_URL=sqlite:///var/lib/segflow/segflow.db segflow serve --host 0.0.0.0
  segflow serve --db sqlite:///var/lib/segflow/restored.db --hold   nothing is sent until `segflow release`

segflow.toml, where options of the command line go before it:
  db = \"mysql://…\"
  host = \"0.0.0.0\"
  port = 3000
  public_url = \"https://mail.shop.example\"
  cache = \"/var/cache/segflow\"      # where compiled projects are kept between starts

SEGFLOW_SECRET_KEY seals the secrets that `segflow secret set` stores: 64 hex digits, `openssl rand -hex 32`.

stdout has one line, `ready URL`, when it serves, and before it the key of --init-key. Logs are on stderr; RUST_LOG chooses them.
SIGTERM and Ctrl-C let it finish what it has begun.")]
pub struct Serve {
    /// sqlite://PATH or mysql://…
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    db: Option<String>,
    /// Where to listen; 0 takes any free port [default: 3000]
    #[arg(long, value_name = "N")]
    port: Option<u16>,
    /// The address to listen on [default: 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    host: Option<IpAddr>,
    /// Read options from a file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Make and print a first key, if this server has none yet
    #[arg(long)]
    init_key: bool,
    /// How long a server that has stopped answering keeps its users before another takes over (MySQL) [default: 10]
    #[arg(long, env = "SEGFLOW_LEASE_SECONDS", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    lease: Option<u64>,
    /// How long after that a mail server may still have been answering it; then what it was sending counts as unknown [default: 180]
    #[arg(long, env = "SEGFLOW_GRACE_SECONDS", value_name = "SECONDS")]
    grace: Option<u64>,
    /// How people reach this server; the links in emails begin with it. https, for mail programs that unsubscribe with one click
    #[arg(long, env = "SEGFLOW_PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,
    /// The header in which your proxy says from which country a reader comes, as CF-IPCountry; without one, countries are not known
    #[arg(long, env = "SEGFLOW_COUNTRY_HEADER", value_name = "NAME")]
    country_header: Option<String>,
    /// Let webhooks call addresses that are not of the public internet, and endpoints without encryption
    #[arg(long, env = "SEGFLOW_ALLOW_PRIVATE_WEBHOOKS", value_parser = clap::builder::FalseyValueParser::new())]
    allow_private_webhooks: bool,
    /// The folder in which this machine remembers how far the database has come, so that one that was restored is held
    /// [default: beside an SQLite file; else segflow in XDG_STATE_HOME or ~/.local/state]
    #[arg(long, env = "SEGFLOW_STATE", value_name = "FOLDER")]
    state: Option<PathBuf>,
    /// Hold all sending before anything is sent, for a restored database or a copy: `segflow release` ends it
    #[arg(long, env = "SEGFLOW_HOLD", value_parser = clap::builder::FalseyValueParser::new())]
    hold: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    db: Option<String>,
    port: Option<u16>,
    host: Option<IpAddr>,
    public_url: Option<String>,
    cache: Option<PathBuf>,
}

impl Serve {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        crate::logs::start("info");
        let printer = &context.printer;
        let file = self.config.as_deref().map(File::read).transpose()?.unwrap_or_default();
        let database = self.db.filter(|url| !url.is_empty()).or(file.db).ok_or_else(|| {
            usage("which database? --db sqlite://PATH or mysql://…, or DATABASE_URL, or `db` in the file of --config")
        })?;
        let host = self.host.or(file.host).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let port = self.port.or(file.port).unwrap_or(3000);
        let public_url = self.public_url.filter(|url| !url.is_empty()).or(file.public_url).map(checked).transpose()?;
        let interrupt = Interrupt::listen()?;
        let listener = TcpListener::bind((host, port)).map_err(|error| {
            anyhow!("{host} port {port} cannot be listened on ({error}): choose another with --host and --port")
        })?;
        let mut config = Config { cache: file.cache, public_url, ..Config::production(database) };
        config.lease = self.lease.map_or(config.lease, Duration::from_secs);
        config.grace = self.grace.map_or(config.grace, Duration::from_secs);
        config.private_webhooks = self.allow_private_webhooks;
        config.country_header = self.country_header.filter(|name| !name.is_empty());
        config.hold = self.hold;
        config.seen = seen(&config.db, self.state);
        // No option: what stands on a command line is read by everybody on the machine.
        config.secret_keys = std::env::var("SEGFLOW_SECRET_KEY").ok().filter(|keys| !keys.trim().is_empty());
        let server = tokio::select! {
            server = Server::start(config, listener) => server.context("the server cannot start")?,
            () = interrupt.requested() => return Ok(ExitCode::SUCCESS),
        };
        let url = format!("http://{}", server.address());
        let key = if self.init_key { server.init_key().await? } else { None };
        if self.init_key && key.is_none() {
            printer.note("this server has keys already, so --init-key makes none: `segflow keys create NAME` does, with one of them");
        }
        if printer.json {
            printer.document(&json!({"url": url, "api_key": key}));
        } else {
            key.iter().for_each(|key| printer.stdout_line(key));
            printer.stdout_line(&format!("ready {url}"));
        }
        let outcome = tokio::select! {
            error = server.failed() => Err(anyhow!("the server had to stop: {error}")),
            () = interrupt.requested() => Ok(()),
        };
        printer.note("finishing what has begun …");
        tokio::select! {
            _ = server.stop() => {}
            () = interrupt.again() => {}
        }
        outcome.map(|()| ExitCode::SUCCESS)
    }
}

/// An address that others can be sent to.
fn checked(address: String) -> Result<String> {
    let fits = |url: &url::Url| {
        matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none() && url.fragment().is_none()
    };
    match url::Url::parse(&address) {
        Ok(url) if fits(&url) => Ok(address),
        _ => Err(usage(format!("--public-url: `{address}` is not an address such as https://mail.shop.example"))),
    }
}

impl File {
    fn read(path: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("--config: {} cannot be read", path.display()))?;
        toml::from_str(&text).with_context(|| format!("--config: {} is not right", path.display()))
    }
}
/// Where it is noted how far a database has come; `None` if this machine has no place for it.
fn seen(database: &str, folder: Option<PathBuf>) -> Option<PathBuf> {
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
    if let (Some(file), None) = (database.strip_prefix("sqlite://"), &folder) {
        return Some(format!("{file}-seen").into());
    }
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/state"));
    let folder = folder.or_else(|| {
        let state = std::env::var_os("XDG_STATE_HOME").filter(|state| !state.is_empty()).map(PathBuf::from);
        Some(state.or_else(home)?.join("segflow"))
    })?;
    // By where it is, without who asks for it: a changed password is no other database.
    let place = database.rsplit_once('@').map_or(database, |(_, place)| place);
    let name: String = place.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' }).collect();
    Some(folder.join(format!("{name}.seen")))
}
