//! The turn machine, as a plugin runs it.
//!
//! A flow is an `async fn`, polled by hand. Each operation it begins gets the next number. Some are complete at once (send, user,
//! update), others stay pending (wait). What came of each is an entry of the journal, and the journal alone decides what a flow sees:
//! replaying it polls the same future into the same place, then the turn goes on live. A flow must therefore depend on nothing else;
//! where it does something that its journal does not have, it has diverged, and nothing of that turn is kept.

mod machine;
mod ops;

pub use machine::{Given, run};
pub use ops::{Flow, Never, Now, Op, Template};

#[cfg(test)]
mod tests;
