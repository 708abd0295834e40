//! What happens, told as it happens, for `segflow dev`.

use segflow_core::enrollment::Status;
use segflow_core::ledger::Origin;
use segflow_core::protocol::Waits;
use segflow_core::step::Decision;
use tokio::sync::mpsc::UnboundedSender;

/// One line of the live log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveEvent {
    /// Business time, ms UTC.
    pub at: i64,
    pub user: String,
    /// Plain text, ready to be shown.
    pub what: String,
    /// The campaign or transaction it belongs to.
    pub campaign: Option<String>,
    /// How far the clock would have to move for this to go on: `3d`.
    pub next: Option<String>,
}

/// Where live events go; nowhere in production.
#[derive(Clone, Default)]
pub struct Live(Option<UnboundedSender<LiveEvent>>);

impl Live {
    pub fn new(to: Option<UnboundedSender<LiveEvent>>) -> Live {
        Live(to)
    }

    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    fn tell(&self, at: i64, user: &str, campaign: Option<&str>, what: String, next: Option<String>) {
        if let Some(to) = &self.0 {
            let event = LiveEvent { at, user: user.into(), what, campaign: campaign.map(Into::into), next };
            // Nobody listens any more: the command is about to end.
            let _ = to.send(event);
        }
    }

    /// Tells a message's fate.
    pub fn message(&self, at: i64, user: &str, origin: &str, what: String) {
        self.tell(at, user, Some(origin), what, None);
    }

    /// Tells what a committed decision did.
    pub fn decision(&self, decision: &Decision, now: i64) {
        if !self.is_on() {
            return;
        }
        let user = decision.user.as_str();
        for (sign, segments) in [("+", &decision.entered), ("−", &decision.left)] {
            if !segments.is_empty() {
                self.tell(now, user, None, format!("{sign} {}", segments.join(", ")), None);
            }
        }
        for (campaign, line) in &decision.logs {
            self.tell(now, user, Some(campaign), format!("“{line}”"), None);
        }
        for message in &decision.messages {
            if let Origin::Transaction { transaction, .. } = &message.origin {
                self.tell(now, user, Some(transaction), format!("decided {}", message.template), None);
            }
        }
        for enrollment in &decision.enrollments {
            let reason = enrollment.reason.clone().unwrap_or_default();
            let (what, next) = match enrollment.status {
                Status::Active => {
                    let named = enrollment.pending.iter().find_map(|w| waits_for(&w.what.waits));
                    match (named, enrollment.wake_at()) {
                        (None, Some(at)) => (format!("waits until {}", moment(at)), Some(span(at - now))),
                        (Some(what), Some(at)) => {
                            (format!("waits for {what} until {}", moment(at)), Some(span(at - now)))
                        }
                        (Some(what), None) => (format!("waits for {what}"), None),
                        (None, None) => continue,
                    }
                }
                Status::Done => ("has come to its end".to_string(), None),
                Status::Exited => (format!("leaves: {reason}"), None),
                Status::Parked => (format!("✗ parked: {reason}"), None),
                Status::Paused => (format!("pauses: {reason}"), None),
            };
            self.tell(now, user, Some(&enrollment.campaign), what, next);
        }
    }
}

/// What is waited for besides time.
fn waits_for(waits: &Waits) -> Option<String> {
    match waits {
        Waits::Event { name, .. } => Some(name.clone()),
        Waits::Webhook(webhook) => Some(format!("the answer of {}", webhook.url)),
        Waits::Task(task) => Some(format!("“{}”", task.title)),
        Waits::Duration { .. } | Waits::Until { .. } | Waits::Local(_) | Waits::Ask(_) => None,
    }
}

fn moment(ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(time) => time.to_zoned(jiff::tz::TimeZone::UTC).strftime("%a %d %b %H:%M").to_string(),
        Err(_) => "the end of time".into(),
    }
}

/// A number of milliseconds as `segflow clock advance` takes it, in its largest whole units.
fn span(ms: i64) -> String {
    let (days, rest) = (ms / 86_400_000, ms % 86_400_000);
    let (hours, rest) = (rest / 3_600_000, rest % 3_600_000);
    let (minutes, rest) = (rest / 60_000, rest % 60_000);
    let seconds = (rest + 999) / 1_000;
    let parts = [(days, 'd'), (hours, 'h'), (minutes, 'm'), (seconds, 's')];
    let words: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if words.is_empty() { "0s".into() } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn spans_are_what_the_clock_takes() {
        assert_eq!(span(3 * 86_400_000), "3d");
        assert_eq!(span(86_400_000 + 7_200_000 + 1), "1d 2h 1s");
        assert_eq!(span(0), "0s");
    }
}
