//! What the database is, and how it is set up, as far as Segflow depends on it.

use super::db::{Db, Kind};
use super::{Result, database_now};
use crate::args;
use crate::clock::system_now;

/// How a database is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Its name and version.
    pub version: String,
    /// How far its clock is ahead of this server's, in ms.
    pub ahead: i64,
    /// What should be set in another way, and why.
    pub wrong: Vec<String>,
}

/// The largest module is 16 MiB, and goes there in one statement.
const PACKET: i64 = 32 << 20;

pub async fn settings(db: &Db) -> Result<Settings> {
    let asked = system_now();
    let at = db.read_one(format!("SELECT {}", database_now(db.kind())), args![]).await?;
    // As if it had looked in the middle of the question.
    let here = asked + (system_now() - asked) / 2;
    let ahead = at.map(|row| row.int(0)).transpose()?.unwrap_or(here) - here;
    let text = async |sql: &str| -> Result<String> {
        Ok(db.read_one(sql, args![]).await?.map(|row| row.text(0)).transpose()?.unwrap_or_default())
    };
    if db.kind() == Kind::Sqlite {
        let version = format!("SQLite {}", text("SELECT sqlite_version()").await?);
        return Ok(Settings { version, ahead, wrong: vec![] });
    }
    let version = text("SELECT VERSION()").await?;
    let (name, oldest) = if db.kind() == Kind::MySql { ("MySQL", (8, 4)) } else { ("MariaDB", (10, 11)) };
    let mut wrong = vec![];
    if number(&version) < oldest {
        wrong.push(format!("{name} is tried from {}.{} on", oldest.0, oldest.1));
    }
    let sql = "SELECT @@innodb_flush_log_at_trx_commit, @@log_bin, @@sync_binlog, @@max_allowed_packet";
    if let Some(row) = db.read_one(sql, args![]).await? {
        if row.int(0)? != 1 {
            wrong.push(
                "innodb_flush_log_at_trx_commit is not 1: what was answered may be lost when the machine stops".into(),
            );
        }
        if row.flag(1)? && row.int(2)? != 1 {
            wrong.push("sync_binlog is not 1: a replica may know less than was answered when the machine stops".into());
        }
        if row.int(3)? < PACKET {
            wrong.push(format!("max_allowed_packet is {} MiB: a large project needs 32", row.int(3)? >> 20));
        }
    }
    Ok(Settings { version: format!("{name} {version}"), ahead, wrong })
}

/// The first two numbers of a version.
fn number(version: &str) -> (u32, u32) {
    let mut numbers = version.split(['.', '-']).map_while(|part| part.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(number("9.7.0"), (9, 7));
        assert_eq!(number("8.4.3-commercial"), (8, 4));
        assert_eq!(number("10.11.6-MariaDB-0+deb12u1"), (10, 11));
        assert!(number("8.0.41") < (8, 4) && number("what") < (8, 4));
    }
}
