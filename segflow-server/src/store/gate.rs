//! What may keep a message from being sent, looked at in the transaction that takes it to `sending`.

use std::collections::{BTreeMap, BTreeSet};

use segflow_core::consent::{About, Consent};
use segflow_core::ledger::Status;
use segflow_core::merge::Object;
use segflow_core::policy::Decision;
use segflow_core::project::Project;

use super::db::{Tx, Value};
use super::many::run_in;
use super::{Error, Result, allow_list, consent, for_share};
use crate::address::{self, Hash, Key};
use crate::allow::{self, AllowList};
use crate::args;

/// What a workspace says of all its messages. It stays so until the transaction ends.
pub struct Rules {
    /// None is sent.
    pub held: bool,
    allowed: Option<AllowList>,
    key: Option<Key>,
    /// From when on what caps count was noted.
    pub sendings_since: Option<i64>,
}

impl Rules {
    /// Locks the workspace against whoever would change it: after the fence and before users.
    pub async fn of(tx: &mut Tx, workspace: &str) -> Result<Rules> {
        let lock = for_share(tx.kind());
        let sql = format!("SELECT held_at, allow_list, address_key, sendings_since FROM workspaces WHERE id = ?{lock}");
        let row = tx.row(sql, args![workspace]).await?;
        let row = row.ok_or_else(|| Error::NotFound(format!("workspace `{workspace}`")))?;
        Ok(Rules {
            held: row.opt_int(0)?.is_some(),
            allowed: row.opt_text(1)?.as_deref().map(allow_list::read).transpose()?,
            key: row.opt_blob(2)?.map(Key::new),
            sendings_since: row.opt_int(3)?,
        })
    }
}

/// What is known of the recipients of some messages, all of one workspace. It stays so until the transaction ends.
pub struct Gate<'a> {
    project: &'a Project,
    allowed: Option<AllowList>,
    recipients: BTreeMap<String, Recipient>,
}

/// Where a user is to be written to.
pub struct Recipient {
    /// An error says why there is no address.
    pub to: std::result::Result<String, String>,
    consent: Consent,
}

/// What becomes of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Send,
    /// It is not sent, now or ever.
    End(Status, String),
    /// It is looked at again at this instant, ms UTC.
    Wait(i64, String),
}

impl From<Decision> for Verdict {
    fn from(decision: Decision) -> Verdict {
        match decision {
            Decision::Send => Verdict::Send,
            Decision::Wait(at, why) => Verdict::Wait(at, why),
            Decision::Drop(why) => Verdict::End(Status::Cancelled, why),
        }
    }
}

impl<'a> Gate<'a> {
    /// Looks at users, given with their attributes. The caller has locked them.
    pub async fn open<'u>(
        tx: &mut Tx,
        workspace: &str,
        project: &'a Project,
        rules: Rules,
        users: impl Iterator<Item = (&'u str, &'u Object)>,
    ) -> Result<Gate<'a>> {
        let key = match rules.key {
            Some(key) => key,
            None => consent::key(tx, workspace).await?,
        };
        let attribute = project.manifest.address.as_deref().unwrap_or("email");
        let mut found: Vec<(&str, std::result::Result<String, String>, Option<Hash>)> = vec![];
        for (user, attributes) in users {
            let to = address::of(attribute, attributes);
            let hash = to.as_ref().ok().map(|to| key.hash(to));
            found.push((user, to, hash));
        }
        let hashes: BTreeSet<Hash> = found.iter().filter_map(|(_, _, hash)| hash.clone()).collect();
        let known = consent::hold(tx, workspace, &hashes).await?;
        let consent = |hash: Option<Hash>| hash.and_then(|hash| known.get(&hash).cloned()).unwrap_or_default();
        let recipient = |(user, to, hash): (&str, _, _)| (user.into(), Recipient { to, consent: consent(hash) });
        Ok(Gate { project, allowed: rules.allowed, recipients: found.into_iter().map(recipient).collect() })
    }

    /// Where a user is to be written to.
    pub fn to(&self, user: &str) -> std::result::Result<String, String> {
        let unknown = || Err("no email address: the user is gone".into());
        self.recipients.get(user).map_or_else(unknown, |recipient| recipient.to.clone())
    }

    /// What becomes of a message to a user: of this campaign, or of a transaction.
    pub fn verdict(&self, user: &str, campaign: Option<&str>) -> Verdict {
        let Some(recipient) = self.recipients.get(user) else { return Verdict::Send };
        let is_stranger = |to: &String| self.allowed.as_ref().is_some_and(|allowed| !allowed.allows(to));
        if recipient.to.as_ref().is_ok_and(is_stranger) {
            return Verdict::End(Status::Suppressed, allow::REASON.into());
        }
        let about = match campaign {
            Some(campaign) => About::Campaign(self.project.topic_of(campaign)),
            None => About::Transaction,
        };
        match recipient.consent.forbids(about) {
            Some(reason) => Verdict::End(Status::Suppressed, reason),
            None => Verdict::Send,
        }
    }
}

/// Messages that wait, by until when and why.
pub type Waits = BTreeMap<(i64, String), Vec<Value>>;

/// Writes down what waits.
pub async fn wait(tx: &mut Tx, waits: Waits, now: i64) -> Result<()> {
    let sql = "UPDATE messages SET due_at = ?, reason = ?, updated_at = ? WHERE id IN ({})";
    for ((until, reason), ids) in waits {
        run_in(tx, sql, &args![until, reason, now], &ids).await?;
    }
    Ok(())
}

/// Messages that are not sent, by what becomes of them and why.
pub type Ends = BTreeMap<(Status, String), Vec<Value>>;

/// Writes down what is not sent.
pub async fn end(tx: &mut Tx, ends: Ends, now: i64) -> Result<()> {
    let sql = "UPDATE messages SET status = ?, reason = ?, due_at = NULL, updated_at = ? WHERE id IN ({})";
    for ((status, reason), ids) in ends {
        run_in(tx, sql, &args![status.name(), reason, now], &ids).await?;
    }
    Ok(())
}
