//! Committing decisions: a group of users at once, whole or not at all per user.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use segflow_core::enrollment::{Enrollment, Status};
use segflow_core::ids;
use segflow_core::ledger::{Message, Origin};
use segflow_core::merge::{Object, merge};
use segflow_core::protocol::Guarantee;
use segflow_core::step::{Decision, JobKind, MarkKind, Told};
use serde_json::Value as Json;

use super::conversions::{self, Converted};
use super::db::{Db, Tx, Value};
use super::enrollments::encode_pending;
use super::events::EVENTS;
use super::inbox::{Body, INBOX};
use super::ingest::{self, object};
use super::many::{Existing, On, Table, insert, run_in, select_in};
use super::tallies::{self, Late};
use super::{Error, Result, fence, for_share, for_update, news, runs, tasks, webhooks};
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
    db.write(move |tx| {
        tx.is("decide");
        Box::pin(commit_group(tx, group.clone()))
    })
    .await
}

async fn commit_group(tx: &mut Tx, group: Arc<Group>) -> Result<Vec<bool>> {
    fence::hold(tx, &group.incarnation).await?;
    let sql = format!("SELECT generation, listeners FROM workspaces WHERE id = ?{}", for_share(tx.kind()));
    let row = tx.row(sql, args![&group.workspace]).await?;
    let (generation, listeners) = row.map_or(Ok((0, 0)), |row| Ok::<_, Error>((row.int(0)?, row.int(1)?)))?;
    if generation != group.generation {
        return Ok(vec![false; group.decisions.len()]);
    }
    let users = lock_users(tx, &group).await?;
    let before = lock_enrollments(tx, &group).await?;
    let version = |id: &String| before.get(id).map_or(0, |(version, _)| *version);
    let holds: Vec<bool> = group
        .decisions
        .iter()
        .map(|decision| {
            let same_user = users.get(&decision.user).is_some_and(|user| {
                user.incarnation == decision.incarnation && user.seq + decision.consumed.len() as i64 == decision.seq
            });
            same_user && decision.enrollments.iter().all(|e| version(&e.id) == e.version)
        })
        .collect();
    let good: Vec<&Decision> =
        group.decisions.iter().zip(&holds).filter(|(_, holds)| **holds).map(|(d, _)| d).collect();
    write_users(tx, &group, &good, users).await?;
    write_memberships(tx, &group, &good).await?;
    write_enrollments(tx, &group, &good).await?;
    write_messages(tx, &group, &good, listeners > 0).await?;
    write_jobs(tx, &group, &good).await?;
    let converted = conversions::count(tx, &group.workspace, &good, group.now).await?;
    if listeners > 0 {
        tell(tx, &group, &good, &before, &converted).await?;
    }
    let consumed = good.iter().flat_map(|d| d.consumed.iter()).chain(&group.orphans);
    let consumed: Vec<Value> = consumed.map(|id| Value::from(*id)).collect();
    run_in(tx, "DELETE FROM inbox WHERE id IN ({})", &[], &consumed).await?;
    Ok(holds)
}

struct Locked {
    incarnation: String,
    attributes: Object,
    seq: i64,
    evaluated: i64,
    created_at: i64,
    tallied_to: Option<i64>,
}

async fn lock_users(tx: &mut Tx, group: &Group) -> Result<BTreeMap<String, Locked>> {
    let ids: BTreeSet<&str> = group.decisions.iter().map(|d| d.user.as_str()).collect();
    let ids: Vec<Value> = ids.into_iter().map(Value::from).collect();
    let sql = format!(
        "SELECT id, incarnation, attributes, seq, created_at, evaluated, tallied_to FROM users WHERE workspace = ? AND id IN ({{}}) ORDER BY id{}",
        for_update(tx.kind())
    );
    let mut users = BTreeMap::new();
    for row in select_in(&mut On::Tx(tx), &sql, &args![&group.workspace], &ids).await? {
        let user = Locked {
            incarnation: row.text(1)?,
            attributes: object(&row.text(2)?)?,
            seq: row.int(3)?,
            created_at: row.int(4)?,
            evaluated: row.int(5)?,
            tallied_to: row.opt_int(6)?,
        };
        users.insert(row.text(0)?, user);
    }
    Ok(users)
}

/// The versions and states of the enrollments that were decided about, those that were there.
type Before = BTreeMap<String, (i64, Status)>;

async fn lock_enrollments(tx: &mut Tx, group: &Group) -> Result<Before> {
    let old = group.decisions.iter().flat_map(|d| &d.enrollments).filter(|e| e.version > 0);
    let ids: BTreeSet<&str> = old.map(|e| e.id.as_str()).collect();
    let ids: Vec<Value> = ids.into_iter().map(Value::from).collect();
    let lock = for_update(tx.kind());
    let sql = format!("SELECT id, version, status FROM enrollments WHERE id IN ({{}}) ORDER BY id{lock}");
    let rows = select_in(&mut On::Tx(tx), &sql, &[], &ids).await?;
    rows.iter().map(|row| Ok((row.text(0)?, (row.int(1)?, parse_status(&row.text(2)?)?)))).collect()
}

async fn write_users(
    tx: &mut Tx,
    group: &Group,
    good: &[&Decision],
    mut users: BTreeMap<String, Locked>,
) -> Result<()> {
    let (mut patched_rows, mut inbox, mut events, mut late) = (vec![], vec![], vec![], vec![]);
    // By how many facts they have heard, and the generation they were held against.
    let mut heard: BTreeMap<(i64, i64), Vec<Value>> = BTreeMap::new();
    for decision in good {
        let Some(mut user) = users.remove(&decision.user) else { continue };
        let bucket = ids::bucket(&group.workspace, &decision.user);
        let mut patched = false;
        for (told, hops) in &decision.told {
            let mut changed = None;
            let (body, nothing) = match told {
                Told::Patch(patch) => {
                    let before = user.attributes.clone();
                    merge(&mut user.attributes, patch);
                    patched = true;
                    changed = Body::changed(&before, &user.attributes);
                    (None, Option::<String>::None)
                }
                Told::Event { id, name, attributes } => {
                    let (workspace, of) = (&group.workspace, &decision.user);
                    events.push(args![workspace, of, id, name, &attributes.0, group.now, group.now]);
                    if user.tallied_to.is_some_and(|to| group.now < to) {
                        let (workspace, user, name) = (workspace.clone(), of.clone(), name.clone());
                        late.push(Late { workspace, user, name, occurred_at: group.now });
                    }
                    (None, Some(id.clone()))
                }
                Told::Enter { campaign } => {
                    (Some(Body::Enter { campaign: campaign.clone(), start_at: None, at: group.now }), None)
                }
                Told::Leave { campaign } => (Some(Body::Leave { campaign: campaign.clone(), at: group.now }), None),
            };
            inbox.push(match body {
                Some(body) => body.row(bucket, &group.workspace, &decision.user, *hops),
                None => {
                    args![bucket, &group.workspace, &decision.user, nothing, changed, *hops, false]
                }
            });
        }
        // A step of time alone changes nothing about the user.
        if !patched && decision.seq == user.seq && decision.evaluated == user.evaluated {
            continue;
        }
        if !patched {
            let facts = decision.seq - user.seq;
            heard.entry((facts, decision.evaluated)).or_default().push(Value::from(&decision.user));
            continue;
        }
        let email = ingest::email(&user.attributes);
        let attributes = Json::Object(user.attributes).to_string();
        patched_rows.push(args![
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
    for ((facts, evaluated), users) in heard {
        let sql = "UPDATE users SET seq = seq + ?, evaluated = ? WHERE workspace = ? AND id IN ({})";
        run_in(tx, sql, &args![facts, evaluated, &group.workspace], &users).await?;
    }
    insert(tx, &PATCHED, patched_rows).await?;
    insert(tx, &EVENTS, events).await?;
    tallies::late(tx, late).await?;
    insert(tx, &INBOX, inbox).await
}

async fn write_memberships(tx: &mut Tx, group: &Group, good: &[&Decision]) -> Result<()> {
    let (mut entered, mut flips, mut failures) = (vec![], vec![], vec![]);
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
    for decision in good {
        for (segment, failed) in &decision.failed {
            match failed {
                Some(why) => failures.push(runs::failure(&group.workspace, segment, &decision.user, why, group.now)),
                None => gone.entry(("segment_failures", segment)).or_default().push(Value::from(&decision.user)),
            }
        }
    }
    insert(tx, &MEMBERSHIPS, entered).await?;
    insert(tx, &FLIPS, flips).await?;
    insert(tx, &runs::FAILURES, failures).await?;
    for ((table, segment), users) in gone {
        let sql = format!("DELETE FROM {table} WHERE workspace = ? AND segment = ? AND user_id IN ({{}})");
        run_in(tx, &sql, &args![&group.workspace, segment], &users).await?;
    }
    Ok(())
}

async fn write_enrollments(tx: &mut Tx, group: &Group, good: &[&Decision]) -> Result<()> {
    let all: Vec<_> = good.iter().flat_map(|d| d.enrollments.iter().map(|e| (d.user.as_str(), e))).collect();
    write_enrollments_of(tx, &group.workspace, &all, group.now).await
}

/// Writes enrollments, each with its user, at the next version. The caller holds the locks.
pub async fn write_enrollments_of(tx: &mut Tx, workspace: &str, all: &[(&str, &Enrollment)], now: i64) -> Result<()> {
    let (mut rows, mut chunks, mut over) = (vec![], vec![], vec![]);
    for (user, enrollment) in all {
        let (row, chunk) = enrollment_row(workspace, user, enrollment, now);
        rows.push(row);
        chunks.extend(chunk);
        // The journal has begun anew: what there was of the one before is of no use to anybody.
        if enrollment.first_chunk > 0 && enrollment.since == now {
            over.push(args![&enrollment.id, enrollment.first_chunk]);
        }
    }
    insert(tx, &ENROLLMENTS, rows).await?;
    insert(tx, &CHUNKS, chunks).await?;
    for args in over {
        tx.run("DELETE FROM journal_chunks WHERE enrollment = ? AND chunk < ?", args).await?;
    }
    Ok(())
}

/// Webhooks and tasks that have begun, those that are no longer wanted, and what is counted.
async fn write_jobs(tx: &mut Tx, group: &Group, good: &[&Decision]) -> Result<()> {
    let (mut webhooks, mut tasks, mut marks) = (vec![], vec![], vec![]);
    for decision in good {
        let bucket = ids::bucket(&group.workspace, &decision.user);
        for job in &decision.jobs {
            match &job.what {
                JobKind::Webhook(request) => {
                    webhooks.push(webhooks::row(&group.workspace, &decision.user, bucket, job, request));
                }
                JobKind::Task(task) => tasks.push(tasks::row(&group.workspace, &decision.user, bucket, job, task)),
            }
        }
        for mark in &decision.marks {
            let (kind, name, arm) = match &mark.what {
                MarkKind::Goal(name) => ("goal", name, None),
                MarkKind::Arm { experiment, arm } => ("arm", experiment, Some(arm)),
            };
            let (of, op) = (&mark.enrollment, mark.op as i64);
            marks.push(args![of, op, &group.workspace, &mark.campaign, kind, name, arm, group.now]);
        }
    }
    insert(tx, &webhooks::WEBHOOKS, webhooks).await?;
    insert(tx, &tasks::TASKS, tasks).await?;
    insert(tx, &MARKS, marks).await?;
    for (enrollment, ops) in good.iter().flat_map(|d| &d.dropped).filter(|(_, ops)| !ops.is_empty()) {
        drop_jobs(tx, enrollment, ops, group.now).await?;
    }
    // Also what it has begun in this very step.
    let paused = good.iter().flat_map(|d| &d.enrollments).filter(|e| e.status == Status::Paused);
    let paused: Vec<Value> = paused.map(|enrollment| Value::from(&enrollment.id)).collect();
    webhooks::pause(tx, &paused, group.now).await?;
    Ok(())
}

/// Ends webhooks and tasks that nobody waits for any more.
pub async fn drop_jobs(tx: &mut Tx, enrollment: &str, ops: &Range<u64>, now: i64) -> Result<()> {
    let (from, to) = (ops.start as i64, ops.end as i64);
    for (table, due, open) in [("webhooks", ", due_at = NULL", "pending"), ("tasks", "", "open")] {
        let sql = format!(
            "UPDATE {table} SET status = 'cancelled', updated_at = ?{due} \
             WHERE enrollment = ? AND op >= ? AND op < ? AND status = '{open}'"
        );
        tx.run(sql, args![now, enrollment, from, to]).await?;
    }
    Ok(())
}

/// Tells what became of enrollments, and what counted.
async fn tell(
    tx: &mut Tx,
    group: &Group,
    good: &[&Decision],
    before: &Before,
    converted: &[Converted<'_>],
) -> Result<()> {
    let mut all = vec![];
    for decision in good {
        let (user, now) = (&decision.user, group.now);
        let state = |e: &Enrollment| before.get(&e.id).map(|(_, status)| *status);
        all.extend(decision.enrollments.iter().filter_map(|e| news::started(user, e, state(e), now)));
        all.extend(decision.marks.iter().filter_map(|mark| news::goal(user, mark, now)));
        all.extend(decision.enrollments.iter().filter_map(|e| news::ended(user, e, state(e), now)));
    }
    all.extend(converted.iter().map(news::converted));
    news::listeners(tx, &group.workspace).await?.tell(tx, &group.workspace, &all, group.now).await
}

/// Cancels what an enrollment has decided and nobody has begun to send.
pub async fn cancel_messages(tx: &mut Tx, enrollment: &str, reason: &str, heard: bool, now: i64) -> Result<()> {
    if heard {
        news::cancelled(tx, enrollment, reason, now).await?;
    }
    let sql = "UPDATE messages SET status = 'cancelled', reason = ?, due_at = NULL, updated_at = ? \
               WHERE enrollment = ? AND status = 'pending'";
    tx.run(sql, args![reason, now, enrollment]).await?;
    // What is on its way cannot be called back, but is not tried again.
    let sql = "UPDATE messages SET reason = ?, not_after = ? WHERE enrollment = ? AND status = 'sending'";
    tx.run(sql, args![reason, now, enrollment]).await?;
    Ok(())
}

fn enrollment_row(workspace: &str, user: &str, enrollment: &Enrollment, now: i64) -> (Vec<Value>, Option<Vec<Value>>) {
    let mut tail = enrollment.journal.store(enrollment.chunked);
    let (mut chunks, mut chunk) = (enrollment.chunks, None);
    if tail.len() > TAIL {
        chunk = Some(args![&enrollment.id, chunks, std::mem::take(&mut tail)]);
        chunks += 1;
    }
    let row = args![
        &enrollment.id,
        workspace,
        user,
        ids::bucket(workspace, user),
        &enrollment.campaign,
        enrollment.run,
        &enrollment.deployment,
        enrollment.status.name(),
        enrollment.reason.as_ref(),
        enrollment.version + 1,
        enrollment.first_op as i64,
        enrollment.next_op as i64,
        enrollment.started_at,
        now,
        enrollment.wake_at(),
        enrollment.hops,
        encode_pending(&enrollment.pending),
        tail,
        chunks,
        enrollment.since,
        enrollment.state.as_ref().map(|state| &state.0),
        enrollment.key.as_ref(),
        enrollment.by_hand,
        enrollment.bytes as i64,
        enrollment.first_chunk
    ];
    (row, chunk)
}

/// `heard`: somebody wants to know of what is cancelled.
async fn write_messages(tx: &mut Tx, group: &Group, good: &[&Decision], heard: bool) -> Result<()> {
    for (enrollment, reason) in good.iter().flat_map(|d| &d.restarted) {
        cancel_messages(tx, enrollment, reason, heard, group.now).await?;
    }
    let rows = good.iter().flat_map(|d| d.messages.iter().map(|m| message_row(group, d, m))).collect();
    insert(tx, &MESSAGES, rows).await?;
    // After them: a flow may have decided something and been ended by another in one step.
    for (enrollment, reason) in good.iter().flat_map(|d| &d.cancel) {
        cancel_messages(tx, enrollment, reason, heard, group.now).await?;
    }
    Ok(())
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

pub fn parse_status(name: &str) -> Result<Status> {
    Status::parse(name).ok_or_else(|| Error::Internal(format!("an enrollment is `{name}`")))
}

pub fn parse_guarantee(name: &str) -> Result<Guarantee> {
    match name {
        "at_most_once" => Ok(Guarantee::AtMostOnce),
        "at_least_once" => Ok(Guarantee::AtLeastOnce),
        other => Err(Error::Internal(format!("a message is guaranteed `{other}`"))),
    }
}

const PATCHED: Table = Table {
    name: "users",
    columns: ingest::USER_COLUMNS,
    key: &["workspace", "id"],
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
        "since",
        "state",
        "entry_key",
        "by_hand",
        "bytes",
        "first_chunk",
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
        "since",
        "state",
        "bytes",
        "first_chunk",
    ]),
};
const CHUNKS: Table = Table {
    name: "journal_chunks",
    columns: &["enrollment", "chunk", "entries"],
    key: &["enrollment", "chunk"],
    existing: Existing::Fails,
};
const MARKS: Table = Table {
    name: "marks",
    columns: &["enrollment", "op", "workspace", "campaign", "kind", "name", "arm", "created_at"],
    key: &["enrollment", "op"],
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
