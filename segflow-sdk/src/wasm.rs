//! The plugin's side of the ABI. The exports themselves are made by `#[segflow::project]`.
//!
//! A server makes a fresh instance for each call, so nothing is ever given back: the instance goes as a whole.
#![allow(unsafe_code, reason = "pointers and lengths are all that the ABI of WebAssembly knows")]

use std::hash::RandomState;
use std::sync::Once;

#[link(wasm_import_module = "segflow")]
unsafe extern "C" {
    /// Hands the host a panic's message, UTF-8, just before the trap.
    #[link_name = "panic"]
    fn host_panic(pointer: u32, len: u32);
}

unsafe extern "C" {
    fn __wasm_call_ctors();
}

fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        // The keys of all hash maps follow from an address of the heap when the first one is made: make one before anything else is
        // there, so that maps are in the same order on every replay.
        std::hint::black_box(RandomState::new());
        std::panic::set_hook(Box::new(|panic| {
            let message = crate::native::panic_text(panic);
            // SAFETY: the host reads the `len` bytes at `pointer` before it returns, and they live until then.
            unsafe { host_panic(message.as_ptr() as u32, message.len() as u32) };
        }));
        // SAFETY: called once per instance, before anything that it sets up is used; it runs the registrations of `inventory`.
        unsafe { __wasm_call_ctors() };
    });
}

/// Room for a request.
pub fn alloc(len: u32) -> u32 {
    start();
    let room: &'static mut [u8] = vec![0; len as usize].leak();
    room.as_mut_ptr() as u32
}

/// Answers the request at `pointer`; the pointer to the answer is in the upper half, its length in the lower.
pub fn call(pointer: u32, len: u32, answer: impl FnOnce(&[u8]) -> Vec<u8>) -> u64 {
    start();
    // SAFETY: the host wrote a request of this length into the room it got from `alloc`, which nobody else has.
    let request = unsafe { std::slice::from_raw_parts(pointer as *const u8, len as usize) };
    let answer: &'static mut [u8] = answer(request).leak();
    (answer.as_ptr() as u64) << 32 | answer.len() as u64
}
