//! Facts coming in. Each is answered after it is committed, together with its inbox row; what arrives at the same time shares a commit.
//!
//! One task takes all that is waiting as one group. Within a group the order of arrival is kept, so the facts of one user are stored
//! in the order in which they were sent over one connection. A caller that goes away changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use segflow_core::ids;
use segflow_core::merge::{Object, merge};
use segflow_core::project::Project;
use serde_json::Value as Json;
use tokio::sync::{Notify, mpsc, oneshot};

use super::db::{Db, Tx, Value};
use super::events::{self, EVENTS};
use super::heard::Heard;
use super::inbox::{Body, INBOX};
use super::many::{Existing, On, Table, insert, select_in};
use super::tallies::{self, Late};
use super::{Error, Result, for_update, random_id};
use crate::args;

/// One fact, as a caller reports it. Sizes and shapes have been checked.
#[derive(Debug, Clone)]
pub struct Fact {
    pub workspace: String,
    pub user: String,
    pub what: What,
    /// Counts for segments and triggers nothing.
    pub historical: bool,
    /// The instant of the report, ms UTC.
    pub now: i64,
}

#[derive(Debug, Clone)]
pub enum What {
    /// An RFC 7396 patch. `create: false` refuses a user who does not exist.
    Merge {
        patch: Object,
        create: bool,
    },
    /// The whole person.
    Replace {
        attributes: Object,
    },
    Event {
        id: String,
        name: String,
        attributes: Object,
        occurred_at: i64,
        only_new: bool,
    },
    /// Into a campaign, from an instant on (ms UTC). Refuses a user who does not exist.
    Enter {
        campaign: String,
        start_at: Option<i64>,
    },
}

/// What was stored.
#[derive(Debug, Clone, PartialEq)]
pub enum Stored {
    /// The user as it is now.
    User {
        attributes: Object,
        created_at: i64,
    },
    /// `false`: this event id was there already.
    Event {
        new: bool,
    },
    Entering,
}

/// The largest attributes of one user, in bytes of JSON.
const LARGEST: usize = 65_536;

/// The most facts in one commit. With fewer, batches wait for a turn to write too often; with more, whoever reports one fact waits too
/// long for theirs.
const GROUP: usize = 2_048;

struct Job {
    fact: Fact,
    answer: oneshot::Sender<Result<Stored>>,
}

/// The queue of facts to be stored.
#[derive(Clone)]
pub struct Ingest {
    jobs: mpsc::Sender<Job>,
    committed: Arc<Notify>,
    heard: Heard,
}

impl Ingest {
    pub fn start(db: Db) -> Ingest {
        let (jobs, queue) = mpsc::channel(2 * GROUP);
        let (committed, heard) = (Arc::new(Notify::new()), Heard::default());
        tokio::spawn(serve(db, queue, committed.clone(), heard.clone()));
        Ingest { jobs, committed, heard }
    }

    /// Stores a fact; answers when it is committed.
    pub async fn store(&self, fact: Fact) -> Result<Stored> {
        self.enqueue(fact).await?.await.map_err(|_| Error::Away("the server is stopping".into()))?
    }

    /// Stores many, in order; the answers come in the same order.
    pub async fn store_all(&self, facts: Vec<Fact>) -> Result<Vec<Result<Stored>>> {
        let mut waiting = Vec::with_capacity(facts.len());
        for fact in facts {
            waiting.push(self.enqueue(fact).await?);
        }
        let mut answers = Vec::with_capacity(waiting.len());
        for answer in waiting {
            answers.push(answer.await.map_err(|_| Error::Away("the server is stopping".into()))?);
        }
        Ok(answers)
    }

    async fn enqueue(&self, fact: Fact) -> Result<oneshot::Receiver<Result<Stored>>> {
        let (answer, receiver) = oneshot::channel();
        let job = Job { fact, answer };
        self.jobs.send(job).await.map_err(|_| Error::Away("the server is stopping".into()))?;
        Ok(receiver)
    }

    /// A project has come into force here, or is known to be: what it does not listen to need not be told to anybody.
    pub fn heard_by(&self, workspace: &str, project: Arc<Project>) {
        self.heard.by(workspace, project);
    }

    /// Wakes whoever waits for news, as a commit of facts does.
    pub fn committed(&self) -> Arc<Notify> {
        self.committed.clone()
    }
}

async fn serve(db: Db, mut queue: mpsc::Receiver<Job>, committed: Arc<Notify>, heard: Heard) {
    let mut jobs = Vec::with_capacity(GROUP);
    while queue.recv_many(&mut jobs, GROUP).await > 0 {
        // What arrives while others write comes along.
        db.could_write().await;
        while jobs.len() < GROUP
            && let Ok(job) = queue.try_recv()
        {
            jobs.push(job);
        }
        let (facts, answers): (Vec<Fact>, Vec<_>) = jobs.drain(..).map(|job| (job.fact, job.answer)).unzip();
        let result = store_all(&db, &heard, Arc::new(facts)).await;
        committed.notify_one();
        for (answer, stored) in answers.into_iter().zip(result) {
            // A caller who has gone away is not told.
            let _ = answer.send(stored);
        }
    }
}

/// Stores a group. When the database refuses the whole of it, halves find the fact that it refuses, and the others are stored.
fn store_all<'a>(
    db: &'a Db,
    heard: &'a Heard,
    facts: Arc<Vec<Fact>>,
) -> Pin<Box<dyn Future<Output = Vec<Result<Stored>>> + Send + 'a>> {
    Box::pin(async move {
        let error = match commit(db, heard, facts.clone()).await {
            Ok(stored) => return stored,
            Err(error) => error,
        };
        tracing::warn!(%error, facts = facts.len(), "facts could not be stored");
        if error.is_away() {
            let text = error.to_string();
            return facts.iter().map(|_| Err(Error::Away(text.clone()))).collect();
        }
        if facts.len() == 1 {
            return vec![Err(error)];
        }
        let (left, right) = facts.split_at(facts.len() / 2);
        let mut stored = store_all(db, heard, Arc::new(left.to_vec())).await;
        stored.extend(store_all(db, heard, Arc::new(right.to_vec())).await);
        stored
    })
}

async fn commit(db: &Db, heard: &Heard, facts: Arc<Vec<Fact>>) -> Result<Vec<Result<Stored>>> {
    for tries in 0..5 {
        let (facts, heard) = (facts.clone(), heard.clone());
        // Hardly ever is an event reported twice, so it is the database that says so, and then they are all looked for.
        let looks = tries > 0;
        let result = db.write(move |tx| Box::pin(store_group(tx, heard.clone(), facts.clone(), looks))).await;
        match result {
            // Or another server created one of these users, or stored one of these events, in the same instant.
            Err(error) if error.is_duplicate() => {}
            other => return other,
        }
    }
    Err(Error::Away("the same users are being written elsewhere all the time; try again".into()))
}

/// A user as locked by this transaction.
struct Locked {
    incarnation: String,
    attributes: Object,
    created_at: i64,
    tallied_to: Option<i64>,
    created: bool,
    changed: bool,
}

/// Workspace and user.
type Key = (String, String);

async fn store_group(tx: &mut Tx, heard: Heard, facts: Arc<Vec<Fact>>, looks: bool) -> Result<Vec<Result<Stored>>> {
    let mut users = lock_users(tx, &facts).await?;
    let mut known = if looks { known_events(tx, &facts).await? } else { BTreeSet::new() };
    let for_nobody = heard.nobody(tx, &facts).await?;
    let mut stored = Vec::with_capacity(facts.len());
    let (mut new, mut inbox, mut late) = (vec![], vec![], vec![]);
    for (fact, for_nobody) in facts.iter().zip(for_nobody) {
        let key = (fact.workspace.clone(), fact.user.clone());
        let exists = users.contains_key(&key);
        if !exists && matches!(fact.what, What::Merge { create: false, .. } | What::Enter { .. }) {
            stored.push(Err(Error::NotFound(format!("user `{}`", fact.user))));
            continue;
        }
        let after = after(&fact.what, users.get(&key));
        // What was stored before there was a limit may be larger, and may become smaller.
        let size = |attributes: &Object| Json::Object(attributes.clone()).to_string().len();
        let before = || users.get(&key).map_or(0, |user| size(&user.attributes));
        if after.as_ref().map(size).is_some_and(|size| size > LARGEST && size > before()) {
            // Nor is a new user made by what is refused.
            stored.push(Err(Error::TooLarge(format!("the attributes would be larger than {LARGEST} bytes"))));
            continue;
        }
        if let What::Event { id, .. } = &fact.what
            && !known.insert((key.clone(), id.clone()))
        {
            stored.push(Ok(Stored::Event { new: false }));
            continue;
        }
        let user = users.entry(key).or_insert_with(|| Locked {
            incarnation: random_id("usr"),
            attributes: Object::new(),
            created_at: fact.now,
            tallied_to: None,
            created: true,
            changed: true,
        });
        let bucket = ids::bucket(&fact.workspace, &fact.user);
        let (mut event_id, mut places) = (None, None);
        let answer = match &fact.what {
            What::Merge { .. } | What::Replace { .. } => {
                let after = after.unwrap_or_default();
                places = Body::changed(&user.attributes, &after);
                user.attributes = after;
                user.changed = true;
                Stored::User { attributes: user.attributes.clone(), created_at: user.created_at }
            }
            What::Event { id, name, attributes, occurred_at, .. } => {
                let attributes = Json::Object(attributes.clone()).to_string();
                new.push(args![&fact.workspace, &fact.user, id, name, attributes, *occurred_at, fact.now]);
                if user.tallied_to.is_some_and(|to| *occurred_at < to) {
                    let (workspace, user) = (fact.workspace.clone(), fact.user.clone());
                    late.push(Late { workspace, user, name: name.clone(), occurred_at: *occurred_at });
                }
                event_id = Some(id.clone());
                Stored::Event { new: true }
            }
            What::Enter { .. } => Stored::Entering,
        };
        stored.push(Ok(answer));
        if for_nobody {
            continue;
        }
        inbox.push(match &fact.what {
            What::Enter { campaign, start_at } => {
                let body = Body::Enter { campaign: campaign.clone(), start_at: *start_at, at: fact.now };
                body.row(bucket, &fact.workspace, &fact.user, 0)
            }
            _ => {
                args![bucket, &fact.workspace, &fact.user, event_id, places, 0, fact.historical]
            }
        });
    }
    let now = facts.iter().map(|f| f.now).max().unwrap_or_default();
    write_users(tx, users, now).await?;
    insert(tx, &EVENTS, new).await?;
    tallies::late(tx, late).await?;
    insert(tx, &INBOX, inbox).await?;
    Ok(stored)
}

/// The attributes after a fact that changes them.
fn after(what: &What, user: Option<&Locked>) -> Option<Object> {
    match what {
        What::Merge { patch, .. } => {
            let mut merged = user.map(|user| user.attributes.clone()).unwrap_or_default();
            merge(&mut merged, patch);
            Some(merged)
        }
        What::Replace { attributes } => Some(attributes.clone()),
        What::Event { .. } | What::Enter { .. } => None,
    }
}

async fn lock_users(tx: &mut Tx, facts: &[Fact]) -> Result<BTreeMap<Key, Locked>> {
    let mut by_workspace: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for fact in facts {
        by_workspace.entry(&fact.workspace).or_default().insert(&fact.user);
    }
    let sql = format!(
        "SELECT id, incarnation, attributes, created_at, tallied_to FROM users WHERE workspace = ? AND id IN ({{}}) ORDER BY id{}",
        for_update(tx.kind())
    );
    let mut locked = BTreeMap::new();
    for (workspace, ids) in by_workspace {
        let ids: Vec<Value> = ids.into_iter().map(Value::from).collect();
        for row in select_in(&mut On::Tx(tx), &sql, &args![workspace], &ids).await? {
            let attributes = object(&row.text(2)?)?;
            let (incarnation, created_at, tallied_to) = (row.text(1)?, row.int(3)?, row.opt_int(4)?);
            let user = Locked { incarnation, attributes, created_at, tallied_to, created: false, changed: false };
            locked.insert((workspace.to_string(), row.text(0)?), user);
        }
    }
    Ok(locked)
}

/// Which of these events are stored already. The locks on their users keep others from storing them now.
async fn known_events(tx: &mut Tx, facts: &[Fact]) -> Result<BTreeSet<(Key, String)>> {
    let mut asked: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for fact in facts {
        if let What::Event { id, only_new: false, .. } = &fact.what {
            asked.entry(&fact.workspace).or_default().push((&fact.user, id));
        }
    }
    let mut known = BTreeSet::new();
    for (workspace, pairs) in asked {
        for row in events::find(&mut On::Tx(tx), workspace, "user_id, id", &pairs).await? {
            known.insert(((workspace.to_string(), row.text(0)?), row.text(1)?));
        }
    }
    Ok(known)
}

async fn write_users(tx: &mut Tx, users: BTreeMap<Key, Locked>, now: i64) -> Result<()> {
    let (mut new, mut changed) = (vec![], vec![]);
    for ((workspace, id), user) in users.into_iter().filter(|(_, user)| user.changed) {
        let bucket = ids::bucket(&workspace, &id);
        let email = email(&user.attributes);
        let attributes = Json::Object(user.attributes).to_string();
        let row = args![workspace, id, bucket, user.incarnation, attributes, email, 0i64, 0i64, user.created_at, now];
        if user.created { new.push(row) } else { changed.push(row) }
    }
    insert(tx, &NEW_USERS, new).await?;
    insert(tx, &CHANGED_USERS, changed).await
}

/// The address a user is found by: `email`, when it is a string that fits.
pub fn email(attributes: &Object) -> Option<String> {
    attributes.get("email")?.as_str().filter(|e| e.len() <= 320).map(str::to_string)
}

/// Stored attributes.
pub fn object(text: &str) -> Result<Object> {
    serde_json::from_str(text).map_err(|e| Error::Internal(format!("stored attributes are not an object: {e}")))
}

pub(super) const USER_COLUMNS: &[&str] = &[
    "workspace",
    "id",
    "bucket",
    "incarnation",
    "attributes",
    "email",
    "seq",
    "evaluated",
    "created_at",
    "updated_at",
];
const NEW_USERS: Table =
    Table { name: "users", columns: USER_COLUMNS, key: &["workspace", "id"], existing: Existing::Fails };
const CHANGED_USERS: Table = Table {
    name: "users",
    columns: USER_COLUMNS,
    key: &["workspace", "id"],
    existing: Existing::Takes(&["attributes", "email", "updated_at"]),
};
