//! Messages as a table: of `segflow messages`, and at the end of `segflow dev --once`.

use jiff::{Timestamp, tz::TimeZone};

use crate::{
    api::Message,
    plan::{pad, thousands},
    printer::{Printer, Tone, columns, visible},
};

/// What a terminal leaves for subjects at least.
const LEAST_SUBJECT: usize = 12;

pub fn show(messages: &[Message], printer: &Printer) {
    for (at, line) in lines(messages, printer.width()).iter().enumerate() {
        printer.result(if at == 0 { printer.out(line, Tone::Strong) } else { line.clone() });
    }
}

/// Ids are random; without them the same traffic gives the same table.
#[cfg(feature = "server")]
pub fn key(message: &Message) -> (Option<Timestamp>, &Option<String>, &str) {
    (time(message), &message.user_id, &message.template)
}

fn time(message: &Message) -> Option<Timestamp> {
    message.sent_at.or(message.created_at)
}

fn lines(messages: &[Message], width: Option<usize>) -> Vec<String> {
    if messages.is_empty() {
        return vec!["no messages".to_owned()];
    }
    let (year, times) = times(messages);
    let head = [year.as_str(), "USER", "STATUS", "TEMPLATE", "FOR", "SUBJECT"].map(str::to_owned);
    let rows = messages.iter().zip(times).map(|(message, time)| {
        let cause = message.campaign.as_ref().or(message.transaction.as_ref()).cloned().unwrap_or_default();
        // A message that did not go out has a reason and often no subject.
        let said = message
            .subject
            .clone()
            .filter(|subject| !subject.is_empty())
            .or(message.reason.clone())
            .unwrap_or_default();
        [time, message.user_id.clone().unwrap_or_default(), status(message), message.template.clone(), cause, said]
    });
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(rows).collect();
    let widths: [usize; 5] =
        std::array::from_fn(|at| rows.iter().map(|row| columns(&visible(&row[at]))).max().unwrap_or(0));
    let room = width.map(|width| width.saturating_sub(widths.iter().map(|width| width + 2).sum()).max(LEAST_SUBJECT));
    let mut lines: Vec<String> = rows
        .iter()
        .map(|row| {
            let cells: String = row.iter().zip(widths).map(|(cell, width)| pad(cell, width) + "  ").collect();
            (cells + &cut(&visible(&row[5]), room)).trim_end().to_owned()
        })
        .collect();
    lines.push(format!("{} message{}", thousands(messages.len() as u64), if messages.len() == 1 { "" } else { "s" }));
    lines
}

/// Where it stands, and how far its reader has gone.
fn status(message: &Message) -> String {
    let reached = match message {
        Message { conversions: 1.., .. } => ", converted",
        Message { clicked_at: Some(_), .. } => ", clicked",
        Message { opened_at: Some(_), .. } => ", opened",
        _ => "",
    };
    message.status.clone() + reached
}

/// Times without their year where all have the same; it then heads the column.
fn times(messages: &[Message]) -> (String, Vec<String>) {
    let zoned: Vec<_> = messages.iter().map(|message| time(message).map(|time| time.to_zoned(TimeZone::UTC))).collect();
    let mut years: Vec<i16> = zoned.iter().flatten().map(jiff::Zoned::year).collect();
    years.dedup();
    let (head, format) = match years.as_slice() {
        [year] => (format!("{year}, UTC"), "%m-%d %H:%M"),
        _ => ("TIME, UTC".to_owned(), "%Y-%m-%d %H:%M"),
    };
    let shown =
        zoned.iter().map(|time| time.as_ref().map_or_else(String::new, |time| time.strftime(format).to_string()));
    (head, shown.collect())
}

fn cut(text: &str, room: Option<usize>) -> String {
    match room {
        Some(room) if columns(text) > room => {
            let mut cut = String::new();
            for c in text.chars() {
                if columns(&cut) + columns(c.encode_utf8(&mut [0; 4])) + 1 > room {
                    break;
                }
                cut.push(c);
            }
            cut + "…"
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(at: &str, user: &str, subject: &str) -> Message {
        Message {
            user_id: Some(user.to_owned()),
            status: "sent".to_owned(),
            template: "winback-email".to_owned(),
            campaign: Some("winback-campaign".to_owned()),
            created_at: Some(at.parse().unwrap()),
            subject: Some(subject.to_owned()),
            ..Message::default()
        }
    }

    #[test]
    fn a_table_that_fits_80_columns() {
        let messages = [
            message("2026-01-01T09:00:00Z", "ada", "We miss you, Ada!"),
            message("2026-01-02T09:00:00Z", "bob", "A subject that is far too long for what is left"),
        ];
        assert_eq!(
            lines(&messages, Some(80)),
            [
                "2026, UTC    USER  STATUS  TEMPLATE       FOR               SUBJECT",
                "01-01 09:00  ada   sent    winback-email  winback-campaign  We miss you, Ada!",
                "01-02 09:00  bob   sent    winback-email  winback-campaign  A subject that is f…",
                "2 messages",
            ]
        );
        assert!(lines(&messages, None)[2].ends_with("what is left"));
    }

    #[test]
    fn several_years_are_written_out() {
        let messages = [message("2025-12-31T09:00:00Z", "ada", "a"), message("2026-01-02T09:00:00Z", "bob", "b")];
        let lines = lines(&messages, None);
        assert!(lines[0].starts_with("TIME, UTC ") && lines[1].starts_with("2025-12-31 09:00 "), "{lines:?}");
    }

    #[test]
    fn a_message_shows_how_far_its_reader_has_gone() {
        let sent = message("2026-01-01T09:00:00Z", "ada", "a");
        let opened = Message { opened_at: sent.created_at, ..sent.clone() };
        let clicked = Message { clicked_at: sent.created_at, ..opened.clone() };
        let converted = Message { conversions: 2, ..opened.clone() };
        let all = [sent, opened, clicked, converted].map(|message| status(&message));
        assert_eq!(all, ["sent", "sent, opened", "sent, clicked", "sent, converted"]);
    }

    #[test]
    fn a_refused_message_shows_its_reason() {
        let refused = Message {
            subject: None,
            reason: Some("no email address".to_owned()),
            ..message("2026-01-01T09:00:00Z", "ada", "")
        };
        assert!(lines(&[refused], None)[1].ends_with("no email address"));
        assert_eq!(lines(&[], None), ["no messages"]);
    }
}
