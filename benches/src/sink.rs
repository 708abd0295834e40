//! Postfix's `smtp-sink`, which takes mail and forgets it, and `smtp-source`, which sends as fast as that goes.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::{database, now};

pub struct Sink {
    programs: PathBuf,
    port: u16,
    _child: Child,
}

impl Sink {
    pub async fn start() -> Result<Sink> {
        let mut find = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        find.args(["xtask", "postfix"]).current_dir(database::workspace()).stderr(Stdio::inherit());
        let found = find.output().await?;
        ensure!(found.status.success(), "there is no smtp-sink to measure with");
        let programs = PathBuf::from(String::from_utf8(found.stdout)?.trim());
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new(programs.join("smtp-sink"));
        // Whoever starts it as root has to say as whom it shall go on.
        command.args(["-u", "root"]).arg(format!("inet:127.0.0.1:{port}")).arg("256");
        let child = command.stdout(Stdio::null()).kill_on_drop(true).spawn()?;
        let sink = Sink { programs, port, _child: child };
        let started = now();
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            ensure!(started.elapsed() < Duration::from_secs(10), "smtp-sink does not answer");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(sink)
    }

    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// How long `smtp-source` takes for so many messages of a size in bytes, over so many connections that stay open.
    pub async fn fill(&self, messages: usize, size: usize, connections: usize) -> Result<Duration> {
        let started = now();
        let status = Command::new(self.programs.join("smtp-source"))
            .args(["-d", "-f", "bench@bench.example", "-t", "user@bench.example"])
            .args(["-m", &messages.to_string(), "-l", &size.to_string(), "-s", &connections.to_string()])
            .arg(format!("inet:127.0.0.1:{}", self.port))
            .status()
            .await?;
        ensure!(status.success(), "smtp-source: {status}");
        Ok(started.elapsed())
    }
}
