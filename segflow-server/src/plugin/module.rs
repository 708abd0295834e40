//! A compiled module and its calls.

use std::sync::{Arc, Mutex, PoisonError};

use segflow_core::{
    Plugin, PluginError,
    protocol::{Request, Response, decode, encode_request},
};
use wasmtime::{Engine, Extern, Instance, InstancePre, ModuleExport, Store};

use super::{
    Rejected, check,
    engine::{Ticker, ticks},
    guest::{Failed, Guest, linker, slice},
    limits::{self, Budget},
    slots::Slots,
};

/// What modules need to run, however long their host lives.
pub struct Runtime {
    pub engine: Engine,
    pub budget: Budget,
    pub slots: Slots,
    large_answer: Mutex<()>,
    _ticker: Ticker,
}

impl Runtime {
    pub fn new(engine: Engine, budget: Budget) -> anyhow::Result<Self> {
        let ticker = Ticker::start(&engine)?;
        Ok(Self {
            engine,
            budget,
            slots: Slots::new(limits::INSTANCES),
            large_answer: Mutex::default(),
            _ticker: ticker,
        })
    }
}

/// A plugin, checked and compiled. Every call has an instance of its own, so nothing of one is seen by another.
pub struct Module {
    runtime: Arc<Runtime>,
    instance: InstancePre<Guest>,
    exports: Exports,
}

/// Found by number, not by name, in each new instance.
struct Exports {
    memory: ModuleExport,
    alloc: ModuleExport,
    call: ModuleExport,
}

impl Plugin for Module {
    fn call(&self, request: &Request) -> Result<Response, PluginError> {
        let bytes = encode_request(request);
        for _ in 0..self.runtime.budget.attempts {
            match self.attempt(request, &bytes) {
                Ok(response) => return Ok(response),
                Err(Failed::Plugin(why)) => return Err(why),
                Err(Failed::TooSlow) => tracing::warn!("a plugin's call took too long"),
            }
        }
        let Budget { deadline, attempts, .. } = self.runtime.budget;
        Err(PluginError::Trap(format!("took too long: {attempts} times more than {} s", deadline.as_secs_f32())))
    }
}

impl Module {
    /// Of a module that passed [`check::check`].
    pub(super) fn new(runtime: Arc<Runtime>, module: &wasmtime::Module) -> Result<Self, Rejected> {
        let instance = linker(&runtime.engine)
            .and_then(|linker| linker.instantiate_pre(module))
            .map_err(|why| Rejected::new("forbidden_import", format!("{why:#}")))?;
        let export = |name: &str| {
            module
                .get_export_index(name)
                .ok_or_else(|| Rejected::new("missing_export", format!("does not export `{name}`")))
        };
        let exports =
            Exports { memory: export("memory")?, alloc: export("segflow_alloc")?, call: export("segflow_call")? };
        let module = Self { runtime, instance, exports };
        module.try_out()?;
        Ok(module)
    }

    /// Starts it once: it must start at all, speak this server's version, and have the exports in the right shape.
    fn try_out(&self) -> Result<(), Rejected> {
        let fuel = self.runtime.budget.fuel;
        let _slot = self.runtime.slots.take();
        let mut store = self.store(fuel);
        let tried = self.start(&mut store, fuel).and_then(|instance| {
            let shape =
                |why: wasmtime::Error| Rejected::new("missing_export", format!("exports of another shape: {why:#}"));
            let abi = match instance.get_typed_func::<(), u32>(&mut store, "segflow_abi") {
                Ok(abi) => abi,
                Err(why) => return Ok(Err(shape(why))),
            };
            let version = abi.call(&mut store, ()).map_err(|why| Failed::from_wasmtime(&why, store.data(), fuel))?;
            Ok(check::check_abi(version).and_then(|()| self.functions(&mut store, instance).map(drop).map_err(shape)))
        });
        match tried {
            Ok(checked) => checked,
            Err(Failed::TooSlow) => Err(Rejected::new("unavailable", "the plugin took too long to start; try again")),
            Err(Failed::Plugin(PluginError::Unavailable(why))) => Err(Rejected::new("unavailable", why)),
            Err(Failed::Plugin(PluginError::Trap(why))) => {
                Err(check::not_a_plugin(&format!("it does not start: {why}")))
            }
        }
    }

    fn store(&self, fuel: u64) -> Store<Guest> {
        let mut store = Store::new(&self.runtime.engine, Guest::default());
        store.limiter(|guest| guest);
        store.set_fuel(fuel).expect("the engine counts fuel");
        store.set_epoch_deadline(ticks(self.runtime.budget.deadline));
        store
    }

    fn start(&self, store: &mut Store<Guest>, fuel: u64) -> Result<Instance, Failed> {
        self.instance.instantiate(&mut *store).map_err(|why| Failed::from_wasmtime(&why, store.data(), fuel))
    }

    fn functions(&self, store: &mut Store<Guest>, instance: Instance) -> wasmtime::Result<Functions> {
        let mut export = |export| instance.get_module_export(&mut *store, export);
        let memory = export(&self.exports.memory).and_then(Extern::into_memory);
        let alloc = export(&self.exports.alloc).and_then(Extern::into_func);
        let call = export(&self.exports.call).and_then(Extern::into_func);
        let (Some(memory), Some(alloc), Some(call)) = (memory, alloc, call) else {
            wasmtime::bail!("not a memory and functions")
        };
        Ok(Functions { memory, alloc: alloc.typed(&*store)?, call: call.typed(&*store)? })
    }

    fn attempt(&self, request: &Request, bytes: &[u8]) -> Result<Response, Failed> {
        let fuel = self.runtime.budget.fuel_for(request);
        // Before the store, so that the place is free only after the instance is gone.
        let _slot = self.runtime.slots.take();
        let mut store = self.store(fuel);
        let instance = self.start(&mut store, fuel)?;
        let plugin =
            self.functions(&mut store, instance).map_err(|why| Failed::from_wasmtime(&why, store.data(), fuel))?;

        let len = u32::try_from(bytes.len()).map_err(|_| Failed::trap("the request is too large for a plugin"))?;
        let pointer =
            plugin.alloc.call(&mut store, len).map_err(|why| Failed::from_wasmtime(&why, store.data(), fuel))?;
        plugin.memory.write(&mut store, pointer as usize, bytes).map_err(|_| {
            Failed::broke_abi(format_args!(
                "`segflow_alloc` gave {len} bytes at {pointer}, which is outside its memory"
            ))
        })?;
        let answer = plugin
            .call
            .call(&mut store, (pointer, len))
            .map_err(|why| Failed::from_wasmtime(&why, store.data(), fuel))?;

        let (pointer, len) = ((answer >> 32) as u32, answer as u32);
        if len as usize > limits::ANSWER_BYTES {
            return Err(Failed::broke_abi(format_args!("{len} bytes, at most {} are taken", limits::ANSWER_BYTES)));
        }
        let answer = slice(plugin.memory.data(&store), pointer, len)
            .ok_or_else(|| Failed::broke_abi(format_args!("{len} bytes at {pointer}, which is outside its memory")))?;
        let large = answer.len() > limits::LARGE_ANSWER_BYTES;
        let _one_at_a_time = large.then(|| self.runtime.large_answer.lock().unwrap_or_else(PoisonError::into_inner));
        let response = decode(answer).map_err(Failed::broke_abi)?;
        check_answer(request, &response).map_err(Failed::broke_abi)?;
        Ok(response)
    }
}

struct Functions {
    memory: wasmtime::Memory,
    alloc: wasmtime::TypedFunc<u32, u32>,
    call: wasmtime::TypedFunc<(u32, u32), u64>,
}

/// What decoding alone does not see: whether this was asked for, and whether anybody could have meant it.
fn check_answer(request: &Request, response: &Response) -> Result<(), String> {
    let turn = match (request, response) {
        (Request::Turn(_) | Request::Anew(..), Response::Turn(turn)) => turn,
        (_, Response::Refused(_))
        | (Request::Describe, Response::Manifest(_))
        | (Request::Samples, Response::Samples(_))
        | (Request::Render(_), Response::Rendered(_)) => return Ok(()),
        _ => return Err("it answers another question".into()),
    };
    let most = turn.entries.len().max(turn.effects.len()).max(turn.pending.len()).max(turn.logs.len());
    if most > limits::ANSWER_ITEMS { Err(format!("{most} things in one turn")) } else { Ok(()) }
}
