//! Messages that are `unknown` and that their providers can perhaps be asked about: when that is done next, and what follows from it.
//!
//! A row here is an intention to ask, no more: whatever else settles a message leaves it to be found idle and thrown away. Nobody waits
//! for these questions, and messages of any other status have no row.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use segflow_core::ledger::lookup::{Found, Learnt, PAUSES, Sought, learnt};
use segflow_core::ledger::{Status, Transition};
use segflow_core::protocol::Guarantee;

use super::db::{Db, Tx, Value};
use super::decide::parse_guarantee;
use super::ledger::MAX_PROVIDER_ID;
use super::many::{Existing, On, Table, insert, run_in, select_in};
use super::news::{self, Change};
use super::{Result, for_update};
use crate::args;

/// A message that has become `unknown`, with the bucket of its user.
pub(super) type Lost = (String, i64);

const LOOKUPS: Table = Table {
    name: "lookups",
    columns: &["message", "bucket", "asked", "due_at"],
    key: &["message"],
    existing: Existing::Stays,
};

/// Has providers asked about these messages, in time.
pub(super) async fn begin(tx: &mut Tx, lost: Vec<Lost>, now: i64) -> Result<()> {
    let first = now.saturating_add(PAUSES[0]);
    insert(tx, &LOOKUPS, lost.into_iter().map(|(id, bucket)| args![id, bucket, 0, first]).collect()).await
}

/// A message whose provider is to be asked about it now.
#[derive(Debug, Clone)]
pub struct Due {
    pub message: String,
    /// How often it was asked before.
    pub asked: u32,
    pub workspace: String,
    pub provider: String,
    /// Of a transaction, rather than of a campaign.
    pub transaction: bool,
    pub user: String,
    /// The campaign or transaction.
    pub origin: String,
    pub template: String,
}

/// What is to be asked now about users of these buckets. Of messages that are not `unknown` any more nothing is.
pub async fn due(db: &Db, buckets: &BTreeSet<u16>, now: i64, limit: usize) -> Result<Vec<Due>> {
    let list: Vec<Value> = buckets.iter().map(|b| Value::from(*b)).collect();
    let sql = format!(
        "SELECT m.id, l.asked, m.workspace, m.provider, m.transaction_id, m.user_id, m.campaign, m.template, m.status \
         FROM lookups l JOIN messages m ON m.id = l.message WHERE l.due_at <= ? AND l.bucket IN ({{}}) LIMIT {limit}"
    );
    let (mut due, mut idle) = (vec![], vec![]);
    for row in select_in(&mut On::Db(db), &sql, &args![now], &list).await? {
        let (message, transaction) = (row.text(0)?, row.opt_text(4)?);
        match row.opt_text(3)? {
            Some(provider) if row.text(8)? == Status::Unknown.name() => due.push(Due {
                message,
                asked: row.int(1)? as u32,
                workspace: row.text(2)?,
                provider,
                transaction: transaction.is_some(),
                user: row.text(5)?,
                origin: row.opt_text(6)?.or(transaction).unwrap_or_default(),
                template: row.text(7)?,
            }),
            _ => idle.push(message),
        }
    }
    forget(db, idle).await?;
    Ok(due)
}

/// The earliest instant after this one at which a provider is asked.
pub async fn next_due(db: &Db, now: i64) -> Result<Option<i64>> {
    let row = db.read_one("SELECT MIN(due_at) FROM lookups WHERE due_at > ?", args![now]).await?;
    Ok(row.map(|row| row.opt_int(0)).transpose()?.flatten())
}

/// How often a message's provider was asked about it, and when it is asked next, ms UTC; nothing if it is not.
pub async fn of(db: &Db, message: &str) -> Result<Option<(i64, i64)>> {
    let sql = "SELECT l.asked, l.due_at FROM lookups l JOIN messages m ON m.id = l.message \
               WHERE l.message = ? AND m.status = 'unknown'";
    let row = db.read_one(sql, args![message]).await?;
    row.map(|row| Ok((row.int(0)?, row.int(1)?))).transpose()
}

/// Nobody can be asked about these.
pub async fn forget(db: &Db, messages: Vec<String>) -> Result<()> {
    change(db, "DELETE FROM lookups WHERE message IN ({})", vec![], messages).await
}

/// These are asked about later. It counts as no question.
pub async fn put_off(db: &Db, messages: Vec<String>, until: i64) -> Result<()> {
    change(db, "UPDATE lookups SET due_at = ? WHERE message IN ({})", args![until], messages).await
}

async fn change(db: &Db, sql: &'static str, before: Vec<Value>, messages: Vec<String>) -> Result<()> {
    if messages.is_empty() {
        return Ok(());
    }
    let ids: Vec<Value> = messages.into_iter().map(Value::from).collect();
    let given = Arc::new((before, ids));
    db.write(move |tx| {
        let given = given.clone();
        Box::pin(async move { run_in(tx, sql, &given.0, &given.1).await.map(drop) })
    })
    .await
}

/// Takes down what was answered to a question; what has become of the message, if anything has.
pub async fn answer(db: &Db, asked: &Due, found: Found, now: i64) -> Result<Option<Transition>> {
    let given = Arc::new((asked.clone(), found));
    db.write(move |tx| {
        let given = given.clone();
        Box::pin(async move {
            tx.is("lookup");
            answer_in(tx, &given.0, &given.1, now).await
        })
    })
    .await
}

async fn answer_in(tx: &mut Tx, about: &Due, found: &Found, now: i64) -> Result<Option<Transition>> {
    let sql = format!(
        "SELECT attempt, guarantee, user_id, reason, not_after FROM messages WHERE id = ? AND status = 'unknown'{}",
        for_update(tx.kind())
    );
    let Some(row) = tx.row(sql, args![&about.message]).await? else { return Ok(None) };
    // Two servers may have asked while its user changed hands: it counts once.
    let sql = "SELECT asked FROM lookups WHERE message = ?";
    let before = tx.row(sql, args![&about.message]).await?.map(|row| row.int(0)).transpose()?;
    if before != Some(i64::from(about.asked)) {
        return Ok(None);
    }
    let (attempt, erased, reason) = (row.int(0)? as u32, row.text(2)?.is_empty(), row.opt_text(3)?);
    // Nobody wants it sent any more: its user is gone, or its flow has left.
    let unwanted = erased || row.opt_int(4)?.is_some_and(|at| at <= now);
    let guarantee = if unwanted { Guarantee::AtMostOnce } else { parse_guarantee(&row.text(1)?)? };
    let times = about.asked + 1;
    let (provider, reason) = (about.provider.as_str(), reason.as_deref());
    let sought = Sought { asked: times, provider, reason, attempt, guarantee };
    let mut transition = match learnt(found, sought, now) {
        Learnt::Settled(transition) => transition,
        Learnt::Later(at) => {
            let sql = "UPDATE lookups SET asked = ?, due_at = ? WHERE message = ?";
            tx.run(sql, args![times, at, &about.message]).await?;
            return Ok(None);
        }
    };
    // Of a person who was erased only the count is kept.
    if erased {
        transition.reason = None;
    }
    let Transition { status, reason, due_at } = &transition;
    let sql = "UPDATE messages SET status = ?, reason = ?, due_at = ?, updated_at = ? WHERE id = ?";
    tx.run(sql, args![status.name(), reason.as_ref(), *due_at, now, &about.message]).await?;
    if let Found::Here { provider_id } = found {
        let id = provider_id.as_ref().filter(|_| !erased);
        let id = id.map(|id| id.chars().take(MAX_PROVIDER_ID).collect::<String>());
        let sql = "UPDATE messages SET provider_message_id = ?, sent_at = ? WHERE id = ?";
        tx.run(sql, args![id, now, &about.message]).await?;
        let detail = (!erased).then(|| format!("found when {provider} was asked"));
        let sql = "UPDATE attempts SET at = ?, provider = ?, outcome = 'accepted', detail = ? WHERE message = ? AND attempt = ?";
        tx.run(sql, args![now, provider, detail, &about.message, attempt]).await?;
    }
    tx.run("DELETE FROM lookups WHERE message = ?", args![&about.message]).await?;
    // That it is unknown was told when it became so.
    if *status != Status::Unknown {
        news::of_messages(tx, &[Change::new(&about.message, *status, reason.clone())], now).await?;
    }
    Ok(Some(transition))
}

/// By provider, as a workspace calls it.
pub type ByProvider = BTreeMap<(String, String), Vec<Due>>;

/// The same questions, together for each provider.
pub fn by_provider(due: Vec<Due>) -> ByProvider {
    let mut all = ByProvider::new();
    for due in due {
        all.entry((due.workspace.clone(), due.provider.clone())).or_default().push(due);
    }
    all
}
