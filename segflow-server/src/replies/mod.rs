//! Answers to messages: read from what vendors and mailboxes bring, held against the ledger by the ids that they name, and noted as
//! things that were told of these messages. Nothing is guessed by who has written: what names no message of ours is nobody's answer.

mod head;
pub mod imap;
pub mod mime;
mod postmark;
mod report;
mod sendgrid;
#[cfg(test)]
mod tests;
mod words;

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::HeaderMap;
use segflow_core::notice::{Notice, Reply, What};
use segflow_core::project::Project;
use segflow_core::protocol::{Manifest, ProviderKind};

use crate::address;
use crate::store::db::Db;
use crate::store::notices::{self, Noted, Source};
use crate::store::{Result, replies};
use head::Head;
use report::Returned;

/// The longest text and the longest subject that are kept, in characters.
pub const LONGEST: usize = 2_000;
const SUBJECT: usize = 200;

/// A mail that came, and may be an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// The messages that it names, the likeliest first: what stands before the `@` of their `Message-ID`.
    pub answers: Vec<String>,
    /// The address that it is from. Nobody is found by it: it is only told from our own.
    pub from: Option<String>,
    /// When it came, ms UTC, where that is known.
    pub at: Option<i64>,
    pub reply: Reply,
    /// It says that the message came back.
    pub returned: Option<Returned>,
}

fn arrived(head: &Head, subject: &str, text: &str, at: Option<i64>) -> Arrived {
    let cut: String = subject.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SUBJECT).collect();
    let reply = Reply {
        id: head.id(text),
        is_automatic: head.is_automatic(),
        subject: cut.trim().into(),
        text: words::written(text, LONGEST),
    };
    Arrived { answers: head.answers(), from: head.sender(), at, reply, returned: None }
}

/// A mail as a vendor brings it. An error says what is wrong with it.
pub async fn read(kind: &ProviderKind, headers: &HeaderMap, body: Bytes) -> std::result::Result<Arrived, String> {
    match kind {
        ProviderKind::Postmark { .. } => postmark::read(&body),
        ProviderKind::SendGrid { .. } => {
            let content_type = headers.get("content-type").and_then(|value| value.to_str().ok());
            sendgrid::read(content_type.unwrap_or_default(), body).await
        }
        _ => Err("this provider brings no answers".into()),
    }
}

/// Notes those of some mails that answer messages of a workspace; whoever decides is to be woken if any of it is new. `via` is the kind of
/// what brought them, to be counted by.
pub async fn note(
    db: &Db,
    project: &Arc<Project>,
    source: Source,
    via: &'static str,
    arrived: Vec<Arrived>,
) -> Result<Noted> {
    let count = |outcome: &'static str, how_many: usize| {
        metrics::counter!("segflow_replies_total", "via" => via, "outcome" => outcome).increment(how_many as u64);
    };
    let (own, arrived): (Vec<Arrived>, Vec<Arrived>) =
        arrived.into_iter().partition(|mail| is_own(&project.manifest, mail));
    count("own", own.len());
    let named: Vec<Vec<String>> = arrived.iter().map(|mail| mail.answers.clone()).collect();
    let answered = replies::answered(db, &source.workspace, &named).await?;
    let (mut told, mut unknown) = (vec![], own.len());
    for (mail, message) in arrived.into_iter().zip(answered) {
        match message {
            None => {
                unknown += 1;
                count("unmatched", 1);
            }
            Some(message) => {
                let (outcome, what, address) = match mail.returned {
                    Some(Returned { bounce, why, to, .. }) => ("returned", What::Bounced { bounce, why }, to),
                    None if mail.reply.is_automatic => ("automatic", What::Replied(mail.reply), None),
                    None => ("reply", What::Replied(mail.reply), None),
                };
                count(outcome, 1);
                let provider_id = None;
                told.push(Notice { message: Some(message), provider_id, address, at: mail.at, what });
            }
        }
    }
    let noted = match told.is_empty() {
        true => Noted::default(),
        false => notices::note(db, project, source, told).await?,
    };
    Ok(Noted { unknown: noted.unknown + unknown, ..noted })
}

/// Whether we have written it ourselves: the message, kept in the mailbox that answers come to, or what somebody here says to an answer.
fn is_own(manifest: &Manifest, mail: &Arrived) -> bool {
    let Some(from) = mail.from.as_deref().map(address::normal) else { return false };
    let ours = [&manifest.from, &manifest.reply_to];
    ours.into_iter().flatten().filter_map(|mailbox| head::address(mailbox)).any(|own| address::normal(&own) == from)
}
