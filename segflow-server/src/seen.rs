//! How far this machine has seen a database come, kept in a file apart from it.
//!
//! A database that has not come as far was restored from a back-up: it knows nothing of what was sent since that was made, would decide it once
//! more, and would send it. So it sends nothing until somebody has looked at it.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::clock::rfc3339;
use crate::store::db::Db;
use crate::store::{Result, deployments, fence, hold};

/// How often it is noted. Each time waits for the disk, which beats must not do that come every second.
pub const PACE: Duration = Duration::from_secs(10);

/// One for each database.
#[derive(Debug)]
pub struct Seen {
    file: PathBuf,
    /// What was noted last, ms UTC.
    noted: AtomicI64,
}

impl Seen {
    pub fn at(file: PathBuf) -> Seen {
        Seen { file, noted: AtomicI64::new(0) }
    }

    /// Notes from time to time that the database was alive at this instant of its own clock, ms UTC.
    pub fn note(&self, now: i64) {
        if now - self.noted.load(Ordering::Relaxed) >= PACE.as_millis() as i64 {
            self.note_last(now);
        }
    }

    /// Notes it in any case. That it cannot be written is no reason to stop.
    pub fn note_last(&self, now: i64) {
        self.noted.store(now, Ordering::Relaxed);
        if let Err(error) = replace(&self.file, &format!("{now}\n")) {
            tracing::warn!(file = %self.file.display(), %error, "how far the database has come could not be noted");
        }
    }

    /// When the database was last seen alive, if it does not know of that any more. One that no server has ever used is a new one.
    async fn lost(&self, db: &Db) -> Result<Option<i64>> {
        let text = match std::fs::read_to_string(&self.file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                tracing::warn!(file = %self.file.display(), %error, "how far the database had come cannot be read");
                return Ok(None);
            }
        };
        let Ok(last) = text.trim().parse::<i64>() else {
            tracing::warn!(file = %self.file.display(), "how far the database had come is not in this file");
            return Ok(None);
        };
        Ok(fence::last(db).await?.filter(|known| *known < last).map(|_| last))
    }

    /// Holds all workspaces of a database that was restored. Before a server joins, which makes the database look alive.
    pub async fn hold_restored(&self, db: &Db, now: i64) -> Result<()> {
        let Some(last) = self.lost(db).await? else { return Ok(()) };
        let why = format!(
            "the database knows nothing of {}, when it was last in use here: it was restored from a back-up",
            rfc3339(last)
        );
        for (workspace, _) in deployments::workspaces(db).await? {
            hold::begin(db, &workspace, None, Some(&why), now).await?;
        }
        tracing::warn!("{why}; nothing is sent until `segflow release`");
        Ok(())
    }
}

/// As a whole or not at all.
fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // Several servers on one machine note the same.
    let mut fresh = file.as_os_str().to_os_string();
    fresh.push(format!(".{}", std::process::id()));
    let mut written = File::create(&fresh)?;
    written.write_all(text.as_bytes())?;
    written.sync_all()?;
    std::fs::rename(&fresh, file)
}
