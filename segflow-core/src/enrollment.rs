//! One user in one campaign, and the engine's half of a turn.

use std::collections::BTreeSet;
use std::ops::Range;

use segflow_protocol::{
    Ask, Completion, Cond, Cut, Effect, End, Entry, Happened, Journal, Json, MAX_OPS_PER_TURN, Manifest, OpKind,
    Pending, Request, Response, Turn, TurnOutcome, Waits, encode,
};
use serde::{Deserialize, Serialize};

use crate::merge::Object;
use crate::project::declared;
use crate::{Code, PluginError, ids};

mod bounds;

use bounds::Given;
pub use bounds::shortened;

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
    /// Stopped until somebody resumes it.
    Paused,
}

impl Status {
    pub const ALL: [Status; 5] = [Status::Active, Status::Done, Status::Exited, Status::Parked, Status::Paused];

    pub fn name(self) -> &'static str {
        match self {
            Status::Active => "active",
            Status::Done => "done",
            Status::Exited => "exited",
            Status::Parked => "parked",
            Status::Paused => "paused",
        }
    }

    pub fn parse(name: &str) -> Option<Status> {
        Status::ALL.into_iter().find(|s| s.name() == name)
    }

    /// Whether it may still act.
    pub fn is_live(self) -> bool {
        matches!(self, Status::Active | Status::Parked | Status::Paused)
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
    /// The number of the first operation of the journal: those before belong to runs before a restart or `continue_as_new`.
    pub first_op: u64,
    pub next_op: u64,
    /// ms UTC; in the future, if it was asked to start then.
    pub started_at: i64,
    /// When the journal began, ms UTC.
    pub since: i64,
    /// What the journal before handed on to this one.
    pub state: Option<Json>,
    /// The value for which the user entered, in a campaign with one entry for each.
    pub key: Option<String>,
    /// Somebody asked for it, whatever the segments say: it ends by them only once they have held.
    pub by_hand: bool,
    /// Changes at one instant that led here; see [`MAX_HOPS`].
    pub hops: u32,
    pub pending: Vec<Waiting>,
    pub journal: Journal,
    /// The journal's size as stored.
    pub bytes: u64,
    /// A store puts the older entries into chunks: the first and the next number of this journal's, and where they end.
    pub first_chunk: u32,
    pub chunks: u32,
    pub chunked: Cut,
}

/// A pending operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    pub what: Pending,
    /// ms UTC.
    #[serde(default)]
    pub begun: i64,
    /// When its time is over, ms UTC; `None`: never.
    pub due: Option<i64>,
    /// What it waited for, until a turn has taken it up.
    #[serde(default)]
    pub came: Option<Arrival>,
}

/// Something that was waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// ms UTC.
    pub at: i64,
    pub value: Json,
    /// Changes at one instant that led to it; see [`MAX_HOPS`].
    pub hops: u32,
}

impl Waiting {
    /// When it was over, or will be, ms UTC.
    fn over(&self) -> Option<i64> {
        self.came.as_ref().map(|arrival| arrival.at).or(self.due)
    }

    /// When it wants a turn. A question that could not be answered, and so was parked with its run, is asked again at once.
    fn wakes(&self) -> Option<i64> {
        self.over().or_else(|| matches!(self.what.waits, Waits::Ask(_)).then_some(self.begun))
    }

    fn is_over(&self, until: i64) -> bool {
        self.came.is_some() || self.due.is_some_and(|due| due <= until)
    }
}

/// More changes than this, each caused by the one before and all at one instant, and the chain is stopped: two campaigns
/// toggling one attribute would go on for ever.
pub const MAX_HOPS: u32 = 50;

/// The most entries of one journal. A flow that goes on for longer begins a new one with `continue_as_new`.
pub const MAX_ENTRIES: usize = 10_000;

/// What a flow's log says when half of that, or of [`MAX_BYTES`], is reached begins with this.
pub const HALF_FULL: &str = "the journal is half full";

/// The most bytes of one journal: 4 MiB.
pub const MAX_BYTES: u64 = 4 << 20;

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
            since: now,
            state: None,
            key: None,
            by_hand: false,
            hops,
            pending: vec![],
            journal: Journal::default(),
            bytes: 0,
            first_chunk: 0,
            chunks: 0,
            chunked: Cut::default(),
        }
    }

    /// When it wants its next turn, ms UTC; `None`: something has to come first.
    pub fn wake_at(&self) -> Option<i64> {
        if self.status != Status::Active {
            return None;
        }
        if self.is_new() { Some(self.since) } else { self.pending.iter().filter_map(Waiting::wakes).min() }
    }

    /// Has had no turn yet, in this journal.
    fn is_new(&self) -> bool {
        self.journal.is_empty() && self.pending.is_empty()
    }

    pub fn is_due(&self, now: i64) -> bool {
        self.wake_at().is_some_and(|at| at <= now)
    }

    pub fn park(&mut self, reason: impl Into<String>) {
        self.status = Status::Parked;
        self.reason = Some(shortened(reason.into()));
    }

    pub fn exit(&mut self, reason: impl Into<String>) {
        self.status = Status::Exited;
        self.reason = Some(shortened(reason.into()));
        self.pending.clear();
    }

    /// Forgets what its journal has after an operation.
    pub(crate) fn end_with(&mut self, op: u64) {
        let entries: Vec<Entry> = self.journal.iter().collect();
        let Some(last) = entries.iter().rposition(|entry| entry.op == op) else { return };
        let kept: Journal = entries.into_iter().take(last + 1).collect();
        self.bytes = self.bytes.saturating_sub((self.journal.end().bytes - kept.end().bytes) as u64);
        self.journal = kept;
    }

    pub fn pause(&mut self, reason: impl Into<String>) {
        self.status = Status::Paused;
        self.reason = Some(shortened(reason.into()));
    }

    /// What was paused or parked goes on. What fell due meanwhile is due now.
    pub fn resume(&mut self) {
        self.status = Status::Active;
        self.reason = None;
        self.hops = 0;
        // Nor is what came meanwhile part of the chain that it was parked for.
        self.pending.iter_mut().filter_map(|w| w.came.as_mut()).for_each(|arrival| arrival.hops = 0);
    }

    /// Begins anew, on this deployment.
    pub fn restart(&mut self, deployment: &str, now: i64) {
        self.resume();
        self.deployment = deployment.into();
        self.state = None;
        self.begin_journal(now);
    }

    /// Operations go on being numbered where they were: what was decided under a number stays decided.
    fn begin_journal(&mut self, now: i64) {
        self.first_op = self.next_op;
        self.since = now;
        self.pending.clear();
        self.journal.clear();
        (self.bytes, self.chunked, self.first_chunk) = (0, Cut::default(), self.chunks);
    }

    /// Takes an event that happened to the user at `at`, if something waits for it. What waits is noted even while nothing moves.
    pub fn hear(&mut self, name: &str, event: &Object, fields: &[segflow_protocol::Field], at: i64, hops: u32) -> bool {
        let mut heard = false;
        for waiting in &mut self.pending {
            let Waits::Event { name: wanted, filter, .. } = &waiting.what.waits else { continue };
            if wanted != name || waiting.is_over(at) {
                continue;
            }
            let fits = match filter {
                Some(filter) => filter.read::<Cond>().is_ok_and(|cond| crate::eval::condition(&cond, event, fields)),
                None => true,
            };
            if fits {
                let value = Json(serde_json::Value::Object(event.clone()).to_string());
                waiting.came = Some(Arrival { at, value, hops });
                heard = true;
            }
        }
        heard
    }

    /// Takes the answer to an operation, if it still waits for one.
    pub fn answer(&mut self, op: u64, arrival: Arrival) -> bool {
        let waits = |w: &&mut Waiting| w.what.op == op && w.came.is_none();
        let waiting = self.pending.iter_mut().find(waits);
        waiting.map(|waiting| waiting.came = Some(arrival)).is_some()
    }

    /// The questions that are not answered yet, by operation.
    pub fn asks(&self) -> Vec<(u64, Ask)> {
        let open = self.pending.iter().filter(|w| w.came.is_none());
        let ask = |w: &Waiting| match &w.what.waits {
            Waits::Ask(ask) => Some((w.what.op, ask.clone())),
            _ => None,
        };
        open.filter_map(ask).collect()
    }

    /// The request for a turn in which all is over that was by `until`, without its completions' consequences.
    pub fn request(&self, user_id: &str, attributes: &Object, until: i64, now: i64) -> Turn {
        let mut over: Vec<&Waiting> = self.pending.iter().filter(|w| w.is_over(until)).collect();
        over.sort_by_key(|w| (w.over(), w.what.op));
        let completions = over.into_iter().map(|w| Completion {
            op: w.what.op,
            happened: match &w.came {
                Some(arrival) => Happened::Came { at: now, value: arrival.value.clone() },
                None => Happened::Elapsed { at: now },
            },
        });
        Turn {
            campaign: self.campaign.clone(),
            user_id: user_id.into(),
            seed: ids::seed(&self.id),
            first_op: self.first_op,
            started_at: self.since,
            now,
            attributes: Json(serde_json::Value::Object(attributes.clone()).to_string()),
            journal: self.journal.clone(),
            completions: completions.collect(),
        }
    }

    fn call(&self, code: &Code, turn: Turn) -> Result<Result<TurnOutcome, String>, PluginError> {
        let request = match &self.state {
            Some(state) => Request::Anew(turn, state.clone()),
            None => Request::Turn(turn),
        };
        match code.plugin.call(&request) {
            Ok(Response::Turn(outcome)) => Ok(Ok(outcome)),
            Ok(Response::Refused(why)) => Ok(Err(why)),
            Ok(_) => Ok(Err("the plugin answered something else than a turn".into())),
            Err(PluginError::Trap(why)) => Ok(Err(why)),
            Err(unavailable) => Err(unavailable),
        }
    }

    /// Whether other code would be where this journal has led to; if not, where it parts ways. Nothing is decided.
    ///
    /// An error means that the plugin could not be run now.
    pub fn replays(
        &self,
        code: &Code,
        user_id: &str,
        attributes: &Object,
        now: i64,
    ) -> Result<Result<(), String>, PluginError> {
        if self.is_new() || !self.status.is_live() {
            return Ok(Ok(()));
        }
        let mut turn = self.request(user_id, &declared(&code.manifest.user, attributes), i64::MIN, now);
        turn.completions.clear();
        Ok(self.call(code, turn)?.and_then(|outcome| self.is_where(&outcome)))
    }

    fn is_where(&self, outcome: &TurnOutcome) -> Result<(), String> {
        match &outcome.end {
            End::Failed(why) => return Err(why.clone()),
            End::Diverged(divergence) => return Err(divergence.to_string()),
            _ => {}
        }
        if let Some(entry) = outcome.entries.first() {
            let got = entry.kind.name();
            return Err(format!(
                "diverges at entry {}: expected nothing more before it waits, got {got}",
                self.journal.len()
            ));
        }
        self.same_waits(&outcome.pending, &BTreeSet::new())?;
        match outcome.next_op == self.next_op && outcome.pending.len() == self.pending.len() {
            true => Ok(()),
            false => Err(format!("diverges after entry {}: it counts its operations differently", self.journal.len())),
        }
    }

    /// Whether what has begun and not ended is still waited for, all of it.
    fn same_waits(&self, pending: &[Pending], ended: &BTreeSet<u64>) -> Result<(), String> {
        for Waiting { what: old, .. } in self.pending.iter().filter(|w| !ended.contains(&w.what.op)) {
            let at = format!("diverges after entry {}", self.journal.len());
            match pending.iter().find(|new| new.op == old.op) {
                Some(new) if (new.kind, new.identity) == (old.kind, old.identity) => {}
                Some(new) => {
                    let (expected, got) = (old.kind.name(), new.kind.name());
                    let other = if expected == got { "another " } else { "" };
                    return Err(format!(
                        "{at}: expected {expected} (operation {}), got {other}{got} ({})",
                        old.op, new.source
                    ));
                }
                None => {
                    return Err(format!(
                        "{at}: it no longer does the {} of operation {} ({})",
                        old.kind.name(),
                        old.op,
                        old.source
                    ));
                }
            }
        }
        Ok(())
    }

    /// Runs one turn, in which all is over that was by `until`. Returns what it wants done; the enrollment is then as it is to be
    /// stored. A turn that fails parks it, and what it would have taken up stays.
    ///
    /// An error means that the plugin could not be run now; nothing has changed.
    pub fn turn(
        &mut self,
        code: &Code,
        user_id: &str,
        attributes: &Object,
        until: i64,
        now: i64,
    ) -> Result<TurnResult, PluginError> {
        let turn = self.request(user_id, &declared(&code.manifest.user, attributes), until, now);
        let completed = turn.completions.clone();
        let hops = self.hops_of(&completed);
        let answer = self.call(code, turn)?;
        let given = Given { manifest: &code.manifest, attributes, hops, now };
        let answer = answer.and_then(|outcome| self.hold(outcome, &completed, &given));
        Ok(match answer {
            Ok(accepted) => self.accept(accepted, hops, now),
            Err(reason) => {
                self.park(reason);
                TurnResult::default()
            }
        })
    }

    /// What is wrong with the answer to a first turn, if anything is: for whoever tries a flow out.
    pub fn try_first(
        &self,
        outcome: TurnOutcome,
        manifest: &Manifest,
        attributes: &Object,
        now: i64,
    ) -> Result<(), String> {
        self.hold(outcome, &[], &Given { manifest, attributes, hops: self.hops, now }).map(drop)
    }

    /// Holds a plugin's answer against all that is known. A plugin is not trusted: whatever does not add up parks.
    fn hold(
        &self,
        outcome: TurnOutcome,
        completed: &[Completion],
        given: &Given<'_>,
    ) -> Result<(Accepted, u64), String> {
        let accepted = self.verify(outcome, completed, given)?;
        bounds::acceptable(&accepted, given)?;
        self.within_bounds(accepted)
    }

    /// A wait that took time ends a chain of changes at one instant; a turn that comes without one makes it longer. So does one that
    /// a flow's own change ends at once: a loop that emits twice what it waits for would double for ever.
    fn hops_of(&self, completed: &[Completion]) -> u32 {
        let waiting = |op| self.pending.iter().find(|w| w.what.op == op);
        let hops = completed.iter().filter_map(|c| waiting(c.op)).map(|w| match &w.came {
            Some(arrival) if arrival.hops > 0 && arrival.at <= w.begun && !matches!(w.what.waits, Waits::Ask(_)) => {
                arrival.hops.max(self.hops + 1)
            }
            Some(arrival) => arrival.hops,
            None if w.due.is_some_and(|due| due > w.begun) => 0,
            None => self.hops + 1,
        });
        hops.min().unwrap_or(self.hops)
    }

    /// A journal has an end, and says so half-way.
    fn within_bounds(&self, mut accepted: Accepted) -> Result<(Accepted, u64), String> {
        let bytes = self.bytes + accepted.entries.iter().map(|e| encode(e).len() as u64).sum::<u64>();
        let entries = self.journal.len() + accepted.entries.len();
        let waits = encode(&accepted.pending).len() as u64;
        if waits > MAX_BYTES {
            return Err(format!("what it waits for takes {waits} bytes, and may take {MAX_BYTES}"));
        }
        if let End::Again(state) = &accepted.end
            && state.0.len() as u64 > MAX_BYTES
        {
            let bytes = state.0.len();
            return Err(format!("the state that it hands on takes {bytes} bytes, and may take {MAX_BYTES}"));
        }
        if matches!(accepted.end, End::Waiting) {
            if entries > MAX_ENTRIES || bytes > MAX_BYTES {
                return Err(format!(
                    "its journal would have {entries} entries in {bytes} bytes, and may have {MAX_ENTRIES} in {MAX_BYTES}: a \
                     flow that goes on for so long begins anew with `flow.continue_as_new(…)`"
                ));
            }
            if is_half_full(entries, bytes) && !is_half_full(self.journal.len(), self.bytes) {
                accepted.logs.push(format!(
                    "{HALF_FULL}, with {entries} of {MAX_ENTRIES} entries and {bytes} of {MAX_BYTES} bytes: use \
                     `flow.continue_as_new(…)`"
                ));
            }
        }
        Ok((accepted, bytes))
    }

    fn accept(&mut self, (accepted, bytes): (Accepted, u64), hops: u32, now: i64) -> TurnResult {
        let jobs = |kind: OpKind| matches!(kind, OpKind::Webhook | OpKind::Task);
        let dropped = accepted.entries.iter().filter(|e| e.happened == Happened::Cancelled && jobs(e.kind));
        let mut dropped: Vec<Range<u64>> = dropped.map(|e| e.op..e.op + 1).collect();
        let fresh = accepted.pending.iter().filter(|w| w.what.op >= self.next_op && jobs(w.what.kind));
        let begun = fresh.map(|w| w.what.clone()).collect();
        let had_jobs = self.pending.iter().any(|w| jobs(w.what.kind));
        (self.hops, self.bytes, self.next_op) = (hops, bytes, accepted.next_op);
        self.journal.extend(accepted.entries);
        self.pending = accepted.pending;
        match accepted.end {
            End::Done => {
                self.status = Status::Done;
                self.pending.clear();
            }
            End::Exited(reason) => self.exit(reason),
            End::Again(state) => {
                self.hops += 1;
                self.begin_journal(now);
                self.state = Some(state);
            }
            _ => {}
        }
        if had_jobs && self.pending.is_empty() {
            dropped.clear();
            dropped.push(0..self.next_op);
        }
        TurnResult { effects: accepted.effects, logs: accepted.logs, begun, dropped }
    }

    /// Holds it against what the enrollment knows.
    fn verify(&self, outcome: TurnOutcome, completed: &[Completion], given: &Given<'_>) -> Result<Accepted, String> {
        let over = match &outcome.end {
            End::Failed(why) => return Err(why.clone()),
            End::Diverged(divergence) => return Err(divergence.to_string()),
            End::Waiting if outcome.pending.is_empty() => return Err("the flow waits for nothing".into()),
            End::Waiting => false,
            End::Done | End::Exited(_) | End::Again(_) => true,
        };
        // Operations that leave no entry (random) and those that are only begun count too, so the bound is a wide one.
        let Some(begun) = outcome.next_op.checked_sub(self.next_op) else {
            return Err("the plugin counts its operations backwards".into());
        };
        let most = 3 * MAX_OPS_PER_TURN;
        if outcome.entries.len() > most || begun > most as u64 || outcome.pending.len() > MAX_OPS_PER_TURN {
            return Err(format!("more than {MAX_OPS_PER_TURN} operations in one turn"));
        }
        let settled = self.settle(&outcome, completed)?;
        let still = |op: u64| !settled.contains(&op) && outcome.pending.iter().any(|p| p.op == op);
        if let Some(told) = completed.iter().find(|c| !over && still(c.op)) {
            return Err(format!("the plugin was told that operation {} is complete, and still waits for it", told.op));
        }
        if !over {
            self.same_waits(&outcome.pending, &settled)?;
        }
        let pending = if over { vec![] } else { self.waits(&outcome, settled, given)? };
        Ok(Accepted {
            entries: outcome.entries,
            effects: outcome.effects,
            logs: outcome.logs,
            pending,
            next_op: outcome.next_op,
            end: outcome.end,
        })
    }

    /// Holds the entries against what was open, what is complete, and the effects. Returns the operations that have ended.
    fn settle(&self, outcome: &TurnOutcome, completed: &[Completion]) -> Result<BTreeSet<u64>, String> {
        let fresh = self.next_op..outcome.next_op;
        let mut settled = BTreeSet::new();
        let mut wanted = outcome.effects.iter();
        for entry in &outcome.entries {
            let name = entry.kind.name();
            let open = self
                .pending
                .iter()
                .any(|w| (w.what.op, w.what.kind, w.what.identity) == (entry.op, entry.kind, entry.identity));
            if !(open || fresh.contains(&entry.op)) || !settled.insert(entry.op) {
                return Err(format!("the plugin journaled a {name} of operation {} out of turn", entry.op));
            }
            match &entry.happened {
                Happened::Read(_) if entry.kind == OpKind::User => continue,
                Happened::Cancelled if is_pending(entry.kind) => continue,
                Happened::Elapsed { .. } | Happened::Came { .. } if open => {
                    let told = completed.iter().any(|c| c.op == entry.op && c.happened == entry.happened);
                    if told {
                        continue;
                    }
                    return Err(format!("the plugin journaled an impossible {name}"));
                }
                Happened::Sent | Happened::Updated | Happened::Done => {}
                _ => return Err(format!("the plugin journaled an impossible {name}")),
            }
            let fits = wanted.next().is_some_and(|effect| {
                let of_its_kind = match effect {
                    Effect::Send { .. } => (OpKind::Send, Happened::Sent),
                    Effect::Update { .. } => (OpKind::Update, Happened::Updated),
                    Effect::Emit { .. } => (OpKind::Emit, Happened::Done),
                    Effect::Start { .. } => (OpKind::Start, Happened::Done),
                    Effect::Stop { .. } => (OpKind::Stop, Happened::Done),
                    Effect::Goal { .. } => (OpKind::Goal, Happened::Done),
                };
                effect.op() == entry.op && of_its_kind == (entry.kind, entry.happened.clone())
            });
            if !fits || open {
                return Err(format!("the plugin's effects do not fit its journal at operation {}", entry.op));
            }
        }
        match wanted.next() {
            Some(_) => Err("the plugin wants an effect that it did not journal".into()),
            None => Ok(settled),
        }
    }

    /// What it waits for now. What has begun keeps the instant at which it is due, whatever the code says now.
    fn waits(
        &self,
        outcome: &TurnOutcome,
        mut settled: BTreeSet<u64>,
        given: &Given<'_>,
    ) -> Result<Vec<Waiting>, String> {
        let mut pending = vec![];
        for what in &outcome.pending {
            if what.op >= outcome.next_op || !settled.insert(what.op) {
                return Err(format!("the plugin waits for operation {}, which is over or has not begun", what.op));
            }
            let old = self.pending.iter().find(|w| w.what.op == what.op);
            if let Some(old) = old {
                // What has begun also keeps what it asked for: the answer is on its way.
                pending.push(old.clone());
                continue;
            }
            if what.op < self.next_op {
                return Err(format!(
                    "diverges after entry {}: {} (operation {}, {}) had not begun then",
                    self.journal.len(),
                    what.kind.name(),
                    what.op,
                    what.source
                ));
            }
            let due = bounds::due(what, &outcome.effects, given)?;
            pending.push(Waiting { what: what.clone(), begun: given.now, due, came: None });
        }
        Ok(pending)
    }
}

/// Whether a journal of so many entries and bytes has come half-way to its end.
fn is_half_full(entries: usize, bytes: u64) -> bool {
    entries > MAX_ENTRIES / 2 || bytes > MAX_BYTES / 2
}

fn is_pending(kind: OpKind) -> bool {
    match kind {
        OpKind::Wait
        | OpKind::Until
        | OpKind::Event
        | OpKind::Ask
        | OpKind::Choose
        | OpKind::Webhook
        | OpKind::Task => true,
        OpKind::Send | OpKind::User | OpKind::Update | OpKind::Emit | OpKind::Start | OpKind::Stop | OpKind::Goal => {
            false
        }
    }
}

struct Accepted {
    entries: Vec<Entry>,
    effects: Vec<Effect>,
    logs: Vec<String>,
    pending: Vec<Waiting>,
    next_op: u64,
    end: End,
}

/// What a turn wants done.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct TurnResult {
    pub effects: Vec<Effect>,
    pub logs: Vec<String>,
    /// Webhooks and tasks that have begun.
    pub begun: Vec<Pending>,
    /// Webhooks and tasks that are no longer wanted, by operation.
    pub dropped: Vec<Range<u64>>,
}

#[cfg(test)]
mod liar;
#[cfg(test)]
mod tests;
