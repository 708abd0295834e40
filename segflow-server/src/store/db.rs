//! The databases behind one small face: `?` placeholders, a handful of value types, transactions that know how to retry.
//!
//! SQLite has one writer at a time, so there is one write connection, handed from one write to the next in the order they asked.
//! Those that wait for one another share a commit ([`writer`](super::writer)); reads have a pool of their own. MySQL has one pool.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::stream::{Stream, TryStreamExt};
use sqlx::mysql::{MySql, MySqlArguments, MySqlConnectOptions, MySqlPool, MySqlPoolOptions, MySqlRow};
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteRow, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection, Row as _, Transaction};
use tokio::sync::Semaphore;

use super::asking::Breakers;
use super::boundary::{self, Side};
pub use super::kind::Kind;
use super::kind::is_stopped;
use super::writer::{Turn, Writer};
use super::{Error, Result};
use crate::clock::monotonic;

/// How long nothing may be heard in a session of MySQL, where nobody says.
const SILENCE: Duration = Duration::from_secs(5);

/// How long a query is waited for after the database should have stopped it.
const GRACE: Duration = Duration::from_secs(2);

/// How many queries of [`Db::for_guests`] run at once, of the four that there are connections for.
const GUESTS: usize = 2;

/// The most ids that a query may give, in bytes: those of several million users.
const MOST_IDS: usize = 256 << 20;

/// A value to be bound.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Int(i64),
    Text(String),
    Blob(Vec<u8>),
}

macro_rules! into_value {
    ($($from:ty => $make:expr),* $(,)?) => { $(impl From<$from> for Value { fn from(v: $from) -> Value { #[allow(clippy::redundant_closure_call)] ($make)(v) } })* };
}

into_value! {
    i64 => Value::Int,
    i32 => |v| Value::Int(i64::from(v)),
    u32 => |v| Value::Int(i64::from(v)),
    u16 => |v| Value::Int(i64::from(v)),
    bool => |v| Value::Int(i64::from(v)),
    &str => |v: &str| Value::Text(v.to_string()),
    &String => |v: &String| Value::Text(v.clone()),
    String => Value::Text,
    Vec<u8> => Value::Blob,
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(v: Option<T>) -> Value {
        v.map_or(Value::Null, Into::into)
    }
}

/// The values of a statement, in the order of its placeholders.
#[macro_export]
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::store::db::Value::from($value)),*] };
}

/// A row of either database. Columns are read by position; a column of another type is an error of the program.
pub enum Row {
    Sqlite(SqliteRow),
    MySql(MySqlRow),
}

macro_rules! read_column {
    ($row:expr, $at:expr, $ty:ty) => {
        // Unchecked: MySQL's JSON columns are text to us, and its integers come in many widths.
        match $row {
            Row::Sqlite(row) => row.try_get_unchecked::<$ty, _>($at),
            Row::MySql(row) => row.try_get_unchecked::<$ty, _>($at),
        }
        .map_err(Error::from)
    };
}

impl Row {
    pub fn int(&self, at: usize) -> Result<i64> {
        read_column!(self, at, i64)
    }
    pub fn opt_int(&self, at: usize) -> Result<Option<i64>> {
        read_column!(self, at, Option<i64>)
    }
    pub fn flag(&self, at: usize) -> Result<bool> {
        Ok(self.int(at)? != 0)
    }
    pub fn text(&self, at: usize) -> Result<String> {
        read_column!(self, at, String)
    }
    pub fn opt_text(&self, at: usize) -> Result<Option<String>> {
        read_column!(self, at, Option<String>)
    }
    pub fn blob(&self, at: usize) -> Result<Vec<u8>> {
        read_column!(self, at, Vec<u8>)
    }
    pub fn opt_blob(&self, at: usize) -> Result<Option<Vec<u8>>> {
        read_column!(self, at, Option<Vec<u8>>)
    }
}

#[derive(Clone)]
enum Pools {
    Sqlite {
        writer: Writer,
        readers: SqlitePool,
    },
    /// MariaDB, too. The second pool is for raw SQL: its sessions only read.
    MySql(Kind, MySqlPool, MySqlPool),
}

/// Which of the ids that a query gives are kept, each once.
#[derive(Default)]
pub struct Ids {
    /// Only these; `None`: all.
    wanted: Option<BTreeSet<String>>,
    found: BTreeSet<String>,
    bytes: usize,
}

impl Ids {
    pub fn among(wanted: impl Iterator<Item = String>) -> Ids {
        Ids { wanted: Some(wanted.collect()), ..Ids::default() }
    }

    async fn of(
        mut self,
        mut rows: impl Stream<Item = std::result::Result<Row, sqlx::Error>> + Unpin,
    ) -> Result<BTreeSet<String>> {
        while let Some(row) = rows.try_next().await? {
            let Some(id) = row.opt_text(0)? else { continue };
            if self.wanted.as_ref().is_some_and(|wanted| !wanted.contains(&id)) || self.found.contains(&id) {
                continue;
            }
            self.bytes += id.len();
            if self.bytes > MOST_IDS {
                return Err(Error::TooLarge("it gives more ids than there can be users".into()));
            }
            self.found.insert(id);
        }
        Ok(self.found)
    }
}

/// An open database.
#[derive(Clone)]
pub struct Db {
    pools: Pools,
    /// Added to every commit: what a slower disk would do to the figures of a benchmark.
    commit_delay: Duration,
    /// How much SQLite has worked, in steps of its machine: a row that is read is several.
    steps: Arc<AtomicU64>,
    /// Whether raw SQL is asked for somebody who can wait.
    is_guest: bool,
    guests: Arc<Semaphore>,
    /// Raw SQL that has run too long in it.
    pub breakers: Arc<Breakers>,
}

/// A write transaction. Dropped without [`Tx::commit`], it is rolled back.
pub struct Tx {
    inner: Inner,
    commit_delay: Duration,
    /// What it does, where a test wants to know.
    what: &'static str,
}

enum Inner {
    Sqlite(Turn),
    MySql(Kind, Transaction<'static, MySql>),
}

impl Db {
    /// Opens `sqlite://PATH` (created if it is not there) or `mysql://…`, and brings its schema up to date.
    pub async fn open(url: &str, commit_delay: Duration) -> Result<Db> {
        Db::open_within(url, commit_delay, SILENCE).await
    }

    /// The same with sessions that MySQL ends, and whose locks it frees, when nothing is heard in them for `silence`; whole seconds, at
    /// least one.
    pub async fn open_within(url: &str, commit_delay: Duration, silence: Duration) -> Result<Db> {
        let steps = Arc::new(AtomicU64::new(0));
        let pools = if let Some(path) = url.strip_prefix("sqlite://") {
            let options = SqliteConnectOptions::new()
                .filename(path)
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(Duration::from_secs(5))
                .statement_cache_capacity(400)
                // A group's rows come in one go: with little room, reader and read-for wake each other for every one of them.
                .row_buffer_size(1_024)
                // What is deleted is overwritten: erasing a person means it.
                .pragma("secure_delete", "ON")
                .pragma("cache_size", "-32768")
                // Pages are written many times over before they are moved into the file: every 64 MiB rather than every 4.
                .pragma("wal_autocheckpoint", "16384")
                .foreign_keys(false);
            // Pages as they were before a savepoint, of the one write that it is for: on the disk, they were a tenth of all that was written.
            let writing = options.clone().pragma("temp_store", "MEMORY");
            let mut connection = SqliteConnection::connect_with(&writing).await?;
            Kind::Sqlite.migrations().run(&mut connection).await?;
            count_steps(&mut connection, &steps, None).await?;
            let counted = steps.clone();
            let readers = SqlitePoolOptions::new()
                .max_connections(4)
                .after_connect(move |connection, _| {
                    let counted = counted.clone();
                    Box::pin(async move { count_steps(connection, &counted, None).await })
                })
                // Each has a cache of its own; the operating system has the file besides.
                .connect_with(options.read_only(true).pragma("query_only", "ON").pragma("cache_size", "-8192"))
                .await?;
            Pools::Sqlite { writer: Writer::new(connection, commit_delay), readers }
        } else if url.starts_with("mysql://") || url.starts_with("mariadb://") {
            let options: MySqlConnectOptions = url.parse()?;
            let options = options.statement_cache_capacity(400).timezone(Some("+00:00".into()));
            let silence = Duration::from_secs(silence.as_secs().max(1));
            let pool = MySqlPoolOptions::new()
                .acquire_timeout(Duration::from_secs(10))
                // Before MySQL does it.
                .idle_timeout(silence / 2)
                // A connection that was in use a moment ago is not asked first whether it is still there: that is a round trip.
                .test_before_acquire(false)
                .before_acquire(move |connection, about| {
                    let moment = Duration::from_secs(1).min(silence / 4);
                    Box::pin(async move { Ok(about.idle_for < moment || connection.ping().await.is_ok()) })
                })
                .after_connect(move |connection, _| Box::pin(prepare_mysql(connection, silence.as_secs())));
            let readers = pool.clone().max_connections(4).after_connect(move |connection, _| {
                Box::pin(async move {
                    prepare_mysql(connection, silence.as_secs()).await?;
                    connection.execute("SET SESSION TRANSACTION READ ONLY").await.map(drop)
                })
            });
            let readers = readers.connect_lazy_with(options.clone());
            let pool = pool.max_connections(16).connect_with(options).await?;
            let version: String = sqlx::query_scalar("SELECT VERSION()").fetch_one(&pool).await?;
            let kind = Kind::of_server(&version);
            kind.migrations().run(&pool).await?;
            Pools::MySql(kind, pool, readers)
        } else {
            return Err(Error::Url(url.split(':').next().unwrap_or_default().to_string()));
        };
        let guests = Arc::new(Semaphore::new(GUESTS));
        Ok(Db { pools, commit_delay, steps, is_guest: false, guests, breakers: Arc::default() })
    }

    /// The same, for pushes and questions of people: their raw SQL waits for itself, so that connections are left for the engine's.
    pub fn for_guests(&self) -> Db {
        Db { is_guest: true, ..self.clone() }
    }

    /// How many steps SQLite's machine has taken, in thousands: what its queries have cost. MySQL counts rows by itself.
    pub fn thousands_of_steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }

    pub fn kind(&self) -> Kind {
        match self.pools {
            Pools::Sqlite { .. } => Kind::Sqlite,
            Pools::MySql(kind, ..) => kind,
        }
    }

    /// Begins a write transaction.
    pub async fn begin(&self) -> Result<Tx> {
        let inner = match &self.pools {
            Pools::Sqlite { writer, .. } => Inner::Sqlite(writer.turn().await?),
            Pools::MySql(kind, pool, _) => Inner::MySql(*kind, pool.begin().await?),
        };
        Ok(Tx { inner, commit_delay: self.commit_delay, what: "" })
    }

    /// Runs `work` in a transaction of its own task, again after a deadlock or a lock time-out. The caller may go away: what was
    /// begun is finished.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl for<'t> Fn(&'t mut Tx) -> Pin<Box<dyn Future<Output = Result<T>> + Send + 't>> + Send + Sync + 'static,
    ) -> Result<T> {
        let db = self.clone();
        let task = tokio::spawn(async move {
            let mut tries = 0;
            loop {
                let mut tx = db.begin().await?;
                let result = match work(&mut tx).await {
                    Ok(value) => {
                        let what = tx.what;
                        boundary::pass(what, Side::Before);
                        let committed = tx.commit().await;
                        boundary::pass(what, Side::After);
                        committed.map(|()| value)
                    }
                    Err(error) => {
                        tx.undo().await;
                        Err(error)
                    }
                };
                tries += 1;
                match result {
                    Err(error) if error.is_transient() && tries < 10 => {
                        tokio::time::sleep(Duration::from_millis(5 << tries.min(6))).await;
                    }
                    other => return other,
                }
            }
        });
        task.await.map_err(|e| Error::Internal(format!("a write did not finish: {e}")))?
    }

    /// Waits until a write could begin: what is gathered until then goes with it. On MySQL that is at once.
    pub async fn could_write(&self) {
        if let Pools::Sqlite { writer, .. } = &self.pools {
            writer.free().await;
        }
    }

    /// Rows as they are committed now.
    pub async fn read(&self, sql: impl Into<String>, args: Vec<Value>) -> Result<Vec<Row>> {
        let sql = sql.into();
        match &self.pools {
            Pools::Sqlite { readers, .. } => sqlite_rows(&mut *readers.acquire().await?, sql, args).await,
            Pools::MySql(_, pool, _) => mysql_rows(&mut *pool.acquire().await?, sql, args).await,
        }
    }

    pub async fn read_one(&self, sql: impl Into<String>, args: Vec<Value>) -> Result<Option<Row>> {
        Ok(self.read(sql, args).await?.into_iter().next())
    }

    /// What a query of the user's gives in its first column, on a connection that only reads. It may take too long: the database itself
    /// stops it after `limit`, and the connection is free again. It may give more rows than there is room for: one by one they are taken
    /// or let go.
    pub async fn ids_within(
        &self,
        sql: String,
        args: Vec<Value>,
        limit: Duration,
        ids: Ids,
    ) -> Result<BTreeSet<String>> {
        let room = match self.is_guest {
            true => Some(self.guests.clone().acquire_owned().await.expect("it is never closed")),
            false => None,
        };
        let found = match &self.pools {
            Pools::Sqlite { readers, .. } => {
                let (mut connection, steps) = (readers.acquire().await?, self.steps.clone());
                let args = sqlite_args(args)?;
                // In a task of its own: the caller may go away, but the limit must not stay on the connection.
                let task = tokio::spawn(async move {
                    let _room = room;
                    count_steps(&mut connection, &steps, Some(monotonic() + limit)).await?;
                    let query = sqlx::query_with(AssertSqlSafe(sql), args);
                    let found = ids.of(query.fetch(&mut *connection).map_ok(Row::Sqlite)).await;
                    count_steps(&mut connection, &steps, None).await?;
                    found
                });
                let found = tokio::time::timeout(limit + GRACE, task).await;
                found.map(|done| done.unwrap_or_else(|e| Err(Error::Internal(format!("a query did not finish: {e}")))))
            }
            Pools::MySql(kind, _, readers) => {
                let sql = kind.limited(&sql, limit);
                let mut connection = readers.acquire().await?;
                let query = sqlx::query_with(AssertSqlSafe(sql), mysql_args(args)?);
                tokio::time::timeout(limit + GRACE, ids.of(query.fetch(&mut *connection).map_ok(Row::MySql))).await
            }
        };
        match found {
            Ok(Err(error)) if !is_stopped(&error) => Err(error),
            Ok(Ok(found)) => Ok(found),
            _ => Err(Error::TooLong(limit.as_secs_f64())),
        }
    }

    /// Moves what SQLite's log still holds into the file and empties the log.
    pub async fn checkpoint(&self) -> Result<()> {
        match &self.pools {
            Pools::Sqlite { writer, .. } => writer.checkpoint().await?,
            Pools::MySql(..) => {}
        }
        Ok(())
    }

    pub async fn close(&self) {
        match &self.pools {
            Pools::Sqlite { readers, .. } => readers.close().await,
            Pools::MySql(_, pool, readers) => {
                pool.close().await;
                readers.close().await;
            }
        }
    }
}

/// From now on; what still runs at `deadline` is stopped.
async fn count_steps(
    connection: &mut SqliteConnection,
    steps: &Arc<AtomicU64>,
    deadline: Option<Instant>,
) -> std::result::Result<(), sqlx::Error> {
    let steps = steps.clone();
    connection.lock_handle().await?.set_progress_handler(1_000, move || {
        steps.fetch_add(1, Ordering::Relaxed);
        deadline.is_none_or(|deadline| monotonic() < deadline)
    });
    Ok(())
}

async fn prepare_mysql(connection: &mut MySqlConnection, silence: u64) -> std::result::Result<(), sqlx::Error> {
    let sql = format!(
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; SET SESSION innodb_lock_wait_timeout = 2, \
         wait_timeout = {silence}, net_read_timeout = {silence}, net_write_timeout = {silence}, \
         sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO'"
    );
    connection.execute(AssertSqlSafe(sql)).await?;
    Ok(())
}

impl Tx {
    pub fn kind(&self) -> Kind {
        match self.inner {
            Inner::Sqlite(_) => Kind::Sqlite,
            Inner::MySql(kind, _) => kind,
        }
    }

    /// Says what this transaction does, for [`boundary`].
    pub fn is(&mut self, what: &'static str) {
        self.what = what;
    }

    /// Runs a statement; the number of rows it touched.
    pub async fn run(&mut self, sql: impl Into<String>, args: Vec<Value>) -> Result<u64> {
        let sql = sql.into();
        Ok(match &mut self.inner {
            Inner::Sqlite(turn) => {
                let query = sqlx::query_with(AssertSqlSafe(or_fail(sql)), sqlite_args(args)?);
                query.execute(turn.connection()).await?.rows_affected()
            }
            Inner::MySql(_, tx) => {
                sqlx::query_with(AssertSqlSafe(sql), mysql_args(args)?).execute(&mut **tx).await?.rows_affected()
            }
        })
    }

    pub async fn rows(&mut self, sql: impl Into<String>, args: Vec<Value>) -> Result<Vec<Row>> {
        match &mut self.inner {
            Inner::Sqlite(turn) => sqlite_rows(turn.connection(), sql.into(), args).await,
            Inner::MySql(_, tx) => mysql_rows(&mut *tx, sql.into(), args).await,
        }
    }

    pub async fn row(&mut self, sql: impl Into<String>, args: Vec<Value>) -> Result<Option<Row>> {
        Ok(self.rows(sql, args).await?.into_iter().next())
    }

    pub async fn commit(self) -> Result<()> {
        match self.inner {
            Inner::Sqlite(turn) => turn.commit().await,
            Inner::MySql(_, tx) => {
                if !self.commit_delay.is_zero() {
                    tokio::time::sleep(self.commit_delay).await;
                }
                Ok(tx.commit().await?)
            }
        }
    }

    /// Takes back what was written. What happens to others who share the transaction is told to them.
    async fn undo(self) {
        match self.inner {
            Inner::Sqlite(turn) => turn.undo().await,
            Inner::MySql(_, tx) => drop(tx),
        }
    }
}

/// A statement of SQLite's that stops where it fails. What it has done until then goes with the write that it is in: to take it back alone,
/// SQLite would keep a copy of every page that it touches.
fn or_fail(sql: String) -> String {
    for verb in ["INSERT", "UPDATE"] {
        if let Some(rest) = sql.strip_prefix(verb)
            && rest.starts_with(' ')
        {
            return format!("{verb} OR FAIL{rest}");
        }
    }
    sql
}

async fn sqlite_rows(connection: &mut SqliteConnection, sql: String, args: Vec<Value>) -> Result<Vec<Row>> {
    let rows = sqlx::query_with(AssertSqlSafe(sql), sqlite_args(args)?).fetch_all(connection).await?;
    Ok(rows.into_iter().map(Row::Sqlite).collect())
}

async fn mysql_rows(connection: &mut MySqlConnection, sql: String, args: Vec<Value>) -> Result<Vec<Row>> {
    let rows = sqlx::query_with(AssertSqlSafe(sql), mysql_args(args)?).fetch_all(connection).await?;
    Ok(rows.into_iter().map(Row::MySql).collect())
}

macro_rules! bind {
    ($arguments:ty, $args:expr) => {{
        use sqlx::Arguments;
        let mut bound = <$arguments>::default();
        for value in $args {
            match value {
                Value::Null => bound.add(Option::<String>::None),
                Value::Int(v) => bound.add(v),
                Value::Text(v) => bound.add(v),
                Value::Blob(v) => bound.add(v),
            }
            .map_err(|e| Error::Internal(format!("a value that cannot be bound: {e}")))?;
        }
        Ok(bound)
    }};
}

fn sqlite_args(args: Vec<Value>) -> Result<SqliteArguments> {
    bind!(SqliteArguments, args)
}

fn mysql_args(args: Vec<Value>) -> Result<MySqlArguments> {
    bind!(MySqlArguments, args)
}
