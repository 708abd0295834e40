//! Users who have not been held against the newest push yet. Most of them a push does not concern: they are only marked, many at once.
//!
//! They are gone through in the order of their ids, in which they are stored: so a chunk of them is a few pages of the database, whatever
//! their buckets are. How far that is stands in memory alone. Whoever takes over begins again, and finds most of them done; that all
//! users of a bucket are is written down (`settled`), so that nobody looks for nothing.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use segflow_core::ids::BUCKETS;
use segflow_core::project::Project;
use segflow_core::protocol::Manifest;

use super::db::{Db, Row, Tx, Value};
use super::many::{Existing, On, Table, insert, run_in, select_in};
use super::sieve::{Sieve, sieve};
use super::{Error, Result, deployments, fence, for_share, segments};
use crate::args;

/// How many users are looked at together for those whom a push concerns.
const LOOK: usize = 2_048;

/// The most users to be decided about that a look gives: the news of others wait for them.
const GROUP: usize = 256;

/// What is known about pushes that are being worked off, by workspace.
#[derive(Default)]
pub struct Behind {
    walks: Mutex<BTreeMap<String, Walk>>,
}

/// How far the users have been gone through.
struct Walk {
    generation: i64,
    buckets: BTreeSet<u16>,
    /// The last who was looked at; `None`: all have been.
    at: Option<String>,
    /// Those who were given to be decided about, and those who were left alone: they are looked at again until they are done.
    open: BTreeSet<String>,
    /// By the generation that a user was held against: whom the step to this one can concern.
    sieves: BTreeMap<i64, Option<Arc<Sieve>>>,
    /// How many to look at the next time: few when most of them pass.
    look: usize,
}

/// Who is looked for.
pub struct Wanted<'a> {
    /// Users of these buckets.
    pub buckets: &'a BTreeSet<u16>,
    /// Not these, who are being decided about or left alone for now: nobody else is to wait for them.
    pub not: &'a BTreeSet<String>,
}

/// What a look has found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Users to be decided about, some hundred at most.
    pub users: BTreeSet<String>,
    /// Whether others were gone past, whom the push does not concern. If not, and nobody is to be decided about, those there are have to
    /// wait.
    pub went_on: bool,
}

/// Where to look.
struct Looking<'a> {
    db: &'a Db,
    incarnation: &'a str,
    workspace: &'a str,
    project: &'a Project,
    now: i64,
}

impl Behind {
    /// Finds some of the users who are behind; `None`: there are none.
    pub async fn look(
        &self,
        db: &Db,
        incarnation: &str,
        wanted: &Wanted<'_>,
        workspace: &str,
        project: &Project,
        now: i64,
    ) -> Result<Option<Found>> {
        let looking = Looking { db, incarnation, workspace, project, now };
        let (generation, buckets) = (project.generation, wanted.buckets);
        if generation == 0 {
            return Ok(None);
        }
        let known = self.walks().remove(workspace);
        let mut walk = match known.filter(|walk| walk.generation == generation && walk.buckets == *buckets) {
            Some(walk) => walk,
            None if are_settled(db, workspace, generation, buckets).await? => return Ok(None),
            None => Walk {
                generation,
                buckets: buckets.clone(),
                at: Some(String::new()),
                open: BTreeSet::new(),
                sieves: BTreeMap::new(),
                look: LOOK,
            },
        };
        let found = looking.go_on(&mut walk, wanted.not).await?;
        match found {
            Some(_) => drop(self.walks().insert(workspace.to_string(), walk)),
            None => looking.settle(buckets).await?,
        }
        Ok(found)
    }

    fn walks(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Walk>> {
        self.walks.lock().expect("no panic while held")
    }
}

impl Looking<'_> {
    async fn go_on(&self, walk: &mut Walk, not: &BTreeSet<String>) -> Result<Option<Found>> {
        let open: Vec<Value> = walk.open.iter().map(Value::from).collect();
        let sql = "SELECT id FROM users WHERE workspace = ? AND evaluated < ? AND id IN ({})";
        let rows = select_in(&mut On::Db(self.db), sql, &args![self.workspace, walk.generation], &open).await?;
        walk.open = rows.iter().map(|row| row.text(0)).collect::<Result<_>>()?;
        let again: BTreeSet<String> = walk.open.difference(not).take(GROUP).cloned().collect();
        if !again.is_empty() {
            return Ok(Some(Found { users: again, went_on: false }));
        }
        match walk.at.clone() {
            Some(at) => self.walk(walk, &at, not).await.map(Some),
            None if walk.open.is_empty() => Ok(None),
            None => Ok(Some(Found::default())),
        }
    }

    /// Looks at the next users.
    async fn walk(&self, walk: &mut Walk, at: &str, not: &BTreeSet<String>) -> Result<Found> {
        let sql = format!(
            "SELECT id, evaluated, bucket FROM users WHERE workspace = ? AND id > ? ORDER BY id LIMIT {}",
            walk.look
        );
        let rows = self.db.read(sql, args![self.workspace, at]).await?;
        let mut last = rows.last().map(|row| row.text(0)).transpose()?;
        let is_end = rows.len() < walk.look;
        // By the generation that they were held against.
        let mut behind: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
        for row in rows {
            let (id, evaluated, bucket) = (row.text(0)?, row.int(1)?, row.int(2)? as u16);
            if evaluated < walk.generation && walk.buckets.contains(&bucket) {
                behind.entry(evaluated).or_default().insert(id);
            }
        }
        let (mut concerned, mut others) = (BTreeSet::new(), vec![]);
        if let Some(last) = &last {
            for (from, users) in behind {
                let (left_alone, users): (BTreeSet<String>, BTreeSet<String>) =
                    users.into_iter().partition(|id| not.contains(id));
                concerned.extend(left_alone);
                let (passed, rest) = self.sift(walk, from, at, last, users).await?;
                concerned.extend(passed);
                others.push((from, rest));
            }
        }
        let is_wanted = |id: &&String| !not.contains(*id);
        let count = concerned.iter().filter(is_wanted).count();
        walk.look = (walk.look * GROUP / count.max(1)).clamp(GROUP, LOOK);
        // No further than those who can be decided about.
        let cut = concerned.iter().filter(is_wanted).nth(GROUP - 1).filter(|_| count > GROUP).cloned();
        if let Some(cut) = &cut {
            concerned.retain(|id| id <= cut);
            others.iter_mut().for_each(|(_, rest)| rest.retain(|id| id <= cut));
            last = Some(cut.clone());
        }
        for (from, rest) in others {
            self.mark(from, rest).await?;
        }
        walk.at = last.filter(|_| cut.is_some() || !is_end);
        let users = concerned.difference(not).cloned().collect();
        walk.open.extend(concerned);
        Ok(Found { users, went_on: true })
    }

    /// Those of these users, all between two ids and held against `from`, whom the push can concern, and the others.
    async fn sift(
        &self,
        walk: &mut Walk,
        from: i64,
        after: &str,
        up_to: &str,
        users: BTreeSet<String>,
    ) -> Result<(BTreeSet<String>, Vec<String>)> {
        let Looking { db, workspace, project, now, .. } = *self;
        if let Entry::Vacant(unknown) = walk.sieves.entry(from) {
            let old = match deployments::of_generation(db, workspace, from).await? {
                Some(deployment) => Some(deployment.manifest),
                None => (from == 0).then(Manifest::default),
            };
            let sieve = old.and_then(|old| sieve(db.kind(), workspace, &old, from, project, now)).map(Arc::new);
            unknown.insert(sieve);
        }
        let Some(sieve) = walk.sieves[&from].clone() else { return Ok((users, vec![])) };
        let sql = format!(
            "SELECT id, CASE WHEN {} THEN 1 ELSE 0 END FROM users \
             WHERE workspace = ? AND id > ? AND id <= ? AND evaluated = ?",
            sieve.sql
        );
        let mut args = sieve.args.clone();
        args.extend(args![workspace, after, up_to, from]);
        match db.read(sql, args).await {
            Ok(rows) => {
                let rows: Vec<Row> =
                    rows.into_iter().filter(|row| row.text(0).is_ok_and(|id| users.contains(&id))).collect();
                sift(db, workspace, &sieve, &rows).await
            }
            Err(error) => {
                refused(workspace, error)?;
                walk.sieves.insert(from, None);
                Ok((users, vec![]))
            }
        }
    }

    /// Marks users as held against this generation. Their facts that came meanwhile are in the inbox, and are decided about under it.
    async fn mark(&self, from: i64, users: Vec<String>) -> Result<()> {
        if users.is_empty() {
            return Ok(());
        }
        let (workspace, generation, users) = (self.workspace.to_string(), self.project.generation, Arc::new(users));
        let incarnation = self.incarnation.to_string();
        self.db
            .write(move |tx| {
                let (incarnation, workspace, users) = (incarnation.clone(), workspace.clone(), users.clone());
                Box::pin(async move {
                    fence::hold(tx, &incarnation).await?;
                    if is_current(tx, &workspace, generation).await? {
                        let ids: Vec<Value> = users.iter().map(Value::from).collect();
                        let sql = "UPDATE users SET evaluated = ? WHERE workspace = ? AND evaluated = ? AND id IN ({})";
                        run_in(tx, sql, &args![generation, &workspace, from], &ids).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Writes down that nobody of these buckets is behind.
    async fn settle(&self, buckets: &BTreeSet<u16>) -> Result<()> {
        let (incarnation, workspace) = (self.incarnation.to_string(), self.workspace.to_string());
        let generation = self.project.generation;
        let rows: Vec<Vec<Value>> = buckets.iter().map(|bucket| args![self.workspace, *bucket, generation]).collect();
        self.db
            .write(move |tx| {
                let (incarnation, workspace, rows) = (incarnation.clone(), workspace.clone(), rows.clone());
                Box::pin(async move {
                    fence::hold(tx, &incarnation).await?;
                    match is_current(tx, &workspace, generation).await? {
                        true => insert(tx, &SETTLED, rows).await,
                        false => Ok(()),
                    }
                })
            })
            .await
    }
}

/// Whether it is still the generation of the workspace; from now on until the end of the transaction.
async fn is_current(tx: &mut Tx, workspace: &str, generation: i64) -> Result<bool> {
    let sql = format!("SELECT generation FROM workspaces WHERE id = ?{}", for_share(tx.kind()));
    let now = tx.row(sql, args![workspace]).await?.map(|row| row.int(0)).transpose()?;
    Ok(now == Some(generation))
}

async fn are_settled(db: &Db, workspace: &str, generation: i64, buckets: &BTreeSet<u16>) -> Result<bool> {
    let sql = "SELECT bucket FROM settled WHERE workspace = ? AND generation >= ?";
    let rows = db.read(sql, args![workspace, generation]).await?;
    let settled = rows.iter().map(|row| Ok(row.int(0)? as u16)).collect::<Result<BTreeSet<u16>>>()?;
    Ok(buckets.is_subset(&settled))
}

/// A sieve that the database does not take is as good as none.
fn refused(workspace: &str, error: Error) -> Result<()> {
    if error.is_away() {
        return Err(error);
    }
    tracing::warn!(workspace, %error, "whom a push concerns could not be asked; everybody is looked at");
    Ok(())
}

/// Those of the users after a given one, in the order of their ids, whom a push from generation `from` may concern, `also` among them;
/// before them the last that was looked at.
pub async fn concerned_after(
    db: &Db,
    workspace: &str,
    sieve: Option<&Sieve>,
    from: i64,
    after: &str,
    also: &BTreeSet<String>,
) -> Result<Option<(String, BTreeSet<String>)>> {
    if let Some(sieve) = sieve {
        let sql = format!(
            "SELECT id, CASE WHEN evaluated <> ? THEN 1 WHEN {} THEN 1 ELSE 0 END FROM users \
             WHERE workspace = ? AND id > ? ORDER BY id LIMIT {LOOK}",
            sieve.sql
        );
        let mut args = args![from];
        args.extend(sieve.args.iter().cloned());
        args.extend(args![workspace, after]);
        match db.read(sql, args).await {
            Ok(rows) => {
                let Some(last) = rows.last().map(|row| row.text(0)).transpose()? else { return Ok(None) };
                let (mut passed, others) = sift(db, workspace, sieve, &rows).await?;
                passed.extend(others.into_iter().filter(|id| also.contains(id)));
                return Ok(Some((last, passed)));
            }
            Err(error) => refused(workspace, error)?,
        }
    }
    let users = deployments::users_after(db, workspace, after, LOOK).await?;
    Ok(users.last().cloned().map(|last| (last, users.into_iter().collect())))
}

/// Those who pass, and those who do not.
async fn sift(db: &Db, workspace: &str, sieve: &Sieve, rows: &[Row]) -> Result<(BTreeSet<String>, Vec<String>)> {
    let (mut passed, mut others) = (BTreeSet::new(), vec![]);
    for row in rows {
        if row.flag(1)? {
            passed.insert(row.text(0)?);
        } else {
            others.push(row.text(0)?);
        }
    }
    for query in &sieve.queries {
        if others.is_empty() {
            break;
        }
        if db.breakers.rests(workspace, query, sieve.now).is_some() {
            passed.extend(std::mem::take(&mut others));
            break;
        }
        let slow = db.breakers.slow(workspace, query, sieve.now);
        let (known, rest): (Vec<String>, Vec<String>) = others.into_iter().partition(|id| slow.contains_key(id));
        passed.extend(known);
        others = rest;
        match segments::members(db, workspace, query, &others, sieve.now).await {
            Ok(members) => {
                others.retain(|id| !members.contains(id));
                passed.extend(members);
            }
            // Then each is asked about alone, and says why it could not be.
            Err(error) => {
                tracing::warn!(workspace, %error, "raw SQL could not be asked about many users");
                if let Error::TooLong(_) = error {
                    db.breakers.ran_too_long(workspace, query, &others, sieve.now);
                }
                passed.extend(std::mem::take(&mut others));
            }
        }
    }
    Ok((passed, others))
}

/// How many users of a workspace have not been held against a generation yet.
pub async fn left(db: &Db, workspace: &str, generation: i64) -> Result<i64> {
    // They have to be counted one by one, but not when all is done, which is nearly always.
    if are_settled(db, workspace, generation, &(0..BUCKETS).collect()).await? {
        return Ok(0);
    }
    let sql = "SELECT COUNT(*) FROM users WHERE workspace = ? AND evaluated < ?";
    db.read_one(sql, args![workspace, generation]).await?.map_or(Ok(0), |row| row.int(0))
}

const SETTLED: Table = Table {
    name: "settled",
    columns: &["workspace", "bucket", "generation"],
    key: &["workspace", "bucket"],
    existing: Existing::Takes(&["generation"]),
};
