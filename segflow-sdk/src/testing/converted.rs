//! What counted for campaigns in a run.

use jiff::Timestamp;
use segflow_core::conversion::whole;
use segflow_core::memory::Converted as Counted;

use super::{Run, timestamp};
use crate::Attributes;

/// Something that counted for a campaign and one of its messages.
#[derive(Debug, Clone, PartialEq)]
pub struct Converted {
    /// Whose success it is.
    pub user_id: String,
    /// The id of the email that it counts for.
    pub template: String,
    /// When that email was sent, in the time of the run.
    pub sent_at: Timestamp,
    /// The event, or the goal.
    pub by: String,
    /// When it happened, in the time of the run.
    pub at: Timestamp,
    /// What it is worth, where the campaign says so.
    pub value: Option<f64>,
}

impl<U: Attributes> Run<U> {
    /// What has counted for a campaign, in order: events that it [converts on](crate::Campaign::converts_on), or goals.
    #[track_caller]
    pub fn conversions(&self, campaign: &str) -> Vec<Converted> {
        self.known_campaign(campaign);
        let of_campaign = self.memory.conversions().iter().filter(|counted| counted.success.campaign == campaign);
        of_campaign.filter_map(|counted| self.converted(counted)).collect()
    }

    fn converted(&self, Counted { user, message, success }: &Counted) -> Option<Converted> {
        let row = self.memory.messages().find(|row| row.message.id == *message)?;
        Some(Converted {
            user_id: user.clone(),
            template: row.message.template.clone(),
            sent_at: timestamp(row.sent_at?),
            by: success.what.name().to_string(),
            at: timestamp(success.at),
            value: success.value.map(|value| whole(value as f64)),
        })
    }
}
