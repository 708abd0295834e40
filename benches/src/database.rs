//! Fresh databases, thrown away afterwards.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use sqlx::mysql::MySqlRow;
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection, Row};
use tempfile::TempDir;

/// The two databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    Sqlite,
    #[value(name = "mysql")]
    MySql,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Sqlite => "SQLite",
            Kind::MySql => "MySQL",
        }
    }
}

/// An empty database.
pub struct Database {
    pub kind: Kind,
    pub url: String,
    /// SQLite's folder, and the name of a MySQL database.
    place: Place,
}

enum Place {
    Folder(TempDir),
    Name(String),
}

impl Database {
    pub async fn fresh(kind: Kind) -> Result<Database> {
        match kind {
            Kind::Sqlite => {
                let folder = folder()?;
                let url = format!("sqlite://{}", folder.path().join("bench.db").display());
                Ok(Database { kind, url, place: Place::Folder(folder) })
            }
            Kind::MySql => {
                let address = mysql_address()?;
                let name = format!("segflow_bench_{:08x}", crate::random::seed() as u32);
                run(&address, &format!("CREATE DATABASE {name}")).await?;
                // Full of other databases' statements otherwise, after many tests.
                let forget = "TRUNCATE TABLE performance_schema.events_statements_summary_by_digest";
                run(&address, forget).await.ok();
                Ok(Database { kind, url: format!("{address}/{name}"), place: Place::Name(name) })
            }
        }
    }

    /// The statements that have taken MySQL longest here: how often, how long in all, how many rows they looked at.
    pub async fn statements(&self, most: usize) -> Result<Vec<(u64, Duration, u64, String)>> {
        let Place::Name(name) = &self.place else { return Ok(vec![]) };
        let mut connection = MySqlConnection::connect(&mysql_address()?).await?;
        let sql = "SELECT CAST(count_star AS UNSIGNED), CAST(sum_timer_wait / 1000 AS UNSIGNED), CAST(sum_rows_examined AS UNSIGNED), \
                   CAST(digest_text AS CHAR) FROM performance_schema.events_statements_summary_by_digest \
                   WHERE schema_name = ? AND digest_text IS NOT NULL ORDER BY sum_timer_wait DESC LIMIT ?";
        let rows = sqlx::query(sql).bind(name).bind(most as u64).fetch_all(&mut connection).await?;
        let read = |row: MySqlRow| {
            let nanos: u64 = row.try_get(1)?;
            Ok((row.try_get(0)?, Duration::from_nanos(nanos), row.try_get(2)?, row.try_get(3)?))
        };
        rows.into_iter().map(read).collect()
    }

    /// Throws it away.
    pub async fn close(self) -> Result<()> {
        match self.place {
            Place::Folder(folder) => Ok(folder.close()?),
            Place::Name(name) => run(&mysql_address()?, &format!("DROP DATABASE {name}")).await,
        }
    }
}

async fn run(address: &str, sql: &str) -> Result<()> {
    let mut connection = MySqlConnection::connect(address).await.context("SEGFLOW_TEST_MYSQL does not answer")?;
    connection.execute(AssertSqlSafe(sql)).await?;
    connection.close().await?;
    Ok(())
}

/// Where the MySQL server is, without a slash at the end.
pub fn mysql_address() -> Result<String> {
    match std::env::var("SEGFLOW_TEST_MYSQL") {
        Ok(url) if !url.is_empty() => Ok(url.trim_end_matches('/').to_string()),
        _ => bail!(
            "SEGFLOW_TEST_MYSQL is not set. `cargo xtask mysql` runs a MySQL server and prints the address to set it to; or measure \
             with --only sqlite"
        ),
    }
}

/// The workspace that these programs belong to.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("benches/ is in the workspace")
}

/// Where what is measured may leave things between runs: on a disk, and not among the sources.
pub fn scratch() -> Result<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from);
    let scratch = std::path::absolute(target)?.join("benches");
    std::fs::create_dir_all(&scratch)?;
    let kind = file_system(&scratch)?;
    ensure!(kind != "tmpfs", "{} is in memory: set CARGO_TARGET_DIR to a folder on a disk", scratch.display());
    Ok(scratch)
}

/// A folder of its own, gone at the end.
pub fn folder() -> Result<TempDir> {
    Ok(tempfile::Builder::new().prefix("run-").tempdir_in(scratch()?)?)
}

/// The kind of file system that a folder is on.
pub fn file_system(folder: &Path) -> Result<String> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let of = |line: &str| {
        let mut words = line.split(' ');
        let (_, point, kind) = (words.next()?, words.next()?, words.next()?);
        folder.starts_with(point).then(|| (point.len(), kind.to_string()))
    };
    Ok(mounts.lines().filter_map(of).max().map_or_else(|| "unknown".into(), |(_, kind)| kind))
}
