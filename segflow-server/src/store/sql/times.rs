//! Written dates: RFC 3339 instants and days, to ms UTC. The databases' own readers of dates differ in what they let through, so a
//! literal is read here, and attributes are read by expressions that let through exactly the same.

/// `2026-01-31`, `2026-01-31 09:00`, `2026-01-31T09:00:00.5+02:00`, `…Z`; without an offset it is UTC. Years 1000 to 9999.
pub fn instant(text: &str) -> Option<i64> {
    let (day, rest) = (text.get(..10)?, text.get(10..)?);
    let (year, month, date) = (number(day.get(..4)?)?, number(day.get(5..7)?)?, number(day.get(8..)?)?);
    let dashes = day.as_bytes()[4] == b'-' && day.as_bytes()[7] == b'-';
    if !dashes || year < 1000 || !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&date) {
        return None;
    }
    let midnight = days(year, month, date) * 86_400_000;
    if rest.is_empty() {
        return Some(midnight);
    }
    let rest = rest.strip_prefix(['T', ' '])?;
    let (clock, offset) = match rest.find(['Z', '+', '-']) {
        Some(at) => rest.split_at(at),
        None => (rest, "Z"),
    };
    Some(midnight + time(clock)? - shift(offset)?)
}

fn time(clock: &str) -> Option<i64> {
    let (hour, minute) = (number(clock.get(..2)?)?, number(clock.get(3..5)?)?);
    if clock.as_bytes()[2] != b':' || hour > 23 || minute > 59 {
        return None;
    }
    let mut ms = (hour * 60 + minute) * 60_000;
    let rest = clock.get(5..)?;
    if !rest.is_empty() {
        let second = number(rest.strip_prefix(':')?.get(..2)?)?;
        if second > 59 {
            return None;
        }
        ms += second * 1000;
        let fraction = rest.get(3..)?;
        if !fraction.is_empty() {
            let digits = fraction.strip_prefix('.')?;
            if digits.is_empty() || digits.len() > 9 {
                return None;
            }
            let nanos = number(&format!("{digits:0<9}"))?;
            ms += (nanos + 500_000) / 1_000_000;
        }
    }
    Some(ms)
}

fn shift(offset: &str) -> Option<i64> {
    if offset == "Z" {
        return Some(0);
    }
    let (hour, minute) = (number(offset.get(1..3)?)?, number(offset.get(4..)?)?);
    if offset.len() != 6 || offset.as_bytes()[3] != b':' || hour > 14 || minute > 59 {
        return None;
    }
    let ms = (hour * 60 + minute) * 60_000;
    Some(if offset.starts_with('-') { -ms } else { ms })
}

fn number(digits: &str) -> Option<i64> {
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01, with the year beginning in March so that the leap day comes last.
fn days(year: i64, month: i64, date: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let in_year = (153 * ((month + 9) % 12) + 2) / 5 + date - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + in_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::instant;

    #[test]
    fn written_dates() {
        for (text, ms) in [
            ("1970-01-01", Some(0)),
            ("2026-01-31T09:00:00Z", Some(1_769_850_000_000)),
            ("2026-01-31 09:00", Some(1_769_850_000_000)),
            ("2026-01-31T11:00:00.5+02:00", Some(1_769_850_000_500)),
            ("2026-01-31T06:30:00-02:30", Some(1_769_850_000_000)),
            ("1969-12-31T23:59:59.9996Z", Some(0)),
            ("2024-02-29", Some(1_709_164_800_000)),
            ("2026-02-29", None),
            ("0999-01-01", None),
            ("2026-1-31", None),
            ("2026-01-31T24:00:00Z", None),
            ("2026-01-31T09:00:00.", None),
            ("2026-01-31T09:00:00+2:00", None),
            ("2026-01-31 ", None),
            ("yesterday", None),
            ("", None),
            ("2026-01-3é", None),
        ] {
            assert_eq!(instant(text), ms, "{text}");
        }
    }
}
