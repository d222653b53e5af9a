//! Trunkline.

pub mod cli;
pub mod config;
pub mod engine;
pub mod metrics;
pub mod runtime;
pub mod smpp;
pub mod tools;
