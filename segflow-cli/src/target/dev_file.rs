//! `.segflow/dev.json`: a running `segflow dev` says here where it listens, so that the other commands find it.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DevFile {
    pub url: String,
    pub api_key: String,
}

impl DevFile {
    pub fn path(project: &Path) -> PathBuf {
        project.join(".segflow").join("dev.json")
    }

    pub fn read(project: &Path) -> Result<Option<Self>> {
        let path = Self::path(project);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
        };
        let file = serde_json::from_str(&text).with_context(|| {
            format!("{} is damaged: stop `segflow dev`, delete the file, start it again", path.display())
        })?;
        Ok(Some(file))
    }

    /// A dev server that was killed leaves its file behind; then somebody else may have the port, or nobody.
    pub async fn answers(&self) -> bool {
        let Ok(http) = crate::api::http_client(&self.url) else { return false };
        let answer = http.get(format!("{}/healthz", self.url)).timeout(Duration::from_secs(2)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }
}
