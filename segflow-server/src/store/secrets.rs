//! Secrets as they are kept: sealed. What opens them is [`crate::secrets`].

use super::Result;
use super::db::Db;
use super::many::{Existing, Table, insert};
use crate::args;

/// A secret that cannot be read here. Its time is of the real world, ms UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    pub workspace: String,
    pub name: String,
    pub sealed: Vec<u8>,
    pub updated_at: i64,
}

const SECRETS: Table = Table {
    name: "secrets",
    columns: &["workspace", "name", "sealed", "updated_at"],
    key: &["workspace", "name"],
    existing: Existing::Takes(&["sealed", "updated_at"]),
};

/// Keeps a secret, in place of the one before.
pub async fn set(db: &Db, secret: Sealed) -> Result<()> {
    db.write(move |tx| {
        let row = args![&secret.workspace, &secret.name, secret.sealed.clone(), secret.updated_at];
        Box::pin(async move { insert(tx, &SECRETS, vec![row]).await })
    })
    .await
}

/// Those of a workspace, by name.
pub async fn list(db: &Db, workspace: &str) -> Result<Vec<Sealed>> {
    let sql = "SELECT workspace, name, sealed, updated_at FROM secrets WHERE workspace = ? ORDER BY name";
    read(db, sql, args![workspace]).await
}

/// All there are.
pub async fn all(db: &Db) -> Result<Vec<Sealed>> {
    read(db, "SELECT workspace, name, sealed, updated_at FROM secrets ORDER BY workspace, name", vec![]).await
}

async fn read(db: &Db, sql: &str, args: Vec<super::db::Value>) -> Result<Vec<Sealed>> {
    let rows = db.read(sql, args).await?;
    let one = |row: &super::db::Row| {
        Ok(Sealed { workspace: row.text(0)?, name: row.text(1)?, sealed: row.blob(2)?, updated_at: row.int(3)? })
    };
    rows.iter().map(one).collect()
}

/// The same secret, sealed anew; unless it has been changed since it was read.
pub async fn reseal(db: &Db, before: Sealed, sealed: Vec<u8>) -> Result<()> {
    db.write(move |tx| {
        let args = args![sealed.clone(), &before.workspace, &before.name, before.sealed.clone()];
        Box::pin(async move {
            tx.run("UPDATE secrets SET sealed = ? WHERE workspace = ? AND name = ? AND sealed = ?", args).await?;
            Ok(())
        })
    })
    .await
}

/// Removes a secret; `false` if there was none.
pub async fn remove(db: &Db, workspace: &str, name: &str) -> Result<bool> {
    let (workspace, name) = (workspace.to_string(), name.to_string());
    db.write(move |tx| {
        let args = args![&workspace, &name];
        Box::pin(async move { Ok(tx.run("DELETE FROM secrets WHERE workspace = ? AND name = ?", args).await? > 0) })
    })
    .await
}
