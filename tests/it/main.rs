//! The end-to-end suite: what `contract.md` promises, on SQLite and on MySQL.

mod harness;

mod batch;
mod lists;
mod problems;
mod promises;
mod storefront;
mod users;
mod workspaces;
