//! Raw SQL segments: one SELECT of the user's, checked and written anew for this database ([`sql`](super::sql)), about some users at a
//! time. It runs on a connection for reading, and its result is read here and never written by the database.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::db::{Db, Kind, Value};
use super::sql::{self, Checked, Dialect};
use super::{Error, Result};

/// The longest a segment's SQL may run.
const LIMIT: Duration = Duration::from_secs(5);

/// The most users in one query.
const BATCH: usize = 256;

/// The most checked queries that are kept.
const KEPT: usize = 256;

/// Which of these users belong to the segment, at an instant in ms UTC.
pub async fn members(db: &Db, workspace: &str, text: &str, ids: &[String], now: i64) -> Result<BTreeSet<String>> {
    let checked = checked(text).map_err(|refused| Error::Internal(refused.to_string()))?;
    let dialect = match db.kind() {
        Kind::Sqlite => Dialect::Sqlite,
        Kind::MySql => Dialect::MySql,
    };
    let mut members = BTreeSet::new();
    for part in ids.chunks(BATCH) {
        let sql = checked.sql(dialect, part.len().next_power_of_two());
        let padded = part.iter().chain(std::iter::repeat(&part[part.len() - 1])).take(sql.ids);
        let mut args: Vec<Value> = vec![];
        for _ in &sql.tables {
            args.push(Value::from(workspace));
            args.extend(padded.clone().map(Value::from));
        }
        args.extend(std::iter::repeat_n(Value::from(now), sql.clock));
        let rows = tokio::time::timeout(LIMIT, db.read(sql.text, args))
            .await
            .map_err(|_| Error::Internal(format!("it ran longer than {} s", LIMIT.as_secs())))??;
        for row in rows {
            if let Some(id) = row.opt_text(0)? {
                members.insert(id);
            }
        }
    }
    members.retain(|id| ids.contains(id));
    Ok(members)
}

/// Whether a segment's SQL can be used on this database; the error says where and why not. What the check knows nothing of, a trial
/// finds.
pub async fn check(db: &Db, text: &str) -> std::result::Result<(), String> {
    let checked = checked(text).map_err(|refused| refused.underlined(text))?;
    if checked.reads().other_users {
        // It is asked about some users at a time, so its answer would depend on who they are.
        return Err("it compares users with one another, and a segment is asked about one user alone: group by the user's id, or tie a \
                    subquery to it"
            .into());
    }
    match members(db, "", text, &[String::new()], 0).await {
        Ok(_) => Ok(()),
        Err(Error::Sql(error)) => Err(match error.as_database_error() {
            Some(e) => format!("the database refuses it: {}", e.message()),
            None => format!("it cannot be run: {error}"),
        }),
        Err(error) => Err(error.to_string()),
    }
}

/// The same text is asked about for every user who may belong to it.
fn checked(text: &str) -> std::result::Result<Arc<Checked>, sql::Refused> {
    static CHECKED: Mutex<BTreeMap<String, Arc<Checked>>> = Mutex::new(BTreeMap::new());
    let kept = || CHECKED.lock().expect("no panic while held");
    if let Some(checked) = kept().get(text) {
        return Ok(checked.clone());
    }
    let checked = Arc::new(sql::check(text)?);
    let mut kept = kept();
    if kept.len() >= KEPT {
        kept.clear();
    }
    kept.insert(text.to_string(), checked.clone());
    Ok(checked)
}
