//! The parts of `segflow dev`.

mod folder;
mod idle;
mod log;
mod play;
mod table;
mod watch;

pub use folder::{DevFolder, Published};
pub use idle::settle;
pub use log::LiveLog;
pub use play::{Traffic, What};
pub use table::show as show_messages;
pub use watch::Watch;
