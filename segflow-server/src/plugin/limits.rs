//! What a plugin may cost. Far above what an honest one needs: the storefront example is 0.1 of the smallest of them.

use std::time::Duration;

use segflow_core::protocol::Request;

/// Of the module as pushed. Compiling takes about a second for each MiB and core.
pub const MODULE_BYTES: usize = 8 << 20;
pub const FUNCTIONS: u32 = 30_000;
/// The compiler needs more than linear time and memory for large functions.
pub const FUNCTION_BYTES: usize = 256 << 10;
/// Over all functions. A few bytes can declare 50,000 locals, each of which costs the compiler.
pub const LOCALS: u64 = 1_000_000;
pub const TYPES: u32 = 10_000;
pub const GLOBALS: u32 = 1_000;
pub const TABLE_ELEMENTS: usize = 30_000;

pub const PAGE: u64 = 64 << 10;
/// Of one instance.
pub const MEMORY_BYTES: usize = 64 << 20;
/// Native stack. Less than half of what threads have by default.
pub const STACK_BYTES: usize = 512 << 10;
/// Instances at one time; calls beyond wait for one to end.
pub const INSTANCES: u32 = 64;

pub const PANIC_BYTES: usize = 4 << 10;
/// What is decoded into many small values takes up to 80 times its size in memory, so a turn gets less than texts do.
const TURN_ANSWER_BYTES: usize = 2 << 20;
const TEXT_ANSWER_BYTES: usize = 8 << 20;

/// Of an instance that ended, kept for the next one.
pub const KEEP_RESIDENT_BYTES: usize = 4 << 20;

/// Compiled modules kept in memory, and artifacts kept on disk.
pub const KEPT_IN_MEMORY: usize = 64;
pub const KEPT_ON_DISK: usize = 256;

pub fn answer_bytes(request: &Request) -> usize {
    match request {
        Request::Turn(_) => TURN_ANSWER_BYTES,
        Request::Describe | Request::Render(_) => TEXT_ANSWER_BYTES,
    }
}

/// What a call may spend; tests make it small.
#[derive(Debug, Clone)]
pub struct Budget {
    /// Instructions, and bytes of bulk operations. The same call spends the same everywhere: this decides whether a flow is parked.
    pub fuel: u64,
    /// A project is described once per push, and all of it at once.
    pub describe_fuel: u64,
    /// How long a call may hold a thread. It depends on the machine and its load, so a call that took too long is tried again.
    pub deadline: Duration,
    pub attempts: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self { fuel: 1_000_000_000, describe_fuel: 3_000_000_000, deadline: Duration::from_secs(5), attempts: 3 }
    }
}

impl Budget {
    pub fn fuel_for(&self, request: &Request) -> u64 {
        match request {
            Request::Describe => self.describe_fuel,
            Request::Turn(_) | Request::Render(_) => self.fuel,
        }
    }
}
