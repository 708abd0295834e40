//! The states of a message, and what becomes of it. Every transition there is stands here; those of a message that its provider was asked
//! about in [`lookup`].

pub mod lookup;

use segflow_protocol::{Guarantee, Json};
use serde::{Deserialize, Serialize};

use crate::ids;
use crate::notice::{Bounce, What};
use crate::route::breaker::BUSY;

/// Where a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Decided; to be sent when it is due.
    Pending,
    /// Pending, and kept back by a stop of all sending. Never stored: so it is shown.
    Held,
    /// Handed to a provider, or about to be; the outcome is not known yet.
    Sending,
    /// The provider has accepted it.
    Sent,
    Delivered,
    Bounced,
    Complained,
    /// It will not be sent, because nobody would accept it as it is.
    Refused,
    /// The recipient does not want it.
    Suppressed,
    /// Its flow left before it was sent.
    Cancelled,
    /// Perhaps accepted, perhaps not: the connection or the server went away in between.
    Unknown,
}

impl Status {
    pub const ALL: [Status; 11] = [
        Status::Pending,
        Status::Held,
        Status::Sending,
        Status::Sent,
        Status::Delivered,
        Status::Bounced,
        Status::Complained,
        Status::Refused,
        Status::Suppressed,
        Status::Cancelled,
        Status::Unknown,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Status::Pending => "pending",
            Status::Held => "held",
            Status::Sending => "sending",
            Status::Sent => "sent",
            Status::Delivered => "delivered",
            Status::Bounced => "bounced",
            Status::Complained => "complained",
            Status::Refused => "refused",
            Status::Suppressed => "suppressed",
            Status::Cancelled => "cancelled",
            Status::Unknown => "unknown",
        }
    }

    /// Whether a provider has it, or perhaps has.
    pub fn is_handed_over(self) -> bool {
        match self {
            Status::Sending
            | Status::Sent
            | Status::Delivered
            | Status::Bounced
            | Status::Complained
            | Status::Unknown => true,
            Status::Pending | Status::Held | Status::Refused | Status::Suppressed | Status::Cancelled => false,
        }
    }

    pub fn parse(name: &str) -> Option<Status> {
        Status::ALL.into_iter().find(|s| s.name() == name)
    }
}

/// A message as it is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub id: String,
    pub origin: Origin,
    /// The deployment whose code decided it.
    pub deployment: String,
    pub template: String,
    /// The template's arguments, an object by name.
    pub args: Json,
    pub guarantee: Guarantee,
    /// ms UTC.
    pub created_at: i64,
}

/// What a message comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Campaign { campaign: String, enrollment: String, op: u64 },
    Transaction { transaction: String, event: String },
}

/// What a provider said, or did not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Accepted {
        /// The provider's own id of the message.
        provider_id: Option<String>,
    },
    /// Certainly not accepted, and worth another try.
    Retry(String),
    /// Certainly not accepted, for a reason that is the provider's own and not this message's: it is down, busy, or does not know the
    /// sender. Another provider may take it.
    Unable {
        why: String,
        /// When it may be asked again, in ms from now, if it said so.
        pause: Option<i64>,
    },
    /// Certainly not accepted, and never will be.
    Refused(String),
    /// The same, and it says something of the address: that it is not there, or takes nothing now.
    Bounced { bounce: Bounce, why: String },
    /// The body was written and no answer came.
    Ambiguous(String),
    /// The same, but the provider knows this message again by its key: asked once more, the same one makes nothing double.
    Repeatable(String),
}

impl Outcome {
    /// What was said of it; nothing of one that was accepted.
    pub fn why(&self) -> &str {
        match self {
            Outcome::Accepted { .. } => "",
            Outcome::Unable { why, .. }
            | Outcome::Bounced { why, .. }
            | Outcome::Retry(why)
            | Outcome::Refused(why)
            | Outcome::Ambiguous(why)
            | Outcome::Repeatable(why) => why,
        }
    }
}

/// What an outcome makes of a message that is `sending` (or `unknown`: late outcomes are welcome).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    pub status: Status,
    pub reason: Option<String>,
    /// When a pending one is due again, ms UTC.
    pub due_at: Option<i64>,
}

/// How often a message is tried before it is given up.
pub const MAX_ATTEMPTS: u32 = 10;

/// How often the pause of a message is doubled whose provider is in trouble: up to about five minutes.
const UNABLE_DOUBLED: u32 = 6;

/// The longest reason that is kept, in characters; providers say more than anybody reads.
const MAX_REASON: usize = 500;

/// What becomes of a message after its `attempt`th try, counted from 1.
pub fn after(outcome: &Outcome, message: &str, attempt: u32, guarantee: Guarantee, now: i64) -> Transition {
    let end = |status, reason: Option<String>| Transition { status, reason, due_at: None };
    let again = |why: &str| {
        if attempt >= MAX_ATTEMPTS {
            end(Status::Refused, Some(short(&format!("given up after {attempt} attempts: {why}"))))
        } else {
            let due_at = Some(now.saturating_add(backoff(message, attempt)));
            Transition { status: Status::Pending, reason: Some(short(why)), due_at }
        }
    };
    match outcome {
        Outcome::Accepted { .. } => end(Status::Sent, None),
        Outcome::Refused(why) => end(Status::Refused, Some(short(why))),
        Outcome::Bounced { why, .. } => end(Status::Bounced, Some(short(why))),
        Outcome::Retry(why) => again(why),
        // However long it lasts: it is nothing that the message could be refused for. A provider that is in trouble for longer is left
        // alone by its breaker; the message only has to be there when it is well again.
        Outcome::Unable { why, pause } => {
            // At least a second, and not all of them at once.
            let asked = |pause: i64| {
                let spread = ids::random(ids::seed(message), u64::from(attempt)) % (pause.max(0) as u64 / 4 + 1_000);
                pause.max(1_000).saturating_add(spread as i64)
            };
            let pause = match pause {
                Some(pause) if *pause <= BUSY => asked(*pause),
                _ => backoff(message, attempt.min(UNABLE_DOUBLED)),
            };
            Transition { status: Status::Pending, reason: Some(short(why)), due_at: Some(now.saturating_add(pause)) }
        }
        Outcome::Ambiguous(why) => lost(why, message, attempt, guarantee, now),
        Outcome::Repeatable(why) => lost(why, message, attempt, Guarantee::AtLeastOnce, now),
    }
}

/// What becomes of a message whose outcome nobody will report: its connection was cut, or its server died.
pub fn lost(why: &str, message: &str, attempt: u32, guarantee: Guarantee, now: i64) -> Transition {
    match guarantee {
        Guarantee::AtLeastOnce if attempt < MAX_ATTEMPTS => Transition {
            status: Status::Pending,
            reason: Some(short(why)),
            due_at: Some(now.saturating_add(backoff(message, attempt))),
        },
        _ => Transition { status: Status::Unknown, reason: Some(short(why)), due_at: None },
    }
}

/// All that providers have told of a message, without the order in which it came: late, twice and the wrong way round is how it comes.
/// A bit for each, the weightiest last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told(u8);

impl Told {
    const REFUSED: u8 = 1;
    /// A bounce that may pass, and did if the message is delivered after all.
    const SOFT: u8 = 2;
    const DELIVERED: u8 = 4;
    const BOUNCED: u8 = 8;
    const COMPLAINED: u8 = 16;

    pub fn of(bits: i64) -> Told {
        Told(bits as u8)
    }

    pub fn bits(self) -> i64 {
        i64::from(self.0)
    }

    pub fn and(self, what: &What) -> Told {
        Told(
            self.0
                | match what {
                    What::Refused { .. } => Told::REFUSED,
                    What::Bounced { bounce: Bounce::Soft, .. } => Told::SOFT,
                    What::Bounced { .. } => Told::BOUNCED,
                    What::Complained => Told::COMPLAINED | Told::DELIVERED,
                    // Whoever does something with a message has got it.
                    What::Delivered | What::Opened(_) | What::Clicked { .. } | What::Wants { .. } => Told::DELIVERED,
                    // What a program answers may be that it could not deliver it.
                    What::Replied(reply) => {
                        if reply.is_automatic {
                            0
                        } else {
                            Told::DELIVERED
                        }
                    }
                },
        )
    }

    /// What all of it makes of a message that was handed over.
    pub fn status(self) -> Option<Status> {
        let has = |bit: u8| self.0 & bit != 0;
        if has(Told::COMPLAINED) {
            Some(Status::Complained)
        } else if has(Told::BOUNCED) {
            Some(Status::Bounced)
        } else if has(Told::DELIVERED) {
            Some(Status::Delivered)
        } else if has(Told::SOFT) {
            Some(Status::Bounced)
        } else {
            has(Told::REFUSED).then_some(Status::Refused)
        }
    }

    /// What it makes of a message where it is; `None`: nothing. Whatever has become of it here, what was told by those who have it counts:
    /// an `unknown` one is settled by it, and one that waits to be tried again is not. But of one that was never handed over there is
    /// nothing to tell, and one that is `sending` is settled when its outcome comes, with what was sent.
    pub fn settles(self, status: Status, attempt: u32) -> Option<Status> {
        let settled = self.status()?;
        (attempt > 0 && status != Status::Sending && status != settled).then_some(settled)
    }
}

/// The pause after the `attempt`th failure, in ms: 10 s, doubled each time, at most an hour, spread by a quarter.
pub fn backoff(message: &str, attempt: u32) -> i64 {
    let pause = (10_000i64 << attempt.saturating_sub(1).min(20)).min(3_600_000);
    let spread = ids::random(ids::seed(message), u64::from(attempt)) % (pause as u64 / 4);
    pause + spread as i64
}

fn short(reason: &str) -> String {
    if reason.chars().count() <= MAX_REASON {
        return reason.to_string();
    }
    reason.chars().take(MAX_REASON - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ambiguity_is_repeated_only_where_that_was_asked_for() {
        let cut = Outcome::Ambiguous("cut".into());
        assert_eq!(after(&cut, "msg_1", 1, Guarantee::AtMostOnce, 0).status, Status::Unknown);
        let again = after(&cut, "msg_1", 1, Guarantee::AtLeastOnce, 0);
        assert_eq!(again.status, Status::Pending);
        assert!((10_000..12_500).contains(&again.due_at.expect("due")));
    }

    #[test]
    fn what_the_provider_knows_again_is_repeated_whatever_was_asked_for() {
        let lost = Outcome::Repeatable("no answer".into());
        assert_eq!(after(&lost, "msg_1", 1, Guarantee::AtMostOnce, 0).status, Status::Pending);
        assert_eq!(after(&lost, "msg_1", MAX_ATTEMPTS, Guarantee::AtMostOnce, 0).status, Status::Unknown);
    }

    #[test]
    fn a_provider_in_trouble_is_no_reason_to_give_a_message_up() {
        let down = |pause| Outcome::Unable { why: "down".into(), pause };
        let much_later = after(&down(None), "msg_1", 50, Guarantee::AtMostOnce, 0);
        assert_eq!(much_later.status, Status::Pending);
        assert!((320_000..400_000).contains(&much_later.due_at.expect("due")));
        let asked =
            |message: &str, pause| after(&down(Some(pause)), message, 1, Guarantee::AtMostOnce, 1).due_at.expect("due");
        assert!((7_001..9_751).contains(&asked("msg_1", 7_000)), "as long as it asked for, and a little");
        assert!((1_001..2_001).contains(&asked("msg_1", 0)), "never at once");
        assert_ne!(asked("msg_1", 7_000), asked("msg_2", 7_000), "nor all at the same instant");
        assert!(
            (10_001..12_501).contains(&asked("msg_1", 86_400_000)),
            "for longer it is the provider that is left alone"
        );
    }

    fn told(all: &[What]) -> Told {
        all.iter().fold(Told::default(), Told::and)
    }

    fn bounced(bounce: Bounce) -> What {
        What::Bounced { bounce, why: String::new() }
    }

    /// Each set of what can be told, in every order.
    #[test]
    fn what_is_told_counts_whatever_its_order() {
        let (delivered, complained) = (What::Delivered, What::Complained);
        let (hard, soft, policy) = (bounced(Bounce::Hard), bounced(Bounce::Soft), bounced(Bounce::Policy));
        let refused = What::Refused { why: String::new() };
        let opened = What::Opened(crate::reader::Reader::opening(Some("curl/8".into())));
        let reply = |is_automatic| {
            let (id, subject, text) = (String::new(), String::new(), String::new());
            What::Replied(crate::notice::Reply { id, is_automatic, subject, text })
        };
        let (replied, automatic) = (reply(false), reply(true));
        assert_eq!(told(std::slice::from_ref(&automatic)), Told::default());
        for (all, status) in [
            (vec![&delivered], Status::Delivered),
            (vec![&opened], Status::Delivered),
            (vec![&replied, &soft, &automatic], Status::Delivered),
            (vec![&soft], Status::Bounced),
            (vec![&refused], Status::Refused),
            (vec![&delivered, &hard], Status::Bounced),
            (vec![&delivered, &policy], Status::Bounced),
            (vec![&delivered, &soft], Status::Delivered),
            (vec![&refused, &delivered], Status::Delivered),
            (vec![&delivered, &opened, &complained], Status::Complained),
            (vec![&hard, &complained, &soft], Status::Complained),
        ] {
            let mut all: Vec<What> = all.into_iter().cloned().collect();
            assert_eq!(told(&all).status(), Some(status), "{all:?}");
            all.reverse();
            assert_eq!(told(&all).status(), Some(status), "{all:?}");
            let twice: Vec<What> = all.iter().chain(&all).cloned().collect();
            assert_eq!(told(&twice), told(&all));
            assert_eq!(Told::of(told(&all).bits()), told(&all));
        }
        assert_eq!(Told::default().status(), None);
    }

    #[test]
    fn only_what_was_handed_over_is_settled() {
        let delivered = told(&[What::Delivered]);
        for status in Status::ALL {
            assert_eq!(delivered.settles(status, 0), None, "{}: never handed over", status.name());
            let settled = delivered.settles(status, 1);
            let stays = matches!(status, Status::Sending | Status::Delivered);
            assert_eq!(settled, (!stays).then_some(Status::Delivered), "{}", status.name());
        }
        assert_eq!(Told::default().settles(Status::Unknown, 1), None);
    }

    #[test]
    fn retries_end() {
        let busy = Outcome::Retry("452 busy".into());
        for attempt in 1..MAX_ATTEMPTS {
            assert_eq!(after(&busy, "msg_1", attempt, Guarantee::AtMostOnce, 0).status, Status::Pending);
        }
        let last = after(&busy, "msg_1", MAX_ATTEMPTS, Guarantee::AtMostOnce, 0);
        assert_eq!(last.status, Status::Refused);
        assert!(last.reason.expect("a reason").contains("452 busy"));
    }

    #[test]
    fn a_long_provider_error_is_cut_between_characters() {
        let why = Outcome::Refused("é".repeat(2_000));
        let reason = after(&why, "msg_1", 1, Guarantee::AtMostOnce, 0).reason.expect("a reason");
        assert_eq!(reason.chars().count(), MAX_REASON);
    }
}
