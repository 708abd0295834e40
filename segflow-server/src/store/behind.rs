//! Users who have not been held against the newest push yet. Most of them a push does not concern: they are only marked, many at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use segflow_core::project::Project;
use segflow_core::protocol::Manifest;

use super::db::{Db, Row, Value};
use super::many::{On, run_in, select_in};
use super::sieve::{Sieve, sieve};
use super::{Error, Result, deployments, fence, for_share, segments};
use crate::args;

/// How many users are looked at together for those whom a push concerns.
const LOOK: usize = 1_024;

/// The most users to be decided about that a look gives: the news of others wait for them.
const GROUP: usize = 128;

/// What is known about pushes that are being worked off.
#[derive(Default)]
pub struct Behind {
    sieves: Mutex<BTreeMap<String, Known>>,
}

#[derive(Clone)]
struct Known {
    /// The generations it leads from and to.
    from: i64,
    to: i64,
    sieve: Option<Arc<Sieve>>,
    /// How many to look at the next time: few when most of them pass.
    look: usize,
}

/// Who is looked for.
pub struct Wanted<'a> {
    /// Users of these buckets.
    pub buckets: &'a BTreeSet<u16>,
    /// Not these: for now they are left alone, and nobody else is to wait for them.
    pub cooling: &'a BTreeSet<String>,
}

impl Wanted<'_> {
    /// So many rows hold `users` who are wanted, if there are as many.
    fn rows(&self, users: usize) -> usize {
        users + self.cooling.len()
    }

    /// Those rows that are of users who are wanted; their ids come first.
    fn of(&self, rows: Vec<Row>) -> Result<Vec<Row>> {
        let mut wanted = vec![];
        for row in rows {
            if !self.cooling.contains(&row.text(0)?) {
                wanted.push(row);
            }
        }
        Ok(wanted)
    }
}

/// What a look has found.
#[derive(Debug, Default)]
pub struct Found {
    /// Users to be decided about, at most a group.
    pub users: BTreeSet<String>,
    /// How many the push does not concern; they are marked.
    pub marked: usize,
}

impl Behind {
    /// Finds some of the users who are behind; `None`: there are none. Nobody and nothing marked: those there are have to wait.
    pub async fn look(
        &self,
        db: &Db,
        incarnation: &str,
        wanted: &Wanted<'_>,
        workspace: &str,
        project: &Project,
        now: i64,
    ) -> Result<Option<Found>> {
        let list: Vec<Value> = wanted.buckets.iter().map(|bucket| Value::from(*bucket)).collect();
        let generation = project.generation;
        let sql = format!(
            "SELECT id, evaluated FROM users WHERE workspace = ? AND evaluated < ? AND bucket IN ({{}}) LIMIT {}",
            wanted.rows(1)
        );
        let behind = select_in(&mut On::Db(db), &sql, &args![workspace, generation], &list).await?;
        if behind.is_empty() {
            return Ok(None);
        }
        let behind = wanted.of(behind)?;
        let Some(from) = behind.first().map(|row| row.int(1)).transpose()? else { return Ok(Some(Found::default())) };
        let known = self.known(db, workspace, from, project, now).await?;
        if let Some(sieve) = &known.sieve {
            let sql = format!(
                "SELECT id, CASE WHEN {} THEN 1 ELSE 0 END FROM users \
                 WHERE workspace = ? AND evaluated = ? AND bucket IN ({{}}) LIMIT {}",
                sieve.sql,
                wanted.rows(known.look)
            );
            let mut before = sieve.args.clone();
            before.extend(args![workspace, from]);
            match select_in(&mut On::Db(db), &sql, &before, &list).await {
                Ok(rows) => {
                    let (passed, others) = sift(db, workspace, sieve, &wanted.of(rows)?).await?;
                    let look = if passed.len() >= GROUP { GROUP } else { LOOK };
                    self.kept().insert(workspace.to_string(), Known { look, ..known.clone() });
                    let marked = mark(db, incarnation, workspace, from, generation, others).await?;
                    return Ok(Some(Found { users: passed.into_iter().take(GROUP).collect(), marked }));
                }
                Err(error) => {
                    refused(workspace, error)?;
                    self.kept().insert(workspace.to_string(), Known { sieve: None, ..known.clone() });
                }
            }
        }
        let sql = format!(
            "SELECT id FROM users WHERE workspace = ? AND evaluated = ? AND bucket IN ({{}}) LIMIT {}",
            wanted.rows(GROUP)
        );
        let rows = wanted.of(select_in(&mut On::Db(db), &sql, &args![workspace, from], &list).await?)?;
        let users = rows.iter().take(GROUP).map(|row| row.text(0)).collect::<Result<_>>()?;
        Ok(Some(Found { users, marked: 0 }))
    }

    async fn known(&self, db: &Db, workspace: &str, from: i64, project: &Project, now: i64) -> Result<Known> {
        let to = project.generation;
        if let Some(known) = self.kept().get(workspace).filter(|known| (known.from, known.to) == (from, to)) {
            return Ok(known.clone());
        }
        let old = match deployments::of_generation(db, workspace, from).await? {
            Some(deployment) => Some(deployment.manifest),
            None => (from == 0).then(Manifest::default),
        };
        let sieve = old.and_then(|old| sieve(db.kind(), workspace, &old, from, project, now)).map(Arc::new);
        Ok(Known { from, to, sieve, look: LOOK })
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Known>> {
        self.sieves.lock().expect("no panic while held")
    }
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
        match segments::members(db, workspace, query, &others, sieve.now).await {
            Ok(members) => {
                others.retain(|id| !members.contains(id));
                passed.extend(members);
            }
            // Then each is asked about alone, and says why it could not be.
            Err(error) => {
                tracing::warn!(workspace, %error, "raw SQL could not be asked about many users");
                passed.extend(std::mem::take(&mut others));
            }
        }
    }
    Ok((passed, others))
}

/// Marks users as held against a generation. Their facts that came meanwhile are in the inbox, and are decided about under it.
async fn mark(
    db: &Db,
    incarnation: &str,
    workspace: &str,
    from: i64,
    generation: i64,
    users: Vec<String>,
) -> Result<usize> {
    if users.is_empty() {
        return Ok(0);
    }
    let (incarnation, workspace, users) = (incarnation.to_string(), workspace.to_string(), Arc::new(users));
    db.write(move |tx| {
        let (incarnation, workspace, users) = (incarnation.clone(), workspace.clone(), users.clone());
        Box::pin(async move {
            fence::hold(tx, &incarnation).await?;
            let sql = format!("SELECT generation FROM workspaces WHERE id = ?{}", for_share(tx.kind()));
            let now = tx.row(sql, args![&workspace]).await?.map(|row| row.int(0)).transpose()?;
            if now != Some(generation) {
                return Ok(0);
            }
            let ids: Vec<Value> = users.iter().map(Value::from).collect();
            let sql = "UPDATE users SET evaluated = ? WHERE workspace = ? AND evaluated = ? AND id IN ({})";
            run_in(tx, sql, &args![generation, &workspace, from], &ids).await?;
            Ok(users.len())
        })
    })
    .await
}

/// How many users of a workspace have not been held against a generation yet.
pub async fn left(db: &Db, workspace: &str, generation: i64) -> Result<i64> {
    let buckets: Vec<Value> = (0..segflow_core::ids::BUCKETS).map(Value::from).collect();
    let sql = "SELECT COUNT(*) FROM users WHERE workspace = ? AND evaluated < ? AND bucket IN ({})";
    let rows = select_in(&mut On::Db(db), sql, &args![workspace, generation], &buckets).await?;
    rows.first().map_or(Ok(0), |row| row.int(0))
}
