//! Projects, built by the `segflow` command as a user has it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, Row, SqliteConnection};
use tokio::process::Command;

use crate::database::{self, Database, Kind};
use crate::stand::Stand;

/// The `segflow` command in the profile of this program, built now if need be.
pub async fn segflow() -> Result<PathBuf> {
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--quiet", "--package", "segflow-cli"]).current_dir(database::workspace());
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    if profile == "release" {
        build.arg("--release");
    }
    ensure!(build.status().await?.success(), "the segflow command does not build");
    let scratch = database::scratch()?;
    let target = scratch.parent().context("scratch is in the target folder")?;
    Ok(target.join(profile).join(format!("segflow{}", std::env::consts::EXE_SUFFIX)))
}

/// The module that `segflow push` makes of a project of this workspace and uploads.
pub async fn module(folder: &str) -> Result<Vec<u8>> {
    let segflow = segflow().await?;
    let database = Database::fresh(Kind::Sqlite).await?;
    let stand = Stand::start(&database, Duration::ZERO).await?;
    let pushed = Command::new(segflow)
        .args(["push", "--yes"])
        .arg(Path::new(folder))
        .current_dir(database::workspace())
        .env("SEGFLOW_URL", format!("http://{}", stand.address))
        .env("SEGFLOW_API_KEY", &stand.key)
        .stdin(Stdio::null())
        .output()
        .await?;
    stand.stop().await;
    ensure!(pushed.status.success(), "segflow push {folder}: {}", String::from_utf8_lossy(&pushed.stderr));
    let options = SqliteConnectOptions::new().filename(database.url.trim_start_matches("sqlite://"));
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let wasm = sqlx::query("SELECT wasm FROM modules").fetch_one(&mut connection).await?.try_get(0)?;
    connection.close().await?;
    database.close().await?;
    Ok(wasm)
}
