//! Runs the binary in a folder and a home of its own.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

pub struct Place {
    pub dir: TempDir,
    pub home: TempDir,
    env: Vec<(&'static str, String)>,
}

#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    /// Without any server.
    pub fn new() -> Self {
        Self { dir: TempDir::new().unwrap(), home: TempDir::new().unwrap(), env: Vec::new() }
    }

    pub fn with_server(url: &str) -> Self {
        Self::new().env("SEGFLOW_URL", url).env("SEGFLOW_API_KEY", "sk_good")
    }

    pub fn env(mut self, name: &'static str, value: &str) -> Self {
        self.env.push((name, value.to_owned()));
        self
    }

    pub fn path(&self, inside: &str) -> PathBuf {
        self.dir.path().join(inside)
    }

    pub fn write(&self, inside: &str, text: &str) {
        let path = self.path(inside);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        // Toolchains live in the real home; ours is empty.
        let real = std::env::home_dir().unwrap();
        for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
            if std::env::var_os(name).is_none() {
                command.env(name, real.join(folder));
            }
        }
        command.current_dir(self.dir.path()).env("HOME", self.home.path());
        for name in [
            "SEGFLOW_URL",
            "SEGFLOW_API_KEY",
            "DATABASE_URL",
            "CARGO_TARGET_DIR",
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
        ] {
            command.env_remove(name);
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn segflow(&self, args: &[&str]) -> Ran {
        self.segflow_with(args, "")
    }

    pub fn segflow_with(&self, args: &[&str], stdin: &str) -> Ran {
        let mut command = self.command(env!("CARGO_BIN_EXE_segflow"));
        let mut child = command.args(args).stdin(Stdio::piped()).spawn().unwrap();
        // A command that does not read its input may be gone already.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let output = child.wait_with_output().unwrap();
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// Done, with this on stdout.
    #[track_caller]
    pub fn done(&self, stdout: &str) {
        assert_eq!((self.code, self.stdout.as_str()), (0, stdout), "{self:?}");
    }

    /// Failed with this code, with nothing on stdout, and each of these on stderr.
    #[track_caller]
    pub fn failed(&self, code: i32, messages: &[&str]) {
        assert_eq!((self.code, self.stdout.as_str()), (code, ""), "{self:?}");
        for message in messages {
            assert!(self.stderr.contains(message), "`{message}` is missing in:\n{}", self.stderr);
        }
    }
}
