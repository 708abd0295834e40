//! The endpoints of workspaces. How many of them listen stands with the workspace, changed in the same transaction.

use segflow_core::ids;

use super::only;
use crate::args;
use crate::store::db::{Db, Row, Tx, Value};
use crate::store::many::{Existing, Table, insert, run_in};
use crate::store::read::Query;
use crate::store::{Error, Result, for_update, random_id};

/// The most endpoints of one workspace: each may be called several times at once.
const MOST: i64 = 32;

/// For how long deliveries are also signed with the secret before, in ms.
const ROTATION: i64 = 86_400_000;

/// How many deliveries are removed in one transaction.
const PIECE: usize = 500;

/// An endpoint as it is shown. Times are ms UTC.
#[derive(Debug, Clone)]
pub struct Endpoint {
    pub id: String,
    pub workspace: String,
    pub url: String,
    /// `None`: all types.
    pub events: Option<Vec<String>>,
    pub created_at: i64,
    pub rotates_until: Option<i64>,
    /// Tries in a row that failed, and why.
    pub failures: i64,
    pub reason: Option<String>,
    pub rests_until: Option<i64>,
    pub sound_at: i64,
    pub disabled_at: Option<i64>,
}

const SELECT: &str = "SELECT id, workspace, url, events, created_at, rotates_until, failures, reason, rests_until, sound_at, disabled_at \
                      FROM webhook_endpoints WHERE workspace = ?";

fn read(row: &Row) -> Result<Endpoint> {
    Ok(Endpoint {
        id: row.text(0)?,
        workspace: row.text(1)?,
        url: row.text(2)?,
        events: only(row.opt_text(3)?)?,
        created_at: row.int(4)?,
        rotates_until: row.opt_int(5)?,
        failures: row.int(6)?,
        reason: row.opt_text(7)?,
        rests_until: row.opt_int(8)?,
        sound_at: row.int(9)?,
        disabled_at: row.opt_int(10)?,
    })
}

/// Whether there is anybody at all, of any workspace, who wants to be told something.
pub async fn any(db: &Db) -> Result<bool> {
    let row = db.read_one("SELECT 1 FROM webhook_endpoints WHERE disabled_at IS NULL LIMIT 1", vec![]).await?;
    Ok(row.is_some())
}

pub async fn list(db: &Db, workspace: &str, after: Option<&str>, limit: i64) -> Result<Vec<Endpoint>> {
    let query = Query::new(SELECT, workspace).by_key("id", after);
    query.rows(db, limit).await?.iter().map(read).collect()
}

pub async fn get(db: &Db, workspace: &str, id: &str) -> Result<Option<Endpoint>> {
    let rows = Query::new(SELECT, workspace).and("id =", Some(id)).rows(db, 1).await?;
    rows.first().map(read).transpose()
}

/// How many deliveries of an endpoint wait to be taken.
pub async fn waiting(db: &Db, id: &str) -> Result<i64> {
    let sql = "SELECT COUNT(*) FROM webhook_deliveries WHERE endpoint = ? AND due_at IS NOT NULL";
    db.read_one(sql, args![id]).await?.map_or(Ok(0), |row| row.int(0))
}

/// An id for an endpoint that is to be made: its secret is stored under it first.
pub fn new_id() -> String {
    random_id("whe")
}

/// Makes an endpoint, which is told what is committed from then on.
pub async fn create(
    db: &Db,
    workspace: &str,
    id: &str,
    url: &str,
    events: Option<Vec<String>>,
    now: i64,
) -> Result<()> {
    let events = events.map(|types| serde_json::to_string(&types).expect("strings"));
    let row = args![id, workspace, ids::bucket(workspace, id), url, events, now, 0, now];
    let workspace = workspace.to_string();
    db.write(move |tx| {
        let (workspace, row) = (workspace.clone(), row.clone());
        Box::pin(async move {
            lock(tx, &workspace).await?;
            let sql = "SELECT COUNT(*) FROM webhook_endpoints WHERE workspace = ?";
            if tx.row(sql, args![&workspace]).await?.map_or(Ok(0), |row| row.int(0))? >= MOST {
                let why = format!("the workspace has {MOST} endpoints, and no more are allowed: remove one first");
                return Err(Error::Conflict(why));
            }
            insert(tx, &ENDPOINTS, vec![row]).await?;
            count(tx, &workspace).await
        })
    })
    .await
}

/// Removes an endpoint with all that it was to be told; `false` if there is none.
pub async fn remove(db: &Db, workspace: &str, id: &str) -> Result<bool> {
    let asked = (workspace.to_string(), id.to_string());
    let removed = db
        .write(move |tx| {
            let (workspace, id) = asked.clone();
            Box::pin(async move {
                lock(tx, &workspace).await?;
                let sql = "DELETE FROM webhook_endpoints WHERE workspace = ? AND id = ?";
                let removed = tx.run(sql, args![&workspace, id]).await? > 0;
                count(tx, &workspace).await?;
                Ok(removed)
            })
        })
        .await?;
    // Nobody calls any more. What is left here when this is interrupted goes when its time is over.
    let sql = format!("SELECT seq FROM webhook_deliveries WHERE endpoint = ? LIMIT {PIECE}");
    while removed && forget(db, sql.clone(), args![id]).await? == PIECE {}
    Ok(removed)
}

/// Removes deliveries whose time is over.
pub async fn tidy(db: &Db, now: i64) -> Result<()> {
    let sql = format!("SELECT seq FROM webhook_deliveries WHERE kept_until <= ? LIMIT {PIECE}");
    while forget(db, sql.clone(), args![now]).await? == PIECE {}
    Ok(())
}

/// Removes a piece of what a query finds; how many.
async fn forget(db: &Db, sql: String, args: Vec<Value>) -> Result<usize> {
    let found = db.read(sql, args).await?;
    let found = found.iter().map(|row| row.int(0).map(Value::from)).collect::<Result<Vec<_>>>()?;
    let count = found.len();
    if count > 0 {
        db.write(move |tx| {
            let found = found.clone();
            Box::pin(async move { run_in(tx, "DELETE FROM webhook_deliveries WHERE seq IN ({})", &[], &found).await })
        })
        .await?;
    }
    Ok(count)
}

/// Tells an endpoint again, which may have been disabled; what waits for it goes on. `false` if there is none.
pub async fn enable(db: &Db, workspace: &str, id: &str, now: i64) -> Result<bool> {
    let (workspace, id) = (workspace.to_string(), id.to_string());
    db.write(move |tx| {
        let (workspace, id) = (workspace.clone(), id.clone());
        Box::pin(async move {
            lock(tx, &workspace).await?;
            let lock = for_update(tx.kind());
            let sql = format!("SELECT id FROM webhook_endpoints WHERE workspace = ? AND id = ?{lock}");
            if tx.row(sql, args![&workspace, &id]).await?.is_none() {
                return Ok(false);
            }
            let sql = "UPDATE webhook_endpoints SET disabled_at = NULL, reason = NULL, failures = 0, rests_until = NULL, sound_at = ? \
                       WHERE id = ?";
            tx.run(sql, args![now, id]).await?;
            count(tx, &workspace).await?;
            Ok(true)
        })
    })
    .await
}

/// Disables an endpoint: nobody calls it, and it is told nothing new. The caller has locked the workspace.
pub(super) async fn disable(tx: &mut Tx, workspace: &str, id: &str, now: i64) -> Result<()> {
    tx.run("UPDATE webhook_endpoints SET disabled_at = ? WHERE id = ?", args![now, id]).await?;
    count(tx, workspace).await
}

/// From now on deliveries are signed with a new secret, and for a while with the one before as well. Until when that is.
pub async fn rotate(db: &Db, workspace: &str, id: &str, now: i64) -> Result<i64> {
    let until = now.saturating_add(ROTATION);
    let args = args![until, workspace, id];
    db.write(move |tx| {
        let args = args.clone();
        let sql = "UPDATE webhook_endpoints SET rotates_until = ? WHERE workspace = ? AND id = ?";
        Box::pin(async move { tx.run(sql, args).await })
    })
    .await?;
    Ok(until)
}

/// Locks a workspace, before its endpoints, as everybody does: whoever decides holds it too, and so knows who listens.
pub(super) async fn lock(tx: &mut Tx, workspace: &str) -> Result<()> {
    let sql = format!("SELECT id FROM workspaces WHERE id = ?{}", for_update(tx.kind()));
    tx.row(sql, args![workspace]).await.map(drop)
}

/// Notes how many listen.
async fn count(tx: &mut Tx, workspace: &str) -> Result<()> {
    let sql = "UPDATE workspaces SET listeners = (SELECT COUNT(*) FROM webhook_endpoints e WHERE e.workspace = ? AND e.disabled_at IS NULL) \
               WHERE id = ?";
    tx.run(sql, args![workspace, workspace]).await.map(drop)
}

const ENDPOINTS: Table = Table {
    name: "webhook_endpoints",
    columns: &["id", "workspace", "bucket", "url", "events", "created_at", "failures", "sound_at"],
    key: &["id"],
    existing: Existing::Fails,
};
