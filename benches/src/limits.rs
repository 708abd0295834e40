//! What the disk and the databases do at most, asked by the shortest way there is.

use std::io::Write;
use std::time::Duration;

use anyhow::Result;
use sqlx::mysql::MySqlArguments;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Arguments, AssertSqlSafe, Connection, Executor, MySqlConnection, SqliteConnection};

use crate::database::{self, Database, Kind};
use crate::now;

/// How long each limit is measured.
const WHILE: Duration = Duration::from_secs(2);

/// How often per second the disk can be told to keep 4 KiB more.
pub fn fsyncs() -> Result<f64> {
    let mut file = tempfile::tempfile_in(database::scratch()?)?;
    let block = [7u8; 4096];
    let (started, mut count) = (now(), 0);
    while started.elapsed() < WHILE {
        file.write_all(&block)?;
        file.sync_data()?;
        count += 1;
    }
    Ok(f64::from(count) / started.elapsed().as_secs_f64())
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    Users,
    Events,
}

/// What is written in one transaction.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub of: Of,
    /// Rows of it per transaction, in one statement.
    pub rows: usize,
    /// With as many rows of `inbox`, as the server writes them.
    pub inbox: bool,
    /// Before each commit.
    pub delay: Duration,
}

/// How many rows per second a database takes into its real tables over so many connections, by the shortest way there is.
pub async fn inserts(database: &Database, shape: Shape, connections: usize) -> Result<f64> {
    let mut tasks = vec![];
    for lane in 0..connections {
        let mut raw = Raw::open(database).await?;
        tasks.push(tokio::spawn(async move {
            let prefix = format!("raw-{:x}-{lane}", crate::random::seed());
            let (started, mut rows) = (now(), 0);
            while started.elapsed() < WHILE {
                raw.transaction(&prefix, rows, shape).await?;
                rows += shape.rows;
            }
            anyhow::Ok(rows as f64 / started.elapsed().as_secs_f64())
        }));
    }
    let mut sum = 0.0;
    for task in tasks {
        sum += task.await??;
    }
    Ok(sum)
}

enum Raw {
    Sqlite(SqliteConnection),
    MySql(MySqlConnection),
}

const USERS: (&str, &str) = (
    "users (workspace, id, bucket, incarnation, attributes, email, seq, evaluated, created_at, updated_at)",
    "('raw', ?, 0, 'usr_0123456789abcdef0123456789abcdef', ?, ?, 0, 0, 1, 1)",
);
const EVENTS: (&str, &str) =
    ("events (workspace, user_id, id, name, attributes, occurred_at, received_at)", "('raw', ?, ?, 'visit', ?, 1, 1)");
const INBOX: (&str, &str) =
    ("inbox (bucket, workspace, user_id, event_id, hops, historical)", "(0, 'raw', ?, NULL, 0, 0)");

impl Raw {
    async fn open(database: &Database) -> Result<Raw> {
        Ok(match database.kind {
            Kind::Sqlite => {
                let options = SqliteConnectOptions::new()
                    .filename(database.url.trim_start_matches("sqlite://"))
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .pragma("cache_size", "-65536");
                Raw::Sqlite(SqliteConnection::connect_with(&options).await?)
            }
            Kind::MySql => {
                let mut connection = MySqlConnection::connect(&database.url).await?;
                connection.execute("SET SESSION transaction_isolation = 'READ-COMMITTED'").await?;
                Raw::MySql(connection)
            }
        })
    }

    async fn transaction(&mut self, prefix: &str, first: usize, shape: Shape) -> Result<()> {
        let ids: Vec<String> = (first..first + shape.rows).map(|number| format!("{prefix}-{number}")).collect();
        self.execute("BEGIN").await?;
        match shape.of {
            Of::Users => {
                let users = ids.iter().flat_map(|id| {
                    let email = format!("{id}@bench.example");
                    let attributes = format!(r#"{{"email":"{email}","username":"User","winback":false}}"#);
                    [id.clone(), attributes, email]
                });
                self.insert(USERS, shape.rows, users.collect()).await?;
            }
            Of::Events => {
                let events = ids.iter().flat_map(|id| [id.clone(), id.clone(), r#"{"value":7}"#.to_string()]);
                self.insert(EVENTS, shape.rows, events.collect()).await?;
            }
        }
        if shape.inbox {
            self.insert(INBOX, shape.rows, ids).await?;
        }
        if !shape.delay.is_zero() {
            tokio::time::sleep(shape.delay).await;
        }
        self.execute("COMMIT").await
    }

    async fn execute(&mut self, sql: &'static str) -> Result<()> {
        match self {
            Raw::Sqlite(connection) => connection.execute(sql).await.map(drop)?,
            Raw::MySql(connection) => connection.execute(sql).await.map(drop)?,
        }
        Ok(())
    }

    async fn insert(&mut self, (into, row): (&str, &str), rows: usize, values: Vec<String>) -> Result<()> {
        let sql = AssertSqlSafe(format!("INSERT INTO {into} VALUES {}", vec![row; rows].join(",")));
        match self {
            Raw::Sqlite(connection) => {
                let mut arguments = SqliteArguments::default();
                for value in values {
                    arguments.add(value).map_err(|e| anyhow::anyhow!(e))?;
                }
                sqlx::query_with(sql, arguments).execute(connection).await?;
            }
            Raw::MySql(connection) => {
                let mut arguments = MySqlArguments::default();
                for value in values {
                    arguments.add(value).map_err(|e| anyhow::anyhow!(e))?;
                }
                sqlx::query_with(sql, arguments).execute(connection).await?;
            }
        }
        Ok(())
    }
}
