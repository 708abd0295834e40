//! The ledger in the database: claiming messages for sending, and recording what became of them.
//!
//! Outcomes are facts: they are accepted from `sending` and `unknown` for the attempt they belong to, whoever owns the message by then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use segflow_core::ledger::{Outcome, Status, Told, Transition, after, lost};
use segflow_core::merge::Object;
use segflow_core::policy::{self, About};
use segflow_core::project::Project;
use segflow_core::protocol::{Guarantee, Stream};
use segflow_core::route::Lane;
use segflow_core::route::breaker::goes_elsewhere;

use super::db::{Db, Row, Tx, Value};
use super::decide::parse_guarantee;
use super::gate::{self, Ends, Gate, Rules, Verdict, Waits};
use super::ingest::object;
use super::lookups::{self, Lost};
use super::many::{Existing, On, Table, insert, run_in, select_in};
use super::news::{self, Change};
use super::policy::{Candidate, Policies};
use super::{Error, Result, database_now, fence, for_update};
use crate::args;

/// A message that this server may send now, once.
#[derive(Debug, Clone)]
pub struct Claimed {
    pub id: String,
    pub workspace: String,
    pub user: String,
    /// The campaign or transaction.
    pub origin: String,
    pub template: String,
    pub deployment: String,
    /// The template's arguments, a JSON object.
    pub args: String,
    pub attempt: u32,
    /// The recipient's attributes as they are now.
    pub attributes: Object,
    /// And the address; an error says why there is none.
    pub to: std::result::Result<String, String>,
    /// Of a transaction, rather than of a campaign.
    pub transaction: bool,
    /// The provider that may have it already and would know it again, and since when, ms UTC.
    pub keyed: Option<(String, i64)>,
}

/// A message that may be sent now, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    pub workspace: String,
    pub user: String,
    pub id: String,
    /// Of a transaction, rather than of a campaign.
    pub transaction: bool,
}

impl Due {
    /// Where it stands as long as nothing has happened to it.
    pub fn lane(&self) -> Lane {
        Lane::new(if self.transaction { Stream::Transactions } else { Stream::Campaigns }, &self.workspace)
    }
}

/// The lanes in which messages wait, due or not, those of transactions first. One step into the index for each, however many wait there:
/// asked for one by one, because MySQL reads all that is behind a lane to find the next one from within a query.
pub async fn lanes(db: &Db) -> Result<Vec<Lane>> {
    lanes_on(&mut On::Db(db)).await
}

/// The lanes of a workspace, as the database writes them.
pub(super) async fn lanes_of(on: &mut On<'_>, workspace: &str) -> Result<Vec<Value>> {
    let lanes = lanes_on(on).await?;
    Ok(lanes.iter().filter(|lane| lane.workspace == workspace).map(|lane| lane.to_string().into()).collect())
}

async fn lanes_on(on: &mut On<'_>) -> Result<Vec<Lane>> {
    let (mut lanes, mut last) = (vec![], String::new());
    loop {
        let rows = on.rows("SELECT MIN(lane) FROM messages WHERE lane > ?", args![&last]).await?;
        match rows.first().map(|row| row.opt_text(0)).transpose()?.flatten() {
            Some(lane) => last = lane,
            None => break,
        }
        lanes.push(last.parse().map_err(Error::Internal)?);
    }
    lanes.sort();
    Ok(lanes)
}

/// Messages of a lane and of these buckets that are due.
pub async fn due(db: &Db, lane: &Lane, buckets: &BTreeSet<u16>, now: i64, limit: usize) -> Result<Vec<Due>> {
    let list: Vec<Value> = buckets.iter().map(|b| Value::from(*b)).collect();
    let sql =
        format!("SELECT user_id, id FROM messages WHERE lane = ? AND due_at <= ? AND bucket IN ({{}}) LIMIT {limit}");
    let (workspace, transaction) = (&lane.workspace, lane.stream == Stream::Transactions);
    let mut due = vec![];
    for row in select_in(&mut On::Db(db), &sql, &args![lane.to_string(), now], &list).await? {
        due.push(Due { workspace: workspace.clone(), user: row.text(0)?, id: row.text(1)?, transaction });
    }
    Ok(due)
}

/// Puts messages off that cannot be sent for a reason that is not theirs. Counts as no attempt.
pub async fn postpone(db: &Db, ids: Vec<String>, until: i64, reason: String) -> Result<()> {
    db.write(move |tx| {
        let (ids, reason) = (ids.clone(), reason.clone());
        Box::pin(async move {
            let ids: Vec<Value> = ids.iter().map(Value::from).collect();
            let sql = "UPDATE messages SET due_at = ?, reason = ? WHERE status = 'pending' AND id IN ({})";
            run_in(tx, sql, &args![until, reason], &ids).await?;
            Ok(())
        })
    })
    .await
}

/// The earliest instant after this one at which a message is due.
pub async fn next_due(db: &Db, now: i64) -> Result<Option<i64>> {
    let row = db.read_one("SELECT MIN(due_at) FROM messages WHERE lane > '' AND due_at > ?", args![now]).await?;
    Ok(row.map(|row| row.opt_int(0)).transpose()?.flatten())
}

/// What a claim has done.
#[derive(Debug, Default)]
pub struct Claim {
    /// To be sent now.
    pub taken: Vec<Claimed>,
    /// Those that are not sent, now or ever.
    pub ended: Vec<Ended>,
    /// How many are looked at again later.
    pub put_off: usize,
    /// Nothing was looked at, because the workspace is held.
    pub held: bool,
}

/// A message that something has kept from being sent.
#[derive(Debug)]
pub struct Ended {
    pub user: String,
    /// The campaign or transaction.
    pub origin: String,
    pub template: String,
    pub status: Status,
    pub reason: String,
}

/// Takes messages of a workspace, whose project this is, to `sending`, unless something keeps them from being sent. The caller has a
/// connection slot in hand for each: the first that is taken goes by the first of these providers, and so on, and that is written down
/// with it, so that it is known even if this server never says another word. Those that something else has happened to in the meantime
/// are left out.
pub async fn claim(
    db: &Db,
    incarnation: &str,
    workspace: &str,
    project: &Arc<Project>,
    due: Vec<Due>,
    by: Vec<String>,
    now: i64,
) -> Result<Claim> {
    let asked = Arc::new((incarnation.to_string(), workspace.to_string(), project.clone(), due, by));
    db.write(move |tx| {
        let asked = asked.clone();
        Box::pin(async move {
            tx.is("claim");
            let (incarnation, workspace, project, due, by) = asked.as_ref();
            claim_in(tx, incarnation, workspace, project, due, by, now).await
        })
    })
    .await
}

async fn claim_in(
    tx: &mut Tx,
    incarnation: &str,
    workspace: &str,
    project: &Project,
    due: &[Due],
    by: &[String],
    now: i64,
) -> Result<Claim> {
    fence::hold(tx, incarnation).await?;
    let rules = Rules::of(tx, workspace).await?;
    if rules.held {
        return Ok(Claim { held: true, ..Claim::default() });
    }
    // Users before messages: whoever erases or unsubscribes a user comes either wholly before this claim or wholly after it.
    let users: BTreeSet<&str> = due.iter().map(|due| due.user.as_str()).collect();
    let users: Vec<Value> = users.into_iter().map(Value::from).collect();
    let sql = format!(
        "SELECT id, incarnation, attributes FROM users WHERE workspace = ? AND id IN ({{}}) ORDER BY id{}",
        for_update(tx.kind())
    );
    let mut recipients: BTreeMap<String, (String, Object)> = BTreeMap::new();
    for row in select_in(&mut On::Tx(tx), &sql, &args![workspace], &users).await? {
        recipients.insert(row.text(0)?, (row.text(1)?, object(&row.text(2)?)?));
    }
    let with_attributes = recipients.iter().map(|(user, (_, attributes))| (user.as_str(), attributes));
    let (since, is_heard) = (rules.sendings_since, rules.is_heard);
    let gate = Gate::open(tx, workspace, project, rules, with_attributes).await?;
    let sql = format!(
        "SELECT id, user_id, user_incarnation, template, deployment, args, attempt, not_after, \
         campaign, transaction_id, keyed_by, keyed_at, created_at FROM messages \
         WHERE due_at <= ? AND id IN ({{}}) AND status = 'pending' ORDER BY id{}",
        for_update(tx.kind())
    );
    let ids: Vec<Value> = due.iter().map(|due| Value::from(&due.id)).collect();
    let (mut claim, mut taken, mut ends, mut waits) = (Claim::default(), vec![], Ends::new(), Waits::new());
    let rows = select_in(&mut On::Tx(tx), &sql, &args![now], &ids).await?;
    let tried =
        rows.iter().filter(|row| row.int(6).is_ok_and(|attempt| attempt > 0)).map(|row| Ok(Value::from(row.text(0)?)));
    let perhaps_accepted = perhaps_accepted(tx, &tried.collect::<Result<Vec<_>>>()?).await?;
    let of_campaign = |row: &Row| Some((row.text(1), row.opt_text(8).transpose()?));
    let of = rows.iter().filter_map(of_campaign).map(|(user, campaign)| Ok((user?, campaign?)));
    let of = of.collect::<Result<BTreeSet<(String, String)>>>()?;
    let mut policies = Policies::open(tx, workspace, project, &of, since, now).await?;
    let mut changes = vec![];
    for row in rows {
        let (id, user, template) = (row.text(0)?, row.text(1)?, row.text(3)?);
        let Some((of, attributes)) = recipients.get(&user) else { continue };
        if *of != row.text(2)? {
            continue;
        }
        let (campaign, transaction) = (row.opt_text(8)?, row.opt_text(9)?);
        let verdict = match row.opt_int(7)?.is_some_and(|at| at <= now) {
            true => Verdict::End(Status::Cancelled, "too late to be sent".into()),
            false => match (gate.verdict(&user, campaign.as_deref()), &campaign, &transaction) {
                (Verdict::Send, Some(campaign), _) => {
                    let about = About { campaign, zone: project.zone_of(attributes), created_at: row.int(12)? };
                    let again = row.int(6)? > 0;
                    policies.decide(&Candidate { id: &id, user: &user, about, again }).into()
                }
                (Verdict::Send, None, Some(transaction)) => {
                    policy::of_transaction(project, transaction, row.int(12)?, now).into()
                }
                (verdict, ..) => verdict,
            },
        };
        let is_transaction = transaction.is_some();
        let origin = campaign.or(transaction).unwrap_or_default();
        match verdict {
            Verdict::Send => {}
            Verdict::End(status, reason) => {
                // It is not sent again; of the first time nobody knows.
                let (status, reason) = match perhaps_accepted.contains(&id) {
                    true => (Status::Unknown, format!("perhaps accepted, and not sent again: {reason}")),
                    false => (status, reason),
                };
                changes.push(Change::new(&id, status, Some(reason.clone())));
                ends.entry((status, reason.clone())).or_default().push(Value::from(id));
                claim.ended.push(Ended { user, origin, template, status, reason });
                continue;
            }
            Verdict::Wait(until, why) => {
                waits.entry((until, why)).or_default().push(Value::from(id));
                claim.put_off += 1;
                continue;
            }
        }
        taken.push(Value::from(&id));
        claim.taken.push(Claimed {
            id,
            workspace: workspace.into(),
            to: gate.to(&user),
            user,
            origin,
            template,
            deployment: row.text(4)?,
            args: row.text(5)?,
            attempt: row.int(6)? as u32 + 1,
            attributes: attributes.clone(),
            transaction: is_transaction,
            keyed: match (row.opt_text(10)?, row.opt_int(11)?) {
                (Some(memory), Some(since)) => Some((memory, since)),
                _ => None,
            },
        });
    }
    policies.close(tx).await?;
    gate::end(tx, ends, now).await?;
    if is_heard {
        news::of_messages(tx, &changes, now).await?;
    }
    gate::wait(tx, waits, now).await?;
    let sql = format!(
        "UPDATE messages SET status = 'sending', reason = NULL, attempt = attempt + 1, due_at = NULL, sender = ?, \
         provider = ?, claimed_at = {}, updated_at = ? WHERE id IN ({{}})",
        database_now(tx.kind())
    );
    let mut by_provider: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for (id, provider) in taken.into_iter().zip(by) {
        by_provider.entry(provider).or_default().push(id);
    }
    for (provider, ids) in by_provider {
        run_in(tx, &sql, &args![incarnation, provider, now], &ids).await?;
    }
    Ok(claim)
}

/// Those of which a try ended without an answer.
async fn perhaps_accepted(tx: &mut Tx, tried: &[Value]) -> Result<BTreeSet<String>> {
    let sql = "SELECT DISTINCT message FROM attempts WHERE message IN ({}) AND outcome = 'unknown'";
    select_in(&mut On::Tx(tx), sql, &[], tried).await?.iter().map(|row| row.text(0)).collect()
}

/// Gives back messages whose claim may or may not have been committed: the connection was lost in between. The caller has made no
/// call for any of them.
pub async fn release(db: &Db, incarnation: &str, ids: Vec<String>, now: i64) -> Result<()> {
    let incarnation = incarnation.to_string();
    db.write(move |tx| {
        let (incarnation, ids) = (incarnation.clone(), ids.clone());
        Box::pin(async move {
            tx.is("release");
            let ids: Vec<Value> = ids.iter().map(Value::from).collect();
            let mut changes = vec![];
            for (id, reason) in unwanted(tx, &ids, now).await? {
                let sql = "UPDATE messages SET status = 'cancelled', reason = ?, sender = NULL, claimed_at = NULL, updated_at = ? \
                           WHERE sender = ? AND status = 'sending' AND id = ?";
                if tx.run(sql, args![&reason, now, &incarnation, &id]).await? > 0 {
                    changes.push(Change::new(id, Status::Cancelled, Some(reason)));
                }
            }
            news::of_messages(tx, &changes, now).await?;
            let sql = "UPDATE messages SET status = 'pending', due_at = ?, sender = NULL, claimed_at = NULL, updated_at = ? \
                       WHERE sender = ? AND status = 'sending' AND user_id <> '' AND id IN ({})";
            run_in(tx, sql, &args![now, now, incarnation], &ids).await?;
            Ok(())
        })
    })
    .await
}

/// What became of one attempt.
#[derive(Debug, Clone)]
pub struct Report {
    pub id: String,
    pub attempt: u32,
    pub outcome: Outcome,
    pub provider: String,
    /// What knows the message again, if the provider does.
    pub memory: Option<String>,
    /// Of one that the provider could not take: how many others could, now; nothing if there are no others.
    pub others: Option<u32>,
    /// What was sent; `None` when nothing could be rendered.
    pub sent: Option<SentAs>,
}

/// A message as it went out.
#[derive(Debug, Clone)]
pub struct SentAs {
    pub deployment: String,
    pub context: String,
    pub from: String,
    pub to: String,
    pub subject: String,
    pub body_hash: String,
}

/// Records outcomes. Returns the message and its new status for those that were accepted.
pub async fn outcomes(db: &Db, reports: Vec<Report>, now: i64) -> Result<Vec<(String, Transition)>> {
    let reports = Arc::new(reports);
    db.write(move |tx| {
        tx.is("outcomes");
        Box::pin(outcomes_in(tx, reports.clone(), now))
    })
    .await
}

/// The longest id of a provider's own that is kept, in characters.
pub(super) const MAX_PROVIDER_ID: usize = 255;

/// A message of which nothing is known yet, or nothing certain.
struct Open {
    attempt: u32,
    guarantee: Guarantee,
    erased: bool,
    deployment: String,
    keyed_at: Option<i64>,
    unable: u32,
    keyed_by: Option<String>,
    told: Told,
    reason: Option<String>,
    /// This try was given up before.
    given_up: bool,
    is_heard: bool,
    bucket: i64,
}

async fn outcomes_in(tx: &mut Tx, reports: Arc<Vec<Report>>, now: i64) -> Result<Vec<(String, Transition)>> {
    let is_final =
        |outcome: &Outcome| matches!(outcome, Outcome::Accepted { .. } | Outcome::Refused(_) | Outcome::Bounced { .. });
    let repeatable = reports.iter().filter(|report| !is_final(&report.outcome));
    let repeatable: Vec<Value> = repeatable.map(|r| Value::from(&r.id)).collect();
    let left = unwanted(tx, &repeatable, now).await?;
    let ids: BTreeSet<&str> = reports.iter().map(|r| r.id.as_str()).collect();
    let ids: Vec<Value> = ids.into_iter().map(Value::from).collect();
    let sql = format!(
        "SELECT id, attempt, guarantee, user_id, deployment, keyed_at, unable, keyed_by, told, reason, status, {}, bucket FROM messages \
         WHERE id IN ({{}}) AND status IN ('sending', 'unknown') ORDER BY id{}",
        news::heard("messages"),
        for_update(tx.kind())
    );
    let mut open: BTreeMap<String, Open> = BTreeMap::new();
    for row in select_in(&mut On::Tx(tx), &sql, &[], &ids).await? {
        let message = Open {
            attempt: row.int(1)? as u32,
            guarantee: parse_guarantee(&row.text(2)?)?,
            erased: row.text(3)?.is_empty(),
            deployment: row.text(4)?,
            keyed_at: row.opt_int(5)?,
            unable: row.int(6)? as u32,
            keyed_by: row.opt_text(7)?,
            told: Told::of(row.int(8)?),
            reason: row.opt_text(9)?,
            given_up: row.text(10)? == Status::Unknown.name(),
            is_heard: row.int(11)? > 0,
            bucket: row.int(12)?,
        };
        open.insert(row.text(0)?, message);
    }
    let (mut changed, mut rows, mut attempts, mut changes) = (vec![], vec![], vec![], vec![]);
    let mut unknown: Vec<Lost> = vec![];
    for report in reports.iter() {
        let Some(message) = open.get(&report.id) else { continue };
        let Open {
            attempt,
            guarantee,
            erased,
            deployment,
            keyed_at,
            unable,
            keyed_by,
            told,
            reason,
            given_up,
            is_heard,
            bucket,
        } = message;
        if *attempt != report.attempt {
            continue;
        }
        // Trouble of the provider's own is no try of the message's; it only makes the pauses longer.
        let is_unable = matches!(report.outcome, Outcome::Unable { .. });
        let tries = if is_unable { *attempt } else { attempt.saturating_sub(*unable).max(1) };
        let mut transition = after(&report.outcome, &report.id, tries, *guarantee, now);
        let elsewhere = report.others.filter(|_| is_unable && keyed_by.is_none());
        if elsewhere.is_some_and(|others| goes_elsewhere(&report.outcome, *unable, others)) {
            transition.due_at = Some(now);
        }
        let transition = unless_unwanted(transition, *erased, left.get(&report.id));
        let transition = unless_told(transition, *told, reason.as_ref());
        let unable = unable + u32::from(is_unable);
        let (word, detail, provider_id) = match &report.outcome {
            Outcome::Accepted { provider_id } => ("accepted", None, provider_id.clone()),
            Outcome::Retry(why) => ("retry", Some(why), None),
            Outcome::Unable { why, .. } => ("unable", Some(why), None),
            Outcome::Refused(why) | Outcome::Bounced { why, .. } => ("refused", Some(why), None),
            Outcome::Ambiguous(why) | Outcome::Repeatable(why) => ("unknown", Some(why), None),
        };
        // Of a person who was erased only the count is kept.
        let keep = |text: Option<String>| if *erased { None } else { text };
        let reason = match transition.status {
            Status::Cancelled => transition.reason.clone(),
            _ => keep(transition.reason.clone()),
        };
        let sent = report.sent.as_ref();
        let sent_at = matches!(report.outcome, Outcome::Accepted { .. }).then_some(now);
        rows.push(args![
            &report.id,
            "",
            "",
            "",
            0,
            "",
            "",
            "",
            0,
            0,
            transition.status.name(),
            reason,
            transition.due_at,
            Option::<String>::None,
            Option::<i64>::None,
            now,
            &report.provider,
            // A provider may say more than there is room for.
            keep(provider_id.map(|id| id.chars().take(MAX_PROVIDER_ID).collect())),
            sent_at,
            sent.map_or(deployment, |s| &s.deployment),
            keep(sent.map(|s| s.context.clone())),
            keep(sent.map(|s| s.from.clone())),
            keep(sent.map(|s| s.to.clone())),
            keep(sent.map(|s| s.subject.clone())),
            keep(sent.map(|s| s.body_hash.clone())),
            if matches!(report.outcome, Outcome::Repeatable(_)) { keyed_at.or(Some(now)) } else { *keyed_at },
            if matches!(report.outcome, Outcome::Repeatable(_)) { report.memory.clone() } else { keyed_by.clone() },
            unable,
            elsewhere.map(|_| &report.provider),
        ]);
        let detail = keep(detail.map(|d| d.chars().take(2_000).collect()));
        // That it was accepted stands in the message itself: most have no other try, and no row for it.
        if word != "accepted" || *given_up {
            attempts.push(args![&report.id, *attempt, now, &report.provider, word, detail]);
        }
        if *is_heard {
            // Where what became of it was told before its answer came, it has been sent all the same.
            let sent = sent_at.filter(|_| transition.status != Status::Sent);
            changes.extend(sent.map(|_| Change::new(&report.id, Status::Sent, None)));
            // One that was given up has been told of.
            let is_new = !(*given_up && transition.status == Status::Unknown);
            let new = is_new.then(|| transition.reason.clone());
            let bounce = match &report.outcome {
                Outcome::Bounced { bounce, .. } if transition.status == Status::Bounced => Some(bounce.name()),
                _ => None,
            };
            changes.extend(new.map(|reason| Change { bounce, ..Change::new(&report.id, transition.status, reason) }));
        }
        // What a provider knows again by its key may be at another one than the one that was to be asked now.
        if transition.status == Status::Unknown && keyed_by.is_none() {
            unknown.push((report.id.clone(), *bucket));
        }
        changed.push((report.id.clone(), transition));
    }
    insert(tx, &OUTCOMES, rows).await?;
    insert(tx, &ATTEMPTS, attempts).await?;
    lookups::begin(tx, unknown, now).await?;
    if !changes.is_empty() {
        news::of_messages(tx, &changes, now).await?;
    }
    Ok(changed)
}

/// Messages that nobody wants sent any more, with the reason: their flow was stopped while they were on their way. One that is stopped
/// just after this look is found by the next claim, which sends nothing after its `not_after`.
async fn unwanted(tx: &mut Tx, ids: &[Value], now: i64) -> Result<BTreeMap<String, String>> {
    let sql = format!("SELECT id, reason FROM messages WHERE id IN ({{}}) AND not_after <= {now}");
    let rows = select_in(&mut On::Tx(tx), &sql, &[], ids).await?;
    rows.iter()
        .map(|row| Ok((row.text(0)?, row.opt_text(1)?.unwrap_or_else(|| "its flow was stopped".into()))))
        .collect()
}

/// What would be tried again is cancelled instead when the user is erased or the flow has left.
fn unless_unwanted(transition: Transition, erased: bool, left: Option<&String>) -> Transition {
    let reason = if erased { Some("the user was erased".to_string()) } else { left.cloned() };
    match reason {
        Some(reason) if transition.status == Status::Pending => {
            Transition { status: Status::Cancelled, reason: Some(reason), due_at: None }
        }
        _ => transition,
    }
}

/// What was told of a message while it was `sending` settles it, whatever came of the call.
fn unless_told(transition: Transition, told: Told, reason: Option<&String>) -> Transition {
    match told.status() {
        Some(status) => Transition { status, reason: reason.cloned(), due_at: None },
        None => transition,
    }
}

/// Accounts for what servers were sending when they died: nobody will report it any more. `grace` is how long a call may still have
/// been going on after its server was declared dead.
pub async fn recover(db: &Db, grace: Duration, now: i64) -> Result<usize> {
    let mut recovered = 0;
    for dead in fence::unaccounted(db, grace).await? {
        recovered += db
            .write(move |tx| {
                let dead = dead.clone();
                Box::pin(async move {
                    tx.is("recover");
                    recover_in(tx, &dead, now).await
                })
            })
            .await?;
    }
    Ok(recovered)
}

async fn recover_in(tx: &mut Tx, dead: &str, now: i64) -> Result<usize> {
    let rows = tx.rows("SELECT id FROM messages WHERE sender = ? AND status = 'sending'", args![dead]).await?;
    let ids = rows.iter().map(|row| row.text(0).map(Value::from)).collect::<Result<Vec<_>>>()?;
    let left = unwanted(tx, &ids, now).await?;
    let sql = format!(
        "SELECT id, attempt, guarantee, user_id, unable, told, reason, provider, bucket, keyed_by FROM messages \
         WHERE sender = ? AND status = 'sending' ORDER BY id{}",
        for_update(tx.kind())
    );
    let rows = tx.rows(sql, args![dead]).await?;
    let (mut attempts, mut changes) = (vec![], vec![]);
    let mut unknown: Vec<Lost> = vec![];
    for row in &rows {
        let (id, attempt) = (row.text(0)?, row.int(1)? as u32);
        let why = "the server stopped while sending";
        let tries = attempt.saturating_sub(row.int(4)? as u32).max(1);
        let transition = lost(why, &id, tries, parse_guarantee(&row.text(2)?)?, now);
        let transition = unless_unwanted(transition, row.text(3)?.is_empty(), left.get(&id));
        let transition = unless_told(transition, Told::of(row.int(5)?), row.opt_text(6)?.as_ref());
        tx.run(
            "UPDATE messages SET status = ?, reason = ?, due_at = ?, sender = NULL, claimed_at = NULL, updated_at = ? \
             WHERE id = ?",
            args![transition.status.name(), transition.reason.as_ref(), transition.due_at, now, &id],
        )
        .await?;
        let provider = row.opt_text(7)?;
        if transition.status == Status::Unknown && provider.is_some() && row.opt_text(9)?.is_none() {
            unknown.push((id.clone(), row.int(8)?));
        }
        attempts.push(args![&id, attempt, now, provider, "unknown", why]);
        changes.push(Change::new(id, transition.status, transition.reason));
    }
    insert(tx, &ATTEMPTS, attempts).await?;
    lookups::begin(tx, unknown, now).await?;
    news::of_messages(tx, &changes, now).await?;
    fence::accounted(tx, dead).await?;
    Ok(rows.len())
}

/// What an outcome changes. The rows are there, and locked: this is an update of many rows at once, and the first columns only fill
/// what may not be null.
const OUTCOMES: Table = Table {
    name: "messages",
    columns: &[
        "id",
        "workspace",
        "user_id",
        "user_incarnation",
        "bucket",
        "template",
        "args",
        "guarantee",
        "created_at",
        "attempt",
        "status",
        "reason",
        "due_at",
        "sender",
        "claimed_at",
        "updated_at",
        "provider",
        "provider_message_id",
        "sent_at",
        "deployment",
        "context",
        "sender_address",
        "recipient",
        "subject",
        "body_hash",
        "keyed_at",
        "keyed_by",
        "unable",
        "shuns",
    ],
    key: &["id"],
    existing: Existing::Takes(&[
        "status",
        "reason",
        "due_at",
        "sender",
        "claimed_at",
        "updated_at",
        "provider",
        "provider_message_id",
        "sent_at",
        "deployment",
        "context",
        "sender_address",
        "recipient",
        "subject",
        "body_hash",
        "keyed_at",
        "keyed_by",
        "unable",
        "shuns",
    ]),
};

const ATTEMPTS: Table = Table {
    name: "attempts",
    columns: &["message", "attempt", "at", "provider", "outcome", "detail"],
    key: &["message", "attempt"],
    existing: Existing::Takes(&["at", "provider", "outcome", "detail"]),
};
