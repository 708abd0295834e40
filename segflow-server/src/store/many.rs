//! Statements over many rows. Their sizes are small or powers of two, so that each database prepares some statements and keeps them.

use super::Result;
use super::db::{Db, Kind, Row, Tx, Value};

/// The most rows in one statement, and the most texts in a list.
const MOST: usize = 256;

/// The most numbers in a list.
const NUMBERS: usize = 1_024;

/// Up to so many rows are one statement, whatever their number: most groups of a quiet server are small, and each statement is a round
/// trip.
const FEW: usize = 16;

/// The most bytes of one statement over MySQL: what fits in one TLS record. A longer one goes out in several writes to a socket that waits
/// for the acknowledgement of each before it sends the next (the driver leaves Nagle's algorithm on): 40 ms instead of one or two.
const RECORD: usize = 15_000;

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
        let size = match tx.kind() {
            Kind::Sqlite => part(rows.len()),
            Kind::MySql | Kind::MariaDb => part(in_a_record(&rows)),
        };
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

/// How many of these rows, the first of them, fit into one record; at least one.
fn in_a_record(rows: &[impl AsRef<[Value]>]) -> usize {
    let mut bytes = 0;
    let fits = rows.iter().take_while(|row| {
        bytes += row.as_ref().iter().map(on_the_wire).sum::<usize>();
        bytes <= RECORD
    });
    fits.count().max(1)
}

/// About what a value takes in a statement: itself, its type, and its length where it has one.
fn on_the_wire(value: &Value) -> usize {
    match value {
        Value::Null => 2,
        Value::Int(_) => 10,
        Value::Text(text) => text.len() + 5,
        Value::Blob(blob) => blob.len() + 5,
    }
}

fn insert_sql(kind: Kind, table: &Table, size: usize) -> String {
    let row = format!("({})", vec!["?"; table.columns.len()].join(","));
    let rows = vec![row; size].join(",");
    let existing = kind.existing(table);
    format!("INSERT INTO {} ({}) VALUES {rows}{existing}", table.name, table.columns.join(","))
}

/// Where a statement with a list in it is run.
pub enum On<'a> {
    /// Inside a transaction.
    Tx(&'a mut Tx),
    Db(&'a Db),
}

impl On<'_> {
    pub fn kind(&self) -> Kind {
        match self {
            On::Tx(tx) => tx.kind(),
            On::Db(db) => db.kind(),
        }
    }

    pub async fn rows(&mut self, sql: impl Into<String>, args: Vec<Value>) -> Result<Vec<Row>> {
        match self {
            On::Tx(tx) => tx.rows(sql, args).await,
            On::Db(db) => db.read(sql, args).await,
        }
    }
}

/// Runs a query for each part of a long list: `{}` in `sql` becomes the placeholders of the list, which come after `before`.
pub async fn select_in(on: &mut On<'_>, sql: &str, before: &[Value], mut list: &[Value]) -> Result<Vec<Row>> {
    let mut found = vec![];
    while !list.is_empty() {
        let (part, rest) = list.split_at(piece(on.kind(), list));
        let (sql, args) = with_list(sql, before, part);
        found.extend(on.rows(sql, args).await?);
        list = rest;
    }
    Ok(found)
}

/// Runs a query for each part of a long list of pairs: `{}` in `sql` becomes `(?,?),…`, whose values come between `before` and `after`.
pub async fn select_pairs(
    on: &mut On<'_>,
    sql: &str,
    before: &[Value],
    mut list: &[[Value; 2]],
    after: &[Value],
) -> Result<Vec<Row>> {
    let mut found = vec![];
    while !list.is_empty() {
        let size = match on.kind() {
            Kind::Sqlite => part(list.len()),
            Kind::MySql | Kind::MariaDb => part(in_a_record(list)),
        };
        let (piece, rest) = list.split_at(size);
        let sql = sql.replace("{}", &vec!["(?,?)"; size].join(","));
        let args = before.iter().chain(piece.iter().flatten()).chain(after).cloned().collect();
        found.extend(on.rows(sql, args).await?);
        list = rest;
    }
    Ok(found)
}

/// The same for a statement that writes; the number of rows touched.
pub async fn run_in(tx: &mut Tx, sql: &str, before: &[Value], mut list: &[Value]) -> Result<u64> {
    let mut touched = 0;
    while !list.is_empty() {
        let (part, rest) = list.split_at(piece(tx.kind(), list));
        let (sql, args) = with_list(sql, before, part);
        touched += tx.run(sql, args).await?;
        list = rest;
    }
    Ok(touched)
}

/// How much of a list goes into one statement.
fn piece(kind: Kind, list: &[Value]) -> usize {
    let most = list.len().min(if matches!(list.first(), Some(Value::Int(_))) { NUMBERS } else { MOST });
    let bytes: usize = list[..most].iter().map(on_the_wire).sum();
    if kind == Kind::Sqlite || bytes <= RECORD {
        return most;
    }
    let fits = (most * RECORD / bytes).max(1);
    // A power of two, so that filling it up makes it no longer.
    1 << fits.ilog2()
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
    fn what_mysql_is_sent_fits_in_a_record() {
        let row = |bytes: usize| vec![Value::Int(1), Value::from("x".repeat(bytes))];
        assert_eq!(in_a_record(&vec![row(85); 400]), 150);
        assert_eq!(in_a_record(&[row(10), row(20_000), row(10)]), 1);
        assert_eq!(in_a_record(&[row(20_000), row(10)]), 1);
    }

    #[test]
    fn long_lists_go_in_pieces() {
        let (numbers, ids) = (vec![Value::Int(7); 3_000], vec![Value::from("x".repeat(36)); 3_000]);
        assert_eq!([piece(Kind::MySql, &numbers), piece(Kind::MySql, &ids)], [1_024, 256]);
        let long = vec![Value::from("x".repeat(250)); 300];
        assert_eq!([piece(Kind::MySql, &long), piece(Kind::Sqlite, &long)], [32, 256]);
        assert_eq!(piece(Kind::MySql, &[Value::from("x".repeat(40_000))]), 1);
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
