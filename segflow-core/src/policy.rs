//! When a message of a campaign may be sent: sending windows, a limit by the day, caps on how much one user gets, and an age after which it
//! is of no use. What was sent already is given; of all this transactions know the age alone.

use segflow_protocol::{Beyond, Cap, Daily, Local, Window};

use crate::project::Project;
use crate::zone;

/// A message that is about to be sent.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    pub campaign: &'a str,
    /// The user's time zone.
    pub zone: Option<&'a str>,
    /// When it was decided, ms UTC.
    pub created_at: i64,
}

/// What was sent before it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Before<'a> {
    /// When the user's other messages of campaigns were, as far back as the longest cap looks; ms UTC.
    pub user: &'a [i64],
    /// How many of the campaign were today, where it has a limit. A message that is tried once more was counted the first time.
    pub today: Option<u32>,
}

/// What becomes of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Send,
    /// It is looked at again at this instant, ms UTC.
    Wait(i64, String),
    /// It is not sent, now or ever.
    Drop(String),
}

/// What becomes of a message now.
pub fn decide(project: &Project, about: About<'_>, before: Before<'_>, now: i64) -> Decision {
    let campaign = project.campaign(about.campaign);
    let max_age = campaign.and_then(|campaign| campaign.max_age);
    if let Some(why) = too_old(max_age, about.created_at, now) {
        return Decision::Drop(why);
    }
    let expires = max_age.map_or(i64::MAX, |age| about.created_at.saturating_add(age));
    let windows: Vec<&Window> =
        project.manifest.windows.iter().chain(campaign.into_iter().flat_map(|campaign| &campaign.windows)).collect();
    let opens = |at: i64| opens(&windows, about.zone, at);
    let wait = |at: i64, why: String| match opens(at) {
        Some(at) => Decision::Wait(at.min(expires), why),
        None => Decision::Drop("its sending windows are never open at the same time".into()),
    };
    if opens(now) != Some(now) {
        return wait(now, "waits for its sending window".into());
    }
    if let Some((cap, until)) = capped(&project.manifest.caps, before.user, now) {
        let why = format!("{} in {} are the most for one user", messages(cap.messages), span(cap.per));
        return match cap.beyond {
            Beyond::Drop => Decision::Drop(why),
            Beyond::Wait => wait(until, format!("waits: {why}")),
        };
    }
    let daily = campaign.and_then(|campaign| campaign.per_day.as_ref());
    if let Some((daily, today)) = daily.zip(before.today)
        && today >= daily.messages
    {
        return wait(
            day_ends(daily, now),
            format!("waits for tomorrow: {} a day are the most", messages(daily.messages)),
        );
    }
    Decision::Send
}

/// What becomes of a transaction's message that was decided then.
pub fn of_transaction(project: &Project, transaction: &str, created_at: i64, now: i64) -> Decision {
    let transaction = project.manifest.transactions.iter().find(|declared| declared.id == transaction);
    match too_old(transaction.and_then(|transaction| transaction.max_age), created_at, now) {
        Some(why) => Decision::Drop(why),
        None => Decision::Send,
    }
}

fn too_old(max_age: Option<i64>, created_at: i64, now: i64) -> Option<String> {
    let age = max_age.filter(|age| now >= created_at.saturating_add(*age))?;
    Some(format!("too late to be sent: it is older than {}", span(age)))
}

/// How far back the caps of a project look, in ms; `None`: it has none.
pub fn looks_back(project: &Project) -> Option<i64> {
    project.manifest.caps.iter().map(|cap| cap.per).max()
}

/// When the day of a limit is over, which also tells it from all other days.
pub fn day_ends(daily: &Daily, now: i64) -> i64 {
    let midnight = Local { zone: daily.zone.clone(), ..Local::default() };
    // A zone that is not known was refused when it was pushed.
    zone::next(&midnight, None, now).unwrap_or(now.saturating_add(86_400_000))
}

/// The first instant, from one on, at which all of these are open for a user of a zone. `None`: they never are.
fn opens(windows: &[&Window], user: Option<&str>, from: i64) -> Option<i64> {
    let mut at = from;
    // Each pass goes on by a span at least, and all there are come within a week.
    for _ in 0..PASSES {
        let next = windows.iter().try_fold(at, |at, window| zone::next(&local(window), user, at).ok())?;
        if next == at {
            return Some(at);
        }
        at = next;
    }
    None
}

const PASSES: usize = 50;

fn local(window: &Window) -> Local {
    Local {
        days: window.days,
        from: window.from,
        to: Some(window.to),
        zone: window.zone.clone(),
        or_zone: window.or_zone.clone(),
        ..Local::default()
    }
}

/// The cap that keeps a message back, and until when; one that drops it before any other.
fn capped<'a>(caps: &'a [Cap], sent: &[i64], now: i64) -> Option<(&'a Cap, i64)> {
    let until = |cap: &'a Cap| {
        let mut within: Vec<i64> = sent.iter().copied().filter(|at| *at > now.saturating_sub(cap.per)).collect();
        within.sort_unstable();
        let too_many = within.len().checked_sub(cap.messages as usize)?;
        Some((cap, within.get(too_many)?.saturating_add(cap.per)))
    };
    caps.iter().filter_map(until).max_by_key(|(cap, until)| (cap.beyond == Beyond::Drop, *until))
}

/// What is wrong with windows: those of a project, or of a campaign together with the project's.
pub(crate) fn wrong_windows(windows: &[&Window]) -> Option<String> {
    for window in windows {
        if window.from == window.to {
            return Some("a span that ends when it begins is none: say from when to when".into());
        }
        if let Err(why) = zone::next(&local(window), None, 0) {
            return Some(why);
        }
    }
    // Where one is in a zone of its own, it depends on the user.
    let own_zone = windows.iter().any(|window| window.zone.is_some());
    let never = !own_zone && opens(windows, Some("UTC"), 0).is_none();
    never.then(|| "nothing would ever be sent: the sending windows and quiet hours leave no time of the day".into())
}

pub(crate) fn wrong_daily(daily: &Daily) -> Option<String> {
    if daily.messages == 0 {
        return Some("`.per_day(0)` would let nothing through".into());
    }
    let unknown = daily.zone.as_ref().filter(|name| zone::named(name).is_none());
    unknown.map(|name| format!("there is no time zone `{name}`"))
}

pub(crate) fn wrong_cap(cap: &Cap) -> Option<&'static str> {
    match (cap.messages, cap.per) {
        (0, _) => Some("a frequency cap of 0 messages would let nothing through"),
        (_, per) if per <= 0 => {
            Some("a frequency cap needs a span of time: `.frequency_cap(3, days(7), Beyond::Wait)`")
        }
        _ => None,
    }
}

fn messages(count: u32) -> String {
    if count == 1 { "1 message".into() } else { format!("{count} messages") }
}

/// A span of time in words, in the largest unit that it is a whole number of.
fn span(ms: i64) -> String {
    let units = [(86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"), (1_000, "second"), (1, "ms")];
    let (unit, name) = units.into_iter().find(|(unit, _)| ms % unit == 0).unwrap_or((1, "ms"));
    let plural = if ms / unit == 1 || name == "ms" { "" } else { "s" };
    format!("{} {name}{plural}", ms / unit)
}

#[cfg(test)]
mod tests;
