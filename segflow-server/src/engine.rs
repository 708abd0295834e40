//! The engine's loop body: find users with something to do, load them, decide, commit; again until nothing is left.
//!
//! One tick runs at a time, so at most one decision per user is in flight. Deciding is pure and runs on blocking threads.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt};
use segflow_core::enrollment::{HALF_FULL, shortened};
use segflow_core::ledger::Origin;
use segflow_core::project::Project;
use segflow_core::step::{Decision, Needs, Stop, Work, step};
use segflow_core::{Code, PluginError};

use crate::clock::{Clock, monotonic};
use crate::deploy::Deploy;
use crate::live::Live;
use crate::ownership::{Held, Ownership};
use crate::ready::Ready;
use crate::store::behind::{Behind, Wanted};
use crate::store::decide::{self, Group};
use crate::store::history::{Detail, Reading};
use crate::store::ledger::Due;
use crate::store::{Error, Result, Store, engine as rows, park, runs, tallies};

/// The most users in one commit. Whoever has just reported something waits for the tick that is under way, so it must not take long.
const GROUP: usize = 128;

/// How many groups are worked for at once: while one is being committed, the next is loaded and decided.
const GROUPS: usize = 2;

/// How long a user whose step could not be run is left alone.
const COOL_DOWN: Duration = Duration::from_secs(5);

pub struct Engine {
    store: Store,
    deploy: Deploy,
    clock: Clock,
    ownership: Arc<Ownership>,
    live: Live,
    ready: Arc<Ready>,
    /// One tick at a time.
    turnstile: tokio::sync::Mutex<Turn>,
    /// Workspaces that the next tick is to look through for users who are behind.
    told: Mutex<BTreeSet<String>>,
    /// Workspaces in which some users may not have been held against the current generation.
    behind: Mutex<BTreeSet<String>>,
    sieves: Behind,
    /// Users whose step could not be run, and until when they are left alone.
    cooling: Mutex<HashMap<(String, String), Instant>>,
}

/// How a tick goes on where the last one stopped.
#[derive(Default)]
struct Turn {
    /// The bucket that it begins with.
    first: u16,
    /// Users who are behind, found while the last tick worked, and the buckets that it worked for.
    found: rows::Busy,
    buckets: BTreeSet<u16>,
}

impl Engine {
    pub fn new(
        store: Store,
        deploy: Deploy,
        clock: Clock,
        ownership: Arc<Ownership>,
        live: Live,
        ready: Arc<Ready>,
    ) -> Engine {
        Engine {
            store,
            deploy,
            clock,
            ownership,
            live,
            ready,
            turnstile: tokio::sync::Mutex::default(),
            told: Mutex::default(),
            behind: Mutex::default(),
            sieves: Behind::default(),
            cooling: Mutex::default(),
        }
    }

    /// After a push, a start, or with buckets that another server had: users may be behind in this workspace. A tick that is under way
    /// knows nothing of it, so it is the next one that looks.
    pub fn may_be_behind(&self, workspace: &str) {
        self.told.lock().expect("no panic while held").insert(workspace.to_string());
    }

    /// Waits until the tick that is under way has ended: what was no longer held before is worked for by nobody after.
    pub async fn turn(&self) {
        drop(self.turnstile.lock().await);
    }

    /// Runs ticks until nothing is due. Returns whether there was anything.
    pub async fn drain(&self) -> Result<bool> {
        let mut worked = false;
        while self.tick().await? {
            worked = true;
        }
        Ok(worked)
    }

    /// Works for some of the users who are due now. `false`: there are none.
    pub async fn tick(&self) -> Result<bool> {
        let mut turn = self.turnstile.lock().await;
        let now = self.clock.now();
        // Before it is read who there is and which generation it is: whoever tells later is heard by the next tick.
        let mut told = std::mem::take(&mut *self.told.lock().expect("no panic while held"));
        told.extend(self.deploy.take_pushed());
        let behind = {
            let mut behind = self.behind.lock().expect("no panic while held");
            behind.extend(told);
            behind.clone()
        };
        let Held { incarnation, buckets } = self.ownership.held();
        if buckets.is_empty() {
            return Ok(false);
        }
        let cooling = self.cooling();
        let busy = rows::busy(&self.store.db, &buckets, turn.first, now, GROUPS * GROUP, &cooling);
        let (told, mut due, next) = busy.await?;
        turn.first = next;
        // Of other buckets they are perhaps another server's by now; the look finds anew whoever is not.
        if turn.buckets == buckets {
            std::mem::take(&mut turn.found)
                .into_iter()
                .for_each(|(of, users)| due.entry(of).or_default().extend(users));
        }
        // News before what is only due. A user who has both is in a group once.
        for (workspace, users) in &told {
            if let Some(due) = due.get_mut(workspace) {
                due.retain(|user| !users.contains(user));
            }
        }
        let (mut groups, mut busy) = (vec![], rows::Busy::new());
        for (workspace, mut users) in told.into_iter().chain(due) {
            if let Some(cooling) = cooling.get(&workspace) {
                users.retain(|user| !cooling.contains(user));
            }
            if behind.contains(&workspace) {
                busy.entry(workspace.clone()).or_default().extend(users.iter().cloned());
            }
            let users: Vec<String> = users.into_iter().collect();
            groups.extend(users.chunks(GROUP).map(|part| (workspace.clone(), part.iter().cloned().collect())));
        }
        let work = groups.into_iter().map(|(workspace, users): (String, BTreeSet<String>)| {
            let incarnation = &incarnation;
            async move { self.work_for(incarnation, &workspace, &users, now).await }
        });
        // All are seen through, also when one fails: nothing is under way when a tick has ended.
        let working = stream::iter(work).buffer_unordered(GROUPS).collect::<Vec<Result<bool>>>();
        let (done, found) = tokio::join!(working, self.catch_up(&incarnation, &buckets, behind, &busy, now));
        let (found, went_on) = found?;
        let begun = went_on || !found.is_empty();
        (turn.found, turn.buckets) = (found, buckets);
        done.into_iter().try_fold(begun, |worked, one| Ok(worked | one?))
    }

    /// Looks for users who are behind a push and not busy: some of them, for the next tick, and whether there were others, whom the push
    /// does not concern.
    async fn catch_up(
        &self,
        incarnation: &str,
        buckets: &BTreeSet<u16>,
        behind: BTreeSet<String>,
        busy: &rows::Busy,
        now: i64,
    ) -> Result<(rows::Busy, bool)> {
        let (mut users, mut went_on) = (rows::Busy::new(), false);
        for workspace in behind {
            let project = self.deploy.project(&workspace).await?;
            let mut not = self.cooling().remove(&workspace).unwrap_or_default();
            not.extend(busy.get(&workspace).into_iter().flatten().cloned());
            let wanted = Wanted { buckets, not: &not };
            let looking = self.sieves.look(&self.store.db, incarnation, &wanted, &workspace, &project, now);
            match looking.await? {
                Some(found) => {
                    went_on |= found.went_on;
                    if !found.users.is_empty() {
                        users.insert(workspace, found.users);
                    }
                }
                None => drop(self.behind.lock().expect("no panic while held").remove(&workspace)),
            }
        }
        Ok((users, went_on))
    }

    /// Users who are left alone for now.
    fn cooling(&self) -> rows::Busy {
        let (mut cooling, now) = (self.cooling.lock().expect("no panic while held"), monotonic());
        cooling.retain(|_, until| *until > now);
        let mut alone = rows::Busy::new();
        for (workspace, user) in cooling.keys() {
            alone.entry(workspace.clone()).or_default().insert(user.clone());
        }
        alone
    }

    fn cool(&self, workspace: &str, user: &str) {
        let until = monotonic() + COOL_DOWN;
        self.cooling.lock().expect("no panic while held").insert((workspace.into(), user.into()), until);
    }

    async fn work_for(&self, incarnation: &str, workspace: &str, users: &BTreeSet<String>, now: i64) -> Result<bool> {
        let project = match self.deploy.project(workspace).await {
            Ok(project) => project,
            Err(error) if error.is_away() => return Err(error),
            Err(error) => {
                tracing::error!(workspace, %error, "a project cannot be read; its users are tried again");
                users.iter().for_each(|user| self.cool(workspace, user));
                return Ok(true);
            }
        };
        let (mut parts, mut worked) = (vec![users.clone()], false);
        while let Some(users) = parts.pop() {
            match self.decide_for(incarnation, workspace, &project, &users, now).await {
                Ok(some) => worked |= some,
                Err(Failed::Whole(error)) => return Err(error),
                // Whose rows cannot be read is found by halves, so that all others go on.
                Err(Failed::Read(error)) => {
                    worked = true;
                    let users: Vec<String> = users.into_iter().collect();
                    if let [user] = &users[..] {
                        tracing::error!(workspace, user, %error, "what is stored of a user cannot be read; it is tried again");
                        self.cool(workspace, user);
                        continue;
                    }
                    tracing::warn!(workspace, %error, "what is stored of a group cannot be read; looking for the culprit");
                    let (left, right) = users.split_at(users.len() / 2);
                    parts.extend([right, left].map(|part| part.iter().cloned().collect()));
                }
            }
        }
        Ok(worked)
    }

    /// Loads, decides and commits for users of one workspace; whether there was anything to do.
    async fn decide_for(
        &self,
        incarnation: &str,
        workspace: &str,
        project: &Arc<Project>,
        users: &BTreeSet<String>,
        now: i64,
    ) -> std::result::Result<bool, Failed> {
        let (mut users, mut more, mut worked) = (users.clone(), vec![], false);
        let detail = Detail::Keeping(tallies::SIZES);
        let reading = Reading { db: &self.store.db, project, workspace, now, detail };
        // Those whose flows ask about events that were not loaded are decided about anew, with them.
        while !users.is_empty() {
            let loaded = rows::load(&reading, &users, &more).await.map_err(Failed::reading)?;
            if loaded.work.is_empty() && loaded.orphans.is_empty() {
                break;
            }
            worked = true;
            users.clear();
            let codes = self.codes(project, &loaded.work).await;
            let mut decisions = vec![];
            let decided = decide_all(project.clone(), loaded.work, codes, now).await.map_err(Failed::Whole)?;
            for (user, result) in decided {
                match result {
                    Ok(decision) => decisions.push(decision),
                    Err(Stop::Missing(asked)) => {
                        more.extend(asked);
                        users.insert(user);
                    }
                    Err(Stop::Plugin(error)) => {
                        tracing::warn!(workspace, user, %error, "a step could not be run; it is tried again");
                        self.cool(workspace, &user);
                    }
                }
            }
            let group = Group {
                incarnation: incarnation.to_string(),
                workspace: workspace.to_string(),
                generation: project.generation,
                decisions,
                orphans: loaded.orphans,
                now,
            };
            // Before it is decided that they stay as they are: whoever is forgotten here would not be asked about again.
            for (segment, (until, why)) in &loaded.rests {
                let every = project.manifest.segments.iter().find(|s| s.id == *segment).and_then(|s| s.every);
                let rest = runs::Rest { segment, every, until: *until, why };
                runs::rest(&self.store.db, workspace, &rest, now).await.map_err(Failed::Whole)?;
            }
            self.commit(group).await.map_err(Failed::Whole)?;
        }
        Ok(worked)
    }

    /// The code that these steps run: of the current deployment, and of those that enrollments have started on.
    async fn codes(&self, project: &Project, work: &[(Work, Needs)]) -> HashMap<String, Result<Code, PluginError>> {
        let old = work.iter().flat_map(|(work, _)| &work.enrollments).map(|e| e.deployment.clone());
        let wanted: BTreeSet<String> = old.chain([project.deployment.clone()]).filter(|id| !id.is_empty()).collect();
        let mut codes = HashMap::new();
        for id in wanted {
            let code = self.deploy.code(&id).await.map_err(|e| PluginError::Unavailable(e.to_string()));
            codes.insert(id, code);
        }
        codes
    }

    /// Commits a group. What makes a whole group fail is found by halving it; it is parked, and the others are committed.
    async fn commit(&self, group: Group) -> Result<()> {
        let mut groups = vec![group];
        while let Some(group) = groups.pop() {
            let group = Arc::new(group);
            match decide::commit(&self.store.db, group.clone()).await {
                Ok(committed) => {
                    let done = group.decisions.iter().zip(&committed).filter(|(_, done)| **done);
                    for (decision, _) in done {
                        self.live.decision(decision, group.now);
                        warn_of_long_journals(&group.workspace, decision);
                        self.hand_over(&group.workspace, decision);
                        metrics::counter!("segflow_messages_decided_total").increment(decision.messages.len() as u64);
                    }
                    // Delivery begins with what there is, while the rest is being decided.
                    self.ready.tell();
                    let dropped = committed.iter().filter(|done| !**done).count();
                    metrics::counter!("segflow_decisions_total").increment((committed.len() - dropped) as u64);
                    metrics::counter!("segflow_decisions_dropped_total").increment(dropped as u64);
                }
                Err(error) if error.is_away() || matches!(error, Error::Fenced) => return Err(error),
                Err(error) if group.decisions.len() > 1 => {
                    tracing::warn!(workspace = group.workspace, %error, "a group could not be committed; looking for the culprit");
                    let (left, right) = group.decisions.split_at(group.decisions.len() / 2);
                    for (decisions, orphans) in [(left, group.orphans.clone()), (right, vec![])] {
                        groups.push(Group {
                            incarnation: group.incarnation.clone(),
                            workspace: group.workspace.clone(),
                            generation: group.generation,
                            decisions: decisions.to_vec(),
                            orphans,
                            now: group.now,
                        });
                    }
                }
                Err(error) => self.park(&group, &error).await,
            }
        }
        Ok(())
    }

    fn hand_over(&self, workspace: &str, decision: &Decision) {
        self.ready.add(decision.messages.iter().map(|message| Due {
            workspace: workspace.into(),
            user: decision.user.clone(),
            id: message.id.clone(),
            transaction: matches!(message.origin, Origin::Transaction { .. }),
        }));
    }

    /// Parks the enrollments of a decision that cannot be committed, so that they say why and nothing else is held up.
    async fn park(&self, group: &Group, error: &Error) {
        let Some(decision) = group.decisions.first() else { return };
        let workspace = &group.workspace;
        tracing::error!(workspace, user = decision.user, %error, "a decision could not be committed");
        self.cool(workspace, &decision.user);
        let reason = shortened(format!("what it decided could not be stored: {error}"));
        if let Err(error) = park::all_of(&self.store.db, &group.incarnation, decision, reason, group.now).await {
            tracing::error!(workspace, %error, "and it could not be parked");
        }
    }

    /// The earliest instant at which something is due.
    pub async fn next_due(&self) -> Result<Option<i64>> {
        rows::next_due(&self.store.db).await
    }
}

/// A flow that is to go on for ever says nothing in production before it is parked, if nobody looks at its log.
fn warn_of_long_journals(workspace: &str, decision: &Decision) {
    for (campaign, line) in decision.logs.iter().filter(|(_, line)| line.starts_with(HALF_FULL)) {
        tracing::warn!(workspace, user = decision.user, campaign, "{line}");
    }
}

/// Why a group could not be worked for.
enum Failed {
    /// Something that is stored of one of its users, perhaps.
    Read(Error),
    /// Nothing that is a user's.
    Whole(Error),
}

impl Failed {
    fn reading(error: Error) -> Failed {
        if error.is_away() || matches!(error, Error::Fenced) { Failed::Whole(error) } else { Failed::Read(error) }
    }
}

type Decided = Vec<(String, Result<Decision, Stop>)>;

/// Decides for a batch of users, on as many threads as there are cores.
async fn decide_all(
    project: Arc<Project>,
    work: Vec<(Work, Needs)>,
    codes: HashMap<String, Result<Code, PluginError>>,
    now: i64,
) -> Result<Decided> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(work.len().max(1));
    let mut parts: BTreeMap<usize, Vec<(Work, Needs)>> = BTreeMap::new();
    for (index, item) in work.into_iter().enumerate() {
        parts.entry(index % threads).or_default().push(item);
    }
    let codes = Arc::new(codes);
    let tasks: Vec<_> = parts
        .into_values()
        .map(|part| {
            let (project, codes) = (project.clone(), codes.clone());
            tokio::task::spawn_blocking(move || {
                let plugins = |id: &str| {
                    codes
                        .get(id)
                        .cloned()
                        .unwrap_or_else(|| Err(PluginError::Unavailable(format!("no deployment {id}"))))
                };
                let decide = |(work, needs): (Work, Needs)| {
                    let user = work.user.id.clone();
                    (user, step(&project, work, &needs, &plugins, now))
                };
                part.into_iter().map(decide).collect::<Decided>()
            })
        })
        .collect();
    let mut decided = vec![];
    for task in tasks {
        decided.extend(task.await.map_err(|e| Error::Internal(format!("deciding failed: {e}")))?);
    }
    Ok(decided)
}
