//! What answers are held against, and how far mailboxes have been read.

use std::collections::{BTreeMap, BTreeSet};

use super::db::{Db, Value};
use super::many::{Existing, On, Table, insert, select_in};
use super::{Result, for_update};
use crate::args;

/// For each of some answers, which name messages by what stands before the `@` of their `Message-ID`, the likeliest first: the first of
/// them that is a message of the workspace, by our own id or by its provider's.
pub async fn answered(db: &Db, workspace: &str, answers: &[Vec<String>]) -> Result<Vec<Option<String>>> {
    let names: BTreeSet<&String> = answers.iter().flatten().collect();
    let names: Vec<Value> = names.into_iter().map(Value::from).collect();
    let mut messages: BTreeMap<String, String> = BTreeMap::new();
    let sql = "SELECT provider_message_id, id FROM messages WHERE workspace = ? AND provider_message_id IN ({})";
    for row in select_in(&mut On::Db(db), sql, &args![workspace], &names).await? {
        messages.insert(row.text(0)?, row.text(1)?);
    }
    let sql = "SELECT id FROM messages WHERE workspace = ? AND id IN ({})";
    for row in select_in(&mut On::Db(db), sql, &args![workspace], &names).await? {
        messages.insert(row.text(0)?, row.text(0)?);
    }
    Ok(answers.iter().map(|names| names.iter().find_map(|name| messages.get(name).cloned())).collect())
}

/// How far a folder of a mailbox has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The folder's UIDVALIDITY: under another, its numbers are of other mails.
    pub validity: u32,
    /// The first number that has not been read.
    pub next: u32,
}

const MAILBOXES: Table = Table {
    name: "mailboxes",
    columns: &["workspace", "id", "validity", "next_uid", "read_at"],
    key: &["workspace", "id"],
    existing: Existing::Takes(&["validity", "next_uid", "read_at"]),
};

/// `id` says which account and folder it is.
pub async fn place(db: &Db, workspace: &str, id: &str) -> Result<Option<Place>> {
    let sql = "SELECT validity, next_uid FROM mailboxes WHERE workspace = ? AND id = ?";
    let rows = db.read(sql, args![workspace, id]).await?;
    rows.first().map(|row| Ok(Place { validity: row.int(0)? as u32, next: row.int(1)? as u32 })).transpose()
}

/// Notes that everything before `to` has been read. A server that lost the mailbox meanwhile, and is behind whoever has it now, changes
/// nothing.
pub async fn advance(db: &Db, workspace: &str, id: &str, from: Option<Place>, to: Place, now: i64) -> Result<()> {
    let (workspace, id) = (workspace.to_string(), id.to_string());
    db.write(move |tx| {
        let (workspace, id) = (workspace.clone(), id.clone());
        Box::pin(async move {
            let sql = format!(
                "SELECT validity, next_uid FROM mailboxes WHERE workspace = ? AND id = ?{}",
                for_update(tx.kind())
            );
            let stored = match tx.row(sql, args![&workspace, &id]).await? {
                Some(row) => Some(Place { validity: row.int(0)? as u32, next: row.int(1)? as u32 }),
                None => None,
            };
            if stored != from {
                return Ok(());
            }
            insert(tx, &MAILBOXES, vec![args![workspace, id, i64::from(to.validity), i64::from(to.next), now]]).await
        })
    })
    .await
}
