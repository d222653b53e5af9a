//! An operator's worst days at full length: files that are reloaded every two seconds, drains, and kills that call detail records
//! have to survive, all under a load of SMPP, submit_multi and HTTP with callbacks.
//!
//! `just reload`, `just drains` and `just records` run them. `TRUNKLINE` names another program than the one built for the tests.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "tests are an edge: they read files and clocks, a helper that fails fails its test, and nobody imports them"
)]

mod drains;
mod lines;
mod multi;
#[path = "../kill/process.rs"]
mod process;
mod records;
mod reloads;
mod stage;
mod web;
