//! What must hold when somebody in charge has changed something, and whenever nothing is left to do.

use std::collections::{BTreeMap, BTreeSet};

use segflow_core::enrollment::{Enrollment, Status};
use segflow_core::ledger::{self, Origin};
use segflow_core::memory::{Memory, Row};
use segflow_core::project::{Project, belongs};
use segflow_core::protocol::{Guarantee, Mode};
use segflow_core::step::What;

use crate::audit::Audit;
use crate::invariants::{equal, holds};
use crate::known::{Known, memberships};
use crate::runs::Run;

impl Audit {
    /// Somebody in charge has changed an enrollment.
    pub fn changed(&mut self, memory: &Memory, old: &Enrollment, verb: &str, now: i64) {
        self.saw(verb);
        let (user, new) = memory.enrollments().find(|(_, e)| e.id == old.id).expect("it is there");
        let program = self.program(new);
        let run = self.runs.get_mut(&old.id).expect("it was committed");
        match verb {
            "restart" => run.restart(program, old.next_op, now),
            "remove" => run.leave("removed"),
            _ => {}
        }
        run.check(new, &self.histories[user], now, false);
        let hops = new.pending.iter().filter_map(|w| w.came.as_ref()).map(|came| came.hops);
        let chain = new.hops + hops.sum::<u32>();
        holds(verb != "resume" || chain == 0, "who is resumed begins no chain", || format!("{new:?}"));
        let user = user.to_string();
        self.unwant(memory, |id, _| verb != "resume" && *id == old.id);
        self.jobs(memory, Some(&user));
    }

    /// A provider has accepted a message.
    pub fn accept(&mut self, message: &ledger::Message) {
        let times = self.accepted.entry(message.id.clone()).or_default();
        *times += 1;
        let fine = *times == 1 || message.guarantee == Guarantee::AtLeastOnce;
        holds(fine, "at most once is at most once", || format!("{message:?}"));
    }

    /// A message is about to be sent.
    pub fn claimed(&self, memory: &Memory, row: &Row) {
        holds(!row.user.is_empty(), "who was erased is sent nothing", || format!("{row:?}"));
        let Origin::Campaign { enrollment, .. } = &row.message.origin else { return };
        let (id, mut all) = (&row.message.id, memory.enrollments());
        let stopped = |e: &Enrollment| !e.status.is_live() || e.status == Status::Paused;
        let unwanted = self.unwanted.contains(id) && all.any(|(_, e)| e.id == *enrollment && stopped(e));
        holds(!unwanted, "who has left is sent nothing", || format!("{row:?}"));
    }

    /// What is asked of others is what somebody waits for. Of all users, or of one whose answers may be under way.
    fn jobs(&self, memory: &Memory, of: Option<&str>) {
        let live = memory.enrollments().filter(|(user, e)| e.status.is_live() && of.is_none_or(|of| of == *user));
        let jobs: BTreeSet<(&str, u64)> = memory.jobs().map(|job| (job.enrollment.as_str(), job.op)).collect();
        let mut waited = BTreeSet::new();
        for (_, e) in live {
            let open = self.runs.get(&e.id).into_iter().flat_map(Run::jobs).map(|(op, _)| op);
            let came = |op: &u64| e.pending.iter().any(|w| w.what.op == *op && w.came.is_some());
            waited.extend(open.filter(|op| !came(op)).map(|op| (e.id.as_str(), op)));
        }
        match of {
            None => holds(jobs == waited, "what is asked of others is what somebody waits for", || {
                let ids: BTreeSet<&str> = jobs.symmetric_difference(&waited).map(|(id, _)| *id).collect();
                let of: Vec<_> = memory.enrollments().filter(|(_, e)| ids.contains(e.id.as_str())).collect();
                format!("\n  asked  {jobs:?}\n  waited {waited:?}\n  {of:?}")
            }),
            Some(user) => {
                let all = memory.enrollments().filter(|(of, _)| *of == user).map(|(_, e)| e.id.as_str());
                let all: BTreeSet<&str> = all.collect();
                let idle = jobs.iter().find(|job| all.contains(job.0) && !waited.contains(*job));
                holds(idle.is_none(), "what is asked of others is what somebody waits for", || format!("{idle:?}"));
            }
        }
    }

    /// Nothing is left to do at `now`.
    pub fn quiet(&self, memory: &Memory, project: &Project, known: &BTreeMap<String, Known>, now: i64) {
        let mut live = BTreeSet::new();
        for (user, e) in memory.enrollments() {
            match e.status {
                Status::Active => {
                    let open = e.pending.iter().any(|w| w.due.is_none());
                    let later = e.wake_at().map_or(open, |at| at > now);
                    holds(later, "what is active waits for something to come", || format!("{e:?} at {now}"));
                    if let Some(run) = self.runs.get(&e.id) {
                        run.at_rest(e, now);
                    }
                }
                Status::Parked => {
                    let why = e.reason.as_deref().unwrap_or("");
                    let known = [
                        "on purpose",
                        "panicked on purpose",
                        "more than 50 steps at one instant",
                        "1000 operations without waiting",
                        "it names campaign",
                    ];
                    let fine = known.iter().any(|k| why.starts_with(k));
                    holds(fine, "what is parked has a reason in its program", || format!("{e:?}"));
                }
                Status::Paused => holds(e.reason.is_some(), "what is paused has a reason", || format!("{e:?}")),
                Status::Done | Status::Exited => equal(&e.pending, &vec![], "what has ended waits for nothing"),
            }
            let Some(campaign) = project.campaign(&e.campaign) else {
                holds(!e.status.is_live(), "a campaign that is gone has nobody in it", || format!("{e:?}"));
                continue;
            };
            if e.status.is_live() {
                let once = live.insert((user, &e.campaign, &e.key));
                holds(once, "a user is in a campaign once at a time", || format!("{e:?}"));
                let stays = campaign.mode == Mode::Static || belongs(campaign, |id| memory.in_segment(user, id));
                holds(stays || e.by_hand, "who no longer belongs has left a dynamic campaign", || format!("{e:?}"));
            }
        }
        let ledger: BTreeSet<&String> = memory.messages().map(|row| &row.message.id).collect();
        let kept = self.messages.iter().all(|id| ledger.contains(id)) && ledger.len() == self.messages.len();
        holds(kept, "no decided message is missing from the ledger", || {
            format!("{} {}", self.messages.len(), ledger.len())
        });
        for row in memory.messages().filter(|row| row.status == ledger::Status::Pending) {
            holds(!row.user.is_empty(), "who was erased is sent nothing", || format!("{row:?}"));
        }
        for (user, known) in known {
            equal(&memory.attributes(user), &Some(&known.attributes), "attributes are all patches in their order");
            let history = self.histories.get(user).map_or(&[][..], Vec::as_slice);
            let taken: Vec<(&What, bool)> = history.iter().map(|h| (&h.what, h.historical)).collect();
            let told: Vec<(&What, bool)> = known.told.iter().map(|(what, historical)| (what, *historical)).collect();
            equal(&taken, &told, "every fact is taken up once, in its order");
        }
        self.jobs(memory, None);
        memberships(memory, project, known, now, "memberships are those of an evaluation from scratch");
    }

    /// The end: every message has come to one.
    pub fn ended(&mut self, memory: &Memory) {
        let arms: Vec<String> = self.arms.borrow().iter().map(|((split, _), arm)| format!("{split} {arm}")).collect();
        arms.into_iter().for_each(|arm| self.saw(arm.split_once(' ').map_or("", |(_, arm)| arm)));
        for row in memory.messages() {
            let accepted = self.accepted.get(&row.message.id).copied().unwrap_or(0);
            let once = row.message.guarantee == Guarantee::AtMostOnce;
            let fine = match row.status {
                ledger::Status::Sent => accepted >= 1,
                ledger::Status::Refused | ledger::Status::Cancelled => accepted == 0 || !once,
                ledger::Status::Unknown => once || row.attempt == ledger::MAX_ATTEMPTS,
                _ => false,
            };
            holds(fine, "every message comes to an end that is true", || format!("accepted {accepted} times: {row:?}"));
        }
    }
}
