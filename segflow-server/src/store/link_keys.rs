//! What the links in emails are signed with.

use super::db::{Db, Row, Value};
use super::many::{Existing, Table, insert};
use super::{Error, Result, for_update};
use crate::args;

/// A key. Times are of the real world, ms UTC.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkKey {
    pub id: u32,
    pub workspace: String,
    pub secret: Vec<u8>,
    pub created_at: i64,
    pub revoked_at: Option<i64>,
}

const LINK_KEYS: Table = Table {
    name: "link_keys",
    columns: &["id", "workspace", "secret", "created_at", "revoked_at"],
    key: &["id"],
    existing: Existing::Fails,
};

const COLUMNS: &str = "id, workspace, secret, created_at, revoked_at";

/// The key that signs: the newest that is not revoked. Made if there is none.
pub async fn signing(db: &Db, workspace: &str, now: i64) -> Result<LinkKey> {
    match current(&list(db, workspace).await?) {
        Some(key) => Ok(key.clone()),
        None => first(db, workspace, now).await,
    }
}

/// A new key, unless another email that needs one is faster.
async fn first(db: &Db, workspace: &str, now: i64) -> Result<LinkKey> {
    let key = make(workspace, now)?;
    db.write(move |tx| {
        let key = key.clone();
        Box::pin(async move {
            let sql = format!("SELECT id FROM workspaces WHERE id = ?{}", for_update(tx.kind()));
            tx.row(sql, args![&key.workspace]).await?;
            let sql = format!("SELECT {COLUMNS} FROM link_keys WHERE workspace = ? ORDER BY created_at, id");
            let keys = tx.rows(sql, args![&key.workspace]).await?;
            let keys = keys.iter().map(read).collect::<Result<Vec<_>>>()?;
            if let Some(there) = current(&keys) {
                return Ok(there.clone());
            }
            insert(tx, &LINK_KEYS, vec![row(&key)]).await?;
            Ok(key)
        })
    })
    .await
}

/// The one of these, which are by age, that signs.
pub fn current(keys: &[LinkKey]) -> Option<&LinkKey> {
    keys.iter().rev().find(|key| key.revoked_at.is_none())
}

/// A new key, which signs from now on. The others still open what they have signed.
pub async fn create(db: &Db, workspace: &str, now: i64) -> Result<LinkKey> {
    let key = make(workspace, now)?;
    let new = row(&key);
    db.write(move |tx| {
        let new = new.clone();
        Box::pin(async move { insert(tx, &LINK_KEYS, vec![new]).await })
    })
    .await?;
    Ok(key)
}

fn make(workspace: &str, now: i64) -> Result<LinkKey> {
    let mut bytes = [0u8; 36];
    getrandom::fill(&mut bytes).map_err(|e| Error::Internal(format!("no random numbers: {e}")))?;
    let (id, secret) = bytes.split_at(4);
    let id = u32::from_be_bytes(id.try_into().expect("four bytes"));
    Ok(LinkKey { id, workspace: workspace.into(), secret: secret.into(), created_at: now, revoked_at: None })
}

fn row(key: &LinkKey) -> Vec<Value> {
    args![key.id, &key.workspace, key.secret.clone(), key.created_at, key.revoked_at]
}

/// The keys of a workspace, the oldest first.
pub async fn list(db: &Db, workspace: &str) -> Result<Vec<LinkKey>> {
    let sql = format!("SELECT {COLUMNS} FROM link_keys WHERE workspace = ? ORDER BY created_at, id");
    db.read(sql, args![workspace]).await?.iter().map(read).collect()
}

pub async fn one(db: &Db, id: u32) -> Result<Option<LinkKey>> {
    let sql = format!("SELECT {COLUMNS} FROM link_keys WHERE id = ?");
    db.read_one(sql, args![id]).await?.as_ref().map(read).transpose()
}

/// Makes a key useless, and with it every link it has signed; `false` if the workspace has none of this id. The one that signs cannot be.
pub async fn revoke(db: &Db, workspace: &str, id: u32, now: i64) -> Result<bool> {
    let workspace = workspace.to_string();
    db.write(move |tx| {
        let workspace = workspace.clone();
        Box::pin(async move {
            let sql = format!(
                "SELECT {COLUMNS} FROM link_keys WHERE workspace = ? ORDER BY created_at, id{}",
                for_update(tx.kind())
            );
            let keys = tx.rows(sql, args![&workspace]).await?;
            let keys = keys.iter().map(read).collect::<Result<Vec<_>>>()?;
            if !keys.iter().any(|key| key.id == id) {
                return Ok(false);
            }
            if current(&keys).is_some_and(|key| key.id == id) {
                return Err(Error::Conflict("this key signs the links of new emails: make another one first".into()));
            }
            let sql = "UPDATE link_keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL";
            tx.run(sql, args![now, id]).await?;
            Ok(true)
        })
    })
    .await
}

fn read(row: &Row) -> Result<LinkKey> {
    Ok(LinkKey {
        id: row.int(0)? as u32,
        workspace: row.text(1)?,
        secret: row.blob(2)?,
        created_at: row.int(3)?,
        revoked_at: row.opt_int(4)?,
    })
}
