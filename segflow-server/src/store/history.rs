//! The events that are asked about, of many users at once: one by one, or summed up where a user has many ([`tallies`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use segflow_core::eval::{Asked, EventFact, Layout, Loaded, Stretch};
use segflow_core::project::Project;
use segflow_core::step::{Needs, Work};

use super::db::{Db, Value};
use super::ingest::object;
use super::many::{On, select_in};
use super::tallies::{self, Sizes};
use super::{Result, events_by_name};
use crate::args;

/// The most parts of one statement that reads several users' events.
const PARTS: usize = 16;

/// Detail events are loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// One by one, all of them: for whoever wants to see them.
    OneByOne,
    /// As they have been summed up.
    Summed,
    /// The same, and where many have come to be apart they are summed up for the next time.
    Keeping(Sizes),
}

/// For whom and how.
pub struct Reading<'a> {
    pub db: &'a Db,
    pub project: &'a Project,
    pub workspace: &'a str,
    pub now: i64,
    pub detail: Detail,
}

/// Some time in the history of a user: events from an instant until before another.
pub struct Part<'a> {
    pub user: &'a str,
    pub starts: i64,
    pub ends: i64,
}

impl Reading<'_> {
    /// Loads the events that these users' steps need, and those that are asked about besides. `tallied` are the users of whose events some
    /// may have been summed up.
    pub async fn load(&self, needed: &mut [(Work, Needs)], tallied: &BTreeSet<String>, more: &[Asked]) -> Result<()> {
        let mut names: BTreeSet<String> = needed.iter().flat_map(|(_, needs)| needs.events.iter().cloned()).collect();
        names.extend(more.iter().map(|asked| asked.events.name.clone()));
        for name in names {
            let wanted = more.iter().any(|asked| asked.events.name == name);
            let users = needed.iter_mut().filter(|(_, needs)| wanted || needs.events.contains(&name));
            let users: BTreeMap<String, &mut Work> = users.map(|(work, _)| (work.user.id.clone(), work)).collect();
            let layouts = self.project.layouts(&name, more);
            let is_summed = |user: &String| self.detail != Detail::OneByOne && tallied.contains(user);
            let (summed, apart) = users.into_iter().partition(|(user, _)| is_summed(user));
            self.one_by_one(&name, apart).await?;
            self.summed(&name, &layouts, summed).await?;
        }
        match self.detail {
            Detail::Keeping(sizes) => tallies::keep(self, sizes, needed, more).await,
            _ => Ok(()),
        }
    }

    async fn one_by_one(&self, name: &str, users: BTreeMap<String, &mut Work>) -> Result<()> {
        let ids: Vec<Value> = users.keys().map(Value::from).collect();
        let sql = format!(
            "SELECT user_id, attributes, occurred_at FROM {} WHERE workspace = ? AND name = ? AND user_id IN ({{}})",
            events_by_name(self.db.kind())
        );
        let mut events: BTreeMap<String, Vec<EventFact>> = BTreeMap::new();
        for row in select_in(&mut On::Db(self.db), &sql, &args![self.workspace, name], &ids).await? {
            let fact = EventFact { occurred_at: row.int(2)?, attributes: object(&row.text(1)?)? };
            events.entry(row.text(0)?).or_default().push(fact);
        }
        for (user, work) in users {
            work.history.push(Loaded::full(name, events.remove(&user).unwrap_or_default()));
        }
        Ok(())
    }

    async fn summed(&self, name: &str, layouts: &[Arc<Layout>], mut users: BTreeMap<String, &mut Work>) -> Result<()> {
        for layout in layouts {
            let mut known = tallies::read(self, name, layout, users.keys()).await?;
            let stretches = users.keys().map(|user| known.remove(user).unwrap_or_default());
            let stretches: Vec<Vec<Stretch>> = stretches.collect();
            let parts = users.keys().zip(&stretches).flat_map(|(user, stretches)| {
                let part = |(starts, ends)| Part { user, starts, ends };
                gaps(stretches).into_iter().map(part)
            });
            let mut events = self.events(name, &parts.collect::<Vec<_>>()).await?.into_iter();
            for (work, stretches) in users.values_mut().zip(stretches) {
                let events = events.by_ref().take(gaps(&stretches).len()).flatten().collect();
                let summed = Some((layout.clone(), stretches));
                work.history.push(Loaded { name: name.into(), events, summed });
            }
        }
        Ok(())
    }

    /// The events of some parts of histories, part by part.
    pub async fn events(&self, name: &str, parts: &[Part<'_>]) -> Result<Vec<Vec<EventFact>>> {
        let mut all: Vec<Vec<EventFact>> = parts.iter().map(|_| vec![]).collect();
        for (parts, all) in parts.chunks(PARTS).zip(all.chunks_mut(PARTS)) {
            let (mut sql, mut args) = (vec![], vec![]);
            for (n, part) in parts.iter().enumerate() {
                sql.push(format!(
                    "SELECT {n}, attributes, occurred_at FROM {} \
                     WHERE workspace = ? AND user_id = ? AND name = ? AND occurred_at >= ? AND occurred_at < ?",
                    events_by_name(self.db.kind())
                ));
                args.extend(args![self.workspace, part.user, name, part.starts, part.ends]);
            }
            for row in self.db.read(sql.join(" UNION ALL "), args).await? {
                let fact = EventFact { occurred_at: row.int(2)?, attributes: object(&row.text(1)?)? };
                all[row.int(0)? as usize].push(fact);
            }
        }
        Ok(all)
    }
}

/// The times between stretches, which are in their order.
pub fn gaps(stretches: &[Stretch]) -> Vec<(i64, i64)> {
    let (mut gaps, mut at) = (vec![], i64::MIN);
    for stretch in stretches {
        gaps.push((at, stretch.starts));
        at = stretch.ends;
    }
    gaps.push((at, i64::MAX));
    gaps.retain(|(starts, ends)| starts < ends);
    gaps
}
