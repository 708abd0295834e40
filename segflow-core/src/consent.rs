//! Whether an address may be written to: what is known of it, held against what a message is about.

use std::collections::BTreeMap;

use segflow_protocol::Topic;
use serde::{Deserialize, Serialize};

/// Why nothing at all is sent to an address. A later one replaces an earlier one in this list, and never the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Block {
    /// It has bounced too often, each time for a reason that may pass.
    SoftBounces,
    /// There is no such address.
    Bounce,
    /// Somebody said so.
    Manual,
    /// Its reader has called a message spam.
    Complaint,
}

impl Block {
    pub const ALL: [Block; 4] = [Block::SoftBounces, Block::Bounce, Block::Manual, Block::Complaint];

    pub fn name(self) -> &'static str {
        match self {
            Block::SoftBounces => "soft_bounces",
            Block::Bounce => "bounce",
            Block::Manual => "manual",
            Block::Complaint => "complaint",
        }
    }

    pub fn parse(name: &str) -> Option<Block> {
        Block::ALL.into_iter().find(|block| block.name() == name)
    }

    /// Why a message was not sent, for people.
    fn reason(self) -> String {
        match self {
            Block::SoftBounces => format!("the address has bounced {ENOUGH} times in {} days", SPAN / DAY),
            Block::Bounce => "the address has bounced".into(),
            Block::Manual => "the address was suppressed by hand".into(),
            Block::Complaint => "the recipient has complained".into(),
        }
    }
}

/// What is known of an address. Of most there is nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consent {
    pub blocked: Option<Block>,
    /// From everything but transactions.
    pub unsubscribed: bool,
    /// What its reader said, by topic.
    pub topics: BTreeMap<String, bool>,
}

/// What a message is about.
#[derive(Debug, Clone, Copy)]
pub enum About<'a> {
    /// Its reader has caused it.
    Transaction,
    Campaign(Option<&'a Topic>),
}

impl Consent {
    /// Why a message may not be sent to it; `None`: it may.
    pub fn forbids(&self, about: About<'_>) -> Option<String> {
        if let Some(block) = self.blocked {
            return Some(block.reason());
        }
        let About::Campaign(topic) = about else { return None };
        if self.unsubscribed {
            return Some("unsubscribed".into());
        }
        let topic = topic.filter(|topic| !self.wants(topic))?;
        Some(match self.topics.contains_key(&topic.id) {
            true => format!("unsubscribed from {}", topic.id),
            false => format!("not subscribed to {}", topic.id),
        })
    }

    /// Whether its reader wants a topic, all else aside.
    pub fn wants(&self, topic: &Topic) -> bool {
        self.topics.get(&topic.id).copied().unwrap_or(!topic.opt_in)
    }
}

const DAY: i64 = 86_400_000;

/// So many bounces that may pass, within this many ms, are one that does not.
const ENOUGH: usize = 5;
const SPAN: i64 = 14 * DAY;

/// Bounces that may pass: when, and of which message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SoftBounces(Vec<(i64, String)>);

impl SoftBounces {
    /// One more, at an instant in ms UTC; whether there have been enough. A message counts once, however often it is told of.
    pub fn add(&mut self, message: &str, at: i64) -> bool {
        if !self.0.iter().any(|(_, known)| known == message) {
            self.0.push((at, message.into()));
            self.0.sort();
        }
        let last = self.0.last().map_or(at, |(at, _)| *at);
        self.0.retain(|(at, _)| *at > last - SPAN);
        self.0.len() >= ENOUGH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(opt_in: bool) -> Topic {
        Topic { id: "news".into(), name: "News".into(), opt_in, ..Topic::default() }
    }

    #[test]
    fn what_is_blocked_gets_nothing_and_what_is_unsubscribed_gets_transactions() {
        for block in Block::ALL {
            assert_eq!(Block::parse(block.name()), Some(block));
            let consent = Consent { blocked: Some(block), ..Consent::default() };
            assert!(consent.forbids(About::Transaction).is_some() && consent.forbids(About::Campaign(None)).is_some());
        }
        let gone = Consent { unsubscribed: true, ..Consent::default() };
        assert_eq!(gone.forbids(About::Transaction), None);
        assert_eq!(gone.forbids(About::Campaign(None)).as_deref(), Some("unsubscribed"));
        assert_eq!(Consent::default().forbids(About::Campaign(None)), None);
    }

    #[test]
    fn a_topic_goes_by_what_was_said_or_else_by_what_it_is() {
        let said = |wants: Option<bool>| Consent {
            topics: wants.map(|wants| ("news".to_string(), wants)).into_iter().collect(),
            ..Consent::default()
        };
        let why = |said: &Consent, opt_in| said.forbids(About::Campaign(Some(&topic(opt_in))));
        assert_eq!([why(&said(None), false), why(&said(Some(true)), false)], [None, None]);
        assert_eq!(why(&said(Some(true)), true), None);
        assert_eq!(why(&said(None), true).as_deref(), Some("not subscribed to news"));
        for opt_in in [false, true] {
            assert_eq!(why(&said(Some(false)), opt_in).as_deref(), Some("unsubscribed from news"));
        }
        assert_eq!(said(Some(false)).forbids(About::Campaign(None)), None, "a campaign about nothing in particular");
        assert_eq!(said(Some(false)).forbids(About::Transaction), None);
    }

    #[test]
    fn the_heavier_reason_is_the_greater() {
        assert!(
            Block::SoftBounces < Block::Bounce && Block::Bounce < Block::Manual && Block::Manual < Block::Complaint
        );
    }

    #[test]
    fn five_soft_bounces_in_a_fortnight_are_enough() {
        let mut soft = SoftBounces::default();
        assert!([0, 1, 2, 3].iter().all(|day| !soft.add(&format!("msg_{day}"), day * DAY)));
        assert!(!soft.add("msg_3", 3 * DAY + 1), "the same message, told of twice");
        assert!(soft.add("msg_4", 13 * DAY));
        let mut slow = SoftBounces::default();
        assert!((0..100).all(|n| !slow.add(&format!("msg_{n}"), n * 4 * DAY)), "every fourth day");
        assert!(slow.0.len() <= 4, "no more is kept than is needed");
        // Out of order, as webhooks come.
        let mut late = SoftBounces::default();
        assert!([9, 8, 7, 6].iter().all(|day| !late.add(&format!("msg_{day}"), day * DAY)));
        assert!(late.add("msg_5", 5 * DAY));
        let text = serde_json::to_string(&late).expect("JSON");
        assert_eq!(serde_json::from_str::<SoftBounces>(&text).expect("read"), late);
    }
}
