//! Raw SQL segments: one SELECT of the user's, wrapped so that `users` and `events` are this workspace's and these users'.
//!
//! For now the SQL is in the database's own dialect. The wrapper is what keeps it in its place: names that it reads must be the two
//! tables or its own CTEs, it runs on a connection for reading, and its result is read here and never written by the database.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;

use sqlparser::ast::{ObjectName, Query, Statement, Value as SqlValue, Visit, Visitor};
use sqlparser::dialect::MySqlDialect;
use sqlparser::parser::Parser;

use super::db::{Db, Kind, Value};
use super::{Error, Result};

/// The longest a segment's SQL may run.
const LIMIT: Duration = Duration::from_secs(5);

/// The most users in one query.
const BATCH: usize = 256;

/// Which of these users belong to the segment.
pub async fn members(db: &Db, workspace: &str, sql: &str, ids: &[String], _now: i64) -> Result<BTreeSet<String>> {
    let tables = tables(sql);
    let mut members = BTreeSet::new();
    for part in ids.chunks(BATCH) {
        let size = part.len().next_power_of_two();
        let padded = || part.iter().chain(std::iter::repeat_n(&part[part.len() - 1], size - part.len()));
        let mut args: Vec<Value> = vec![];
        for _ in &tables {
            args.push(Value::from(workspace));
            args.extend(padded().map(Value::from));
        }
        let query = db.read(wrapped(db.kind(), sql, &tables, size), args);
        let rows = tokio::time::timeout(LIMIT, query)
            .await
            .map_err(|_| Error::Internal(format!("it ran longer than {} s", LIMIT.as_secs())))??;
        for row in rows {
            if let Some(id) = row.opt_text(0)? {
                members.insert(id);
            }
        }
    }
    members.retain(|id| ids.contains(id));
    Ok(members)
}

/// Those of the two tables that the SQL reads. MySQL gives the placeholders of one that it does not read no type, and the query fails.
fn tables(sql: &str) -> Vec<&'static str> {
    let mut names = Names::default();
    let _ = Parser::parse_sql(&MySqlDialect {}, sql).unwrap_or_default().visit(&mut names);
    let read = |table: &str| names.relations.iter().any(|name| name.eq_ignore_ascii_case(table));
    ["users", "events"].into_iter().filter(|table| read(table)).collect()
}

fn wrapped(kind: Kind, sql: &str, tables: &[&str], users: usize) -> String {
    // A CTE does not see itself, but SQLite looks for its name there first: `main.` says which is meant.
    let schema = if kind == Kind::Sqlite { "main." } else { "" };
    let list = vec!["?"; users].join(",");
    let scoped = tables.iter().map(|table| match *table {
        "users" => format!(
            "users AS (SELECT id, attributes, created_at, updated_at FROM {schema}users WHERE workspace = ? AND id IN ({list}))"
        ),
        _ => format!(
            "events AS (SELECT id, user_id, name, attributes, occurred_at FROM {schema}events WHERE workspace = ? AND user_id IN ({list}))"
        ),
    });
    let scoped: Vec<String> = scoped.collect();
    let with = if scoped.is_empty() { String::new() } else { format!("WITH {} ", scoped.join(", ")) };
    let sql = sql.trim().trim_end_matches(';');
    format!("{with}SELECT id FROM (\n{sql}\n) q")
}

/// Whether a segment's SQL can be used on this database; the error says why not.
pub async fn check(db: &Db, sql: &str) -> std::result::Result<(), String> {
    parse(sql)?;
    match members(db, "", sql, &[String::new()], 0).await {
        Ok(_) => Ok(()),
        Err(Error::Sql(error)) => Err(match error.as_database_error() {
            Some(e) => format!("the database refuses it: {}", e.message()),
            None => format!("it cannot be run: {error}"),
        }),
        Err(error) => Err(error.to_string()),
    }
}

fn parse(sql: &str) -> std::result::Result<(), String> {
    let statements = Parser::parse_sql(&MySqlDialect {}, sql).map_err(|e| format!("it is not SQL: {e}"))?;
    let [Statement::Query(query)] = statements.as_slice() else {
        return Err("it must be one SELECT that answers the ids of users".into());
    };
    let mut names = Names::default();
    let _ = query.visit(&mut names);
    for name in &names.relations {
        if name.contains('.') {
            return Err(format!("it reads `{name}`: only `users` and `events` are there, without a schema"));
        }
        let known = ["users", "events"].iter().any(|t| name.eq_ignore_ascii_case(t));
        if !known && !names.ctes.contains(&name.to_lowercase()) {
            return Err(format!("it reads `{name}`: only `users` and `events` are there"));
        }
    }
    if let Some(cte) = names.ctes.iter().find(|cte| ["users", "events"].contains(&cte.as_str())) {
        return Err(format!("it names a part of its own `{cte}`, which is one of the two tables: choose another name"));
    }
    if names.placeholder {
        return Err("it has a placeholder (`?`), and nothing to put there".into());
    }
    if !names.locks.is_empty() {
        return Err("it locks rows: a segment only reads".into());
    }
    Ok(())
}

#[derive(Default)]
struct Names {
    relations: Vec<String>,
    ctes: BTreeSet<String>,
    locks: Vec<String>,
    placeholder: bool,
}

impl Visitor for Names {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.ctes.insert(cte.alias.name.value.to_lowercase());
        }
        self.locks.extend(query.locks.iter().map(ToString::to_string));
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let parts: Vec<String> = relation.0.iter().map(|p| p.to_string().trim_matches('`').to_string()).collect();
        self.relations.push(parts.join("."));
        ControlFlow::Continue(())
    }

    fn pre_visit_value(&mut self, value: &sqlparser::ast::ValueWithSpan) -> ControlFlow<()> {
        self.placeholder |= matches!(value.value, SqlValue::Placeholder(_));
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::{parse, tables};

    #[test]
    fn only_tables_that_are_read_are_given() {
        assert_eq!(tables("SELECT id FROM users"), ["users"]);
        assert_eq!(tables("WITH big AS (SELECT user_id AS id FROM Events) SELECT id FROM big"), ["events"]);
        assert_eq!(tables("SELECT u.id FROM users u JOIN events e ON e.user_id = u.id"), ["users", "events"]);
        assert_eq!(tables("SELECT 'ada' AS id"), [""; 0]);
    }

    #[test]
    fn what_is_refused_says_why() {
        for (sql, why) in [
            ("DELETE FROM users", "one SELECT"),
            ("SELECT id FROM users; SELECT id FROM users", "one SELECT"),
            ("SELECT id FROM mysql.user", "mysql.user"),
            ("SELECT id FROM api_keys", "api_keys"),
            ("SELECT id FROM users WHERE id IN (SELECT hash FROM `api_keys`)", "api_keys"),
            ("WITH users AS (SELECT 1 id) SELECT id FROM users", "one of the two tables"),
            ("SELECT id FROM users WHERE id = ?", "placeholder"),
            ("SELECT id FROM users FOR UPDATE", "locks"),
            ("SELEC id", "not SQL"),
            ("", "one SELECT"),
        ] {
            let error = parse(sql).expect_err(sql);
            assert!(error.contains(why), "{sql}: {error}");
        }
        for sql in [
            "SELECT id FROM users WHERE attributes->'$.winback' = true",
            "SELECT u.id FROM users u JOIN events e ON e.user_id = u.id WHERE e.name = 'what?' GROUP BY u.id",
            "WITH big AS (SELECT user_id AS id FROM events) SELECT id FROM big",
        ] {
            parse(sql).expect(sql);
        }
    }
}
