//! The parts of `segflow dev`.

mod folder;
mod idle;
mod log;
mod play;
mod watch;

pub use folder::{DevFolder, Published};
pub use idle::settle;
pub use log::LiveLog;
pub use play::{Traffic, What};
pub use watch::Watch;
