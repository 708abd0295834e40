//! How one event of the live log is laid out: time, user and campaign in columns, the rest wrapped behind them.

use crate::{
    plan::pad,
    printer::{Printer, Tone, columns, visible},
};

/// Columns grow with what they have seen, up to a point; longer names push the rest of their own line.
pub struct Layout {
    width: usize,
    user: usize,
    campaign: usize,
}

const LONGEST_USER: usize = 16;
const LONGEST_CAMPAIGN: usize = 20;
const TIME: usize = 8;
/// However narrow, what happened gets this much.
const LEAST: usize = 30;

impl Layout {
    pub fn new(width: usize) -> Self {
        Self { width, user: 7, campaign: 16 }
    }

    pub fn lines(
        &mut self,
        time: &str,
        user: &str,
        campaign: Option<&str>,
        what: &str,
        hint: Option<&str>,
        printer: &Printer,
    ) -> Vec<String> {
        let (user, what) = (visible(user), visible(what));
        let campaign = campaign.map(visible);
        grow(&mut self.user, &user, LONGEST_USER);
        let mut head = format!("{}  {}  ", printer.err(time, Tone::Faint), pad(&user, self.user));
        let mut column = TIME + 2 + self.user.max(columns(&user)) + 2;
        if let Some(campaign) = campaign {
            grow(&mut self.campaign, &campaign, LONGEST_CAMPAIGN);
            head.push_str(&pad(&campaign, self.campaign));
            head.push_str("  ");
            column += self.campaign.max(columns(&campaign)) + 2;
        }
        let room = self.width.saturating_sub(column).max(LEAST);
        let mut rows = wrapped(&what, room);
        let first = rows.remove(0);
        let mut lines = vec![(format!("{head}{}", painted(&first, printer)), column + columns(&first))];
        lines.extend(rows.into_iter().map(|row| (format!("{}{row}", " ".repeat(column)), column + columns(&row))));
        if let Some(hint) = hint {
            self.hint(&mut lines, hint, printer);
        }
        lines.into_iter().map(|(line, _)| line).collect()
    }

    /// At the right end of the last line where there is room for it, else on a line of its own.
    fn hint(&self, lines: &mut Vec<(String, usize)>, hint: &str, printer: &Printer) {
        let length = columns(hint);
        let (last, used) = lines.last_mut().expect("there is a line");
        let start = self.width.saturating_sub(length);
        let hint = printer.err(hint, Tone::Faint);
        if *used + 2 <= start {
            last.push_str(&format!("{}{hint}", " ".repeat(start - *used)));
        } else {
            lines.push((format!("{}{hint}", " ".repeat(start)), self.width));
        }
    }
}

fn grow(width: &mut usize, text: &str, most: usize) {
    *width = (*width).max(columns(text).min(most));
}

/// By words; a word that is longer than a line stays whole.
fn wrapped(text: &str, room: usize) -> Vec<String> {
    let mut rows = vec![String::new()];
    for word in text.split(' ') {
        let row = rows.last_mut().expect("there is a row");
        if row.is_empty() {
            row.push_str(word);
        } else if columns(row) + 1 + columns(word) <= room {
            row.push(' ');
            row.push_str(word);
        } else {
            rows.push(word.to_owned());
        }
    }
    rows
}

/// The first sign says what kind of thing happened.
fn painted(what: &str, printer: &Printer) -> String {
    let tone = match what.chars().next() {
        Some('+') => Tone::Good,
        Some('-' | '−' | '✗') => Tone::Bad,
        Some('✉') => Tone::Strong,
        _ => return what.to_owned(),
    };
    let (sign, rest) = what.split_at(what.chars().next().map_or(0, char::len_utf8));
    format!("{}{rest}", printer.err(sign, tone))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tests have no terminal, so there is no colour.
    fn lines(campaign: Option<&str>, what: &str, hint: Option<&str>) -> Vec<String> {
        Layout::new(80).lines("12:00:01", "ada", campaign, what, hint, &Printer::new(false))
    }

    #[test]
    fn columns_as_in_the_readme() {
        assert_eq!(
            lines(None, "+ all-users, winback-eligible", None),
            ["12:00:01  ada      + all-users, winback-eligible"]
        );
        assert_eq!(
            lines(Some("winback-campaign"), "waits 2 days", None),
            ["12:00:01  ada      winback-campaign  waits 2 days"]
        );
    }

    #[test]
    fn a_hint_ends_at_the_right() {
        let short = lines(None, "waits", Some("(segflow clock advance 3d)"));
        assert_eq!(short, [format!("{:<54}(segflow clock advance 3d)", "12:00:01  ada      waits")]);
        let long = lines(Some("onboarding"), "waits for purchase until Tue 12:00", Some("(segflow clock advance 3d)"));
        assert_eq!(long[1], format!("{:>80}", "(segflow clock advance 3d)"));
    }

    #[test]
    fn long_texts_are_wrapped_within_80_columns() {
        let lines =
            lines(Some("winback-campaign"), "✉ winback-email → captured, see /v1/messages/msg_0123456789abcdef", None);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0], "12:00:01  ada      winback-campaign  ✉ winback-email → captured, see");
        assert!(lines.iter().all(|line| columns(line) <= 80), "{lines:?}");
    }

    #[test]
    fn ids_are_shown_harmlessly() {
        let lines = Layout::new(80).lines("12:00:01", "a\x1b[2J\n", None, "x", None, &Printer::new(false));
        assert_eq!(lines, ["12:00:01  a\\u{1b}[2J\\u{a}  x"]);
    }
}
