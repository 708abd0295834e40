//! The real `segflow` program.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout};

use super::plugins::target;
use super::{Client, PATIENCE};

/// The program. `cargo xtask test` has built it before it runs any test.
pub fn segflow() -> PathBuf {
    let program = target().join("debug/segflow");
    assert!(program.exists(), "{} is not there: run `cargo xtask test`", program.display());
    program
}

/// A command in surroundings of its own: no home, no environment, no terminal.
pub struct Segflow {
    pub home: tempfile::TempDir,
    env: Vec<(String, String)>,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Segflow {
    pub fn new() -> Segflow {
        Segflow { home: tempfile::tempdir().expect("a folder"), env: vec![] }
    }

    /// Commands that talk to a server with a key.
    pub fn to(client: &Client) -> Segflow {
        let mut segflow = Segflow::new();
        segflow.set("SEGFLOW_URL", &client.base);
        segflow.set("SEGFLOW_API_KEY", &client.key);
        segflow
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.env.retain(|(n, _)| n != name);
        self.env.push((name.into(), value.into()));
    }

    /// A command, ready to be started in its home folder.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(segflow());
        command.args(arguments).current_dir(self.home.path()).env_clear();
        for name in ["PATH", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "CARGO", "TMPDIR"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        // rustup looks for its toolchains in the home folder, which is another one here.
        if let (None, Some(home)) = (std::env::var_os("RUSTUP_HOME"), std::env::home_dir()) {
            command.env("RUSTUP_HOME", home.join(".rustup"));
        }
        if let (None, Some(home)) = (std::env::var_os("CARGO_HOME"), std::env::home_dir()) {
            command.env("CARGO_HOME", home.join(".cargo"));
        }
        command.env("HOME", self.home.path()).env("CARGO_TARGET_DIR", target()).envs(self.env.iter().cloned());
        command.stdin(Stdio::null());
        command
    }

    pub async fn run(&self, arguments: &[&str]) -> Ended {
        self.run_in(".", arguments).await
    }

    /// Runs a command in a folder, of its home if it is relative.
    pub async fn run_in(&self, folder: impl Into<PathBuf>, arguments: &[&str]) -> Ended {
        let mut command = self.command(arguments);
        command.current_dir(self.home.path().join(folder.into()));
        finish(command, None).await
    }

    /// Runs a command with something on its standard input.
    pub async fn run_with_input(&self, arguments: &[&str], input: &str) -> Ended {
        finish(self.command(arguments), Some(input.to_string())).await
    }
}

/// Runs a command to its end.
pub async fn finish(mut command: Command, input: Option<String>) -> Ended {
    let running = tokio::task::spawn_blocking(move || -> Output {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        if input.is_some() {
            command.stdin(Stdio::piped());
        }
        let mut child = command.spawn().expect("it starts");
        if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
            // It need not read all of it.
            let _ = std::io::Write::write_all(&mut stdin, input.as_bytes());
        }
        child.wait_with_output().expect("it ends")
    });
    let output = running.await.expect("it ran");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Ended { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
}

impl Ended {
    #[track_caller]
    pub fn ok(self) -> Ended {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }
}

/// A server process.
pub struct Process {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: tokio::task::JoinHandle<String>,
    pub url: String,
    /// Of `--init-key`, or of the line of `segflow dev`.
    pub key: String,
}

impl Process {
    /// Starts it and waits for its `ready` line.
    pub async fn start(command: Command) -> Process {
        Process::try_start(command).await.unwrap_or_else(|ended| panic!("it does not get ready: {ended}"))
    }

    /// The text on its standard error, if it ends before it is ready.
    pub async fn try_start(mut command: Command) -> Result<Process, String> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn().expect("it starts");
        let mut errors = child.stderr.take().expect("piped");
        let stderr = tokio::spawn(async move {
            let mut text = vec![];
            let _ = errors.read_to_end(&mut text).await;
            String::from_utf8_lossy(&text).into_owned()
        });
        let mut stdout = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut key = String::new();
        loop {
            let line = tokio::time::timeout(PATIENCE * 5, stdout.next_line()).await.expect("it says something");
            let Some(line) = line.expect("text") else { return Err(stderr.await.expect("text")) };
            if let Some(ready) = line.strip_prefix("ready ") {
                let (url, rest) = ready.split_once(" key=").unwrap_or((ready, ""));
                if !rest.is_empty() {
                    key = rest.to_string();
                }
                return Ok(Process { child, stdout, stderr, url: url.to_string(), key });
            }
            if line.starts_with("sk_") {
                key = line;
            }
        }
    }

    pub fn client(&self) -> Client {
        Client::new(&self.url, &self.key)
    }

    /// Whether it has ended by itself.
    pub fn is_gone(&mut self) -> bool {
        self.child.try_wait().expect("a status").is_some()
    }

    /// SIGKILL.
    pub async fn kill(mut self) -> String {
        self.child.kill().await.expect("killed");
        self.stderr.await.expect("text")
    }

    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status().expect("kill runs");
        assert!(sent.success());
    }

    /// SIGTERM, and what it leaves: exit code, rest of its standard output, and all of its standard error.
    pub async fn stop(self) -> Ended {
        self.signal("TERM");
        self.ended().await
    }

    pub async fn ended(mut self) -> Ended {
        let mut stdout = String::new();
        while let Ok(Some(line)) = self.stdout.next_line().await {
            stdout += &line;
            stdout.push('\n');
        }
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it ends").expect("a status");
        Ended { code: status.code().unwrap_or(-1), stdout, stderr: self.stderr.await.expect("text") }
    }
}
