//! The end-to-end suite: what `contract.md` promises, on SQLite and on MySQL.

mod harness;

mod away;
mod batch;
mod cli;
mod clients;
mod clock;
mod consent;
mod crash;
mod delivery;
mod deployments;
mod emails;
mod erasure;
mod flows;
mod golden;
mod in_flight;
mod lifecycle;
mod links;
mod lists;
mod problems;
mod promises;
mod providers;
mod raw_sql;
mod refused_pushes;
mod routing;
mod secrets;
mod segments;
mod servers;
mod smtp;
mod store;
mod storefront;
mod tracking;
mod users;
mod webhooks_in;
mod workspaces;
