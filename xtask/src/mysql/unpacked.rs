//! A server from Debian's packages, unpacked in the cache folder, for MySQL:
//!
//!     mysql/server/mysqld     a script that runs the server with its own loader and libraries
//!     mysql/server/root/      the packages
//!     mysql/server/template/  a fresh data folder, copied for each run
//!     mysql/runs/PID/         the data and log of a run, removed at its end; leftovers are removed by the next run

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use anyhow::{Context, Result, bail};

use super::Running;
use super::brand::{Brand, MARIADB};
use crate::run::{Interrupt, log_to, output, run_quietly, tail, tied};
use crate::{cache, debian};

/// The server's program, ready to be started.
pub struct Mysqld {
    brand: &'static Brand,
    server: PathBuf,
    runs: PathBuf,
    lock: PathBuf,
}

/// A server that runs on data of its own.
pub struct Process {
    brand: &'static Brand,
    child: Child,
    port: u16,
    server: PathBuf,
    folder: PathBuf,
    _lock: File,
}

impl Mysqld {
    pub fn find_or_download(brand: &'static Brand, interrupt: &Interrupt) -> Result<Self> {
        let folder = cache::folder(brand.folder)?;
        let mysqld =
            Self { brand, server: folder.join("server"), runs: folder.join("runs"), lock: folder.join("lock") };
        let _lock = cache::lock(&mysqld.lock)?;
        if !mysqld.server.exists() {
            let (name, suite) = (brand.name, brand.suite);
            eprintln!("xtask: downloading {name} from Debian's {suite} suite into {}", folder.display());
            let partial = folder.join("partial");
            cache::empty(&partial)?;
            debian::unpack(&[brand.package], suite, &partial.join("root"), &folder.join("apt"), interrupt)?;
            let end = " \\\n    --basedir=\"$here/root/usr\" --plugin-dir=\"$here/root/usr/lib/mysql/plugin\"";
            debian::script(&partial, "usr/sbin/mysqld", end)?;
            let mut command = if brand.name == MARIADB.name { bootstrap(&partial)? } else { initialize(&partial)? };
            run_quietly(&mut command, &partial.join("initialize.log"), interrupt)?;
            fs::rename(&partial, &mysqld.server)
                .with_context(|| format!("cannot create {}", mysqld.server.display()))?;
        }
        Ok(mysqld)
    }

    /// Starts it on a copy of the fresh data folder. It stays on disk, not in a temporary folder that may be memory: fsync shall be real.
    pub fn start(&self, port: u16) -> Result<Process> {
        let (folder, lock) = self.new_run()?;
        let data = folder.join("data");
        let copy =
            Command::new("cp").args(["-a", "--reflink=auto"]).args([&self.server.join("template"), &data]).status();
        if !copy.context("cannot start `cp`")?.success() {
            bail!("cannot copy {} to {}", self.server.join("template").display(), data.display());
        }
        let child = run(self.brand, &self.server, &folder, port)?;
        Ok(Process { brand: self.brand, child, port, server: self.server.clone(), folder, _lock: lock })
    }

    /// A folder for a run, locked as long as the run goes on. Folders of runs that could not remove theirs are removed.
    fn new_run(&self) -> Result<(PathBuf, File)> {
        let _lock = cache::lock(&self.lock)?;
        fs::create_dir_all(&self.runs)?;
        for entry in fs::read_dir(&self.runs)? {
            let old = entry?.path();
            let gone = File::open(old.join("lock")).map_or(true, |lock| lock.try_lock().is_ok());
            if gone {
                fs::remove_dir_all(&old).with_context(|| format!("cannot remove {}", old.display()))?;
            }
        }
        let folder = self.runs.join(std::process::id().to_string());
        fs::create_dir(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let lock = cache::lock(&folder.join("lock"))?;
        Ok((folder, lock))
    }
}

impl Running for Process {
    fn port(&self) -> u16 {
        self.port
    }

    fn alive(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("mysqld ended ({status})"),
            None => Ok(()),
        }
    }

    fn log(&self) -> String {
        tail(&self.folder.join("log"))
    }

    fn restart(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        self.child = run(self.brand, &self.server, &self.folder, self.port)?;
        Ok(())
    }
}

impl Drop for Process {
    /// Its data is thrown away: no need to let it shut down in order.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            eprintln!("xtask: cannot remove {}: {error}", self.folder.display());
        }
    }
}

/// Starts the server on the data in a run's folder.
fn run(brand: &Brand, server: &Path, folder: &Path, port: u16) -> Result<Child> {
    let mut command = mysqld_command("KILL", server)?;
    command.arg("--datadir").arg(folder.join("data"));
    // Beside the data, and relative to it: the path of a socket may have no more than 107 bytes.
    command.args([
        &format!("--port={port}"),
        "--bind-address=127.0.0.1",
        "--socket=mysqld.sock",
        "--pid-file=mysqld.pid",
    ]);
    command.args(brand.options).process_group(0);
    log_to(&mut command, &folder.join("log"))?;
    command.spawn().with_context(|| format!("cannot start {}", server.join("mysqld").display()))
}

/// MySQL makes its system tables by itself.
fn initialize(server: &Path) -> Result<Command> {
    let mut command = mysqld_command("TERM", server)?;
    command.args(["--initialize-insecure", "--datadir"]).arg(server.join("template"));
    Ok(command)
}

/// MariaDB is told the statements that make them, with a root who has no password.
fn bootstrap(server: &Path) -> Result<Command> {
    let mut statements = "CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket = NULL;\n".to_string();
    for file in ["mysql_system_tables", "mysql_performance_tables", "mysql_system_tables_data"] {
        let file = server.join(format!("root/usr/share/mysql/{file}.sql"));
        statements += &fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    }
    let (file, template) = (server.join("bootstrap.sql"), server.join("template"));
    fs::write(&file, statements).with_context(|| format!("cannot write {}", file.display()))?;
    fs::create_dir(&template).with_context(|| format!("cannot create {}", template.display()))?;
    let mysqld = mysqld_command("TERM", server)?;
    let mut command = Command::new("sh");
    command.args(["-c", r#"exec "$@" < "$0""#]).arg(file).arg(mysqld.get_program()).args(mysqld.get_args());
    command.args(["--bootstrap", "--innodb-log-file-size=16M", "--datadir"]).arg(template);
    Ok(command)
}

/// What every start of the program needs.
fn mysqld_command(when_gone: &str, server: &Path) -> Result<Command> {
    let mut command = tied(when_gone, server.join("mysqld"));
    command.arg("--no-defaults");
    if output("id", &["-u"])?.trim() == "0" {
        command.arg("--user=root");
    }
    Ok(command)
}
