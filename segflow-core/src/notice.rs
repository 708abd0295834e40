//! What providers tell of messages that they were given, in words that are nobody's own.

use serde_json::json;

use crate::ids;
use crate::ledger::Origin;
use crate::merge::Object;
use crate::reader::{By, Reader};

/// Something told of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The message's id in the ledger, where it came back with it.
    pub message: Option<String>,
    /// The provider's own id of it.
    pub provider_id: Option<String>,
    /// Whom it went to, as the provider says.
    pub address: Option<String>,
    /// When it happened, as the provider says; ms UTC.
    pub at: Option<i64>,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The recipient's mail server has taken it.
    Delivered,
    Bounced {
        bounce: Bounce,
        /// What the recipient's mail server said, or the provider.
        why: String,
    },
    /// Its reader has called it spam.
    Complained,
    /// The provider had taken it, and did not send it.
    Refused {
        why: String,
    },
    Opened(Reader),
    Clicked {
        link: String,
        reader: Reader,
    },
    /// Its reader has told the provider whether to be written to: at all, or about what the message was about.
    Wants {
        wants: bool,
        all: bool,
    },
    /// Its reader has answered it, or a program of theirs.
    Replied(Reply),
}

/// An answer to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its own `Message-ID`: however it comes, and however often, it is the same answer.
    pub id: String,
    /// Nobody has written it: out of office, a bounce, a ticket that was opened.
    pub is_automatic: bool,
    pub subject: String,
    /// What was written, without what it answers.
    pub text: String,
}

impl What {
    pub fn name(&self) -> &'static str {
        match self {
            What::Delivered => "delivered",
            What::Bounced { .. } => "bounced",
            What::Complained => "complained",
            What::Refused { .. } => "refused",
            What::Opened(_) => "opened",
            What::Clicked { .. } => "clicked",
            What::Wants { wants: true, .. } => "subscribed",
            What::Wants { wants: false, .. } => "unsubscribed",
            What::Replied(_) => "replied",
        }
    }

    /// How it is told apart further.
    pub fn kind(&self) -> Option<&'static str> {
        match self {
            What::Bounced { bounce, .. } => Some(bounce.name()),
            What::Opened(reader) | What::Clicked { reader, .. } => Some(reader.by.name()),
            What::Replied(reply) => Some(if reply.is_automatic { "automatic" } else { By::Person.name() }),
            _ => None,
        }
    }

    /// What was said with it: a reason, where a link leads, or a subject.
    pub fn detail(&self) -> Option<&str> {
        match self {
            What::Bounced { why: text, .. } | What::Refused { why: text } | What::Clicked { link: text, .. } => {
                Some(text)
            }
            What::Replied(reply) => Some(&reply.subject),
            _ => None,
        }
    }

    /// By whom it was done, of what readers do.
    pub fn reader(&self) -> Option<&Reader> {
        match self {
            What::Opened(reader) | What::Clicked { reader, .. } => Some(reader),
            _ => None,
        }
    }
}

/// What the events of a message say of it. A flow knows its own messages by the last two.
pub fn about(message: &str, template: &str, origin: &Origin) -> Object {
    let mut told = Object::new();
    told.insert("message".into(), json!(message));
    told.insert("template".into(), json!(template));
    match origin {
        Origin::Campaign { campaign, enrollment, op } => {
            told.insert("campaign".into(), json!(campaign));
            told.insert("run".into(), json!(ids::run(ids::seed(enrollment))));
            told.insert("op".into(), json!(op));
        }
        Origin::Transaction { transaction, .. } => {
            told.insert("transaction".into(), json!(transaction));
        }
    }
    told
}

/// What a bounce says of the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bounce {
    /// There is no such address, and there will be none.
    Hard,
    /// It may pass: a full mailbox, a server that is away. Enough of these count as a hard one.
    Soft,
    /// Nothing: the message, its sender or its content was not wanted there.
    Policy,
}

impl Bounce {
    pub fn name(self) -> &'static str {
        match self {
            Bounce::Hard => "hard",
            Bounce::Soft => "soft",
            Bounce::Policy => "policy",
        }
    }

    /// What a mail server's answer says by its enhanced status code (RFC 3463), wherever in the text that is; `None` if it says nothing
    /// certain.
    pub fn told(text: &str) -> Option<Bounce> {
        let (class, subject, detail) = enhanced(text)?;
        match (class, subject, detail) {
            // The sender's own address, a message too large, content, permissions: all of that is ours.
            (_, 1, 7 | 8) | (_, 2 | 3, 3 | 4) | (_, 6 | 7, _) => Some(Bounce::Policy),
            (4, _, _) => Some(Bounce::Soft),
            // The last: the domain takes no mail.
            (5, 1, 1..) | (5, 2, 1) | (5, 4, 4) => Some(Bounce::Hard),
            // No answer, by the book; but what Exchange says of somebody whom it does not know.
            (5, 4, 1) if text.to_ascii_lowercase().contains("recipient address rejected") => Some(Bounce::Hard),
            (5, 2..=4, _) => Some(Bounce::Soft),
            _ => None,
        }
    }

    /// A provider's own word, in the light of what it quotes. Whole lists of healthy addresses have been lost by the word "hard" for what
    /// the sender had done, so it is doubted; nothing becomes hard by a quotation.
    pub fn in_light_of(self, text: &str) -> Bounce {
        match (self, Bounce::told(text)) {
            (Bounce::Hard, Some(told)) => told,
            (word, _) => word,
        }
    }
}

/// The first enhanced status code in a text: `5.1.1`.
pub fn enhanced(text: &str) -> Option<(u8, u16, u16)> {
    let mut words = text.split(|c: char| !c.is_ascii_digit() && c != '.');
    words.find_map(|word| {
        let mut parts = word.trim_matches('.').split('.');
        let (class, subject, detail) = (parts.next()?, parts.next()?, parts.next()?);
        let class: u8 = class.parse().ok().filter(|class| matches!(class, 4 | 5))?;
        // Four parts are an address of the internet.
        if parts.next().is_some() || subject.len() > 3 || detail.len() > 3 {
            return None;
        }
        Some((class, subject.parse().ok()?, detail.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_in_what_mail_servers_say() {
        for (text, found) in [
            ("smtp; 550 5.1.1 <ada@x.example>: Recipient address rejected: User unknown", Some((5, 1, 1))),
            ("550-5.7.26 Unauthenticated email from shop.example", Some((5, 7, 26))),
            ("5.2.2", Some((5, 2, 2))),
            ("host mx.x.example[192.0.2.1] said: 452 4.2.2 full", Some((4, 2, 2))),
            ("blocked by 5.6.7.8", None),
            ("550 No such user", None),
            ("version 3.1.2", None),
            ("5.1.1234 5.. ..5.1 5.é.1", None),
            ("", None),
        ] {
            assert_eq!(enhanced(text), found, "{text}");
        }
    }

    #[test]
    fn what_a_code_says_of_the_address() {
        for (code, bounce) in [
            ("5.1.1", Some(Bounce::Hard)),
            ("5.1.2", Some(Bounce::Hard)),
            ("5.1.10", Some(Bounce::Hard)),
            ("5.2.1", Some(Bounce::Hard)),
            ("5.1.8", Some(Bounce::Policy)),
            ("5.1.0", None),
            ("5.2.2", Some(Bounce::Soft)),
            ("5.2.3", Some(Bounce::Policy)),
            ("5.3.4", Some(Bounce::Policy)),
            ("5.4.1", Some(Bounce::Soft)),
            ("550 5.4.1 Recipient address rejected: Access denied.", Some(Bounce::Hard)),
            ("5.4.4", Some(Bounce::Hard)),
            ("5.4.7", Some(Bounce::Soft)),
            ("4.2.2", Some(Bounce::Soft)),
            ("4.4.7", Some(Bounce::Soft)),
            ("4.7.0", Some(Bounce::Policy)),
            ("5.6.0", Some(Bounce::Policy)),
            ("5.7.1", Some(Bounce::Policy)),
            ("5.0.0", None),
            ("5.5.0", None),
            ("2.0.0", None),
        ] {
            assert_eq!(Bounce::told(code), bounce, "{code}");
        }
    }

    #[test]
    fn a_hard_word_is_doubted_and_no_other_becomes_hard() {
        assert_eq!(Bounce::Hard.in_light_of("550 5.7.1 rejected"), Bounce::Policy);
        assert_eq!(Bounce::Hard.in_light_of("552 5.2.2 over quota"), Bounce::Soft);
        assert_eq!(Bounce::Hard.in_light_of("no such user"), Bounce::Hard);
        assert_eq!(Bounce::Soft.in_light_of("550 5.1.1 unknown"), Bounce::Soft);
        assert_eq!(Bounce::Policy.in_light_of("550 5.1.1 unknown"), Bounce::Policy);
    }
}
