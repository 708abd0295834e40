use segflow_core::enrollment::Waiting;
use segflow_protocol::Journal;

use super::{Query, TimeAndId};
use crate::args;
use crate::store::db::{Db, Row};
use crate::store::enrollments::{decode_pending, load_journal};
use crate::store::{Error, Result};

/// An enrollment as it is shown. Times are ms UTC.
#[derive(Debug, Clone, PartialEq)]
pub struct Enrollment {
    pub id: String,
    /// `None` once the person was erased.
    pub user_id: Option<String>,
    pub campaign: String,
    pub run: i64,
    pub deployment: String,
    pub status: String,
    pub reason: Option<String>,
    pub started_at: i64,
    pub updated_at: i64,
    pub wake_at: Option<i64>,
    pub pending: Vec<Waiting>,
    /// When its journal began.
    pub since: i64,
    /// Somebody asked for it.
    pub by_hand: bool,
    /// The size of its journal.
    pub bytes: i64,
}

/// Which enrollments are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct EnrollmentFilter<'a> {
    pub user: Option<&'a str>,
    pub campaign: Option<&'a str>,
    pub status: Option<&'a str>,
}

const ENROLLMENTS: &str = "SELECT id, user_id, campaign, run, deployment, status, reason, started_at, updated_at, \
                           wake_at, pending, since, by_hand, bytes FROM enrollments WHERE workspace = ?";

pub async fn enrollment(db: &Db, workspace: &str, id: &str) -> Result<Option<Enrollment>> {
    let rows = Query::new(ENROLLMENTS, workspace).and("id =", Some(id)).rows(db, 1).await?;
    rows.first().map(read_enrollment).transpose()
}

/// By when they began.
pub async fn enrollments(
    db: &Db,
    workspace: &str,
    filter: EnrollmentFilter<'_>,
    after: Option<&TimeAndId>,
    limit: i64,
) -> Result<Vec<Enrollment>> {
    let query = Query::new(ENROLLMENTS, workspace)
        .and("user_id =", filter.user)
        .and("campaign =", filter.campaign)
        .and("status =", filter.status)
        .by_time("started_at", after);
    query.rows(db, limit).await?.iter().map(read_enrollment).collect()
}

fn read_enrollment(row: &Row) -> Result<Enrollment> {
    let id = row.text(0)?;
    let user_id = row.text(1)?;
    let pending = decode_pending(&row.blob(10)?)?;
    Ok(Enrollment {
        // Erasing a person puts the enrollment's own id in the person's place.
        user_id: Some(user_id).filter(|user| *user != id),
        id,
        campaign: row.text(2)?,
        run: row.int(3)?,
        deployment: row.text(4)?,
        status: row.text(5)?,
        reason: row.opt_text(6)?,
        started_at: row.int(7)?,
        updated_at: row.int(8)?,
        wake_at: row.opt_int(9)?,
        pending,
        since: row.int(11)?,
        by_hand: row.flag(12)?,
        bytes: row.int(13)?,
    })
}

/// All that an enrollment has done, oldest first.
pub async fn journal(db: &Db, workspace: &str, id: &str) -> Result<Journal> {
    let sql = "SELECT journal, first_chunk, chunks FROM enrollments WHERE workspace = ? AND id = ?";
    let Some(row) = db.read_one(sql, args![workspace, id]).await? else { return Ok(Journal::default()) };
    let (tail, first, chunks) = (row.blob(0)?, row.int(1)?, row.int(2)?);
    // Chunks of one journal are only ever added, so those that this tail follows are still as they were.
    let sql = "SELECT entries FROM journal_chunks WHERE enrollment = ? AND chunk >= ? AND chunk < ? ORDER BY chunk";
    let older = if chunks > first { db.read(sql, args![id, first, chunks]).await? } else { vec![] };
    let parts = older.iter().map(|row| row.blob(0)).chain([Ok(tail)]).collect::<Result<Vec<_>>>()?;
    let journal = load_journal(&parts)?;
    if journal.is_sound() { Ok(journal) } else { Err(Error::Internal(format!("the journal of {id} cannot be read"))) }
}
