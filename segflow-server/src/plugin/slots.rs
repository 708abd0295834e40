//! Places for instances: as many as the pool has, so that a call waits instead of failing.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

pub struct Slots {
    state: Mutex<State>,
    freed: Condvar,
}

struct State {
    free: u32,
    /// Waking nobody is a system call too, so it is not done.
    waiting: u32,
}

impl Slots {
    pub fn new(count: u32) -> Self {
        Self { state: Mutex::new(State { free: count, waiting: 0 }), freed: Condvar::new() }
    }

    /// Waits for a place. It is free again when the answer is dropped, which must come after the instance is.
    pub fn take(&self) -> Slot<'_> {
        let mut state = self.lock();
        if state.free == 0 {
            state.waiting += 1;
            state = self.freed.wait_while(state, |state| state.free == 0).unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
        state.free -= 1;
        Slot(self)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub struct Slot<'a>(&'a Slots);

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.free += 1;
        if state.waiting > 0 {
            self.0.freed.notify_one();
        }
    }
}
