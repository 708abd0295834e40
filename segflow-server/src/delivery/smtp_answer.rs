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
        // Whom it is for has not been said yet: it is the sender that is not taken. Nor is it the recipient's doing that we have no leave.
        if asked == Asked::Mail || is_without_leave(code, text) {
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

/// Authentication is asked for, or the server passes nothing on for us. There is no code for the latter, but all of them say "relay".
fn is_without_leave(code: &str, text: &str) -> bool {
    matches!(code, "530" | "534" | "535" | "538") || text.to_ascii_lowercase().contains("relay")
}

/// Whether a 4xx is about the server and not about a message: it is closing, its disk is full, its tables cannot be read.
fn is_its_own(code: &str, asked: Asked, text: &str) -> bool {
    match enhanced(text) {
        _ if asked == Asked::Mail => true,
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
            ("552", Asked::Rcpt, "5.2.2 over quota", Bounce::Soft),
        ] {
            let Outcome::Bounced { bounce: told, .. } = said(code, asked, text) else { panic!("{code} {text}") };
            assert_eq!(told, bounce, "{code} {text}");
        }
        for (code, asked, text) in [
            ("550", Asked::Rcpt, "no such user"),
            ("554", Asked::Body, "5.7.1 spam"),
            ("552", Asked::Body, "5.3.4 too large"),
        ] {
            assert!(matches!(said(code, asked, text), Outcome::Refused(_)), "{code} {text}");
        }
    }
}
