//! Raw SQL segments: what a user writes in MySQL's dialect, checked and written anew for each database.
//!
//! [`check`] parses the text and takes it over, part by part, into a small typed form of our own ([`ir`]); what has no place there is
//! refused, with the place in the text and what to do. [`Checked::sql`] writes that form for a database. Nothing of the user's text
//! gets through but names of letters and digits, numbers, and text that is quoted anew.
//!
//! # What is bound
//!
//! Placeholders come in this order: for each of [`Sql::tables`], the workspace, for events the instant that counts as now, in ms UTC, and
//! then [`Sql::ids`] ids of users (the last one repeated when there are fewer); then the same instant [`Sql::clock`] times.
//!
//! # What it means
//!
//! Its semantics are MySQL's, which SQLite and MariaDB are made to follow, but:
//!
//! - Dates are ms UTC on every database. Text is taken for a date when it stands beside one, if it is `2026-01-31`, or that with
//!   `T09:00`, seconds, a fraction, and `Z` or an offset; without an offset it is UTC. Other text is NULL there.
//! - Numbers are doubles: `0.1 + 0.2` is not `0.3`, 1 / 3 has all its digits, ROUND goes away from zero, CAST to DECIMAL rounds.
//! - Text is compared byte for byte, and blanks at the end count. LIKE tells capitals from small letters.
//! - An event that is still to come is not there yet.
//! - NOW() has milliseconds, and is the same instant in the whole query.
//!
//! # Where databases still differ
//!
//! - LOWER and UPPER know only ASCII on SQLite.
//! - Text of JSON objects and arrays (`->>` of one) has blanks on MySQL; numbers with an exponent or of more than 15 digits may be
//!   written otherwise, and order or equality of whole objects and arrays is each database's own.
//! - `[0]` of what is no array is the value itself on MySQL and NULL elsewhere.
//! - JSON_CONTAINS also looks into arrays inside the array on MySQL and MariaDB.
//! - Whole numbers above 2^53 are exact on MySQL and SQLite until they are calculated with, and not on MariaDB.
//! - 59.9995 seconds and more are 59.999 on SQLite, and the next minute elsewhere.
//! - A subquery in HAVING that uses a column of the outer query that is not grouped by: MySQL refuses it when it is prepared.
//! - Text with U+0000 in it ends there on SQLite.

mod anchors;
#[cfg(test)]
mod attacks;
mod casts;
mod compare;
mod dates;
mod dialect;
mod exprs;
mod functions;
mod ir;
mod json;
mod names;
mod paths;
mod place;
mod print;
mod queries;
mod reads;
mod selects;
mod tables;
#[cfg(test)]
mod tests;
mod text;
mod times;
mod values;
mod write;

use sqlparser::ast::{Spanned, Statement};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Span;

pub use functions::LISTED;
pub use ir::Table;
pub use place::Refused;
pub use reads::{Attributes, Reads};
pub use write::{Dialect, Sql};

/// A segment's SQL that may run.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    query: ir::Query,
    reads: Reads,
    clock_at: Span,
    others_at: Span,
}

impl Checked {
    /// The query as it runs, for so many users, or with 0 for all. A caller passes few different numbers, so that statements are
    /// prepared once.
    pub fn sql(&self, dialect: Dialect, ids: usize) -> Sql {
        write::scoped(&self.query, &self.reads, dialect, ids).expect("check() wrote it for every database")
    }

    /// The same text refused after all, because it reads the clock.
    pub fn refused_at_clock(&self, sql: &str, message: &str) -> Refused {
        Refused::at(self.clock_at, message).within(sql)
    }

    /// Or because it reads other users' rows.
    pub fn refused_at_others(&self, sql: &str, message: &str) -> Refused {
        Refused::at(self.others_at, message).within(sql)
    }

    /// What its answer depends on.
    pub fn reads(&self) -> &Reads {
        &self.reads
    }
}

/// The parser and its tree go as deep as the text nests, and what overflows a stack ends the whole server. The longest text that there can
/// be has room in this.
const STACK: usize = 64 << 20;

/// Takes a user's SQL, or says where and why not.
pub fn check(sql: &str) -> Result<Checked, Refused> {
    let checked = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || checked(sql));
        match thread.map(|thread| thread.join()) {
            Ok(Ok(checked)) => checked,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(error) => Err(text::start(&format!("it cannot be checked at the moment: {error}"))),
        }
    });
    checked.map_err(|refused| refused.within(sql))
}

fn checked(sql: &str) -> Result<Checked, Refused> {
    text::plain(sql)?;
    let statements = Parser::parse_sql(&dialect::Tight, sql).map_err(|error| text::not_parsed(&error.to_string()))?;
    let query = match statements.as_slice() {
        [Statement::Query(query)] => query,
        [] => return Err(text::start("there is nothing here: write a SELECT that gives the ids of users")),
        [_] => return Err(text::start("a segment only reads: write one SELECT that gives the ids of users")),
        [first, second, ..] => {
            let span = second.span();
            let span = if span.start.line == 0 { first.span() } else { span };
            return Err(Refused::at(span, "a segment is one statement: remove what comes after the first"));
        }
    };
    let mut lower = names::Lower::default();
    let mut lowered = lower.query(query, queries::At::Top)?;
    let span = query.body.span();
    let id = match lowered.columns.iter().position(|column| column.name == "id") {
        Some(id) => id,
        None if lowered.columns.len() == 1 => 0,
        None => {
            return Err(Refused::at(
                span,
                "none of the columns is called id: write AS id after the one with the ids of users",
            ));
        }
    };
    if !matches!(lowered.columns[id].ty, ir::Ty::Text | ir::Ty::Null) {
        let message = format!("this gives {}, not the ids of users", lowered.columns[id].ty.name());
        return Err(Refused::at(span, message));
    }
    queries::rename_one(&mut lowered, id, "id");
    let mut reads = lower.reads;
    reads.other_users = !anchors::own_rows(&lowered, id);
    for dialect in [Dialect::Sqlite, Dialect::MySql, Dialect::MariaDb] {
        if write::scoped(&lowered, &reads, dialect, 1).is_none() {
            return Err(Refused::at(span, "this is too much for one query: take it apart into segments"));
        }
    }
    let place = |at: Option<Span>| at.unwrap_or(span);
    Ok(Checked { query: lowered, reads, clock_at: place(lower.clock_at), others_at: place(lower.others_at) })
}
