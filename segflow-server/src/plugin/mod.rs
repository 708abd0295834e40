//! Runs the code that users push, as WebAssembly that can reach nothing.
//!
//! A plugin sees no clock, no randomness, no files and no network: there is no WASI, and the only function it may import says why it
//! panicked. Each call gets a fresh instance with a budget of instructions and memory, so that a call leaves nothing behind, the same
//! call gives the same answer on every server, and no plugin can hurt the host or another plugin.
//!
//! - [`Host`] checks and compiles modules, and keeps them.
//! - [`Module`] is one of them, ready to be [called](segflow_core::Plugin::call).
//!
//! Everything here blocks: call it from threads that may, with at least 1 MiB of stack left (a plugin may use half of that).

mod cache;
mod check;
mod engine;
mod guest;
mod host;
mod limits;
mod module;
mod slots;
#[cfg(test)]
mod tests;

pub use host::Host;
pub use module::Module;

use sha2::{Digest, Sha256};

/// Why a module is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// One of `not_a_plugin`, `abi_version`, `too_large`, `too_many_functions`, `function_too_large`, `memory_too_large`,
    /// `data_outside_memory`, `table_too_large`, `missing_export`, `forbidden_import`, `wrong_hash`; or `unavailable`, when it is
    /// not the module's fault.
    pub code: &'static str,
    /// For the user who pushed it.
    pub message: String,
}

impl Rejected {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl std::fmt::Display for Rejected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Rejected {}

/// The SHA-256 of a module, in lower-case hexadecimal: the name under which it is loaded and kept.
pub fn sha256(wasm: &[u8]) -> String {
    hex(&Sha256::digest(wasm))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
