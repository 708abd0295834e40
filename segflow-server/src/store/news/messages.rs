//! What becomes of messages.

use std::collections::BTreeMap;

use segflow_core::ledger::Status;
use serde_json::json;

use super::{News, told};
use crate::args;
use crate::store::Result;
use crate::store::db::{Tx, Value};
use crate::store::many::{On, select_in};

/// Where a message is now.
#[derive(Debug)]
pub struct Change {
    pub message: String,
    pub status: Status,
    pub reason: Option<String>,
    /// Of a bounce, where that is known: `hard`, `soft` or `policy`.
    pub bounce: Option<&'static str>,
}

impl Change {
    pub fn new(message: impl Into<String>, status: Status, reason: Option<String>) -> Change {
        Change { message: message.into(), status, reason, bounce: None }
    }

    fn ty(&self) -> Option<&'static str> {
        Some(match self.status {
            Status::Sent => "message.sent",
            Status::Delivered => "message.delivered",
            Status::Bounced => "message.bounced",
            Status::Complained => "message.complained",
            Status::Refused => "message.refused",
            Status::Suppressed => "message.suppressed",
            Status::Cancelled => "message.cancelled",
            Status::Unknown => "message.unknown",
            // It is still on its way.
            Status::Pending | Status::Held | Status::Sending => return None,
        })
    }
}

/// Tells what has become of messages, of any workspaces, but for those of people who were erased. Where nobody listens this is one query.
pub async fn of_messages(tx: &mut Tx, changes: &[Change], now: i64) -> Result<()> {
    let ids: Vec<Value> = changes.iter().filter(|c| c.ty().is_some()).map(|c| Value::from(&c.message)).collect();
    let sql = "SELECT m.id, m.workspace, m.user_id, m.template, m.campaign, m.transaction_id, m.enrollment FROM messages m \
               JOIN workspaces w ON w.id = m.workspace WHERE w.listeners > 0 AND m.user_id <> '' AND m.id IN ({})";
    let mut about = BTreeMap::new();
    for row in select_in(&mut On::Tx(tx), sql, &[], &ids).await? {
        about.insert(row.text(0)?, row);
    }
    let mut by_workspace: BTreeMap<String, Vec<News>> = BTreeMap::new();
    for change in changes {
        let (Some(ty), Some(row)) = (change.ty(), about.get(&change.message)) else { continue };
        let data = json!({
            "message": change.message,
            "template": row.text(3)?,
            "campaign": row.opt_text(4)?,
            "transaction": row.opt_text(5)?,
            "enrollment": row.opt_text(6)?,
            "reason": change.reason.as_deref().map(told),
            "bounce": change.bounce,
        });
        by_workspace.entry(row.text(1)?).or_default().push(News::new(ty, &row.text(2)?, now, data));
    }
    for (workspace, news) in by_workspace {
        super::listeners(tx, &workspace).await?.tell(tx, &workspace, &news, now).await?;
    }
    Ok(())
}

/// Tells that what an enrollment has pending is about to be cancelled.
pub async fn cancelled(tx: &mut Tx, enrollment: &str, reason: &str, now: i64) -> Result<()> {
    let sql = "SELECT id FROM messages WHERE enrollment = ? AND status IN ('pending', 'held') ORDER BY id";
    let mut changes = vec![];
    for row in tx.rows(sql, args![enrollment]).await? {
        changes.push(Change::new(row.text(0)?, Status::Cancelled, Some(reason.into())));
    }
    of_messages(tx, &changes, now).await
}
