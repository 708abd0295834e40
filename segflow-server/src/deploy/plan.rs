//! Planning and applying a push.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::body::Bytes;
use segflow_core::project::Project;
use segflow_core::protocol::{InFlight, Manifest, Problem, Rule};
use segflow_core::step::{Needs, Preview, Work, preview};
use segflow_core::{Code, Plugin, ids};

use super::{
    ALLOWED_WITHOUT_A_WORD, Deploy, Estimate, Plan, PushError, PushOptions, content, diff, in_flight, validate,
};
use crate::plugin::sha256;
use crate::store::db::Db;
use crate::store::deployments::{self, Deployment};
use crate::store::history::{Detail, Reading};
use crate::store::sieve::{Sieve, sieve};
use crate::store::{self, behind, engine as rows, segments};

/// How many users are looked at together.
const CHUNK: usize = 256;

impl Deploy {
    /// Puts an earlier deployment in force again, as a push of its code.
    pub async fn activate(&self, workspace: &str, id: &str, options: PushOptions) -> Result<Plan, PushError> {
        let db = &self.inner.store.db;
        let unknown = || store::Error::NotFound(format!("deployment `{id}`"));
        let found = deployments::get(db, id).await?.filter(|d| d.workspace == workspace).ok_or_else(unknown)?;
        let wasm = deployments::module(db, &found.sha256).await.map_err(|error| match error {
            store::Error::NotFound(_) => store::Error::Conflict(format!(
                "the code of deployment `{id}` is not kept any more: nobody runs on it, and nothing was sent by it"
            )),
            other => other,
        })?;
        self.push(workspace, wasm.into(), options).await
    }

    /// Plans a push, and applies it unless it is a dry run. All of it or none of it.
    pub async fn push(&self, workspace: &str, wasm: Bytes, options: PushOptions) -> Result<Plan, PushError> {
        let inner = &self.inner;
        let db = &inner.store.db.for_guests();
        let now = inner.inputs.clock.now();
        let sha = sha256(&wasm);
        let before = deployments::current(db, workspace).await?;
        let base = before.as_ref().map_or(0, |d| d.generation);
        if options.base.is_some_and(|expected| expected != base) {
            return Err(PushError::Passed { current: base });
        }
        // The same code again is nothing, unless it is to be brought to those on earlier code.
        let moves = options.in_flight.is_some_and(|policy| policy != InFlight::Pin);
        let same = before.as_ref().filter(|d| d.sha256 == sha && !moves);
        let (manifest, plugin, found) = match same {
            Some(d) => (d.manifest.clone(), None, content::Found::default()),
            None => {
                let (manifest, plugin, found) = self.describe(&sha, &wasm).await?;
                (manifest, Some(plugin), found)
            }
        };
        if let Some(plugin) = &plugin {
            let mut problems = validate::problems(db, plugin.clone(), &manifest, now).await;
            problems.extend(found.problems);
            if !problems.is_empty() {
                return Err(refused(problems));
            }
        }
        let in_flight = in_flight::policies(&manifest, options.in_flight);
        let old = before.as_ref().map(|d| &d.manifest);
        let generation = if same.is_some() { base } else { base + 1 };
        let since = diff::since(before.as_ref().map(|d| (&d.manifest, &d.since)), &manifest, generation);
        let deployment =
            same.map_or_else(|| ids::derived("dep", &[workspace, &generation.to_string(), &sha]), |d| d.id.clone());
        let secrets = inner.inputs.secrets.of(workspace).await?;
        let mut plan = Plan {
            applied: false,
            changed: same.is_none(),
            base,
            generation,
            from: before.as_ref().map(|d| d.id.clone()),
            deployment: deployment.clone(),
            size: wasm.len(),
            changes: diff::changes(old, &manifest),
            segments: BTreeMap::new(),
            entering: 0,
            leaving: 0,
            in_flight: vec![],
            emails_24h: None,
            warnings: validate::warnings(&manifest, |name| secrets.get(name).is_some()),
        };
        plan.warnings.extend(validate::ways_out(&manifest, &found.no_way_out));
        plan.warnings.extend(found.warnings);
        if inner.inputs.production {
            plan.warnings.extend(validate::reachable(&manifest, inner.inputs.links.base(&manifest)));
        }
        if !plan.changed {
            return Ok(plan);
        }
        if diff::entries_differ(old, &manifest) {
            let mut candidate = Project::new(&deployment, generation, manifest.clone(), since.clone(), now)
                .with_sql(segments::dependencies);
            if let Some(old) = old {
                candidate = candidate.with_earlier(base, old);
            }
            let (kind, seen) = (db.kind(), Manifest::default());
            let sieve = sieve(kind, workspace, old.unwrap_or(&seen), base, &candidate, now);
            self.count(workspace, Arc::new(candidate), sieve, now, &mut plan).await?;
        }
        if let Some(plugin) = plugin {
            let code = Code { plugin, manifest: Arc::new(manifest.clone()) };
            plan.in_flight = in_flight::look(db, workspace, &code, &in_flight, now).await?;
            in_flight::note(&mut plan);
        }
        if options.dry_run {
            return Ok(plan);
        }
        let allowed = options.allow_enter.unwrap_or(ALLOWED_WITHOUT_A_WORD);
        if inner.inputs.production && plan.entering > allowed {
            return Err(PushError::TooMany { entering: plan.entering });
        }
        let new = Deployment {
            id: deployment,
            workspace: workspace.into(),
            generation,
            sha256: sha,
            manifest,
            since,
            in_flight,
            created_at: now,
        };
        if let Err(current) = deployments::apply(db, new, wasm.to_vec(), base).await? {
            return Err(PushError::Passed { current });
        }
        plan.applied = true;
        deployments::sweep(db).await?;
        inner.pushed.lock().expect("no panic while held").insert(workspace.to_string());
        inner.wake.notify_one();
        Ok(plan)
    }

    /// What a module declares, and what is found in its emails.
    async fn describe(
        &self,
        sha: &str,
        wasm: &Bytes,
    ) -> Result<(Manifest, Arc<dyn Plugin>, content::Found), PushError> {
        let (inner, sha, wasm) = (self.inner.clone(), sha.to_string(), wasm.clone());
        let asking = tokio::task::spawn_blocking(move || {
            let module = inner.host.load(&sha, &wasm).map_err(|rejected| PushError::Refused {
                code: rejected.code,
                detail: rejected.message.clone(),
                problems: vec![Problem { code: rejected.code.into(), message: rejected.message, place: None }],
            })?;
            let mut manifest = validate::describe(module.as_ref()).map_err(|problem| refused(vec![problem]))?;
            let found = content::add(module.as_ref(), &mut manifest);
            Ok((manifest, module as Arc<dyn Plugin>, found))
        });
        asking.await.map_err(|e| store::Error::Internal(format!("checking a module failed: {e}")))?
    }

    /// Holds every user whom it can concern against the new project, and counts who would enter and leave what.
    async fn count(
        &self,
        workspace: &str,
        candidate: Arc<Project>,
        sieve: Option<Sieve>,
        now: i64,
        plan: &mut Plan,
    ) -> Result<(), PushError> {
        let db = &self.inner.store.db.for_guests();
        let whole = compared(db, workspace, &candidate, plan, now).await?;
        let mut failing: BTreeMap<String, (u64, String)> = BTreeMap::new();
        let also: BTreeSet<String> = whole.values().flatten().cloned().collect();
        let (mut entering, mut leaving) = (BTreeMap::new(), BTreeMap::new());
        let mut members: BTreeMap<String, Estimate> = BTreeMap::new();
        let reading = Reading { db, project: &candidate, workspace, now, detail: Detail::Summed };
        let next =
            async |after: &str| behind::concerned_after(db, workspace, sieve.as_ref(), plan.base, after, &also).await;
        let mut found = next("").await?;
        while let Some((last, users)) = found {
            // While some are looked at, the next are searched for.
            let (previews, following) = tokio::join!(previews(&reading, &candidate, &whole, users), next(&last));
            found = following?;
            for (user, preview, failed) in previews? {
                for (segment, why) in failed {
                    failing.entry(segment).or_insert((0, why)).0 += 1;
                }
                preview.entering.into_iter().for_each(|id| *entering.entry(id).or_insert(0u64) += 1);
                preview.leaving.into_iter().for_each(|id| *leaving.entry(id).or_insert(0u64) += 1);
                preview.members.into_iter().for_each(|id| members.entry(id).or_default().add(&user));
            }
        }
        could_be_asked(db, workspace, &candidate, failing, now, plan)?;
        plan.entering = entering.values().sum();
        plan.leaving = leaving.values().sum();
        for change in &mut plan.changes {
            change.note = match (change.kind, change.change) {
                ("segment", '+' | '~') => match members.get(&change.id).map_or(0, |of| of.users) {
                    1 => "1 user".to_string(),
                    users => format!("{users} users"),
                },
                ("campaign", _) => {
                    let of = |counts: &BTreeMap<String, u64>| counts.get(&change.id).copied().unwrap_or(0);
                    match (of(&entering), of(&leaving)) {
                        (0, 0) => String::new(),
                        (enter, 0) => format!("{enter} enter"),
                        (0, leave) => format!("{leave} leave"),
                        (enter, leave) => format!("{enter} enter, {leave} leave"),
                    }
                }
                _ => String::new(),
            };
        }
        let differs = |id: &str| plan.changes.iter().any(|c| c.kind == "segment" && c.change != '=' && c.id == id);
        plan.segments = members.into_iter().filter(|(id, _)| differs(id)).collect();
        Ok(())
    }
}

/// Segments that a user could not be asked about, with the reasons.
type Failed = Vec<(String, String)>;

/// A segment whose query takes too long is refused: everybody's news would wait for it. One that only some users' data is too much for is
/// not, but they are left out of the counts.
fn could_be_asked(
    db: &Db,
    workspace: &str,
    candidate: &Project,
    failing: BTreeMap<String, (u64, String)>,
    now: i64,
    plan: &mut Plan,
) -> Result<(), PushError> {
    let mut problems = vec![];
    for (id, (users, why)) in failing {
        let segment = candidate.manifest.segments.iter().find(|segment| segment.id == id);
        let takes_too_long = match segment.map(|segment| &segment.rule) {
            Some(Rule::Sql(sql)) => db.breakers.rests(workspace, sql, now).is_some(),
            _ => false,
        };
        if takes_too_long {
            problems.push(too_much(&id, &why));
            continue;
        }
        let users = if users == 1 { "1 user".to_string() } else { format!("{users} users") };
        plan.warnings.push(format!("segment {id} cannot be asked about {users}, who stay as they are: {why}"));
    }
    if problems.is_empty() { Ok(()) } else { Err(refused(problems)) }
}

/// A segment that the database cannot answer.
fn too_much(segment: &str, why: &str) -> Problem {
    Problem {
        code: "segment_failed".into(),
        message: format!("its SQL cannot be answered: {why}; make it read less, or take it apart into segments"),
        place: Some(format!("segment {segment}")),
    }
}

/// What the candidate would change for each of these users.
async fn previews(
    reading: &Reading<'_>,
    candidate: &Arc<Project>,
    whole: &BTreeMap<String, BTreeSet<String>>,
    users: BTreeSet<String>,
) -> store::Result<Vec<(String, Preview, Failed)>> {
    let users: Vec<String> = users.into_iter().collect();
    let mut all = vec![];
    for users in users.chunks(CHUNK) {
        let mut loaded = rows::load(reading, &users.iter().cloned().collect(), &[]).await?;
        for (work, _) in &mut loaded.work {
            let id = &work.user.id;
            let verdicts = whole.iter().map(|(segment, members)| (segment.clone(), members.contains(id).into()));
            work.sql.extend(verdicts.collect::<Vec<_>>());
        }
        let (project, now) = (candidate.clone(), reading.now);
        let looking = tokio::task::spawn_blocking(move || {
            let one = |(work, needs): (Work, Needs)| {
                let unknown = work.sql.iter().filter(|(_, answered)| answered.holds.is_none());
                let why = |id: &String| loaded.rests.get(id).map(|(_, why)| why.clone());
                let failed = unknown.filter_map(|(id, a)| Some((id.clone(), a.failed.clone().or_else(|| why(id))?)));
                let (user, failed) = (work.user.id.clone(), failed.collect());
                (user, preview(&project, work, &needs, now), failed)
            };
            loaded.work.into_iter().map(one).collect::<Vec<_>>()
        });
        all.extend(looking.await.map_err(|e| store::Error::Internal(format!("planning failed: {e}")))?);
    }
    Ok(all)
}

/// Who is in those new segments that compare users with one another, by segment.
async fn compared(
    db: &Db,
    workspace: &str,
    candidate: &Project,
    plan: &Plan,
    now: i64,
) -> Result<BTreeMap<String, BTreeSet<String>>, PushError> {
    let (mut all, mut problems) = (BTreeMap::new(), vec![]);
    for (index, segment) in candidate.manifest.segments.iter().enumerate() {
        let differs = plan.changes.iter().any(|c| c.kind == "segment" && c.change != '=' && c.id == segment.id);
        if let (Rule::Sql(sql), true, true) = (&segment.rule, candidate.depends_on(index).other_users, differs) {
            match segments::everyone(db, workspace, sql, now).await {
                Ok(members) => drop(all.insert(segment.id.clone(), members)),
                Err(error) if error.is_away() => return Err(error.into()),
                Err(error) => problems.push(too_much(&segment.id, &error.to_string())),
            }
        }
    }
    if problems.is_empty() { Ok(all) } else { Err(refused(problems)) }
}

fn refused(problems: Vec<Problem>) -> PushError {
    let detail = match problems.as_slice() {
        [one] => one.message.clone(),
        many => format!("{} problems; the first: {}", many.len(), many[0].message),
    };
    PushError::Refused { code: "invalid_project", detail, problems }
}
