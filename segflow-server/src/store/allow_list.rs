//! The allow-list of a workspace. Every claim locks its row for share ([`gate`](super::gate)), as with a hold.

use super::db::Db;
use super::{Error, Result};
use crate::allow::AllowList;
use crate::args;

/// Who may be written to; `None`: everybody.
pub async fn of(db: &Db, workspace: &str) -> Result<Option<AllowList>> {
    let row = db.read_one("SELECT allow_list FROM workspaces WHERE id = ?", args![workspace]).await?;
    let text = row.map(|row| row.opt_text(0)).transpose()?.flatten();
    text.as_deref().map(read).transpose()
}

pub async fn set(db: &Db, workspace: &str, list: Option<&AllowList>) -> Result<()> {
    let text = list.map(|list| serde_json::to_string(list.patterns()).expect("plain data"));
    let args = args![text, workspace];
    db.write(move |tx| {
        let args = args.clone();
        Box::pin(async move { tx.run("UPDATE workspaces SET allow_list = ? WHERE id = ?", args).await.map(drop) })
    })
    .await
}

pub(super) fn read(text: &str) -> Result<AllowList> {
    let wrong = |why: String| Error::Internal(format!("a stored allow-list cannot be read: {why}"));
    let patterns: Vec<String> = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    AllowList::of(patterns.iter().map(String::as_str)).map_err(wrong)
}
