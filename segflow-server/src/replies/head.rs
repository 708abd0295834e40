//! What the header of a mail says: which messages it answers, who has written it, and whether anybody has.

use segflow_core::ids;

/// The most messages that one mail can answer; a thread that is longer names the last of them.
const MOST: usize = 50;

/// The longest name of a message, in bytes: what is longer is none of ours.
const LONGEST: usize = 250;

/// The fields of a header, in their order.
#[derive(Debug, Default)]
pub struct Head(Vec<(String, String)>);

impl Head {
    /// From fields that somebody else has taken apart.
    pub fn of(fields: impl IntoIterator<Item = (String, String)>) -> Head {
        Head(fields.into_iter().collect())
    }

    /// From the text of a header, as it stands before the first empty line.
    pub fn parse(text: &str) -> Head {
        let mut fields: Vec<(String, String)> = vec![];
        for line in text.lines() {
            if line.is_empty() {
                break;
            }
            match (line.starts_with([' ', '\t']), fields.last_mut()) {
                // It goes on with the field before.
                (true, Some((_, value))) => {
                    value.push(' ');
                    value.push_str(line.trim());
                }
                (true, None) => {}
                (false, _) => {
                    if let Some((name, value)) = line.split_once(':') {
                        fields.push((name.trim_end().into(), value.trim().into()));
                    }
                }
            }
        }
        Head(fields)
    }

    /// The first field of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let field = self.0.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        field.map(|(_, value)| value.as_str())
    }

    /// The messages that it answers, by what stands before the `@` of their `Message-ID`, the likeliest first: the one that it says it
    /// answers, then those of the thread, the last of it first.
    pub fn answers(&self) -> Vec<String> {
        let named = |field: &str| self.get(field).map(names).unwrap_or_default();
        let mut answers = vec![];
        for name in named("In-Reply-To").into_iter().chain(named("References").into_iter().rev()) {
            let local = name.rsplit_once('@').map_or(name, |(local, _)| local);
            if !local.is_empty() && answers.len() < MOST && !answers.iter().any(|known| known == local) {
                answers.push(local.to_string());
            }
        }
        answers
    }

    /// Its own name. One without is known by all that it says.
    pub fn id(&self, text: &str) -> String {
        let own = self.get("Message-ID").map(names).unwrap_or_default();
        let all = || self.0.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]).chain([text]);
        own.first().map_or_else(|| ids::derived("mail", &all().collect::<Vec<_>>()), |name| name.to_string())
    }

    /// The address that it is from.
    pub fn sender(&self) -> Option<String> {
        address(self.get("From")?)
    }

    /// Whether a program has written it (RFC 3834, and what programs did before it and still do): an answer that says so, a bounce, a
    /// receipt, a list.
    pub fn is_automatic(&self) -> bool {
        let word = |name: &str| {
            let value = self.get(name)?;
            let end = value.find([';', ' ', '(']).unwrap_or(value.len());
            Some(value[..end].to_ascii_lowercase())
        };
        let is_set = |name: &str| word(name).is_some_and(|word| word != "no");
        let precedence = word("Precedence").unwrap_or_default();
        let sender = self.sender().unwrap_or_default().to_ascii_lowercase();
        let local = sender.split('@').next().unwrap_or_default();
        is_set("Auto-Submitted")
            || is_set("X-Autoreply")
            || is_set("X-Autorespond")
            || is_set("X-Autoresponder")
            || matches!(precedence.as_str(), "bulk" | "auto_reply" | "junk" | "list")
            || self.get("List-Id").is_some()
            || self.get("X-Failed-Recipients").is_some()
            || self.get("Return-Path").is_some_and(|path| matches!(path, "<>" | ""))
            || word("Content-Type").as_deref() == Some("multipart/report")
            || matches!(local, "mailer-daemon" | "postmaster")
    }
}

/// The names of messages in a field: what stands between angle brackets, or, as some write it, without.
fn names(value: &str) -> Vec<&str> {
    let fits = |name: &&str| !name.is_empty() && name.len() <= LONGEST && !name.contains(char::is_whitespace);
    let mut found: Vec<&str> = value.split('<').skip(1).filter_map(|part| part.split_once('>')).map(|p| p.0).collect();
    if found.is_empty() {
        found = value.split_whitespace().filter(|word| word.contains('@')).collect();
    }
    found.into_iter().filter(fits).collect()
}

/// The first address in a field that names people.
pub fn address(value: &str) -> Option<String> {
    let bracketed = value.rsplit_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(address, _)| address);
    let address = bracketed.or_else(|| value.split([' ', ',', '"']).find(|word| word.contains('@')))?.trim();
    (address.contains('@') && address.len() <= LONGEST).then(|| address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(fields: &[(&str, &str)]) -> Head {
        Head::of(fields.iter().map(|(name, value)| (name.to_string(), value.to_string())))
    }

    #[test]
    fn a_header_is_taken_apart() {
        let head = Head::parse(
            " lost\r\nSubject: Re:\r\n a\r\n\tlong one\r\nFROM : Ada <ada@x.example>\r\nnothing\r\nDate:\r\n\r\nTo: body\r\n",
        );
        assert_eq!(head.get("subject"), Some("Re: a long one"));
        assert_eq!((head.get("From"), head.get("date"), head.get("to")), (Some("Ada <ada@x.example>"), Some(""), None));
        assert_eq!(head.sender().as_deref(), Some("ada@x.example"));
    }

    #[test]
    fn the_likeliest_message_comes_first() {
        for (fields, answers) in [
            (vec![("In-Reply-To", "<b@x>"), ("References", "<a@x> <b@x> <c@x>")], vec!["b", "c", "a"]),
            (vec![("References", "<a@x>\t<b@x>")], vec!["b", "a"]),
            (vec![("references", "<a@x><b@x>")], vec!["b", "a"]),
            (vec![("In-Reply-To", "Your message of Monday <a.b+c@x>")], vec!["a.b+c"]),
            (vec![("In-Reply-To", "a@x")], vec!["a"]),
            (vec![("In-Reply-To", "<0102018f-abc-000000@eu-central-1.amazonses.com>")], vec!["0102018f-abc-000000"]),
            (vec![("In-Reply-To", "<>"), ("References", "< a@x > <@x> <b>")], vec!["b"]),
            (vec![("Subject", "Re: <a@x>")], vec![]),
        ] {
            assert_eq!(head(&fields).answers(), answers, "{fields:?}");
        }
        let thread: String = (0..1_000).map(|n| format!("<{n}@x> ")).collect();
        let answers = head(&[("References", &thread)]).answers();
        assert_eq!((answers.len(), answers[0].as_str()), (MOST, "999"));
        assert_eq!(head(&[("In-Reply-To", &format!("<{}@x>", "a".repeat(300)))]).answers(), [""; 0]);
    }

    #[test]
    fn programs_say_so() {
        for field in [
            ("Auto-Submitted", "auto-replied"),
            ("Auto-Submitted", "auto-generated; owner-email=\"a@x\""),
            ("auto-submitted", "Auto-Notified"),
            ("X-Autoreply", "yes"),
            ("X-Autorespond", ""),
            ("Precedence", "Bulk"),
            ("Precedence", "auto_reply"),
            ("Precedence", "junk"),
            ("List-Id", "People <people.x.example>"),
            ("Return-Path", "<>"),
            ("Return-Path", ""),
            ("Content-Type", "multipart/report; report-type=delivery-status"),
            ("X-Failed-Recipients", "ada@x.example"),
            ("From", "Mail Delivery System <MAILER-DAEMON@mx.example>"),
        ] {
            assert!(head(&[("From", "Ada <ada@x.example>"), field]).is_automatic() || field.0 == "From", "{field:?}");
            assert!(head(&[field]).is_automatic(), "{field:?}");
        }
        for field in [
            ("Auto-Submitted", "no"),
            ("Auto-Submitted", "No (really)"),
            ("Precedence", "first-class"),
            ("X-Autoreply", "no"),
            ("Return-Path", "<ada@x.example>"),
            ("Content-Type", "multipart/alternative; boundary=x"),
            ("From", "postmaster <ada@x.example>"),
        ] {
            assert!(!head(&[field]).is_automatic(), "{field:?}");
        }
    }

    #[test]
    fn whatever_has_no_name_is_known_by_what_it_says() {
        assert_eq!(head(&[("Message-ID", " <one@x> ")]).id("text"), "one@x");
        let without = |text: &str| head(&[("Subject", "Re"), ("Date", "now")]).id(text);
        assert_eq!(without("a"), without("a"));
        assert_ne!(without("a"), without("b"));
    }

    #[test]
    fn addresses() {
        for (value, found) in [
            ("ada@x.example", Some("ada@x.example")),
            ("\"Ada <x> (Sales)\" <ada@x.example>", Some("ada@x.example")),
            ("Ada Lovelace ada@x.example", Some("ada@x.example")),
            ("nobody", None),
            ("<>", None),
            ("", None),
        ] {
            assert_eq!(address(value).as_deref(), found, "{value}");
        }
    }
}
