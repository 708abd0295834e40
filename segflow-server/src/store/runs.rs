//! Holding everybody against a segment again: raw SQL on its period, and any segment when somebody asks for it. In chunks, with the place
//! in a row, so that whoever takes over goes on there (a query about all is asked anew for the rest). What is found out is told as what it
//! is: a segment that is due now for a user, or the verdict of a query about all; the engine decides about it like about any other news.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use segflow_core::ids;
use segflow_core::protocol::Segment;
use segflow_core::step::Answered;

use super::db::{Db, Tx, Value};
use super::deployments::Deployment;
use super::inbox::{Body, INBOX};
use super::many::{Existing, On, Table, insert, select_in};
use super::{Result, asking, fence, for_update};
use crate::args;

/// How many users are gone through in one transaction.
const CHUNK: usize = 512;

/// How long after a query's rest everybody is gone through: steps that had begun before its end are over then.
const AFTER_REST: i64 = 30_000;

/// A run that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub workspace: String,
    pub segment: String,
    due_at: i64,
    every: Option<i64>,
    done_to: String,
    fresh: bool,
    /// The workspace's, when it was looked for.
    generation: i64,
}

impl Run {
    /// Whether both are the same going through, wherever they are.
    pub fn is_one_with(&self, other: &Run) -> bool {
        let place = |run: &Run| (run.workspace.clone(), run.segment.clone(), run.due_at, run.generation);
        place(self) == place(other)
    }

    /// What was missed while nobody was there is not made up for.
    fn next(&self, every: i64, now: i64) -> i64 {
        self.due_at + ((now - self.due_at) / every + 1) * every
    }
}

/// How a segment is gone through.
pub enum How {
    /// All users are due for it.
    Everybody,
    /// Raw SQL about some users at a time: those whose membership is not what it says, or whom it cannot be asked about, are due for it.
    Scoped(String),
    /// Raw SQL about all at once, already asked: its verdicts are told to those whose membership is not what it says, a chunk at a time.
    Whole(Arc<Verdicts>),
}

/// Who belongs, by a query about all, in the order of their ids.
pub struct Verdicts {
    pub members: Vec<String>,
    /// Tells the query from any other.
    pub rule: u64,
}

/// A run that is due in one of these buckets.
pub async fn due(db: &Db, buckets: &BTreeSet<u16>, now: i64) -> Result<Option<Run>> {
    let buckets: Vec<Value> = buckets.iter().map(|bucket| Value::from(*bucket)).collect();
    let sql = "SELECT r.workspace, r.segment, r.due_at, r.every, r.done_to, r.fresh, w.generation FROM segment_runs r \
               JOIN workspaces w ON w.id = r.workspace WHERE r.due_at <= ? AND r.bucket IN ({}) ORDER BY r.due_at LIMIT 1";
    let rows = select_in(&mut On::Db(db), sql, &args![now], &buckets).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(Some(Run {
        workspace: row.text(0)?,
        segment: row.text(1)?,
        due_at: row.int(2)?,
        every: row.opt_int(3)?,
        done_to: row.text(4)?,
        fresh: row.flag(5)?,
        generation: row.int(6)?,
    }))
}

pub async fn next_due(db: &Db) -> Result<Option<i64>> {
    db.read_one("SELECT MIN(due_at) FROM segment_runs", vec![]).await?.map_or(Ok(None), |row| row.opt_int(0))
}

/// By segment: when it is gone through next, or since when it is being.
pub async fn planned(db: &Db, workspace: &str) -> Result<BTreeMap<String, i64>> {
    let rows = db.read("SELECT segment, due_at FROM segment_runs WHERE workspace = ?", args![workspace]).await?;
    rows.iter().map(|row| Ok((row.text(0)?, row.int(1)?))).collect()
}

/// Goes through a segment once more, from now on.
pub async fn ask(db: &Db, workspace: &str, segment: &str, every: Option<i64>, now: i64) -> Result<()> {
    let row = args![workspace, segment, ids::bucket(workspace, segment), now, every, "", false];
    db.write(move |tx| {
        let row = row.clone();
        Box::pin(async move { insert(tx, &ASKED, vec![row]).await })
    })
    .await
}

/// Raw SQL that is left alone.
pub struct Rest<'a> {
    pub segment: &'a str,
    pub every: Option<i64>,
    pub until: i64,
    pub why: &'a str,
}

/// Some users were not asked about while a query rests: everybody is gone through after it, from the beginning, and it is shown why. A
/// period goes on from there.
pub async fn rest(db: &Db, workspace: &str, rest: &Rest<'_>, now: i64) -> Result<()> {
    let sql = "SELECT due_at, done_to FROM segment_runs WHERE workspace = ? AND segment = ? AND EXISTS (SELECT 1 FROM \
               segment_failures f WHERE f.workspace = segment_runs.workspace AND f.segment = segment_runs.segment AND f.user_id = '')";
    let due_at = rest.until + AFTER_REST;
    let is_planned = move |at: i64, done_to: &str| now < at && at <= due_at && done_to.is_empty();
    // It is said of each group of users.
    if let Some(row) = db.read_one(sql, args![workspace, rest.segment]).await?
        && is_planned(row.int(0)?, &row.text(1)?)
    {
        return Ok(());
    }
    let failed = failure(workspace, rest.segment, "", rest.why, now);
    let bucket = ids::bucket(workspace, rest.segment);
    let run = args![workspace, rest.segment, bucket, due_at, rest.every, "", false];
    let key = args![workspace, rest.segment];
    db.write(move |tx| {
        let (failed, run, key) = (failed.clone(), run.clone(), key.clone());
        Box::pin(async move {
            let sql = "SELECT due_at, done_to FROM segment_runs WHERE workspace = ? AND segment = ?";
            let row = tx.row(format!("{sql}{}", for_update(tx.kind())), key).await?;
            let row = row.map(|row| Ok::<_, super::Error>((row.int(0)?, row.text(1)?))).transpose()?;
            if !row.is_some_and(|(at, done_to)| is_planned(at, &done_to)) {
                insert(tx, &ASKED, vec![run]).await?;
            }
            insert(tx, &FAILURES, vec![failed]).await
        })
    })
    .await
}

/// With a deployment: those that go by a period are due at once, the others no more. One that was never gone through before is still
/// not.
pub async fn plan(tx: &mut Tx, old: Option<&Deployment>, new: &Deployment) -> Result<()> {
    let sql = "SELECT segment FROM segment_runs WHERE workspace = ? AND every IS NOT NULL AND fresh";
    let fresh = tx.rows(sql, args![&new.workspace]).await?;
    let fresh = fresh.iter().map(|row| row.text(0)).collect::<Result<BTreeSet<String>>>()?;
    tx.run("DELETE FROM segment_runs WHERE workspace = ? AND every IS NOT NULL", args![&new.workspace]).await?;
    // What has been said of a rule says nothing of another.
    let same = |segment: &&Segment| old.is_some_and(|old| old.manifest.segments.contains(segment));
    let kept: Vec<Value> = new.manifest.segments.iter().filter(same).map(|segment| Value::from(&segment.id)).collect();
    let list = vec!["?"; kept.len()].join(", ");
    let sql = match kept.is_empty() {
        true => "DELETE FROM segment_failures WHERE workspace = ?".to_string(),
        false => format!("DELETE FROM segment_failures WHERE workspace = ? AND segment NOT IN ({list})"),
    };
    tx.run(sql, [args![&new.workspace], kept].concat()).await?;
    let known = |segment: &Segment| {
        !fresh.contains(&segment.id) && old.is_some_and(|old| old.manifest.segments.contains(segment))
    };
    let rows = new.manifest.segments.iter().filter(|segment| segment.every.is_some()).map(|segment| {
        let bucket = ids::bucket(&new.workspace, &segment.id);
        args![&new.workspace, &segment.id, bucket, new.created_at, segment.every, "", !known(segment)]
    });
    insert(tx, &PLANNED, rows.collect()).await
}

/// Goes on with a run, one chunk further.
pub async fn go_on(db: &Db, incarnation: &str, run: &Run, how: &How, now: i64) -> Result<()> {
    let mut told = Told::default();
    let done_to;
    match how {
        How::Whole(verdicts) => {
            let sql = format!(
                "SELECT user_id FROM memberships WHERE workspace = ? AND segment = ? AND user_id > ? ORDER BY user_id LIMIT {CHUNK}"
            );
            let rows = db.read(sql, args![&run.workspace, &run.segment, &run.done_to]).await?;
            let now_in = rows.iter().map(|row| row.text(0)).collect::<Result<Vec<String>>>()?;
            let (others, up_to) = verdicts.others(&run.done_to, &now_in);
            for (user, holds) in others {
                let (segment, rule, first) = (run.segment.clone(), verdicts.rule, run.fresh);
                let body = Body::Verdict { segment, holds, rule, first, at: now };
                told.inbox.push(body.row(ids::bucket(&run.workspace, user), &run.workspace, user, 0));
            }
            done_to = up_to.cloned();
        }
        How::Everybody | How::Scoped(_) => {
            let users = super::deployments::users_after(db, &run.workspace, &run.done_to, CHUNK).await?;
            done_to = users.last().cloned().filter(|_| users.len() == CHUNK);
            let due: Vec<String> = match how {
                How::Scoped(sql) => {
                    let asked = asking::answers(db, &run.workspace, sql, users, &BTreeMap::new(), now).await?;
                    if let Some((until, why)) = asked.rests {
                        return put_off(db, run, Off::Rests { until, why }, now).await;
                    }
                    let users: Vec<String> = asked.answers.keys().cloned().collect();
                    let ids: Vec<Value> = users.iter().map(Value::from).collect();
                    let sql = "SELECT user_id FROM memberships WHERE workspace = ? AND segment = ? AND user_id IN ({})";
                    let rows = select_in(&mut On::Db(db), sql, &args![&run.workspace, &run.segment], &ids).await?;
                    let now_in = rows.iter().map(|row| row.text(0)).collect::<Result<BTreeSet<String>>>()?;
                    let is_due = |user: &String, a: &Answered| a.holds != Some(now_in.contains(user));
                    asked.answers.into_iter().filter(|(user, a)| is_due(user, a)).map(|(user, _)| user).collect()
                }
                _ => users,
            };
            let flip =
                |user: &String| args![&run.workspace, user, &run.segment, ids::bucket(&run.workspace, user), now];
            told.flips = due.iter().map(flip).collect();
        }
    }
    let (incarnation, run, told) = (incarnation.to_string(), run.clone(), Arc::new(told));
    db.write(move |tx| {
        let (incarnation, run, told, done_to) = (incarnation.clone(), run.clone(), told.clone(), done_to.clone());
        Box::pin(async move {
            fence::hold(tx, &incarnation).await?;
            if !is_still(tx, &run).await? {
                return Ok(());
            }
            // Whoever was erased meanwhile is due for nothing.
            let of = |rows: &[Vec<Value>], at: usize| rows.iter().map(|row| row[at].clone()).collect::<Vec<_>>();
            let users = [of(&told.flips, 1), of(&told.inbox, 2)].concat();
            let sql = format!(
                "SELECT id FROM users WHERE workspace = ? AND id IN ({{}}) ORDER BY id{}",
                super::for_share(tx.kind())
            );
            let there = select_in(&mut On::Tx(tx), &sql, &args![&run.workspace], &users).await?;
            let there = there.iter().map(|row| row.text(0)).collect::<Result<BTreeSet<String>>>()?;
            let is_there = |row: &&Vec<Value>, at: usize| matches!(&row[at], Value::Text(id) if there.contains(id));
            insert(tx, &FLIPS, told.flips.iter().filter(|row| is_there(row, 1)).cloned().collect()).await?;
            insert(tx, &INBOX, told.inbox.iter().filter(|row| is_there(row, 2)).cloned().collect()).await?;
            finish(tx, &run, done_to, false, now).await
        })
    })
    .await
}

impl Verdicts {
    /// Those of the next whose membership is not what it should be, with what it should be; and the last who was looked at, if there are
    /// others behind. `now_in` are the members as stored after the same place, of whom there are more if it is a whole chunk.
    fn others<'a>(&'a self, done_to: &str, now_in: &'a [String]) -> (Vec<(&'a String, bool)>, Option<&'a String>) {
        let from = self.members.partition_point(|id| id.as_str() <= done_to);
        let members = &self.members[from..self.members.len().min(from + CHUNK)];
        let up_to =
            [members, now_in].into_iter().filter(|part| part.len() == CHUNK).filter_map(|part| part.last()).min();
        let within = |part: &'a [String]| part.iter().filter(move |id| up_to.is_none_or(|last| *id <= last));
        let (should, are): (BTreeSet<_>, BTreeSet<_>) = (within(members).collect(), within(now_in).collect());
        (should.symmetric_difference(&are).map(|id| (*id, should.contains(id))).collect(), up_to)
    }
}

/// Whether so many facts of these buckets wait for the engine that no more should be told.
pub async fn is_enough(db: &Db, buckets: &BTreeSet<u16>) -> Result<bool> {
    let buckets: Vec<Value> = buckets.iter().map(|bucket| Value::from(*bucket)).collect();
    let sql = format!("SELECT id FROM inbox WHERE bucket IN ({{}}) LIMIT {CHUNK}");
    Ok(select_in(&mut On::Db(db), &sql, &[], &buckets).await?.len() >= CHUNK)
}

/// Whether nobody else has gone on with it and no push has come meanwhile.
async fn is_still(tx: &mut Tx, run: &Run) -> Result<bool> {
    let sql = format!("SELECT generation FROM workspaces WHERE id = ?{}", super::for_share(tx.kind()));
    let row = tx.row(sql, args![&run.workspace]).await?;
    if row.map(|row| row.int(0)).transpose()? != Some(run.generation) {
        return Ok(false);
    }
    let sql = format!(
        "SELECT due_at, done_to FROM segment_runs WHERE workspace = ? AND segment = ?{}",
        for_update(tx.kind())
    );
    Ok(match tx.row(sql, args![&run.workspace, &run.segment]).await? {
        Some(row) => (row.int(0)?, row.text(1)?) == (run.due_at, run.done_to.clone()),
        None => false,
    })
}

#[derive(Default)]
struct Told {
    flips: Vec<Vec<Value>>,
    inbox: Vec<Vec<Value>>,
}

async fn finish(tx: &mut Tx, run: &Run, done_to: Option<String>, fresh: bool, now: i64) -> Result<()> {
    let key = args![&run.workspace, &run.segment];
    let sql = "DELETE FROM segment_failures WHERE workspace = ? AND segment = ? AND user_id = ''";
    tx.run(sql, key.clone()).await?;
    match (done_to, run.every) {
        (Some(done_to), _) => {
            let sql = "UPDATE segment_runs SET done_to = ? WHERE workspace = ? AND segment = ?";
            tx.run(sql, [args![done_to], key].concat()).await?;
        }
        (None, Some(every)) => {
            let next = run.next(every, now);
            let sql = "UPDATE segment_runs SET done_to = '', fresh = ?, due_at = ? WHERE workspace = ? AND segment = ?";
            tx.run(sql, [args![fresh, next], key].concat()).await?;
        }
        (None, None) => {
            tx.run("DELETE FROM segment_runs WHERE workspace = ? AND segment = ?", key).await?;
        }
    }
    Ok(())
}

/// Why a run does not go on.
#[derive(Debug, Clone)]
pub enum Off {
    /// Its segment is no more.
    Gone,
    /// It failed: it begins anew on its period or, if somebody asked for it once, goes on in a while.
    Failed(String),
    /// The same of a segment that is not raw SQL: no database has refused it.
    Broken,
    /// Its query is left alone, and then it goes on.
    Rests { until: i64, why: String },
}

/// Gives up a run, or puts it off, and says why.
pub async fn put_off(db: &Db, run: &Run, off: Off, now: i64) -> Result<()> {
    let run = run.clone();
    db.write(move |tx| {
        let (run, off) = (run.clone(), off.clone());
        Box::pin(async move {
            if !is_still(tx, &run).await? {
                return Ok(());
            }
            let again = run.every.map_or(now + asking::AGAIN, |every| run.next(every, now));
            // One on its period begins anew, because others were due meanwhile.
            let done_to = if run.every.is_some() { "" } else { &run.done_to };
            let (due_at, done_to, why) = match &off {
                Off::Gone => return finish(tx, &run, None, run.fresh, now).await,
                Off::Failed(why) => (again, done_to, Some(why)),
                Off::Broken => (again, done_to, None),
                Off::Rests { until, why } => (until + AFTER_REST, run.done_to.as_str(), Some(why)),
            };
            if let Some(why) = why {
                insert(tx, &FAILURES, vec![failure(&run.workspace, &run.segment, "", why, now)]).await?;
            }
            let sql = "UPDATE segment_runs SET due_at = ?, done_to = ? WHERE workspace = ? AND segment = ?";
            tx.run(sql, args![due_at, done_to, &run.workspace, &run.segment]).await.map(drop)
        })
    })
    .await
}

/// Whom raw SQL could not be asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// `None`: everybody, asked about at once.
    pub users: Option<i64>,
    /// The last time, and why.
    pub at: i64,
    pub error: String,
}

/// `None`: a segment has an answer for everybody.
pub async fn failing(db: &Db, workspace: &str, segment: &str) -> Result<Option<Failing>> {
    let sql = "SELECT f.at, f.error, (SELECT COUNT(*) FROM segment_failures o WHERE o.workspace = f.workspace \
               AND o.segment = f.segment AND o.user_id <> ''), (SELECT COUNT(*) FROM segment_failures o \
               WHERE o.workspace = f.workspace AND o.segment = f.segment AND o.user_id = '') \
               FROM segment_failures f WHERE f.workspace = ? AND f.segment = ? ORDER BY f.at DESC LIMIT 1";
    let Some(row) = db.read_one(sql, args![workspace, segment]).await? else { return Ok(None) };
    let users = if row.flag(3)? { None } else { Some(row.int(2)?) };
    Ok(Some(Failing { users, at: row.int(0)?, error: row.text(1)? }))
}

/// A row of [`FAILURES`].
pub fn failure(workspace: &str, segment: &str, user: &str, why: &str, now: i64) -> Vec<Value> {
    args![workspace, segment, user, now, why.chars().take(500).collect::<String>()]
}

/// How often sizes are kept, in ms; those older than a month only once a day.
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// Keeps how many users each segment of a workspace has, once in an hour of business time.
pub async fn keep_sizes(db: &Db, workspace: &str, segments: &[String], now: i64) -> Result<()> {
    let at = now - now.rem_euclid(HOUR);
    let counts = super::read::member_counts(db, workspace, None).await?;
    let size = |id: &String| args![workspace, id, at, counts.get(id).copied().unwrap_or(0)];
    let rows: Vec<Vec<Value>> = segments.iter().map(size).collect();
    let workspace = workspace.to_string();
    db.write(move |tx| {
        let (rows, workspace) = (rows.clone(), workspace.clone());
        Box::pin(async move {
            insert(tx, &SIZES, rows).await?;
            let old = "DELETE FROM segment_sizes WHERE workspace = ? AND at < ? AND at % ? <> 0";
            tx.run(old, args![workspace, at - 30 * DAY, DAY]).await.map(drop)
        })
    })
    .await
}

/// The newest sizes of a segment, the oldest of them first: instants in ms UTC, and users.
pub async fn sizes(db: &Db, workspace: &str, segment: &str) -> Result<Vec<(i64, i64)>> {
    let sql = "SELECT at, users FROM segment_sizes WHERE workspace = ? AND segment = ? ORDER BY at DESC LIMIT 168";
    let rows = db.read(sql, args![workspace, segment]).await?;
    rows.iter().rev().map(|row| Ok((row.int(0)?, row.int(1)?))).collect()
}

const ASKED: Table = Table {
    name: "segment_runs",
    columns: &["workspace", "segment", "bucket", "due_at", "every", "done_to", "fresh"],
    key: &["workspace", "segment"],
    existing: Existing::Takes(&["due_at", "done_to"]),
};
const PLANNED: Table = Table { existing: Existing::Takes(&["due_at", "every", "done_to", "fresh"]), ..ASKED };
const FLIPS: Table = Table {
    name: "flips",
    columns: &["workspace", "user_id", "segment", "bucket", "flip_at"],
    key: &["workspace", "user_id", "segment"],
    existing: Existing::Takes(&["flip_at"]),
};
pub const FAILURES: Table = Table {
    name: "segment_failures",
    columns: &["workspace", "segment", "user_id", "at", "error"],
    key: &["workspace", "segment", "user_id"],
    existing: Existing::Takes(&["at", "error"]),
};
const SIZES: Table = Table {
    name: "segment_sizes",
    columns: &["workspace", "segment", "at", "users"],
    key: &["workspace", "segment", "at"],
    existing: Existing::Takes(&["users"]),
};
