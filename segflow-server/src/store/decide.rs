//! Committing decisions: a group of users at once, whole or not at all per user.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use segflow_core::enrollment::Enrollment;
use segflow_core::ids;
use segflow_core::ledger::{Message, Origin};
use segflow_core::merge::{Object, merge};
use segflow_core::protocol::{Guarantee, encode};
use segflow_core::step::Decision;
use serde_json::Value as Json;

use super::db::{Db, Tx, Value};
use super::ingest::{self, object};
use super::many::{Existing, On, Table, insert, run_in, select_in};
use super::{Error, Result, fence, for_share, for_update};
use crate::args;

/// A journal tail longer than this becomes a chunk of its own, in bytes.
const TAIL: usize = 4_096;

/// Decisions of one workspace, to be committed together.
pub struct Group {
    pub incarnation: String,
    pub workspace: String,
    /// The generation they were decided under.
    pub generation: i64,
    pub decisions: Vec<Decision>,
    /// Inbox rows of users who are gone.
    pub orphans: Vec<i64>,
    pub now: i64,
}

/// Commits what still holds. Returns, for each decision, whether it was committed; one that was not is to be decided again.
pub async fn commit(db: &Db, group: Arc<Group>) -> Result<Vec<bool>> {
    db.write(move |tx| Box::pin(commit_group(tx, group.clone()))).await
}

async fn commit_group(tx: &mut Tx, group: Arc<Group>) -> Result<Vec<bool>> {
    fence::hold(tx, &group.incarnation).await?;
    let sql = format!("SELECT generation FROM workspaces WHERE id = ?{}", for_share(tx.kind()));
    let generation = tx.row(sql, args![&group.workspace]).await?.map(|row| row.int(0)).transpose()?;
    if generation.unwrap_or(0) != group.generation {
        return Ok(vec![false; group.decisions.len()]);
    }
    let users = lock_users(tx, &group).await?;
    let versions = lock_enrollments(tx, &group).await?;
    let holds: Vec<bool> = group
        .decisions
        .iter()
        .map(|decision| {
            let same_user = users.get(&decision.user).is_some_and(|user| {
                user.incarnation == decision.incarnation && user.seq + decision.consumed.len() as i64 == decision.seq
            });
            same_user && decision.enrollments.iter().all(|e| versions.get(&e.id).copied().unwrap_or(0) == e.version)
        })
        .collect();
    let good: Vec<&Decision> =
        group.decisions.iter().zip(&holds).filter(|(_, holds)| **holds).map(|(d, _)| d).collect();
    write_users(tx, &group, &good, users).await?;
    write_memberships(tx, &group, &good).await?;
    write_enrollments(tx, &group, &good).await?;
    write_messages(tx, &group, &good).await?;
    let consumed = good.iter().flat_map(|d| d.consumed.iter()).chain(&group.orphans);
    let consumed: Vec<Value> = consumed.map(|id| Value::from(*id)).collect();
    run_in(tx, "DELETE FROM inbox WHERE id IN ({})", &[], &consumed).await?;
    Ok(holds)
}

/// Parks enrollments, given with their versions, whose decision cannot be stored. Their facts stay in the inbox: the next decision
/// about the user goes without them.
pub async fn park(db: &Db, incarnation: &str, enrollments: Vec<(String, i64)>, reason: String, now: i64) -> Result<()> {
    let incarnation = incarnation.to_string();
    db.write(move |tx| {
        let (incarnation, enrollments, reason) = (incarnation.clone(), enrollments.clone(), reason.clone());
        Box::pin(async move {
            fence::hold(tx, &incarnation).await?;
            for (id, version) in enrollments {
                let sql = "UPDATE enrollments SET status = 'parked', reason = ?, wake_at = NULL, version = version + 1, \
                           updated_at = ? WHERE id = ? AND version = ?";
                tx.run(sql, args![&reason, now, id, version]).await?;
            }
            Ok(())
        })
    })
    .await
}

struct Locked {
    incarnation: String,
    attributes: Object,
    seq: i64,
    created_at: i64,
}

async fn lock_users(tx: &mut Tx, group: &Group) -> Result<BTreeMap<String, Locked>> {
    let ids: BTreeSet<&str> = group.decisions.iter().map(|d| d.user.as_str()).collect();
    let ids: Vec<Value> = ids.into_iter().map(Value::from).collect();
    let sql = format!(
        "SELECT id, incarnation, attributes, seq, created_at FROM users WHERE workspace = ? AND id IN ({{}}) ORDER BY id{}",
        for_update(tx.kind())
    );
    let mut users = BTreeMap::new();
    for row in select_in(&mut On::Tx(tx), &sql, &args![&group.workspace], &ids).await? {
        let user = Locked {
            incarnation: row.text(1)?,
            attributes: object(&row.text(2)?)?,
            seq: row.int(3)?,
            created_at: row.int(4)?,
        };
        users.insert(row.text(0)?, user);
    }
    Ok(users)
}

async fn lock_enrollments(tx: &mut Tx, group: &Group) -> Result<BTreeMap<String, i64>> {
    let old = group.decisions.iter().flat_map(|d| &d.enrollments).filter(|e| e.version > 0);
    let ids: BTreeSet<&str> = old.map(|e| e.id.as_str()).collect();
    let ids: Vec<Value> = ids.into_iter().map(Value::from).collect();
    let sql = format!("SELECT id, version FROM enrollments WHERE id IN ({{}}) ORDER BY id{}", for_update(tx.kind()));
    let rows = select_in(&mut On::Tx(tx), &sql, &[], &ids).await?;
    rows.iter().map(|row| Ok((row.text(0)?, row.int(1)?))).collect()
}

async fn write_users(
    tx: &mut Tx,
    group: &Group,
    good: &[&Decision],
    mut users: BTreeMap<String, Locked>,
) -> Result<()> {
    let (mut rows, mut inbox) = (vec![], vec![]);
    for decision in good {
        let Some(mut user) = users.remove(&decision.user) else { continue };
        let bucket = ids::bucket(&group.workspace, &decision.user);
        for (patch, hops) in &decision.patches {
            merge(&mut user.attributes, patch);
            inbox.push(args![bucket, &group.workspace, &decision.user, Option::<String>::None, *hops, false]);
        }
        let email = ingest::email(&user.attributes);
        let attributes = Json::Object(user.attributes).to_string();
        rows.push(args![
            &group.workspace,
            &decision.user,
            bucket,
            user.incarnation,
            attributes,
            email,
            decision.seq,
            decision.evaluated,
            user.created_at,
            group.now
        ]);
    }
    // Attributes are written only where a flow changed them: the others' rows stay short.
    let patched: BTreeSet<&str> = good.iter().filter(|d| !d.patches.is_empty()).map(|d| d.user.as_str()).collect();
    let (patched, plain): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|row| matches!(&row[1], Value::Text(id) if patched.contains(id.as_str())));
    insert(tx, &SEEN, plain).await?;
    insert(tx, &PATCHED, patched).await?;
    insert(tx, &ingest::INBOX, inbox).await
}

async fn write_memberships(tx: &mut Tx, group: &Group, good: &[&Decision]) -> Result<()> {
    let (mut entered, mut flips) = (vec![], vec![]);
    let mut gone: BTreeMap<(&str, &str), Vec<Value>> = BTreeMap::new();
    for decision in good {
        for segment in &decision.entered {
            entered.push(args![&group.workspace, &decision.user, segment, group.now]);
        }
        for segment in &decision.left {
            gone.entry(("memberships", segment)).or_default().push(Value::from(&decision.user));
        }
        for (segment, at) in &decision.flips {
            match at {
                Some(at) => {
                    let bucket = ids::bucket(&group.workspace, &decision.user);
                    flips.push(args![&group.workspace, &decision.user, segment, bucket, *at]);
                }
                None => gone.entry(("flips", segment)).or_default().push(Value::from(&decision.user)),
            }
        }
    }
    insert(tx, &MEMBERSHIPS, entered).await?;
    insert(tx, &FLIPS, flips).await?;
    for ((table, segment), users) in gone {
        let sql = format!("DELETE FROM {table} WHERE workspace = ? AND segment = ? AND user_id IN ({{}})");
        run_in(tx, &sql, &args![&group.workspace, segment], &users).await?;
    }
    Ok(())
}

async fn write_enrollments(tx: &mut Tx, group: &Group, good: &[&Decision]) -> Result<()> {
    let (mut rows, mut chunks) = (vec![], vec![]);
    for decision in good {
        for enrollment in &decision.enrollments {
            let (row, chunk) = enrollment_row(group, &decision.user, enrollment);
            rows.push(row);
            chunks.extend(chunk);
        }
    }
    insert(tx, &ENROLLMENTS, rows).await?;
    insert(tx, &CHUNKS, chunks).await
}

fn enrollment_row(group: &Group, user: &str, enrollment: &Enrollment) -> (Vec<Value>, Option<Vec<Value>>) {
    let mut tail = encode(&enrollment.journal[enrollment.chunked..].to_vec());
    let (mut chunks, mut chunk) = (enrollment.chunks, None);
    if tail.len() > TAIL {
        chunk = Some(args![&enrollment.id, chunks, std::mem::take(&mut tail)]);
        chunks += 1;
    }
    let pending = serde_json::to_string(&enrollment.pending).expect("what is waited for is plain data");
    let row = args![
        &enrollment.id,
        &group.workspace,
        user,
        ids::bucket(&group.workspace, user),
        &enrollment.campaign,
        enrollment.run,
        &enrollment.deployment,
        enrollment.status.name(),
        enrollment.reason.as_ref(),
        enrollment.version + 1,
        enrollment.first_op as i64,
        enrollment.next_op as i64,
        enrollment.started_at,
        group.now,
        enrollment.wake_at(),
        enrollment.hops,
        pending,
        tail,
        chunks
    ];
    (row, chunk)
}

async fn write_messages(tx: &mut Tx, group: &Group, good: &[&Decision]) -> Result<()> {
    for decision in good {
        for (enrollment, reason) in &decision.cancel {
            let sql = "UPDATE messages SET status = 'cancelled', reason = ?, due_at = NULL, updated_at = ? \
                       WHERE enrollment = ? AND status IN ('pending', 'held')";
            tx.run(sql, args![reason, group.now, enrollment]).await?;
        }
    }
    let rows = good.iter().flat_map(|d| d.messages.iter().map(|m| message_row(group, d, m))).collect();
    insert(tx, &MESSAGES, rows).await
}

fn message_row(group: &Group, decision: &Decision, message: &Message) -> Vec<Value> {
    let (campaign, enrollment, op, transaction, event) = match &message.origin {
        Origin::Campaign { campaign, enrollment, op } => {
            (Some(campaign), Some(enrollment), Some(*op as i64), None, None)
        }
        Origin::Transaction { transaction, event } => (None, None, None, Some(transaction), Some(event)),
    };
    args![
        &message.id,
        &group.workspace,
        &decision.user,
        &decision.incarnation,
        ids::bucket(&group.workspace, &decision.user),
        "pending",
        &message.template,
        campaign,
        enrollment,
        op,
        transaction,
        event,
        &message.deployment,
        &message.args.0,
        guarantee_name(message.guarantee),
        message.created_at,
        message.created_at,
        message.created_at,
        0
    ]
}

pub fn guarantee_name(guarantee: Guarantee) -> &'static str {
    match guarantee {
        Guarantee::AtMostOnce => "at_most_once",
        Guarantee::AtLeastOnce => "at_least_once",
    }
}

pub fn parse_guarantee(name: &str) -> Result<Guarantee> {
    match name {
        "at_most_once" => Ok(Guarantee::AtMostOnce),
        "at_least_once" => Ok(Guarantee::AtLeastOnce),
        other => Err(Error::Internal(format!("a message is guaranteed `{other}`"))),
    }
}

const USER_COLUMNS: &[&str] = &[
    "workspace",
    "id",
    "bucket",
    "incarnation",
    "attributes",
    "email",
    "seq",
    "evaluated",
    "created_at",
    "updated_at",
];
const USER_KEY: &[&str] = &["workspace", "id"];
const SEEN: Table =
    Table { name: "users", columns: USER_COLUMNS, key: USER_KEY, existing: Existing::Takes(&["seq", "evaluated"]) };
const PATCHED: Table = Table {
    name: "users",
    columns: USER_COLUMNS,
    key: USER_KEY,
    existing: Existing::Takes(&["attributes", "email", "seq", "evaluated", "updated_at"]),
};
const MEMBERSHIPS: Table = Table {
    name: "memberships",
    columns: &["workspace", "user_id", "segment", "since"],
    key: &["workspace", "user_id", "segment"],
    existing: Existing::Stays,
};
const FLIPS: Table = Table {
    name: "flips",
    columns: &["workspace", "user_id", "segment", "bucket", "flip_at"],
    key: &["workspace", "user_id", "segment"],
    existing: Existing::Takes(&["flip_at"]),
};
const ENROLLMENTS: Table = Table {
    name: "enrollments",
    columns: &[
        "id",
        "workspace",
        "user_id",
        "bucket",
        "campaign",
        "run",
        "deployment",
        "status",
        "reason",
        "version",
        "first_op",
        "next_op",
        "started_at",
        "updated_at",
        "wake_at",
        "hops",
        "pending",
        "journal",
        "chunks",
    ],
    key: &["id"],
    existing: Existing::Takes(&[
        "deployment",
        "status",
        "reason",
        "version",
        "first_op",
        "next_op",
        "updated_at",
        "wake_at",
        "hops",
        "pending",
        "journal",
        "chunks",
    ]),
};
const CHUNKS: Table = Table {
    name: "journal_chunks",
    columns: &["enrollment", "chunk", "entries"],
    key: &["enrollment", "chunk"],
    existing: Existing::Fails,
};
const MESSAGES: Table = Table {
    name: "messages",
    columns: &[
        "id",
        "workspace",
        "user_id",
        "user_incarnation",
        "bucket",
        "status",
        "template",
        "campaign",
        "enrollment",
        "op",
        "transaction_id",
        "event_id",
        "deployment",
        "args",
        "guarantee",
        "created_at",
        "updated_at",
        "due_at",
        "attempt",
    ],
    key: &["id"],
    existing: Existing::Fails,
};
