//! What several suites need.

pub mod peers;
