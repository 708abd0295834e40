//! Addresses that a provider refuses at once.

use std::sync::Arc;

use segflow_core::ledger::Outcome;
use segflow_core::notice::{Notice, What};
use segflow_core::project::Project;

use super::{Delivery, PAUSE};
use crate::store::ledger::{Claimed, Report};
use crate::store::notices;

impl Delivery {
    /// What was refused because of its address is told like a bounce that comes later: the address, flows and segments hear of it. It is told
    /// before the outcome is written, since a server that dies in between leaves a message that is `sending`, which what was told settles.
    pub(super) async fn note_bounces(&self, project: &Arc<Project>, claimed: &[Claimed], reports: &[Report]) {
        let bounced = |(claimed, report): (&Claimed, &Report)| {
            let Outcome::Bounced { bounce, why } = &report.outcome else { return None };
            let what = What::Bounced { bounce: *bounce, why: why.clone() };
            let (message, address) = (Some(claimed.id.clone()), claimed.to.clone().ok());
            Some(Notice { message, provider_id: None, address, at: None, what })
        };
        let told: Vec<Notice> = claimed.iter().zip(reports).filter_map(bounced).collect();
        let (Some(first), Some(report)) = (claimed.first(), reports.first()) else { return };
        if told.is_empty() {
            return;
        }
        let source = notices::Source {
            workspace: first.workspace.clone(),
            provider: Some(report.provider.clone()),
            now: self.clock.now(),
            is_virtual: self.clock.is_virtual(),
        };
        loop {
            match notices::note(&self.store.db, project, source.clone(), told.clone()).await {
                Ok(_) => return self.wake.notify_one(),
                Err(error) if error.is_away() => {
                    tracing::warn!(%error, bounces = told.len(), "bounces wait for the database");
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return tracing::error!(%error, bounces = told.len(), "bounces could not be noted"),
            }
        }
    }
}
