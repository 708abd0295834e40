//! `segflow serve` as a process that can be killed.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::http::Connection;

/// Where a server is reached.
#[derive(Debug, Clone)]
pub struct At {
    pub address: std::net::SocketAddr,
    pub key: String,
}

impl At {
    pub async fn connect(&self) -> Result<Connection> {
        Ok(Connection::open(self.address, &self.key).await?)
    }
}

/// A `segflow serve` of its own.
pub struct Server {
    child: Child,
    pub at: At,
}

impl Server {
    /// Starts one and waits until it serves. The key of the first start is kept in a file beside the log. `lease` is in seconds.
    pub async fn start(segflow: &Path, database: &str, smtp: u16, lease: u64, log: PathBuf) -> Result<Server> {
        let file = std::fs::File::options().create(true).append(true).open(&log)?;
        let mut child = Command::new(segflow)
            .args(["serve", "--port", "0", "--init-key", "--db", database])
            .env("SEGFLOW_LEASE_SECONDS", lease.to_string())
            .env("SEGFLOW_GRACE_SECONDS", "1")
            .env("SMTP_URL", format!("smtp://127.0.0.1:{smtp}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .kill_on_drop(true)
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("stdout is piped")?).lines();
        let kept = log.with_file_name("key");
        while let Some(line) = lines.next_line().await? {
            if line.starts_with("sk_") {
                std::fs::write(&kept, line)?;
            } else if let Some(url) = line.strip_prefix("ready http://") {
                let at = At { address: url.trim().parse()?, key: std::fs::read_to_string(&kept)? };
                return Ok(Server { child, at });
            }
        }
        bail!("segflow serve did not start:\n{}", std::fs::read_to_string(&log)?)
    }

    /// The processor time that it has used.
    pub fn cpu(&self) -> Result<Duration> {
        cpu(self.id()?)
    }

    /// A line of its memory in bytes: `VmRSS` now, `VmHWM` at most.
    pub fn memory(&self, line: &str) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()?))?;
        let line = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':'));
        let kilobytes = line.and_then(|text| text.split_whitespace().next()).context("the kernel tells")?;
        Ok(1_024 * kilobytes.parse::<u64>()?)
    }

    fn id(&self) -> Result<u32> {
        self.child.id().context("segflow serve ended by itself")
    }

    /// SIGKILL.
    pub async fn kill(&mut self) -> Result<()> {
        ensure!(self.child.try_wait()?.is_none(), "segflow serve ended by itself");
        Ok(self.child.kill().await?)
    }
}

/// The processor time that a process has used.
pub fn cpu(id: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
    let words: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // utime and stime, in hundredths of a second on every Linux.
    let ticks = words[11].parse::<u64>()? + words[12].parse::<u64>()?;
    Ok(Duration::from_millis(10 * ticks))
}
