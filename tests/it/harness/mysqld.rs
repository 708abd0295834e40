//! A MySQL server of a test's own, which it may kill.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::plugins::target;

/// `cargo xtask mysql`; it ends with this.
pub struct Mysqld {
    pub url: String,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    _program: Child,
}

impl Mysqld {
    pub async fn start() -> Mysqld {
        let mut program = Command::new(target().join("debug/xtask"))
            .arg("mysql")
            .env_remove("SEGFLOW_TEST_MYSQL")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("xtask is built with the tests");
        let input = program.stdin.take().expect("piped");
        let mut output = BufReader::new(program.stdout.take().expect("piped")).lines();
        let url = output.next_line().await.expect("text").expect("a MySQL server can be had, see above");
        Mysqld { url, input, output, _program: program }
    }

    /// Kills it, as a power failure would, and starts it again on the same data.
    pub async fn restart(&mut self) {
        self.input.write_all(b"restart\n").await.expect("it listens");
        let url = self.output.next_line().await.expect("text").expect("it comes back, see above");
        assert_eq!(url, self.url);
    }
}
