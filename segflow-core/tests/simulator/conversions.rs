//! What counts for campaigns: each event and each goal once, for the last message before it.

use segflow_core::conversion::Cause;
use segflow_core::eval::condition;
use segflow_core::ledger::{Origin, Status};
use segflow_core::memory::{Memory, Row};
use segflow_core::protocol::{Conversion, Effect, Trigger};
use segflow_core::step::What;

use crate::audit::{Audit, Enrollments, Taking};
use crate::invariants::{equal, holds};
use crate::runs::Did;

/// A campaign, what counts for it, the message and the value.
type Counted = (String, String, String, Option<i64>);

impl Audit {
    /// What counts since a decision was committed is what its facts and goals come to, looked up the long way.
    pub fn conversions_of(&mut self, memory: &Memory, taking: &Taking<'_>, after: &Enrollments, all: &[(String, Did)]) {
        let mut expected = events(memory, taking);
        expected.extend(goals(memory, taking, after, all));
        let mut is: Vec<Counted> = vec![];
        for converted in &memory.conversions()[self.conversions..] {
            let success = &converted.success;
            equal(&converted.user, &taking.decision.user, "what counts is a user's own");
            holds(self.converted.insert(success.id.clone()), "a thing counts once", || format!("{converted:?}"));
            let (kind, cause) = match &success.what {
                Cause::Event { id, .. } => ("converted event", id),
                Cause::Goal(name) => ("converted goal", name),
            };
            is.push((success.campaign.clone(), cause.clone(), converted.message.clone(), success.value));
            self.saw(kind);
        }
        self.conversions = memory.conversions().len();
        is.sort();
        expected.sort();
        equal(&is, &expected, "what happens counts for the last message before it");
    }
}

fn events(memory: &Memory, taking: &Taking<'_>) -> Vec<Counted> {
    let Taking { project, work, .. } = *taking;
    let mut expected = vec![];
    for fact in &work.facts {
        let What::Event { id, name, attributes, occurred_at } = &fact.what else { continue };
        for campaign in &project.manifest.campaigns {
            let counts = campaign.conversions.iter().find_map(|conversion| {
                let Trigger::Event { name: on, filter } = &conversion.on else { return None };
                let fits = filter.as_ref().is_none_or(|cond| condition(cond, attributes, project.event_fields(name)));
                let is_it = |row: &Row| campaign_of(row) == Some(&campaign.id);
                let message = last(memory, taking, *occurred_at, conversion.within, is_it);
                Some((message.filter(|_| on == name && fits)?, conversion))
            });
            if let Some((message, conversion)) = counts {
                let number = conversion.value.as_ref().and_then(|path| attributes.get(&path[0])?.as_f64());
                let value = number.map(|number| (number * 1e6).round() as i64);
                expected.push((campaign.id.clone(), id.clone(), message, value));
            }
        }
    }
    expected
}

fn goals(memory: &Memory, taking: &Taking<'_>, after: &Enrollments, all: &[(String, Did)]) -> Vec<Counted> {
    let mut expected = vec![];
    for (id, effect) in all.iter().flat_map(|(id, did)| did.effects.iter().map(move |effect| (id, effect))) {
        let Effect::Goal { name, .. } = effect else { continue };
        let Some(campaign) = taking.project.campaign(&after[id].campaign) else { continue };
        let said = campaign.conversions.iter().filter(|c| c.on == Trigger::Goal(name.clone())).map(|c| c.within);
        let unsaid = campaign.conversions.is_empty().then_some(Conversion::WITHIN);
        let Some(within) = said.max().or(unsaid) else { continue };
        let of_run = |row: &Row| matches!(&row.message.origin, Origin::Campaign { enrollment, .. } if enrollment == id);
        if let Some(message) = last(memory, taking, taking.at, within, of_run) {
            expected.push((campaign.id.clone(), name.clone(), message, None));
        }
    }
    expected
}

fn campaign_of(row: &Row) -> Option<&String> {
    match &row.message.origin {
        Origin::Campaign { campaign, .. } => Some(campaign),
        Origin::Transaction { .. } => None,
    }
}

/// The last message to the user before an instant, of some.
fn last(memory: &Memory, taking: &Taking<'_>, at: i64, within: i64, of: impl Fn(&Row) -> bool) -> Option<String> {
    let mut all: Vec<(i64, i64, u64, &String)> = vec![];
    for row in memory.messages().filter(|row| row.user == taking.decision.user && of(row)) {
        let Origin::Campaign { op, .. } = &row.message.origin else { continue };
        if let Some(sent_at) = row.sent_at.filter(|sent_at| (at - within + 1..=at).contains(sent_at))
            && row.status == Status::Sent
        {
            all.push((sent_at, row.message.created_at, *op, &row.message.id));
        }
    }
    all.sort();
    all.pop().map(|(.., id)| id.clone())
}
