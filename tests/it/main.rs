//! The end-to-end suite: what `contract.md` promises, on SQLite and on MySQL.

mod harness;

mod batch;
mod clock;
mod delivery;
mod deployments;
mod erasure;
mod lists;
mod problems;
mod promises;
mod refused_pushes;
mod smtp;
mod storefront;
mod users;
mod workspaces;
