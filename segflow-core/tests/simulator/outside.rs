//! What comes from outside: facts, pushes, answers, and people in charge.

use segflow_core::enrollment::{Enrollment, Status};
use segflow_core::eval::EventFact;
use segflow_core::merge::Object;
use segflow_core::protocol::Json;
use segflow_core::step::What;
use serde_json::{Value, json};

use crate::manifest::{ATTRIBUTES, EVENTS};
use crate::program::DAY;
use crate::world::{USERS, World};

const ZONES: [&str; 4] = ["Europe/Berlin", "America/New_York", "UTC", "Mars/Olympus"];

impl World {
    pub fn fact(&mut self) {
        let plain = self.mode.is_plain();
        if !plain && self.script.chance(60) {
            self.last = self.script.pick(&USERS);
        }
        let user = self.last;
        match self.script.below(40) {
            // Facts of one instant, whose order is all that counts.
            n if plain && n < 28 => self.event(user, true),
            _ if plain => self.answer(),
            0 => self.erase(user),
            1 | 2 => self.deploy(),
            3..=14 => self.patch(user),
            15..=17 => self.enroll(user),
            18..=21 => self.change(),
            22..=26 => self.answer(),
            _ => self.event(user, false),
        }
    }

    fn erase(&mut self, user: &str) {
        self.memory.erase(user);
        self.known.remove(user);
        self.audit.histories.remove(user);
    }

    fn patch(&mut self, user: &str) {
        let rng = &mut self.script;
        let mut patch = Object::new();
        for _ in 0..1 + rng.below(2) {
            let to = if rng.chance(20) { Value::Null } else { json!(rng.below(3)) };
            patch.insert(rng.pick(&ATTRIBUTES).into(), to);
        }
        if rng.chance(20) {
            patch.insert("tz".into(), json!(rng.pick(&ZONES)));
        }
        let historical = rng.chance(10);
        self.memory.update(user, &patch, historical, self.now);
        self.known.entry(user.into()).or_default().patch(&patch, historical);
    }

    fn event(&mut self, user: &str, plain: bool) {
        let rng = &mut self.script;
        let age = match rng.below(10) {
            _ if plain => 0,
            0 => -(rng.below(3 * DAY as u64) as i64),
            1 => rng.below(60) as i64 * DAY,
            2 => DAY,
            3 => rng.below(DAY as u64) as i64,
            _ => 0,
        };
        let again = self.emitted > 0 && rng.chance(15);
        let id = if again { rng.below(self.emitted) } else { self.emitted };
        self.emitted = self.emitted.max(id + 1);
        let (id, name, historical) = (format!("e{id}"), rng.pick(&EVENTS), !plain && rng.chance(20));
        let v = if rng.chance(90) { json!(rng.below(3)) } else { json!("1") };
        let event = EventFact { occurred_at: self.now - age, attributes: Object::from_iter([("v".to_string(), v)]) };
        self.memory.emit(user, &id, name, event.clone(), historical, self.now);
        self.known.entry(user.into()).or_default().event(&id, name, event, historical);
    }

    fn enroll(&mut self, user: &str) {
        let rng = &mut self.script;
        // The last of these may not exist.
        let campaign = rng.pick(&["c0", "c1", "c2"]);
        let start_at = rng.chance(50).then(|| self.now + rng.pick(&[-DAY, 0, 1, DAY, 5 * DAY]));
        self.memory.enroll(user, campaign, start_at, self.now);
        let told = (What::Enter { campaign: campaign.into(), start_at }, false);
        self.known.entry(user.into()).or_default().told.push(told);
    }

    /// Somebody answers what a flow has asked; perhaps again, or when nobody waits for it any more.
    fn answer(&mut self) {
        let open: Vec<(String, u64)> = match self.script.chance(80) {
            // What an earlier fact of this instant leads to may not be known yet.
            _ if self.mode.is_plain() => self.open.iter().cloned().collect(),
            true => self.memory.jobs().map(|job| (job.enrollment.clone(), job.op)).collect(),
            false => self.asked.iter().cloned().collect(),
        };
        if open.is_empty() {
            return;
        }
        let (enrollment, op) = open[self.script.below(open.len() as u64) as usize].clone();
        let value = match self.script.below(3) {
            0 => json!({"error": "timed out"}),
            n => json!({"status": 200 + n}),
        };
        let value = Json(value.to_string());
        for _ in 0..1 + self.script.below(2) {
            let waits = self.memory.jobs().any(|job| job.enrollment == enrollment && job.op == op);
            let user = self.memory.enrollments().find(|(_, e)| e.id == enrollment).map(|(user, _)| user.to_string());
            self.memory.answer(&enrollment, op, value.clone(), self.now);
            if let (true, Some(user)) = (waits, user) {
                let what = What::Answer { enrollment: enrollment.clone(), op, value: value.clone() };
                self.known.get_mut(&user).expect("it is there").told.push((what, false));
            }
        }
    }

    /// Somebody in charge pauses, resumes, restarts or removes.
    fn change(&mut self) {
        let all: Vec<Enrollment> =
            self.memory.enrollments().map(|(_, e)| e.clone()).filter(|e| e.status.is_live()).collect();
        if all.is_empty() {
            return;
        }
        let old = &all[self.script.below(all.len() as u64) as usize];
        let verb = match (self.script.below(8), old.status) {
            (0, _) => "restart",
            (1, _) => "remove",
            (2, Status::Paused) => "restart",
            (_, Status::Active) => "pause",
            _ => "resume",
        };
        let (deployment, now) = (self.project.deployment.clone(), self.now);
        // One whose campaign is gone, and which a server is about to exit, has no code to begin on.
        if verb == "restart" && self.project.campaign(&old.campaign).is_none() {
            return;
        }
        self.memory.change(&old.id, "somebody in charge", |e| match verb {
            "restart" => e.restart(&deployment, now),
            "remove" => e.exit("removed"),
            "pause" => e.pause("somebody in charge"),
            _ => e.resume(),
        });
        self.audit.changed(&self.memory, old, verb, now);
    }
}
