//! Events of users who have many, summed up by stretches of time: what is asked about a hundred thousand of them reads a few hundred rows.
//!
//! A row of `tallies` is a cache and nothing else: all events of a name that occurred within a time, at the moment of writing and ever
//! since. Whoever stores an event within that time deletes the row in the same transaction ([`late`]); the events then stand apart again,
//! until they are summed up anew. Events are never changed, so their number tells whether they are still the same ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use segflow_core::eval::{Asked, EventFact, Layout, Loaded, Stretch, apart};
use segflow_core::step::{Needs, Work};

use super::db::{Row, Tx, Value};
use super::history::{Part, Reading, gaps};
use super::many::{Existing, On, Table, insert, select_in};
use super::{Result, events_by_name, for_update};
use crate::args;

/// Detail many events there may be of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// With more of one name that stand apart, they are summed up.
    pub apart: usize,
    /// About so many of the newest are not: whatever comes a little late finds its place among them.
    pub newest: usize,
    /// The most in one stretch.
    pub stretch: usize,
}

pub const SIZES: Sizes = Sizes { apart: 128, newest: 32, stretch: 512 };

/// What is to be summed up of one user's events.
struct Grown {
    user: String,
    incarnation: String,
    name: String,
    layout: Arc<Layout>,
    /// From an instant until before another.
    ranges: Vec<(i64, i64)>,
}

/// The same, summed up.
struct Kept {
    starts: i64,
    ends: i64,
    events: usize,
    stretches: Vec<Stretch>,
}

/// The stretches of these users for a layout, each in the order of time: with its events one by one where a bound lies within it.
pub async fn read(
    reading: &Reading<'_>,
    name: &str,
    layout: &Layout,
    users: impl Iterator<Item = &String>,
) -> Result<BTreeMap<String, Vec<Stretch>>> {
    let bounds = layout.bounds(reading.now);
    let holds = vec!["(starts < ? AND ends > ?)"; bounds.len()].join(" OR ");
    let sql = format!(
        "SELECT user_id, starts, ends, events, tallies, CASE WHEN {holds} THEN one_by_one END FROM tallies \
         WHERE workspace = ? AND name = ? AND layout = ? AND user_id IN ({{}})"
    );
    let mut before: Vec<Value> = bounds.iter().flat_map(|bound| args![*bound, *bound]).collect();
    before.extend(args![reading.workspace, name, layout.key]);
    let users: Vec<Value> = users.map(Value::from).collect();
    let mut all: BTreeMap<String, Vec<Stretch>> = BTreeMap::new();
    for row in select_in(&mut On::Db(reading.db), &sql, &before, &users).await? {
        all.entry(row.text(0)?).or_default().extend(stretch(&row)?);
    }
    all.values_mut().for_each(|stretches| stretches.sort_by_key(|stretch| stretch.starts));
    Ok(all)
}

/// One that cannot be read is as good as none.
fn stretch(row: &Row) -> Result<Option<Stretch>> {
    let (starts, ends, events) = (row.int(1)?, row.int(2)?, row.int(3)? as usize);
    Ok(Stretch::read(starts, ends, events, &row.blob(4)?, row.opt_blob(5)?.as_deref()))
}

/// Sums up what has come to be many of what was loaded.
pub async fn keep(reading: &Reading<'_>, sizes: Sizes, needed: &mut [(Work, Needs)], more: &[Asked]) -> Result<()> {
    let mut grown = vec![];
    for (work, _) in needed {
        for loaded in work.history.iter_mut().filter(|loaded| loaded.events.len() > sizes.apart) {
            loaded.events.sort_by_key(|event| event.occurred_at);
            let layouts = match &loaded.summed {
                Some((layout, _)) => vec![layout.clone()],
                None => reading.project.layouts(&loaded.name, more),
            };
            let (user, incarnation) = (work.user.id.clone(), work.user.incarnation.clone());
            let ranges = ranges(sizes, loaded);
            grown.extend(layouts.into_iter().map(|layout| Grown {
                user: user.clone(),
                incarnation: incarnation.clone(),
                name: loaded.name.clone(),
                layout,
                ranges: ranges.clone(),
            }));
        }
    }
    for grown in grown {
        let (user, name) = (grown.user.clone(), grown.name.clone());
        if let Err(error) = sum_up(reading, sizes, grown, more).await {
            if error.is_away() {
                return Err(error);
            }
            tracing::warn!(reading.workspace, user, name, %error, "a history could not be summed up");
        }
    }
    Ok(())
}

/// What is to be summed up: all that stands apart but the newest, together with the stretch before it where there is room.
fn ranges(sizes: Sizes, loaded: &Loaded) -> Vec<(i64, i64)> {
    let events = &loaded.events;
    let Some(last) = events.last() else { return vec![] };
    let newest = events.get(apart(events, sizes.newest)).map_or(last.occurred_at.saturating_add(1), |e| e.occurred_at);
    let stretches = loaded.summed.as_ref().map_or(&[][..], |(_, stretches)| stretches);
    let range = |(starts, ends): (i64, i64)| {
        let ends = ends.min(newest);
        let count = events.iter().filter(|event| (starts..ends).contains(&event.occurred_at)).count();
        let before = stretches.iter().find(|s| s.ends == starts && s.events + count <= sizes.stretch);
        (count > 0).then_some((before.map_or(starts, |before| before.starts), ends))
    };
    gaps(stretches).into_iter().filter_map(range).collect()
}

async fn sum_up(reading: &Reading<'_>, sizes: Sizes, grown: Grown, more: &[Asked]) -> Result<()> {
    let part = |(starts, ends): &(i64, i64)| Part { user: &grown.user, starts: *starts, ends: *ends };
    let parts: Vec<Part<'_>> = grown.ranges.iter().map(part).collect();
    let events = reading.events(&grown.name, &parts).await?;
    let fields = reading.project.event_fields(&grown.name);
    let kept = |(mut events, (starts, ends)): (Vec<EventFact>, &(i64, i64))| {
        events.sort_by_key(|event| event.occurred_at);
        let stretches = grown.layout.sum_up(*starts, *ends, &events, sizes.stretch, fields);
        Kept { starts: *starts, ends: *ends, events: events.len(), stretches }
    };
    let kept: Arc<Vec<Kept>> = Arc::new(events.into_iter().zip(&grown.ranges).map(kept).collect());
    let used = reading.project.layouts(&grown.name, more).iter().map(|layout| layout.key).collect::<BTreeSet<i64>>();
    let (workspace, generation, grown) = (reading.workspace.to_string(), reading.project.generation, Arc::new(grown));
    reading
        .db
        .write(move |tx| {
            let (workspace, used) = (workspace.clone(), used.clone());
            let (grown, kept) = (grown.clone(), kept.clone());
            Box::pin(async move { write(tx, &workspace, generation, &grown, &kept, &used).await })
        })
        .await
}

async fn write(
    tx: &mut Tx,
    workspace: &str,
    generation: i64,
    grown: &Grown,
    all: &[Kept],
    used: &BTreeSet<i64>,
) -> Result<()> {
    // Whoever stores an event of the user's waits for this, or has done so before: then there is one more than was summed up.
    let sql =
        format!("SELECT incarnation, tallied_to FROM users WHERE workspace = ? AND id = ?{}", for_update(tx.kind()));
    let Some(user) = tx.row(sql, args![workspace, &grown.user]).await? else { return Ok(()) };
    if user.text(0)? != grown.incarnation {
        return Ok(());
    }
    let key = args![workspace, &grown.user, &grown.name];
    let mut tallied_to = user.opt_int(1)?;
    for kept in all {
        let within = args![kept.starts, kept.ends];
        let sql = format!(
            "SELECT COUNT(*) FROM {} WHERE workspace = ? AND user_id = ? AND name = ? AND occurred_at >= ? AND occurred_at < ?",
            events_by_name(tx.kind())
        );
        let count = tx.row(sql, [key.clone(), within.clone()].concat()).await?;
        if count.map(|row| row.int(0)).transpose()? != Some(kept.events as i64) {
            continue;
        }
        let sql = "DELETE FROM tallies WHERE workspace = ? AND user_id = ? AND name = ? AND layout = ? AND starts >= ? AND starts < ?";
        tx.run(sql, [key.clone(), args![grown.layout.key], within].concat()).await?;
        let row = |stretch: &Stretch| {
            let (tallies, one_by_one) = stretch.bytes();
            let (starts, ends, events) = (stretch.starts, stretch.ends, stretch.events as i64);
            [key.clone(), args![grown.layout.key, starts, ends, events, generation, tallies, one_by_one]].concat()
        };
        insert(tx, &TALLIES, kept.stretches.iter().map(row).collect()).await?;
        tallied_to = tallied_to.max(Some(kept.ends));
    }
    // What an earlier project asked about, and nobody asks about now.
    let sql = format!(
        "DELETE FROM tallies WHERE workspace = ? AND user_id = ? AND name = ? AND generation < ? AND layout NOT IN ({})",
        used.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")
    );
    tx.run(sql, [key, args![generation]].concat()).await?;
    tx.run("UPDATE users SET tallied_to = ? WHERE workspace = ? AND id = ?", args![tallied_to, workspace, &grown.user])
        .await
        .map(drop)
}

/// An event that is stored for a user of whose events some have been summed up.
pub struct Late {
    pub workspace: String,
    pub user: String,
    pub name: String,
    pub occurred_at: i64,
}

/// Forgets the sums in which these events are missing. The caller holds the locks of their users.
pub async fn late(tx: &mut Tx, all: Vec<Late>) -> Result<()> {
    for late in all {
        let sql = "DELETE FROM tallies WHERE workspace = ? AND user_id = ? AND name = ? AND starts <= ? AND ends > ?";
        let (at, Late { workspace, user, name, .. }) = (late.occurred_at, late);
        tx.run(sql, args![workspace, user, name, at, at]).await?;
    }
    Ok(())
}

const TALLIES: Table = Table {
    name: "tallies",
    columns: &[
        "workspace",
        "user_id",
        "name",
        "layout",
        "starts",
        "ends",
        "events",
        "generation",
        "tallies",
        "one_by_one",
    ],
    key: &["workspace", "user_id", "name", "layout", "starts"],
    existing: Existing::Fails,
};
