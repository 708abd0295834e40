//! `~/.segflow/credentials.json`: `{"url", "api_key"}` for the usual server and `{"servers": {NAME: {"url", "api_key"}}}` for others.

use std::{
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use super::Target;

/// Kept as the JSON object it is: what we do not know is not lost when a server is added.
#[derive(Debug, Default)]
pub struct Credentials(Map<String, Value>);

impl Credentials {
    pub fn path() -> Result<PathBuf> {
        let home = std::env::home_dir()
            .filter(|home| !home.as_os_str().is_empty())
            .context("there is no home folder (HOME)")?;
        Ok(home.join(".segflow").join("credentials.json"))
    }

    pub fn read(path: &Path) -> Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(Self::default());
            }
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
        };
        match serde_json::from_str(&text) {
            Ok(Value::Object(object)) => Ok(Self(object)),
            Ok(_) => {
                bail!("{} holds no JSON object: correct it, or delete it and `segflow login URL` again", path.display())
            }
            Err(error) => bail!(
                "{} is not valid JSON ({error}): correct it, or delete it and `segflow login URL` again",
                path.display()
            ),
        }
    }

    /// The usual server, or the named one.
    pub fn target(&self, name: Option<&str>, path: &Path) -> Result<Option<Target>> {
        let entry = match name {
            Some(name) => match self.0.get("servers").and_then(|servers| servers.get(name)) {
                Some(entry) => entry.as_object(),
                None => return Ok(None),
            },
            None if self.0.contains_key("url") || self.0.contains_key("api_key") => Some(&self.0),
            None => return Ok(None),
        };
        let text = |field: &str| entry.and_then(|entry| entry.get(field)).and_then(Value::as_str);
        let place = match name {
            Some(name) => format!("server `{name}` of {}", path.display()),
            None => path.display().to_string(),
        };
        match (text("url"), text("api_key")) {
            (Some(url), Some(key)) => Target::new(url, key, place).map(Some),
            _ => bail!("{place} lacks `url` or `api_key`: `segflow login URL` writes both"),
        }
    }

    pub fn names(&self) -> Vec<String> {
        self.0
            .get("servers")
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(|servers| servers.keys().cloned())
            .collect()
    }

    pub fn set(&mut self, name: Option<&str>, url: &str, key: &str) {
        match name {
            None => {
                self.0.insert("url".to_owned(), url.into());
                self.0.insert("api_key".to_owned(), key.into());
            }
            Some(name) => {
                let servers = self.0.entry("servers").or_insert_with(|| json!({}));
                if !servers.is_object() {
                    *servers = json!({});
                }
                servers[name] = json!({"url": url, "api_key": key});
            }
        }
    }

    /// Readable by its owner only, from the first byte, and never half written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let folder = path.parent().expect("the path ends in .segflow/credentials.json");
        private_folder(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let text = serde_json::to_string_pretty(&self.0)? + "\n";
        write_private(path, text.as_bytes())
    }
}

/// Writes a file with mode 0600 by way of a temporary one beside it.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().expect("a file has a folder");
    let write = || -> std::io::Result<()> {
        // tempfile makes its files with mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("{} cannot be written", path.display()))
}

fn private_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
        builder.mode(0o700);
        builder.create(folder)?;
        // It may have been there before with more rights.
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
    }
    #[cfg(not(unix))]
    builder.create(folder)?;
    Ok(())
}
