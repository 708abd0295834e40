//! Raw SQL segments: one SELECT of the user's, checked and written anew for this database ([`sql`](super::sql)), about some users at a
//! time. It runs on a connection for reading, and its result is read here and never written by the database.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use segflow_core::eval::{Dependencies, Reads};

use super::db::{Db, Ids, Kind, Value};
use super::sql::{self, Attributes, Checked, Dialect, Sql, Table};
use super::{Error, Result};

/// The longest a segment's SQL may run.
pub const LIMIT: Duration = Duration::from_secs(5);

/// The same about all users at once.
const LIMIT_OF_ALL: Duration = Duration::from_secs(60);

/// The shortest period, in ms.
const SHORTEST: i64 = 60_000;

/// The most users in one query.
pub const BATCH: usize = 256;

/// The most checked queries that are kept.
const KEPT: usize = 256;

/// Which of these users belong to the segment, at an instant in ms UTC.
pub async fn members(db: &Db, workspace: &str, text: &str, ids: &[String], now: i64) -> Result<BTreeSet<String>> {
    let checked = checked(text).map_err(|refused| Error::Refused(refused.to_string()))?;
    let dialect = dialect(db);
    let mut members = BTreeSet::new();
    for part in ids.chunks(BATCH) {
        let sql = checked.sql(dialect, part.len().next_power_of_two());
        let padded = part.iter().chain(std::iter::repeat(&part[part.len() - 1])).take(sql.ids);
        let args = bound(&sql, workspace, padded.map(Value::from).collect(), now);
        let these = Ids::among(part.iter().cloned());
        members.extend(db.ids_within(sql.text, args, LIMIT, these).await?);
    }
    Ok(members)
}

/// Who of all users belongs to the segment: for SQL that compares them with one another.
pub async fn everyone(db: &Db, workspace: &str, text: &str, now: i64) -> Result<BTreeSet<String>> {
    let checked = checked(text).map_err(|refused| Error::Refused(refused.to_string()))?;
    let sql = checked.sql(dialect(db), 0);
    let args = bound(&sql, workspace, vec![], now);
    db.ids_within(sql.text, args, LIMIT_OF_ALL, Ids::default()).await
}

fn bound(sql: &Sql, workspace: &str, ids: Vec<Value>, now: i64) -> Vec<Value> {
    let mut args = vec![];
    for table in &sql.tables {
        args.push(Value::from(workspace));
        if *table == Table::Events {
            args.push(Value::from(now));
        }
        args.extend(ids.iter().cloned());
    }
    args.extend(std::iter::repeat_n(Value::from(now), sql.clock));
    args
}

fn dialect(db: &Db) -> Dialect {
    match db.kind() {
        Kind::Sqlite => Dialect::Sqlite,
        Kind::MySql => Dialect::MySql,
        Kind::MariaDb => Dialect::MariaDb,
    }
}

/// Whether a segment's SQL can be used on this database; the error says where and why not. What the check knows nothing of, a trial
/// finds.
pub async fn check(db: &Db, text: &str, every: Option<i64>) -> std::result::Result<(), String> {
    let checked = checked(text).map_err(|refused| refused.underlined(text))?;
    let reads = checked.reads();
    match every {
        Some(period) if period < SHORTEST => {
            return Err("it cannot be asked about everybody more often than once a minute: `.every(minutes(1))`".into());
        }
        None if reads.other_users => {
            let why = "it compares users with one another, so a fact of one changes others: say how often it is to be asked about \
                       everybody, `.every(hours(1))`; or group by the user's id, or tie a subquery to it";
            return Err(checked.refused_at_others(text, why).underlined(text));
        }
        None if reads.clock => {
            let why = "it reads the clock, and nobody can tell when its answer changes: say how often it is to be asked about \
                       everybody, `.every(hours(1))`; or write the segment as an expression, which is always on time";
            return Err(checked.refused_at_clock(text, why).underlined(text));
        }
        _ => {}
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

/// What a segment's SQL depends on.
pub fn dependencies(text: &str) -> Dependencies {
    // One that was accepted by an earlier version of the check is asked at every fact, as it was then.
    let Ok(checked) = checked(text) else { return Dependencies::anything() };
    let reads = checked.reads();
    let attributes = match &reads.user_attributes {
        Attributes::All => Reads::Any,
        Attributes::Only(keys) => Reads::Only(keys.iter().map(|key| vec![key.clone()]).collect()),
    };
    let events = match &reads.event_names {
        Some(names) => Reads::Only(names.clone()),
        None => Reads::Any,
    };
    let (clock, other_users) = (reads.clock, reads.other_users);
    Dependencies { attributes, events, clock, other_users, ..Dependencies::default() }
}

/// The same text is asked about for every user who may belong to it, and a refusal costs as much as an acceptance: both are kept.
fn checked(text: &str) -> std::result::Result<Arc<Checked>, sql::Refused> {
    static CHECKED: Mutex<BTreeMap<String, Looked>> = Mutex::new(BTreeMap::new());
    let kept = || CHECKED.lock().expect("no panic while held");
    if let Some(checked) = kept().get(text) {
        return checked.clone();
    }
    let checked = sql::check(text).map(Arc::new);
    let mut kept = kept();
    if kept.len() >= KEPT {
        kept.clear();
    }
    kept.insert(text.to_string(), checked.clone());
    checked
}

type Looked = std::result::Result<Arc<Checked>, sql::Refused>;
