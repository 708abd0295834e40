//! Projects, built and pushed by the `segflow` command as a user has it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, Row, SqliteConnection};
use tokio::process::Command;

use crate::database::{self, Database, Kind};
use crate::now;
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

/// A server to push to.
pub struct Shelf {
    segflow: PathBuf,
    database: Database,
    stand: Stand,
}

impl Shelf {
    pub async fn open() -> Result<Shelf> {
        let segflow = segflow().await?;
        let database = Database::fresh(Kind::Sqlite).await?;
        let stand = Stand::start(&database, Duration::ZERO).await?;
        Ok(Shelf { segflow, database, stand })
    }

    /// Builds and pushes a project; how long that took as a whole.
    pub async fn push(&self, folder: &Path) -> Result<Duration> {
        let began = now();
        let pushed = Command::new(&self.segflow)
            .args(["push", "--yes"])
            .arg(folder)
            .current_dir(database::workspace())
            .env("SEGFLOW_URL", format!("http://{}", self.stand.address))
            .env("SEGFLOW_API_KEY", &self.stand.key)
            .stdin(Stdio::null())
            .output()
            .await?;
        let shown = folder.display();
        ensure!(pushed.status.success(), "segflow push {shown}: {}", String::from_utf8_lossy(&pushed.stderr));
        Ok(began.elapsed())
    }

    /// The module that was pushed last, and the end of it all.
    pub async fn close(self) -> Result<Vec<u8>> {
        self.stand.stop().await;
        let options = SqliteConnectOptions::new().filename(self.database.url.trim_start_matches("sqlite://"));
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let query = "SELECT wasm FROM modules ORDER BY rowid DESC LIMIT 1";
        let wasm = sqlx::query(query).fetch_one(&mut connection).await?.try_get(0)?;
        connection.close().await?;
        self.database.close().await?;
        Ok(wasm)
    }
}

/// The module that `segflow push` makes of a project of this workspace and uploads.
pub async fn module(folder: &str) -> Result<Vec<u8>> {
    let shelf = Shelf::open().await?;
    shelf.push(Path::new(folder)).await?;
    shelf.close().await
}
