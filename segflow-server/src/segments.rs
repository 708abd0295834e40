//! What is done for whole segments beside the engine: raw SQL on its period, segments that somebody wants gone through again, and how many
//! users there are in each, hour by hour.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use segflow_core::ids;
use segflow_core::project::Project;
use segflow_core::protocol::{Rule, Segment};

use crate::clock::Clock;
use crate::deploy::Deploy;
use crate::ownership::{Held, Ownership};
use crate::store::runs::{self, How, Off, Run, Verdicts};
use crate::store::{Error, Result, Store, deployments, segments};

/// An hour in ms.
const HOUR: i64 = 3_600_000;

pub struct Segments {
    store: Store,
    deploy: Deploy,
    clock: Clock,
    ownership: Arc<Ownership>,
    /// There is something for the engine.
    wake: Arc<tokio::sync::Notify>,
    /// By workspace: the hour whose sizes were kept last.
    kept: Mutex<BTreeMap<String, i64>>,
    /// What a query about all has answered, as long as its verdicts are being told.
    asked: Mutex<Option<(Run, Arc<Verdicts>)>>,
}

/// What a tick has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Went {
    /// One chunk further.
    On,
    /// Nowhere: the engine has to work off what it was told first, or everybody's news would stand behind it.
    Nowhere,
    /// Nothing is due.
    Home,
}

impl Segments {
    pub fn new(
        store: Store,
        deploy: Deploy,
        clock: Clock,
        ownership: Arc<Ownership>,
        wake: Arc<tokio::sync::Notify>,
    ) -> Segments {
        Segments { store, deploy, clock, ownership, wake, kept: Mutex::default(), asked: Mutex::default() }
    }

    /// Runs ticks until nothing is due. Returns whether there was anything.
    pub async fn drain(&self) -> Result<bool> {
        let mut worked = false;
        while self.tick().await? == Went::On {
            worked = true;
        }
        Ok(worked)
    }

    /// Goes on with a run that is due.
    pub async fn tick(&self) -> Result<Went> {
        let Held { incarnation, buckets } = self.ownership.held();
        if buckets.is_empty() {
            return Ok(Went::Home);
        }
        let (db, now) = (&self.store.db, self.clock.now());
        let Some(run) = runs::due(db, &buckets, now).await? else {
            *self.asked.lock().expect("no panic while held") = None;
            return Ok(Went::Home);
        };
        let project = self.deploy.project(&run.workspace).await?;
        let ends_here = |error: &Error| error.is_away() || matches!(error, Error::Fenced);
        let done = match self.how(&project, &run, now).await {
            Ok(Some(How::Whole(_))) if runs::is_enough(db, &buckets).await? => return Ok(Went::Nowhere),
            Ok(Some(how)) => runs::go_on(db, &incarnation, &run, &how, now).await,
            Ok(None) => {
                runs::put_off(db, &run, Off::Gone, now).await?;
                return Ok(Went::On);
            }
            Err(error) => Err(error),
        };
        match done {
            Ok(()) => self.wake.notify_one(),
            Err(error) if ends_here(&error) => return Err(error),
            Err(error) => {
                tracing::warn!(workspace = run.workspace, segment = run.segment, %error, "a segment could not be gone through");
                let is_sql = |s: &Segment| s.id == run.segment && matches!(s.rule, Rule::Sql(_));
                let off = match project.manifest.segments.iter().any(is_sql) {
                    true => Off::Failed(error.to_string()),
                    false => Off::Broken,
                };
                runs::put_off(db, &run, off, now).await?;
            }
        }
        Ok(Went::On)
    }

    /// `None`: there is no such segment any more.
    async fn how(&self, project: &Project, run: &Run, now: i64) -> Result<Option<How>> {
        let Some(index) = project.manifest.segments.iter().position(|s| s.id == run.segment) else { return Ok(None) };
        Ok(Some(match &project.manifest.segments[index].rule {
            Rule::Expr(_) => How::Everybody,
            Rule::Sql(sql) if project.depends_on(index).other_users => How::Whole(self.verdicts(run, sql, now).await?),
            Rule::Sql(sql) => How::Scoped(sql.clone()),
        }))
    }

    /// Asked once for all chunks of a run.
    async fn verdicts(&self, run: &Run, sql: &str, now: i64) -> Result<Arc<Verdicts>> {
        let known = |asked: &Option<(Run, Arc<Verdicts>)>| {
            let (of, verdicts) = asked.as_ref()?;
            of.is_one_with(run).then(|| verdicts.clone())
        };
        if let Some(verdicts) = known(&self.asked.lock().expect("no panic while held")) {
            return Ok(verdicts);
        }
        let members = segments::everyone(&self.store.db, &run.workspace, sql, now).await?;
        let verdicts = Arc::new(Verdicts { members: members.into_iter().collect(), rule: ids::seed(sql) });
        *self.asked.lock().expect("no panic while held") = Some((run.clone(), verdicts.clone()));
        Ok(verdicts)
    }

    /// Keeps the sizes of this hour, if nobody has yet.
    pub async fn keep_sizes(&self) -> Result<()> {
        let (db, now) = (&self.store.db, self.clock.now());
        let hour = now.div_euclid(HOUR);
        let Held { buckets, .. } = self.ownership.held();
        for (workspace, _) in deployments::workspaces(db).await? {
            let is_kept = self.kept.lock().expect("no panic while held").get(&workspace) == Some(&hour);
            if is_kept || !buckets.contains(&ids::bucket(&workspace, "")) {
                continue;
            }
            let project = self.deploy.project(&workspace).await?;
            let segments: Vec<String> = project.manifest.segments.iter().map(|s| s.id.clone()).collect();
            runs::keep_sizes(db, &workspace, &segments, now).await?;
            self.kept.lock().expect("no panic while held").insert(workspace, hour);
        }
        Ok(())
    }

    pub async fn next_due(&self) -> Result<Option<i64>> {
        runs::next_due(&self.store.db).await
    }
}
