//! What counts for campaigns, written down in the commit that takes it up: which of a user's messages it counts for is looked up there. And
//! what people do with messages, to be counted.

use std::collections::{BTreeMap, BTreeSet};

use segflow_core::conversion::{Cause, Sent, Success, can_count};
use segflow_core::ledger::Status;
use segflow_core::step::Decision;

use super::Result;
use super::db::{Tx, Value};
use super::many::{Existing, On, Table, insert, select_in};
use crate::args;

/// A success with whose it is, and the message that it counts for.
pub struct Converted<'a> {
    pub user: &'a str,
    pub success: &'a Success,
    pub message: String,
    pub template: String,
    pub enrollment: String,
}

/// Writes down what counts of some decisions of a workspace, whose users are locked.
pub async fn count<'a>(
    tx: &mut Tx,
    workspace: &str,
    decisions: &[&'a Decision],
    now: i64,
) -> Result<Vec<Converted<'a>>> {
    let all = decisions.iter().flat_map(|d| d.successes.iter().map(|success| (d.user.as_str(), success)));
    let all: Vec<(&str, &Success)> = all.collect();
    let Some(earliest) = all.iter().map(|(_, success)| success.earliest()).min() else { return Ok(vec![]) };
    let users: BTreeSet<&str> = all.iter().map(|(user, _)| *user).collect();
    let sent = sent(tx, workspace, users, earliest).await?;
    let (mut counted, mut known) = (vec![], BTreeSet::new());
    for (user, success) in all {
        let of_user = sent.get(user).map_or(&[][..], Vec::as_slice);
        let Some(message) = success.message(of_user.iter().map(|(sent, _)| sent)) else { continue };
        // Of several of one id, the first.
        if known.insert(&success.id) {
            let template = of_user.iter().find(|(sent, _)| sent.id == message.id).map(|(_, template)| template.clone());
            let (message, enrollment) = (message.id.clone(), message.enrollment.clone());
            let template = template.unwrap_or_default();
            counted.push(Converted { user, success, message, template, enrollment });
        }
    }
    insert(tx, &CONVERSIONS, counted.iter().map(|converted| row(workspace, converted, now)).collect()).await?;
    Ok(counted)
}

/// By user: messages of campaigns that were accepted after an instant, each with its template.
async fn sent(
    tx: &mut Tx,
    workspace: &str,
    users: BTreeSet<&str>,
    after: i64,
) -> Result<BTreeMap<String, Vec<(Sent, String)>>> {
    let counting = Status::ALL.into_iter().filter(|status| can_count(*status));
    let counting: Vec<String> = counting.map(|status| format!("'{}'", status.name())).collect();
    let sql = format!(
        "SELECT user_id, id, campaign, enrollment, op, created_at, sent_at, template FROM messages \
         WHERE workspace = ? AND campaign IS NOT NULL AND sent_at > ? AND status IN ({}) AND user_id IN ({{}})",
        counting.join(", ")
    );
    let users: Vec<Value> = users.into_iter().map(Value::from).collect();
    let mut sent = BTreeMap::<String, Vec<(Sent, String)>>::new();
    for row in select_in(&mut On::Tx(tx), &sql, &args![workspace, after], &users).await? {
        let message = Sent {
            id: row.text(1)?,
            campaign: row.text(2)?,
            enrollment: row.opt_text(3)?.unwrap_or_default(),
            op: row.opt_int(4)?.unwrap_or_default() as u64,
            created_at: row.int(5)?,
            sent_at: row.int(6)?,
        };
        sent.entry(row.text(0)?).or_default().push((message, row.text(7)?));
    }
    Ok(sent)
}

fn row(workspace: &str, converted: &Converted<'_>, now: i64) -> Vec<Value> {
    let success = converted.success;
    let (kind, name, event) = match &success.what {
        Cause::Event { name, id } => ("event", name, Some(id)),
        Cause::Goal(name) => ("goal", name, None),
    };
    let (id, campaign, message) = (&success.id, &success.campaign, &converted.message);
    args![id, workspace, campaign, message, kind, name, event, success.value, success.at, now]
}

/// What a person has done with a message.
pub struct Reaction<'a> {
    pub message: &'a str,
    /// `opened` or `clicked`.
    pub what: &'static str,
    pub campaign: Option<&'a str>,
    pub at: i64,
}

/// Writes down what people have done with messages, each thing the first time.
pub async fn react(tx: &mut Tx, workspace: &str, reactions: Vec<Reaction<'_>>) -> Result<()> {
    let row = |Reaction { message, what, campaign, at }| args![message, what, workspace, campaign, at];
    insert(tx, &REACTIONS, reactions.into_iter().map(row).collect()).await
}

const CONVERSIONS: Table = Table {
    name: "conversions",
    columns: &["id", "workspace", "campaign", "message", "kind", "name", "event_id", "value", "at", "created_at"],
    key: &["id"],
    existing: Existing::Stays,
};

const REACTIONS: Table = Table {
    name: "reactions",
    columns: &["message", "reaction", "workspace", "campaign", "at"],
    key: &["message", "reaction"],
    existing: Existing::Stays,
};
