//! What was sent in a run.

use std::ops::Deref;

use jiff::Timestamp;
use segflow_core::ledger::Message;

use super::START;

/// An email as it was sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Mail {
    /// The recipient.
    pub user_id: String,
    /// The id of the email.
    pub template: String,
    /// When it was sent, in the time of the run.
    pub at: Timestamp,
    /// The address.
    pub to: String,
    /// One line, without markup.
    pub subject: String,
    /// With all values filled in and escaped.
    pub html: String,
    /// The plain text, from the template or derived from the HTML.
    pub text: String,
}

/// A message that could not be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// Who would have been the recipient.
    pub user_id: String,
    /// The id of the email.
    pub template: String,
    /// When it was refused, in the time of the run.
    pub at: Timestamp,
    /// A sentence.
    pub reason: String,
}

/// Emails in the order in which they were sent; a slice with a few questions that tests ask.
#[derive(Debug, Clone, PartialEq)]
pub struct Mails(Vec<Mail>);

impl Mails {
    /// The day of each, counted from the start of the run, which is day 0.
    pub fn days(&self) -> Vec<i64> {
        self.0.iter().map(|mail| (mail.at.as_millisecond() - START).div_euclid(86_400_000)).collect()
    }

    /// The subject of each.
    pub fn subjects(&self) -> Vec<&str> {
        self.0.iter().map(|mail| mail.subject.as_str()).collect()
    }

    /// Those to one user.
    pub fn to(&self, user_id: &str) -> Mails {
        Mails(self.0.iter().filter(|mail| mail.user_id == user_id).cloned().collect())
    }
}

impl Deref for Mails {
    type Target = [Mail];

    fn deref(&self) -> &[Mail] {
        &self.0
    }
}

#[derive(Default)]
pub struct Kept {
    pub mails: Vec<Mail>,
    /// Of each of the mails, in their order.
    pub messages: Vec<Message>,
    pub refusals: Vec<Refusal>,
}

impl Kept {
    pub fn sent(&self, template: &str) -> Mails {
        Mails(self.mails.iter().filter(|mail| mail.template == template).cloned().collect())
    }

    pub fn last(&self, user_id: &str, template: &str) -> Option<&Message> {
        let mut all = self.mails.iter().zip(&self.messages).rev();
        all.find(|(mail, _)| mail.user_id == user_id && mail.template == template).map(|(_, message)| message)
    }

    pub fn refused(&self, template: &str) -> Vec<Refusal> {
        self.refusals.iter().filter(|refusal| refusal.template == template).cloned().collect()
    }
}
