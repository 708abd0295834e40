//! What of a turn can be carried out and stored. It is said here, with a reason for the author of the flow, and not left to a database.

use segflow_protocol::{Ask, Cond, Effect, End, Events, Expr, Json, Manifest, Measure, OpKind, Pending, Waits, is_own};
use serde_json::Value;

use super::{Accepted, MAX_HOPS};
use crate::merge::{Object, merge};
use crate::project::zone_in;
use crate::zone;

/// The most bytes of what is a column of its own with an index: names of events, goals, experiments and arms, an assignee.
const MAX_NAME: usize = 255;

/// The most bytes of a reason that is kept, and of the title of a task.
const MAX_REASON: usize = 4_096;
const MAX_TITLE: usize = 4_096;

/// The most attributes of an event, and of a user, in bytes of JSON, as over the API.
const MAX_EVENT: usize = 65_536;
const MAX_ATTRIBUTES: usize = 65_536;

/// What a turn is held against, besides the enrollment.
pub(super) struct Given<'a> {
    /// Of the code that it runs on.
    pub manifest: &'a Manifest,
    /// All of the user's, as they were when the turn began.
    pub attributes: &'a Object,
    pub hops: u32,
    pub now: i64,
}

/// A reason, cut where it gets too long to be kept.
pub fn shortened(mut reason: String) -> String {
    if reason.len() > MAX_REASON {
        let end = (0..=MAX_REASON - '…'.len_utf8()).rev().find(|at| reason.is_char_boundary(*at)).unwrap_or(0);
        reason.truncate(end);
        reason.push('…');
    }
    reason
}

fn named(what: &str, name: &str) -> Result<(), String> {
    match name.len() {
        1..=MAX_NAME => Ok(()),
        bytes => Err(format!("{what} has a name of 1 to {MAX_NAME} bytes, not {bytes}")),
    }
}

/// When a wait that begins now is over, if time alone ends it. A wait that makes no sense is refused. `effects` are those of its turn.
pub(super) fn due(what: &Pending, effects: &[Effect], given: &Given<'_>) -> Result<Option<i64>, String> {
    let wrong = |why: String| format!("{why} ({})", what.source);
    let after = |ms: i64| Some(given.now.saturating_add(ms.max(0)));
    match (what.kind, &what.waits) {
        (OpKind::Wait, Waits::Duration { ms }) => Ok(after(*ms)),
        (OpKind::Until, Waits::Until { at }) => Ok(Some((*at).max(given.now))),
        (OpKind::Until, Waits::Local(local)) => {
            // The user as of the step, with what the flow had changed by then.
            let earlier: Vec<&Effect> = effects.iter().filter(|effect| effect.op() < what.op).collect();
            let attributes = changed(given.attributes, &earlier)?;
            let zone = zone_in(given.manifest, &attributes);
            zone::next(local, zone, given.now).map(|at| Some(at.max(given.now))).map_err(wrong)
        }
        (OpKind::Event, Waits::Event { filter, within, .. }) => match filter.as_ref().map(Json::read::<Cond>) {
            Some(Err(e)) => Err(wrong(format!("the condition of a wait cannot be read: {e}"))),
            _ => Ok(within.and_then(after)),
        },
        (OpKind::Ask, Waits::Ask(Ask::Segment { expr, .. })) => match expr.as_ref().map(Json::read::<Expr>) {
            Some(Err(e)) => Err(wrong(format!("the rule of a segment cannot be read: {e}"))),
            _ => Ok(None),
        },
        (OpKind::Ask, Waits::Ask(Ask::Number { events, measure })) => {
            let read = events.read::<Events>().map(|_| ()).and(measure.read::<Measure>().map(|_| ()));
            read.map(|()| None).map_err(|e| wrong(format!("a number over events cannot be read: {e}")))
        }
        (OpKind::Choose, Waits::Ask(Ask::Arm { name, arms, experiment })) => {
            if *experiment {
                named("an experiment", name).map_err(wrong)?;
                arms.iter().try_for_each(|(arm, _)| named("an arm", arm)).map_err(wrong)?;
            }
            match arms.iter().map(|(_, weight)| u64::from(*weight)).sum::<u64>() {
                0 => Err(wrong(format!("`{name}` has no arm that can be chosen"))),
                _ => Ok(None),
            }
        }
        (OpKind::Webhook, Waits::Webhook(_)) => Ok(None),
        (OpKind::Task, Waits::Task(task)) => {
            if task.title.len() > MAX_TITLE {
                let bytes = task.title.len();
                return Err(wrong(format!("the title of a task has at most {MAX_TITLE} bytes, not {bytes}")));
            }
            task.assignee.as_ref().map_or(Ok(()), |assignee| named("an assignee", assignee)).map_err(wrong)?;
            Ok(None)
        }
        (kind, _) => Err(wrong(format!("the plugin waits for an impossible {}", kind.name()))),
    }
}

/// Attributes with the updates among these effects.
fn changed(attributes: &Object, effects: &[&Effect]) -> Result<Object, String> {
    let mut attributes = attributes.clone();
    for effect in effects {
        if let Effect::Update { patch, .. } = effect {
            let patch = patch.read().map_err(|e| format!("an update that is not a JSON object: {e}"))?;
            merge(&mut attributes, &patch);
        }
    }
    Ok(attributes)
}

/// Whether a turn's effects can be carried out; if one cannot, none is.
pub(super) fn acceptable(accepted: &Accepted, given: &Given<'_>) -> Result<(), String> {
    let Given { manifest, attributes, hops, .. } = *given;
    for effect in &accepted.effects {
        match effect {
            Effect::Send { template, .. } if !manifest.templates.iter().any(|t| t.id == *template) => {
                return Err(format!("it sends template `{template}`, which its project does not have"));
            }
            Effect::Send { args, .. } => {
                args.read::<Object>().map_err(|e| format!("the arguments of a message are not a JSON object: {e}"))?;
            }
            Effect::Update { .. } => {}
            Effect::Emit { name, attributes, .. } => {
                attributes.read::<Object>().map_err(|e| format!("an event that is not a JSON object: {e}"))?;
                if is_own(name) {
                    return Err(format!("it reports `{name}`: events whose names begin with `$` are Segflow's own"));
                }
                if name.is_empty() || name.len() > MAX_NAME || attributes.0.len() > MAX_EVENT {
                    return Err(format!(
                        "an event has a name of 1 to {MAX_NAME} bytes and at most {MAX_EVENT} bytes of attributes"
                    ));
                }
            }
            Effect::Start { campaign, .. } | Effect::Stop { campaign, .. }
                if !manifest.campaigns.iter().any(|c| c.id == *campaign) =>
            {
                return Err(format!("it names campaign `{campaign}`, which its project does not have"));
            }
            Effect::Start { .. } | Effect::Stop { .. } => {}
            Effect::Goal { name, .. } => named("a goal", name)?,
        }
    }
    if accepted.effects.iter().any(|effect| matches!(effect, Effect::Update { .. })) {
        let size = |attributes: &Object| Value::Object(attributes.clone()).to_string().len();
        let after = size(&changed(attributes, &accepted.effects.iter().collect::<Vec<_>>())?);
        // Whoever has more already may still have less.
        if after > MAX_ATTRIBUTES && after > size(attributes) {
            return Err(format!(
                "the user's attributes would take {after} bytes, and a user has at most {MAX_ATTRIBUTES}"
            ));
        }
    }
    let causes = |e: &Effect| matches!(e, Effect::Update { .. } | Effect::Emit { .. } | Effect::Start { .. });
    let changes = accepted.effects.iter().any(causes) || matches!(accepted.end, End::Again(_));
    if hops > MAX_HOPS || (changes && hops == MAX_HOPS) {
        return Err(format!(
            "more than {MAX_HOPS} steps at one instant, each caused by the one before: a loop whose wait takes no time, \
             or a campaign that undoes what this one does"
        ));
    }
    Ok(())
}
