//! A project as a plugin without WebAssembly: what tests run it in.

use std::panic::PanicHookInfo;

/// A panic in one line: `index out of bounds … (src/lib.rs:31)`.
pub(crate) fn panic_text(panic: &PanicHookInfo<'_>) -> String {
    let message = panic.payload_as_str().unwrap_or("panicked");
    match panic.location() {
        Some(location) => format!("{message} ({}:{})", location.file(), location.line()),
        None => message.to_string(),
    }
}

#[cfg(not(target_arch = "wasm32"))]
pub use here::Native;

#[cfg(not(target_arch = "wasm32"))]
mod here {
    use std::cell::RefCell;
    use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
    use std::sync::{Mutex, Once};

    use segflow_core::{Plugin, PluginError};
    use segflow_protocol::{Request, Response};

    use crate::{Attributes, Project, dispatch};

    /// A project that answers in this process. A panic is a trap, as it is on a server.
    pub struct Native<U> {
        project: Project<U>,
        random: Mutex<Option<u64>>,
    }

    impl<U: Attributes> Native<U> {
        /// As it is.
        pub fn new(project: Project<U>) -> Native<U> {
            Native { project, random: Mutex::default() }
        }

        /// Makes every random number of its flows this one; `None`: each its own again.
        pub(crate) fn set_random(&self, random: Option<u64>) {
            *self.random.lock().expect("no panic while held") = random;
        }
    }

    impl<U: Attributes> Plugin for Native<U> {
        fn call(&self, request: &Request) -> Result<Response, PluginError> {
            let random = *self.random.lock().expect("no panic while held");
            catch_panics();
            PANIC.set(Caught::Nothing);
            let answered =
                catch_unwind(AssertUnwindSafe(|| dispatch::respond_with(&self.project, request.clone(), random)));
            let caught = PANIC.replace(Caught::NotHere);
            answered.map_err(|_| match caught {
                Caught::Panic(text) => PluginError::Trap(text),
                Caught::Nothing | Caught::NotHere => PluginError::Trap("panicked".into()),
            })
        }
    }

    enum Caught {
        /// No call runs on this thread: a panic is somebody else's.
        NotHere,
        Nothing,
        Panic(String),
    }

    thread_local! {
        static PANIC: RefCell<Caught> = const { RefCell::new(Caught::NotHere) };
    }

    /// Keeps the text of a panic in a call, instead of printing it; all others go to the hook that was there.
    fn catch_panics() {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let others = take_hook();
            set_hook(Box::new(move |panic| {
                let ours = PANIC.with_borrow_mut(|caught| match caught {
                    Caught::NotHere => false,
                    Caught::Nothing | Caught::Panic(_) => {
                        *caught = Caught::Panic(super::panic_text(panic));
                        true
                    }
                });
                if !ours {
                    others(panic);
                }
            }));
        });
    }
}
