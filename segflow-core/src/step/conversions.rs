//! What counts for campaigns: events that they name, and goals that their flows reach. For which message is found when it is committed.

use super::{Step, What};
use crate::conversion::{Cause, Success, of_event, of_goal};
use crate::ids;

impl Step<'_> {
    /// Events that count, also those of the past: an event is a fact whenever it is told.
    pub(super) fn conversions(&mut self) {
        let campaigns = || self.project.manifest.campaigns.iter().filter(|campaign| !campaign.conversions.is_empty());
        for fact in &self.work.facts {
            let What::Event { id, name, attributes, occurred_at } = &fact.what else { continue };
            let fields = self.project.event_fields(name);
            for campaign in campaigns() {
                for (within, value) in of_event(campaign, name, attributes, fields) {
                    let (workspace, incarnation) = (&self.work.workspace, &self.work.user.incarnation);
                    self.decision.successes.push(Success {
                        id: ids::event_conversion(workspace, incarnation, &campaign.id, id, fact.at),
                        campaign: campaign.id.clone(),
                        enrollment: None,
                        what: Cause::Event { name: name.clone(), id: id.clone() },
                        at: *occurred_at,
                        within,
                        value,
                    });
                }
            }
        }
    }

    /// A goal that a flow has reached.
    pub(super) fn converted(&mut self, index: usize, op: u64, goal: &str) {
        let enrollment = &self.work.enrollments[index];
        let Some(within) = self.project.campaign(&enrollment.campaign).and_then(|c| of_goal(c, goal)) else { return };
        self.decision.successes.push(Success {
            id: ids::goal_conversion(&enrollment.id, op, self.now),
            campaign: enrollment.campaign.clone(),
            enrollment: Some(enrollment.id.clone()),
            what: Cause::Goal(goal.into()),
            at: self.now,
            within,
            value: None,
        });
    }
}
