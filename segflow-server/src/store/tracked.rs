//! Where links in emails lead that are counted. An address that goes to many is here once; one that only one person was ever sent may say
//! who that is, and goes with the person.

use std::collections::{BTreeMap, BTreeSet};

use super::db::{Db, Tx, Value};
use super::many::{Existing, On, Table, insert, run_in, select_in};
use super::{Result, for_update};
use crate::args;

/// What a link is known by.
pub type LinkId = [u8; 10];

/// A link that somebody is going to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub id: LinkId,
    pub address: String,
    pub user: String,
}

/// Keeps links, before they go out. Returns those that several people have: nothing will be changed about them any more.
pub async fn keep(db: &Db, workspace: &str, links: Vec<Sent>) -> Result<Vec<LinkId>> {
    let asked = std::sync::Arc::new((workspace.to_string(), links));
    db.write(move |tx| {
        let asked = asked.clone();
        Box::pin(async move { keep_in(tx, &asked.0, &asked.1).await })
    })
    .await
}

async fn keep_in(tx: &mut Tx, workspace: &str, links: &[Sent]) -> Result<Vec<LinkId>> {
    let mut by_id: BTreeMap<LinkId, (&str, BTreeSet<&str>)> = BTreeMap::new();
    for link in links {
        by_id.entry(link.id).or_insert((&link.address, BTreeSet::new())).1.insert(&link.user);
    }
    let row = |(id, (address, users)): (&LinkId, &(&str, BTreeSet<&str>))| {
        let only = users.first().filter(|_| users.len() == 1).copied();
        args![workspace, id.to_vec(), *address, only]
    };
    insert(tx, &TRACKED, by_id.iter().map(row).collect()).await?;
    // Whoever was first has it, until somebody else is sent it as well.
    let ids: Vec<Value> = by_id.keys().map(|id| Value::from(id.to_vec())).collect();
    let sql = format!(
        "SELECT id, user_id FROM tracked_links WHERE workspace = ? AND id IN ({{}}) ORDER BY id{}",
        for_update(tx.kind())
    );
    let (mut shared, mut changed) = (vec![], vec![]);
    for row in select_in(&mut On::Tx(tx), &sql, &args![workspace], &ids).await? {
        let Ok(id) = LinkId::try_from(row.blob(0)?) else { continue };
        let users = by_id.get(&id).map(|(_, users)| users);
        let is_others = |owner: &String| users.is_none_or(|users| users.iter().any(|user| *user != owner.as_str()));
        match row.opt_text(1)? {
            None => shared.push(id),
            Some(owner) if is_others(&owner) => {
                changed.push(Value::from(id.to_vec()));
                shared.push(id);
            }
            Some(_) => {}
        }
    }
    let sql = "UPDATE tracked_links SET user_id = NULL WHERE workspace = ? AND id IN ({})";
    run_in(tx, sql, &args![workspace], &changed).await?;
    Ok(shared)
}

/// Where a link leads.
pub async fn address(db: &Db, workspace: &str, id: &LinkId) -> Result<Option<String>> {
    let sql = "SELECT address FROM tracked_links WHERE workspace = ? AND id = ?";
    db.read_one(sql, args![workspace, id.to_vec()]).await?.map(|row| row.text(0)).transpose()
}

const TRACKED: Table = Table {
    name: "tracked_links",
    columns: &["workspace", "id", "address", "user_id"],
    key: &["workspace", "id"],
    existing: Existing::Stays,
};
