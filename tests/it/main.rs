//! The end-to-end suite: what users of the CLI and the HTTP API rely on, on SQLite and on MySQL.

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
mod doctor;
mod emails;
mod erasure;
mod flows;
mod golden;
mod hold;
mod in_flight;
mod lifecycle;
mod links;
mod lists;
mod policies;
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
mod users;
mod workspaces;
