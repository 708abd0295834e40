//! Instants of a local calendar, right across changes of summer time.
//!
//! The zones are those of the IANA database that is built in, so that every server of a version agrees.

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use segflow_protocol::Local;

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The zone of an IANA name.
pub fn named(name: &str) -> Option<TimeZone> {
    ZONES.get(name).ok()
}

/// The first instant after `now` that a rule means, or `now` itself within one of its spans; ms UTC. `user` is the user's own zone.
///
/// A minute that does not exist on a day, because clocks are put forward then, is as much later as they are put forward; one that
/// comes twice is the first of the two. A date that is over is in the past.
///
/// # Errors
///
/// If the rule names a zone, a date or a time that does not exist.
pub fn next(local: &Local, user: Option<&str>, now: i64) -> Result<i64, String> {
    let asked = |name: &String| named(name).ok_or_else(|| format!("there is no time zone `{name}`"));
    let fallback = local.or_zone.as_ref().map(asked).transpose()?;
    let zone = match &local.zone {
        Some(name) => asked(name)?,
        None => user.and_then(named).or(fallback).unwrap_or(TimeZone::UTC),
    };
    let (from, to) = (i64::from(local.from), local.to.map(i64::from));
    if from >= 1_440 || to.is_some_and(|to| to > 1_440) {
        return Err("a time of day lies between 0:00 and 24:00".into());
    }
    if let Some((year, month, day)) = local.date {
        let date = Date::new(year, month, day).map_err(|_| format!("there is no day {year}-{month}-{day}"))?;
        let (begins, ends) = span(date, from, to, &zone)?;
        return Ok(if ends.is_some_and(|ends| (begins..ends).contains(&now)) { now } else { begins });
    }
    let instant = Timestamp::from_millisecond(now).map_err(|_| "the time is out of range".to_string())?;
    let mut date = zone.to_datetime(instant).date().yesterday().map_err(out_of_range)?;
    // A span that began yesterday may still be open; every weekday comes within a week of today.
    for _ in 0..10 {
        let weekday = date.weekday().to_monday_zero_offset();
        if local.days == 0 || local.days & (1 << weekday) != 0 {
            let (begins, ends) = span(date, from, to, &zone)?;
            match ends {
                Some(ends) if now < ends => return Ok(begins.max(now)),
                None if begins > now => return Ok(begins),
                _ => {}
            }
        }
        date = date.tomorrow().map_err(out_of_range)?;
    }
    Err("no day of the week is ever that day".into())
}

/// When a day's span begins and ends; one that ends no later than it begins ends on the next day.
fn span(date: Date, from: i64, to: Option<i64>, zone: &TimeZone) -> Result<(i64, Option<i64>), String> {
    let begins = at(date, from, zone)?;
    let ends = match to {
        Some(to) if to > from => Some(at(date, to, zone)?),
        Some(to) => Some(at(date.tomorrow().map_err(out_of_range)?, to, zone)?),
        None => None,
    };
    Ok((begins, ends))
}

fn at(date: Date, minute: i64, zone: &TimeZone) -> Result<i64, String> {
    let (date, minute) = if minute == 1_440 { (date.tomorrow().map_err(out_of_range)?, 0) } else { (date, minute) };
    let time = Time::new((minute / 60) as i8, (minute % 60) as i8, 0, 0).map_err(out_of_range)?;
    let instant = zone.to_ambiguous_timestamp(date.to_datetime(time)).compatible().map_err(out_of_range)?;
    Ok(instant.as_millisecond())
}

fn out_of_range(error: jiff::Error) -> String {
    format!("the time is out of range: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEEK: u8 = 0b001_1111;
    const BERLIN: Option<&str> = Some("Europe/Berlin");

    fn ms(time: &str) -> i64 {
        time.parse::<Timestamp>().expect("a time").as_millisecond()
    }

    #[track_caller]
    fn is(local: &Local, zone: Option<&str>, now: &str, then: &str) {
        let next = next(local, zone, ms(now)).expect("there is one");
        assert_eq!(Timestamp::from_millisecond(next).expect("in range").to_string(), then, "{local:?} after {now}");
    }

    fn minute(days: u8, from: u16) -> Local {
        Local { days, from, ..Local::default() }
    }

    #[test]
    fn the_next_monday_at_nine_is_in_the_users_zone() {
        let monday = minute(0b1, 540);
        is(&monday, BERLIN, "2026-01-01T00:00:00Z", "2026-01-05T08:00:00Z");
        is(&monday, None, "2026-01-01T00:00:00Z", "2026-01-05T09:00:00Z");
        // From that very minute on, it is the one after.
        is(&monday, BERLIN, "2026-01-05T07:59:59Z", "2026-01-05T08:00:00Z");
        is(&monday, BERLIN, "2026-01-05T08:00:00Z", "2026-01-12T08:00:00Z");
        // Where it is Monday already.
        is(&monday, Some("Pacific/Auckland"), "2026-01-04T19:00:00Z", "2026-01-04T20:00:00Z");
    }

    #[test]
    fn summer_time_moves_the_instant_and_not_the_clock_on_the_wall() {
        is(&minute(0, 540), BERLIN, "2026-03-28T12:00:00Z", "2026-03-29T07:00:00Z");
        is(&minute(0, 540), BERLIN, "2026-10-24T12:00:00Z", "2026-10-25T08:00:00Z");
        // 02:30 does not exist on the day clocks go forward, and comes twice on the day they go back.
        is(&minute(0, 150), BERLIN, "2026-03-28T12:00:00Z", "2026-03-29T01:30:00Z");
        is(&minute(0, 150), BERLIN, "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z");
        is(&minute(0, 150), BERLIN, "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z");
    }

    #[test]
    fn after_hours_it_is_the_next_working_day() {
        let office = Local { days: WEEK, from: 540, to: Some(1_020), ..Local::default() };
        is(&office, None, "2026-01-02T12:00:00Z", "2026-01-02T12:00:00Z");
        is(&office, None, "2026-01-02T06:00:00Z", "2026-01-02T09:00:00Z");
        // Friday at five is Monday at nine.
        is(&office, None, "2026-01-02T17:00:00Z", "2026-01-05T09:00:00Z");
        is(&office, None, "2026-01-03T12:00:00Z", "2026-01-05T09:00:00Z");
        let night = Local { days: 0b100_0000, from: 1_320, to: Some(360), ..Local::default() };
        is(&night, None, "2026-01-05T05:59:00Z", "2026-01-05T05:59:00Z");
        is(&night, None, "2026-01-05T06:00:00Z", "2026-01-11T22:00:00Z");
    }

    #[test]
    fn zones_are_those_asked_for_then_the_users_then_the_fallback() {
        let mut nine = minute(0, 540);
        nine.or_zone = Some("America/New_York".into());
        is(&nine, BERLIN, "2026-01-01T12:00:00Z", "2026-01-02T08:00:00Z");
        is(&nine, Some("Mars/Olympus"), "2026-01-01T12:00:00Z", "2026-01-01T14:00:00Z");
        is(&nine, None, "2026-01-01T12:00:00Z", "2026-01-01T14:00:00Z");
        nine.zone = Some("Asia/Tokyo".into());
        is(&nine, BERLIN, "2026-01-01T12:00:00Z", "2026-01-02T00:00:00Z");
        nine.zone = Some("Europe/Berln".into());
        assert_eq!(next(&nine, None, 0), Err("there is no time zone `Europe/Berln`".into()));
    }

    #[test]
    fn a_date_is_that_day_even_if_it_is_over() {
        let mut date = minute(0, 540);
        date.date = Some((2026, 2, 1));
        is(&date, BERLIN, "2026-01-01T12:00:00Z", "2026-02-01T08:00:00Z");
        is(&date, BERLIN, "2027-01-01T12:00:00Z", "2026-02-01T08:00:00Z");
        date.date = Some((2026, 2, 30));
        assert_eq!(next(&date, None, 0), Err("there is no day 2026-2-30".into()));
    }
}
