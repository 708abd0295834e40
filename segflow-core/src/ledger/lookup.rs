//! What a provider's word makes of a message that is `unknown`, and when it is asked for it.
//!
//! That it has the message is proof. That it does not know it is none: what it searches is filled some time after it has accepted a
//! message, nobody says how long after, and the same question asked of another account, or of one that forgets sooner, finds nothing
//! either. So it never makes a message that may be accepted once be sent again; one that may be accepted twice is, when it has been looked
//! for often enough.

use segflow_protocol::Guarantee;

use super::{MAX_ATTEMPTS, Status, Transition, short};

/// What a provider says of a message that it perhaps has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It has it.
    Here {
        /// The provider's own id of the message.
        provider_id: Option<String>,
    },
    /// It knows none like it.
    Nowhere,
    /// It could not be asked, or said nothing that could be understood.
    Unsaid(String),
}

const MINUTE: i64 = 60_000;

/// How long after a message became `unknown` its provider is asked for the first time, and how long after each question for the next,
/// in ms. After the last one it is left alone: about a day and a half, of the week that a provider remembers at the least.
pub const PAUSES: [i64; 6] = [MINUTE, 5 * MINUTE, 30 * MINUTE, 120 * MINUTE, 480 * MINUTE, 1_440 * MINUTE];

/// After so many questions what may be accepted twice is sent again: more than two and a half hours.
const ENOUGH: u32 = 4;

/// What follows from an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Learnt {
    /// Nothing yet; it is asked again then, ms UTC.
    Later(i64),
    /// Nothing more is asked.
    Settled(Transition),
}

/// An `unknown` message, as far as it matters here.
#[derive(Debug, Clone, Copy)]
pub struct Sought<'a> {
    /// How often its provider has been asked, this time included.
    pub asked: u32,
    pub provider: &'a str,
    /// Why it is unknown.
    pub reason: Option<&'a str>,
    pub attempt: u32,
    /// At most once, too, if it must not be sent again for another reason.
    pub guarantee: Guarantee,
}

/// What becomes of an `unknown` message when its provider was asked about it.
pub fn learnt(found: &Found, sought: Sought<'_>, now: i64) -> Learnt {
    let Sought { asked, provider, reason, attempt, guarantee } = sought;
    let settled = |status, reason, due_at| Learnt::Settled(Transition { status, reason, due_at });
    let why = match found {
        Found::Here { .. } => return settled(Status::Sent, None, None),
        Found::Nowhere => format!("{provider} does not know it, asked {asked} times"),
        Found::Unsaid(why) => format!("{provider} could not be asked about it: {why}"),
    };
    // One more try and no more: whoever loses ten and then one will lose the next as well.
    let again = guarantee == Guarantee::AtLeastOnce && attempt <= MAX_ATTEMPTS;
    if again && asked >= ENOUGH && *found == Found::Nowhere {
        return settled(Status::Pending, Some(short(&why)), Some(now));
    }
    match PAUSES.get(asked as usize) {
        Some(pause) => Learnt::Later(now.saturating_add(*pause)),
        None => {
            let before = reason.map_or(String::new(), |reason| format!("{reason}; "));
            settled(Status::Unknown, Some(short(&format!("{before}{why}"))), None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sought(asked: u32, guarantee: Guarantee) -> Sought<'static> {
        Sought { asked, provider: "postmark", reason: Some("no answer"), attempt: MAX_ATTEMPTS, guarantee }
    }

    fn status(learnt: &Learnt) -> Option<Status> {
        match learnt {
            Learnt::Later(_) => None,
            Learnt::Settled(transition) => Some(transition.status),
        }
    }

    #[test]
    fn what_is_found_is_sent() {
        let here = Found::Here { provider_id: None };
        for guarantee in [Guarantee::AtMostOnce, Guarantee::AtLeastOnce] {
            assert_eq!(status(&learnt(&here, sought(1, guarantee), 0)), Some(Status::Sent));
        }
    }

    #[test]
    fn what_is_not_found_is_never_sent_again_if_it_may_be_accepted_once() {
        let last = PAUSES.len() as u32;
        for asked in 1..last {
            let again = learnt(&Found::Nowhere, sought(asked, Guarantee::AtMostOnce), 7);
            assert_eq!(again, Learnt::Later(7 + PAUSES[asked as usize]));
        }
        let reason = Some("no answer; postmark does not know it, asked 6 times".to_string());
        let end = Learnt::Settled(Transition { status: Status::Unknown, reason, due_at: None });
        assert_eq!(learnt(&Found::Nowhere, sought(last, Guarantee::AtMostOnce), 7), end);
    }

    #[test]
    fn what_may_be_accepted_twice_is_tried_once_more() {
        let missed = |asked, attempt| {
            let sought = Sought { attempt, ..sought(asked, Guarantee::AtLeastOnce) };
            status(&learnt(&Found::Nowhere, sought, 7))
        };
        assert_eq!([1, 2, 3].map(|asked| missed(asked, MAX_ATTEMPTS)), [None; 3]);
        assert_eq!(missed(ENOUGH, MAX_ATTEMPTS), Some(Status::Pending));
        assert_eq!(missed(ENOUGH, MAX_ATTEMPTS + 1), None);
        assert_eq!(missed(PAUSES.len() as u32, MAX_ATTEMPTS + 1), Some(Status::Unknown));
        // Silence is no word of it.
        let silent = learnt(&Found::Unsaid("503".into()), sought(ENOUGH, Guarantee::AtLeastOnce), 7);
        assert_eq!(status(&silent), None);
    }
}
