//! What a push does with those who are in a campaign on earlier code, and a look beforehand at what would become of them.

use std::collections::BTreeMap;

use segflow_core::Code;
use segflow_core::protocol::{InFlight, Manifest};
use serde::Serialize;

use super::Plan;
use crate::store::db::Db;
use crate::store::{self, engine as rows};

/// How many enrollments of a campaign are looked at before a push. Each one is looked at again when it moves.
const SAMPLE: usize = 1_000;

/// Those who are in a campaign on earlier code.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Moving {
    pub campaign: String,
    pub policy: InFlight,
    /// How many there are, and how many of them were looked at.
    pub live: u64,
    pub looked_at: u64,
    /// How many of those are where the new code would be.
    pub same: u64,
    pub diverging: Vec<Diverging>,
}

/// Enrollments that part ways with the new code at one place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diverging {
    pub count: u64,
    /// Entry, expected, got, and where in the source.
    pub reason: String,
    /// One of them.
    pub enrollment: String,
}

/// What becomes of whom, by campaign; those who stay are not named.
pub fn policies(manifest: &Manifest, said: Option<InFlight>) -> BTreeMap<String, InFlight> {
    let campaigns = manifest.campaigns.iter();
    let policy = campaigns.filter_map(|c| Some((c.id.clone(), said.or(c.in_flight)?)));
    policy.filter(|(_, policy)| *policy != InFlight::Pin).collect()
}

/// Replays enrollments on new code, and changes nothing.
pub async fn look(
    db: &Db,
    workspace: &str,
    code: &Code,
    policies: &BTreeMap<String, InFlight>,
    now: i64,
) -> store::Result<Vec<Moving>> {
    let mut all = vec![];
    for (campaign, live) in rows::live(db, workspace).await? {
        if !code.manifest.campaigns.iter().any(|c| c.id == campaign) {
            continue;
        }
        let sample = rows::in_flight(db, workspace, &campaign, SAMPLE).await?;
        let (code, looked_at) = (code.clone(), sample.len() as u64);
        let looking = tokio::task::spawn_blocking(move || {
            let mut diverging: BTreeMap<String, Diverging> = BTreeMap::new();
            let mut same = 0;
            for (user, attributes, enrollment) in sample {
                let why = match enrollment.replays(&code, &user, &attributes, now) {
                    Ok(Ok(())) => {
                        same += 1;
                        continue;
                    }
                    Ok(Err(why)) => why,
                    Err(error) => format!("it could not be replayed: {error}"),
                };
                let new = || Diverging { count: 0, reason: why.clone(), enrollment: enrollment.id.clone() };
                diverging.entry(why.clone()).or_insert_with(new).count += 1;
            }
            let mut diverging: Vec<Diverging> = diverging.into_values().collect();
            diverging.sort_by_key(|d| std::cmp::Reverse(d.count));
            (same, diverging)
        });
        let (same, diverging) =
            looking.await.map_err(|e| store::Error::Internal(format!("looking at flows failed: {e}")))?;
        let policy = policies.get(&campaign).copied().unwrap_or(InFlight::Pin);
        all.push(Moving { campaign, policy, live, looked_at, same, diverging });
    }
    Ok(all)
}

/// Says in the plan's lines what was seen.
pub fn note(plan: &mut Plan) {
    for moving in &plan.in_flight {
        let Some(line) = plan.changes.iter_mut().find(|c| c.kind == "campaign" && c.id == moving.campaign) else {
            continue;
        };
        let diverge: u64 = moving.diverging.iter().map(|d| d.count).sum();
        if diverge > 0 && line.change == '=' {
            // The manifest is the same, and the flow is not.
            line.change = '~';
        }
        let (Moving { live, same, looked_at, .. }, mut says) = (moving, vec![]);
        if looked_at < live {
            says.push(format!("of {looked_at} looked at"));
        }
        match moving.policy {
            InFlight::Pin if diverge == 0 => says.push("all stay, and could move".into()),
            InFlight::Pin => says.push(format!("all stay; {same} could move, {diverge} would diverge")),
            InFlight::Migrate if diverge == 0 => says.push(format!("{same} move")),
            InFlight::Migrate => says.push(format!("{same} move, {diverge} diverge and stay")),
            InFlight::Restart => says.push("all begin anew".into()),
            InFlight::Cancel => says.push("all leave".into()),
        }
        if let Some(first) = moving.diverging.first() {
            says.push(first.reason.clone());
        }
        let note = format!("{live} in flight: {}", says.join("; "));
        line.note = if line.note.is_empty() { note } else { format!("{}; {note}", line.note) };
    }
}
