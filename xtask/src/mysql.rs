//! Real servers for the tests, of MySQL and of MariaDB: one that is named, or one of our own, which is thrown away afterwards.
//! A database that belongs to the machine is never looked for.

mod brand;
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
use brand::Brand;
pub use brand::{MARIADB, MYSQL};

/// Where a server comes from.
pub struct Source {
    brand: &'static Brand,
    way: Way,
}

enum Way {
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

/// `cargo xtask mysql` and `cargo xtask mariadb`: prints the URL of a server. A line `restart` on its input kills the server and starts it again; the URL is printed
/// when it answers.
pub fn serve(brand: &'static Brand, interrupt: &Interrupt) -> Result<()> {
    let mut server = Source::find(brand, interrupt)?.start(interrupt)?;
    println!("{}", server.url);
    eprintln!("xtask: Ctrl-C ends it and throws its data away");
    let (send, told) = mpsc::channel();
    thread::spawn(move || io::stdin().lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
    loop {
        if told.try_recv().is_ok_and(|line| line.trim() == "restart") {
            let Some(running) = &mut server.running else { bail!("{} is not ours to kill", server.url) };
            running.restart()?;
            greeted(brand, running.as_mut(), interrupt)?;
            println!("{}", server.url);
        }
        match interrupt.pause() {
            Err(error) if error.is::<Interrupted>() => return Ok(()),
            other => other?,
        }
        if let Some(running) = &mut server.running {
            running.check("the server has ended")?;
        }
    }
}

impl Source {
    /// Chooses, and downloads what that needs.
    pub fn find(brand: &'static Brand, interrupt: &Interrupt) -> Result<Self> {
        let of = |way| Self { brand, way };
        let Brand { name, variable, needs, .. } = brand;
        if let Some(url) = env::var(variable).ok().filter(|url| !url.is_empty()) {
            return Ok(of(Way::Named(url)));
        }
        let docker = match docker::ready(brand, interrupt) {
            Ok(()) => return Ok(of(Way::Docker)),
            Err(error) if error.is::<Interrupted>() => return Err(error),
            Err(error) => error,
        };
        match unpacked::Mysqld::find_or_download(brand, interrupt) {
            Ok(mysqld) => Ok(of(Way::Unpacked(mysqld))),
            Err(error) if error.is::<Interrupted>() => Err(error),
            Err(error) => bail!(
                "the tests need a {name} server, {needs}, and there are three ways to one:\n\
                 - {variable}: not set. Set it to a server that tests may use, such as mysql://root@127.0.0.1:3306\n\
                 - Docker: {docker:#}\n\
                 - Debian's packages: {error:#}"
            ),
        }
    }

    pub fn start(self, interrupt: &Interrupt) -> Result<Server> {
        let (started, brand) = (Instant::now(), self.brand);
        let server = match self.way {
            Way::Named(url) => named(brand, url)?,
            Way::Docker => ours(brand, docker::Container::start(brand, free_port()?)?, interrupt)?,
            Way::Unpacked(mysqld) => ours(brand, mysqld.start(free_port()?)?, interrupt)?,
        };
        eprintln!("xtask: {} at {} after {:.1} s", brand.name, server.url, started.elapsed().as_secs_f64());
        Ok(server)
    }
}

fn named(brand: &Brand, url: String) -> Result<Server> {
    let variable = brand.variable;
    let address = greeting::address_of(&url)
        .with_context(|| format!("{variable} is `{url}`, and has to be like mysql://user:password@host:3306"))?;
    let version = greeting::read(address).with_context(|| format!("no server answers at {variable}={url}"))?;
    brand.check(&version).with_context(|| format!("{variable}={url} is the wrong server"))?;
    Ok(Server { url, running: None })
}

/// Waits until the server greets, as the one that was wanted.
fn ours(brand: &Brand, mut running: impl Running + 'static, interrupt: &Interrupt) -> Result<Server> {
    greeted(brand, &mut running, interrupt)?;
    let url = format!("mysql://root@127.0.0.1:{}", running.port());
    Ok(Server { url, running: Some(Box::new(running)) })
}

fn greeted(brand: &Brand, running: &mut dyn Running, interrupt: &Interrupt) -> Result<()> {
    let port = running.port();
    let deadline = Instant::now() + Duration::from_secs(180);
    let version = loop {
        interrupt.pause()?;
        running.check("the server did not start")?;
        match greeting::read(SocketAddr::from(([127, 0, 0, 1], port))) {
            Ok(version) => break version,
            Err(error) if Instant::now() > deadline => {
                bail!("the server did not answer within 3 minutes: {error:#}; the end of its log:\n{}", running.log())
            }
            Err(_) => {}
        }
    };
    brand.check(&version)
}

/// A port that was free a moment ago.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("cannot open a port on 127.0.0.1")?;
    Ok(listener.local_addr()?.port())
}
