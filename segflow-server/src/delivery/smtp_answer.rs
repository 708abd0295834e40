//! What a mail server's answer says: of the message, of its recipient, or of the server and whoever set it up.

use lettre::transport::smtp::Error;
use segflow_core::ledger::Outcome;
use segflow_core::notice::{Bounce, enhanced};

use super::http::{misconfigured, unable};

/// What the server was asked when it answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    Mail,
    Rcpt,
    Data,
    /// After the final dot.
    Body,
}

/// What an error says if it is an answer of the server.
pub fn answered(error: &Error, asked: Asked) -> Option<Outcome> {
    let code = error.status()?.to_string();
    Some(outcome(&code, asked, &error.to_string()))
}

/// `text` is all that was said.
fn outcome(code: &str, asked: Asked, text: &str) -> Outcome {
    if code.starts_with('5') {
        let why = format!("the SMTP server refused: {text}");
        // Whom it is for has not been said yet: it is the sender that is not taken. Many say so only when they know, at RCPT.
        if asked == Asked::Mail || is_about_us(code, text) {
            return misconfigured(why);
        }
        return match Bounce::told(text) {
            Some(bounce @ (Bounce::Hard | Bounce::Soft)) => Outcome::Bounced { bounce, why },
            Some(Bounce::Policy) | None => Outcome::Refused(why),
        };
    }
    let why = format!("the SMTP server asks to come again: {text}");
    match is_its_own(code, asked, text) {
        true => unable(why),
        false => Outcome::Retry(why),
    }
}

/// A password is wanted, the sender or this machine is not taken, or the server passes nothing on for us. Codes do not tell these from what is
/// about the recipient, but the words are everywhere the same.
fn is_about_us(code: &str, text: &str) -> bool {
    // Without the addresses that are quoted: some have a relay in their name.
    let text = text.to_ascii_lowercase();
    let mut words = String::new();
    for part in text.split('<') {
        words.push_str(part.split_once('>').map_or(part, |(_, rest)| rest));
    }
    let says = |all: &[&str]| all.iter().any(|word| words.contains(word));
    let is_relaying = says(&["relay"]) && enhanced(&text).is_none_or(|(_, subject, _)| subject == 7);
    matches!(code, "530" | "534" | "535" | "538")
        || is_relaying
        || says(&["sender address rejected", "sender verify failed", "client host rejected", "helo command rejected"])
}

/// Whether a 4xx is about the server and not about a message: it is closing, its disk is full, its tables cannot be read.
fn is_its_own(code: &str, asked: Asked, text: &str) -> bool {
    match enhanced(text) {
        _ if asked == Asked::Mail || is_about_us(code, text) => true,
        Some((_, subject, _)) => subject == 3 || code == "421",
        None => matches!(code, "421" | "452" | "454"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Postfix, Exim, Exchange and SES say it.
    #[test]
    fn whose_trouble_it_is() {
        let said = |code: &str, asked, text: &str| outcome(code, asked, &format!("({code}): {text}"));
        for (code, asked, text) in [
            ("530", Asked::Mail, "5.7.0 Authentication required"),
            ("530", Asked::Rcpt, "5.7.57 Client not authenticated to send mail"),
            ("553", Asked::Mail, "5.7.1 <me@x.example>: Sender address rejected: not owned by user"),
            ("550", Asked::Mail, "not from you"),
            ("554", Asked::Rcpt, "5.7.1 <ada@x.example>: Relay access denied"),
            ("550", Asked::Rcpt, "relay not permitted"),
            (
                "550",
                Asked::Rcpt,
                "5.1.0 <me@shop.example>: Sender address rejected: User unknown in virtual mailbox table",
            ),
            ("553", Asked::Rcpt, "5.7.1 <me@shop.example>: Sender address rejected: not owned by user"),
            ("554", Asked::Rcpt, "5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied"),
            ("550", Asked::Rcpt, "Sender verify failed"),
            ("550", Asked::Rcpt, "5.7.54 SMTP; Unable to relay recipient in non-accepted domain"),
        ] {
            assert!(
                matches!(said(code, asked, text), Outcome::Unable { pause: Some(_), .. }),
                "{code} {text}: a person has to do something"
            );
        }
        for (code, asked, text) in [
            ("421", Asked::Rcpt, "4.4.2 timeout exceeded"),
            ("421", Asked::Body, "closing"),
            ("452", Asked::Mail, "4.3.1 Insufficient system storage"),
            ("452", Asked::Rcpt, "Insufficient system storage"),
            ("451", Asked::Rcpt, "4.3.0 Temporary lookup failure"),
            ("451", Asked::Mail, "try again"),
            ("450", Asked::Mail, "4.1.8 <me@shop.example>: Sender address rejected: Domain not found"),
            ("450", Asked::Rcpt, "4.1.8 <me@shop.example>: Sender address rejected: Domain not found"),
            ("451", Asked::Body, "4.3.5 Server configuration error"),
        ] {
            assert!(matches!(said(code, asked, text), Outcome::Unable { pause: None, .. }), "{code} {text}");
        }
        for (code, asked, text) in [
            ("450", Asked::Rcpt, "4.2.0 Greylisted"),
            ("451", Asked::Rcpt, "later"),
            ("452", Asked::Rcpt, "4.2.2 mailbox full"),
            ("451", Asked::Body, "4.7.1 try again"),
        ] {
            assert!(matches!(said(code, asked, text), Outcome::Retry(_)), "{code} {text}");
        }
        for (code, asked, text, bounce) in [
            ("550", Asked::Rcpt, "5.1.1 <ada@x.example>: User unknown", Bounce::Hard),
            ("550", Asked::Body, "5.1.1 no such user", Bounce::Hard),
            (
                "550",
                Asked::Rcpt,
                "5.1.1 <a@x.example>: Recipient address rejected: User unknown in relay recipient table",
                Bounce::Hard,
            ),
            ("550", Asked::Rcpt, "5.1.1 <a1b2@privaterelay.example>: user unknown", Bounce::Hard),
            ("552", Asked::Rcpt, "5.2.2 over quota", Bounce::Soft),
        ] {
            let Outcome::Bounced { bounce: told, .. } = said(code, asked, text) else { panic!("{code} {text}") };
            assert_eq!(told, bounce, "{code} {text}");
        }
        for (code, asked, text) in [
            ("550", Asked::Rcpt, "no such user"),
            ("554", Asked::Body, "5.7.1 spam"),
            ("554", Asked::Rcpt, "5.7.1 <a1b2@privaterelay.example>: not wanted"),
            ("552", Asked::Body, "5.3.4 too large"),
        ] {
            assert!(matches!(said(code, asked, text), Outcome::Refused(_)), "{code} {text}");
        }
    }
}
