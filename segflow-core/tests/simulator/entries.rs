//! A second opinion about who enters a campaign, who leaves it, and why: from the memberships, the facts and the policies alone.

use std::collections::{BTreeMap, BTreeSet};

use segflow_core::enrollment::{Enrollment, Status};
use segflow_core::merge::Object;
use segflow_core::project::{Project, Touch, belongs};
use segflow_core::protocol::{Campaign, Cond, InFlight, Mode, Reentry, Test, Trigger};
use segflow_core::step::{Decision, MarkKind, What, Work};
use serde_json::Value;

use crate::invariants::{equal, holds};

/// What a step began with and came to.
pub struct Movement<'a> {
    pub project: &'a Project,
    pub work: &'a Work,
    pub decision: &'a Decision,
    /// All enrollments of the user, before and after.
    pub before: &'a BTreeMap<String, Enrollment>,
    pub after: &'a BTreeMap<String, Enrollment>,
    pub members: &'a BTreeSet<String>,
    pub at: i64,
}

impl Movement<'_> {
    /// Whether the user is looked at for the first time since a push.
    pub fn is_fresh(&self) -> bool {
        self.work.user.evaluated < self.project.generation
    }

    fn campaign(&self, id: &str) -> Option<&Campaign> {
        self.project.manifest.campaigns.iter().find(|c| c.id == id)
    }

    fn belonged(&self, campaign: &Campaign) -> bool {
        belongs(campaign, |id| self.work.members.contains(id))
    }

    fn belongs(&self, campaign: &Campaign) -> bool {
        belongs(campaign, |id| self.members.contains(id))
    }

    fn happened(&self, triggers: &[Trigger]) -> Option<&str> {
        let fits = |of: &str, v: Option<&Value>| {
            triggers.iter().any(|trigger| match trigger {
                Trigger::Event { name, filter } => name == of && filter.as_ref().is_none_or(|cond| at_least(cond, v)),
                Trigger::Goal(_) => false,
            })
        };
        let mut facts = self.work.facts.iter().filter(|fact| !fact.historical);
        facts.find_map(|fact| match &fact.what {
            What::Event { name, attributes, .. } if fits(name, attributes.get("v")) => Some(name.as_str()),
            _ => None,
        })
    }

    fn reached(&self, triggers: &[Trigger], by_another_than: Option<&str>) -> Option<&str> {
        let mut goals = self.decision.marks.iter().filter_map(|mark| match &mark.what {
            MarkKind::Goal(goal) if by_another_than != Some(mark.enrollment.as_str()) => Some(goal.as_str()),
            _ => None,
        });
        goals.find(|goal| triggers.iter().any(|t| matches!(t, Trigger::Goal(name) if name == goal)))
    }

    /// Why an enrollment that was live has to leave before its flow goes on.
    pub fn leaves(&self, e: &Enrollment) -> Option<String> {
        let Some(campaign) = self.campaign(&e.campaign) else {
            return self.is_fresh().then(|| "the campaign was removed".into());
        };
        if let Some(event) = self.happened(&campaign.exits_on) {
            return Some(format!("{event} happened"));
        }
        let held = self.belonged(campaign) || !e.by_hand;
        if campaign.mode == Mode::Dynamic && held && self.is_looked_at(campaign) && !self.belongs(campaign) {
            let missing = campaign.segments.iter().find(|id| !self.members.contains(*id));
            return Some(missing.map_or("entered an excluded segment".into(), |id| format!("left segment {id}")));
        }
        let left = |what: &What| matches!(what, What::Leave { campaign } if *campaign == e.campaign);
        self.work.facts.iter().any(|f| left(&f.what)).then(|| "stopped by another campaign".into())
    }

    /// Whether an enrollment that was active has to pause before its flow goes on.
    pub fn pauses(&self, e: &Enrollment) -> Option<String> {
        let campaign = self.campaign(&e.campaign).filter(|_| e.status == Status::Active)?;
        self.happened(&campaign.pauses_on).map(|event| format!("{event} happened"))
    }

    /// What a push does with it.
    pub fn policy(&self, e: &Enrollment) -> Option<InFlight> {
        let moves = self.is_fresh() && e.deployment != self.project.deployment;
        moves.then(|| self.project.in_flight(&e.campaign, &e.deployment, self.work.user.evaluated))
    }

    /// Whether the reason is that a goal was reached.
    pub fn by_goal(&self, e: &Enrollment, pauses: bool) -> bool {
        let Some(campaign) = self.campaign(&e.campaign) else { return false };
        let triggers = if pauses { &campaign.pauses_on } else { &campaign.exits_on };
        let goal = self.reached(triggers, pauses.then_some(e.id.as_str()));
        goal.is_some() && e.reason.as_deref().is_some_and(|why| why.starts_with("reached the goal "))
    }

    /// The goals that end it.
    pub fn ending_goals(&self, e: &Enrollment) -> BTreeSet<String> {
        let exits_on = self.campaign(&e.campaign).map_or(&[][..], |c| &c.exits_on);
        let goal = |trigger: &Trigger| match trigger {
            Trigger::Goal(name) => Some(name.clone()),
            Trigger::Event { .. } => None,
        };
        exits_on.iter().filter_map(goal).collect()
    }

    /// Whether it has reached a goal of its own that ends it.
    pub fn has_goal(&self, e: &Enrollment) -> bool {
        let ends = self.ending_goals(e);
        self.decision
            .marks
            .iter()
            .any(|mark| mark.enrollment == e.id && matches!(&mark.what, MarkKind::Goal(goal) if ends.contains(goal)))
    }

    /// Facts are left for the next step only if the first of them ends or pauses something, and something was reported or due before it.
    pub fn leaves_facts(&self) {
        let taken = self.decision.consumed.len();
        let Some(next) = self.work.facts.get(taken) else { return };
        let triggers = self.project.manifest.campaigns.iter().flat_map(|c| c.exits_on.iter().chain(&c.pauses_on));
        let alone = Work { facts: vec![next.clone()], ..self.work.clone() };
        let event = Movement { work: &alone, ..*self }.happened(&triggers.cloned().collect::<Vec<_>>()).is_some();
        let is_due = |e: &Enrollment| e.is_due(next.at.min(self.at));
        let is_later =
            self.work.facts[..taken].iter().any(|fact| !fact.historical) || self.work.enrollments.iter().any(is_due);
        holds(event && is_later, "facts are taken up together", || format!("{next:?}"));
    }

    fn is_looked_at(&self, campaign: &Campaign) -> bool {
        let moved = self.work.members != *self.members || self.is_fresh();
        moved || matches!(campaign.reentry, Some(Reentry::PerKey(_)))
    }

    /// Holds those who entered against those who should have.
    pub fn entries(&self) {
        let new = || self.after.values().filter(|e| !self.before.contains_key(&e.id));
        for e in new() {
            holds(self.campaign(&e.campaign).is_some(), "only a campaign of the project is entered", || {
                format!("{e:?}")
            });
        }
        for campaign in &self.project.manifest.campaigns {
            let mut is: Vec<&Enrollment> = new().filter(|e| e.campaign == campaign.id).collect();
            is.sort_by_key(|e| e.run);
            let earlier = self.before.values().filter(|e| e.campaign == campaign.id);
            let runs = earlier.clone().count() as u32;
            let stays =
                |e: &&Enrollment| e.status.is_live() && self.leaves(e).is_none_or(|why| why.starts_with("stopped"));
            let mut live = earlier.clone().filter(stays).count();
            let mut should = vec![];
            if let Some(key) = self.enters(campaign, &earlier.collect::<Vec<_>>(), live > 0) {
                should.push((false, self.at, key));
                live += 1;
            }
            for fact in &self.work.facts {
                match &fact.what {
                    What::Enter { campaign: id, start_at } if *id == campaign.id && live == 0 => {
                        should.push((true, start_at.map_or(self.at, |at| at.max(self.at)), None));
                        live = 1;
                    }
                    What::Leave { campaign: id } if *id == campaign.id => live = 0,
                    _ => {}
                }
            }
            let entered: Vec<_> = is.iter().map(|e| (e.by_hand, e.started_at, e.key.clone())).collect();
            equal(&entered, &should, "who comes to fit enters, and nobody else");
            let counted: Vec<u32> = is.iter().map(|e| e.run).collect();
            equal(&counted, &(runs + 1..=runs + is.len() as u32).collect(), "runs are counted without a gap");
        }
    }

    /// Whether only facts of the past have brought the user here, and whether a push has.
    fn comes_by(&self, campaign: &Campaign, is_new: bool, found_there: bool) -> (bool, bool) {
        let facts = &self.work.facts;
        let is_due = |at: &i64| *at <= self.at;
        let only_history =
            !facts.is_empty() && facts.iter().all(|f| f.historical) && !self.work.flips.values().any(is_due);
        let has_to_do = |touch: Touch<'_>, id: &str| {
            let touched = self.project.touched(&[touch]);
            touched.iter().any(|index| self.project.manifest.segments[*index].id == id)
        };
        let told = |id: &str, historical: bool| {
            facts.iter().filter(|f| f.historical == historical).any(|f| f.touches().is_some_and(|t| has_to_do(t, id)))
        };
        let timed = |id: &str| self.work.flips.iter().any(|(of, at)| is_due(at) && has_to_do(Touch::Segment(of), id));
        let is_known = self.work.user.seq > 0;
        let came = campaign.segments.iter().filter(|id| !self.work.members.contains(*id) && self.members.contains(*id));
        let went = campaign.exclude_segments.iter();
        let went = went.filter(|id| self.work.members.contains(*id) && !self.members.contains(*id));
        let mut changed = came.chain(went).peekable();
        if changed.peek().is_none() {
            return (only_history && !found_there, found_there);
        }
        let (mut past, mut news) = (false, false);
        for id in changed {
            let (is_news, is_past) = (told(id, false) || timed(id), told(id, true));
            let touches = self.project.touches_since(self.work.user.evaluated);
            let by_push = is_known
                && touches.into_iter().any(|touch| match touch {
                    // What has changed is not known.
                    Touch::All => is_new || !(is_news || is_past),
                    touch => has_to_do(touch, id),
                });
            if !by_push {
                let by_past = !is_news && (is_past || only_history);
                (past, news) = (past || by_past, news || !by_past);
            }
        }
        (past, !past && !news)
    }

    /// Whether the user enters because of the segments, and for which key.
    fn enters(&self, campaign: &Campaign, earlier: &[&Enrollment], in_it: bool) -> Option<Option<String>> {
        let is_new = self.project.since[&campaign.id] > self.work.user.evaluated;
        let is_known = self.work.user.seq > 0;
        let found_there = is_new && is_known;
        let (by_past, by_push) = self.comes_by(campaign, is_new, found_there);
        let shut_out = by_past || (by_push && campaign.newcomers_only);
        if !self.is_looked_at(campaign) || !self.belongs(campaign) || shut_out {
            return None;
        }
        // A campaign that is new takes those who fit already for newcomers, unless they have been in it.
        let comes = !self.belonged(campaign) || (is_new && earlier.is_empty());
        let last = earlier.iter().max_by_key(|e| e.run).map(|e| e.started_at);
        match (&campaign.reentry, campaign.mode) {
            (Some(Reentry::Never), _) | (None, Mode::Static) => (comes && earlier.is_empty()).then_some(None),
            (Some(Reentry::AfterLeaving), _) | (None, Mode::Dynamic) => (comes && !in_it).then_some(None),
            (Some(Reentry::After(ms)), _) => {
                (comes && !in_it && last.is_none_or(|last| last + ms <= self.at)).then_some(None)
            }
            (Some(Reentry::PerKey(path)), _) => {
                let key = key(&self.work.user.attributes, &path[0])?;
                (!earlier.iter().any(|e| e.key.as_ref() == Some(&key))).then_some(Some(key))
            }
        }
    }
}

fn key(attributes: &Object, name: &str) -> Option<String> {
    attributes.get(name).filter(|value| !value.is_null()).map(Value::to_string)
}

/// The only condition that the simulator's triggers have.
fn at_least(cond: &Cond, v: Option<&Value>) -> bool {
    let Cond::At { is: Test::Ge(least), .. } = cond else { panic!("{cond:?}") };
    v.and_then(Value::as_i64).is_some_and(|v| Some(v) >= least.as_i64())
}
