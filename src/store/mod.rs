//! The store.

pub mod record;
