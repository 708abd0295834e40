//! Workspaces and their deployments.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use segflow_core::protocol::{InFlight, Manifest};

use super::db::{Db, Row, Value};
use super::many::{Existing, Table, insert, run_in};
use super::{Error, Result, for_update, runs};
use crate::args;

/// A deployment as stored, without its module.
#[derive(Debug, Clone)]
pub struct Deployment {
    pub id: String,
    pub workspace: String,
    pub generation: i64,
    pub sha256: String,
    pub manifest: Manifest,
    /// By campaign: the generation in which its entry rule came to be.
    pub since: BTreeMap<String, i64>,
    /// By campaign: what it does with those who are in it on earlier code.
    pub in_flight: BTreeMap<String, InFlight>,
    /// ms UTC.
    pub created_at: i64,
}

/// Makes a workspace, if it is not there.
pub async fn make_workspace(db: &Db, id: &str, now: i64) -> Result<()> {
    let row = args![id, 0i64, now];
    db.write(move |tx| {
        let row = row.clone();
        Box::pin(async move { insert(tx, &WORKSPACES, vec![row]).await })
    })
    .await
}

pub async fn workspaces(db: &Db) -> Result<Vec<(String, i64)>> {
    db.read("SELECT id, generation FROM workspaces ORDER BY id", vec![])
        .await?
        .iter()
        .map(|row| Ok((row.text(0)?, row.int(1)?)))
        .collect()
}

/// The workspace's generation; 0 before its first deployment.
pub async fn generation(db: &Db, workspace: &str) -> Result<i64> {
    let row = db.read_one("SELECT generation FROM workspaces WHERE id = ?", args![workspace]).await?;
    row.map_or(Ok(0), |row| row.int(0))
}

const COLUMNS: &str = "d.id, d.workspace, d.generation, d.sha256, d.manifest, d.since, d.created_at, d.in_flight";

/// The deployment that is in force.
pub async fn current(db: &Db, workspace: &str) -> Result<Option<Deployment>> {
    let sql = format!("SELECT {COLUMNS} FROM workspaces w JOIN deployments d ON d.id = w.deployment WHERE w.id = ?");
    db.read_one(sql, args![workspace]).await?.as_ref().map(read).transpose()
}

pub async fn get(db: &Db, id: &str) -> Result<Option<Deployment>> {
    let sql = format!("SELECT {COLUMNS} FROM deployments d WHERE d.id = ?");
    db.read_one(sql, args![id]).await?.as_ref().map(read).transpose()
}

/// The deployment that a generation was.
pub async fn of_generation(db: &Db, workspace: &str, generation: i64) -> Result<Option<Deployment>> {
    let sql = format!("SELECT {COLUMNS} FROM deployments d WHERE d.workspace = ? AND d.generation = ?");
    db.read_one(sql, args![workspace, generation]).await?.as_ref().map(read).transpose()
}

/// What the deployments before a generation have said about those in flight, with their generations and ids: also of those that have said
/// nothing, as an enrollment may be on one.
pub async fn words_before(
    db: &Db,
    workspace: &str,
    generation: i64,
) -> Result<Vec<(i64, String, BTreeMap<String, InFlight>)>> {
    let sql = "SELECT generation, id, in_flight FROM deployments WHERE workspace = ? AND generation < ?";
    let rows = db.read(sql, args![workspace, generation]).await?;
    let said = |row: &Row| row.opt_text(2)?.map_or(Ok(BTreeMap::new()), |text| json(&text));
    rows.iter().map(|row| Ok((row.int(0)?, row.text(1)?, said(row)?))).collect()
}

fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| Error::Internal(format!("a stored deployment cannot be read: {e}")))
}

fn read(row: &Row) -> Result<Deployment> {
    Ok(Deployment {
        id: row.text(0)?,
        workspace: row.text(1)?,
        generation: row.int(2)?,
        sha256: row.text(3)?,
        manifest: json(&row.text(4)?)?,
        since: json(&row.text(5)?)?,
        created_at: row.int(6)?,
        in_flight: row.opt_text(7)?.map_or(Ok(BTreeMap::new()), |text| json(&text))?,
    })
}

/// The module of a deployment.
pub async fn module(db: &Db, sha256: &str) -> Result<Vec<u8>> {
    let row = db.read_one("SELECT wasm FROM modules WHERE sha256 = ?", args![sha256]).await?;
    row.ok_or_else(|| Error::NotFound(format!("module {sha256}")))?.blob(0)
}

/// Puts a deployment in force, if the workspace's generation is still `base`. The error says the generation it is.
pub async fn apply(db: &Db, deployment: Deployment, wasm: Vec<u8>, base: i64) -> Result<std::result::Result<(), i64>> {
    let (deployment, wasm) = (Arc::new(deployment), Arc::new(wasm));
    db.write(move |tx| {
        let (deployment, wasm) = (deployment.clone(), wasm.clone());
        Box::pin(async move {
            // The lock waits for the commits of decisions that were made under the old generation.
            let sql = format!("SELECT generation FROM workspaces WHERE id = ?{}", for_update(tx.kind()));
            let row = tx.row(sql, args![&deployment.workspace]).await?;
            let generation =
                row.ok_or_else(|| Error::NotFound(format!("workspace `{}`", deployment.workspace)))?.int(0)?;
            if generation != base {
                return Ok(Err(generation));
            }
            insert(tx, &MODULES, vec![args![&deployment.sha256, wasm.as_ref().clone()]]).await?;
            let manifest = serde_json::to_string(&deployment.manifest).expect("a manifest is plain data");
            let since = serde_json::to_string(&deployment.since).expect("numbers by name");
            let in_flight = serde_json::to_string(&deployment.in_flight).expect("words by name");
            let row = args![
                &deployment.id,
                &deployment.workspace,
                deployment.generation,
                &deployment.sha256,
                manifest,
                since,
                in_flight,
                deployment.created_at
            ];
            let sql = format!("SELECT {COLUMNS} FROM deployments d WHERE d.workspace = ? AND d.generation = ?");
            let old = tx.row(sql, args![&deployment.workspace, base]).await?.as_ref().map(read).transpose()?;
            insert(tx, &DEPLOYMENTS, vec![row]).await?;
            runs::plan(tx, old.as_ref(), &deployment).await?;
            tx.run(
                "UPDATE workspaces SET generation = ?, deployment = ? WHERE id = ?",
                args![deployment.generation, &deployment.id, &deployment.workspace],
            )
            .await?;
            Ok(Ok(()))
        })
    })
    .await
}

/// Deletes the code that nobody can need any more: of deployments that are neither in force nor the one before, on which no live
/// enrollment runs, and by which no message was decided or sent.
pub async fn sweep(db: &Db) -> Result<u64> {
    let needed = "SELECT d.sha256 FROM deployments d JOIN enrollments e ON e.deployment = d.id \
                  WHERE e.status IN ('active', 'parked', 'paused') \
                  UNION SELECT d.sha256 FROM deployments d JOIN messages m ON m.deployment = d.id";
    let needed = db.read(needed, vec![]).await?.iter().map(|row| row.text(0)).collect::<Result<BTreeSet<String>>>()?;
    let kept = db.read("SELECT sha256 FROM modules", vec![]).await?;
    let kept = kept.iter().map(|row| row.text(0)).collect::<Result<BTreeSet<String>>>()?;
    let gone: BTreeSet<String> = kept.difference(&needed).cloned().collect();
    if gone.is_empty() {
        return Ok(0);
    }
    db.write(move |tx| {
        let mut gone = gone.clone();
        Box::pin(async move {
            // A push that comes now waits, and one that came meanwhile is seen. New enrollments and messages are of the deployment in
            // force, so there is nothing else to look at again.
            tx.rows(format!("SELECT id FROM workspaces ORDER BY id{}", for_update(tx.kind())), vec![]).await?;
            let fresh = "SELECT d.sha256 FROM deployments d JOIN workspaces w ON w.id = d.workspace \
                         WHERE d.generation >= w.generation - 1";
            for row in tx.rows(fresh, vec![]).await? {
                gone.remove(&row.text(0)?);
            }
            let gone: Vec<Value> = gone.iter().map(Value::from).collect();
            run_in(tx, "DELETE FROM modules WHERE sha256 IN ({})", &[], &gone).await
        })
    })
    .await
}

/// The users of a workspace after a given one, for going through all of them in chunks.
pub async fn users_after(db: &Db, workspace: &str, after: &str, limit: usize) -> Result<Vec<String>> {
    let sql = "SELECT id FROM users WHERE workspace = ? AND id > ? ORDER BY id LIMIT ?";
    db.read(sql, args![workspace, after, limit as i64]).await?.iter().map(|row| row.text(0)).collect()
}

const WORKSPACES: Table =
    Table { name: "workspaces", columns: &["id", "generation", "created_at"], key: &["id"], existing: Existing::Stays };
const MODULES: Table =
    Table { name: "modules", columns: &["sha256", "wasm"], key: &["sha256"], existing: Existing::Stays };
const DEPLOYMENTS: Table = Table {
    name: "deployments",
    columns: &["id", "workspace", "generation", "sha256", "manifest", "since", "in_flight", "created_at"],
    key: &["id"],
    existing: Existing::Fails,
};
