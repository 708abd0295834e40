//! One user in one campaign, and the engine's half of a turn.

use std::collections::BTreeSet;

use segflow_protocol::{
    Completion, Effect, End, Entry, Happened, MAX_OPS_PER_TURN, Manifest, OpKind, Pending, Request, Response, Turn,
    TurnOutcome, Waits,
};
use serde::{Deserialize, Serialize};

use crate::merge::Object;
use crate::project::declared;
use crate::{Code, PluginError, ids};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Waits for something.
    Active,
    /// Ran to its end.
    Done,
    /// Left, because the segments no longer matched or the campaign went.
    Exited,
    /// Cannot go on, and says why.
    Parked,
}

impl Status {
    pub const ALL: [Status; 4] = [Status::Active, Status::Done, Status::Exited, Status::Parked];

    pub fn name(self) -> &'static str {
        match self {
            Status::Active => "active",
            Status::Done => "done",
            Status::Exited => "exited",
            Status::Parked => "parked",
        }
    }

    pub fn parse(name: &str) -> Option<Status> {
        Status::ALL.into_iter().find(|s| s.name() == name)
    }

    /// Whether it may still act.
    pub fn is_live(self) -> bool {
        matches!(self, Status::Active | Status::Parked)
    }
}

/// One run of one user through one campaign.
#[derive(Debug, Clone, PartialEq)]
pub struct Enrollment {
    pub id: String,
    pub campaign: String,
    /// Counts this user's enrollments in the campaign, from 1.
    pub run: u32,
    /// Whose flow code it runs on.
    pub deployment: String,
    pub status: Status,
    pub reason: Option<String>,
    /// Grows with every commit; a decision about an older version is dropped.
    pub version: i64,
    pub first_op: u64,
    pub next_op: u64,
    /// ms UTC.
    pub started_at: i64,
    /// Changes at one instant that led here; see [`MAX_HOPS`].
    pub hops: u32,
    pub pending: Vec<Waiting>,
    pub journal: Vec<Entry>,
    /// How many chunks a store has put the older entries into, and how many entries those hold.
    pub chunks: u32,
    pub chunked: usize,
}

/// A pending operation, with the instant at which it is due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    pub what: Pending,
    /// ms UTC.
    pub due: i64,
}

/// More changes than this, each caused by the one before and all at one instant, and the chain is stopped: two campaigns
/// toggling one attribute would go on for ever.
pub const MAX_HOPS: u32 = 50;

impl Enrollment {
    pub fn new(id: String, campaign: &str, run: u32, deployment: &str, now: i64, hops: u32) -> Enrollment {
        Enrollment {
            id,
            campaign: campaign.into(),
            run,
            deployment: deployment.into(),
            status: Status::Active,
            reason: None,
            version: 0,
            first_op: 0,
            next_op: 0,
            started_at: now,
            hops,
            pending: vec![],
            journal: vec![],
            chunks: 0,
            chunked: 0,
        }
    }

    /// When it wants its next turn, ms UTC.
    pub fn wake_at(&self) -> Option<i64> {
        if self.status != Status::Active {
            return None;
        }
        if self.is_new() { Some(self.started_at) } else { self.pending.iter().map(|w| w.due).min() }
    }

    /// Has had no turn yet.
    fn is_new(&self) -> bool {
        self.journal.is_empty() && self.pending.is_empty()
    }

    pub fn is_due(&self, now: i64) -> bool {
        self.wake_at().is_some_and(|at| at <= now)
    }

    pub fn park(&mut self, reason: impl Into<String>) {
        self.status = Status::Parked;
        self.reason = Some(reason.into());
    }

    pub fn exit(&mut self, reason: impl Into<String>) {
        self.status = Status::Exited;
        self.reason = Some(reason.into());
        self.pending.clear();
    }

    /// The request for this enrollment's next turn, without its completions' consequences.
    pub fn request(&self, user_id: &str, attributes: &Object, now: i64) -> Turn {
        let mut over: Vec<&Waiting> = self.pending.iter().filter(|w| w.due <= now).collect();
        over.sort_by_key(|w| (w.due, w.what.op));
        let completions =
            over.into_iter().map(|w| Completion { op: w.what.op, happened: Happened::Elapsed { at: now } });
        Turn {
            campaign: self.campaign.clone(),
            user_id: user_id.into(),
            seed: ids::seed(&self.id),
            first_op: self.first_op,
            started_at: self.started_at,
            now,
            attributes: segflow_protocol::Json(serde_json::Value::Object(attributes.clone()).to_string()),
            journal: self.journal.clone(),
            completions: completions.collect(),
        }
    }

    /// Runs one turn. Returns what it wants done; the enrollment is then as it is to be stored. A turn that fails parks it.
    ///
    /// An error means that the plugin could not be run now; nothing has changed.
    pub fn turn(
        &mut self,
        code: &Code,
        user_id: &str,
        attributes: &Object,
        now: i64,
    ) -> Result<TurnResult, PluginError> {
        let turn = self.request(user_id, &declared(&code.manifest.user, attributes), now);
        let is_first = self.is_new();
        let completed: Vec<u64> = turn.completions.iter().map(|c| c.op).collect();
        // A wait that took time ends a chain of changes at one instant; a turn that comes without one makes it longer.
        let rested = self.pending.iter().any(|w| completed.contains(&w.what.op) && takes_time(w));
        let hops = if is_first {
            self.hops
        } else if rested {
            0
        } else {
            self.hops + 1
        };
        let answer = match code.plugin.call(&Request::Turn(turn)) {
            Ok(Response::Turn(outcome)) => {
                self.verify(outcome, &completed, now).and_then(|accepted| acceptable(accepted, hops, &code.manifest))
            }
            Ok(Response::Refused(why)) => Err(why),
            Ok(_) => Err("the plugin answered something else than a turn".into()),
            Err(PluginError::Trap(why)) => Err(why),
            Err(unavailable) => return Err(unavailable),
        };
        match answer {
            Ok(accepted) => {
                self.hops = hops;
                self.journal.extend(accepted.entries);
                self.pending = accepted.pending;
                self.next_op = accepted.next_op;
                if accepted.done {
                    self.status = Status::Done;
                    self.pending.clear();
                }
                Ok(TurnResult { effects: accepted.effects, logs: accepted.logs })
            }
            Err(reason) => {
                self.park(reason);
                Ok(TurnResult::default())
            }
        }
    }

    /// Holds a plugin's answer against what the enrollment knows. A plugin is not trusted: whatever does not add up parks.
    fn verify(&self, outcome: TurnOutcome, completed: &[u64], now: i64) -> Result<Accepted, String> {
        let done = match outcome.end {
            End::Failed(why) => return Err(why),
            End::Diverged(divergence) => return Err(divergence.to_string()),
            End::Waiting if outcome.pending.is_empty() => return Err("the flow waits for nothing".into()),
            End::Waiting => false,
            End::Done => true,
        };
        // Operations that leave no entry (random) and those that are only begun count too, so the bound is a wide one.
        let Some(begun) = outcome.next_op.checked_sub(self.next_op) else {
            return Err("the plugin counts its operations backwards".into());
        };
        let most = 3 * MAX_OPS_PER_TURN;
        if outcome.entries.len() > most || begun > most as u64 || outcome.pending.len() > MAX_OPS_PER_TURN {
            return Err(format!("more than {MAX_OPS_PER_TURN} operations in one turn"));
        }
        let fresh = self.next_op..outcome.next_op;
        let mut settled = BTreeSet::new();
        let mut wanted = outcome.effects.iter();
        for entry in &outcome.entries {
            let open = self
                .pending
                .iter()
                .any(|w| (w.what.op, w.what.kind, w.what.identity) == (entry.op, entry.kind, entry.identity));
            if !(open || fresh.contains(&entry.op)) || !settled.insert(entry.op) {
                return Err(format!(
                    "the plugin journaled a {} of operation {} out of turn",
                    entry.kind.name(),
                    entry.op
                ));
            }
            let effect = match (&entry.kind, &entry.happened) {
                (OpKind::Send, Happened::Sent) | (OpKind::Update, Happened::Updated) => wanted.next(),
                (OpKind::User, Happened::Read(_)) => continue,
                (OpKind::Wait, Happened::Elapsed { at }) if *at == now && completed.contains(&entry.op) => continue,
                (OpKind::Wait, Happened::Cancelled) => continue,
                _ => return Err(format!("the plugin journaled an impossible {}", entry.kind.name())),
            };
            let fits = match effect {
                Some(Effect::Send { op, .. }) => entry.kind == OpKind::Send && *op == entry.op,
                Some(Effect::Update { op, .. }) => entry.kind == OpKind::Update && *op == entry.op,
                None => false,
            };
            if !fits || open {
                return Err(format!("the plugin's effects do not fit its journal at operation {}", entry.op));
            }
        }
        if wanted.next().is_some() {
            return Err("the plugin wants an effect that it did not journal".into());
        }
        if let Some(op) =
            completed.iter().find(|op| !done && !settled.contains(op) && outcome.pending.iter().any(|p| p.op == **op))
        {
            return Err(format!("the plugin was told that operation {op} is complete, and still waits for it"));
        }
        if let Some(forgotten) = self
            .pending
            .iter()
            .find(|w| !done && !settled.contains(&w.what.op) && !outcome.pending.iter().any(|p| p.op == w.what.op))
        {
            let what = &forgotten.what;
            return Err(format!(
                "diverges after entry {}: it no longer does the {} of operation {} ({})",
                self.journal.len(),
                what.kind.name(),
                what.op,
                what.source
            ));
        }
        let mut pending = vec![];
        for what in outcome.pending {
            if what.op >= outcome.next_op || !settled.insert(what.op) {
                return Err(format!("the plugin waits for operation {}, which is over or has not begun", what.op));
            }
            match self.pending.iter().find(|w| w.what.op == what.op) {
                Some(old) if (old.what.kind, old.what.identity) != (what.kind, what.identity) => {
                    return Err(format!(
                        "diverges after entry {}: expected {} (operation {}), got {} ({})",
                        self.journal.len(),
                        old.what.kind.name(),
                        what.op,
                        what.kind.name(),
                        what.source
                    ));
                }
                // What has begun keeps the instant at which it is due, whatever the code says now.
                Some(old) => pending.push(Waiting { what, due: old.due }),
                None if what.op < self.next_op => {
                    return Err(format!(
                        "diverges after entry {}: {} (operation {}, {}) had not begun then",
                        self.journal.len(),
                        what.kind.name(),
                        what.op,
                        what.source
                    ));
                }
                None => {
                    let Waits::Duration { ms } = what.waits;
                    let due = now.saturating_add(ms.max(0));
                    pending.push(Waiting { what, due });
                }
            }
        }
        Ok(Accepted {
            entries: outcome.entries,
            effects: outcome.effects,
            logs: outcome.logs,
            pending,
            next_op: outcome.next_op,
            done,
        })
    }
}

/// Whether a turn's effects can be carried out; if one cannot, none is.
fn acceptable(accepted: Accepted, hops: u32, manifest: &Manifest) -> Result<Accepted, String> {
    for effect in &accepted.effects {
        match effect {
            Effect::Send { template, .. } if !manifest.templates.iter().any(|t| t.id == *template) => {
                return Err(format!("it sends template `{template}`, which its project does not have"));
            }
            Effect::Send { args, .. } => {
                args.read::<Object>().map_err(|e| format!("the arguments of a message are not a JSON object: {e}"))?;
            }
            Effect::Update { patch, .. } => {
                patch.read::<Object>().map_err(|e| format!("an update that is not a JSON object: {e}"))?;
            }
        }
    }
    let changes = accepted.effects.iter().any(|e| matches!(e, Effect::Update { .. }));
    if hops > MAX_HOPS || (changes && hops == MAX_HOPS) {
        return Err(format!(
            "more than {MAX_HOPS} steps at one instant, each caused by the one before: a loop whose wait takes no time, \
             or a campaign that undoes what this one does"
        ));
    }
    Ok(accepted)
}

fn takes_time(wait: &Waiting) -> bool {
    let Waits::Duration { ms } = wait.what.waits;
    ms > 0
}

struct Accepted {
    entries: Vec<Entry>,
    effects: Vec<Effect>,
    logs: Vec<String>,
    pending: Vec<Waiting>,
    next_op: u64,
    done: bool,
}

/// What a turn wants done.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct TurnResult {
    pub effects: Vec<Effect>,
    pub logs: Vec<String>,
}

#[cfg(test)]
mod tests;
