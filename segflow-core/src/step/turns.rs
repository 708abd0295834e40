//! What is waited for is matched with what has come, and flows go on.

use segflow_protocol::{Ask, Effect, Events, Expr, Guarantee, Json, MAX_OPS_PER_TURN, Manifest, Measure, Waits};
use serde_json::Value;

use super::{Job, JobKind, Mark, MarkKind, Step, Stop, Told, View, What};
use crate::enrollment::{Arrival, TurnResult};
use crate::eval::{self, Asked, Of, dependencies};
use crate::ledger::{Message, Origin};
use crate::merge::{Object, merge};
use crate::{Plugins, ids};

impl Step<'_> {
    /// Takes the facts one by one, as if each had come alone: a wait that begins because of one can be ended by the next. What fell
    /// due before a fact was reported comes before it.
    pub(super) fn turns(&mut self, plugins: Plugins<'_>) -> Result<(), Stop> {
        // Those who enter in this step wait for later facts only.
        let old: Vec<usize> =
            (0..self.work.enrollments.len()).filter(|i| self.work.enrollments[*i].version > 0).collect();
        let facts = if old.is_empty() { vec![] } else { std::mem::take(&mut self.work.facts) };
        for fact in facts.iter().filter(|fact| !fact.historical) {
            let at = fact.at.min(self.now);
            // One turn may lead to the next at once; hops end that.
            while old.iter().any(|&index| self.work.enrollments[index].is_due(at)) {
                for &index in &old {
                    self.go_on(index, at, plugins)?;
                }
            }
            for &index in &old {
                let enrollment = &mut self.work.enrollments[index];
                let heard = match &fact.what {
                    What::Event { name, attributes, .. } => {
                        enrollment.hear(name, attributes, self.project.event_fields(name), at, fact.hops)
                    }
                    What::Answer { enrollment: of, op, value } if *of == enrollment.id => {
                        let arrival = Arrival { at, value: value.clone(), hops: fact.hops };
                        enrollment.answer(*op, arrival)
                    }
                    _ => false,
                };
                if heard {
                    self.changed.insert(index);
                    // What falls due at this very instant is left to the turn after all facts.
                    self.go_on(index, i64::MIN, plugins)?;
                }
            }
        }
        for index in 0..self.work.enrollments.len() {
            // Whoever begins in this step has been told so now, whatever is left for the next one.
            let e = &self.work.enrollments[index];
            let begins = e.version == 0 || self.decision.restarted.iter().any(|(id, _)| *id == e.id);
            let until = if begins { self.now } else { self.until };
            self.go_on(index, until, plugins)?;
        }
        Ok(())
    }

    /// One turn, in which all is over that was by `until`, and as many as its questions take.
    fn go_on(&mut self, index: usize, until: i64, plugins: Plugins<'_>) -> Result<(), Stop> {
        if !self.work.enrollments[index].is_due(until.max(self.came(index))) {
            return Ok(());
        }
        let mut until = until;
        for _ in 0..=MAX_OPS_PER_TURN {
            let user = &self.work.user;
            let enrollment = &mut self.work.enrollments[index];
            let code = plugins(&enrollment.deployment)?;
            let result = enrollment.turn(&code, &user.id, &user.attributes, until, self.now)?;
            self.changed.insert(index);
            self.effects(index, result);
            let asks = self.work.enrollments[index].asks();
            if asks.is_empty() {
                return Ok(());
            }
            for (op, ask) in asks {
                let value = match self.answer(index, op, &ask)? {
                    Ok(value) => value,
                    Err(why) => {
                        self.work.enrollments[index].park(why);
                        return Ok(());
                    }
                };
                let hops = self.work.enrollments[index].hops;
                self.work.enrollments[index].answer(op, Arrival { at: self.now, value, hops });
            }
            until = i64::MIN;
        }
        self.work.enrollments[index].park(format!("more than {MAX_OPS_PER_TURN} questions without waiting"));
        Ok(())
    }

    /// The instant by which something has come, if anything has.
    fn came(&self, index: usize) -> i64 {
        let arrivals = self.work.enrollments[index].pending.iter().filter_map(|w| w.came.as_ref());
        arrivals.map(|arrival| arrival.at).max().unwrap_or(i64::MIN)
    }

    /// Answers a question from the user's facts, with what the flow has changed; or says why it has no answer.
    fn answer(&mut self, index: usize, op: u64, ask: &Ask) -> Result<Result<Json, String>, Stop> {
        if let Err(why) = answerable(ask, &self.project.manifest) {
            return Ok(Err(why));
        }
        let value = match ask {
            Ask::Segment { id, expr: None } => Value::Bool(self.work.members.contains(id)),
            Ask::Segment { expr: Some(expr), .. } => {
                let expr: Expr = expr.read().expect("a wait that cannot be read is refused when it begins");
                self.has(eval::asked(&expr))?;
                Value::Bool(eval::evaluate(&expr, &View { step: self }).holds)
            }
            Ask::Number { events, measure } => {
                let events: Events = events.read().expect("a wait that cannot be read is refused when it begins");
                let measure: Measure = measure.read().expect("a wait that cannot be read is refused when it begins");
                self.has(vec![Of::number(&events, &measure).kept()])?;
                eval::number(&events, &measure, &View { step: self }).unwrap_or(Value::Null)
            }
            Ask::Arm { name, arms, experiment } => {
                let enrollment = &self.work.enrollments[index];
                let user = &self.work.user.id;
                let roll = match experiment {
                    true => ids::seed(&format!("{name}\0{user}")),
                    false => ids::seed(&format!("{}\0{name}\0{user}", enrollment.campaign)),
                };
                let arm = self.work.arms.get(name).cloned().unwrap_or_else(|| pick(arms, roll));
                if *experiment {
                    self.decision.marks.push(Mark {
                        enrollment: enrollment.id.clone(),
                        campaign: enrollment.campaign.clone(),
                        op,
                        what: MarkKind::Arm { experiment: name.clone(), arm: arm.clone() },
                    });
                }
                Value::String(arm)
            }
        };
        Ok(Ok(Json(value.to_string())))
    }

    /// Whether the events that are asked about are loaded.
    fn has(&self, mut asked: Vec<Asked>) -> Result<(), Stop> {
        asked.retain(|asked| !self.work.history.iter().any(|loaded| loaded.answers(asked.of())));
        if asked.is_empty() { Ok(()) } else { Err(Stop::Missing(asked)) }
    }

    fn effects(&mut self, index: usize, result: TurnResult) {
        let enrollment = &self.work.enrollments[index];
        let (id, campaign, hops) = (enrollment.id.clone(), enrollment.campaign.clone(), enrollment.hops + 1);
        self.decision.logs.extend(result.logs.into_iter().map(|line| (campaign.clone(), line)));
        self.decision.dropped.extend(result.dropped.into_iter().map(|ops| (id.clone(), ops)));
        for begun in result.begun {
            let what = match begun.waits {
                Waits::Webhook(webhook) => JobKind::Webhook(webhook),
                Waits::Task(task) => JobKind::Task(task),
                _ => continue,
            };
            let (enrollment, campaign) = (id.clone(), campaign.clone());
            self.decision.jobs.push(Job { enrollment, campaign, op: begun.op, what, created_at: self.now });
        }
        for effect in result.effects {
            match effect {
                Effect::Send { op, template, args } => self.send(index, op, template, args),
                Effect::Update { patch, .. } => {
                    let patch: Object = patch.read().expect("the turn was refused otherwise");
                    merge(&mut self.work.user.attributes, &patch);
                    self.decision.told.push((Told::Patch(patch), hops));
                }
                Effect::Emit { op, name, attributes } => {
                    let event = ids::flow_event(&id, op);
                    self.decision.told.push((Told::Event { id: event, name, attributes }, hops));
                }
                Effect::Start { campaign, .. } => self.decision.told.push((Told::Enter { campaign }, hops)),
                Effect::Stop { campaign, .. } => self.decision.told.push((Told::Leave { campaign }, hops)),
                Effect::Goal { op, name } => {
                    let (enrollment, campaign) = (id.clone(), campaign.clone());
                    let what = MarkKind::Goal(name.clone());
                    self.decision.marks.push(Mark { enrollment, campaign, op, what });
                    self.converted(index, op, &name);
                    if self.reached(&name, index) {
                        // What its code does after that does not happen any more.
                        self.work.enrollments[index].end_with(op);
                        return;
                    }
                }
            }
        }
    }

    fn send(&mut self, index: usize, op: u64, template: String, args: Json) {
        let enrollment = &self.work.enrollments[index];
        let campaign = self.project.campaign(&enrollment.campaign);
        self.decision.messages.push(Message {
            id: ids::campaign_message(&enrollment.id, op, self.now),
            origin: Origin::Campaign { campaign: enrollment.campaign.clone(), enrollment: enrollment.id.clone(), op },
            deployment: enrollment.deployment.clone(),
            template,
            args,
            guarantee: campaign.map_or(Guarantee::AtMostOnce, |c| c.guarantee),
            created_at: self.now,
        });
    }
}

/// Whether a project knows the segments that a question is about: who is in one that is not there cannot be said.
pub fn answerable(ask: &Ask, manifest: &Manifest) -> Result<(), String> {
    let Ask::Segment { id, expr } = ask else { return Ok(()) };
    let known = |id: &str| manifest.segments.iter().any(|segment| segment.id == id);
    let asked: Vec<String> = match expr.as_ref().map(Json::read::<Expr>) {
        None => vec![id.clone()],
        Some(Ok(expr)) => dependencies(&expr).segments.into_iter().collect(),
        Some(Err(e)) => return Err(format!("the rule of segment `{id}` cannot be read: {e}")),
    };
    match asked.iter().find(|id| !known(id)) {
        None => Ok(()),
        Some(missing) => Err(format!(
            "it asks about segment `{missing}`, which the project does not have: put it there with `.segments([…])`"
        )),
    }
}

/// The arm that a roll falls on.
fn pick(arms: &[(String, u32)], roll: u64) -> String {
    let total: u64 = arms.iter().map(|(_, weight)| u64::from(*weight)).sum();
    let mut left = roll % total.max(1);
    for (arm, weight) in arms {
        match left.checked_sub(u64::from(*weight)) {
            Some(rest) => left = rest,
            None => return arm.clone(),
        }
    }
    String::new()
}
