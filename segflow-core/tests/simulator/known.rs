//! A user as the outside knows it, and the memberships that follow.

use std::collections::{BTreeMap, BTreeSet};

use segflow_core::eval::{EventFact, Facts, History, Of, evaluate};
use segflow_core::memory::Memory;
use segflow_core::merge::{Object, changed, merge};
use segflow_core::project::{Project, Touch};
use segflow_core::protocol::{Field, Rule};
use segflow_core::step::What;

use crate::invariants::holds;

#[derive(Default)]
pub struct Known {
    pub attributes: Object,
    pub ids: BTreeSet<String>,
    /// By name.
    pub events: BTreeMap<String, Vec<EventFact>>,
    /// All that there is to be taken up, in its order, and whether it is history.
    pub told: Vec<(What, bool)>,
}

impl Known {
    pub fn patch(&mut self, patch: &Object, historical: bool) {
        let before = self.attributes.clone();
        merge(&mut self.attributes, patch);
        self.told.push((What::Attributes { changed: changed(&before, &self.attributes) }, historical));
    }

    pub fn event(&mut self, id: &str, name: &str, event: EventFact, historical: bool) {
        if self.ids.insert(id.into()) {
            let EventFact { occurred_at, attributes } = event.clone();
            self.told.push((What::Event { id: id.into(), name: name.into(), attributes, occurred_at }, historical));
            self.events.entry(name.into()).or_default().push(event);
        }
    }
}

/// A user at a moment, as a flow may see it.
pub struct View<'a> {
    pub project: &'a Project,
    pub attributes: &'a Object,
    pub events: &'a BTreeMap<String, Vec<EventFact>>,
    /// How many of each name there were at the moment; `None`: all.
    pub counts: Option<&'a BTreeMap<String, usize>>,
    pub members: BTreeSet<String>,
    pub now: i64,
}

impl Facts for View<'_> {
    fn attributes(&self) -> &Object {
        self.attributes
    }
    fn history(&self, of: Of<'_>) -> History<'_> {
        let name = &of.events.name;
        let all = self.events.get(name).map_or(&[][..], Vec::as_slice);
        let count = self.counts.map_or(all.len(), |counts| counts.get(name).copied().unwrap_or(0));
        History::full(&all[..count])
    }
    fn in_segment(&self, id: &str) -> bool {
        self.members.contains(id)
    }
    fn user_fields(&self) -> &[Field] {
        &self.project.manifest.user
    }
    fn event_fields(&self, name: &str) -> &[Field] {
        self.project.event_fields(name)
    }
    fn now(&self) -> i64 {
        self.now
    }
}

/// Holds the stored memberships against an evaluation of everything, now.
pub fn memberships(memory: &Memory, project: &Project, known: &BTreeMap<String, Known>, now: i64, name: &str) {
    for (user, known) in known {
        let (attributes, events) = (&known.attributes, &known.events);
        let mut view = View { project, attributes, events, counts: None, members: BTreeSet::new(), now };
        for index in project.touched(&[Touch::All]) {
            let segment = &project.manifest.segments[index];
            let Rule::Expr(expr) = &segment.rule else { continue };
            let verdict = evaluate(expr, &view);
            let stored = memory.in_segment(user, &segment.id);
            holds(stored == verdict.holds, name, || {
                format!("{user} in {} at {now}: stored {stored}, {expr:?}", segment.id)
            });
            if verdict.holds {
                view.members.insert(segment.id.clone());
            }
        }
    }
}
