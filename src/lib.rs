//! Trunkline.

pub mod config;
pub mod smpp;
