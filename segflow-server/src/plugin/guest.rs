//! One instance, and what of it the host holds: its limits, and why it stopped.

use segflow_core::PluginError;
use wasmtime::{Caller, Engine, Error, Linker, ResourceLimiter, Trap, WasmBacktrace};

use super::{check::IMPORT, limits};

/// The host's side of an instance.
#[derive(Default)]
pub struct Guest {
    /// Memory was asked for and refused: what Rust then does ends as a plain trap, which says nothing of memory.
    out_of_memory: bool,
}

impl ResourceLimiter for Guest {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let granted = desired <= limits::MEMORY_BYTES;
        self.out_of_memory |= !granted;
        Ok(granted)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= limits::TABLE_ELEMENTS)
    }

    fn instances(&self) -> usize {
        1
    }

    fn memories(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        1
    }
}

/// What plugins may import.
pub fn linker(engine: &Engine) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    // Nothing comes after a panic, so the call ends here: a plugin cannot spend time by panicking again and again.
    linker.func_wrap(
        IMPORT.0,
        IMPORT.1,
        |mut caller: Caller<'_, Guest>, pointer: u32, len: u32| -> wasmtime::Result<()> {
            let memory = caller.get_export("memory").and_then(|export| export.into_memory());
            let bytes = memory.as_ref().and_then(|memory| slice(memory.data(&caller), pointer, len));
            let bytes = bytes.map_or(&b"panicked, with a message outside its memory"[..], |bytes| {
                &bytes[..bytes.len().min(limits::PANIC_BYTES)]
            });
            Err(Error::from(Panic(String::from_utf8_lossy(bytes).into_owned())))
        },
    )?;
    Ok(linker)
}

/// The part of the memory that a plugin points to, if it is there.
pub fn slice(memory: &[u8], pointer: u32, len: u32) -> Option<&[u8]> {
    memory.get(pointer as usize..)?.get(..len as usize)
}

#[derive(Debug)]
struct Panic(String);

impl std::fmt::Display for Panic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Panic {}

/// Why a call gave no answer.
pub enum Failed {
    /// The deadline passed. It is the host's, so the call may be tried again.
    TooSlow,
    Plugin(PluginError),
}

impl Failed {
    pub fn trap(why: impl Into<String>) -> Self {
        Failed::Plugin(PluginError::Trap(why.into()))
    }

    pub fn broke_abi(why: impl std::fmt::Display) -> Self {
        Failed::trap(format!("the plugin's answer is not one: {why}"))
    }

    /// From what wasmtime says, in the words of a user who knows Rust and not wasm.
    pub fn from_wasmtime(why: &Error, guest: &Guest, fuel: u64) -> Self {
        if let Some(Panic(message)) = why.downcast_ref() {
            return Failed::trap(message.as_str());
        }
        let Some(trap) = why.downcast_ref::<Trap>() else {
            return Failed::Plugin(PluginError::Unavailable(format!("the plugin could not be started: {why:#}")));
        };
        let text = match trap {
            Trap::Interrupt => return Failed::TooSlow,
            _ if guest.out_of_memory => format!("out of memory: a plugin has {} MiB", limits::MEMORY_BYTES >> 20),
            Trap::OutOfFuel => format!("stopped after {fuel} instructions: a loop that does not end?"),
            Trap::StackOverflow => "the stack is exhausted: a recursion that does not end?".into(),
            Trap::UnreachableCodeReached => "aborted without a message".into(),
            trap => trap.to_string(),
        };
        Failed::trap(text + &place(why))
    }
}

/// The innermost function whose name the module tells.
fn place(why: &Error) -> String {
    let frames = why.downcast_ref::<WasmBacktrace>().map_or(&[][..], |backtrace| backtrace.frames());
    frames.iter().find_map(|frame| frame.func_name()).map_or(String::new(), |name| format!(" (in {name})"))
}
