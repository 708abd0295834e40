//! Which provider a message leaves by: who may be asked ([`breaker`]), how much each may take ([`limits`]), who takes what ([`choice`]),
//! and which messages wait for the same providers ([`lane`]).

pub mod breaker;
pub mod choice;
pub mod lane;
pub mod limits;

pub use breaker::{Access, Breaker, Change, Health};
pub use choice::{Candidate, share};
pub use lane::{Lane, Via};
pub use limits::{Limits, Purse};
