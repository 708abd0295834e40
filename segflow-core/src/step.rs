//! One user's step: everything that is new or due for the user in, one decision out, to be committed whole or not at all.
//!
//! The order within a step is fixed: facts → transactions → segments, entries and exits → turns. Membership is a matter of level (it
//! looks at what is), transactions see every event.

use std::collections::{BTreeMap, BTreeSet};

use segflow_protocol::{Effect, Field, Json, Mode, Rule};
use serde_json::Value;

use crate::enrollment::Enrollment;
use crate::eval::{self, EventFact, Facts};
use crate::ledger::{Message, Origin};
use crate::merge::{Object, merge};
use crate::project::{Project, Touch, belongs};
use crate::{PluginError, Plugins, ids};

/// Events older than this trigger no transaction: an order of last week needs no confirmation now. 24 h in ms.
pub const MAX_AGE: i64 = 86_400_000;

/// A user as stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct User {
    pub id: String,
    /// Tells this user from an earlier one of the same id who was erased.
    pub incarnation: String,
    pub attributes: Object,
    /// How many facts about the user have been consumed.
    pub seq: i64,
    /// The generation whose segments the user was last held against; 0: none.
    pub evaluated: i64,
}

/// Something new about a user, from the inbox.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// The inbox row.
    pub inbox: i64,
    pub what: What,
    /// Changes at one instant that led to this one.
    pub hops: u32,
    /// Counts for segments and triggers nothing.
    pub historical: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// The attributes changed; what they are now stands with the user.
    Attributes,
    Event {
        /// Unique for the user.
        id: String,
        name: String,
        attributes: Object,
        /// ms UTC.
        occurred_at: i64,
    },
}

/// What a step works on.
#[derive(Debug, Clone, Default)]
pub struct Work {
    pub workspace: String,
    pub user: User,
    /// In inbox order.
    pub facts: Vec<Fact>,
    pub members: BTreeSet<String>,
    /// By segment: the next instant at which time alone may change it.
    pub flips: BTreeMap<String, i64>,
    /// Those that are live.
    pub enrollments: Vec<Enrollment>,
    /// By campaign: how many enrollments there have ever been.
    pub runs: BTreeMap<String, u32>,
    /// By name, the stored events that [`needs`] asked for.
    pub history: BTreeMap<String, Vec<EventFact>>,
    /// By segment, the verdicts of raw SQL that [`needs`] asked for.
    pub sql: BTreeMap<String, bool>,
}

/// What must be loaded before a step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Indexes of the segments that will be evaluated, in order.
    pub segments: Vec<usize>,
    pub events: BTreeSet<String>,
    pub sql: Vec<usize>,
}

/// Which segments a user's news can touch, and what their evaluation reads.
pub fn needs(project: &Project, work: &Work, now: i64) -> Needs {
    let mut touches = vec![];
    if work.user.evaluated < project.generation {
        touches.push(Touch::All);
    }
    for fact in &work.facts {
        touches.push(match &fact.what {
            What::Attributes => Touch::Attributes,
            What::Event { name, .. } => Touch::Event(name),
        });
    }
    touches.extend(work.flips.iter().filter(|(_, at)| **at <= now).map(|(id, _)| Touch::Segment(id)));
    let segments = project.touched(&touches);
    let mut needs = Needs::default();
    for &index in &segments {
        needs.events.extend(project.depends_on(index).events.iter().cloned());
        if matches!(project.manifest.segments[index].rule, Rule::Sql(_)) {
            needs.sql.push(index);
        }
    }
    needs.segments = segments;
    needs
}

/// What a step decided.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decision {
    pub workspace: String,
    pub user: String,
    pub incarnation: String,
    /// The inbox rows that are done with.
    pub consumed: Vec<i64>,
    pub seq: i64,
    pub evaluated: i64,
    /// Segments.
    pub entered: Vec<String>,
    pub left: Vec<String>,
    /// Segments and their next flips; `None` removes one.
    pub flips: Vec<(String, Option<i64>)>,
    /// New ones (version 0) and changed ones (the version they were read at).
    pub enrollments: Vec<Enrollment>,
    pub messages: Vec<Message>,
    /// Enrollments whose pending messages are cancelled, with the reason.
    pub cancel: Vec<(String, String)>,
    /// Patches on the user, each a fact of its own with so many hops behind it.
    pub patches: Vec<(Object, u32)>,
    /// What flows logged: campaign and line.
    pub logs: Vec<(String, String)>,
}

/// Decides. An error means that a plugin could not be run now: nothing is decided, the step is to be tried again.
pub fn step(
    project: &Project,
    work: Work,
    needs: &Needs,
    plugins: Plugins<'_>,
    now: i64,
) -> Result<Decision, PluginError> {
    let mut step = Step::new(project, work, now);
    step.transactions();
    step.segments(needs);
    step.campaigns();
    step.turns(plugins)?;
    Ok(step.decision)
}

/// What a project would change for a user at once, were it applied now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preview {
    /// The user's segments then.
    pub members: BTreeSet<String>,
    /// Campaigns.
    pub entering: Vec<String>,
    pub leaving: Vec<String>,
}

/// A step without its turns and transactions: for the plan of a push.
pub fn preview(project: &Project, work: Work, needs: &Needs, now: i64) -> Preview {
    let mut step = Step::new(project, work, now);
    step.segments(needs);
    step.campaigns();
    let entering = step.work.enrollments.iter().filter(|e| e.version == 0).map(|e| e.campaign.clone()).collect();
    let leaving = step.decision.enrollments.iter().map(|e| e.campaign.clone()).collect();
    Preview { members: step.work.members, entering, leaving }
}

struct Step<'a> {
    project: &'a Project,
    work: Work,
    /// The memberships before this step.
    before: BTreeSet<String>,
    decision: Decision,
    now: i64,
}

impl<'a> Step<'a> {
    fn new(project: &'a Project, work: Work, now: i64) -> Step<'a> {
        let decision = Decision {
            workspace: work.workspace.clone(),
            user: work.user.id.clone(),
            incarnation: work.user.incarnation.clone(),
            consumed: work.facts.iter().map(|f| f.inbox).collect(),
            seq: work.user.seq + work.facts.len() as i64,
            evaluated: project.generation.max(work.user.evaluated),
            ..Decision::default()
        };
        Step { project, now, decision, before: work.members.clone(), work }
    }

    fn transactions(&mut self) {
        for fact in &self.work.facts {
            let What::Event { id, name, attributes, occurred_at } = &fact.what else { continue };
            if fact.historical || *occurred_at <= self.now.saturating_sub(MAX_AGE) {
                continue;
            }
            for transaction in self.project.transactions_on(name) {
                let user = &self.work.user;
                let id_of_message =
                    ids::transaction_message(&self.work.workspace, &user.incarnation, &transaction.id, id);
                let args = Object::from_iter([(transaction.argument.clone(), Value::Object(attributes.clone()))]);
                self.decision.messages.push(Message {
                    id: id_of_message,
                    origin: Origin::Transaction { transaction: transaction.id.clone(), event: id.clone() },
                    deployment: self.project.deployment.clone(),
                    template: transaction.template.clone(),
                    args: Json(Value::Object(args).to_string()),
                    guarantee: transaction.guarantee,
                    created_at: self.now,
                });
            }
        }
    }

    fn segments(&mut self, needs: &Needs) {
        for &index in &needs.segments {
            let segment = &self.project.manifest.segments[index];
            let verdict = match &segment.rule {
                Rule::Expr(expr) => eval::evaluate(expr, &View { step: self }),
                Rule::Sql(_) => {
                    // A verdict that could not be had leaves the membership as it is.
                    let holds = self.work.sql.get(&segment.id).copied();
                    let holds = holds.unwrap_or_else(|| self.work.members.contains(&segment.id));
                    eval::Verdict { holds, flip: None }
                }
            };
            if verdict.holds && self.work.members.insert(segment.id.clone()) {
                self.decision.entered.push(segment.id.clone());
            } else if !verdict.holds && self.work.members.remove(&segment.id) {
                self.decision.left.push(segment.id.clone());
            }
            if self.work.flips.get(&segment.id).copied() != verdict.flip {
                self.decision.flips.push((segment.id.clone(), verdict.flip));
            }
        }
        if self.work.user.evaluated < self.project.generation {
            let known: BTreeSet<&str> = self.project.manifest.segments.iter().map(|s| s.id.as_str()).collect();
            let gone = self.work.members.iter().filter(|id| !known.contains(id.as_str())).cloned();
            self.decision.left.extend(gone);
            let gone = self.work.flips.keys().filter(|id| !known.contains(id.as_str())).cloned();
            self.decision.flips.extend(gone.map(|id| (id, None)));
            self.work.members.retain(|id| known.contains(id.as_str()));
        }
    }

    fn campaigns(&mut self) {
        let fresh = self.work.user.evaluated < self.project.generation;
        if self.decision.entered.is_empty() && self.decision.left.is_empty() && !fresh {
            return;
        }
        // Facts of the past enrol nobody; entries count if there is any other fact, or none at all (time, a push), or time besides.
        let historical = !self.work.facts.is_empty()
            && self.work.facts.iter().all(|f| f.historical)
            && !self.work.flips.values().any(|at| *at <= self.now);
        let hops = self.work.facts.iter().map(|f| f.hops).max().unwrap_or(0);
        for campaign in &self.project.manifest.campaigns {
            let runs = self.work.runs.get(&campaign.id).copied().unwrap_or(0);
            let after = belongs(campaign, |id| self.work.members.contains(id));
            let is_new = self.project.since.get(&campaign.id).is_some_and(|since| *since > self.work.user.evaluated);
            let before = !(is_new && runs == 0) && belongs(campaign, |id| self.before.contains(id));
            let live = self.work.enrollments.iter().position(|e| e.campaign == campaign.id && e.status.is_live());
            if let (Some(index), Mode::Dynamic, false) = (live, campaign.mode, after) {
                let missing = campaign.segments.iter().find(|id| !self.work.members.contains(*id));
                let reason = match missing {
                    Some(id) => format!("left segment {id}"),
                    None => "entered an excluded segment".into(),
                };
                self.exit(index, reason);
            }
            let once = campaign.mode == Mode::Static && runs > 0;
            // Someone of the past that a new campaign finds there has not come by that fact alone.
            let historical = historical && !(is_new && self.work.user.seq > 0);
            if after && !before && !historical && !once && live.is_none() {
                let id = ids::enrollment(&self.work.workspace, &self.work.user.incarnation, &campaign.id, runs + 1);
                let new = Enrollment::new(id, &campaign.id, runs + 1, &self.project.deployment, self.now, hops);
                self.work.enrollments.push(new);
            }
        }
        if fresh {
            for index in 0..self.work.enrollments.len() {
                let enrollment = &self.work.enrollments[index];
                if enrollment.status.is_live() && self.project.campaign(&enrollment.campaign).is_none() {
                    self.exit(index, "the campaign was removed".into());
                }
            }
        }
    }

    fn exit(&mut self, index: usize, reason: String) {
        let enrollment = &mut self.work.enrollments[index];
        self.decision.cancel.push((enrollment.id.clone(), reason.clone()));
        enrollment.exit(reason);
        self.decision.enrollments.push(enrollment.clone());
    }

    fn turns(&mut self, plugins: Plugins<'_>) -> Result<(), PluginError> {
        let mut attributes = std::mem::take(&mut self.work.user.attributes);
        for mut enrollment in std::mem::take(&mut self.work.enrollments) {
            if !enrollment.is_due(self.now) {
                continue;
            }
            let code = plugins(&enrollment.deployment)?;
            let result = enrollment.turn(&code, &self.work.user.id, &attributes, self.now)?;
            self.effects(&enrollment, result.effects, &mut attributes);
            self.decision.logs.extend(result.logs.into_iter().map(|line| (enrollment.campaign.clone(), line)));
            self.decision.enrollments.push(enrollment);
        }
        Ok(())
    }

    fn effects(&mut self, enrollment: &Enrollment, effects: Vec<Effect>, attributes: &mut Object) {
        for effect in effects {
            match effect {
                Effect::Send { op, template, args } => {
                    let campaign = self.project.campaign(&enrollment.campaign);
                    self.decision.messages.push(Message {
                        id: ids::campaign_message(&enrollment.id, op),
                        origin: Origin::Campaign {
                            campaign: enrollment.campaign.clone(),
                            enrollment: enrollment.id.clone(),
                            op,
                        },
                        deployment: enrollment.deployment.clone(),
                        template,
                        args,
                        guarantee: campaign.map_or(segflow_protocol::Guarantee::AtMostOnce, |c| c.guarantee),
                        created_at: self.now,
                    });
                }
                Effect::Update { patch, .. } => {
                    let patch: Object = patch.read().expect("the turn was refused otherwise");
                    merge(attributes, &patch);
                    self.decision.patches.push((patch, enrollment.hops + 1));
                }
            }
        }
    }
}

/// What the evaluator sees of a step.
struct View<'a> {
    step: &'a Step<'a>,
}

impl Facts for View<'_> {
    fn attributes(&self) -> &Object {
        &self.step.work.user.attributes
    }
    fn events(&self, name: &str) -> &[EventFact] {
        self.step.work.history.get(name).map_or(&[], Vec::as_slice)
    }
    fn in_segment(&self, id: &str) -> bool {
        self.step.work.members.contains(id)
    }
    fn user_fields(&self) -> &[Field] {
        &self.step.project.manifest.user
    }
    fn event_fields(&self, name: &str) -> &[Field] {
        self.step.project.event_fields(name)
    }
    fn now(&self) -> i64 {
        self.step.now
    }
}

#[cfg(test)]
mod tests;
