//! The store.

pub mod batch;
pub mod journal;
pub mod names;
pub mod record;
pub mod recovered;
pub mod recovery;
pub mod segment;
