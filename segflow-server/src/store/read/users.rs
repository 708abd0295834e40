use segflow_core::merge::Object;

use super::{Query, TimeAndId};
use crate::args;
use crate::store::db::{Db, Row};
use crate::store::{Result, ingest};

/// A user as stored. Times are ms UTC.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    pub id: String,
    pub attributes: Object,
    pub created_at: i64,
    pub updated_at: i64,
}

const USERS: &str = "SELECT id, attributes, created_at, updated_at FROM users WHERE workspace = ?";

pub async fn user(db: &Db, workspace: &str, id: &str) -> Result<Option<User>> {
    let rows = Query::new(USERS, workspace).and("id =", Some(id)).rows(db, 1).await?;
    rows.first().map(read_user).transpose()
}

/// By id; with an address, only those who have it, byte for byte.
pub async fn users(
    db: &Db,
    workspace: &str,
    email: Option<&str>,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<User>> {
    let rows = Query::new(USERS, workspace).and("email =", email).by_key("id", after).rows(db, limit).await?;
    rows.iter().map(read_user).collect()
}

fn read_user(row: &Row) -> Result<User> {
    Ok(User {
        id: row.text(0)?,
        attributes: ingest::object(&row.text(1)?)?,
        created_at: row.int(2)?,
        updated_at: row.int(3)?,
    })
}

/// When a user was first seen, ms UTC.
pub async fn created_at(db: &Db, workspace: &str, id: &str) -> Result<Option<i64>> {
    let sql = "SELECT created_at FROM users WHERE workspace = ? AND id = ?";
    db.read_one(sql, args![workspace, id]).await?.map(|row| row.int(0)).transpose()
}

pub async fn user_exists(db: &Db, workspace: &str, id: &str) -> Result<bool> {
    Ok(created_at(db, workspace, id).await?.is_some())
}

/// An event as stored. Times are ms UTC.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub id: String,
    pub name: String,
    pub attributes: Object,
    pub occurred_at: i64,
    pub received_at: i64,
}

/// By when they occurred.
pub async fn events(db: &Db, workspace: &str, user: &str, after: Option<&TimeAndId>, limit: i64) -> Result<Vec<Event>> {
    let select = "SELECT id, name, attributes, occurred_at, received_at FROM events WHERE workspace = ?";
    let query = Query::new(select, workspace).and("user_id =", Some(user)).by_time("occurred_at", after);
    let rows = query.rows(db, limit).await?;
    rows.iter()
        .map(|row| {
            Ok(Event {
                id: row.text(0)?,
                name: row.text(1)?,
                attributes: ingest::object(&row.text(2)?)?,
                occurred_at: row.int(3)?,
                received_at: row.int(4)?,
            })
        })
        .collect()
}

/// A segment that a user is in, since an instant (ms UTC).
#[derive(Debug, Clone, PartialEq)]
pub struct Membership {
    pub segment: String,
    pub since: i64,
}

/// By segment.
pub async fn memberships(
    db: &Db,
    workspace: &str,
    user: &str,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<Membership>> {
    let select = "SELECT segment, since FROM memberships WHERE workspace = ?";
    let query = Query::new(select, workspace).and("user_id =", Some(user)).by_key("segment", after);
    let rows = query.rows(db, limit).await?;
    rows.iter().map(|row| Ok(Membership { segment: row.text(0)?, since: row.int(1)? })).collect()
}

/// A user who is in a segment, since an instant (ms UTC).
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    pub user_id: String,
    pub since: i64,
}

/// By user.
pub async fn members(db: &Db, workspace: &str, segment: &str, after: Option<&str>, limit: i64) -> Result<Vec<Member>> {
    let select = "SELECT user_id, since FROM memberships WHERE workspace = ?";
    let query = Query::new(select, workspace).and("segment =", Some(segment)).by_key("user_id", after);
    let rows = query.rows(db, limit).await?;
    rows.iter().map(|row| Ok(Member { user_id: row.text(0)?, since: row.int(1)? })).collect()
}
