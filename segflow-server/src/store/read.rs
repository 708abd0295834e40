//! What the API shows: plain SELECTs, each of one workspace, none of them locking anything.
//!
//! Lists come in the order of a key (an id, or a time and an id; some also the other way round) and go on after one, so a page costs the same wherever it
//! starts.

mod enrollments;
mod messages;
mod project;
mod results;
mod users;

pub use enrollments::{Enrollment, EnrollmentFilter, enrollment, enrollments, journal};
pub use messages::{Attempt, Message, MessageFilter, Send, Told, attempts, message, messages, sends, told};
pub use project::{
    Counts, Deployment, Mark, deployment, deployments, enrollment_counts, fields_of, marks, member_counts,
    message_counts,
};
pub use results::{Conversion, MessageResults, Results, conversions, results, results_of};
pub use users::{Event, Member, Membership, User, created_at, events, members, memberships, user, user_exists, users};

use segflow_protocol::Rendered;
use sha2::{Digest, Sha256};

use super::Result;
use super::db::{Db, Value};
use crate::args;

/// Whether the database answers.
pub async fn ping(db: &Db) -> Result<()> {
    db.read_one("SELECT 1", args![]).await.map(drop)
}

/// SHA-256 of what a message says, in hex: kept when it is sent, and compared when it is rendered again.
pub fn body_hash(rendered: &Rendered) -> String {
    let mut hash = Sha256::new();
    for (index, part) in [&rendered.subject, &rendered.html, &rendered.text].into_iter().enumerate() {
        if index > 0 {
            hash.update([0]);
        }
        hash.update(part.as_bytes());
    }
    segflow_core::ids::hex(&hash.finalize())
}

/// The place after which a list by time goes on: an instant and an id.
pub type TimeAndId = (i64, String);

/// Which end of a list by time comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    #[default]
    Oldest,
    Newest,
}

/// A SELECT whose conditions depend on what was asked for.
pub(super) struct Query {
    sql: String,
    args: Vec<Value>,
}

impl Query {
    /// `select` ends with a WHERE that has one placeholder, the workspace.
    pub fn new(select: &str, workspace: &str) -> Query {
        Query { sql: select.to_string(), args: args![workspace] }
    }

    /// ` AND column operator ?`, where there is a value.
    pub fn and<T: Into<Value>>(mut self, column_and_operator: &str, value: Option<T>) -> Query {
        if let Some(value) = value {
            self.sql.push_str(&format!(" AND {column_and_operator} ?"));
            self.args.push(value.into());
        }
        self
    }

    /// In the order of a time and an id, after a place in it. Spelt out, because MySQL finds no range in `(a, b) > (?, ?)`.
    pub fn by_time(self, time: &str, after: Option<&TimeAndId>) -> Query {
        self.by_time_in(Order::Oldest, time, after)
    }

    pub fn by_time_in(mut self, order: Order, time: &str, after: Option<&TimeAndId>) -> Query {
        let (beyond, direction) = match order {
            Order::Oldest => (">", ""),
            Order::Newest => ("<", " DESC"),
        };
        if let Some((at, id)) = after {
            self.sql.push_str(&format!(" AND {time} {beyond}= ? AND ({time} {beyond} ? OR id {beyond} ?)"));
            self.args.extend(args![*at, *at, id]);
        }
        self.sql.push_str(&format!(" ORDER BY {time}{direction}, id{direction}"));
        self
    }

    pub fn by_key(mut self, key: &str, after: Option<&str>) -> Query {
        self = self.and(&format!("{key} >"), after);
        self.sql.push_str(&format!(" ORDER BY {key}"));
        self
    }

    pub async fn rows(mut self, db: &Db, limit: i64) -> Result<Vec<super::db::Row>> {
        self.sql.push_str(" LIMIT ?");
        self.args.push(limit.into());
        db.read(self.sql, self.args).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_hash_tells_where_its_parts_end() {
        let body =
            |subject: &str, html: &str| Rendered { subject: subject.into(), html: html.into(), text: String::new() };
        assert_ne!(body_hash(&body("ab", "c")), body_hash(&body("a", "bc")));
        assert_eq!(body_hash(&body("", "")), "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7");
    }

    #[test]
    fn conditions_come_with_their_values() {
        let query = Query::new("SELECT id FROM messages WHERE workspace = ?", "w")
            .and("status =", Some("sent"))
            .and("campaign =", None::<&str>)
            .by_time("created_at", Some(&(5, "m".into())));
        let expected = "SELECT id FROM messages WHERE workspace = ? AND status = ? AND created_at >= ? \
                        AND (created_at > ? OR id > ?) ORDER BY created_at, id";
        assert_eq!(query.sql, expected);
        assert_eq!(query.args.len(), 5);
        let back = Query::new("SELECT id FROM messages WHERE workspace = ?", "w");
        let back = back.by_time_in(Order::Newest, "at", Some(&(5, "m".into())));
        assert!(back.sql.ends_with("AND at <= ? AND (at < ? OR id < ?) ORDER BY at DESC, id DESC"), "{}", back.sql);
    }
}
