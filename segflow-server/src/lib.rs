//! The Segflow server.
//!
//! Facts come in over the [`api`] and are stored; the [`engine`] reads them, decides and stores what it decided; [`delivery`] hands
//! decided messages to providers and stores what became of them. They meet in the [`store`] and nowhere else.

#[macro_use]
pub mod store;
mod webhooks;

mod address;
mod allow;
pub mod api;
pub mod clock;
pub mod config;
pub mod delivery;
pub mod deploy;
pub mod doctor;
pub mod drive;
mod endpoints;
pub mod engine;
mod flights;
#[cfg(test)]
mod layers;
mod links;
pub mod live;
mod lock;
mod loops;
mod mailboxes;
mod notices;
mod outgoing;
pub mod ownership;
pub mod plugin;
mod public;
mod ready;
mod replies;
pub mod secrets;
mod seen;
mod segments;
mod server;

pub use config::{Config, Mode};
pub use links::unsigned;
pub use live::LiveEvent;
pub use server::Server;
