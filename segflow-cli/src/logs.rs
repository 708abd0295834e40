//! The server's log on stderr, for `dev` and `serve`.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt};

/// `RUST_LOG` goes before the level.
pub fn start(level: &str) {
    let filter = EnvFilter::builder().with_default_directive(level.parse().expect("a level")).from_env_lossy();
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let _ = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colour).try_init();
}
