//! Events that nobody listens to are stored, and that is all: no step is taken for them.
//!
//! Most of what applications report is of that kind. A step for each would cost several times what the event does, and decide nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use segflow_core::project::Project;

use super::Result;
use super::db::{Tx, Value};
use super::ingest::{Fact, What};
use super::many::{On, select_in};
use crate::args;

/// How far another server's clock may be ahead, in ms: what is due there is not said to be quiet here.
const AHEAD: i64 = 60_000;

/// The projects that are in force, as far as this server has come to know them.
#[derive(Clone, Default)]
pub struct Heard(Arc<Mutex<BTreeMap<String, Arc<Project>>>>);

impl Heard {
    /// A project has been loaded.
    pub fn by(&self, workspace: &str, project: Arc<Project>) {
        let mut known = self.0.lock().expect("no panic while held");
        if known.get(workspace).is_none_or(|known| known.generation <= project.generation) {
            known.insert(workspace.into(), project);
        }
    }

    /// The generation of the project, if it has nothing to say to this event by itself.
    fn unheard(&self, workspace: &str, event: &str) -> Option<i64> {
        let known = self.0.lock().expect("no panic while held");
        known.get(workspace).filter(|project| !project.hears(event)).map(|project| project.generation)
    }

    /// Which of these facts nobody has to decide about. Their users are locked, so that nothing begins that they could be for.
    ///
    /// A user is quiet who is in no campaign, has been held against the project in force, and for whom nothing is new or due: a decision
    /// that is under way has one of these as its reason until it is committed.
    pub(super) async fn nobody(&self, tx: &mut Tx, facts: &[Fact]) -> Result<Vec<bool>> {
        let mut nobody = vec![false; facts.len()];
        let mut asked: BTreeMap<(&str, i64), Vec<usize>> = BTreeMap::new();
        // All segments are looked through once for each name, not for each event.
        let mut known: BTreeMap<(&str, &str), Option<i64>> = BTreeMap::new();
        for (index, fact) in facts.iter().enumerate() {
            if let What::Event { name, .. } = &fact.what
                && let Some(generation) =
                    *known.entry((&fact.workspace, name)).or_insert_with(|| self.unheard(&fact.workspace, name))
            {
                asked.entry((&fact.workspace, generation)).or_default().push(index);
            }
        }
        for ((workspace, generation), indexes) in asked {
            let users: BTreeSet<&str> = indexes.iter().map(|index| facts[*index].user.as_str()).collect();
            let now = indexes.iter().map(|index| facts[*index].now).max().unwrap_or_default();
            let quiet = quiet(tx, workspace, generation, users, now).await?;
            for index in indexes {
                nobody[index] = quiet.contains(&facts[index].user);
            }
        }
        // What comes with a fact that is heard may be what it makes somebody wait for.
        let told = facts.iter().zip(&nobody).filter(|(_, nobody)| !**nobody);
        let told: BTreeSet<(&str, &str)> = told.map(|(fact, _)| key(fact)).collect();
        let alone = |(fact, nobody): (&Fact, &bool)| *nobody && !told.contains(&key(fact));
        Ok(facts.iter().zip(&nobody).map(alone).collect())
    }
}

fn key(fact: &Fact) -> (&str, &str) {
    (&fact.workspace, &fact.user)
}

/// Those of these users who are quiet under a generation that is in force.
async fn quiet(
    tx: &mut Tx,
    workspace: &str,
    generation: i64,
    users: BTreeSet<&str>,
    now: i64,
) -> Result<BTreeSet<String>> {
    let users: Vec<Value> = users.into_iter().map(Value::from).collect();
    let sql = "SELECT id FROM users WHERE evaluated = ? \
               AND EXISTS (SELECT 1 FROM workspaces w WHERE w.id = users.workspace AND w.generation = users.evaluated) \
               AND NOT EXISTS (SELECT 1 FROM inbox i WHERE i.workspace = users.workspace AND i.user_id = users.id) \
               AND NOT EXISTS (SELECT 1 FROM enrollments e WHERE e.workspace = users.workspace AND e.user_id = users.id \
                               AND e.status IN ('active', 'parked', 'paused')) \
               AND NOT EXISTS (SELECT 1 FROM flips f WHERE f.workspace = users.workspace AND f.user_id = users.id \
                               AND f.flip_at <= ?) \
               AND workspace = ? AND id IN ({})";
    let before = args![generation, now.saturating_add(AHEAD), workspace];
    let rows = select_in(&mut On::Tx(tx), sql, &before, &users).await?;
    rows.iter().map(|row| row.text(0)).collect()
}
