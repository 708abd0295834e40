//! Which server a command talks to. The first that is there: the environment, `.env`, a running `segflow dev` of the project,
//! `~/.segflow/credentials.json`. `--server NAME` goes to the last one directly.

mod credentials;
mod dev_file;
mod dotenv;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::failure::usage;

pub use credentials::Credentials;
#[cfg(feature = "server")]
pub use credentials::write_private;
pub use dev_file::DevFile;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Without a slash at the end.
    pub url: String,
    pub key: String,
    /// Where this was found, for messages: `.env`, `--server eu` …
    pub source: String,
}

impl Target {
    pub fn new(url: &str, key: &str, source: impl Into<String>) -> Result<Self> {
        let source = source.into();
        let key = key.trim();
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            bail!("the key from {source} is no key: keys look like sk_… and have no blanks");
        }
        Ok(Self {
            url: server_url(url).with_context(|| format!("the server's URL from {source}"))?,
            key: key.to_owned(),
            source,
        })
    }
}

/// Checks a server's URL and brings it into the one form that paths are appended to.
pub fn server_url(text: &str) -> Result<String> {
    let example = "write it like https://mail.shop.example";
    let url =
        url::Url::parse(text.trim()).map_err(|error| usage(format!("`{text}` is no URL ({error}): {example}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(usage(format!("`{text}` is no http or https URL: {example}")));
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err(usage(format!("`{text}` has more than a host and a path: {example}")));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Whether requests to this URL stay on the machine.
pub fn is_local(url: &str) -> bool {
    match url::Url::parse(url).ok().and_then(|url| url.host().map(|host| host.to_owned())) {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Everything that the choice depends on, so that tests can say it.
pub struct Surroundings {
    /// Process environment, without empty values.
    pub env: fn(&str) -> Option<String>,
    /// Where `.env` and `.segflow/` are looked for, in this order.
    pub folders: Vec<PathBuf>,
    pub credentials: Option<PathBuf>,
}

impl Surroundings {
    /// `project` is the folder that the command was given, if any.
    pub fn here(project: Option<&Path>) -> Self {
        let cwd = std::env::current_dir().ok();
        let crate_root =
            cwd.as_deref().and_then(|cwd| cwd.ancestors().find(|folder| folder.join("Cargo.toml").is_file()));
        let mut folders: Vec<PathBuf> = Vec::new();
        for folder in [project, cwd.as_deref(), crate_root].into_iter().flatten() {
            let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        Self {
            env: |name| std::env::var(name).ok().filter(|value| !value.is_empty()),
            folders,
            credentials: Credentials::path().ok(),
        }
    }
}

pub async fn find(server: Option<&str>, surroundings: &Surroundings) -> Result<Target> {
    if let Some(name) = server {
        return named(name, surroundings);
    }
    if let Some(target) = from_variables(surroundings)? {
        return Ok(target);
    }
    for folder in &surroundings.folders {
        if let Some(dev) = DevFile::read(folder)?
            && dev.answers().await
        {
            return Target::new(&dev.url, &dev.api_key, format!("the running `segflow dev` of {}", folder.display()));
        }
    }
    if let Some(path) = &surroundings.credentials
        && let Some(target) = Credentials::read(path)?.target(None, path)?
    {
        return Ok(target);
    }
    bail!(
        "no server to talk to. One of these gives one:\n\
         \x20 segflow dev           runs one here, for the project in this folder\n\
         \x20 segflow login URL     remembers a server and a key in ~/.segflow/credentials.json\n\
         \x20 SEGFLOW_URL and SEGFLOW_API_KEY, in the environment or in a file .env"
    )
}

fn named(name: &str, surroundings: &Surroundings) -> Result<Target> {
    let path =
        surroundings.credentials.as_ref().context("there is no home folder to read .segflow/credentials.json from")?;
    let credentials = Credentials::read(path)?;
    match credentials.target(Some(name), path)? {
        Some(target) => Ok(target),
        None => {
            let known = credentials.names();
            let known = if known.is_empty() { "none so far".to_owned() } else { known.join(", ") };
            Err(usage(format!(
                "there is no server `{name}` in {}: known are {known}. `segflow login URL --server {name}` adds it",
                path.display()
            )))
        }
    }
}

/// The process environment, then `.env` for what it leaves open: a URL in the file with a key from outside is a usual pair.
fn from_variables(surroundings: &Surroundings) -> Result<Option<Target>> {
    let mut url = (surroundings.env)("SEGFLOW_URL");
    let mut key = (surroundings.env)("SEGFLOW_API_KEY");
    let mut sources = Vec::new();
    if url.is_some() || key.is_some() {
        sources.push("the environment".to_owned());
    }
    for folder in &surroundings.folders {
        if url.is_some() && key.is_some() {
            break;
        }
        let path = folder.join(".env");
        let Some(file) = dotenv::read(&path)? else { continue };
        let before = (url.is_some(), key.is_some());
        url = url.or_else(|| file.get("SEGFLOW_URL").cloned());
        key = key.or_else(|| file.get("SEGFLOW_API_KEY").cloned());
        if before != (url.is_some(), key.is_some()) {
            sources.push(path.display().to_string());
        }
    }
    let source = sources.join(" and ");
    match (url, key) {
        (Some(url), Some(key)) => Target::new(&url, &key, source).map(Some),
        (None, None) => Ok(None),
        (Some(_), None) => bail!("SEGFLOW_URL is set (in {source}), SEGFLOW_API_KEY is not: set both, or neither"),
        (None, Some(_)) => bail!("SEGFLOW_API_KEY is set (in {source}), SEGFLOW_URL is not: set both, or neither"),
    }
}

#[cfg(test)]
mod tests;
