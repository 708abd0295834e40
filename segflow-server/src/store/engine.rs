//! What the engine reads and writes: users with something new or due, and the decisions about them.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use segflow_core::enrollment::Enrollment;
use segflow_core::eval::{Asked, Reads};
use segflow_core::ids::BUCKETS;
use segflow_core::merge::Object;
use segflow_core::project::Project;
use segflow_core::protocol::{Reentry, Rule};
use segflow_core::step::{Fact, Needs, Past, User, What, Work, needs};
use serde::de::DeserializeOwned;

use super::db::{Db, Row, Value};
use super::enrollments::{COLUMNS, load_journal, read};
use super::history::Reading;
use super::inbox::Body;
use super::ingest::object;
use super::many::{On, select_in};
use super::{Error, Result, asking, events, listed, mapped};
use crate::args;

/// The most facts of one user in one step; the rest comes in the next.
const FACTS: usize = 1_000;

/// Users with something to do, by workspace.
pub type Busy = BTreeMap<String, BTreeSet<String>>;

/// The most rows that are read at once to find somebody behind those who are left alone.
const PAGE: usize = 16_384;

/// Finds at most about `limit` users of these buckets for whom something is new, and as many for whom something is due, those of bucket
/// `first` and after it before the others. With them the bucket to begin with the next time: when more is due than can be done, all
/// have their turn. Who is to be left alone is read past, so that they hide nobody.
pub async fn busy(
    db: &Db,
    buckets: &BTreeSet<u16>,
    first: u16,
    now: i64,
    limit: usize,
    alone: &Busy,
) -> Result<(Busy, Busy, u16)> {
    let is_alone = |workspace: &str, user: &str| alone.get(workspace).is_some_and(|users| users.contains(user));
    let (mut told, mut due) = (Busy::new(), Busy::new());
    let (mut after, mut found, mut size) = (0, 0, limit);
    loop {
        let rows = if buckets.len() == usize::from(BUCKETS) {
            let sql = "SELECT id, workspace, user_id FROM inbox WHERE id > ? ORDER BY id LIMIT ?";
            db.read(sql, args![after, size as i64]).await?
        } else {
            let sql = format!(
                "SELECT id, workspace, user_id FROM inbox WHERE id > ? AND bucket IN ({{}}) ORDER BY id LIMIT {size}"
            );
            select_in(&mut On::Db(db), &sql, &args![after], &numbers(buckets.iter())).await?
        };
        for row in &rows {
            let (workspace, user) = (row.text(1)?, row.text(2)?);
            after = row.int(0)?;
            if !is_alone(&workspace, &user) {
                found += 1;
                told.entry(workspace).or_default().insert(user);
            }
        }
        if found >= limit || rows.len() < size {
            break;
        }
        size = (2 * size).min(PAGE);
    }
    let mut next = 0;
    for (table, at) in [("enrollments", "wake_at"), ("flips", "flip_at")] {
        let mut found = vec![];
        for part in [numbers(buckets.range(first..)), numbers(buckets.range(..first))] {
            let left = limit - found.len().min(limit);
            if left == 0 || part.is_empty() {
                continue;
            }
            // They come in no order from which one could go on, so more are read until enough of them are to be worked for.
            let mut size = left;
            loop {
                let sql = format!(
                    "SELECT workspace, user_id, bucket FROM {table} WHERE {at} <= ? AND bucket IN ({{}}) LIMIT {size}"
                );
                let rows = select_in(&mut On::Db(db), &sql, &args![now], &part).await?;
                let is_all = rows.len() < size;
                let rows = rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?, row.int(2)? as u16)));
                let mut rows = rows.collect::<Result<Vec<_>>>()?;
                rows.retain(|(workspace, user, _)| !is_alone(workspace, user));
                if is_all || rows.len() >= left {
                    rows.truncate(left);
                    found.extend(rows);
                    break;
                }
                size *= 2;
            }
        }
        if let Some((.., bucket)) = found.last().filter(|_| found.len() >= limit) {
            next = *bucket;
        }
        for (workspace, user, _) in found {
            due.entry(workspace).or_default().insert(user);
        }
    }
    Ok((told, due, next))
}

fn numbers<'a>(buckets: impl Iterator<Item = &'a u16>) -> Vec<Value> {
    buckets.map(|bucket| Value::from(*bucket)).collect()
}

/// The earliest instant at which an enrollment or a segment is due. Bucket by bucket: each is the first entry of its part of an index.
pub async fn next_due(db: &Db) -> Result<Option<i64>> {
    let mut earliest = None;
    for (table, at) in [("enrollments", "wake_at"), ("flips", "flip_at")] {
        let of = |bucket| format!("SELECT MIN({at}) AS at FROM {table} WHERE {at} IS NOT NULL AND bucket = {bucket}");
        let each: Vec<String> = (0..BUCKETS).map(of).collect();
        let sql = format!("SELECT MIN(at) FROM ({}) AS buckets", each.join(" UNION ALL "));
        if let Some(at) = db.read_one(sql, vec![]).await?.map(|row| row.opt_int(0)).transpose()?.flatten() {
            earliest = Some(earliest.map_or(at, |e: i64| e.min(at)));
        }
    }
    Ok(earliest)
}

/// What was loaded for a batch of users.
#[derive(Default)]
pub struct Loaded {
    pub work: Vec<(Work, Needs)>,
    /// Inbox rows of users who are gone.
    pub orphans: Vec<i64>,
    /// Raw SQL segments that are left alone, until when and why: some of these users were not asked about, and the segment is to be gone
    /// through again.
    pub rests: BTreeMap<String, (i64, String)>,
}

/// Loads all that the steps of these users work on. The inbox is read first, then what it refers to. `more` is what flows ask about
/// events, besides what segments need.
pub async fn load(reading: &Reading<'_>, users: &BTreeSet<String>, more: &[Asked]) -> Result<Loaded> {
    let mut loaded = look(reading, users, more).await?;
    leave_the_overtaken(&mut On::Db(reading.db), reading.workspace, &mut loaded.work).await?;
    Ok(loaded)
}

/// The same, of all of them: for whoever only wants to see.
pub async fn look(reading: &Reading<'_>, users: &BTreeSet<String>, more: &[Asked]) -> Result<Loaded> {
    let Reading { db, project, workspace, now, .. } = *reading;
    let ids: Vec<Value> = users.iter().map(Value::from).collect();
    let mut on = On::Db(db);
    let before = args![workspace];
    // If not all are read, one of the users at least has as many as a step takes. In the order of the index: MySQL would go through the
    // facts of everybody else rather than sort these.
    let sql = format!(
        "SELECT user_id, id, event_id, hops, historical, body FROM inbox WHERE workspace = ? AND user_id IN ({{}}) \
         ORDER BY user_id, id LIMIT {}",
        FACTS * ids.len()
    );
    let inbox = select_in(&mut on, &sql, &before, &ids).await?;
    let mut told = Told::new();
    for row in &inbox {
        let facts = told.entry(row.text(0)?).or_default();
        if facts.len() < FACTS {
            let (event, body) = (row.opt_text(2)?, row.opt_text(5)?);
            facts.push(InboxRow {
                inbox: row.int(1)?,
                event,
                hops: row.int(3)? as u32,
                historical: row.flag(4)?,
                body,
            });
        }
    }
    let (mut work, tallied) = load_users(&mut on, workspace, &ids).await?;
    let mut loaded = Loaded::default();
    let mut events = load_events(db, workspace, &told).await?;
    for (user, facts) in told {
        let Some(work) = work.get_mut(&user) else {
            loaded.orphans.extend(facts.iter().map(|told| told.inbox));
            continue;
        };
        for InboxRow { inbox, event, hops, historical, body } in facts {
            let (what, at) = match (event, body) {
                (Some(id), _) => match events.remove(&(user.clone(), id)) {
                    Some(what) => what,
                    None => continue,
                },
                (None, Some(body)) => Body::read(&body)?,
                (None, None) => (What::Attributes { changed: None }, i64::MIN),
            };
            work.facts.push(Fact { inbox, what, at, hops, historical });
        }
    }
    load_enrollments(&mut on, project, workspace, &ids, &mut work).await?;
    let mut needed: Vec<(Work, Needs)> = work
        .into_values()
        .map(|work| {
            let needs = needs(project, &work, now);
            (work, needs)
        })
        .collect();
    reading.load(&mut needed, &tallied, more).await?;
    loaded.rests = evaluate_sql(db, project, workspace, &mut needed, now).await?;
    loaded.work = needed;
    Ok(loaded)
}

/// With their segments, and those of whose events some may be summed up. Segments come as one value for each user, not as a row for each:
/// there can be a hundred.
async fn load_users(
    on: &mut On<'_>,
    workspace: &str,
    ids: &[Value],
) -> Result<(BTreeMap<String, Work>, BTreeSet<String>)> {
    let sql = format!(
        "SELECT id, incarnation, attributes, seq, evaluated, tallied_to, \
         (SELECT {} FROM memberships m WHERE m.workspace = users.workspace AND m.user_id = users.id), \
         (SELECT {} FROM flips f WHERE f.workspace = users.workspace AND f.user_id = users.id) \
         FROM users WHERE workspace = ? AND id IN ({{}})",
        listed(on.kind(), "m.segment"),
        mapped(on.kind(), "f.segment", "f.flip_at")
    );
    let (mut work, mut tallied) = (BTreeMap::new(), BTreeSet::new());
    for row in select_in(on, &sql, &args![workspace], ids).await? {
        let user = User {
            id: row.text(0)?,
            incarnation: row.text(1)?,
            attributes: object(&row.text(2)?)?,
            seq: row.int(3)?,
            evaluated: row.int(4)?,
        };
        if row.opt_int(5)?.is_some() {
            tallied.insert(user.id.clone());
        }
        let (members, flips) = (aggregate(row.opt_text(6)?)?, aggregate(row.opt_text(7)?)?);
        work.insert(user.id.clone(), Work { workspace: workspace.into(), user, members, flips, ..Work::default() });
    }
    Ok((work, tallied))
}

/// What was read as one value; of nothing, some databases make no value.
fn aggregate<T: DeserializeOwned + Default>(value: Option<String>) -> Result<T> {
    let read = |text: String| serde_json::from_str(&text);
    value.map_or_else(|| Ok(T::default()), read).map_err(|e| Error::Internal(format!("a database's list: {e}")))
}

/// Inbox rows by user.
type Told = BTreeMap<String, Vec<InboxRow>>;

/// A row of the inbox.
struct InboxRow {
    inbox: i64,
    event: Option<String>,
    hops: u32,
    historical: bool,
    body: Option<String>,
}

/// The events that inbox rows refer to, by user and id, each with the instant at which it was reported.
async fn load_events(db: &Db, workspace: &str, told: &Told) -> Result<BTreeMap<(String, String), (What, i64)>> {
    let mut pairs = vec![];
    for (user, facts) in told {
        pairs.extend(facts.iter().filter_map(|told| Some((user.as_str(), told.event.as_deref()?))));
    }
    let columns = "user_id, id, name, attributes, occurred_at, received_at";
    let mut events = BTreeMap::new();
    for row in events::find(&mut On::Db(db), workspace, columns, &pairs).await? {
        let (user, id) = (row.text(0)?, row.text(1)?);
        let what = What::Event {
            id: id.clone(),
            name: row.text(2)?,
            attributes: object(&row.text(3)?)?,
            occurred_at: row.int(4)?,
        };
        events.insert((user, id), (what, row.int(5)?));
    }
    Ok(events)
}

async fn load_enrollments(
    on: &mut On<'_>,
    project: &Project,
    workspace: &str,
    ids: &[Value],
    work: &mut BTreeMap<String, Work>,
) -> Result<()> {
    let sql = "SELECT user_id, campaign, MAX(run), MAX(started_at) FROM enrollments WHERE workspace = ? AND user_id IN ({}) \
               GROUP BY user_id, campaign";
    for row in select_in(on, sql, &args![workspace], ids).await? {
        if let Some(work) = work.get_mut(&row.text(0)?) {
            let past = Past { runs: row.int(2)? as u32, started_at: row.int(3)?, keys: BTreeSet::new() };
            work.past.insert(row.text(1)?, past);
        }
    }
    for campaign in project.manifest.campaigns.iter().filter(|c| matches!(c.reentry, Some(Reentry::PerKey(_)))) {
        let sql = "SELECT user_id, entry_key FROM enrollments \
                   WHERE workspace = ? AND campaign = ? AND user_id IN ({}) AND entry_key IS NOT NULL";
        for row in select_in(on, sql, &args![workspace, &campaign.id], ids).await? {
            let past = work.get_mut(&row.text(0)?).and_then(|work| work.past.get_mut(&campaign.id));
            if let Some(past) = past {
                past.keys.insert(row.text(1)?);
            }
        }
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM enrollments \
         WHERE workspace = ? AND user_id IN ({{}}) AND status IN ('active', 'parked', 'paused') ORDER BY started_at, id"
    );
    let rows = select_in(on, &sql, &args![workspace], ids).await?;
    let enrollments = load_whole(on, &rows).await?;
    for (user, enrollment) in enrollments {
        if let Some(work) = work.get_mut(&user) {
            work.enrollments.push(enrollment);
        }
    }
    Ok(())
}

/// How many live enrollments each campaign has.
pub async fn live(db: &Db, workspace: &str) -> Result<Vec<(String, u64)>> {
    let sql = "SELECT campaign, COUNT(*) FROM enrollments \
               WHERE workspace = ? AND status IN ('active', 'parked', 'paused') GROUP BY campaign ORDER BY campaign";
    db.read(sql, args![workspace]).await?.iter().map(|row| Ok((row.text(0)?, row.int(1)? as u64))).collect()
}

/// Some of the live enrollments of a campaign, with their users' ids and attributes.
pub async fn in_flight(
    db: &Db,
    workspace: &str,
    campaign: &str,
    limit: usize,
) -> Result<Vec<(String, Object, Enrollment)>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM enrollments \
         WHERE workspace = ? AND campaign = ? AND status IN ('active', 'parked', 'paused') LIMIT {limit}"
    );
    let rows = db.read(sql, args![workspace, campaign]).await?;
    let ids = rows.iter().map(|row| Ok(Value::from(row.text(0)?))).collect::<Result<Vec<_>>>()?;
    let mut on = On::Db(db);
    let (users, _) = load_users(&mut on, workspace, &ids).await?;
    let mut all = vec![];
    for (user, enrollment) in load_whole(&mut on, &rows).await? {
        if let Some(work) = users.get(&user) {
            all.push((user, work.user.attributes.clone(), enrollment));
        }
    }
    Ok(all)
}

/// The enrollments of rows of [`COLUMNS`], each with its user and all of its journal.
async fn load_whole(on: &mut On<'_>, rows: &[Row]) -> Result<Vec<(String, Enrollment)>> {
    let mut all = rows.iter().map(|row| Ok((row.text(0)?, read(row)?))).collect::<Result<Vec<_>>>()?;
    let older = |e: &Enrollment| e.chunks > e.first_chunk;
    let ids: Vec<Value> = all.iter().filter(|(_, e)| older(e)).map(|(_, e)| Value::from(&e.id)).collect();
    let sql =
        "SELECT enrollment, chunk, entries FROM journal_chunks WHERE enrollment IN ({}) ORDER BY enrollment, chunk";
    let mut chunks: BTreeMap<String, Vec<(u32, Vec<u8>)>> = BTreeMap::new();
    for row in select_in(on, sql, &[], &ids).await? {
        chunks.entry(row.text(0)?).or_default().push((row.int(1)? as u32, row.blob(2)?));
    }
    for (_, enrollment) in all.iter_mut().filter(|(_, e)| older(e)) {
        let parts = chunks.remove(&enrollment.id).unwrap_or_default();
        // What belongs to a journal before is on its way out.
        let of_this = parts.iter().filter(|(chunk, _)| *chunk >= enrollment.first_chunk).map(|(_, part)| part);
        let tail = std::mem::replace(&mut enrollment.journal, load_journal(of_this)?);
        enrollment.chunked = enrollment.journal.end();
        enrollment.journal.append(&tail);
    }
    Ok(all)
}

/// Whoever has only facts of the past here, and something live that came while all this was read, is left for the next step, which has
/// both: what was read may show the live fact already, and the change that it made would pass for history and enrol nobody.
async fn leave_the_overtaken(on: &mut On<'_>, workspace: &str, needed: &mut Vec<(Work, Needs)>) -> Result<()> {
    // With as many facts as one step takes, there may be live ones behind them for ever.
    let is_past = |work: &Work| (1..FACTS).contains(&work.facts.len()) && work.facts.iter().all(|f| f.historical);
    let past: Vec<Value> =
        needed.iter().filter(|(work, _)| is_past(work)).map(|(work, _)| Value::from(&work.user.id)).collect();
    if past.is_empty() {
        return Ok(());
    }
    let sql = "SELECT DISTINCT user_id FROM inbox WHERE workspace = ? AND historical = 0 AND user_id IN ({})";
    let rows = select_in(on, sql, &args![workspace], &past).await?;
    let overtaken = rows.iter().map(|row| row.text(0)).collect::<Result<BTreeSet<String>>>()?;
    needed.retain(|(work, _)| !overtaken.contains(&work.user.id));
    Ok(())
}

async fn evaluate_sql(
    db: &Db,
    project: &Project,
    workspace: &str,
    needed: &mut [(Work, Needs)],
    now: i64,
) -> Result<BTreeMap<String, (i64, String)>> {
    let asked: BTreeSet<usize> = needed.iter().flat_map(|(_, needs)| needs.sql.iter().copied()).collect();
    let all: Vec<String> = needed.iter().map(|(work, _)| work.user.id.clone()).collect();
    let (mut to_come, mut rests) = (BTreeMap::new(), BTreeMap::new());
    for index in asked {
        let segment = &project.manifest.segments[index];
        let Rule::Sql(sql) = &segment.rule else { continue };
        let names = match &project.depends_on(index).events {
            Reads::Only(names) => Some(names),
            Reads::Any => None,
        };
        if let Entry::Vacant(unknown) = to_come.entry(names) {
            unknown.insert(asking::to_come(db, workspace, names, &all, now).await?);
        }
        let wanting = needed.iter().filter(|(_, needs)| needs.sql.contains(&index));
        let ids = wanting.map(|(work, _)| work.user.id.clone()).collect();
        let asked = asking::answers(db, workspace, sql, ids, &to_come[&names], now).await?;
        rests.extend(asked.rests.map(|rest| (segment.id.clone(), rest)));
        let mut answers = asked.answers;
        for (work, _) in needed.iter_mut() {
            work.sql.extend(answers.remove(&work.user.id).map(|answered| (segment.id.clone(), answered)));
        }
    }
    Ok(rests)
}
