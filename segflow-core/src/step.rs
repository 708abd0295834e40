//! One user's step: everything that is new or due for the user in, one decision out, to be committed whole or not at all.
//!
//! The order within a step is fixed: facts → transactions → segments, entries and exits → turns. Membership is a matter of level (it
//! looks at what is), transactions see every event.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

mod campaigns;
mod causes;
mod conversions;
mod explain;
mod turns;

pub use turns::answerable;

use segflow_protocol::{Field, Json, Rule, Task, Webhook};
use serde_json::Value;

use crate::conversion::Success;
use crate::enrollment::{Enrollment, Status};
use crate::eval::{self, Asked, EventFact, Facts, History, Loaded, Of};
use crate::ledger::{Message, Origin};
use crate::merge::{Object, Path};
use crate::project::{Project, Touch};
use crate::{PluginError, Plugins, ids};

pub use explain::{asked, explain};

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
    /// When it was reported, ms UTC.
    pub at: i64,
    /// Changes at one instant that led to this one.
    pub hops: u32,
    /// Counts for segments and triggers nothing.
    pub historical: bool,
}

impl Fact {
    /// What segments can read of it.
    pub fn touches(&self) -> Option<Touch<'_>> {
        match &self.what {
            What::Attributes { changed } => Some(Touch::Attributes(changed.as_deref())),
            What::Event { name, .. } => Some(Touch::Event(name)),
            What::Verdict { segment, .. } => Some(Touch::Segment(segment)),
            What::Answer { .. } | What::Enter { .. } | What::Leave { .. } => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// The attributes changed, in these places (`None`: anywhere); what they are now stands with the user.
    Attributes { changed: Option<Vec<Path>> },
    Event {
        /// Unique for the user.
        id: String,
        name: String,
        attributes: Object,
        /// ms UTC.
        occurred_at: i64,
    },
    /// A webhook was answered, or a task done.
    Answer { enrollment: String, op: u64, value: Json },
    /// Somebody, or a flow, wants the user in a campaign, from this instant on.
    Enter { campaign: String, start_at: Option<i64> },
    /// A flow wants the user out of a campaign.
    Leave { campaign: String },
    /// What a segment that compares users with one another says of this one, by a rule it may no longer have. `first`: it had not been asked
    /// before, so whoever belongs has been there already.
    Verdict { segment: String, holds: bool, rule: u64, first: bool },
}

/// What there has been of a campaign for a user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past {
    /// Enrollments ever.
    pub runs: u32,
    /// When the last one started, ms UTC.
    pub started_at: i64,
    /// The keys of all.
    pub keys: BTreeSet<String>,
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
    /// By campaign.
    pub past: BTreeMap<String, Past>,
    /// The stored events that [`needs`] or a [`Stop::Missing`] asked for; an entry for each name, also without events.
    pub history: Vec<Loaded>,
    /// By name of a split or experiment, arms that are chosen already.
    pub arms: BTreeMap<String, String>,
    /// By segment, what raw SQL that [`needs`] asked for has answered.
    pub sql: BTreeMap<String, Answered>,
}

/// What came of asking raw SQL about a user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answered {
    /// `None`: it could not be had, and the membership stays as it is.
    pub holds: Option<bool>,
    /// When it must be asked again without a new fact.
    pub again: Option<i64>,
    /// Why it could not be had.
    pub failed: Option<String>,
}

impl From<bool> for Answered {
    fn from(holds: bool) -> Answered {
        Answered { holds: Some(holds), ..Answered::default() }
    }
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
    needs_but(project, work, now, &BTreeSet::new())
}

/// The same, without those that only time touches and that are to be looked at later.
fn needs_but(project: &Project, work: &Work, now: i64, later: &BTreeSet<&str>) -> Needs {
    let mut touches = project.touches_since(work.user.evaluated);
    touches.extend(work.facts.iter().filter_map(Fact::touches));
    let due = work.flips.iter().filter(|(id, at)| **at <= now && !later.contains(id.as_str()));
    touches.extend(due.map(|(id, _)| Touch::Segment(id)));
    let segments = project.touched(&touches);
    let mut needs = Needs::default();
    for &index in &segments {
        let on = project.depends_on(index);
        match project.manifest.segments[index].rule {
            Rule::Expr(_) => needs.events.extend(on.event_names().cloned()),
            Rule::Sql(_) if on.other_users => {}
            Rule::Sql(_) => needs.sql.push(index),
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
    /// Raw SQL segments that could not be asked about the user, with the reason; `None` for one that can be again.
    pub failed: Vec<(String, Option<String>)>,
    /// New ones (version 0) and changed ones (the version they were read at).
    pub enrollments: Vec<Enrollment>,
    pub messages: Vec<Message>,
    /// Enrollments whose pending messages are cancelled, with the reason.
    pub cancel: Vec<(String, String)>,
    /// Enrollments that have begun anew, with the reason: what they had pending before this decision is cancelled, not what it decides.
    pub restarted: Vec<(String, String)>,
    /// What flows made happen to the user, each a fact of its own with so many hops behind it.
    pub told: Vec<(Told, u32)>,
    pub jobs: Vec<Job>,
    /// Webhooks and tasks that are no longer wanted, by enrollment and operation.
    pub dropped: Vec<(String, Range<u64>)>,
    pub marks: Vec<Mark>,
    /// What counts for campaigns, each for the last message before it. Several may have one id: the first that finds a message counts.
    pub successes: Vec<Success>,
    /// What flows logged: campaign and line.
    pub logs: Vec<(String, String)>,
}

/// A fact that a flow makes.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// An RFC 7396 patch on the attributes.
    Patch(Object),
    Event {
        id: String,
        name: String,
        attributes: Json,
    },
    Enter {
        campaign: String,
    },
    Leave {
        campaign: String,
    },
}

/// Something outside that a flow waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub enrollment: String,
    pub campaign: String,
    pub op: u64,
    pub what: JobKind,
    /// ms UTC.
    pub created_at: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobKind {
    Webhook(Webhook),
    Task(Task),
}

/// Something to be counted by campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub enrollment: String,
    pub campaign: String,
    pub op: u64,
    pub what: MarkKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MarkKind {
    Goal(String),
    Arm { experiment: String, arm: String },
}

/// Why a step could not be taken. Nothing is decided.
#[derive(Debug, Clone, PartialEq)]
pub enum Stop {
    /// A plugin could not be run now: the step is to be tried again.
    Plugin(PluginError),
    /// A flow asks about events that [`Work::history`] does not have: the step is to be taken anew with them.
    Missing(Vec<Asked>),
}

impl From<PluginError> for Stop {
    fn from(error: PluginError) -> Stop {
        Stop::Plugin(error)
    }
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Stop::Plugin(error) => error.fmt(f),
            Stop::Missing(asked) => {
                let names: Vec<&str> = asked.iter().map(|asked| asked.events.name.as_str()).collect();
                write!(f, "the events {} were not loaded", names.join(", "))
            }
        }
    }
}

/// Decides, about all of the facts or the first of them: an event that ends or pauses a run comes after what was reported or fell due before
/// it, as if it had come alone. What is left is decided about in the next step.
pub fn step(project: &Project, work: Work, needs: &Needs, plugins: Plugins<'_>, now: i64) -> Result<Decision, Stop> {
    let triggering = campaigns::triggering(project, &work.facts);
    let spare = (!triggering.is_empty()).then(|| work.clone());
    let mut step = Step::new(project, work, now);
    step.moves(needs);
    let before = spare.as_ref().map_or(&[][..], |work| &work.enrollments);
    // Whoever enters here may have to leave by a later fact too.
    let new = step.work.enrollments.iter().filter(|e| e.version == 0);
    let first = campaigns::first_to_concern(&triggering, before.iter().chain(new), now);
    if let (Some((first, at)), Some(mut work)) = (first, spare) {
        let rest = work.facts.split_off(first);
        let shown = leave(project, &mut work, &rest);
        // What time alone would make of a segment that the rest touches is seen with the rest: it may have come in time.
        let touches: Vec<Touch<'_>> = rest.iter().filter_map(Fact::touches).collect();
        let needs = needs_but(project, &work, now, &ids_of(project, project.touched(&touches)));
        step = Step { until: at, ..Step::new(project, work, now) };
        step.shown = shown;
        step.moves(&needs);
    }
    step.in_flight(plugins)?;
    step.turns(plugins)?;
    Ok(step.decided())
}

/// Takes what is left for the next step out of the history, which has all that is stored: as if it had not come. With the segments that
/// show live facts of it all the same. Attributes are what they are now, and neither raw SQL nor a sum can be asked without them.
fn leave<'a>(project: &'a Project, work: &mut Work, rest: &[Fact]) -> BTreeSet<&'a str> {
    let mut shown = vec![];
    for fact in rest {
        let is_shown = match &fact.what {
            What::Attributes { .. } => true,
            What::Event { name, attributes, occurred_at, .. } => {
                let mut is_summed = false;
                for loaded in work.history.iter_mut().filter(|loaded| loaded.name == *name) {
                    let is_it = |e: &EventFact| e.occurred_at == *occurred_at && e.attributes == *attributes;
                    // Of events that are the same to an evaluator, any will do.
                    match loaded.events.iter().rposition(is_it) {
                        Some(at) => drop(loaded.events.remove(at)),
                        None => is_summed = true,
                    }
                }
                is_summed
            }
            _ => false,
        };
        if is_shown && !fact.historical {
            shown.extend(fact.touches());
        }
    }
    let live: Vec<Touch<'_>> = rest.iter().filter(|fact| !fact.historical).filter_map(Fact::touches).collect();
    let is_sql = |index: &usize| {
        matches!(project.manifest.segments[*index].rule, Rule::Sql(_)) && !project.depends_on(*index).other_users
    };
    let sql = ids_of(project, project.touched(&live).into_iter().filter(is_sql));
    shown.extend(sql.into_iter().map(Touch::Segment));
    ids_of(project, project.touched(&shown))
}

/// The ids of segments by index.
fn ids_of(project: &Project, segments: impl IntoIterator<Item = usize>) -> BTreeSet<&str> {
    segments.into_iter().map(|index| project.manifest.segments[index].id.as_str()).collect()
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
    let enrollments = || step.work.enrollments.iter();
    let entering = enrollments().filter(|e| e.version == 0).map(|e| e.campaign.clone()).collect();
    let leaving = enrollments().filter(|e| e.status == Status::Exited).map(|e| e.campaign.clone()).collect();
    Preview { members: step.work.members, entering, leaving }
}

struct Step<'a> {
    project: &'a Project,
    work: Work,
    /// The memberships before this step.
    before: BTreeSet<String>,
    /// The enrollments that have changed, by index.
    changed: BTreeSet<usize>,
    decision: Decision,
    now: i64,
    /// Flows go on with what fell due by then: what is left for the next step was reported then.
    until: i64,
    /// Segments that show live facts which are left for the next step: what they become here has not come by the past.
    shown: BTreeSet<&'a str>,
}

impl<'a> Step<'a> {
    fn new(project: &'a Project, mut work: Work, now: i64) -> Step<'a> {
        for fact in &work.facts {
            // Also one that was found before another push, if that left the rule alone.
            if let What::Verdict { segment, holds, rule, .. } = &fact.what
                && project.rule_of(segment) == Some(*rule)
            {
                work.sql.insert(segment.clone(), (*holds).into());
            }
        }
        let decision = Decision {
            workspace: work.workspace.clone(),
            user: work.user.id.clone(),
            incarnation: work.user.incarnation.clone(),
            consumed: work.facts.iter().map(|f| f.inbox).collect(),
            seq: work.user.seq + work.facts.len() as i64,
            evaluated: project.generation.max(work.user.evaluated),
            ..Decision::default()
        };
        let (before, changed, shown) = (work.members.clone(), BTreeSet::new(), BTreeSet::new());
        Step { project, now, until: now, decision, before, changed, work, shown }
    }

    /// All that comes before flows: who is in which segments then, who has entered and who has left.
    fn moves(&mut self, needs: &Needs) {
        self.transactions();
        self.conversions();
        self.segments(needs);
        self.triggers();
        self.campaigns();
        self.asked();
    }

    fn decided(mut self) -> Decision {
        let all = self.work.enrollments.into_iter().enumerate();
        self.decision.enrollments = all.filter(|(index, _)| self.changed.contains(index)).map(|(_, e)| e).collect();
        self.decision
    }

    fn transactions(&mut self) {
        for fact in &self.work.facts {
            let What::Event { id, name, attributes, occurred_at } = &fact.what else { continue };
            if fact.historical || *occurred_at <= self.now.saturating_sub(MAX_AGE) {
                continue;
            }
            for transaction in self.project.transactions_on(name) {
                let user = &self.work.user;
                let (workspace, incarnation) = (&self.work.workspace, &user.incarnation);
                let id_of_message = ids::transaction_message(workspace, incarnation, &transaction.id, id, fact.at);
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
                    let answered = self.work.sql.remove(&segment.id).unwrap_or_default();
                    let holds = answered.holds.unwrap_or_else(|| self.work.members.contains(&segment.id));
                    // Whoever it could not be asked about is due for it, so only those who are may have a failure to their name.
                    if answered.failed.is_some() || self.work.flips.contains_key(&segment.id) {
                        self.decision.failed.push((segment.id.clone(), answered.failed));
                    }
                    eval::Verdict { holds, flip: answered.again }
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
        let is_known = |id: &str| self.project.manifest.segments.iter().any(|segment| segment.id == id);
        let gone = self.work.flips.keys().filter(|id| !is_known(id)).cloned();
        self.decision.flips.extend(gone.map(|id| (id, None)));
        if self.work.user.evaluated < self.project.generation {
            let known: BTreeSet<&str> = self.project.manifest.segments.iter().map(|s| s.id.as_str()).collect();
            let gone = self.work.members.iter().filter(|id| !known.contains(id.as_str())).cloned();
            self.decision.left.extend(gone);
            self.work.members.retain(|id| known.contains(id.as_str()));
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
    fn history(&self, of: Of<'_>) -> History<'_> {
        let loaded = self.step.work.history.iter().find(|loaded| loaded.answers(of));
        loaded.map_or(History::full(&[]), Loaded::history)
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
