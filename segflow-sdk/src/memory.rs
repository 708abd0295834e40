//! A plugin's memory.
//!
//! Every call has an instance of its own, which lives for some microseconds. Growing its memory, and taking that back for the next one,
//! cost the server two system calls each time, for which all of its threads wait for one another; so there is room from the start.
#![allow(unsafe_code, reason = "an allocator hands out pointers")]

use std::alloc::Layout;
use std::arch::wasm32::memory_grow;
use std::mem::MaybeUninit;

use talc::base::{Talc, binning::Binning};
use talc::cell::TalcSyncCell;
use talc::source::Source;
use talc::wasm::WasmBinning;

/// Far more than a turn or an email needs. Pages that nobody touches cost nothing.
const ROOM: usize = 512 << 10;

/// What is asked for when that is used up.
const PAGE: usize = 64 << 10;

#[global_allocator]
static MEMORY: TalcSyncCell<Memory, WasmBinning> = TalcSyncCell::new_wasm(Memory { begun: false });

#[derive(Debug)]
struct Memory {
    begun: bool,
}

// SAFETY: it allocates nothing itself.
unsafe impl Source for Memory {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        static mut ROOM_TO_BEGIN_WITH: [MaybeUninit<u8>; ROOM] = [MaybeUninit::uninit(); ROOM];
        let (base, size) = if talc.source.begun {
            // The allocator's own words beside what is asked for.
            let pages = (layout.size() + layout.align() + 1_024).div_ceil(PAGE);
            match memory_grow::<0>(pages) {
                usize::MAX => return Err(()),
                end => ((end * PAGE) as *mut u8, pages * PAGE),
            }
        } else {
            talc.source.begun = true;
            (&raw mut ROOM_TO_BEGIN_WITH as *mut u8, ROOM)
        };
        // SAFETY: nobody else has this memory: it is named here alone and claimed once, or was just grown.
        unsafe { talc.claim(base, size) }.map(drop).ok_or(())
    }
}
