//! The databases, and what has to be said to each in its own way. Queries of the project's own are translated in [`sql`](super::sql).

use std::time::Duration;

use sqlx::migrate::{Migration, Migrator};
use sqlx::mysql::MySqlDatabaseError;
use sqlx::{AssertSqlSafe, SqlSafeStr};

use super::Error;
use super::many::{Existing, Table};

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    MySql,
    /// Spoken to as MySQL is.
    MariaDb,
}

impl Kind {
    /// Of a server that gives this as its version.
    pub fn of_server(version: &str) -> Kind {
        if version.contains("MariaDB") { Kind::MariaDb } else { Kind::MySql }
    }

    /// The schema, step by step.
    pub fn migrations(self) -> Migrator {
        match self {
            Kind::Sqlite => sqlx::migrate!("../migrations/sqlite"),
            Kind::MySql => sqlx::migrate!("../migrations/mysql"),
            Kind::MariaDb => Migrator::with_migrations(Kind::MySql.migrations().iter().map(for_mariadb).collect()),
        }
    }

    /// What follows the rows of an INSERT.
    pub fn existing(self, table: &Table) -> String {
        let each = |columns: &[&str], set: fn(&str) -> String| {
            columns.iter().map(|column| set(column)).collect::<Vec<_>>().join(", ")
        };
        match (&table.existing, self) {
            (Existing::Fails, _) => String::new(),
            (Existing::Stays, Kind::Sqlite) => format!(" ON CONFLICT ({}) DO NOTHING", table.key.join(",")),
            (Existing::Stays, _) => format!(" ON DUPLICATE KEY UPDATE {0} = {1}.{0}", table.key[0], table.name),
            (Existing::Takes(columns), Kind::Sqlite) => {
                let set = each(columns, |c| format!("{c} = excluded.{c}"));
                format!(" ON CONFLICT ({}) DO UPDATE SET {set}", table.key.join(","))
            }
            (Existing::Takes(columns), _) => {
                format!(" ON DUPLICATE KEY UPDATE {}", each(columns, |c| format!("{c} = VALUES({c})")))
            }
        }
    }

    /// A query that the server stops after a time. SQLite has no server: there it is a handler of the connection.
    pub fn limited(self, sql: &str, limit: Duration) -> String {
        match self {
            Kind::Sqlite => sql.to_string(),
            // Not a variable of the session: setting it, and setting it back, would be two more round trips.
            Kind::MySql => {
                let hint = format!("/*+ MAX_EXECUTION_TIME({}) */", limit.as_millis());
                format!("SELECT {hint} * FROM (\n{sql}\n) AS segflow_limited")
            }
            Kind::MariaDb => format!("SET STATEMENT max_statement_time = {} FOR {sql}", limit.as_secs_f64()),
        }
    }
}

/// MariaDB has the collation that compares byte for byte, and takes blanks at the end as they are, under another name.
fn for_mariadb(step: &Migration) -> Migration {
    let sql = step.sql.as_str().replace("utf8mb4_0900_bin", "utf8mb4_nopad_bin");
    Migration { sql: AssertSqlSafe(sql).into_sql_str(), ..step.clone() }
}

/// Whether the database stopped a query at its limit.
pub(super) fn is_stopped(error: &Error) -> bool {
    let Error::Sql(error) = error else { return false };
    let Some(error) = error.as_database_error() else { return false };
    match error.try_downcast_ref::<MySqlDatabaseError>() {
        // 3024: MAX_EXECUTION_TIME was exceeded; 1969: max_statement_time was.
        Some(mysql) => matches!(mysql.number(), 3024 | 1969),
        // 9: SQLITE_INTERRUPT.
        None => error.code().is_some_and(|code| code == "9"),
    }
}

/// The sum of a column of whole numbers, as text: it may be larger than any of them can be, and each database has a type of its own for it.
pub(crate) fn total(kind: Kind, column: &str) -> String {
    match kind {
        Kind::Sqlite => format!("CAST(TOTAL({column}) AS TEXT)"),
        Kind::MySql | Kind::MariaDb => format!("CAST(COALESCE(SUM({column}), 0) AS CHAR)"),
    }
}

/// The values of a column as one, a JSON array.
pub(crate) fn listed(kind: Kind, column: &str) -> String {
    match kind {
        Kind::Sqlite => format!("json_group_array({column})"),
        Kind::MySql | Kind::MariaDb => format!("CAST(JSON_ARRAYAGG({column}) AS CHAR)"),
    }
}

/// The values of two columns as one, a JSON object of the first with the second.
pub(crate) fn mapped(kind: Kind, keys: &str, values: &str) -> String {
    match kind {
        Kind::Sqlite => format!("json_group_object({keys}, {values})"),
        Kind::MySql | Kind::MariaDb => format!("CAST(JSON_OBJECTAGG({keys}, {values}) AS CHAR)"),
    }
}

/// The database's own clock, ms UTC: for leases and call time-outs, never for business.
pub(crate) fn database_now(kind: Kind) -> &'static str {
    match kind {
        Kind::Sqlite => "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
        Kind::MySql | Kind::MariaDb => "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)",
    }
}

/// What follows a SELECT to lock its rows against everybody; SQLite's writer is alone anyway.
pub(crate) fn for_update(kind: Kind) -> &'static str {
    match kind {
        Kind::Sqlite => "",
        Kind::MySql | Kind::MariaDb => " FOR UPDATE",
    }
}

/// What follows a SELECT to keep its rows from changing.
pub(crate) fn for_share(kind: Kind) -> &'static str {
    match kind {
        Kind::Sqlite => "",
        Kind::MySql => " FOR SHARE",
        Kind::MariaDb => " LOCK IN SHARE MODE",
    }
}

/// The table of events, to be read by user and name. An optimizer that thinks a user has few events reads all of them instead.
pub(crate) fn events_by_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Sqlite => "events INDEXED BY events_workspace_user_id_name_occurred_at",
        Kind::MySql | Kind::MariaDb => "events FORCE INDEX (workspace)",
    }
}

/// Endpoints that are to be told something, and when first: one step into an index for each, however much waits.
pub(crate) fn queues(kind: Kind) -> &'static str {
    match kind {
        Kind::Sqlite => {
            "SELECT e.id, e.bucket, e.rests_until, (SELECT d.due_at FROM webhook_deliveries d WHERE d.endpoint = e.id \
             AND d.due_at IS NOT NULL ORDER BY d.due_at LIMIT 1) AS first FROM webhook_endpoints e \
             WHERE e.disabled_at IS NULL AND first IS NOT NULL"
        }
        // It would sort all of an endpoint's there; and SQLite would go through all of the index here.
        Kind::MySql | Kind::MariaDb => {
            "SELECT e.id, e.bucket, e.rests_until, d.first FROM webhook_endpoints e JOIN (SELECT endpoint, MIN(due_at) AS first \
             FROM webhook_deliveries FORCE INDEX (endpoint) WHERE due_at IS NOT NULL GROUP BY endpoint) d ON d.endpoint = e.id \
             WHERE e.disabled_at IS NULL"
        }
    }
}
