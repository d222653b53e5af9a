//! Trunkline.

pub mod config;
pub mod metrics;
pub mod runtime;
pub mod smpp;
