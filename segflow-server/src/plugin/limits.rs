//! What a plugin may cost. All of it is far above what an honest one needs, which has half a MiB of code and answers in 30 µs.

use std::time::Duration;

use segflow_core::protocol::{MAX_OPS_PER_TURN, Request};

/// Of the module as pushed. Compiling takes about three seconds for each MiB.
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
pub const ANSWER_BYTES: usize = 8 << 20;
/// Answers above this are read one at a time: a hostile one takes 40 times its size in memory.
pub const LARGE_ANSWER_BYTES: usize = 64 << 10;
/// The length of each list in an answer.
pub const ANSWER_ITEMS: usize = 10 * MAX_OPS_PER_TURN;

/// Of an instance that ended, kept for the next one.
pub const KEEP_RESIDENT_BYTES: usize = 2 << 20;

/// Compiled modules kept in memory, and artifacts kept on disk.
pub const KEPT_IN_MEMORY: usize = 64;
pub const KEPT_ON_DISK: usize = 256;

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
            Request::Describe | Request::Samples => self.describe_fuel,
            Request::Turn(_) | Request::Anew(..) | Request::Render(_) => self.fuel,
        }
    }
}
