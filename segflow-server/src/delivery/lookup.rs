//! Asks providers about messages that they perhaps have. One question after the other, apart from sending, and only of providers that are
//! well: nobody waits for an answer.

use std::time::Duration;

use segflow_core::ledger::Status;
use segflow_core::ledger::lookup::Found;
use segflow_core::protocol::Stream;

use super::Delivery;
use super::provider::Sought;
use super::way::Way;
use crate::store::Result;
use crate::store::lookups::{self, Due};

/// The most questions at a time.
const ASKED: usize = 64;

/// Between two questions: no more than ten a second from each server.
const SPACE: Duration = Duration::from_millis(100);

/// For how long a provider is asked nothing more that could not be asked, or takes no messages just now, in ms.
const REST: i64 = 60_000;

impl Delivery {
    /// Asks some of what is to be asked; how much that was.
    pub async fn ask(&self) -> Result<usize> {
        let _one_at_a_time = self.asking.lock().await;
        let (now, held) = (self.clock.now(), self.ownership.held());
        if held.buckets.is_empty() {
            return Ok(0);
        }
        let due = lookups::due(&self.store.db, &held.buckets, now, ASKED).await?;
        let count = due.len();
        for ((workspace, provider), due) in lookups::by_provider(due) {
            self.ask_provider(&workspace, &provider, due, now).await?;
        }
        Ok(count)
    }

    async fn ask_provider(&self, workspace: &str, provider: &str, due: Vec<Due>, now: i64) -> Result<()> {
        let way = match self.way(workspace, provider).await? {
            Some(way) => way,
            None => {
                let why = "the project has no such provider now, or it cannot be used";
                for due in &due {
                    self.learn(due, Found::Unsaid(why.into()), now).await?;
                }
                return Ok(());
            }
        };
        if !self.router.may_be_asked(&way) {
            return lookups::put_off(&self.store.db, ids(&due), now.saturating_add(REST)).await;
        }
        let mut left = due.into_iter();
        while let Some(due) = left.next() {
            let sought = Sought { id: due.message.clone(), transaction: due.transaction };
            let Some(search) = way.made.provider.look_up(&sought) else {
                let all: Vec<Due> = std::iter::once(due).chain(left).collect();
                return lookups::forget(&self.store.db, ids(&all)).await;
            };
            let found = search.await;
            let is_silent = matches!(found, Found::Unsaid(_));
            self.learn(&due, found, now).await?;
            if is_silent {
                // The others are no better off.
                let rest: Vec<Due> = left.collect();
                return lookups::put_off(&self.store.db, ids(&rest), now.saturating_add(REST)).await;
            }
            if !self.clock.is_virtual() {
                tokio::time::sleep(SPACE).await;
            }
        }
        Ok(())
    }

    /// A provider of a project, whatever it takes.
    async fn way(&self, workspace: &str, provider: &str) -> Result<Option<Way>> {
        let project = self.deploy.project(workspace).await?;
        for stream in Stream::ALL {
            let ways = self.router.ways(workspace, &project, stream).await?.unwrap_or_default();
            if let Some(way) = ways.into_iter().find(|way| way.key.id == provider) {
                return Ok(Some(way));
            }
        }
        Ok(None)
    }

    async fn learn(&self, about: &Due, found: Found, now: i64) -> Result<()> {
        let word = match &found {
            Found::Here { .. } => "found",
            Found::Nowhere => "not_found",
            Found::Unsaid(_) => "unsaid",
        };
        metrics::counter!("segflow_lookups_total", "answer" => word).increment(1);
        let Due { message, provider, template, user, origin, .. } = about;
        let Some(transition) = lookups::answer(&self.store.db, about, found, now).await? else { return Ok(()) };
        let what = match transition.status {
            Status::Sent => format!("✉ {template} → {provider} has it, see /v1/messages/{message}"),
            Status::Pending => format!("{template} is tried again: {provider} does not know it"),
            _ => format!("? {template} perhaps sent, and {provider} does not say"),
        };
        self.live.message(now, user, origin, what);
        Ok(())
    }
}

fn ids(due: &[Due]) -> Vec<String> {
    due.iter().map(|due| due.message.clone()).collect()
}
