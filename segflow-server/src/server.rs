//! A running server: everything wired together, started and stopped.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use futures_util::future::{BoxFuture, LocalBoxFuture};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::api::{self, Api};
use crate::clock::{Clock, system_now};
use crate::config::{Config, Mode};
use crate::delivery::Delivery;
use crate::deploy::{Deploy, Inputs};
use crate::doctor::Doctor;
use crate::drive::Drive;
use crate::endpoints::Endpoints;
use crate::engine::Engine;
use crate::links::Links;
use crate::live::Live;
use crate::lock::Lock;
use crate::loops::Loops;
use crate::mailboxes::Mailboxes;
use crate::notices::Notices;
use crate::ownership::Ownership;
use crate::plugin::Host;
use crate::ready::Ready;
use crate::secrets::Secrets;
use crate::seen::Seen;
use crate::segments::Segments;
use crate::store::{Store, clock as stored, deployments, hold, keys, ledger};
use crate::webhooks::Webhooks;

/// The workspace that every server has.
pub const MAIN: &str = "main";

/// How long a stopping server waits for what is being sent.
const DRAIN: Duration = Duration::from_secs(30);

/// A server that runs until it is stopped.
pub struct Server {
    address: SocketAddr,
    store: Store,
    clock: Clock,
    stop: CancellationToken,
    ready: Arc<AtomicBool>,
    delivery: Arc<Delivery>,
    webhooks: Arc<Webhooks>,
    endpoints: Arc<Endpoints>,
    ownership: Arc<Ownership>,
    http: JoinHandle<()>,
    loops: JoinHandle<()>,
    failed: watch::Receiver<Option<String>>,
    _lock: Option<Lock>,
}

impl Server {
    /// Opens the database, starts the loops and serves HTTP on a listener.
    ///
    /// A box, so that all of it is compiled here and not anew in every program that starts one: what an `async fn` does becomes code where
    /// it is awaited.
    pub fn start(config: Config, listener: TcpListener) -> LocalBoxFuture<'static, anyhow::Result<Server>> {
        Box::pin(Server::begin(config, listener))
    }

    async fn begin(config: Config, listener: TcpListener) -> anyhow::Result<Server> {
        let sqlite = config.db.strip_prefix("sqlite://").map(Path::new);
        let lock = sqlite.map(Lock::take).transpose()?;
        // Shorter than the lease: a lock that a stopped server holds must not keep its users from the others.
        let silence = config.lease / 2;
        let store = Store::open_within(&config.db, config.commit_delay, silence).await;
        let store = store.context("cannot open the database")?;
        stored::born_as(&store.db, config.mode.name()).await?;
        let clock = open_clock(&config, &store).await?;
        deployments::make_workspace(&store.db, MAIN, clock.now()).await?;
        hold_all(&config, &store, &clock).await?;

        // The lock says that no other server lives on this file, so nothing of an earlier one can still be going on.
        let alone = lock.is_some();
        let ownership = Arc::new(
            Ownership::join(&store.db, config.lease, alone, config.seen.clone().map(Seen::at), clock.now()).await?,
        );
        let grace = if alone { Duration::ZERO } else { config.grace };
        let lost = ledger::recover(&store.db, grace, clock.now()).await?;
        if lost > 0 {
            tracing::warn!(messages = lost, "the server died while sending; these messages are accounted for");
        }

        let wake = store.ingest.committed();
        let ready_to_send = Arc::new(Ready::default());
        let stop = CancellationToken::new();
        let live = Live::new(config.events.clone());
        let production = config.mode == Mode::Production;
        let captures = !production && !config.dev_sends;
        let keys = match &config.secret_keys {
            None if !production => Secrets::dev_key(&store).await?,
            keys => keys.clone().unwrap_or_default(),
        };
        let secrets = Secrets::open(store.clone(), config.secrets.clone(), &keys).await?;
        let links = Links::new(store.clone(), config.public_url.clone(), local(&listener)?, production);
        let host = Host::new(config.cache.clone())?;
        let inputs = Inputs { clock: clock.clone(), secrets: secrets.clone(), links: links.clone(), production };
        let deploy = Deploy::new(store.clone(), host, inputs, wake.clone());
        let engine = Arc::new(Engine::new(
            store.clone(),
            deploy.clone(),
            clock.clone(),
            ownership.clone(),
            live.clone(),
            ready_to_send.clone(),
        ));
        for (workspace, _) in deployments::workspaces(&store.db).await? {
            engine.may_be_behind(&workspace);
        }
        let delivery = Arc::new(Delivery::new(
            store.clone(),
            deploy.clone(),
            clock.clone(),
            ownership.clone(),
            live,
            secrets.clone(),
            links.clone(),
            config.capture.clone(),
            captures,
            ready_to_send.clone(),
            wake.clone(),
        )?);
        let private_webhooks = config.private_webhooks || !production;
        let webhooks = Arc::new(Webhooks::new(
            store.clone(),
            clock.clone(),
            ownership.clone(),
            secrets.clone(),
            wake.clone(),
            private_webhooks,
        )?);
        let endpoints =
            Endpoints::new(store.clone(), clock.clone(), ownership.clone(), secrets.clone(), private_webhooks)?;
        let endpoints = Arc::new(endpoints);
        let segments = Segments::new(store.clone(), deploy.clone(), clock.clone(), ownership.clone(), wake.clone());
        let mailboxes = || {
            let (store, deploy, clock) = (store.clone(), deploy.clone(), clock.clone());
            let (ownership, secrets) = (ownership.clone(), secrets.clone());
            Arc::new(Mailboxes::new(store, deploy, clock, ownership, secrets, wake.clone(), stop.clone()))
        };
        let mailboxes = (!captures).then(mailboxes);
        let (drive, wishes) = Drive::new(clock.clone(), wake.clone());
        let loops = Arc::new(Loops {
            store: store.clone(),
            clock: clock.clone(),
            engine,
            delivery: delivery.clone(),
            webhooks: webhooks.clone(),
            endpoints: endpoints.clone(),
            segments: Arc::new(segments),
            mailboxes,
            ownership: ownership.clone(),
            wake,
            ready: ready_to_send,
            stop: stop.clone(),
            grace,
        });

        let ready = Arc::new(AtomicBool::new(true));
        let (told, known) = (links.clone(), secrets.clone());
        let doctor = Doctor::new(store.clone(), deploy.clone(), delivery.clone(), told, known, &config)?;
        let api = Api {
            store: store.clone(),
            deploy,
            drive,
            secrets,
            links,
            doctor: Arc::new(doctor),
            notices: Arc::new(Notices::new(config.sns_url.clone())?),
            production,
            private_webhooks,
            country_header: config.country_header.clone(),
            captures,
            metrics: prometheus(),
            ready: ready.clone(),
        };
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let address = listener.local_addr()?;
        let stopping = stop.clone();
        let http = tokio::spawn(async move {
            let serving = axum::serve(listener, api::router(api)).with_graceful_shutdown(stopping.cancelled_owned());
            if let Err(error) = serving.await {
                tracing::error!(%error, "HTTP ended");
            }
        });
        tokio::spawn(tidy_metrics(stop.clone()));
        let (say, failed) = watch::channel(None);
        let unready = ready.clone();
        let loops = tokio::spawn(async move {
            if let Err(error) = loops.run(wishes).await {
                tracing::error!(%error, "the server stops itself");
                unready.store(false, Ordering::SeqCst);
                let _ = say.send(Some(error.to_string()));
            }
        });
        Ok(Server {
            address,
            store,
            clock,
            stop,
            ready,
            delivery,
            webhooks,
            endpoints,
            ownership,
            http,
            loops,
            failed,
            _lock: lock,
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it keeps.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The key of a development server: the same one for one database.
    pub async fn dev_key(&self) -> anyhow::Result<String> {
        if let Some(key) = stored::get(&self.store.db, "dev_key").await? {
            return Ok(key);
        }
        let (_, key) = self.make_key(MAIN, "dev").await?;
        stored::set(&self.store.db, "dev_key", key.clone()).await?;
        Ok(key)
    }

    /// A first key; none if there are keys already.
    pub async fn init_key(&self) -> anyhow::Result<Option<String>> {
        if !keys::list(&self.store.db, MAIN, None, 1).await?.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.make_key(MAIN, "first").await?.1))
    }

    /// A key for a workspace, which is made if it is not there. Returns the key's id and the key.
    pub async fn make_key(&self, workspace: &str, name: &str) -> anyhow::Result<(String, String)> {
        deployments::make_workspace(&self.store.db, workspace, self.clock.now()).await?;
        Ok(keys::create(&self.store.db, workspace, name, system_now()).await?)
    }

    /// Resolves when the server had to stop itself, with the reason.
    pub async fn failed(&self) -> String {
        let mut failed = self.failed.clone();
        loop {
            if let Some(why) = failed.borrow_and_update().clone() {
                return why;
            }
            if failed.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Takes no more requests, finishes what has begun, gives its users back.
    pub fn stop(self) -> BoxFuture<'static, ()> {
        Box::pin(self.end())
    }

    async fn end(self) {
        self.ready.store(false, Ordering::SeqCst);
        self.stop.cancel();
        if tokio::time::timeout(DRAIN, self.loops).await.is_err() {
            tracing::warn!("what had begun does not end; it is dropped");
        }
        // Nothing is decided or claimed any more, so that other servers may go on while the last messages go out.
        self.ownership.leave(&self.store.db).await;
        if tokio::time::timeout(DRAIN, self.delivery.settle()).await.is_err() {
            tracing::warn!("some messages were still being sent; they are accounted for at the next start");
        }
        self.delivery.leave().await;
        if tokio::time::timeout(DRAIN, self.webhooks.flights.settle()).await.is_err() {
            tracing::warn!("some webhooks were still being called; they are called again at the next start");
        }
        if tokio::time::timeout(DRAIN, self.endpoints.flights.settle()).await.is_err() {
            tracing::warn!("some endpoints were still being told; they are told again at the next start");
        }
        if tokio::time::timeout(DRAIN, self.http).await.is_err() {
            tracing::warn!("some requests were still open");
        }
        if let Err(error) = self.store.db.checkpoint().await {
            tracing::warn!(%error, "the log was not moved into the database file");
        }
        self.store.db.close().await;
    }
}

/// Before anything is decided or sent.
async fn hold_all(config: &Config, store: &Store, clock: &Clock) -> anyhow::Result<()> {
    if config.hold {
        for (workspace, _) in deployments::workspaces(&store.db).await? {
            hold::begin(&store.db, &workspace, None, Some("the server was started with --hold"), clock.now()).await?;
        }
    }
    for workspace in hold::all(&store.db).await? {
        tracing::warn!(workspace, "nothing is sent: the workspace is held, and `segflow release` ends that");
    }
    Ok(())
}

/// How whoever is on this machine reaches a server that listens here.
fn local(listener: &TcpListener) -> std::io::Result<String> {
    let mut address = listener.local_addr()?;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    Ok(format!("http://{address}"))
}

async fn open_clock(config: &Config, store: &Store) -> anyhow::Result<Clock> {
    if !config.virtual_clock {
        return Ok(Clock::system());
    }
    anyhow::ensure!(config.mode == Mode::Dev, "a production server has no virtual clock");
    let now = match stored::virtual_now(&store.db).await? {
        Some(now) => now,
        None => {
            let now = config.start_at.unwrap_or_else(system_now);
            stored::set_virtual_now(&store.db, now).await?;
            now
        }
    };
    Ok(Clock::virtual_at(now))
}

/// Folds what histograms have gathered, which otherwise only a scrape does.
async fn tidy_metrics(stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(Duration::from_secs(5))).await.is_some() {
        prometheus().run_upkeep();
    }
}

/// One recorder per process, however many servers a test starts in it.
fn prometheus() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let recorder = PrometheusBuilder::new()
                .set_buckets(&[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
                .expect("there are buckets")
                .build_recorder();
            let handle = recorder.handle();
            // Somebody else's recorder stays; ours then shows nothing.
            let _ = metrics::set_global_recorder(recorder);
            handle
        })
        .clone()
}
