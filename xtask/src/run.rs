//! Runs other programs, and ends them when this one is told to end.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// How long a program has to end by itself after Ctrl-C (the terminal tells it too), and then again after SIGTERM.
const GRACE: Duration = Duration::from_secs(2);

/// Turns Ctrl-C, SIGTERM and a closed terminal into an ordinary error, so that whatever was started is ended by its `Drop`.
pub struct Interrupt(Arc<AtomicBool>);

/// The error that `Interrupt` causes.
#[derive(Debug)]
pub struct Interrupted;

impl Interrupt {
    pub fn watch() -> Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, flag.clone()).context("cannot watch for signals")?;
        }
        Ok(Self(flag))
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Waits a little, less if interrupted.
    pub fn pause(&self) -> Result<()> {
        sleep(Duration::from_millis(20));
        if self.is_set() { Err(Interrupted.into()) } else { Ok(()) }
    }
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// A command that gets `signal` when this program is gone, even by SIGKILL. Linux's setpriv does it; elsewhere it is a plain command.
/// Spawn it from the main thread: the kernel watches the thread, not the process.
pub fn tied(signal: &str, program: impl AsRef<OsStr>) -> Command {
    let setpriv = ["--pdeathsig", signal, "--"];
    let known = Command::new("setpriv").args(setpriv).arg("true").stderr(Stdio::null()).status();
    if known.is_ok_and(|status| status.success()) {
        let mut command = Command::new("setpriv");
        command.args(setpriv).arg(program);
        command
    } else {
        Command::new(program)
    }
}

/// Runs a command to its end; it is an error when it fails.
pub fn run(command: &mut Command, interrupt: &Interrupt) -> Result<()> {
    let mut child = command.spawn().with_context(|| format!("cannot start `{}`", shown(command)))?;
    let status = wait(&mut child, interrupt)?;
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

/// As `run`, with what the command prints going to a file, the end of which becomes part of the error.
pub fn run_quietly(command: &mut Command, log: &Path, interrupt: &Interrupt) -> Result<()> {
    log_to(command, log)?;
    match run(command, interrupt) {
        Err(error) if !error.is::<Interrupted>() => bail!("{error:#}; the end of what it said:\n{}", tail(log)),
        other => other,
    }
}

pub fn log_to(command: &mut Command, log: &Path) -> Result<()> {
    let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    Ok(())
}

/// The last lines of a log file.
pub fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// Whether a program runs and succeeds; says nothing.
pub fn works(program: &str, args: &[&str]) -> bool {
    let status =
        Command::new(program).args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// What a program prints, if it succeeds.
pub fn output(program: &str, args: &[&str]) -> Result<String> {
    let shown = || format!("`{program} {}`", args.join(" "));
    let output = Command::new(program).args(args).stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot start {}", shown()))?;
    if !output.status.success() {
        bail!("{} failed ({}): {}", shown(), output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn wait(child: &mut Child, interrupt: &Interrupt) -> Result<ExitStatus> {
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if interrupt.pause().is_err() {
            break end(child)?;
        }
    };
    if interrupt.is_set() { Err(Interrupted.into()) } else { Ok(status) }
}

/// First lets it end by itself, then asks it to, then kills it.
fn end(child: &mut Child) -> Result<ExitStatus> {
    for ask in [false, true] {
        if ask {
            works("sh", &["-c", &format!("kill -TERM {}", child.id())]);
        }
        let asked = Instant::now();
        while asked.elapsed() < GRACE {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            sleep(Duration::from_millis(20));
        }
    }
    child.kill()?;
    Ok(child.wait()?)
}

/// The command as one would type it.
pub fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    let words = if words[0] == "setpriv" { &words[4..] } else { &words[..] };
    words.join(" ")
}
