//! A server in a container, where a Docker engine runs.

use std::path::Path;
use std::process::{Child, Command};

use anyhow::{Context, Result, bail};

use super::Running;
use super::brand::Brand;
use crate::cache;
use crate::run::{self, Interrupt, log_to, tail, tied, works};

/// Docker answers and has the image.
pub fn ready(brand: &Brand, interrupt: &Interrupt) -> Result<()> {
    run::output("docker", &["info", "--format", "{{.ServerVersion}}"]).context("no engine answers")?;
    if !works("docker", &["image", "inspect", brand.image]) {
        eprintln!("xtask: docker pull {}", brand.image);
        run::run(tied("TERM", "docker").args(["pull", "--quiet", brand.image]).stdout(std::io::stderr()), interrupt)?;
    }
    Ok(())
}

pub struct Container {
    brand: &'static Brand,
    name: String,
    port: u16,
    log: std::path::PathBuf,
    /// `docker run`, which passes on the SIGTERM that it gets when this program is gone.
    client: Child,
}

impl Container {
    pub fn start(brand: &'static Brand, port: u16) -> Result<Self> {
        let name = format!("segflow-test-{}-{}", brand.folder, std::process::id());
        let log = cache::folder(brand.folder)?.join(format!("{name}.log"));
        let client = run_container(brand, &name, port, &log)?;
        Ok(Self { brand, name, port, log, client })
    }
}

/// Its data is in a volume of the same name, so that it outlives the container.
fn run_container(brand: &Brand, name: &str, port: u16, log: &Path) -> Result<Child> {
    let mut command = tied("TERM", "docker");
    command.args(["run", "--rm", "--name", name, "--publish", &format!("127.0.0.1:{port}:3306")]);
    command.args(["--volume", &format!("{name}:/var/lib/mysql")]);
    command.args(["--env", brand.no_password, brand.image]).args(brand.options);
    log_to(&mut command, log)?;
    new_group(&mut command).spawn().context("cannot start `docker run`")
}

impl Running for Container {
    fn port(&self) -> u16 {
        self.port
    }

    fn alive(&mut self) -> Result<()> {
        match self.client.try_wait()? {
            Some(status) => bail!("`docker run` ended ({status})"),
            None => Ok(()),
        }
    }

    fn log(&self) -> String {
        tail(&self.log)
    }

    fn restart(&mut self) -> Result<()> {
        // The container, which then is removed; with it ends `docker run`.
        run::output("docker", &["kill", "--signal", "KILL", &self.name])?;
        self.client.wait()?;
        self.client = run_container(self.brand, &self.name, self.port, &self.log)?;
        Ok(())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        works("docker", &["rm", "--force", "--volumes", &self.name]);
        let _ = self.client.kill();
        let _ = self.client.wait();
        works("docker", &["volume", "rm", "--force", &self.name]);
        let _ = std::fs::remove_file(&self.log);
    }
}

/// Out of the terminal's reach: Ctrl-C is for the tests first, and for their server after them.
fn new_group(command: &mut Command) -> &mut Command {
    use std::os::unix::process::CommandExt;
    command.process_group(0)
}
