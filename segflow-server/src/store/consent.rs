//! What is known of addresses: whether they may be written to, and about what.
//!
//! A row is there before the first message to its address is taken to `sending`, so there is always something to lock: what is said here
//! and acknowledged comes wholly before a claim, or wholly after it. Rows are locked after those of users and before those of messages.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use segflow_core::consent::{Block, Consent, SoftBounces};

use super::db::{Db, Row, Tx, Value};
use super::many::{Existing, On, Table, insert, run_in, select_in};
use super::{Error, Result, for_share, for_update};
use crate::address::{self, Hash, Key};
use crate::args;

/// What somebody, or something, says of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Nothing may be sent to it.
    Block(Block),
    /// A message has bounced for a reason that may pass; enough of these block it.
    SoftBounce { message: String },
    /// It is not blocked any more, and has not unsubscribed from everything. What was said of topics stays.
    Lift,
    /// Whether it wants anything but transactions.
    Wants(bool),
    /// Whether it wants a topic.
    Topic { id: String, wants: bool },
}

/// Something said of one address.
#[derive(Debug, Clone)]
pub struct Note {
    pub address: String,
    /// Of somebody who is not erased: the address is kept, to be shown in lists.
    pub known: bool,
    /// All at once, in this order.
    pub said: Vec<Said>,
    /// ms UTC.
    pub at: i64,
}

/// How it was before something was said, and how it is after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    pub before: Consent,
    pub after: Consent,
}

/// Blocks an address, in the transaction of what tells of it: a hard bounce, a complaint. Returns whether it was not blocked before.
pub async fn suppress(tx: &mut Tx, workspace: &str, address: &str, why: Block, known: bool, at: i64) -> Result<bool> {
    say_one(tx, workspace, address, Said::Block(why), known, at).await
}

/// Counts a bounce that may pass. Returns whether the address is blocked with it.
pub async fn soft_bounce(
    tx: &mut Tx,
    workspace: &str,
    address: &str,
    message: &str,
    known: bool,
    at: i64,
) -> Result<bool> {
    say_one(tx, workspace, address, Said::SoftBounce { message: message.into() }, known, at).await
}

async fn say_one(tx: &mut Tx, workspace: &str, address: &str, said: Said, known: bool, at: i64) -> Result<bool> {
    let note = Note { address: address.into(), known, said: vec![said], at };
    let changed = say(tx, workspace, &[note]).await?;
    Ok(changed.iter().any(|c| c.before.blocked.is_none() && c.after.blocked.is_some()))
}

/// Notes what is said of addresses, in the order of `notes`. What has changed comes in the same order.
pub async fn say(tx: &mut Tx, workspace: &str, notes: &[Note]) -> Result<Vec<Changed>> {
    let key = key(tx, workspace).await?;
    let hashes: Vec<Hash> = notes.iter().map(|note| key.hash(&note.address)).collect();
    let each: BTreeSet<&Hash> = hashes.iter().collect();
    insert(tx, &FIRST, each.iter().map(|hash| args![workspace, (*hash).clone()]).collect()).await?;
    let each: Vec<Value> = each.into_iter().map(|hash| Value::from(hash.clone())).collect();
    let sql = format!(
        "SELECT {COLUMNS} FROM addresses WHERE workspace = ? AND hash IN ({{}}) ORDER BY hash{}",
        for_update(tx.kind())
    );
    let mut known: BTreeMap<Hash, Known> = BTreeMap::new();
    for row in select_in(&mut On::Tx(tx), &sql, &args![workspace], &each).await? {
        let read = read(&row)?;
        known.insert(read.hash.clone(), read);
    }
    let mut changed = Vec::with_capacity(notes.len());
    for (note, hash) in notes.iter().zip(&hashes) {
        let row = known.get_mut(hash).ok_or_else(|| Error::Internal("an address that was locked is gone".into()))?;
        let before = row.consent.clone();
        row.take(note);
        changed.push(Changed { before, after: row.consent.clone() });
    }
    insert(tx, &ADDRESSES, known.values().map(|known| known.row(workspace)).collect()).await?;
    Ok(changed)
}

/// Notes what is said, a few hundred addresses in each commit.
pub async fn note(db: &Db, workspace: &str, notes: Vec<Note>) -> Result<()> {
    let workspace = Arc::<str>::from(workspace);
    for part in notes.chunks(500) {
        let (workspace, part) = (workspace.clone(), Arc::<[Note]>::from(part));
        db.write(move |tx| {
            let (workspace, part) = (workspace.clone(), part.clone());
            Box::pin(async move { say(tx, &workspace, &part).await.map(drop) })
        })
        .await?;
    }
    Ok(())
}

/// What is known of these addresses, which stays so until the transaction ends.
pub async fn hold(tx: &mut Tx, workspace: &str, hashes: &BTreeSet<Hash>) -> Result<BTreeMap<Hash, Consent>> {
    let mut known = look(tx, workspace, hashes).await?;
    let new: BTreeSet<Hash> = hashes.iter().filter(|hash| !known.contains_key(*hash)).cloned().collect();
    if new.is_empty() {
        return Ok(known);
    }
    let rows = || new.iter().map(|hash| args![workspace, hash.clone()]).collect();
    match insert(tx, &NEW, rows()).await {
        Ok(()) => known.extend(new.into_iter().map(|hash| (hash, Consent::default()))),
        // Others have met some of them in this very moment, and may have said something.
        Err(error) if error.is_duplicate() => {
            insert(tx, &FIRST, rows()).await?;
            known.extend(look(tx, workspace, &new).await?);
        }
        Err(error) => return Err(error),
    }
    Ok(known)
}

async fn look(tx: &mut Tx, workspace: &str, hashes: &BTreeSet<Hash>) -> Result<BTreeMap<Hash, Consent>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM addresses WHERE workspace = ? AND hash IN ({{}}) ORDER BY hash{}",
        for_share(tx.kind())
    );
    let hashes: Vec<Value> = hashes.iter().map(|hash| Value::from(hash.clone())).collect();
    let rows = select_in(&mut On::Tx(tx), &sql, &args![workspace], &hashes).await?;
    rows.iter().map(|row| read(row).map(|known| (known.hash, known.consent))).collect()
}

/// Forgets addresses themselves; what is known of them stays.
pub async fn forget(tx: &mut Tx, workspace: &str, addresses: &BTreeSet<String>) -> Result<()> {
    if addresses.is_empty() {
        return Ok(());
    }
    let key = key(tx, workspace).await?;
    let hashes: BTreeSet<Hash> = addresses.iter().map(|address| key.hash(address)).collect();
    let hashes: Vec<Value> = hashes.into_iter().map(Value::from).collect();
    let sql = "UPDATE addresses SET address = NULL WHERE workspace = ? AND hash IN ({})";
    run_in(tx, sql, &args![workspace], &hashes).await?;
    Ok(())
}

/// What the workspace's addresses are hashed with; made when it is first asked for.
pub async fn key(tx: &mut Tx, workspace: &str) -> Result<Key> {
    let sql = "SELECT address_key FROM workspaces WHERE id = ?";
    let stored = |row: Option<Row>| row.map(|row| row.opt_blob(0)).transpose().map(Option::flatten);
    if let Some(key) = stored(tx.row(sql, args![workspace]).await?)? {
        return Ok(Key::new(key));
    }
    let mut bytes = vec![0u8; 32];
    getrandom::fill(&mut bytes).map_err(|e| Error::Internal(format!("no random numbers: {e}")))?;
    // Whoever comes second takes the first one's.
    let first = "UPDATE workspaces SET address_key = ? WHERE id = ? AND address_key IS NULL";
    tx.run(first, args![bytes, workspace]).await?;
    let key = stored(tx.row(sql, args![workspace]).await?)?;
    key.map(Key::new).ok_or_else(|| Error::NotFound(format!("workspace `{workspace}`")))
}

/// An address of which something is known, as it is listed. Times are ms UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub hash: Hash,
    /// `None` once the person was erased.
    pub address: Option<String>,
    pub consent: Consent,
    pub blocked_at: Option<i64>,
    pub unsubscribed_at: Option<i64>,
}

/// Those of which something is known, by hash.
pub async fn list(db: &Db, workspace: &str, after: Option<&[u8]>, limit: i64) -> Result<Vec<Listed>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM addresses WHERE workspace = ? AND hash > ? \
         AND (blocked IS NOT NULL OR unsubscribed_at IS NOT NULL OR topics IS NOT NULL) ORDER BY hash LIMIT ?"
    );
    let rows = db.read(sql, args![workspace, after.unwrap_or_default().to_vec(), limit]).await?;
    rows.iter().map(|row| read(row).map(Known::listed)).collect()
}

/// What is known of an address, if anything is.
pub async fn one(db: &Db, workspace: &str, address: &str) -> Result<Option<Listed>> {
    let sql = "SELECT address_key FROM workspaces WHERE id = ?";
    let key = db.read_one(sql, args![workspace]).await?.map(|row| row.opt_blob(0)).transpose()?.flatten();
    let Some(key) = key.map(Key::new) else { return Ok(None) };
    let sql = format!("SELECT {COLUMNS} FROM addresses WHERE workspace = ? AND hash = ?");
    let found = db.read_one(sql, args![workspace, key.hash(address)]).await?;
    Ok(found.as_ref().map(read).transpose()?.map(Known::listed))
}

/// A row.
struct Known {
    hash: Hash,
    address: Option<String>,
    consent: Consent,
    blocked_at: Option<i64>,
    unsubscribed_at: Option<i64>,
    soft_bounces: SoftBounces,
}

const COLUMNS: &str = "hash, address, blocked, blocked_at, unsubscribed_at, topics, soft_bounces";

fn read(row: &Row) -> Result<Known> {
    fn json<T: serde::de::DeserializeOwned + Default>(text: Option<String>) -> Result<T> {
        let read = |text: String| serde_json::from_str(&text);
        text.map_or(Ok(T::default()), read)
            .map_err(|e| Error::Internal(format!("a stored consent cannot be read: {e}")))
    }
    let blocked = row.opt_text(2)?;
    let block = |name: &String| Block::parse(name).ok_or_else(|| Error::Internal(format!("an address is `{name}`")));
    let unsubscribed_at = row.opt_int(4)?;
    Ok(Known {
        hash: row.blob(0)?,
        address: row.opt_text(1)?,
        consent: Consent {
            blocked: blocked.as_ref().map(block).transpose()?,
            unsubscribed: unsubscribed_at.is_some(),
            topics: json(row.opt_text(5)?)?,
        },
        blocked_at: row.opt_int(3)?,
        unsubscribed_at,
        soft_bounces: json(row.opt_text(6)?)?,
    })
}

impl Known {
    fn take(&mut self, note: &Note) {
        for said in &note.said {
            match said {
                Said::Block(why) => self.block(*why, note.at),
                Said::SoftBounce { message } => {
                    if self.soft_bounces.add(message, note.at) {
                        self.block(Block::SoftBounces, note.at);
                    }
                }
                Said::Lift => {
                    (self.consent.blocked, self.blocked_at) = (None, None);
                    (self.consent.unsubscribed, self.unsubscribed_at) = (false, None);
                    self.soft_bounces = SoftBounces::default();
                }
                Said::Wants(wants) => {
                    self.consent.unsubscribed = !wants;
                    self.unsubscribed_at = if *wants { None } else { self.unsubscribed_at.or(Some(note.at)) };
                }
                Said::Topic { id, wants } => drop(self.consent.topics.insert(id.clone(), *wants)),
            }
        }
        // What providers tell of may be no address at all.
        if note.known && address::is_one(&note.address) {
            self.address = Some(note.address.clone());
        }
    }

    /// A lighter reason does not replace a heavier one.
    fn block(&mut self, why: Block, at: i64) {
        if self.consent.blocked < Some(why) {
            (self.consent.blocked, self.blocked_at) = (Some(why), Some(at));
        }
    }

    fn row(&self, workspace: &str) -> Vec<Value> {
        let Known { consent, soft_bounces, .. } = self;
        let json = |empty: bool, text: serde_json::Result<String>| (!empty).then(|| text.expect("plain data"));
        args![
            workspace,
            self.hash.clone(),
            self.address.as_ref(),
            consent.blocked.map(Block::name),
            self.blocked_at,
            self.unsubscribed_at,
            json(consent.topics.is_empty(), serde_json::to_string(&consent.topics)),
            json(*soft_bounces == SoftBounces::default(), serde_json::to_string(soft_bounces)),
        ]
    }

    fn listed(self) -> Listed {
        Listed {
            hash: self.hash,
            address: self.address,
            consent: self.consent,
            blocked_at: self.blocked_at,
            unsubscribed_at: self.unsubscribed_at,
        }
    }
}

const ADDRESSES: Table = Table {
    name: "addresses",
    columns: &["workspace", "hash", "address", "blocked", "blocked_at", "unsubscribed_at", "topics", "soft_bounces"],
    key: &["workspace", "hash"],
    existing: Existing::Takes(&["address", "blocked", "blocked_at", "unsubscribed_at", "topics", "soft_bounces"]),
};

/// Rows that are made if they are not there.
const FIRST: Table = Table { existing: Existing::Stays, ..NEW };

/// Rows that are not there.
const NEW: Table = Table {
    name: "addresses",
    columns: &["workspace", "hash"],
    key: &["workspace", "hash"],
    existing: Existing::Fails,
};
