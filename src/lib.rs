//! Trunkline.

pub mod cli;
pub mod config;
pub mod runtime;
pub mod smpp;
pub mod tools;
