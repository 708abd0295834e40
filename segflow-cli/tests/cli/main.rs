//! The `segflow` binary from outside: what is typed, what is sent, what is shown, and the exit code.

mod bad_input;
mod dev;
mod fake;
mod init;
mod login;
mod push;
mod run;
mod suppressions;
mod verbs;
