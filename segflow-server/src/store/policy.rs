//! What a project says of when messages are sent and how many, looked at in the transaction that takes them to `sending`. What becomes
//! of each is decided in [`segflow_core::policy`]; here is what that has to know.
//!
//! What caps count is noted with each message that is taken, as long as there are caps: `sendings_since` says from when on nothing is
//! missing. Until that is as long as the longest cap looks back, the ledger itself is asked. Users are locked, so nobody else takes a
//! message of theirs; the row of a campaign's day is locked last of all.

use std::collections::{BTreeMap, BTreeSet};

use segflow_core::ledger::Status;
use segflow_core::policy::{self, About, Before, Decision};
use segflow_core::project::Project;

use super::Result;
use super::db::{Tx, Value};
use super::many::{Existing, On, Table, insert, select_in};
use super::{Error, for_update};
use crate::args;

/// What is known when messages of one workspace are about to be taken.
pub struct Policies<'a> {
    workspace: &'a str,
    project: &'a Project,
    now: i64,
    /// By user: when messages were taken that caps count.
    sent: BTreeMap<String, Vec<i64>>,
    /// By campaign, of those that have a limit.
    days: BTreeMap<String, Day>,
    /// Rows of those that are taken now.
    sendings: Vec<Vec<Value>>,
}

/// A campaign's day.
struct Day {
    ends_at: i64,
    used: u32,
}

/// A message of a campaign that may be taken.
pub struct Candidate<'m> {
    pub id: &'m str,
    pub user: &'m str,
    pub about: About<'m>,
    /// It was taken before.
    pub again: bool,
}

impl<'a> Policies<'a> {
    /// For messages of these users and campaigns. `since`: from when on what is sent was noted.
    pub async fn open(
        tx: &mut Tx,
        workspace: &'a str,
        project: &'a Project,
        of: &BTreeSet<(String, String)>,
        since: Option<i64>,
        now: i64,
    ) -> Result<Policies<'a>> {
        let back = policy::looks_back(project);
        // From the first message on that is noted, and no longer than all are.
        if back.is_some() != since.is_some() {
            let sql = "UPDATE workspaces SET sendings_since = ? WHERE id = ?";
            tx.run(sql, args![back.map(|_| now), workspace]).await?;
        }
        let mut sent = BTreeMap::<String, Vec<i64>>::new();
        if let Some(back) = back.filter(|_| !of.is_empty()) {
            let after = now.saturating_sub(back);
            let users: BTreeSet<&str> = of.iter().map(|(user, _)| user.as_str()).collect();
            let users: Vec<Value> = users.into_iter().map(Value::from).collect();
            let sql = sent_sql(since.is_some_and(|since| since <= after));
            for row in select_in(&mut On::Tx(tx), &sql, &args![workspace, after], &users).await? {
                sent.entry(row.text(0)?).or_default().push(row.int(1)?);
            }
        }
        let campaigns: BTreeSet<&str> = of.iter().map(|(_, campaign)| campaign.as_str()).collect();
        let mut days = BTreeMap::new();
        for campaign in campaigns {
            if let Some(daily) = project.campaign(campaign).and_then(|campaign| campaign.per_day.as_ref()) {
                let ends_at = policy::day_ends(daily, now);
                let used = used(tx, workspace, campaign, ends_at).await?;
                days.insert(campaign.to_string(), Day { ends_at, used });
            }
        }
        Ok(Policies { workspace, project, now, sent, days, sendings: vec![] })
    }

    /// What becomes of a message. One that is sent counts for those that come after it.
    pub fn decide(&mut self, message: &Candidate<'_>) -> Decision {
        let day = self.days.get_mut(message.about.campaign).filter(|_| !message.again);
        let before = Before {
            user: self.sent.get(message.user).map_or(&[][..], Vec::as_slice),
            today: day.as_ref().map(|day| day.used),
        };
        let decision = policy::decide(self.project, message.about, before, self.now);
        if decision == Decision::Send {
            if let Some(day) = day {
                day.used += 1;
            }
            if policy::looks_back(self.project).is_some() {
                self.sent.entry(message.user.into()).or_default().push(self.now);
                self.sendings.push(args![self.workspace, message.user, self.now, message.id]);
            }
        }
        decision
    }

    /// Writes down what is taken.
    pub async fn close(self, tx: &mut Tx) -> Result<()> {
        insert(tx, &SENDINGS, self.sendings).await?;
        for (campaign, day) in self.days {
            let sql = "UPDATE campaign_days SET used = ? WHERE workspace = ? AND campaign = ? AND ends_at = ?";
            tx.run(sql, args![day.used, self.workspace, campaign, day.ends_at]).await?;
        }
        Ok(())
    }
}

/// How much of a day is used up; it stays so until the transaction ends.
async fn used(tx: &mut Tx, workspace: &str, campaign: &str, ends_at: i64) -> Result<u32> {
    insert(tx, &DAYS, vec![args![workspace, campaign, ends_at, 0]]).await?;
    let sql = format!(
        "SELECT used FROM campaign_days WHERE workspace = ? AND campaign = ? AND ends_at = ?{}",
        for_update(tx.kind())
    );
    let row = tx.row(sql, args![workspace, campaign, ends_at]).await?;
    Ok(row.ok_or_else(|| Error::Internal("a day that was just made is gone".into()))?.int(0)? as u32)
}

/// When messages of campaigns were handed over that were perhaps accepted: as it was noted, or as the ledger has it.
fn sent_sql(noted: bool) -> String {
    let handed: Vec<String> = Status::ALL
        .into_iter()
        .filter(|status| status.is_handed_over())
        .map(|status| format!("'{}'", status.name()))
        .collect();
    let handed = handed.join(", ");
    match noted {
        true => format!(
            "SELECT s.user_id, MAX(s.at) FROM sendings s JOIN messages m ON m.id = s.message \
             WHERE s.workspace = ? AND s.at > ? AND m.status IN ({handed}) AND s.user_id IN ({{}}) \
             GROUP BY s.user_id, s.message"
        ),
        false => format!(
            "SELECT user_id, COALESCE(sent_at, updated_at) FROM messages WHERE workspace = ? AND campaign IS NOT NULL \
             AND COALESCE(sent_at, updated_at) > ? AND status IN ({handed}) AND user_id IN ({{}})"
        ),
    }
}

const SENDINGS: Table = Table {
    name: "sendings",
    columns: &["workspace", "user_id", "at", "message"],
    key: &["workspace", "user_id", "at", "message"],
    existing: Existing::Stays,
};
const DAYS: Table = Table {
    name: "campaign_days",
    columns: &["workspace", "campaign", "ends_at", "used"],
    key: &["workspace", "campaign", "ends_at"],
    existing: Existing::Stays,
};
