//! What differs between MySQL and MariaDB as test servers.

use anyhow::{Result, ensure};

pub struct Brand {
    pub name: &'static str,
    /// In the cache folder.
    pub folder: &'static str,
    /// The environment variable that names a server.
    pub variable: &'static str,
    pub needs: &'static str,
    pub image: &'static str,
    /// What the image has to be told to start without a password.
    pub no_password: &'static str,
    /// Debian's, and the suite that has the version.
    pub package: &'static str,
    pub suite: &'static str,
    pub options: &'static [&'static str],
    is_right: fn(&str) -> bool,
}

/// For tests: small, and as durable as in production.
pub const MYSQL: Brand = Brand {
    name: "MySQL",
    folder: "mysql",
    variable: "SEGFLOW_TEST_MYSQL",
    needs: "MySQL 8.4 or later",
    image: "mysql:8.4",
    no_password: "MYSQL_ALLOW_EMPTY_PASSWORD=yes",
    package: "mysql-server-core",
    suite: "unstable",
    options: &[
        "--innodb-buffer-pool-size=256M",
        "--innodb-flush-log-at-trx-commit=1",
        "--max-connections=500",
        "--mysqlx=OFF",
        "--skip-log-bin",
        // Debian's default is a folder that only its installed package creates.
        "--secure-file-priv=NULL",
    ],
    is_right: |version| numbers(version) >= (8, 4) && !version.contains("MariaDB"),
};

pub const MARIADB: Brand = Brand {
    name: "MariaDB",
    folder: "mariadb",
    variable: "SEGFLOW_TEST_MARIADB",
    needs: "MariaDB 10.11 or later",
    image: "mariadb:10.11",
    no_password: "MARIADB_ALLOW_EMPTY_ROOT_PASSWORD=yes",
    package: "mariadb-server-core",
    suite: "bookworm",
    options: &[
        "--innodb-buffer-pool-size=64M",
        "--innodb-log-file-size=16M",
        "--innodb-flush-log-at-trx-commit=1",
        "--max-connections=200",
        "--skip-log-bin",
    ],
    is_right: |version| numbers(version) >= (10, 11) && version.contains("MariaDB"),
};

impl Brand {
    pub fn check(&self, version: &str) -> Result<()> {
        ensure!((self.is_right)(version), "it calls itself {version}; {} is needed", self.needs);
        Ok(())
    }
}

/// MariaDB puts a version of MySQL before its own, for programs that know no other.
fn numbers(version: &str) -> (u32, u32) {
    let version = version.strip_prefix("5.5.5-").unwrap_or(version);
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_servers_and_others_are_refused() {
        for right in ["8.4.0", "8.4.6-log", "9.7.4-2", "10.0.0"] {
            MYSQL.check(right).unwrap();
        }
        for wrong in ["8.0.43", "5.7.1", "11.4.2-MariaDB-log", "5.5.5-10.11.6-MariaDB", ""] {
            assert!(MYSQL.check(wrong).is_err(), "{wrong}");
        }
        for right in ["11.4.2-MariaDB-log", "5.5.5-10.11.6-MariaDB"] {
            MARIADB.check(right).unwrap();
        }
        for wrong in ["5.5.5-10.6.20-MariaDB", "10.5.1-MariaDB", "9.7.4-2", ""] {
            assert!(MARIADB.check(wrong).is_err(), "{wrong}");
        }
    }
}
