//! What counts as a success of campaigns: an event, or a goal, within a time after a message. It counts for the last message of the campaign
//! that came before it, and once for each campaign.

use segflow_protocol::{Campaign, Conversion, Field, Trigger};

use crate::eval;
use crate::ledger::Status;
use crate::merge::Object;

/// Something that counts for a campaign, if one of its messages went before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Success {
    /// The same for the same thing and campaign, so that it counts once.
    pub id: String,
    pub campaign: String,
    /// A goal counts for messages of the run that has reached it.
    pub enrollment: Option<String>,
    pub what: Cause,
    /// When it happened, ms UTC.
    pub at: i64,
    /// How long before it the message was accepted at most, in ms.
    pub within: i64,
    /// What it is worth, in [millionths](millionths).
    pub value: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    Event { name: String, id: String },
    Goal(String),
}

impl Cause {
    /// Of the event, or the goal.
    pub fn name(&self) -> &str {
        match self {
            Cause::Event { name, .. } | Cause::Goal(name) => name,
        }
    }
}

/// A message of a campaign that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub id: String,
    pub campaign: String,
    pub enrollment: String,
    pub op: u64,
    pub created_at: i64,
    /// ms UTC.
    pub sent_at: i64,
}

/// Whether something can be counted for a message that stands there: its reader has it, as far as anybody has said.
pub fn can_count(status: Status) -> bool {
    match status {
        Status::Sent | Status::Delivered | Status::Complained => true,
        Status::Pending
        | Status::Held
        | Status::Sending
        | Status::Bounced
        | Status::Refused
        | Status::Suppressed
        | Status::Cancelled
        | Status::Unknown => false,
    }
}

impl Success {
    /// The message that it counts for, of those that the user was sent: the last one before it. `None`: it does not count.
    pub fn message<'a>(&self, sent: impl IntoIterator<Item = &'a Sent>) -> Option<&'a Sent> {
        let fits = |sent: &&Sent| {
            sent.campaign == self.campaign
                && self.enrollment.as_ref().is_none_or(|enrollment| sent.enrollment == *enrollment)
                && sent.sent_at <= self.at
                && sent.sent_at > self.earliest()
        };
        // Of those that were accepted at one instant, the one that was decided last.
        sent.into_iter().filter(fits).max_by_key(|sent| (sent.sent_at, sent.created_at, sent.op, &sent.id))
    }

    /// A message that was accepted then, or before, is too old; ms UTC.
    pub fn earliest(&self) -> i64 {
        self.at.saturating_sub(self.within)
    }
}

/// For which successes of a campaign an event counts, in the order in which they are declared: how long after a message, and what it is
/// worth.
pub fn of_event<'a>(
    campaign: &'a Campaign,
    event: &'a str,
    attributes: &'a Object,
    fields: &'a [Field],
) -> impl Iterator<Item = (i64, Option<i64>)> {
    let is_it = move |on: &Trigger| match on {
        Trigger::Event { name, filter } => {
            name == event && filter.as_ref().is_none_or(|cond| eval::condition(cond, attributes, fields))
        }
        Trigger::Goal(_) => false,
    };
    let worth = move |path: &Vec<String>| eval::float_at(path, attributes, fields).map(millionths);
    let all = campaign.conversions.iter().filter(move |conversion| is_it(&conversion.on));
    all.map(move |conversion| (conversion.within, conversion.value.as_ref().and_then(worth)))
}

/// How long after a message a goal of its flow counts for a campaign: any goal, where the campaign does not say what counts. The longest,
/// if it is said several times.
pub fn of_goal(campaign: &Campaign, goal: &str) -> Option<i64> {
    if campaign.conversions.is_empty() {
        return Some(Conversion::WITHIN);
    }
    let is_it = |on: &Trigger| matches!(on, Trigger::Goal(name) if name == goal);
    campaign.conversions.iter().filter(|conversion| is_it(&conversion.on)).map(|conversion| conversion.within).max()
}

/// A number as a whole number of millionths, as values are kept: so that they add up to the same in any order.
pub fn millionths(value: f64) -> i64 {
    (value * 1e6).round() as i64
}

/// The number again.
pub fn whole(millionths: f64) -> f64 {
    millionths / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(id: &str, enrollment: &str, op: u64, sent_at: i64) -> Sent {
        Sent { id: id.into(), campaign: "c".into(), enrollment: enrollment.into(), op, created_at: 0, sent_at }
    }

    fn success(at: i64) -> Success {
        let what = Cause::Event { name: "bought".into(), id: "e".into() };
        Success { id: "cnv".into(), campaign: "c".into(), enrollment: None, what, at, within: 100, value: None }
    }

    fn counted(success: &Success, sent: &[Sent]) -> Option<String> {
        success.message(sent).map(|sent| sent.id.clone())
    }

    #[test]
    fn the_last_message_before_it_counts() {
        let all = [sent("a", "1", 0, 10), sent("b", "1", 1, 50), sent("c", "1", 2, 90)];
        assert_eq!(counted(&success(80), &all).as_deref(), Some("b"), "not one that came after it");
        assert_eq!(counted(&success(50), &all).as_deref(), Some("b"), "one of the same instant does");
        assert_eq!(counted(&success(9), &all), None);
        let other = Success { campaign: "d".into(), ..success(80) };
        assert_eq!(counted(&other, &all), None, "of another campaign");
    }

    #[test]
    fn its_time_ends() {
        let all = [sent("a", "1", 0, 10)];
        assert_eq!(counted(&success(109), &all).as_deref(), Some("a"));
        assert_eq!(counted(&success(110), &all), None);
        assert_eq!(counted(&Success { within: i64::MAX, ..success(i64::MIN) }, &all), None);
    }

    #[test]
    fn of_one_instant_the_one_that_was_decided_last_counts() {
        let all = [sent("z", "1", 3, 10), sent("a", "1", 4, 10)];
        assert_eq!(counted(&success(20), &all).as_deref(), Some("a"));
        let later = Sent { created_at: 5, ..sent("m", "2", 0, 10) };
        let all = [later, all[0].clone(), all[1].clone()];
        assert_eq!(counted(&success(20), &all).as_deref(), Some("m"));
    }

    #[test]
    fn a_goal_counts_for_its_own_run() {
        let all = [sent("a", "1", 0, 10), sent("b", "2", 0, 20)];
        let goal = Success { enrollment: Some("1".into()), ..success(30) };
        assert_eq!(counted(&goal, &all).as_deref(), Some("a"));
    }

    #[test]
    fn goals_count_where_nothing_is_said() {
        let said = |conversions| Campaign { conversions, ..Campaign::default() };
        let goal = |name: &str, within| Conversion { on: Trigger::Goal(name.into()), within, value: None };
        let event = Conversion { on: Trigger::Event { name: "x".into(), filter: None }, within: 5, value: None };
        assert_eq!(of_goal(&said(vec![]), "won"), Some(Conversion::WITHIN));
        assert_eq!(of_goal(&said(vec![event]), "won"), None);
        assert_eq!(of_goal(&said(vec![goal("won", 5), goal("won", 9), goal("lost", 20)]), "won"), Some(9));
    }

    #[test]
    fn values_add_up() {
        let total: i64 = [0.1, 0.2, 19.99, -0.29].into_iter().map(millionths).sum();
        assert_eq!(whole(total as f64), 20.0);
        assert_eq!(millionths(f64::MAX), i64::MAX, "the largest that is kept");
    }
}
