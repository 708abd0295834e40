//! The pure engine of Segflow: no I/O, no clock, no database. Time is passed in; what is decided is handed back.
//!
//! - [`flow`]: the turn machine as a plugin runs it: an `async fn` polled by hand and replayed from its journal.
//! - [`enrollment`]: the other half of a turn, as the engine sees it: what is handed to the plugin and what its answer may do.
//! - [`eval`]: segments, with the truth table of every comparison and the next instant at which time alone changes a verdict.
//! - [`project`]: a manifest, checked and indexed.
//! - [`mod@step`]: one user's facts and due waits in, one [`Decision`](step::Decision) out. Servers, tests and the simulator all call this.
//! - [`consent`]: whether an address may be written to, and about what.
//! - [`policy`]: when a message of a campaign may be sent: windows, limits, caps.
//! - [`conversion`]: what counts as a success of a campaign, and for which of its messages.
//! - [`ledger`]: the states of a message and what an outcome does to them.
//! - [`notice`]: what providers tell of messages later.
//! - [`route`]: which provider a message leaves by: breakers, allowances, priorities and weights.
//! - [`memory`]: a store, clock and provider in memory, for tests and the simulator.
//!
//! A plugin needs the turn machine alone; the engine's half is not built for it.

#[cfg(not(target_arch = "wasm32"))]
pub mod consent;
#[cfg(not(target_arch = "wasm32"))]
pub mod conversion;
#[cfg(not(target_arch = "wasm32"))]
pub mod enrollment;
#[cfg(not(target_arch = "wasm32"))]
pub mod eval;
pub mod flow;
pub mod ids;
#[cfg(not(target_arch = "wasm32"))]
pub mod ledger;
#[cfg(not(target_arch = "wasm32"))]
pub mod memory;
pub mod merge;
#[cfg(not(target_arch = "wasm32"))]
pub mod notice;
#[cfg(not(target_arch = "wasm32"))]
pub mod policy;
#[cfg(not(target_arch = "wasm32"))]
pub mod project;
#[cfg(not(target_arch = "wasm32"))]
pub mod reader;
#[cfg(not(target_arch = "wasm32"))]
pub mod route;
#[cfg(not(target_arch = "wasm32"))]
pub mod step;
pub mod words;
#[cfg(not(target_arch = "wasm32"))]
mod zone;

pub use segflow_protocol as protocol;

use std::sync::Arc;

use segflow_protocol::{Manifest, Request, Response};

/// Code of a project that can be asked: a WebAssembly instance in a server, plain functions in tests.
pub trait Plugin: Send + Sync {
    fn call(&self, request: &Request) -> Result<Response, PluginError>;
}

/// The code of one deployment, with what it declares.
#[derive(Clone)]
pub struct Code {
    pub plugin: Arc<dyn Plugin>,
    pub manifest: Arc<Manifest>,
}

/// Where a deployment's code is to be had.
pub type Plugins<'a> = &'a dyn Fn(&str) -> Result<Code, PluginError>;

/// Why a plugin gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginError {
    /// It panicked, ran out of fuel or memory, or broke the ABI. The text is for the user, with file and line where known.
    Trap(String),
    /// The host could not run it now; nothing is wrong with the plugin.
    Unavailable(String),
}

impl std::fmt::Display for PluginError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PluginError::Trap(why) | PluginError::Unavailable(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for PluginError {}
