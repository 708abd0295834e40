//! By what a user comes to fit a campaign: by news, by facts of the past, or by a push. Facts of the past enrol nobody, and whoever a push
//! finds there is no newcomer.

use std::collections::BTreeSet;

use segflow_protocol::Campaign;

use super::{Step, ids_of};
use crate::project::Touch;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Something has happened, it was time, or the user is new.
    News,
    /// Only facts of the past have to do with it.
    Past,
    /// The rule is another one since a push.
    Push,
}

/// The segments that a step may have changed, by what has to do with them.
pub(super) struct Causes<'a> {
    push: BTreeSet<&'a str>,
    /// What the push has changed is not known.
    unknown_push: bool,
    news: BTreeSet<&'a str>,
    past: BTreeSet<&'a str>,
    /// There are facts, all of the past, and nothing else.
    pub all_past: bool,
}

impl<'a> Step<'a> {
    pub(super) fn causes(&self) -> Causes<'a> {
        let project = self.project;
        let touched = |touches: &[Touch<'_>]| ids_of(project, project.touched(touches));
        let facts = |historical| {
            let facts = self.work.facts.iter().filter(move |fact| fact.historical == historical);
            facts.filter_map(|fact| fact.touches()).collect::<Vec<_>>()
        };
        let mut news = facts(false);
        let due: Vec<Touch<'_>> =
            self.work.flips.iter().filter(|(_, at)| **at <= self.now).map(|(id, _)| Touch::Segment(id)).collect();
        let all_past = !self.work.facts.is_empty() && self.work.facts.iter().all(|f| f.historical) && due.is_empty();
        news.extend(due);
        // Whoever is new is held against everything, and nothing was there before.
        let push = if self.work.user.seq > 0 { project.touches_since(self.work.user.evaluated) } else { vec![] };
        let unknown_push = push.contains(&Touch::All);
        Causes {
            push: if unknown_push { BTreeSet::new() } else { touched(&push) },
            unknown_push,
            news: touched(&news).union(&self.shown).copied().collect(),
            past: touched(&facts(true)),
            all_past,
        }
    }
}

impl Causes<'_> {
    /// By what a user comes to fit who did not before. What facts of the past have to add has come by them; `None`: no segment of the
    /// campaign's has changed to that end.
    pub fn of(
        &self,
        campaign: &Campaign,
        is_new: bool,
        before: &BTreeSet<String>,
        after: &BTreeSet<String>,
    ) -> Option<Cause> {
        let entered = campaign.segments.iter().filter(|id| !before.contains(*id) && after.contains(*id));
        let left = campaign.exclude_segments.iter().filter(|id| before.contains(*id) && !after.contains(*id));
        let causes: Vec<Cause> = entered.chain(left).map(|id| self.of_segment(id, is_new)).collect();
        [Cause::Past, Cause::News, Cause::Push].into_iter().find(|cause| causes.contains(cause))
    }

    fn of_segment(&self, id: &str, is_new: bool) -> Cause {
        let (news, past) = (self.news.contains(id), self.past.contains(id));
        // Of a rule that is another one nobody can tell who would have been there before.
        if self.push.contains(id) || (self.unknown_push && (is_new || !(news || past))) {
            Cause::Push
        } else if news || !(past || self.all_past) {
            Cause::News
        } else {
            Cause::Past
        }
    }
}
