//! The query around a user's: CTEs named `users` and `events` shadow the tables, so that only this workspace's rows of these users are
//! there to be read.

use super::ir::{Query, Table};
use super::print::{CLOCK, Printer};
use super::reads::Reads;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
    MySql,
    MariaDb,
}

/// A query with placeholders: for each of `tables` the workspace and `ids` ids, then the clock `clock` times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sql {
    pub text: String,
    pub tables: Vec<Table>,
    pub ids: usize,
    pub clock: usize,
}

/// With no ids it is about all users of the workspace. None when the query would become too long.
pub fn scoped(query: &Query, reads: &Reads, dialect: Dialect, ids: usize) -> Option<Sql> {
    // A CTE does not see itself, but SQLite looks for its name there first: `main.` says which is meant.
    let schema = if dialect == Dialect::Sqlite { "main." } else { "" };
    let list = vec!["?"; ids].join(",");
    let some = |user: &str| if ids == 0 { String::new() } else { format!(" AND {user} IN ({list})") };
    // MySQL gives the placeholders of a CTE that is not read no type, and the query fails.
    let tables: Vec<Table> = [(Table::Users, reads.users), (Table::Events, reads.events)]
        .into_iter()
        .filter_map(|(table, read)| read.then_some(table))
        .collect();
    let scoped = tables.iter().map(|table| {
        let columns: Vec<&str> = table.columns().iter().map(|(name, ..)| *name).collect();
        let (name, columns) = (table.name(), columns.join(", "));
        let user = if *table == Table::Users { "id" } else { "user_id" };
        format!("{name} AS (SELECT {columns} FROM {schema}{name} WHERE workspace = ?{})", some(user))
    });
    let scoped: Vec<String> = scoped.collect();
    let with = if scoped.is_empty() { String::new() } else { format!("WITH {}\n", scoped.join(",\n")) };
    let printer = Printer::new(dialect);
    let inside = printer.query(query);
    let clock = inside.matches(CLOCK).count();
    // MySQL has to be told the type of a placeholder that stands alone.
    let bound = if dialect == Dialect::Sqlite { "?" } else { "CAST(? AS SIGNED)" };
    let text = format!("{with}SELECT id FROM (\n{}\n) AS segflow_q", inside.replace(CLOCK, bound));
    (!printer.over()).then_some(Sql { text, tables, ids, clock })
}
