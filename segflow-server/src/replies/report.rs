//! What a mail server reports that could not deliver a message (RFC 3464): how, in which words, and which message that was.

use mail_parser::{Message, MimeHeaders, PartType};
use segflow_core::notice::Bounce;

use super::head::Head;

/// A message that came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    pub bounce: Bounce,
    pub why: String,
    /// The `Message-ID` of what came back.
    pub message: String,
    /// To whom it could not be delivered, as far as that is said: where mail is forwarded, somebody else than we wrote to.
    pub to: Option<String>,
}

/// `None` of a mail that is no such report or does not say what came back, and of one that only says that it takes longer or has been delivered.
pub fn returned(mail: &Message<'_>) -> Option<Returned> {
    let is = |index: usize, kind: &str, subtypes: &[&str]| {
        let told = mail.parts.get(index).and_then(|part| part.content_type())?;
        let subtype = told.subtype().unwrap_or_default().to_ascii_lowercase();
        (told.ctype().eq_ignore_ascii_case(kind) && subtypes.contains(&subtype.as_str())).then_some(index)
    };
    let all = 0..mail.parts.len();
    let status = all.clone().find_map(|index| is(index, "message", &["delivery-status", "global-delivery-status"]))?;
    let text = String::from_utf8_lossy(mail.parts[status].contents());
    // Fields of the whole report, then those of each recipient. We write to one.
    let failed =
        |fields: &Head| fields.get("Action").is_some_and(|action| action.trim().eq_ignore_ascii_case("failed"));
    let fields = text.replace("\r\n", "\n").split("\n\n").map(Head::parse).find(failed)?;
    let status = fields.get("Status").unwrap_or_default();
    let said = fields.get("Diagnostic-Code").unwrap_or_default();
    let said = said.split_once(';').map_or(said, |(_, said)| said).trim();
    // The status is often only the class: `5.0.0`.
    let bounce = Bounce::told(said).or_else(|| Bounce::told(status)).unwrap_or(Bounce::Soft);
    let why = if said.is_empty() { format!("returned with the status {status}") } else { said.to_string() };
    let original = all.rev().find_map(|index| match &mail.parts[index].body {
        PartType::Message(original) => original.message_id().map(String::from),
        _ => {
            is(index, "text", &["rfc822-headers"])?;
            let head = Head::parse(&String::from_utf8_lossy(mail.parts[index].contents()));
            Some(head.get("Message-ID")?.trim_matches(['<', '>', ' ']).to_string())
        }
    });
    let recipient = fields.get("Original-Recipient").or_else(|| fields.get("Final-Recipient"));
    let to = recipient.map(|to| to.split_once(';').map_or(to, |(_, to)| to).trim().to_string());
    Some(Returned { bounce, why, message: original?, to })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::mime::read;
    use super::*;

    /// As Postfix writes it, with the message itself or with its header alone.
    fn report(action: &str, status: &str, said: &str, original: &str) -> String {
        format!(
            "From: MAILER-DAEMON@mx.shop.example (Mail Delivery System)\r\nTo: hello@shop.example\r\nSubject: Undelivered Mail\r\n\
             Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\nMessage-Id: <back@mx.shop.example>\r\n\
             Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n\
             --b\r\nContent-Description: Notification\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\nI'm sorry.\r\n\r\n\
             --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.shop.example\r\nArrival-Date: Mon,  5 Jan 2026\r\n\r\n\
             Final-Recipient: rfc822; ada@x.example\r\nAction: {action}\r\nStatus: {status}\r\nRemote-MTA: dns; mx.x.example\r\n\
             Diagnostic-Code: smtp; {said}\r\n\r\n--b\r\n{original}\r\n--b--\r\n"
        )
    }

    const WHOLE: &str = "Content-Type: message/rfc822\r\n\r\nFrom: hello@shop.example\r\nTo: ada@x.example\r\nSubject: Hello\r\n\
                         Message-ID: <msg_1@shop.example>\r\n\r\nHello.\r\n";
    const HEADER: &str =
        "Content-Type: text/rfc822-headers\r\n\r\nFrom: hello@shop.example\r\nMessage-ID: <msg_1@shop.example>\r\n";

    #[test]
    fn what_came_back_is_found_by_its_own_name() {
        for original in [WHOLE, HEADER] {
            let mail = report("failed", "5.1.1", "550 5.1.1 <ada@x.example>:\r\n    User unknown", original);
            let read = read(mail.as_bytes(), Some(7));
            assert_eq!(read.answers, ["msg_1"], "{original}");
            let back = read.returned.expect("it came back");
            assert_eq!((back.bounce, back.why.as_str()), (Bounce::Hard, "550 5.1.1 <ada@x.example>: User unknown"));
            assert_eq!(back.to.as_deref(), Some("ada@x.example"));
        }
    }

    #[test]
    fn how_it_came_back() {
        let of = |action: &str, status: &str, said: &str| {
            read(report(action, status, said, WHOLE).as_bytes(), None).returned.map(|back| back.bounce)
        };
        assert_eq!(of("failed", "5.0.0", "550 5.1.1 no such user"), Some(Bounce::Hard));
        assert_eq!(of("failed", "4.4.1", "connect to mx.x.example: timed out"), Some(Bounce::Soft));
        assert_eq!(of("Failed", "5.7.1", ""), Some(Bounce::Policy));
        assert_eq!(of("failed", "5.0.0", "550 no"), Some(Bounce::Soft), "nothing certain");
        assert_eq!(of("delayed", "4.4.1", "timed out"), None);
        assert_eq!(of("delivered", "2.1.5", "250 ok"), None);
    }

    #[test]
    fn a_report_that_does_not_say_what_came_back_is_no_bounce() {
        let mail = report("failed", "5.1.1", "550 5.1.1 no such user", "\r\nlost");
        let mail = mail.replacen("Auto-Submitted", "References: <msg_2@shop.example>\r\nAuto-Submitted", 1);
        let read = read(mail.as_bytes(), None);
        assert_eq!((read.returned, read.reply.is_automatic), (None, true));
    }

    #[test]
    fn an_answer_is_none() {
        let mail = "From: ada@x.example\r\nIn-Reply-To: <msg_1@shop.example>\r\nSubject: 5.1.1\r\n\r\nAction: failed\r\nStatus: 5.1.1\r\n";
        assert_eq!(read(mail.as_bytes(), None).returned, None);
    }

    proptest! {
        #[test]
        fn whatever_a_report_says_is_read_without_harm(
            action in "[a-z]{0,8}", status in "[0-9.]{0,12}", said in ".{0,200}", original in prop_oneof![".{0,200}", Just(WHOLE.to_string())],
            cut in 0.0..1.0,
        ) {
            let mail = report(&action, &status, &said, &original);
            let end = (mail.len() as f64 * cut) as usize;
            for mail in [mail.as_bytes(), &mail.as_bytes()[..end]] {
                read(mail, None);
            }
        }
    }
}
