//! The table of events, written and read by the ids of events.

use super::Result;
use super::db::{Kind, Row, Value};
use super::many::{Existing, On, Table, select_pairs};

pub(super) const EVENTS: Table = Table {
    name: "events",
    columns: &["workspace", "user_id", "id", "name", "attributes", "occurred_at", "received_at"],
    key: &["workspace", "user_id", "id"],
    existing: Existing::Fails,
};

/// Those of these events, each named by its user and its id, that are stored: rows of `columns`.
///
/// One step into the primary key for each. Two lists, `user_id IN (…) AND id IN (…)`, would be a step for every user with every id.
pub(super) async fn find(on: &mut On<'_>, workspace: &str, columns: &str, events: &[(&str, &str)]) -> Result<Vec<Row>> {
    let pairs: Vec<[Value; 2]> = events.iter().map(|(user, id)| [Value::from(*user), Value::from(*id)]).collect();
    let (sql, before, after) = match on.kind() {
        // Pairs in an IN are not looked up in an index: here they come first, and lead.
        Kind::Sqlite => {
            let sql = format!(
                "SELECT {columns} FROM (VALUES {{}}) AS asked CROSS JOIN events \
                 ON workspace = ? AND user_id = asked.column1 AND id = asked.column2"
            );
            (sql, None, Some(Value::from(workspace)))
        }
        Kind::MySql | Kind::MariaDb => {
            let sql = format!("SELECT {columns} FROM events WHERE workspace = ? AND (user_id, id) IN ({{}})");
            (sql, Some(Value::from(workspace)), None)
        }
    };
    select_pairs(on, &sql, before.as_slice(), &pairs, after.as_slice()).await
}
