//! Routing: by which of its project's providers a message leaves, and when none takes any.
//!
//! What all servers have to know is in the database ([`store::providers`]); what a call says is heard here first, and only what changes
//! something is written there. Who takes what is decided by [`segflow_core::route`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use segflow_core::ledger::Outcome;
use segflow_core::project::Project;
use segflow_core::protocol::{Provider, Route, Stream};
use segflow_core::route::{Access, Breaker, Candidate, Change, Lane, Limits, Via, share};
use tokio::sync::Notify;

use super::registry::Registry;
use super::way::{Opening, Track, Way};
use crate::address;
use crate::clock::{Clock, Shared, monotonic};
use crate::secrets::Secrets;
use crate::store::providers::{self, Key, Leased, Turned, Wanted};
use crate::store::{Result, Store};

/// How often this server looks at what others have found out.
const LOOK: Duration = Duration::from_millis(200);

/// How often a provider is asked what it may send, in ms.
const ASKED: i64 = 900_000;

/// The name of what captures, in the ledger.
const CAPTURED: &str = "captured";

pub struct Router {
    store: Store,
    secrets: Secrets,
    registry: Registry,
    time: Shared,
    capture_all: bool,
    tracks: Mutex<BTreeMap<Key, Arc<Track>>>,
    looked: Mutex<Option<Instant>>,
    /// Something may go on.
    pub freed: Arc<Notify>,
}

/// What there is for the messages of a lane.
pub enum Room {
    For(Gate),
    /// For none just now.
    None,
    /// For none until a provider is well again, or has an allowance again.
    Closed,
    /// Not before somebody does something.
    Never(String),
}

/// The providers by which messages of a lane may leave now.
pub struct Gate {
    ways: Vec<Way>,
    stream: Stream,
    now: i64,
}

impl Gate {
    fn candidates(&self) -> Vec<Candidate> {
        self.ways.iter().map(|way| way.candidate(self.stream, self.now)).collect()
    }

    /// How many of some messages there is room for.
    pub fn room(&self, wanted: usize) -> usize {
        share(&mut self.candidates(), wanted).iter().sum()
    }

    /// Takes room for messages, those that are to prove a provider first.
    pub fn open(&self, wanted: usize) -> Vec<Opening> {
        let mut candidates = self.candidates();
        let shares = share(&mut candidates, wanted);
        let mut openings = vec![];
        for ((way, candidate), share) in self.ways.iter().zip(&candidates).zip(shares) {
            way.track.state().credit = candidate.credit;
            openings.extend(way.open(share, candidate.access == Access::Probe, self.stream));
        }
        openings.sort_by_key(|opening| !opening.probe);
        openings
    }
}

impl Router {
    pub fn new(store: Store, secrets: Secrets, registry: Registry, clock: Clock, capture_all: bool) -> Router {
        let time = Shared::new(clock);
        let (tracks, looked, freed) = (Mutex::default(), Mutex::default(), Arc::default());
        Router { store, secrets, registry, time, capture_all, tracks, looked, freed }
    }

    /// Learns what other servers have found out, from time to time.
    pub async fn refresh(&self) -> Result<()> {
        let asked = monotonic();
        if self.looked.lock().expect("no panic while held").is_some_and(|at| at.elapsed() < LOOK) {
            return Ok(());
        }
        let (now, all) = providers::all(&self.store.db).await?;
        self.time.learn(asked, now);
        for known in all {
            self.track(&known.key).state().learn(known);
        }
        *self.looked.lock().expect("no panic while held") = Some(asked);
        Ok(())
    }

    /// When a provider may be asked again that may not be now, in ms; only what is known here.
    pub fn next(&self) -> Option<i64> {
        let (now, tracks) = (self.time.now(), self.tracks.lock().expect("no panic while held"));
        tracks.values().filter_map(|track| track.state().next(now)).min()
    }

    /// For how long nothing changes by itself.
    pub fn quiet(&self) -> Option<Duration> {
        self.next().map(|next| Duration::from_millis(next.saturating_sub(self.time.now()).max(1) as u64))
    }

    fn track(&self, key: &Key) -> Arc<Track> {
        let mut tracks = self.tracks.lock().expect("no panic while held");
        if let Some(track) = tracks.get(key) {
            return track.clone();
        }
        let track = Arc::new(Track::new(key.clone()));
        tracks.insert(key.clone(), track.clone());
        track
    }

    /// The providers that take messages of a stream, in the order in which they are declared. An error is what has to be done first.
    pub async fn ways(
        &self,
        workspace: &str,
        project: &Project,
        stream: Stream,
    ) -> Result<std::result::Result<Vec<Way>, String>> {
        if self.capture_all {
            return Ok(Ok(vec![self.captured(workspace)]));
        }
        let declared = &project.manifest.providers;
        if declared.is_empty() {
            return Ok(Err("the project declares no provider: add `.provider(…)` and push".into()));
        }
        let secrets = self.secrets.of(workspace).await?;
        let (mut ways, mut why) = (vec![], None);
        for declared in declared.iter().filter(|declared| declared.route.takes(stream)) {
            let key = Key { workspace: workspace.into(), id: declared.id.clone() };
            let made = self.registry.get(workspace, declared, |name| secrets.get(name));
            let track = self.track(&key);
            self.note(&track, made.as_ref().err()).await?;
            match made {
                Ok(made) => ways.push(Way { key, route: declared.route.clone(), made, track }),
                Err(error) => why = why.or(Some(error)),
            }
        }
        let nobody = || format!("no provider of the project takes messages of {}", stream.name());
        Ok(if ways.is_empty() { Err(why.unwrap_or_else(nobody)) } else { Ok(ways) })
    }

    /// Whether each provider of a project would take mail, without sending any; `None` of one that cannot be asked.
    pub async fn examine(
        &self,
        workspace: &str,
        project: &Project,
    ) -> Result<Vec<(String, Option<std::result::Result<String, String>>)>> {
        let secrets = self.secrets.of(workspace).await?;
        let examine = |declared: &Provider| {
            let (id, made) = (declared.id.clone(), self.registry.get(workspace, declared, |name| secrets.get(name)));
            async move {
                let found = match made {
                    Err(why) => Some(Err(why)),
                    Ok(made) => match made.provider.examine() {
                        Some(asking) => Some(asking.await),
                        None => None,
                    },
                };
                (id, found)
            }
        };
        Ok(join_all(project.manifest.providers.iter().map(examine)).await)
    }

    fn captured(&self, workspace: &str) -> Way {
        let key = Key { workspace: workspace.into(), id: CAPTURED.into() };
        let track = self.track(&key);
        Way { key, route: Route::default(), made: self.registry.capture(), track }
    }

    /// That a provider cannot be made is for everybody to see.
    async fn note(&self, track: &Track, unusable: Option<&String>) -> Result<()> {
        if track.state().known.unusable.as_ref() == unusable {
            return Ok(());
        }
        providers::unusable(&self.store.db, &track.key, unusable.cloned()).await?;
        track.state().known.unusable = unusable.cloned();
        Ok(())
    }

    /// What room there is for messages of a lane.
    pub async fn room(&self, lane: &Lane, project: &Project) -> Result<Room> {
        let ways = match self.ways(&lane.workspace, project, lane.stream).await? {
            Ok(ways) => self.of_lane(ways, &lane.via),
            Err(why) => return Ok(Room::Never(why)),
        };
        for way in &ways {
            if way.has_changed() {
                self.turn(way, Breaker::Closed, None).await?;
            }
            self.ask(way);
        }
        self.fund(&ways, lane.stream).await?;
        let gate = Gate { ways, stream: lane.stream, now: self.time.now() };
        Ok(match gate.room(1) {
            0 if gate.candidates().iter().any(Candidate::is_up) => Room::None,
            0 => Room::Closed,
            _ => Room::For(gate),
        })
    }

    /// Whether a provider is well enough to be asked something that can wait.
    pub fn may_be_asked(&self, way: &Way) -> bool {
        matches!(way.track.state().health.access(self.time.now()), Access::Free | Access::Probe)
    }

    /// Those that messages of a lane may take. Where there is nobody else, it is the one that could not take them.
    fn of_lane(&self, ways: Vec<Way>, via: &Via) -> Vec<Way> {
        let now = self.time.now();
        let there = |way: &Way| !matches!(way.track.state().health.access(now), Access::Shut(_));
        let some: Vec<Way> = match via {
            Via::Any => return ways,
            Via::Not(shunned) => ways.iter().filter(|way| way.key.id != *shunned && there(way)).cloned().collect(),
            Via::Only(account) => {
                ways.iter().filter(|way| way.made.provider.memory().as_ref() == Some(account)).cloned().collect()
            }
        };
        if some.is_empty() { ways } else { some }
    }

    /// How many others could take a message of a lane now, which its provider could not; nothing if there are no others.
    pub async fn others(&self, lane: &Lane, project: &Project, than: &Key) -> Result<Option<u32>> {
        let Ok(ways) = self.ways(&lane.workspace, project, lane.stream).await? else { return Ok(None) };
        let now = self.time.now();
        let others: Vec<Way> = ways.into_iter().filter(|way| way.key != *than).collect();
        let up = others.iter().filter(|way| way.candidate(lane.stream, now).is_up()).count();
        Ok((!others.is_empty()).then_some(up as u32))
    }

    /// Sees that those who are asked first have something of their allowances in hand.
    async fn fund(&self, ways: &[Way], stream: Stream) -> Result<()> {
        // Whoever has used up the day makes room for the next.
        for _ in ways {
            let now = self.time.now();
            let candidates: Vec<_> = ways.iter().map(|way| (way, way.candidate(stream, now))).collect();
            let up = candidates.iter().filter(|(_, candidate)| candidate.is_up());
            let first = up.map(|(_, candidate)| candidate.priority).min().unwrap_or(u32::MAX);
            let mut spent = false;
            for (way, candidate) in &candidates {
                let is_asked = matches!(candidate.access, Access::Free | Access::Probe) && candidate.priority <= first;
                spent |= is_asked && self.lease(way, stream, now).await?;
            }
            if !spent {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Leases what a provider lacks; whether its day turns out to be used up.
    async fn lease(&self, way: &Way, stream: Stream, now: i64) -> Result<bool> {
        let wanted = {
            let state = way.track.state();
            let limits = way.limits(&state);
            let (second, day) = state.purse.lacks(&limits, stream, now);
            let second = second && now >= state.next_second;
            let day = day && now >= state.next_day[stream as usize];
            Limits { per_second: limits.per_second.filter(|_| second), per_day: limits.per_day.filter(|_| day) }
        };
        if wanted.is_none() {
            return Ok(false);
        }
        let wants = Wanted { limits: wanted, stream };
        let Leased { second, day } = providers::lease(&self.store.db, &way.key, wants, self.time.micros()).await?;
        let mut state = way.track.state();
        match second {
            Ok(0) => {}
            Ok(tokens) => state.purse.put_second(tokens, now),
            Err(next) => state.next_second = next,
        }
        match day {
            Ok(tokens) => state.purse.put_day(tokens, stream),
            Err(next) => state.next_day[stream as usize] = next,
        }
        Ok(day.is_err())
    }

    /// Takes a provider's one message while it is not well, if no other server has. An opening that is no probe is as it is.
    pub async fn prove(&self, opening: &Opening) -> Result<bool> {
        if !opening.probe {
            return Ok(true);
        }
        let breaker = opening.way.track.state().health.breaker.half_open(self.time.now());
        self.turn(&opening.way, breaker, None).await
    }

    /// The one message never reached the provider: the next one may.
    pub async fn unproven(&self, way: &Way) {
        let breaker = way.track.state().health.breaker.unproven(self.time.now());
        if let Err(error) = self.turn(way, breaker, None).await {
            tracing::warn!(%error, provider = way.key.id, "a provider is tried again later than it could be");
        }
    }

    /// Changes a breaker for all servers; `false` if another was first.
    async fn turn(&self, way: &Way, breaker: Breaker, why: Option<String>) -> Result<bool> {
        let version = way.track.state().known.version;
        let to = Turned { breaker, why, made_of: way.made.made_of.clone() };
        let known = providers::turn(&self.store.db, &way.key, version, to, self.time.now()).await?;
        let turned = known.version == version + 1 && known.breaker == breaker;
        way.track.state().learn(known);
        Ok(turned)
    }

    /// Hears what became of the messages of one call.
    pub async fn hear(&self, way: &Way, call: &[Outcome], probe: bool) {
        if way.key.id == CAPTURED {
            return;
        }
        let now = self.time.now();
        let told = way.made.provider.told();
        let (change, breaker) = {
            let mut state = way.track.state();
            if let Some(pause) = told.and_then(|told| told.pause()) {
                state.health.is_busy(now + pause);
            }
            let change = state.health.hear(call, probe, way.seed(), now);
            (change, state.health.breaker)
        };
        if let Some(per_second) = told.and_then(|told| told.per_second()) {
            let limits = way.track.state().known.told;
            if limits.per_second != Some(per_second) {
                self.tell(way, Limits { per_second: Some(per_second), ..limits }).await;
            }
        }
        let why = match change {
            None => return,
            Some(Change::Closed) => {
                tracing::info!(workspace = way.key.workspace, provider = way.key.id, "a provider is well again");
                None
            }
            Some(Change::Opened { why }) => {
                let why = address::without(&why);
                metrics::counter!("segflow_provider_opened_total").increment(1);
                tracing::warn!(workspace = way.key.workspace, provider = way.key.id, why, "a provider is left alone");
                Some(why)
            }
        };
        let opens = breaker != Breaker::Closed;
        let turned = match self.turn(way, breaker, why.clone()).await {
            // What had changed in the meantime says nothing of this call.
            Ok(false) if opens && way.track.state().health.breaker == Breaker::Closed => {
                self.turn(way, breaker, why).await
            }
            turned => turned,
        };
        if let Err(error) = turned {
            // Here it is known all the same.
            tracing::warn!(%error, provider = way.key.id, "other servers do not know yet how a provider is");
        }
    }

    /// Asks a provider what it may send, if nobody has for a while. Nothing waits for it, but for the first answer.
    fn ask(&self, way: &Way) {
        let now = self.time.now();
        {
            let mut state = way.track.state();
            let asked = state.known.told_at;
            if state.asking
                || asked.is_some_and(|at| now < at.saturating_add(ASKED))
                || way.made.provider.allowance().is_none()
            {
                return;
            }
            state.asking = true;
        }
        let (way, db, freed) = (way.clone(), self.store.db.clone(), self.freed.clone());
        tokio::spawn(async move {
            let told = match way.made.provider.allowance() {
                Some(asked) => asked.await,
                None => Ok(Limits::default()),
            };
            let before = way.track.state().known.told;
            let told = told.unwrap_or_else(|why| {
                tracing::info!(
                    workspace = way.key.workspace,
                    provider = way.key.id,
                    why,
                    "how much may be sent is not known"
                );
                before
            });
            if let Err(error) = providers::told(&db, &way.key, told, now).await {
                tracing::warn!(%error, provider = way.key.id, "how much may be sent was not kept");
            }
            let mut state = way.track.state();
            (state.known.told, state.known.told_at, state.asking) = (told, Some(now), false);
            drop(state);
            freed.notify_one();
        });
    }

    async fn tell(&self, way: &Way, told: Limits) {
        let now = self.time.now();
        if let Err(error) = providers::told(&self.store.db, &way.key, told, now).await {
            tracing::warn!(%error, provider = way.key.id, "how much may be sent was not kept");
        }
        let mut state = way.track.state();
        (state.known.told, state.known.told_at) = (told, Some(now));
    }

    /// At the end: what was leased and not used is others' again.
    pub async fn leave(&self) {
        let tracks: Vec<Arc<Track>> = self.tracks.lock().expect("no panic while held").values().cloned().collect();
        for track in tracks {
            let unused = track.state().purse.empty();
            if unused > 0
                && let Err(error) = providers::give_back(&self.store.db, &track.key, unused, self.time.now()).await
            {
                tracing::warn!(%error, provider = track.key.id, messages = unused, "part of a day's allowance is lost");
            }
        }
    }

    /// The provider for an email that somebody tries out: the first that is well, or else the first.
    pub fn first(&self, ways: Vec<Way>) -> Option<Way> {
        let now = self.time.now();
        let rank = |way: &Way| (!way.candidate(Stream::Transactions, now).is_up(), way.route.priority);
        ways.into_iter().min_by_key(rank)
    }
}
