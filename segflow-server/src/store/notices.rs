//! What providers tell of messages, and what follows from it: the message's status, what is known of the address, and events that flows
//! and segments take. All of it in one transaction, once for each thing that is told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use segflow_core::consent::Block;
use segflow_core::ids;
use segflow_core::ledger::{Origin, Status, Told};
use segflow_core::merge::Object;
use segflow_core::notice::{Bounce, Notice, What, about};
use segflow_core::project::Project;
use segflow_core::reader::{By, Reader};
use segflow_protocol::own;
use serde_json::json;

use super::consent::{self, Changed, Note, Said};
use super::conversions::{Reaction, react};
use super::db::{Db, Tx, Value};
use super::happened::{Happened, report};
use super::many::{Existing, On, Table, insert, select_in};
use super::news::{self, Change};
use super::{Error, Result, choice, for_update};
use crate::address;
use crate::args;

/// Who tells, and when that is.
#[derive(Debug, Clone)]
pub struct Source {
    pub workspace: String,
    /// As the project calls it; `None` for what the server has seen itself.
    pub provider: Option<String>,
    /// ms UTC.
    pub now: i64,
    /// The times that are told are of another clock than `now`.
    pub is_virtual: bool,
}

/// What was made of some notices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Noted {
    /// Those that said something new.
    pub new: usize,
    /// Those that had been told before.
    pub known: usize,
    /// Those of messages that are not here.
    pub unknown: usize,
}

/// The most notices in one commit.
const GROUP: usize = 500;

/// The longest text that is kept, in characters.
const LONGEST: usize = 2_000;

/// Of how many things are kept that were told of one message: some are opened without end, and everybody can who has them.
const MOST: usize = 1_000;

/// Takes notices in; whoever decides is to be woken after it. When it fails, some may have been taken: told again, they change nothing.
pub async fn note(db: &Db, project: &Arc<Project>, source: Source, notices: Vec<Notice>) -> Result<Noted> {
    let mut all = Noted::default();
    for group in notices.chunks(GROUP) {
        let asked = Arc::new((project.clone(), source.clone(), group.to_vec()));
        let noted = db
            .write(move |tx| {
                let asked = asked.clone();
                Box::pin(async move {
                    let (project, source, notices) = asked.as_ref();
                    note_in(tx, project, source, notices).await
                })
            })
            .await?;
        all = Noted { new: all.new + noted.new, known: all.known + noted.known, unknown: all.unknown + noted.unknown };
    }
    Ok(all)
}

/// A message that something is told of.
struct About {
    id: String,
    user: String,
    incarnation: String,
    recipient: Option<String>,
    template: String,
    origin: Origin,
}

/// Locks users, then addresses, then messages, as everybody does.
async fn note_in(tx: &mut Tx, project: &Project, source: &Source, notices: &[Notice]) -> Result<Noted> {
    let by_provider = by_provider_id(tx, &source.workspace, notices).await?;
    let id_of =
        |notice: &Notice| notice.message.clone().or_else(|| by_provider.get(notice.provider_id.as_ref()?).cloned());
    let ids: BTreeSet<String> = notices.iter().filter_map(id_of).collect();
    let ids: Vec<Value> = ids.into_iter().map(Value::from).collect();
    lock_users(tx, &source.workspace, &ids).await?;
    // From here on nobody of them can be erased.
    let messages = messages(tx, &source.workspace, &ids).await?;
    let told = known(tx, &ids).await?;
    let mut known: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (message, id) in &told {
        known.entry(message).or_default().insert(id.clone());
    }

    let (mut noted, mut fresh) = (Noted::default(), vec![]);
    for notice in notices {
        let Some(message) = id_of(notice).and_then(|id| messages.get(&id)) else {
            noted.unknown += 1;
            continue;
        };
        let (id, known) = (outcome_id(notice), known.entry(message.id.as_str()).or_default());
        let is_endless = matches!(notice.what, What::Opened(_) | What::Clicked { .. } | What::Replied(_));
        if known.contains(&id) || (is_endless && known.len() >= MOST) {
            noted.known += 1;
            continue;
        }
        known.insert(id.clone());
        fresh.push(Fresh { message, id, notice, at: source.at(notice) });
    }
    noted.new = fresh.len();
    if fresh.is_empty() {
        return Ok(noted);
    }
    let changed = say(tx, project, source, &fresh).await?;
    let mut happened: Vec<Happened> = fresh.iter().filter_map(Fresh::happened).collect();
    for (fresh, changed) in &changed {
        happened.extend(choice::differences(project, changed).into_iter().map(|told| fresh.chosen(told)));
    }
    report(tx, &source.workspace, &happened, source.now).await?;
    settle(tx, &fresh, source.now).await?;
    react(tx, &source.workspace, fresh.iter().filter_map(Fresh::reaction).collect()).await?;
    insert(tx, &OUTCOMES, fresh.iter().map(|fresh| fresh.row(source)).collect()).await?;
    Ok(noted)
}

impl Source {
    /// When something happened, by the clock that everything else goes by; nothing has happened yet that is to come.
    fn at(&self, notice: &Notice) -> i64 {
        let told = notice.at.filter(|at| *at > 0 && !self.is_virtual);
        told.map_or(self.now, |at| at.min(self.now))
    }
}

/// Made of what is told, and not of how: a vendor that tells a thing again may call it otherwise.
fn outcome_id(notice: &Notice) -> String {
    let at = notice.at.map_or_else(String::new, |at| at.to_string());
    let what = match &notice.what {
        // One that comes to a mailbox and by a call comes at two times.
        What::Replied(reply) => return ids::derived("out", &[notice.what.name(), &reply.id]),
        What::Clicked { link, .. } => link.as_str(),
        What::Opened(reader) => reader.agent.as_deref().unwrap_or_default(),
        What::Wants { all: true, .. } => "all",
        _ => "",
    };
    ids::derived("out", &[notice.what.name(), &at, what])
}

/// By the provider's own id, messages of which nothing better is said.
async fn by_provider_id(tx: &mut Tx, workspace: &str, notices: &[Notice]) -> Result<BTreeMap<String, String>> {
    let ids: BTreeSet<&String> =
        notices.iter().filter(|n| n.message.is_none()).filter_map(|n| n.provider_id.as_ref()).collect();
    let ids: Vec<Value> = ids.into_iter().map(Value::from).collect();
    let sql = "SELECT provider_message_id, id FROM messages WHERE workspace = ? AND provider_message_id IN ({})";
    let rows = select_in(&mut On::Tx(tx), sql, &args![workspace], &ids).await?;
    rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?))).collect()
}

async fn lock_users(tx: &mut Tx, workspace: &str, messages: &[Value]) -> Result<()> {
    let sql = "SELECT DISTINCT user_id FROM messages WHERE workspace = ? AND id IN ({})";
    let mut users = BTreeSet::new();
    for row in select_in(&mut On::Tx(tx), sql, &args![workspace], messages).await? {
        users.insert(row.text(0)?);
    }
    let users: Vec<Value> = users.into_iter().map(Value::from).collect();
    let sql = format!("SELECT id FROM users WHERE workspace = ? AND id IN ({{}}) ORDER BY id{}", for_update(tx.kind()));
    select_in(&mut On::Tx(tx), &sql, &args![workspace], &users).await.map(drop)
}

async fn messages(tx: &mut Tx, workspace: &str, ids: &[Value]) -> Result<BTreeMap<String, About>> {
    let sql = "SELECT id, user_id, user_incarnation, recipient, template, campaign, enrollment, op, transaction_id, event_id \
               FROM messages WHERE workspace = ? AND id IN ({})";
    let rows = select_in(&mut On::Tx(tx), sql, &args![workspace], ids).await?;
    rows.iter()
        .map(|row| {
            let message = About {
                id: row.text(0)?,
                user: row.text(1)?,
                incarnation: row.text(2)?,
                recipient: row.opt_text(3)?,
                template: row.text(4)?,
                origin: match row.opt_text(5)? {
                    Some(campaign) => Origin::Campaign {
                        campaign,
                        enrollment: row.opt_text(6)?.unwrap_or_default(),
                        op: row.opt_int(7)?.unwrap_or_default() as u64,
                    },
                    None => Origin::Transaction {
                        transaction: row.opt_text(8)?.unwrap_or_default(),
                        event: row.opt_text(9)?.unwrap_or_default(),
                    },
                },
            };
            Ok((message.id.clone(), message))
        })
        .collect()
}

/// What was told of these messages before.
async fn known(tx: &mut Tx, messages: &[Value]) -> Result<Vec<(String, String)>> {
    let sql = "SELECT message, id FROM outcomes WHERE message IN ({})";
    let rows = select_in(&mut On::Tx(tx), sql, &[], messages).await?;
    rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?))).collect()
}

/// Something told for the first time.
struct Fresh<'a> {
    message: &'a About,
    id: String,
    notice: &'a Notice,
    /// ms UTC.
    at: i64,
}

impl Fresh<'_> {
    /// Whose message it was has been erased since: only counts are kept.
    fn is_erased(&self) -> bool {
        self.message.user.is_empty()
    }

    /// It is a report about another address than we wrote to: mail is forwarded there. A vendor, which has its own id of the message, speaks of that
    /// alone.
    fn is_elsewhere(&self) -> bool {
        if self.notice.provider_id.is_some() {
            return false;
        }
        let both = self.message.recipient.as_ref().zip(self.notice.address.as_ref());
        both.is_some_and(|(ours, theirs)| address::normal(ours) != address::normal(theirs))
    }

    /// What it says of the address.
    fn said(&self, project: &Project) -> Option<Said> {
        Some(match &self.notice.what {
            What::Bounced { bounce: Bounce::Hard, .. } if !self.is_elsewhere() => Said::Block(Block::Bounce),
            What::Bounced { bounce: Bounce::Hard | Bounce::Soft, .. } => {
                Said::SoftBounce { message: self.message.id.clone() }
            }
            What::Complained => Said::Block(Block::Complaint),
            What::Wants { wants, all } => {
                let topic = match &self.message.origin {
                    Origin::Campaign { campaign, .. } => project.topic_of(campaign),
                    Origin::Transaction { .. } => None,
                };
                match topic.filter(|_| !all) {
                    Some(topic) => Said::Topic { id: topic.id.clone(), wants: *wants },
                    None => Said::Wants(*wants),
                }
            }
            _ => return None,
        })
    }

    /// The event that tells the user's flows. What a program did is no doing of the user's.
    fn happened(&self) -> Option<Happened> {
        let (name, more, once) = match &self.notice.what {
            What::Bounced { bounce, why } => {
                (own::BOUNCED, vec![("kind", bounce.name()), ("reason", why.as_str())], self.id.as_str())
            }
            What::Complained => (own::COMPLAINED, vec![], ""),
            What::Opened(reader) if reader.by == By::Person => (own::OPENED, about_reader(reader), ""),
            What::Clicked { link, reader } if reader.by == By::Person => {
                let more = [vec![("link", link.as_str())], about_reader(reader)].concat();
                (own::CLICKED, more, link.as_str())
            }
            What::Replied(reply) if !reply.is_automatic => {
                let said = vec![("subject", reply.subject.as_str()), ("text", reply.text.as_str())];
                (own::REPLIED, said, reply.id.as_str())
            }
            _ => return None,
        };
        let mut attributes = self.attributes();
        attributes.extend(more.into_iter().map(|(name, value)| (name.to_string(), json!(shortened(value)))));
        let id = ids::derived("evt", &[&self.message.id, name, once]);
        self.event(name, id, attributes)
    }

    /// What a person has done with the message.
    fn reaction(&self) -> Option<Reaction<'_>> {
        self.notice.what.reader().filter(|reader| reader.by == By::Person)?;
        let campaign = match &self.message.origin {
            Origin::Campaign { campaign, .. } => Some(campaign.as_str()),
            Origin::Transaction { .. } => None,
        };
        Some(Reaction { message: &self.message.id, what: self.notice.what.name(), campaign, at: self.at })
    }

    /// The event that tells of a choice.
    fn chosen(&self, (name, topic): (&'static str, Option<&str>)) -> Happened {
        let mut attributes = self.attributes();
        attributes.insert("topic".into(), json!(topic));
        attributes.insert("via".into(), "provider".into());
        let id = ids::derived("evt", &[&self.message.id, &self.id, name, topic.unwrap_or_default()]);
        self.whole(name, id, attributes)
    }

    fn attributes(&self) -> Object {
        about(&self.message.id, &self.message.template, &self.message.origin)
    }

    fn event(&self, name: &'static str, id: String, attributes: Object) -> Option<Happened> {
        (!self.is_erased()).then(|| self.whole(name, id, attributes))
    }

    fn whole(&self, name: &'static str, id: String, attributes: Object) -> Happened {
        let About { user, incarnation, .. } = self.message;
        let (user, incarnation) = (user.clone(), Some(incarnation.clone()));
        Happened { user, incarnation, name, id, attributes, at: self.at }
    }

    fn row(&self, source: &Source) -> Vec<Value> {
        let what = &self.notice.what;
        let keep = |text: Option<&str>| text.filter(|_| !self.is_erased()).map(shortened);
        args![
            &self.message.id,
            &self.id,
            what.name(),
            what.kind(),
            self.at,
            source.provider.as_ref(),
            keep(what.detail()),
            keep(what.reader().and_then(|reader| reader.agent.as_deref())),
            what.reader().and_then(|reader| reader.country.as_ref()),
        ]
    }
}

/// Notes what is said of addresses, and how that has changed what people want, for those notices that say it.
async fn say<'a, 'b>(
    tx: &mut Tx,
    project: &Project,
    source: &Source,
    fresh: &'a [Fresh<'b>],
) -> Result<Vec<(&'a Fresh<'b>, Changed)>> {
    let (mut notes, mut by) = (vec![], vec![]);
    for fresh in fresh {
        let address = fresh.message.recipient.as_ref().or(fresh.notice.address.as_ref());
        if let (Some(address), Some(said)) = (address, fresh.said(project)) {
            notes.push(Note { address: address.clone(), known: !fresh.is_erased(), said: vec![said], at: fresh.at });
            by.push(fresh);
        }
    }
    if notes.is_empty() {
        return Ok(vec![]);
    }
    let changed = consent::say(tx, &source.workspace, &notes).await?;
    let chosen =
        |(fresh, _): &(&Fresh<'_>, Changed)| !fresh.is_erased() && matches!(fresh.notice.what, What::Wants { .. });
    Ok(by.into_iter().zip(changed).filter(chosen).collect())
}

/// Brings messages to where all that was told of them says they are.
async fn settle(tx: &mut Tx, fresh: &[Fresh<'_>], now: i64) -> Result<()> {
    let mut by_message: BTreeMap<&str, Vec<&Fresh<'_>>> = BTreeMap::new();
    for fresh in fresh {
        by_message.entry(&fresh.message.id).or_default().push(fresh);
    }
    let ids: Vec<Value> = by_message.keys().map(|id| Value::from(*id)).collect();
    let sql = format!(
        "SELECT id, status, attempt, told, reason, due_at, sent_at, {} FROM messages WHERE id IN ({{}}) ORDER BY id{}",
        news::heard("messages"),
        for_update(tx.kind())
    );
    let (mut rows, mut changes) = (vec![], vec![]);
    for row in select_in(&mut On::Tx(tx), &sql, &[], &ids).await? {
        let id = row.text(0)?;
        let Some(fresh) = by_message.get(id.as_str()) else { continue };
        let before = Told::of(row.int(3)?);
        let told = fresh.iter().fold(before, |told, fresh| told.and(&fresh.notice.what));
        if told == before {
            continue;
        }
        let name = row.text(1)?;
        let status = Status::parse(&name).ok_or_else(|| Error::Internal(format!("a message is `{name}`")))?;
        let settled = told.settles(status, row.int(2)? as u32);
        let (mut reason, mut due_at, mut sent_at) = (row.opt_text(4)?, row.opt_int(5)?, row.opt_int(6)?);
        if told.status() != before.status() {
            reason = fresh.iter().rev().find_map(|fresh| reason_of(fresh, told.status()));
        }
        if let Some(settled) = settled {
            if row.int(7)? > 0 {
                let bounce = fresh.iter().rev().find_map(|fresh| bounce_of(fresh, settled));
                changes.push(Change { bounce, ..Change::new(&id, settled, reason.clone()) });
            }
            due_at = None;
            // Of those who were never sure, this is the first word of it.
            sent_at = sent_at.or((settled != Status::Refused).then_some(now));
        }
        rows.push(args![
            id,
            "",
            "",
            "",
            0,
            "",
            "",
            "",
            "",
            0,
            0,
            settled.unwrap_or(status).name(),
            reason,
            due_at,
            told.bits(),
            sent_at,
            now,
        ]);
    }
    insert(tx, &SETTLED, rows).await?;
    news::of_messages(tx, &changes, now).await
}

/// With what, and from where.
fn about_reader(reader: &Reader) -> Vec<(&'static str, &str)> {
    let device = reader.device().map(|device| ("device", device.name()));
    let country = reader.country.as_deref().map(|country| ("country", country));
    device.into_iter().chain(country).collect()
}

/// How a message bounced, if this notice says so.
fn bounce_of(fresh: &Fresh<'_>, status: Status) -> Option<&'static str> {
    match &fresh.notice.what {
        What::Bounced { bounce, .. } if status == Status::Bounced => Some(bounce.name()),
        _ => None,
    }
}

/// Why a message is where it is, if this notice says so.
fn reason_of(fresh: &Fresh<'_>, status: Option<Status>) -> Option<String> {
    if fresh.is_erased() || Told::default().and(&fresh.notice.what).status() != status {
        return None;
    }
    match &fresh.notice.what {
        What::Bounced { why, .. } | What::Refused { why } => Some(shortened(why)),
        _ => None,
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

const OUTCOMES: Table = Table {
    name: "outcomes",
    columns: &["message", "id", "outcome", "kind", "at", "provider", "detail", "agent", "country"],
    key: &["message", "id"],
    existing: Existing::Stays,
};

/// The rows are there, and locked: this is an update of many rows at once, and the first columns only fill what may not be null.
const SETTLED: Table = Table {
    name: "messages",
    columns: &[
        "id",
        "workspace",
        "user_id",
        "user_incarnation",
        "bucket",
        "template",
        "deployment",
        "args",
        "guarantee",
        "created_at",
        "attempt",
        "status",
        "reason",
        "due_at",
        "told",
        "sent_at",
        "updated_at",
    ],
    key: &["id"],
    existing: Existing::Takes(&["status", "reason", "due_at", "told", "sent_at", "updated_at"]),
};
