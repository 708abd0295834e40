//! A database for one test.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use segflow_server::store::db::{Db, Kind, Row};
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection, Row as _};
use tempfile::TempDir;

/// Made for one test; gone when the last handle on it is dropped.
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    kind: Kind,
    url: String,
    /// The name of a MySQL database, and the server it is on.
    name: String,
    server: String,
    folder: TempDir,
}

impl Database {
    pub async fn create(kind: Kind) -> Database {
        match kind {
            Kind::Sqlite => {
                let folder = tempfile::tempdir().expect("a folder");
                let url = format!("sqlite://{}", folder.path().join("segflow.db").display());
                Database(Arc::new(Inner { kind, url, name: String::new(), server: String::new(), folder }))
            }
            Kind::MySql => Database::on(kind, &mysql()).await,
            Kind::MariaDb => Database::on(kind, &mariadb().expect("somebody looked whether there is one")).await,
        }
    }

    /// On a server of MySQL's, or of MariaDB's.
    pub async fn on(kind: Kind, server: &str) -> Database {
        let name = format!("segflow_test_{}", random());
        execute(server, &format!("CREATE DATABASE {name}")).await;
        let (url, server) = (format!("{server}/{name}"), server.to_string());
        let folder = tempfile::tempdir().expect("a folder");
        Database(Arc::new(Inner { kind, url, name, server, folder }))
    }

    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Another database with all that stands in this one, as when a back-up is restored. No server may live on it meanwhile.
    pub async fn copy(&self) -> Database {
        if self.0.kind == Kind::Sqlite {
            let copy = Database::create(Kind::Sqlite).await;
            std::fs::copy(self.folder().join("segflow.db"), copy.folder().join("segflow.db")).expect("copied");
            return copy;
        }
        let copy = Database::on(self.0.kind, &self.0.server).await;
        let columns = "SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS \
                       WHERE TABLE_SCHEMA = DATABASE() AND GENERATION_EXPRESSION = '' ORDER BY ORDINAL_POSITION";
        let mut tables = BTreeMap::<String, Vec<String>>::new();
        for row in self.rows(columns).await {
            let (table, column) = (row.text(0).expect("a table"), row.text(1).expect("a column"));
            tables.entry(table).or_default().push(format!("`{column}`"));
        }
        for (table, columns) in tables {
            let (from, to) = (format!("{}.`{table}`", self.0.name), format!("{}.`{table}`", copy.0.name));
            let columns = columns.join(", ");
            execute(&self.0.server, &format!("CREATE TABLE {to} LIKE {from}")).await;
            execute(&self.0.server, &format!("INSERT INTO {to} ({columns}) SELECT {columns} FROM {from}")).await;
        }
        copy
    }

    pub fn url(&self) -> String {
        self.0.url.clone()
    }

    /// A folder that lives as long as the database.
    pub fn folder(&self) -> PathBuf {
        self.0.folder.path().to_path_buf()
    }

    /// A connection of one's own, beside the server's.
    pub async fn open(&self) -> Db {
        Db::open(&self.0.url, std::time::Duration::ZERO).await.expect("the database opens")
    }

    /// The sessions of MySQL that use this database.
    pub async fn sessions(&self) -> Vec<u64> {
        let mut connection = MySqlConnection::connect(&self.0.server).await.expect("MySQL answers");
        // Not from information_schema: that shows statements too, and stumbles over the binary ones.
        let threads = "SELECT processlist_id FROM performance_schema.threads WHERE type = 'FOREGROUND'";
        let sql = format!("{threads} AND processlist_db = '{}'", self.0.name);
        let sessions = connection.fetch_all(AssertSqlSafe(sql)).await.expect("a list");
        connection.close().await.expect("closed");
        sessions.iter().map(|row| row.get(0)).collect()
    }

    /// How many rows MySQL has read in this database so far.
    pub async fn rows_examined(&self) -> u64 {
        let mut connection = MySqlConnection::connect(&self.0.server).await.expect("MySQL answers");
        // By table, not by statement: there are only so many different statements that MySQL counts.
        let tables = "performance_schema.table_io_waits_summary_by_table";
        let sql = format!(
            "SELECT CAST(COALESCE(SUM(count_fetch), 0) AS UNSIGNED) FROM {tables} WHERE object_schema = '{}'",
            self.0.name
        );
        let row = connection.fetch_one(AssertSqlSafe(sql)).await.expect("a number");
        connection.close().await.expect("closed");
        row.get(0)
    }

    /// Ends all of them; how many.
    pub async fn kill_sessions(&self) -> usize {
        let sessions = self.sessions().await;
        let mut connection = MySqlConnection::connect(&self.0.server).await.expect("MySQL answers");
        for session in &sessions {
            // It may have ended by itself.
            let _ = connection.execute(AssertSqlSafe(format!("KILL CONNECTION {session}"))).await;
        }
        connection.close().await.expect("closed");
        sessions.len()
    }

    /// Runs statements that MySQL does not prepare.
    pub async fn define(&self, statements: &[&'static str]) {
        let mut connection = MySqlConnection::connect(&self.0.url).await.expect("MySQL answers");
        for sql in statements {
            connection.execute(*sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        }
        connection.close().await.expect("closed");
    }

    pub async fn rows(&self, sql: &str) -> Vec<Row> {
        let db = self.open().await;
        let rows = db.read(sql, vec![]).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        db.close().await;
        rows
    }

    pub async fn count(&self, sql: &str) -> i64 {
        self.rows(sql).await[0].int(0).expect("a number")
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.name.is_empty() {
            return;
        }
        let (server, sql) = (self.server.clone(), format!("DROP DATABASE {}", self.name));
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(execute(&server, &sql));
        });
        let _ = dropping.join();
    }
}

/// The server that tests make their databases on.
pub fn mysql() -> String {
    let url = std::env::var("SEGFLOW_TEST_MYSQL").ok().filter(|url| !url.is_empty());
    let url = url.expect("SEGFLOW_TEST_MYSQL is not set: run `cargo xtask test`, which starts a MySQL server");
    url.trim_end_matches('/').to_string()
}

/// The same of MariaDB's, where one can be had.
pub fn mariadb() -> Option<String> {
    let url = std::env::var("SEGFLOW_TEST_MARIADB").ok().filter(|url| !url.is_empty())?;
    Some(url.trim_end_matches('/').to_string())
}

async fn execute(server: &str, sql: &str) {
    let mut connection = MySqlConnection::connect(server).await.expect("the MySQL server answers");
    connection.execute(AssertSqlSafe(sql.to_string())).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    connection.close().await.expect("closed");
}

/// Sixteen hex digits.
pub fn random() -> String {
    let mut bytes = [0u8; 8];
    getrandom::fill(&mut bytes).expect("random numbers");
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
