//! Postfix's `smtp-sink` and `smtp-source`, which take and send mail as fast as that can be done: what delivery is measured with.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::run::Interrupt;
use crate::{cache, debian};

const SUITE: &str = "bookworm";

/// The folder with the two programs, unpacked beside the system if need be.
pub fn folder(interrupt: &Interrupt) -> Result<PathBuf> {
    let folder = cache::folder("postfix")?;
    let programs = folder.join("programs");
    let _lock = cache::lock(&folder.join("lock"))?;
    if !programs.exists() {
        eprintln!("xtask: downloading Postfix from Debian's {SUITE} suite into {}", folder.display());
        let partial = folder.join("partial");
        cache::empty(&partial)?;
        debian::unpack(&["postfix"], SUITE, &partial.join("root"), &folder.join("apt"), interrupt)?;
        for program in ["usr/sbin/smtp-sink", "usr/sbin/smtp-source"] {
            debian::script(&partial, program, "")?;
        }
        fs::rename(&partial, &programs).with_context(|| format!("cannot create {}", programs.display()))?;
    }
    Ok(programs)
}
