//! The stored business clock of `dev --virtual-clock`, and what a database was born as.

use super::db::Db;
use super::many::{Existing, Table, insert};
use super::{Error, Result};
use crate::args;

const META: Table = Table { name: "meta", columns: &["k", "v"], key: &["k"], existing: Existing::Takes(&["v"]) };

pub async fn get(db: &Db, key: &str) -> Result<Option<String>> {
    db.read_one("SELECT v FROM meta WHERE k = ?", args![key]).await?.map(|row| row.text(0)).transpose()
}

pub async fn set(db: &Db, key: &'static str, value: String) -> Result<()> {
    db.write(move |tx| {
        let row = args![key, &value];
        Box::pin(async move { insert(tx, &META, vec![row]).await })
    })
    .await
}

/// Marks a new database with its mode, and refuses one of another mode.
pub async fn born_as(db: &Db, mode: &'static str) -> Result<()> {
    match get(db, "mode").await? {
        None => set(db, "mode", mode.to_string()).await,
        Some(born) if born == mode => Ok(()),
        Some(born) => Err(Error::Mode(format!(
            "this database was made by a {born} server and is not opened by a {mode} server: give another with --db"
        ))),
    }
}

/// The stored virtual time, ms UTC.
pub async fn virtual_now(db: &Db) -> Result<Option<i64>> {
    let stored = get(db, "virtual_now").await?;
    stored.map(|v| v.parse().map_err(|_| Error::Internal(format!("the stored clock is not a number: {v}")))).transpose()
}

pub async fn set_virtual_now(db: &Db, now: i64) -> Result<()> {
    set(db, "virtual_now", now.to_string()).await
}
