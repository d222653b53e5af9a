//! The store.

pub mod batch;
pub mod journal;
pub mod names;
pub mod record;
pub mod segment;
