use super::{Order, Query, TimeAndId};
use crate::args;
use crate::store::Result;
use crate::store::db::{Db, Row};
use crate::store::hold::{self, Hold};

/// A message of the ledger. Times are ms UTC.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    pub id: String,
    /// `None` once the person was erased.
    pub user_id: Option<String>,
    pub status: String,
    pub reason: Option<String>,
    pub template: String,
    pub campaign: Option<String>,
    pub enrollment: Option<String>,
    pub op: Option<i64>,
    pub transaction: Option<String>,
    pub event_id: Option<String>,
    pub deployment: String,
    pub guarantee: String,
    pub created_at: i64,
    pub updated_at: i64,
    pub due_at: Option<i64>,
    pub attempt: i64,
    pub provider: Option<String>,
    pub provider_message_id: Option<String>,
    pub sent_at: Option<i64>,
    pub from: Option<String>,
    pub to: Option<String>,
    pub subject: Option<String>,
    /// JSON.
    pub args: String,
    /// JSON: the user's declared attributes when it was sent.
    pub context: Option<String>,
    pub body_hash: Option<String>,
}

/// Which messages are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct MessageFilter<'a> {
    pub user: Option<&'a str>,
    pub status: Option<&'a str>,
    pub campaign: Option<&'a str>,
    pub transaction: Option<&'a str>,
    pub order: Order,
}

const MESSAGES: &str = "SELECT id, user_id, status, reason, template, campaign, enrollment, op, transaction_id, event_id, \
                        deployment, guarantee, created_at, updated_at, due_at, attempt, provider, provider_message_id, \
                        sent_at, sender_address, recipient, subject, args, context, body_hash \
                        FROM messages WHERE workspace = ?";

pub async fn message(db: &Db, workspace: &str, id: &str) -> Result<Option<Message>> {
    let hold = hold::of(db, workspace).await?;
    let rows = Query::new(MESSAGES, workspace).and("id =", Some(id)).rows(db, 1).await?;
    rows.first().map(|row| read_message(row, hold.as_ref())).transpose()
}

/// By when they were decided.
pub async fn messages(
    db: &Db,
    workspace: &str,
    filter: MessageFilter<'_>,
    after: Option<&TimeAndId>,
    limit: i64,
) -> Result<Vec<Message>> {
    let hold = hold::of(db, workspace).await?;
    let status = match (filter.status, hold.is_some()) {
        (Some("held"), true) => Some("pending"),
        (Some("held"), false) | (Some("pending"), true) => return Ok(vec![]),
        (status, _) => status,
    };
    let query = Query::new(MESSAGES, workspace)
        .and("user_id =", filter.user)
        .and("status =", status)
        .and("campaign =", filter.campaign)
        .and("transaction_id =", filter.transaction)
        .by_time_in(filter.order, "created_at", after);
    query.rows(db, limit).await?.iter().map(|row| read_message(row, hold.as_ref())).collect()
}

fn read_message(row: &Row, hold: Option<&Hold>) -> Result<Message> {
    let stored = row.text(2)?;
    let status = hold::shown(&stored, hold);
    let reason = if status == stored { row.opt_text(3)? } else { hold.map(Hold::reason) };
    Ok(Message {
        id: row.text(0)?,
        user_id: Some(row.text(1)?).filter(|user| !user.is_empty()),
        status,
        reason,
        template: row.text(4)?,
        campaign: row.opt_text(5)?,
        enrollment: row.opt_text(6)?,
        op: row.opt_int(7)?,
        transaction: row.opt_text(8)?,
        event_id: row.opt_text(9)?,
        deployment: row.text(10)?,
        guarantee: row.text(11)?,
        created_at: row.int(12)?,
        updated_at: row.int(13)?,
        due_at: row.opt_int(14)?,
        attempt: row.int(15)?,
        provider: row.opt_text(16)?,
        provider_message_id: row.opt_text(17)?,
        sent_at: row.opt_int(18)?,
        from: row.opt_text(19)?,
        to: row.opt_text(20)?,
        subject: row.opt_text(21)?,
        args: row.text(22)?,
        context: row.opt_text(23)?,
        body_hash: row.opt_text(24)?,
    })
}

/// One try to send a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    pub attempt: i64,
    /// ms UTC.
    pub at: i64,
    pub provider: Option<String>,
    pub outcome: String,
    pub detail: Option<String>,
}

/// The tries of a message.
pub async fn attempts(db: &Db, message: &Message) -> Result<Vec<Attempt>> {
    let sql = "SELECT attempt, at, provider, outcome, detail FROM attempts WHERE message = ? ORDER BY attempt";
    let rows = db.read(sql, args![&message.id]).await?;
    let read = |row: &Row| {
        Ok(Attempt {
            attempt: row.int(0)?,
            at: row.int(1)?,
            provider: row.opt_text(2)?,
            outcome: row.text(3)?,
            detail: row.opt_text(4)?,
        })
    };
    let mut attempts = rows.iter().map(read).collect::<Result<Vec<Attempt>>>()?;
    // The one that was accepted has no row of its own.
    if let Some(at) = message.sent_at
        && attempts.iter().all(|attempt| attempt.attempt != message.attempt)
    {
        let (attempt, provider) = (message.attempt, message.provider.clone());
        attempts.push(Attempt { attempt, at, provider, outcome: "accepted".into(), detail: None });
    }
    Ok(attempts)
}

/// Something that was told of a message after it was handed over.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    pub outcome: String,
    pub kind: Option<String>,
    /// ms UTC.
    pub at: i64,
    pub provider: Option<String>,
    pub detail: Option<String>,
    pub agent: Option<String>,
    pub country: Option<String>,
}

/// The most that is shown of one message: some are opened without end.
const TOLD: i64 = 1_000;

/// What was told of a message, which the caller has found in its own workspace, as it happened.
pub async fn told(db: &Db, message: &str) -> Result<Vec<Told>> {
    let sql = "SELECT outcome, kind, at, provider, detail, agent, country FROM outcomes WHERE message = ? ORDER BY at, id LIMIT ?";
    let rows = db.read(sql, args![message, TOLD]).await?;
    rows.iter()
        .map(|row| {
            Ok(Told {
                outcome: row.text(0)?,
                kind: row.opt_text(1)?,
                at: row.int(2)?,
                provider: row.opt_text(3)?,
                detail: row.opt_text(4)?,
                agent: row.opt_text(5)?,
                country: row.opt_text(6)?,
            })
        })
        .collect()
}

/// A message that an enrollment decided, for the list of its steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Send {
    pub op: i64,
    pub message: String,
    pub template: String,
    pub status: String,
    /// ms UTC.
    pub created_at: i64,
}

pub async fn sends(db: &Db, workspace: &str, enrollment: &str) -> Result<Vec<Send>> {
    let hold = hold::of(db, workspace).await?;
    let sql = "SELECT op, id, template, status, created_at FROM messages \
               WHERE workspace = ? AND enrollment = ? AND op IS NOT NULL";
    let rows = db.read(sql, args![workspace, enrollment]).await?;
    rows.iter()
        .map(|row| {
            Ok(Send {
                op: row.int(0)?,
                message: row.text(1)?,
                template: row.text(2)?,
                status: hold::shown(&row.text(3)?, hold.as_ref()),
                created_at: row.int(4)?,
            })
        })
        .collect()
}
