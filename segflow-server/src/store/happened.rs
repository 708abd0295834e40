//! Events that the server itself reports: what became of messages, and what their readers did. Each is stored with its inbox row in the
//! transaction of what it tells of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use segflow_core::ids;
use segflow_core::merge::Object;
use serde_json::Value as Json;

use super::db::{Db, Tx, Value};
use super::events::{self, EVENTS};
use super::inbox::INBOX;
use super::many::{On, insert, select_in};
use super::{Result, for_update, news};
use crate::args;

/// Something that happened to a user.
#[derive(Debug, Clone)]
pub struct Happened {
    pub user: String,
    /// Of the message that it is about: an earlier user of that id, who was erased, is not told of. `None`: whoever it is now.
    pub incarnation: Option<String>,
    pub name: &'static str,
    /// The same for the same thing, so that it counts once.
    pub id: String,
    pub attributes: Object,
    /// ms UTC.
    pub at: i64,
}

/// Stores something that happened, in a transaction of its own. Whoever decides is to be woken after it.
pub async fn note(db: &Db, workspace: &str, happened: Happened) -> Result<()> {
    let (workspace, all) = (workspace.to_string(), Arc::new([happened]));
    db.write(move |tx| {
        let (workspace, all) = (workspace.clone(), all.clone());
        Box::pin(async move { report(tx, &workspace, &*all, all[0].at).await.map(drop) })
    })
    .await
}

/// Stores what happened to users who are there, each of it once; how many were stored. Locks the users, in their order. Whoever decides
/// is to be woken after the commit.
pub async fn report(tx: &mut Tx, workspace: &str, all: &[Happened], now: i64) -> Result<usize> {
    let users: BTreeSet<&str> = all.iter().map(|happened| happened.user.as_str()).collect();
    let users: Vec<Value> = users.into_iter().map(Value::from).collect();
    let sql = format!(
        "SELECT id, incarnation, {} FROM users WHERE workspace = ? AND id IN ({{}}) ORDER BY id{}",
        news::heard("users"),
        for_update(tx.kind())
    );
    let (mut there, mut is_heard) = (BTreeMap::new(), false);
    for row in select_in(&mut On::Tx(tx), &sql, &args![workspace], &users).await? {
        there.insert(row.text(0)?, row.text(1)?);
        is_heard |= row.int(2)? > 0;
    }
    let is_there = |h: &&Happened| {
        there.get(&h.user).is_some_and(|now| h.incarnation.as_ref().is_none_or(|incarnation| incarnation == now))
    };
    let all: Vec<&Happened> = all.iter().filter(is_there).collect();
    let pairs: Vec<(&str, &str)> = all.iter().map(|h| (h.user.as_str(), h.id.as_str())).collect();
    let mut known = BTreeSet::new();
    for row in events::find(&mut On::Tx(tx), workspace, "user_id, id", &pairs).await? {
        known.insert((row.text(0)?, row.text(1)?));
    }
    let (mut new, mut inbox, mut told) = (vec![], vec![], vec![]);
    for happened in all {
        let Happened { user, name, id, attributes, at, .. } = happened;
        if !known.insert((user.clone(), id.clone())) {
            continue;
        }
        let attributes = Json::Object(attributes.clone()).to_string();
        new.push(args![workspace, user, id, *name, attributes, *at, now]);
        told.extend(news::of_reader(happened));
        inbox.push(args![ids::bucket(workspace, user), workspace, user, id, Option::<String>::None, 0, false]);
    }
    let stored = new.len();
    insert(tx, &EVENTS, new).await?;
    insert(tx, &INBOX, inbox).await?;
    if is_heard {
        news::listeners(tx, workspace).await?.tell(tx, workspace, &told, now).await?;
    }
    Ok(stored)
}
