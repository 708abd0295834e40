//! The reference flow (send, wait a second, send) on other engines for durable code, for so many users at once.
//!
//! Compared is the same work: each send and each wait is a durable step of its own, "send" only counts in the memory of
//! the process that runs the flows, and time is taken from the first start until the engine has noted the last flow as
//! finished. Neither starting nor installing the engine is measured. Flows are started from within, so that no client
//! takes part. It is fair because commits wait for the disk on all sides, and because no setting that was tried on a
//! machine with 2 cores made a peer clearly faster than these:
//!
//! - [`restate`]: one node with the server's defaults, where the log that steps are committed to is flushed with fsync
//!   (`rocksdb-disable-wal-fsync = false` in `log-server`), but with 4 partitions in place of 24, for which the server
//!   computes somewhat less. It holds at most 1,000 flows open at once, its default: with more of them nothing was
//!   gained, and letting go of flows while they wait took twice as long. The flow runs in one process of Node, which
//!   needs about as much of the processor as the server does.
//! - [`dbos`]: one process of Python with its system database in SQLite: `synchronous = FULL`, as DBOS leaves it, and
//!   the write-ahead log that Segflow uses too, which is twice as fast as the default; asynchronous flows over two
//!   connections. Every step is a commit of its own; fewer users give a somewhat better rate: compare users per second
//!   ([`Peer::rate`]), and say how many they were.
//!
//! Both are installed once, by npm and pip as they are set up on this machine, into `peers` in the cache folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::database;

/// How long an installation may take, and then a run.
const LIMIT: Duration = Duration::from_mins(5);

/// What a peer needed.
#[derive(Debug, Clone)]
pub struct Peer {
    pub name: &'static str,
    pub version: String,
    /// From the first start to the last finish.
    pub took: Duration,
    pub users: usize,
    /// The most bytes that its processes have held, each at its worst moment.
    pub memory: u64,
}

impl Peer {
    /// Users per second.
    pub fn rate(&self) -> f64 {
        self.users as f64 / self.took.as_secs_f64()
    }
}

/// Restate: a server of its own, and a service in Node.
pub async fn restate(users: usize) -> Result<Peer> {
    let manifest = include_str!("../peers/restate/package.json");
    let packages: Value = serde_json::from_str(manifest)?;
    let version = |package| packages["dependencies"][package].as_str().context("a version");
    let (server, sdk) = (version("@restatedev/restate-server")?, version("@restatedev/restate-sdk")?);
    let home = Home::open(&format!("restate-{server}"))?;
    if !home.holds(manifest) {
        home.begin("package.json", manifest)?;
        // Without scripts: one of a dependency only reports the installation to somebody.
        let npm = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"];
        install(Command::new("npm").args(npm).current_dir(&home.folder)).await?;
        home.complete(manifest)?;
    }
    // Node looks for packages beside the file.
    let flow = home.folder.join("flow.mjs");
    fs::write(&flow, include_str!("../peers/restate/flow.mjs"))?;

    // No ports, so none is taken: its sockets are in the folder of the node.
    let folder = database::folder()?;
    let node = folder.path().join("peer");
    let mut program = Command::new(home.folder.join(binary()?));
    program.args(["--node-name", "peer", "--no-logo", "--listen-mode", "unix", "--base-dir"]).arg(folder.path());
    program.env("RESTATE_DEFAULT_NUM_PARTITIONS", "4").env("RESTATE_DISABLE_TELEMETRY", "true");
    program.env("RESTATE_LOG_FILTER", "warn").env("RESTATE_LOG_DISABLE_ANSI_CODES", "true");
    let server_process = start(&mut program, &folder, "server")?;
    let mut program = Command::new("node");
    program.arg(flow).arg(node).arg(users.to_string()).env("RESTATE_LOGGING", "WARN");
    let service = start(&mut program, &folder, "service")?;
    let (took, memory) = run(users, vec![service, server_process], &folder).await.context("Restate")?;
    Ok(Peer { name: "Restate", version: format!("{server}, SDK {sdk}"), took, users, memory })
}

/// DBOS in a Python process, with its system database in SQLite.
pub async fn dbos(users: usize) -> Result<Peer> {
    let manifest = include_str!("../peers/dbos/requirements.txt");
    let version = manifest.lines().find_map(|line| line.strip_prefix("dbos==")).context("a version of dbos")?;
    let home = Home::open(&format!("dbos-{version}"))?;
    let python = home.folder.join("venv/bin/python");
    if !home.holds(manifest) {
        home.begin("requirements.txt", manifest)?;
        install(Command::new("python3").args(["-m", "venv", "--clear", "venv"]).current_dir(&home.folder)).await?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", "requirements.txt"];
        install(Command::new(&python).args(pip).current_dir(&home.folder)).await?;
        home.complete(manifest)?;
    }

    let folder = database::folder()?;
    let flow = folder.path().join("flow.py");
    fs::write(&flow, include_str!("../peers/dbos/flow.py"))?;
    let mut program = Command::new(python);
    // It looks for a configuration in the current folder.
    program.arg(flow).arg(folder.path()).arg(users.to_string()).current_dir(folder.path());
    let service = start(&mut program, &folder, "service")?;
    let (took, memory) = run(users, vec![service], &folder).await.context("DBOS")?;
    Ok(Peer { name: "DBOS", version: version.to_string(), took, users, memory })
}

/// The server's program inside its package: the one that npm links only starts it.
fn binary() -> Result<String> {
    let arch = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => bail!("there is no Restate for {other}"),
    };
    ensure!(cfg!(target_os = "linux"), "memory is read from /proc, which only Linux has");
    Ok(format!("node_modules/@restatedev/restate-server-linux-{arch}/bin/restate-server"))
}

/// Where a peer is installed, held against other runs until dropped.
struct Home {
    folder: PathBuf,
    _lock: File,
}

impl Home {
    fn open(name: &str) -> Result<Home> {
        let set = |variable| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
        let cache = set("SEGFLOW_CACHE")
            .or_else(|| set("XDG_CACHE_HOME").map(|folder| folder.join("segflow")))
            .or_else(|| set("HOME").map(|home| home.join(".cache/segflow")))
            .context("no folder to install into: set SEGFLOW_CACHE, XDG_CACHE_HOME or HOME")?;
        let folder = std::path::absolute(cache)?.join("peers").join(name);
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let lock = File::create(folder.join("lock"))?;
        lock.lock()?;
        Ok(Home { folder, _lock: lock })
    }

    /// Whether exactly this has been installed to its end.
    fn holds(&self, manifest: &str) -> bool {
        fs::read_to_string(self.folder.join("installed")).is_ok_and(|text| text == manifest)
    }

    fn begin(&self, file: &str, manifest: &str) -> Result<()> {
        Ok(fs::write(self.folder.join(file), manifest)?)
    }

    fn complete(&self, manifest: &str) -> Result<()> {
        Ok(fs::write(self.folder.join("installed"), manifest)?)
    }
}

/// Runs one command of an installation.
async fn install(command: &mut Command) -> Result<()> {
    let text = format!("{:?}", command.as_std());
    let done = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(LIMIT, done).await.with_context(|| format!("{text} took more than {LIMIT:?}"))?;
    let output = output.with_context(|| format!("cannot run {text}"))?;
    ensure!(output.status.success(), "{text} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Starts a process that is killed at the end, whatever happens. What it says is kept in a file.
fn start(program: &mut Command, folder: &TempDir, name: &str) -> Result<Child> {
    let log = File::create(folder.path().join(format!("{name}.log")))?;
    // A server that talks a lot must not be held up: only the one line of a service is read.
    let out = if name == "service" { Stdio::piped() } else { Stdio::from(log.try_clone()?) };
    program.stdin(Stdio::piped()).stdout(out).stderr(log).kill_on_drop(true);
    program.spawn().with_context(|| format!("cannot run {:?}", program.as_std().get_program()))
}

/// Waits for the service, the first of the processes, to say how long it took; reads their memory, and ends them.
async fn run(users: usize, mut processes: Vec<Child>, folder: &TempDir) -> Result<(Duration, u64)> {
    let measured = match timeout(LIMIT, measure(users, &mut processes)).await {
        Ok(measured) => measured,
        Err(_) => Err(anyhow::anyhow!("{users} users took more than {LIMIT:?}")),
    };
    for process in &mut processes {
        process.kill().await.ok();
    }
    measured.with_context(|| {
        let read = |name| fs::read_to_string(folder.path().join(name)).unwrap_or_default();
        let logs = ["server.log", "service.log"].map(read).join("");
        let lines: Vec<&str> = logs.lines().collect();
        format!("it did not get through; its logs end with:\n{}", lines[lines.len().saturating_sub(30)..].join("\n"))
    })
}

async fn measure(users: usize, processes: &mut [Child]) -> Result<(Duration, u64)> {
    let (service, others) = processes.split_first_mut().context("a service")?;
    let mut lines = BufReader::new(service.stdout.take().context("stdout is piped")?).lines();
    let line = match others.first_mut() {
        Some(server) => tokio::select! {
            line = lines.next_line() => line?,
            status = server.wait() => bail!("the server ended: {}", status?),
        },
        None => lines.next_line().await?,
    };
    let line = line.context("the service ended without a figure")?;
    let answer: Value = serde_json::from_str(&line).with_context(|| format!("not a figure: {line}"))?;
    let sends = answer["sends"].as_u64().context("a number of sends")?;
    ensure!(sends >= 2 * users as u64, "only {sends} sends for {users} users");
    let took = Duration::try_from_secs_f64(answer["took"].as_f64().context("a time")?)?;
    let mut memory = 0;
    for process in processes {
        memory += peak(process.id().context("it still runs")?)?;
    }
    Ok((took, memory))
}

/// The most resident bytes that a process has had.
fn peak(process: u32) -> Result<u64> {
    let status = fs::read_to_string(Path::new("/proc").join(process.to_string()).join("status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib << 10)
}
