//! A mail as it goes over the wire.

use mail_parser::decoders::html::html_to_text;
use mail_parser::{MessageParser, PartType};

use super::head::Head;
use super::{Arrived, arrived, report};

/// Whatever the bytes are, something is made of them.
pub fn read(raw: &[u8], at: Option<i64>) -> Arrived {
    let raw = begun(raw);
    let end = raw.windows(2).zip(raw.windows(4)).position(|(two, four)| two == b"\n\n" || four == b"\r\n\r\n");
    let head = Head::parse(&String::from_utf8_lossy(&raw[..end.map_or(raw.len(), |at| at + 2)]));
    let mail = MessageParser::default().parse(raw);
    let subject = mail.as_ref().and_then(|mail| mail.subject()).unwrap_or_default().to_string();
    let text = mail.as_ref().and_then(|mail| {
        mail.text_bodies().find_map(|part| match &part.body {
            PartType::Text(text) => Some(text.to_string()),
            PartType::Html(html) => Some(html_to_text(html)),
            _ => None,
        })
    });
    let mut arrived = arrived(&head, &subject, &text.unwrap_or_default(), at);
    if let Some(returned) = mail.as_ref().and_then(report::returned) {
        // What came back stands there as it was sent; what the report itself refers to is the thread, and may be somebody else's.
        let name = returned.message.rsplit_once('@').map_or(returned.message.as_str(), |(local, _)| local);
        arrived.answers = vec![name.to_string()];
        arrived.returned = Some(returned);
    }
    arrived
}

/// Without the line that mailboxes in files put before each mail.
fn begun(raw: &[u8]) -> &[u8] {
    match raw.starts_with(b"From ") {
        true => raw.iter().position(|byte| *byte == b'\n').map_or(raw, |end| &raw[end + 1..]),
        false => raw,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: &str = "From ada@x.example Mon Jan  5 10:00:00 2026\r\n\
        Return-Path: <ada@x.example>\r\n\
        From: =?utf-8?q?Ad=C3=A4?= <ada@x.example>\r\n\
        Subject: =?utf-8?b?UmU6IEvDpHNl?=\r\n\
        Message-ID: <one@x.example>\r\n\
        In-Reply-To: <msg_1@shop.example>\r\n\
        MIME-Version: 1.0\r\n\
        Content-Type: multipart/alternative; boundary=\"b\"\r\n\r\n\
        --b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
        Gr=FC=DFe,=20\r\n=\r\ngern.\r\n\r\n> Do you?\r\n\
        --b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Grüße</p>\r\n--b--\r\n";

    #[test]
    fn a_mail_of_several_parts() {
        let read = read(MAIL.as_bytes(), Some(7));
        assert_eq!((read.answers.as_slice(), read.at), (&["msg_1".to_string()][..], Some(7)));
        assert_eq!((read.reply.id.as_str(), read.reply.subject.as_str()), ("one@x.example", "Re: Käse"));
        assert_eq!((read.reply.text.as_str(), read.reply.is_automatic), ("Grüße,\ngern.", false));
        assert_eq!(read.from.as_deref(), Some("ada@x.example"));
    }

    #[test]
    fn one_that_is_html_alone() {
        let html = "Subject: Re\nContent-Type: text/html\n\n<html><body><p>Yes, <b>please</b></p></body></html>";
        assert_eq!(read(html.as_bytes(), None).reply.text, "Yes, please");
    }

    #[test]
    fn one_that_was_cut() {
        for end in 0..MAIL.len() {
            let read = read(&MAIL.as_bytes()[..end], None);
            assert!(read.reply.text.chars().count() <= super::super::LONGEST);
        }
    }
}
