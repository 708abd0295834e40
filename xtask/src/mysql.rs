//! A real MySQL server for the tests: one that is named, or one of our own, which is thrown away afterwards.
//! A database that belongs to the machine is never looked for.

mod docker;
mod greeting;
mod unpacked;

use std::env;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::run::{Interrupt, Interrupted};

/// For tests: small, and as durable as in production.
const OPTIONS: [&str; 5] = [
    "--innodb-buffer-pool-size=256M",
    "--innodb-flush-log-at-trx-commit=1",
    "--max-connections=500",
    "--mysqlx=OFF",
    "--skip-log-bin",
];

/// Where a server comes from.
pub enum Source {
    Named(String),
    Docker,
    Unpacked(unpacked::Mysqld),
}

/// A server that answers. Dropping it ends it, if it is ours.
pub struct Server {
    pub url: String,
    running: Option<Box<dyn Running>>,
}

/// A server that was started here and is ended by its `Drop`.
trait Running {
    fn port(&self) -> u16;
    /// An error once it is gone.
    fn alive(&mut self) -> Result<()>;
    /// What it has logged.
    fn log(&self) -> String;
    /// Kills it as a power failure would, and starts it again on the same data and port.
    fn restart(&mut self) -> Result<()>;

    fn check(&mut self, otherwise: &str) -> Result<()> {
        self.alive().map_err(|error| anyhow!("{otherwise}: {error:#}; the end of its log:\n{}", self.log()))
    }
}

/// `cargo xtask mysql`: prints the URL of a server. A line `restart` on its input kills the server and starts it again; the URL is printed
/// when it answers.
pub fn serve(interrupt: &Interrupt) -> Result<()> {
    let mut server = Source::find(interrupt)?.start(interrupt)?;
    println!("{}", server.url);
    eprintln!("xtask: Ctrl-C ends it and throws its data away");
    let (send, told) = mpsc::channel();
    thread::spawn(move || io::stdin().lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
    loop {
        if told.try_recv().is_ok_and(|line| line.trim() == "restart") {
            let Some(running) = &mut server.running else { bail!("{} is not ours to kill", server.url) };
            running.restart()?;
            greeted(running.as_mut(), interrupt)?;
            println!("{}", server.url);
        }
        match interrupt.pause() {
            Err(error) if error.is::<Interrupted>() => return Ok(()),
            other => other?,
        }
        if let Some(running) = &mut server.running {
            running.check("the MySQL server has ended")?;
        }
    }
}

impl Source {
    /// Chooses, and downloads what that needs.
    pub fn find(interrupt: &Interrupt) -> Result<Self> {
        if let Some(url) = env::var("SEGFLOW_TEST_MYSQL").ok().filter(|url| !url.is_empty()) {
            return Ok(Self::Named(url));
        }
        let docker = match docker::ready(interrupt) {
            Ok(()) => return Ok(Self::Docker),
            Err(error) if error.is::<Interrupted>() => return Err(error),
            Err(error) => error,
        };
        match unpacked::Mysqld::find_or_download(interrupt) {
            Ok(mysqld) => Ok(Self::Unpacked(mysqld)),
            Err(error) if error.is::<Interrupted>() => Err(error),
            Err(error) => bail!(
                "the tests need a MySQL server, 8.4 or later, and there are three ways to one:\n\
                 - SEGFLOW_TEST_MYSQL: not set. Set it to a server that tests may use, such as mysql://root@127.0.0.1:3306\n\
                 - Docker: {docker:#}\n\
                 - Debian's packages: {error:#}"
            ),
        }
    }

    pub fn start(self, interrupt: &Interrupt) -> Result<Server> {
        let started = Instant::now();
        let server = match self {
            Self::Named(url) => named(url)?,
            Self::Docker => ours(docker::Container::start(free_port()?)?, interrupt)?,
            Self::Unpacked(mysqld) => ours(mysqld.start(free_port()?)?, interrupt)?,
        };
        eprintln!("xtask: MySQL at {} after {:.1} s", server.url, started.elapsed().as_secs_f64());
        Ok(server)
    }
}

fn named(url: String) -> Result<Server> {
    let address = greeting::address_of(&url).with_context(|| {
        format!("SEGFLOW_TEST_MYSQL is `{url}`, and has to be like mysql://user:password@host:3306")
    })?;
    let version =
        greeting::read(address).with_context(|| format!("no MySQL server answers at SEGFLOW_TEST_MYSQL={url}"))?;
    greeting::check(&version).with_context(|| format!("SEGFLOW_TEST_MYSQL={url} is the wrong server"))?;
    Ok(Server { url, running: None })
}

/// Waits until the server greets, as the one that was wanted.
fn ours(mut running: impl Running + 'static, interrupt: &Interrupt) -> Result<Server> {
    greeted(&mut running, interrupt)?;
    let url = format!("mysql://root@127.0.0.1:{}", running.port());
    Ok(Server { url, running: Some(Box::new(running)) })
}

fn greeted(running: &mut dyn Running, interrupt: &Interrupt) -> Result<()> {
    let port = running.port();
    let deadline = Instant::now() + Duration::from_secs(180);
    let version = loop {
        interrupt.pause()?;
        running.check("the MySQL server did not start")?;
        match greeting::read(SocketAddr::from(([127, 0, 0, 1], port))) {
            Ok(version) => break version,
            Err(error) if Instant::now() > deadline => {
                bail!(
                    "the MySQL server did not answer within 3 minutes: {error:#}; the end of its log:\n{}",
                    running.log()
                )
            }
            Err(_) => {}
        }
    };
    greeting::check(&version)
}

/// A port that was free a moment ago.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("cannot open a port on 127.0.0.1")?;
    Ok(listener.local_addr()?.port())
}
