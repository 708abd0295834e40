//! Statements over many rows. Their sizes are small or powers of two, so that each database prepares some statements and keeps them.

use super::Result;
use super::db::{Db, Kind, Row, Tx, Value};

/// The most rows in one statement.
const MOST: usize = 256;

/// Up to so many rows are one statement, whatever their number: most groups of a quiet server are small, and each statement is a round
/// trip.
const FEW: usize = 16;

/// A table to be written, row by row, with what happens to rows that are there already.
pub struct Table {
    pub name: &'static str,
    pub columns: &'static [&'static str],
    /// The columns of the primary key (or of the unique key that may collide).
    pub key: &'static [&'static str],
    pub existing: Existing,
}

/// What happens to a row whose key is there already.
pub enum Existing {
    /// The statement fails.
    Fails,
    /// The row stays as it is.
    Stays,
    /// These columns are overwritten.
    Takes(&'static [&'static str]),
}

/// Inserts rows, each with one value per column.
pub async fn insert(tx: &mut Tx, table: &Table, mut rows: Vec<Vec<Value>>) -> Result<()> {
    while !rows.is_empty() {
        let size = part(rows.len());
        let rest = rows.split_off(size);
        let sql = insert_sql(tx.kind(), table, size);
        tx.run(sql, rows.into_iter().flatten().collect()).await?;
        rows = rest;
    }
    Ok(())
}

/// How many of so many rows are written at once: all of a few, else a power of two.
fn part(rows: usize) -> usize {
    if rows <= FEW { rows } else { 1 << rows.min(MOST).ilog2() }
}

fn insert_sql(kind: Kind, table: &Table, size: usize) -> String {
    let row = format!("({})", vec!["?"; table.columns.len()].join(","));
    let rows = vec![row; size].join(",");
    let existing = match (&table.existing, kind) {
        (Existing::Fails, _) => String::new(),
        (Existing::Stays, Kind::Sqlite) => format!(" ON CONFLICT ({}) DO NOTHING", table.key.join(",")),
        (Existing::Stays, Kind::MySql) => format!(" ON DUPLICATE KEY UPDATE {0} = {1}.{0}", table.key[0], table.name),
        (Existing::Takes(columns), Kind::Sqlite) => {
            let set: Vec<String> = columns.iter().map(|c| format!("{c} = excluded.{c}")).collect();
            format!(" ON CONFLICT ({}) DO UPDATE SET {}", table.key.join(","), set.join(", "))
        }
        (Existing::Takes(columns), Kind::MySql) => {
            let set: Vec<String> = columns.iter().map(|c| format!("{c} = VALUES({c})")).collect();
            format!(" ON DUPLICATE KEY UPDATE {}", set.join(", "))
        }
    };
    format!("INSERT INTO {} ({}) VALUES {rows}{existing}", table.name, table.columns.join(","))
}

/// Where a statement with a list in it is run.
pub enum On<'a> {
    /// Inside a transaction.
    Tx(&'a mut Tx),
    Db(&'a Db),
}

/// Runs a query for each part of a long list: `{}` in `sql` becomes the placeholders of the list, which come after `before`.
pub async fn select_in(on: &mut On<'_>, sql: &str, before: &[Value], list: &[Value]) -> Result<Vec<Row>> {
    let mut found = vec![];
    for part in list.chunks(MOST) {
        let (sql, args) = with_list(sql, before, part);
        found.extend(match on {
            On::Tx(tx) => tx.rows(sql, args).await?,
            On::Db(db) => db.read(sql, args).await?,
        });
    }
    Ok(found)
}

/// The same for a statement that writes; the number of rows touched.
pub async fn run_in(tx: &mut Tx, sql: &str, before: &[Value], list: &[Value]) -> Result<u64> {
    let mut touched = 0;
    for part in list.chunks(MOST) {
        let (sql, args) = with_list(sql, before, part);
        touched += tx.run(sql, args).await?;
    }
    Ok(touched)
}

fn with_list(sql: &str, before: &[Value], list: &[Value]) -> (String, Vec<Value>) {
    let size = list.len().next_power_of_two();
    let padding = list.last().into_iter().cycle().take(size - list.len());
    let args = before.iter().chain(list).chain(padding).cloned().collect();
    (sql.replace("{}", &vec!["?"; size].join(",")), args)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_written_in_few_statements() {
        let mut parts = vec![];
        let mut left = 271;
        while left > 0 {
            parts.push(part(left));
            left -= part(left);
        }
        assert_eq!(parts, [256, 15]);
    }

    #[test]
    fn lists_are_padded_to_powers_of_two() {
        let list: Vec<Value> = [1i64, 2, 3].map(Value::from).to_vec();
        let (sql, args) = with_list("a = ? AND id IN ({})", &[Value::from("w")], &list);
        assert_eq!(sql, "a = ? AND id IN (?,?,?,?)");
        assert_eq!(args.len(), 5);
        assert_eq!(args[4], Value::Int(3));
    }
}
