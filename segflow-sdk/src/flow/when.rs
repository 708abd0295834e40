//! Instants to wait for: a timestamp, or the next of a local calendar.

use jiff::Timestamp;
use jiff::civil::Date;
use segflow_protocol::{Local, Waits, Window};

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// Monday to Friday.
pub const WORKDAYS: [Weekday; 5] =
    [Weekday::Monday, Weekday::Tuesday, Weekday::Wednesday, Weekday::Thursday, Weekday::Friday];

/// An instant that [`Flow::wait_until`](crate::Flow::wait_until) waits for: a [`Timestamp`], or a rule about the user's calendar.
///
/// The user's zone is the attribute `time_zone` (see [`Attributes`](crate::Attributes)); where it is missing or unknown,
/// [`or_zone`](When::or_zone), and UTC without one. The instant is worked out once, when the wait begins: a user who moves later, or a
/// push that changes the rule, does not move it.
///
/// ```
/// # use segflow::prelude::*;
/// # #[derive(Attributes, Serialize, Deserialize)] struct Shopper { trial_ends: Timestamp }
/// async fn onboarding(flow: Flow<Shopper>) {
///     flow.wait_until(at(9, 0)).await;                                     // the next nine o'clock
///     flow.wait_until(next(Weekday::Monday).at(9, 0)).await;               // the next Monday
///     flow.wait_until(business_hours()).await;                             // at once, Monday to Friday from 9 to 17
///     flow.wait_until(at(18, 30).on(WORKDAYS).or_zone("Europe/Berlin")).await;
///     let ends = flow.user().await.trial_ends;
///     flow.wait_until(ends).await;                                         // at once, if it is over
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a rule is waited for with `flow.wait_until(…).await`"]
pub struct When(Rule);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    At(Timestamp),
    Local(Local),
}

/// The next time that clocks show this, in the user's zone: always later than now.
pub fn at(hour: u8, minute: u8) -> When {
    When(Rule::Local(Local { from: minutes(hour, minute), ..Local::default() }))
}

/// The next day of that name, at midnight unless [`When::at`] says more.
pub fn next(day: Weekday) -> When {
    at(0, 0).on([day])
}

/// Monday to Friday from 9 to 17 o'clock: now, if it is; otherwise when the next of them begins.
pub fn business_hours() -> When {
    between((9, 0), (17, 0)).on(WORKDAYS)
}

/// A span of the day, `between((9, 0), (17, 30))`: now, if it is; otherwise when the next begins. One that ends no later than it
/// begins lasts over midnight.
pub fn between(from: (u8, u8), to: (u8, u8)) -> When {
    let to = Some(minutes(to.0, to.1));
    When(Rule::Local(Local { from: minutes(from.0, from.1), to, ..Local::default() }))
}

/// A day of the calendar, at midnight unless [`When::at`] says more. A wait for one that is over ends at once.
pub fn on(date: Date) -> When {
    let date = Some((date.year(), date.month(), date.day()));
    When(Rule::Local(Local { date, ..Local::default() }))
}

/// A bit for no weekday there is.
const NO_DAY: u8 = 1 << 7;

fn minutes(hour: u8, minute: u8) -> u16 {
    // What is no time of day is refused by the server, with the line of the wait.
    if minute < 60 { u16::from(hour) * 60 + u16::from(minute) } else { u16::MAX }
}

impl When {
    /// At this time of that day.
    pub fn at(self, hour: u8, minute: u8) -> When {
        self.local(|local| (local.from, local.to) = (minutes(hour, minute), None))
    }

    /// On these days of the week only.
    pub fn on(self, days: impl IntoIterator<Item = Weekday>) -> When {
        let days = days.into_iter().fold(0, |days, day| days | 1 << day as u8);
        // None at all is not any: the server refuses it.
        self.local(|local| local.days = if days == 0 { NO_DAY } else { days })
    }

    /// In this zone, whatever the user's: `"Europe/Berlin"`.
    pub fn in_zone(self, zone: &str) -> When {
        self.local(|local| local.zone = Some(zone.into()))
    }

    /// In this zone, where the user has none.
    pub fn or_zone(self, zone: &str) -> When {
        self.local(|local| local.or_zone = Some(zone.into()))
    }

    fn local(mut self, change: impl FnOnce(&mut Local)) -> When {
        if let Rule::Local(local) = &mut self.0 {
            change(local);
        }
        self
    }

    /// As a span in which messages are sent.
    pub(crate) fn open(self) -> Result<Window, &'static str> {
        match self.0 {
            Rule::Local(Local { date: None, days, from, to: Some(to), zone, or_zone }) => {
                Ok(Window { days, from, to, zone, or_zone })
            }
            _ => Err("a sending window is a span of the day: `between((9, 0), (18, 0))` or `business_hours()`"),
        }
    }

    /// As a span in which none are: they are sent in what is left of the day.
    pub(crate) fn closed(self) -> Result<Window, &'static str> {
        let open = self.open().map_err(|_| "quiet hours are a span of the day: `between((22, 0), (8, 0))`")?;
        if open.days != 0 {
            return Err(
                "quiet hours are those of every day: say `.window(…).on(…)` for days on which something is sent",
            );
        }
        // Midnight is where a day ends and where one begins.
        Ok(Window { from: if open.to == 1_440 { 0 } else { open.to }, to: open.from, ..open })
    }

    pub(super) fn waits(self) -> Waits {
        match self.0 {
            Rule::At(at) => Waits::Until { at: at.as_millisecond() },
            Rule::Local(local) => Waits::Local(local),
        }
    }
}

impl From<Timestamp> for When {
    fn from(at: Timestamp) -> When {
        When(Rule::At(at))
    }
}
