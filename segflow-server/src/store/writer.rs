//! SQLite's one write connection, and the commits that those who wait for it share.
//!
//! When a write is done and another waits, the transaction stays open for that one, and the last of them commits for all: one flush to the
//! disk instead of one each. Nobody is told that a write is done before it is committed, and a write that fails takes only itself back: the
//! first has nothing but itself in the transaction, each of the others is a savepoint, for which SQLite copies every page that it touches.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::{Executor, Row as _, SqliteConnection};
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

use super::{Error, Result};

/// The most writes that share a commit: the first of them waits for the last.
const SHARED: usize = 16;

/// The write connection, handed from one write to the next in the order they asked.
#[derive(Clone)]
pub struct Writer {
    held: Arc<Mutex<Held>>,
    /// How many have asked for it and not got it yet.
    waiting: Arc<AtomicUsize>,
    /// Added to every commit.
    commit_delay: Duration,
}

struct Held {
    connection: SqliteConnection,
    open: Open,
    /// Those whose writes are in the open transaction.
    shared: Vec<oneshot::Sender<Result<()>>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Transaction,
    /// With nothing in it but a write that is not done. It survives one that was dropped half-way: the next one takes it back.
    First,
    /// And in it, after others, a write that is not done.
    Savepoint,
}

/// The right to write, until it is committed, undone or dropped.
pub struct Turn {
    /// Gone when the turn is over.
    held: Option<OwnedMutexGuard<Held>>,
    writer: Writer,
}

impl Writer {
    pub fn new(connection: SqliteConnection, commit_delay: Duration) -> Writer {
        let held = Held { connection, open: Open::Nothing, shared: vec![] };
        Writer { held: Arc::new(Mutex::new(held)), waiting: Arc::default(), commit_delay }
    }

    /// Waits for the connection and begins a write.
    pub async fn turn(&self) -> Result<Turn> {
        let mut held = {
            let _waiting = Waiting::new(&self.waiting);
            self.held.clone().lock_owned().await
        };
        held.begin().await?;
        Ok(Turn { held: Some(held), writer: self.clone() })
    }

    /// Waits until nobody writes.
    pub async fn free(&self) {
        drop(self.held.lock().await);
    }

    /// Moves what the log still holds into the file and empties the log.
    pub async fn checkpoint(&self) -> Result<()> {
        let mut held = self.held.lock().await;
        held.take_back().await;
        held.commit().await?;
        // A reader in the middle of something keeps the log from being emptied: busy is the first column of the answer.
        for _ in 0..40 {
            let row = held.connection.fetch_one("PRAGMA wal_checkpoint(TRUNCATE)").await?;
            if row.try_get::<i64, _>(0)? == 0 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(Error::Away("the log could not be emptied: something is reading all the time".into()))
    }

    fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }
}

impl Turn {
    pub fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.held.as_mut().expect("the turn is not over").connection
    }

    /// Returns when it is committed, by this turn or by a later one.
    pub async fn commit(mut self) -> Result<()> {
        let mut held = self.held.take().expect("the turn is not over");
        held.done().await?;
        if self.writer.is_wanted() && held.shared.len() + 1 < SHARED {
            let (tell, told) = oneshot::channel();
            held.shared.push(tell);
            drop(held);
            return told.await.unwrap_or_else(|_| Err(Error::Away("the database was closed before the commit".into())));
        }
        if !self.writer.commit_delay.is_zero() {
            tokio::time::sleep(self.writer.commit_delay).await;
        }
        held.commit().await
    }

    /// Takes back what was written.
    pub async fn undo(mut self) {
        if let Some(held) = self.held.take() {
            leave(held, self.writer.clone()).await;
        }
    }
}

/// Dropped in the middle, in a panic perhaps: those who share the transaction must not wait for a commit that nobody makes.
impl Drop for Turn {
    fn drop(&mut self) {
        let Some(held) = self.held.take() else { return };
        if !held.shared.is_empty()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(leave(held, self.writer.clone()));
        }
    }
}

async fn leave(mut held: OwnedMutexGuard<Held>, writer: Writer) {
    held.take_back().await;
    if !writer.is_wanted() {
        // Those it is about are told.
        let _ = held.commit().await;
    }
}

impl Held {
    async fn begin(&mut self) -> Result<()> {
        self.take_back().await;
        let (sql, open) = match self.open {
            Open::Transaction => ("SAVEPOINT write", Open::Savepoint),
            _ => ("BEGIN IMMEDIATE", Open::First),
        };
        if let Err(error) = self.connection.execute(sql).await {
            self.give_up(&error.to_string()).await;
            return Err(error.into());
        }
        self.open = open;
        Ok(())
    }

    /// The write that is open is complete.
    async fn done(&mut self) -> Result<()> {
        if self.open == Open::Savepoint
            && let Err(error) = self.connection.execute("RELEASE write").await
        {
            self.give_up(&error.to_string()).await;
            return Err(error.into());
        }
        self.open = Open::Transaction;
        Ok(())
    }

    /// Takes the write back that is open, if one is.
    async fn take_back(&mut self) {
        let (sql, open) = match self.open {
            Open::Nothing | Open::Transaction => return,
            Open::First => ("ROLLBACK", Open::Nothing),
            Open::Savepoint => ("ROLLBACK TO write; RELEASE write", Open::Transaction),
        };
        // Some failures, a full disk for one, end the whole transaction.
        match self.connection.execute(sql).await {
            Ok(_) => self.open = open,
            Err(error) => self.give_up(&error.to_string()).await,
        }
    }

    async fn commit(&mut self) -> Result<()> {
        if self.open == Open::Nothing {
            return Ok(());
        }
        if let Err(error) = self.connection.execute("COMMIT").await {
            self.give_up(&error.to_string()).await;
            return Err(error.into());
        }
        self.open = Open::Nothing;
        for waiting in self.shared.drain(..) {
            // Whoever has gone away is not told.
            let _ = waiting.send(Ok(()));
        }
        Ok(())
    }

    /// Nothing of the open transaction was stored, and all who share it are told so.
    async fn give_up(&mut self, why: &str) {
        // It may have been rolled back already.
        let _ = self.connection.execute("ROLLBACK").await;
        self.open = Open::Nothing;
        for waiting in self.shared.drain(..) {
            let _ = waiting.send(Err(Error::Away(format!("the commit failed: {why}"))));
        }
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Waiting<'a> {
        count.fetch_add(1, Ordering::SeqCst);
        Waiting(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Connection;

    use super::*;

    async fn writer() -> Writer {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.expect("a database");
        connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY)").await.expect("a table");
        Writer::new(connection, Duration::ZERO)
    }

    async fn put(writer: Writer, n: i64, fails: bool) -> Result<()> {
        let mut turn = writer.turn().await?;
        // Lets the others ask meanwhile.
        tokio::time::sleep(Duration::from_millis(5)).await;
        sqlx::query("INSERT INTO t VALUES (?)").bind(n).execute(turn.connection()).await?;
        if fails {
            turn.undo().await;
            return Err(Error::Conflict("on purpose".into()));
        }
        turn.commit().await
    }

    async fn rows(writer: &Writer) -> Vec<i64> {
        let mut held = writer.held.lock().await;
        assert!(held.open == Open::Nothing && held.shared.is_empty());
        let rows = held.connection.fetch_all("SELECT n FROM t ORDER BY n").await.expect("rows");
        rows.iter().map(|row| row.get(0)).collect()
    }

    #[tokio::test]
    async fn a_write_that_fails_takes_only_itself_back() {
        let writer = writer().await;
        let tasks: Vec<_> = (0..40).map(|n| tokio::spawn(put(writer.clone(), n, n % 3 == 0))).collect();
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await.expect("no panic").is_err(), n % 3 == 0, "{n}");
        }
        assert_eq!(rows(&writer).await, (0..40).filter(|n| n % 3 != 0).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_write_that_is_dropped_leaves_nobody_waiting() {
        let writer = writer().await;
        let first = tokio::spawn(put(writer.clone(), 1, false));
        tokio::task::yield_now().await;
        let dropped = {
            let writer = writer.clone();
            tokio::spawn(async move {
                let mut turn = writer.turn().await.expect("a turn");
                turn.connection().execute("INSERT INTO t VALUES (2)").await.expect("inserted");
                drop(turn);
            })
        };
        first.await.expect("no panic").expect("committed");
        dropped.await.expect("no panic");
        put(writer.clone(), 3, false).await.expect("committed");
        assert_eq!(rows(&writer).await, [1, 3]);
    }

    #[tokio::test]
    async fn when_the_transaction_is_lost_all_who_share_it_are_told() {
        let writer = writer().await;
        let first = tokio::spawn(put(writer.clone(), 1, false));
        tokio::task::yield_now().await;
        let mut turn = writer.turn().await.expect("a turn");
        turn.connection().execute("ROLLBACK").await.expect("as a full disk does");
        assert!(turn.commit().await.is_err());
        assert!(first.await.expect("no panic").is_err());
        put(writer.clone(), 3, false).await.expect("the next one works");
        assert_eq!(rows(&writer).await, [3]);
    }
}
