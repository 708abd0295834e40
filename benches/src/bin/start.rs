//! How long one waits: from `segflow dev` to `ready`, and from saving a change to its being in force.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use segflow_benches::report::{figure, time, title};
use segflow_benches::{database, now, project};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

#[derive(Parser)]
struct Args {
    /// How often each is measured
    #[arg(long, default_value_t = 5)]
    times: usize,
    /// The `segflow` command; its release build if not given
    #[arg(long)]
    segflow: Option<std::path::PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let segflow = match args.segflow {
        Some(path) => std::path::absolute(path)?,
        None => project::segflow().await?,
    };
    let copy = copy()?;
    title("examples/storefront, copied");
    let started = now();
    once(&segflow, &copy).await?;
    figure("segflow dev --once, the first time", time(started.elapsed()), "compiles what it has not compiled yet");
    for _ in 0..args.times {
        let started = now();
        once(&segflow, &copy).await?;
        figure("segflow dev --once, everything built", time(started.elapsed()), "");
    }
    for _ in 0..args.times {
        let started = now();
        let mut dev = Dev::start(&segflow, &copy)?;
        dev.ready().await?;
        figure("segflow dev to ready, everything built", time(started.elapsed()), "target 2 s");
        dev.end().await?;
    }
    let mut dev = Dev::start(&segflow, &copy)?;
    dev.ready().await?;
    dev.hush().await;
    let source = copy.join("src/lib.rs");
    for round in 0..args.times {
        let text = std::fs::read_to_string(&source)?;
        let at = text.find("flow.wait(days(30").context("the VIP loop waits 30 days")?;
        let end = at + text[at..].find('\n').context("a line")?;
        let changed = format!("{}flow.wait(days(30 + {})).await;{}", &text[..at], round + 1, &text[end..]);
        let started = now();
        std::fs::write(&source, changed)?;
        let line = dev.pushed().await?;
        figure("a changed line, saved, to pushed", time(started.elapsed()), format!("target 10 s; {line}"));
    }
    let email = copy.join("src/emails.rs");
    let text = std::fs::read_to_string(&email)?;
    let started = now();
    std::fs::write(&email, text.replace("Good to have you here.", "Good that you are here."))?;
    let line = dev.pushed().await?;
    figure("a changed email, saved, to pushed", time(started.elapsed()), format!("target 10 s; {line}"));
    dev.end().await
}

/// A copy that a user could have made: outside the sources, with the SDK by its path. It stays, so that the next run finds it built.
fn copy() -> Result<std::path::PathBuf> {
    let (from, to) = (database::workspace().join("examples/storefront"), database::scratch()?.join("storefront"));
    std::fs::create_dir_all(to.join("src"))?;
    for file in std::fs::read_dir(from.join("src"))? {
        let file = file?;
        std::fs::copy(file.path(), to.join("src").join(file.file_name()))?;
    }
    // The theme of its emails is the last thing in its manifest.
    let manifest = std::fs::read_to_string(from.join("Cargo.toml"))?;
    let theme = manifest.find("[package.metadata.segflow.theme]").map_or("", |at| &manifest[at..]);
    std::fs::copy(database::workspace().join("Cargo.lock"), to.join("Cargo.lock"))?;
    let sdk = database::workspace().join("segflow-sdk");
    std::fs::write(
        to.join("Cargo.toml"),
        format!(
            "[package]\nname = \"storefront\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[lib]\ncrate-type = [\"cdylib\", \"rlib\"]\n\n\
             [dependencies]\nsegflow = {{ path = {sdk:?}, package = \"segflow-sdk\" }}\nserde = {{ version = \"1\", features = [\"derive\"] }}\n\n\
             [workspace]\n\n{theme}"
        ),
    )?;
    Ok(to)
}

fn command(segflow: &Path, project: &Path) -> Result<Command> {
    let mut command = Command::new(segflow);
    command.arg("dev").arg(project).args(["--port", "0"]);
    command.env("CARGO_TARGET_DIR", database::scratch()?.join("storefront-target"));
    command.env("NO_COLOR", "1").stdin(Stdio::null()).kill_on_drop(true);
    Ok(command)
}

async fn once(segflow: &Path, project: &Path) -> Result<()> {
    let output = command(segflow, project)?.arg("--once").output().await?;
    ensure!(output.status.success(), "segflow dev --once: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// A running `segflow dev`.
struct Dev {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: Lines<BufReader<ChildStderr>>,
}

impl Dev {
    fn start(segflow: &Path, project: &Path) -> Result<Dev> {
        let mut child = command(segflow, project)?.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let stdout = BufReader::new(child.stdout.take().context("piped")?).lines();
        let stderr = BufReader::new(child.stderr.take().context("piped")?).lines();
        Ok(Dev { child, stdout, stderr })
    }

    async fn ready(&mut self) -> Result<()> {
        while let Some(line) = self.stdout.next_line().await? {
            if line.starts_with("ready ") {
                return Ok(());
            }
        }
        self.gone().await
    }

    /// Passes over what was said so far.
    async fn hush(&mut self) {
        while let Ok(Ok(Some(_))) = tokio::time::timeout(Duration::from_millis(300), self.stderr.next_line()).await {}
    }

    /// The line that says that a push is in force.
    async fn pushed(&mut self) -> Result<String> {
        let mut seen = vec![];
        while let Some(line) = self.stderr.next_line().await? {
            if line.contains("pushed ") {
                return Ok(line.trim().to_string());
            }
            seen.push(line);
        }
        bail!("segflow dev has ended:\n{}", seen.join("\n"))
    }

    async fn gone<T>(&mut self) -> Result<T> {
        let mut seen = vec![];
        while let Some(line) = self.stderr.next_line().await? {
            seen.push(line);
        }
        bail!("segflow dev has ended:\n{}", seen.join("\n"))
    }

    async fn end(mut self) -> Result<()> {
        self.child.kill().await?;
        Ok(())
    }
}
