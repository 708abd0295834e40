//! Who enters a campaign, who leaves it, and what a push does with those who are in it.

use segflow_protocol::{Campaign, InFlight, Mode, Reentry, Trigger};
use serde_json::Value;

use super::causes::{Cause, Causes};
use super::{Fact, Step, Stop, What};
use crate::enrollment::{Enrollment, Status};
use crate::merge::Object;
use crate::project::{Project, belongs};
use crate::{Plugins, eval, ids};

/// A fact by its place among others, a campaign, and whether it ends runs of it, or pauses them.
pub(super) struct Triggering<'a> {
    fact: usize,
    /// When it was reported, ms UTC.
    at: i64,
    /// Nothing was reported before it.
    is_first: bool,
    campaign: &'a str,
    ends: bool,
}

/// The facts that end or pause runs.
pub(super) fn triggering<'a>(project: &'a Project, facts: &[Fact]) -> Vec<Triggering<'a>> {
    let campaigns = || project.manifest.campaigns.iter().filter(|c| !(c.exits_on.is_empty() && c.pauses_on.is_empty()));
    let mut found: Vec<Triggering<'_>> = vec![];
    if facts.is_empty() || campaigns().next().is_none() {
        return found;
    }
    for (count, (index, fact)) in facts.iter().enumerate().filter(|(_, fact)| !fact.historical).enumerate() {
        let What::Event { name, attributes, .. } = &fact.what else { continue };
        for campaign in campaigns() {
            let is_one = |triggers: &[Trigger]| triggers.iter().any(|t| fires(t, project, name, attributes));
            let ends = is_one(&campaign.exits_on);
            if ends || is_one(&campaign.pauses_on) {
                let (at, campaign) = (fact.at, campaign.id.as_str());
                found.push(Triggering { fact: index, at, is_first: count == 0, campaign, ends });
            }
        }
    }
    found
}

/// The first of these facts that does something to one of these enrollments and has something before it, and when it was reported.
pub(super) fn first_to_concern<'a>(
    triggering: &[Triggering<'_>],
    enrollments: impl IntoIterator<Item = &'a Enrollment>,
    now: i64,
) -> Option<(usize, i64)> {
    if triggering.is_empty() {
        return None;
    }
    let concerns = |of: &Triggering<'_>, e: &Enrollment| {
        let moves = e.status == Status::Active || (of.ends && e.status.is_live());
        // One that enters here does so after the first.
        e.campaign == of.campaign && moves && !(of.is_first && e.version == 0)
    };
    let is_later = |of: &&Triggering<'_>, e: &Enrollment| !of.is_first || e.is_due(of.at.min(now));
    let first = |e: &Enrollment| triggering.iter().find(|of| concerns(of, e)).filter(|of| is_later(of, e));
    enrollments.into_iter().filter_map(first).map(|of| (of.fact, of.at.min(now))).min()
}

fn fires(trigger: &Trigger, project: &Project, event: &str, attributes: &Object) -> bool {
    let Trigger::Event { name, filter } = trigger else { return false };
    let fields = project.event_fields(name);
    name == event && filter.as_ref().is_none_or(|cond| eval::condition(cond, attributes, fields))
}

impl Step<'_> {
    /// Events that make a user leave a campaign, or pause in it.
    pub(super) fn triggers(&mut self) {
        let campaigns = self.project.manifest.campaigns.iter();
        let campaigns: Vec<&Campaign> =
            campaigns.filter(|c| !(c.exits_on.is_empty() && c.pauses_on.is_empty())).collect();
        if campaigns.is_empty() {
            return;
        }
        for index in 0..self.work.enrollments.len() {
            let enrollment = &self.work.enrollments[index];
            let Some(campaign) = campaigns.iter().find(|c| c.id == enrollment.campaign) else { continue };
            if let Some(event) = self.happened(&campaign.exits_on) {
                self.exit(index, format!("{event} happened"));
            } else if let Some(event) = self.happened(&campaign.pauses_on) {
                self.pause(index, format!("{event} happened"));
            }
        }
    }

    /// The first new event that one of these triggers is about.
    fn happened(&self, triggers: &[Trigger]) -> Option<String> {
        let facts = self.work.facts.iter().filter(|fact| !fact.historical);
        let events = facts.filter_map(|fact| match &fact.what {
            What::Event { name, attributes, .. } => Some((name, attributes)),
            _ => None,
        });
        let mut events = events.filter(|(event, attributes)| {
            triggers.iter().any(|trigger| fires(trigger, self.project, event, attributes))
        });
        events.next().map(|(event, _)| event.clone())
    }

    /// A goal that a flow has reached makes users leave, or pause, as an event does. Whether that flow is one that has ended by it.
    pub(super) fn reached(&mut self, goal: &str, by: usize) -> bool {
        let mut is_over = false;
        let is_it = |trigger: &Trigger| matches!(trigger, Trigger::Goal(name) if name == goal);
        for index in 0..self.work.enrollments.len() {
            let enrollment = &self.work.enrollments[index];
            let Some(campaign) = self.project.campaign(&enrollment.campaign) else { continue };
            let reason = format!("reached the goal {goal}");
            if campaign.exits_on.iter().any(is_it) {
                if index == by {
                    // What it decided on the way to its own goal is sent.
                    self.end(index, reason);
                    is_over = true;
                } else {
                    self.exit(index, reason);
                }
            } else if campaign.pauses_on.iter().any(is_it) && index != by {
                self.pause(index, reason);
            }
        }
        is_over
    }

    pub(super) fn campaigns(&mut self) {
        let fresh = self.work.user.evaluated < self.project.generation;
        let keyed = |c: &Campaign| matches!(c.reentry, Some(Reentry::PerKey(_)));
        let moved = !self.decision.entered.is_empty() || !self.decision.left.is_empty() || fresh;
        let looked_at = self.project.manifest.campaigns.iter().filter(|campaign| moved || keyed(campaign));
        let looked_at: Vec<&Campaign> = looked_at.collect();
        if !looked_at.is_empty() {
            let causes = self.causes();
            looked_at.into_iter().for_each(|campaign| self.campaign(campaign, &causes));
        }
        if fresh {
            for index in 0..self.work.enrollments.len() {
                if self.project.campaign(&self.work.enrollments[index].campaign).is_none() {
                    self.exit(index, "the campaign was removed".into());
                }
            }
        }
    }

    fn campaign(&mut self, campaign: &Campaign, causes: &Causes<'_>) {
        let user = &self.work.user;
        let past = self.work.past.get(&campaign.id).cloned().unwrap_or_default();
        let after = belongs(campaign, |id| self.work.members.contains(id));
        let is_new = self.project.since.get(&campaign.id).is_some_and(|since| *since > user.evaluated);
        let was = belongs(campaign, |id| self.before.contains(id));
        let before = !(is_new && past.runs == 0) && was;
        let live = |e: &Enrollment| e.campaign == campaign.id && e.status.is_live();
        if campaign.mode == Mode::Dynamic && !after {
            let missing = campaign.segments.iter().find(|id| !self.work.members.contains(*id));
            let reason = match missing {
                Some(id) => format!("left segment {id}"),
                None => "entered an excluded segment".into(),
            };
            for index in 0..self.work.enrollments.len() {
                let enrollment = &self.work.enrollments[index];
                if live(enrollment) && (was || !enrollment.by_hand) {
                    self.exit(index, reason.clone());
                }
            }
        }
        // Somebody who was there all the time is found by a new campaign, whatever else is heard of them.
        let found_there = is_new && self.work.user.seq > 0;
        let cause = causes.of(campaign, is_new, &self.before, &self.work.members);
        let (by_past, by_push) = match cause {
            Some(cause) => (cause == Cause::Past, cause == Cause::Push),
            None => (causes.all_past && !found_there, found_there),
        };
        // Nor has somebody whom a segment of the campaign's finds there as it is asked about for the first time.
        let found = |fact: &super::Fact| match &fact.what {
            What::Verdict { segment, holds: true, first: true, .. } => {
                self.decision.entered.contains(segment) && self.project.goes_by(campaign, segment)
            }
            _ => false,
        };
        let is_there = by_push || self.work.facts.iter().any(found);
        if !after || by_past || (is_there && campaign.newcomers_only) {
            return;
        }
        let in_it = self.work.enrollments.iter().any(live);
        let reentry = campaign.reentry.clone().unwrap_or(match campaign.mode {
            Mode::Static => Reentry::Never,
            Mode::Dynamic => Reentry::AfterLeaving,
        });
        let mut key = None;
        let enters = match &reentry {
            Reentry::Never => !before && past.runs == 0,
            Reentry::AfterLeaving => !before && !in_it,
            Reentry::After(ms) => {
                !before && !in_it && (past.runs == 0 || past.started_at.saturating_add(*ms) <= self.now)
            }
            Reentry::PerKey(path) => {
                key = key_at(path, &self.work.user.attributes);
                key.as_ref().is_some_and(|key| !past.keys.contains(key))
            }
        };
        if enters {
            self.enter(&campaign.id, self.now, key, false);
        }
    }

    pub(super) fn enter(&mut self, campaign: &str, start_at: i64, key: Option<String>, by_hand: bool) {
        let hops = self.work.facts.iter().map(|f| f.hops).max().unwrap_or(0);
        let past = self.work.past.entry(campaign.to_string()).or_default();
        past.runs += 1;
        past.started_at = start_at;
        past.keys.extend(key.clone());
        let (run, deployment) = (past.runs, &self.project.deployment);
        let incarnation = &self.work.user.incarnation;
        let id = ids::enrollment(&self.work.workspace, incarnation, campaign, run, start_at);
        let new = Enrollment { key, by_hand, ..Enrollment::new(id, campaign, run, deployment, start_at, hops) };
        self.changed.insert(self.work.enrollments.len());
        self.work.enrollments.push(new);
    }

    /// What somebody, or another flow, asked for by name.
    pub(super) fn asked(&mut self) {
        for fact in self.work.facts.clone() {
            match fact.what {
                What::Enter { campaign, start_at } if self.project.campaign(&campaign).is_some() => {
                    let live = |e: &Enrollment| e.campaign == campaign && e.status.is_live();
                    if !self.work.enrollments.iter().any(live) {
                        self.enter(&campaign, start_at.map_or(self.now, |at| at.max(self.now)), None, true);
                    }
                }
                What::Leave { campaign } => {
                    for index in 0..self.work.enrollments.len() {
                        if self.work.enrollments[index].campaign == campaign {
                            self.exit(index, "stopped by another campaign".into());
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// What the push under which the user is looked at for the first time does with the enrollments of earlier ones, and what pushes between
    /// have said that came to nothing yet.
    pub(super) fn in_flight(&mut self, plugins: Plugins<'_>) -> Result<(), Stop> {
        if self.work.user.evaluated >= self.project.generation {
            return Ok(());
        }
        for index in 0..self.work.enrollments.len() {
            let enrollment = &self.work.enrollments[index];
            if !enrollment.status.is_live() || enrollment.deployment == self.project.deployment {
                continue;
            }
            match self.project.in_flight(&enrollment.campaign, &enrollment.deployment, self.work.user.evaluated) {
                InFlight::Pin => {}
                InFlight::Cancel => self.exit(index, "cancelled by a push".into()),
                InFlight::Restart => {
                    let id = enrollment.id.clone();
                    // What paused it in this very step is over too.
                    self.decision.cancel.retain(|(cancelled, _)| *cancelled != id);
                    self.decision.restarted.push((id.clone(), "its flow was restarted by a push".into()));
                    self.decision.dropped.push((id, 0..enrollment.next_op));
                    self.work.enrollments[index].restart(&self.project.deployment, self.now);
                    self.changed.insert(index);
                }
                InFlight::Migrate => {
                    let code = plugins(&self.project.deployment)?;
                    let user = &self.work.user;
                    // Where it parts ways it stays; the plan of the push has said so.
                    if enrollment.replays(&code, &user.id, &user.attributes, self.now)?.is_ok() {
                        self.work.enrollments[index].deployment = self.project.deployment.clone();
                        self.changed.insert(index);
                    }
                }
            }
        }
        Ok(())
    }

    /// Ends an enrollment, and what it has decided and not sent.
    pub(super) fn exit(&mut self, index: usize, reason: String) {
        if self.work.enrollments[index].status.is_live() {
            self.decision.cancel.push((self.work.enrollments[index].id.clone(), reason.clone()));
            self.end(index, reason);
        }
    }

    fn end(&mut self, index: usize, reason: String) {
        let enrollment = &mut self.work.enrollments[index];
        self.decision.dropped.push((enrollment.id.clone(), 0..enrollment.next_op));
        enrollment.exit(reason);
        self.changed.insert(index);
    }

    fn pause(&mut self, index: usize, reason: String) {
        let enrollment = &mut self.work.enrollments[index];
        if enrollment.status == Status::Active {
            self.decision.cancel.push((enrollment.id.clone(), reason.clone()));
            enrollment.pause(reason);
            self.changed.insert(index);
        }
    }
}

/// The value at a path, as a key.
fn key_at(path: &[String], attributes: &Object) -> Option<String> {
    let (first, rest) = path.split_first()?;
    match rest.iter().try_fold(attributes.get(first)?, |value, key| value.get(key))? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
    // A key is a column with an index.
    .map(|key| if key.len() > 255 { format!("{:016x}", ids::seed(&key)) } else { key })
}
