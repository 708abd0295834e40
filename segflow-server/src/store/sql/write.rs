//! The query around a user's: CTEs stand for the tables, so that only this workspace's rows of these users are there to be read.

use super::ir::{Query, Table};
use super::print::{CLOCK, Printer};
use super::reads::Reads;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
    MySql,
    MariaDb,
}

/// A query with placeholders: for each of `tables` the workspace, of events the clock, and `ids` ids; then the clock `clock` times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sql {
    pub text: String,
    pub tables: Vec<Table>,
    pub ids: usize,
    pub clock: usize,
}

/// With no ids it is about all users of the workspace. None when the query would become too long.
pub fn scoped(query: &Query, reads: &Reads, dialect: Dialect, ids: usize) -> Option<Sql> {
    let list = vec!["?"; ids].join(",");
    let some = |user: &str| if ids == 0 { String::new() } else { format!(" AND {user} IN ({list})") };
    // MySQL gives the placeholders of a CTE that is not read no type, and the query fails.
    let tables: Vec<Table> = [(Table::Users, reads.users), (Table::Events, reads.events)]
        .into_iter()
        .filter_map(|(table, read)| read.then_some(table))
        .collect();
    let rows = tables.iter().map(|table| {
        let columns: Vec<&str> = table.columns().iter().map(|(name, ..)| *name).collect();
        let (columns, user) = (columns.join(", "), if *table == Table::Users { "id" } else { "user_id" });
        let (scoped, name) = (table.scoped_name(), table.name());
        // What is still to come does not count yet.
        let so_far = if *table == Table::Events { " AND occurred_at <= ?" } else { "" };
        format!("{scoped} AS (SELECT {columns} FROM {name} WHERE workspace = ?{so_far}{})", some(user))
    });
    let printer = Printer::new(dialect);
    let whole = printer.query(query);
    let parts: Vec<String> = rows.chain(printer.take_ctes()).chain([format!("segflow_q AS (\n{whole}\n)")]).collect();
    let text = format!("WITH {}\nSELECT id FROM segflow_q", parts.join(",\n"));
    let clock = text.matches(CLOCK).count();
    // MySQL has to be told the type of a placeholder that stands alone.
    let bound = if dialect == Dialect::Sqlite { "?" } else { "CAST(? AS SIGNED)" };
    (!printer.over()).then_some(Sql { text: text.replace(CLOCK, bound), tables, ids, clock })
}
