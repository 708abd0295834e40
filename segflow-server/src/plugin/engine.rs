//! How wasmtime is set up, and the thread that counts time for it.

use std::{
    sync::mpsc::{RecvTimeoutError, Sender, channel},
    thread::JoinHandle,
    time::Duration,
};

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OperatorCost, PoolingAllocationConfig, WasmFeatures,
};

use super::limits;

/// All that 32 bits can address.
const ALL_ADDRESSES: u64 = 4 << 30;

/// The same module must do the same on every server, and nothing but its own memory may be within its reach.
///
/// With all addresses reserved for each memory, the processor itself sees what is outside of it; otherwise every access is compared, which
/// is an eighth of what an email costs. That reserves addresses and no memory, but a container with a limit on addresses refuses it.
pub fn engine() -> anyhow::Result<Engine> {
    let reserving = |addresses| Engine::new(&config(addresses));
    let engine = reserving(ALL_ADDRESSES).or_else(|_| reserving(limits::MEMORY_BYTES as u64));
    engine.map_err(|why| anyhow::anyhow!("WebAssembly cannot run here: {why:#}"))
}

fn config(addresses: u64) -> Config {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .operator_cost(costs())
        .epoch_interruption(true)
        .max_wasm_stack(limits::STACK_BYTES)
        // What may differ between processors.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        // For debuggers and profilers; a third of every artifact. The names of functions are elsewhere.
        .generate_address_map(false)
        .native_unwind_info(false)
        // One 32-bit memory per module, and no threads: neither are needed, and both would undo limits.
        .wasm_features(WasmFeatures::THREADS | WasmFeatures::SHARED_EVERYTHING_THREADS, false)
        .wasm_multi_memory(false)
        .wasm_memory64(false)
        .wasm_custom_page_sizes(false)
        // An instance begins as a copy-on-write image of its data instead of a copy.
        .memory_init_cow(true)
        .memory_reservation(addresses)
        .memory_guard_size(limits::PAGE)
        .guard_before_linear_memory(false)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool()));
    config
}

/// What takes far longer than other instructions costs more, so that a budget of fuel is used up in about the same time by anything.
/// Otherwise the deadline would have to end such calls, and that depends on how busy the machine is.
fn costs() -> OperatorCost {
    // Calls into the host, of which growing also enters the kernel.
    const HOST: u8 = 20;
    const KERNEL: u8 = 255;
    // Division and square root.
    const SLOW: u8 = 10;
    OperatorCost {
        MemoryGrow: KERNEL,
        TableGrow: KERNEL,
        MemoryFill: HOST,
        MemoryCopy: HOST,
        MemoryInit: HOST,
        DataDrop: HOST,
        TableFill: HOST,
        TableCopy: HOST,
        TableInit: HOST,
        ElemDrop: HOST,
        RefFunc: HOST,
        F32Div: SLOW,
        F64Div: SLOW,
        F32Sqrt: SLOW,
        F64Sqrt: SLOW,
        F32x4Div: SLOW,
        F64x2Div: SLOW,
        F32x4Sqrt: SLOW,
        F64x2Sqrt: SLOW,
        ..OperatorCost::new()
    }
}

fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(limits::INSTANCES)
        .total_memories(limits::INSTANCES)
        .total_tables(limits::INSTANCES)
        .max_memories_per_module(1)
        .max_tables_per_module(1)
        .table_elements(limits::TABLE_ELEMENTS)
        .max_memory_size(limits::MEMORY_BYTES)
        // Grows with functions whose address is taken.
        .max_core_instance_size(4 << 20);
    // Where the kernel can tell which pages were touched (Linux 6.7), those are restored in place and the next call has no page faults:
    // half the cost of a call. Elsewhere it would mean to write over all of them.
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.pagemap_scan(Enabled::Yes)
            .linear_memory_keep_resident(limits::KEEP_RESIDENT_BYTES)
            .table_keep_resident(limits::KEEP_RESIDENT_BYTES);
    }
    pool
}

/// The deadlines of calls are counted in these.
const TICK: Duration = Duration::from_millis(100);

/// Ticks until a call that begins now has had at least so much time.
pub fn ticks(time: Duration) -> u64 {
    time.as_millis().div_ceil(TICK.as_millis()) as u64 + 1
}

/// Advances the engine's epoch until it is dropped. It counts its own awakenings, not time: a machine that slept has not used up
/// anybody's deadline.
pub struct Ticker {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    pub fn start(engine: &Engine) -> anyhow::Result<Self> {
        let (stop, stopped) = channel::<()>();
        let engine = engine.clone();
        let thread =
            std::thread::Builder::new().name("plugin-epoch".into()).stack_size(128 << 10).spawn(move || {
                while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                    engine.increment_epoch();
                }
            })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
