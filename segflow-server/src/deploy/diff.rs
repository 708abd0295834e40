//! What differs between two manifests.

use std::collections::BTreeMap;

use segflow_core::protocol::{Campaign, Manifest};
use serde::Serialize;
use serde_json::{Value, json};

/// One line of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// `+` new, `~` changed, `-` gone, `=` unchanged.
    pub change: char,
    pub kind: &'static str,
    pub id: String,
    pub note: String,
}

/// All parts of the project, with what has become of each.
pub fn changes(old: Option<&Manifest>, new: &Manifest) -> Vec<Change> {
    let empty = Manifest::default();
    let old = old.unwrap_or(&empty);
    let mut all = vec![];
    macro_rules! compare {
        ($kind:literal, $field:ident, $key:ident) => {
            compare(
                &mut all,
                $kind,
                old.$field.iter().map(|x| (x.$key.as_str(), x)).collect(),
                new.$field.iter().map(|x| (x.$key.as_str(), x)).collect(),
            )
        };
    }
    compare!("attribute", user, name);
    compare!("event", events, name);
    compare!("segment", segments, id);
    compare!("campaign", campaigns, id);
    compare!("transaction", transactions, id);
    compare!("template", templates, id);
    compare!("provider", providers, id);
    compare!("topic", topics, id);
    let (before, after) = (policies(old), policies(new));
    compare(&mut all, "rule", by_name(&before), by_name(&after));
    all
}

/// What the project says of all messages of campaigns, by name.
fn policies(manifest: &Manifest) -> BTreeMap<&'static str, Value> {
    let declared = [("quiet hours", json!(manifest.windows)), ("frequency cap", json!(manifest.caps))];
    declared.into_iter().filter(|(_, value)| *value != json!([])).collect()
}

fn by_name<'a>(policies: &'a BTreeMap<&'static str, Value>) -> BTreeMap<&'a str, &'a Value> {
    policies.iter().map(|(name, value)| (*name, value)).collect()
}

fn compare<T: PartialEq>(into: &mut Vec<Change>, kind: &'static str, old: BTreeMap<&str, &T>, new: BTreeMap<&str, &T>) {
    let mut say = |change, id: &str| into.push(Change { change, kind, id: id.into(), note: String::new() });
    for (id, value) in &new {
        match old.get(id) {
            None => say('+', id),
            Some(before) if before != value => say('~', id),
            Some(_) => say('=', id),
        }
    }
    for id in old.keys().filter(|id| !new.contains_key(*id)) {
        say('-', id);
    }
}

/// Whether who belongs to something may have changed.
pub fn entries_differ(old: Option<&Manifest>, new: &Manifest) -> bool {
    let Some(old) = old else { return true };
    old.segments != new.segments || old.user != new.user || old.events != new.events || rules(old) != rules(new)
}

/// By campaign: the generation in which its entry rule came to be. One that is unchanged keeps its own.
pub fn since(
    old: Option<(&Manifest, &BTreeMap<String, i64>)>,
    new: &Manifest,
    generation: i64,
) -> BTreeMap<String, i64> {
    let before = old.map(|(manifest, _)| rules(manifest)).unwrap_or_default();
    let kept = |campaign: &Campaign| {
        let same = before.get(campaign.id.as_str()) == Some(&rule(campaign));
        old.filter(|_| same).and_then(|(_, since)| since.get(&campaign.id).copied())
    };
    new.campaigns.iter().map(|c| (c.id.clone(), kept(c).unwrap_or(generation))).collect()
}

type Rule<'a> = (&'a [String], &'a [String], segflow_core::protocol::Mode);

fn rule(campaign: &Campaign) -> Rule<'_> {
    (&campaign.segments, &campaign.exclude_segments, campaign.mode)
}

fn rules(manifest: &Manifest) -> BTreeMap<&str, Rule<'_>> {
    manifest.campaigns.iter().map(|c| (c.id.as_str(), rule(c))).collect()
}
