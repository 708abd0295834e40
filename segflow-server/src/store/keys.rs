//! API keys: shown once when they are made, kept only as SHA-256.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::db::Db;
use super::many::{Existing, Table, insert};
use super::{Error, Result, for_update, random_id};
use crate::args;

/// Whom a valid key belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub workspace: String,
    pub key_id: String,
    pub name: String,
}

/// A key as it is listed. Times are ms UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub id: String,
    pub name: String,
    /// How the key begins, to be recognised by.
    pub prefix: String,
    pub created_at: i64,
    pub revoked_at: Option<i64>,
}

/// What every key begins with; secret scanners look for such marks.
const MARK: &str = "sk_";

/// How much of a key is kept to recognise it by: 24 of its 256 bits.
const PREFIX: usize = MARK.len() + 6;

const KEYS: Table = Table {
    name: "api_keys",
    columns: &["id", "workspace", "name", "prefix", "hash", "created_at", "revoked_at"],
    key: &["id"],
    existing: Existing::Fails,
};

/// Makes a key; its id and the key itself, which is not kept.
pub async fn create(db: &Db, workspace: &str, name: &str, now: i64) -> Result<(String, String)> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(|e| Error::Internal(format!("no random numbers: {e}")))?;
    let key = format!("{MARK}{}", segflow_core::ids::hex(&bytes));
    let id = random_id("key");
    let row = args![&id, workspace, name, &key[..PREFIX], hex_of(&key), now, None::<i64>];
    db.write(move |tx| {
        let row = row.clone();
        Box::pin(async move { insert(tx, &KEYS, vec![row]).await })
    })
    .await?;
    Ok((id, key))
}

/// Whom a key belongs to, unless it is unknown or revoked.
pub async fn check(db: &Db, key: &str) -> Result<Option<Caller>> {
    if !key.starts_with(MARK) {
        return Ok(None);
    }
    let hash = hex_of(key);
    let sql = "SELECT id, workspace, name, hash FROM api_keys WHERE hash = ? AND revoked_at IS NULL";
    let Some(row) = db.read_one(sql, args![&hash]).await? else { return Ok(None) };
    if !bool::from(row.text(3)?.as_bytes().ct_eq(hash.as_bytes())) {
        return Ok(None);
    }
    Ok(Some(Caller { key_id: row.text(0)?, workspace: row.text(1)?, name: row.text(2)? }))
}

/// The keys of a workspace, by id.
pub async fn list(db: &Db, workspace: &str, after: Option<&str>, limit: i64) -> Result<Vec<Key>> {
    let sql = "SELECT id, name, prefix, created_at, revoked_at FROM api_keys \
               WHERE workspace = ? AND id > ? ORDER BY id LIMIT ?";
    let rows = db.read(sql, args![workspace, after.unwrap_or_default(), limit]).await?;
    rows.iter()
        .map(|row| {
            Ok(Key {
                id: row.text(0)?,
                name: row.text(1)?,
                prefix: row.text(2)?,
                created_at: row.int(3)?,
                revoked_at: row.opt_int(4)?,
            })
        })
        .collect()
}

/// Ends a key; `false` if the workspace has none of this id. One that is revoked already keeps its time.
pub async fn revoke(db: &Db, workspace: &str, id: &str, now: i64) -> Result<bool> {
    let (workspace, id) = (workspace.to_string(), id.to_string());
    db.write(move |tx| {
        let (workspace, id) = (workspace.clone(), id.clone());
        Box::pin(async move {
            let sql = format!("SELECT id FROM api_keys WHERE workspace = ? AND id = ?{}", for_update(tx.kind()));
            if tx.row(sql, args![&workspace, &id]).await?.is_none() {
                return Ok(false);
            }
            let sql = "UPDATE api_keys SET revoked_at = ? WHERE workspace = ? AND id = ? AND revoked_at IS NULL";
            tx.run(sql, args![now, &workspace, &id]).await?;
            Ok(true)
        })
    })
    .await
}

fn hex_of(key: &str) -> String {
    segflow_core::ids::hex(&Sha256::digest(key.as_bytes()))
}
