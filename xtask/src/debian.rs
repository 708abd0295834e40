//! Debian packages beside the system: downloaded with everything they depend on, unpacked, never installed.

mod sources;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cache;
use crate::run::{self, Interrupt, run_quietly, tied, works};

/// Unpacks `packages` of a suite of Debian's and their dependencies, libc and its loader included, into `root`.
///
/// apt works here as on a machine where nothing is installed, in folders of its own below `work`. It takes the mirror, its keys and the
/// proxy from the machine's apt configuration, checks signatures as always, and needs no rights.
pub fn unpack(packages: &[&str], suite: &str, root: &Path, work: &Path, interrupt: &Interrupt) -> Result<()> {
    for tool in ["apt-get", "apt-config", "dpkg-deb"] {
        if !works(tool, &["--version"]) {
            bail!("`{tool}` is not there: this is no Debian machine");
        }
    }
    let mirrors = sources::mirrors(Path::new("/etc/apt"), suite)?;
    if mirrors.is_empty() {
        bail!("no mirror of Debian found in /etc/apt/sources.list and /etc/apt/sources.list.d");
    }
    let mut failures = Vec::new();
    for mirror in &mirrors {
        cache::empty(work)?;
        let log = work.join("log");
        match download(packages, mirror, work, &log, interrupt) {
            Ok(()) => {
                unpack_archives(work, root, &log, interrupt)?;
                return fs::remove_dir_all(work).with_context(|| format!("cannot remove {}", work.display()));
            }
            Err(error) if error.is::<run::Interrupted>() => return Err(error),
            Err(error) => failures.push(format!("with the mirror from {}: {error:#}", mirror.found_in.display())),
        }
    }
    bail!("cannot download {} from Debian's {suite} suite, {}", packages.join(", "), failures.join("; "))
}

fn download(packages: &[&str], mirror: &sources::Mirror, work: &Path, log: &Path, interrupt: &Interrupt) -> Result<()> {
    for folder in ["empty", "state/lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(work.join(folder))?;
    }
    fs::write(work.join("status"), "")?;
    let list = work.join(format!("mirror.{}", mirror.extension));
    fs::write(&list, &mirror.text)?;
    let configuration = work.join("apt.conf");
    fs::write(&configuration, configure(work, &list)?)?;

    let apt = |args: &[&str]| {
        let mut command = tied("TERM", "apt-get");
        command.env("APT_CONFIG", &configuration).env("LC_ALL", "C").arg("--quiet").args(args);
        command
    };
    run_quietly(&mut apt(&["update", "--error-on=any"]), log, interrupt)?;
    let install = ["install", "--download-only", "--yes", "--no-install-recommends"];
    run_quietly(apt(&install).args(packages), log, interrupt)
}

/// apt's configuration: of the machine's own only what says how to reach a mirror, none of its hooks.
fn configure(work: &Path, list: &Path) -> Result<String> {
    let architecture = run::output("dpkg", &["--print-architecture"])?;
    let machine = run::output("apt-config", &["dump"])?;
    let reach = machine.lines().filter(|line| {
        let key = line.split(' ').next().unwrap_or_default();
        key.starts_with("Acquire::") && !key.ends_with("::") && !key.starts_with("Acquire::IndexTargets")
    });
    let mut lines: Vec<String> = reach.map(str::to_owned).collect();
    let work = work.display();
    lines.extend([
        r#"Acquire::Languages "none";"#.into(),
        r#"Acquire::Retries "3";"#.into(),
        format!(r#"APT::Architecture "{}";"#, architecture.trim()),
        format!(r#"APT::Architectures {{ "{}"; }};"#, architecture.trim()),
        r#"APT::Sandbox::User "root";"#.into(),
        r#"Dir::Etc::main "/dev/null";"#.into(),
        format!(r#"Dir::Etc::parts "{work}/empty";"#),
        r#"Dir::Etc::preferences "/dev/null";"#.into(),
        format!(r#"Dir::Etc::preferencesparts "{work}/empty";"#),
        format!(r#"Dir::Etc::sourcelist "{}";"#, list.display()),
        format!(r#"Dir::Etc::sourceparts "{work}/empty";"#),
        format!(r#"Dir::State "{work}/state";"#),
        format!(r#"Dir::State::status "{work}/status";"#),
        format!(r#"Dir::Cache "{work}/cache";"#),
    ]);
    Ok(lines.join("\n") + "\n")
}

fn unpack_archives(work: &Path, root: &Path, log: &Path, interrupt: &Interrupt) -> Result<()> {
    cache::empty(root)?;
    for entry in fs::read_dir(work.join("cache/archives"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            run_quietly(Command::new("dpkg-deb").arg("-x").args([&path, root]), log, interrupt)?;
        }
    }
    Ok(())
}

/// A script in `folder` that runs a program of the packages in its folder `root`, with their own loader and libraries. `end` follows the
/// arguments that the script is given.
pub fn script(folder: &Path, program: &str, end: &str) -> Result<()> {
    let root = folder.join("root");
    let loader = find_loader(&root).with_context(|| format!("no loader (ld-linux*) in {}", root.display()))?;
    let triplet = loader.parent().and_then(Path::file_name).context("the loader is in a folder")?.to_string_lossy();
    let loader = loader.strip_prefix(folder)?.display();
    let script = format!(
        "#!/bin/sh\n\
         # Of Debian, beside the system, with its own loader and libraries. Written by `cargo xtask`.\n\
         here=$(dirname \"$(readlink -f \"$0\")\")\n\
         libraries=$here/root/usr/lib/{triplet}:$here/root/lib/{triplet}:$here/root/usr/lib/postfix\n\
         exec \"$here/{loader}\" --library-path \"$libraries\" \"$here/root/{program}\" \"$@\"{end}\n"
    );
    let path = folder.join(Path::new(program).file_name().context("a program has a name")?);
    fs::write(&path, script).with_context(|| format!("cannot write {}", path.display()))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// `lib/TRIPLET/ld-linux*.so.*`, below `usr` in later releases.
fn find_loader(root: &Path) -> Option<PathBuf> {
    let folders = ["usr/lib", "lib"].into_iter().filter_map(|folder| fs::read_dir(root.join(folder)).ok());
    let triplets = folders.flatten().flatten();
    let mut files = triplets.filter_map(|triplet| fs::read_dir(triplet.path()).ok()).flatten().flatten();
    let loader = files.find(|file| file.file_name().to_string_lossy().starts_with("ld-linux"))?;
    Some(loader.path())
}
