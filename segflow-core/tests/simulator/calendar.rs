//! A second opinion about local calendars: the offsets of two zones over the years of the simulator, written down by hand.

use segflow_core::protocol::Local;

const MINUTE: i64 = 60_000;
const DAY: i64 = 1_440 * MINUTE;

/// When summer time begins and ends, days since 1970 and the hour UTC.
struct Zone {
    /// Minutes east of UTC in winter.
    winter: i64,
    summers: [(i64, i64); 2],
}

const fn hour(day: i64, hour: i64) -> i64 {
    day * DAY + hour * 60 * MINUTE
}

/// The days of 2025-03-30, 2025-10-26, 2026-03-29, 2026-10-25.
const BERLIN: Zone =
    Zone { winter: 60, summers: [(hour(20_177, 1), hour(20_387, 1)), (hour(20_541, 1), hour(20_751, 1))] };

/// The days of 2025-03-09, 2025-11-02, 2026-03-08, 2026-11-01.
const NEW_YORK: Zone =
    Zone { winter: -300, summers: [(hour(20_156, 7), hour(20_394, 6)), (hour(20_520, 7), hour(20_758, 6))] };

const UTC: Zone = Zone { winter: 0, summers: [(0, 0), (0, 0)] };

fn zone(name: &str) -> Option<&'static Zone> {
    match name {
        "Europe/Berlin" => Some(&BERLIN),
        "America/New_York" => Some(&NEW_YORK),
        "UTC" => Some(&UTC),
        _ => None,
    }
}

impl Zone {
    fn offset(&self, at: i64) -> i64 {
        let summer = self.summers.iter().any(|(begins, ends)| (*begins..*ends).contains(&at));
        (self.winter + if summer { 60 } else { 0 }) * MINUTE
    }

    /// The first instant at which the clock on the wall shows that; if it never does, as much later as it is put forward.
    fn instant(&self, day: i64, minute: i64) -> i64 {
        let wall = day * DAY + minute * MINUTE;
        let winter = wall - self.winter * MINUTE;
        let summer = winter - 60 * MINUTE;
        let real = |at: &i64| at + self.offset(*at) == wall;
        [summer, winter].into_iter().find(real).unwrap_or(winter)
    }
}

/// When a rule that is looked at at `now` is fulfilled.
pub fn next(rule: &Local, user: Option<&str>, now: i64) -> i64 {
    let zone = match &rule.zone {
        Some(name) => zone(name).expect("a zone that the simulator uses"),
        None => user.and_then(zone).or_else(|| zone(rule.or_zone.as_deref()?)).unwrap_or(&UTC),
    };
    let (from, to) = (i64::from(rule.from), rule.to.map(i64::from));
    let span = |day: i64| {
        let ends = to.map(|to| zone.instant(if to > from { day } else { day + 1 }, to));
        (zone.instant(day, from), ends)
    };
    let fits = |day: &i64| rule.days == 0 || rule.days & (1 << (day + 3).rem_euclid(7)) != 0;
    let today = (now + zone.offset(now)).div_euclid(DAY);
    let days = match rule.date {
        Some((2025, 10, 26)) => 20_387..=20_387,
        Some((2026, 3, 29)) => 20_541..=20_541,
        Some(other) => panic!("{other:?} is not a day of the simulator"),
        None => today - 1..=today + 9,
    };
    let all = days.filter(|day| rule.date.is_some() || fits(day)).map(span);
    let mut later = all.filter(|(begins, ends)| match ends {
        Some(ends) => rule.date.is_some() || now < *ends,
        None => rule.date.is_some() || *begins > now,
    });
    let (begins, ends) = later.next().expect("every weekday comes");
    let open = ends.is_some_and(|ends| begins <= now && now < ends);
    if open { now } else { begins.max(now) }
}
