//! The edge: the only code that knows glommio, hyper, sockets, files, signals and clocks.
//!
//! It turns bytes and timers into the engine's inputs and the engine's effects into writes; it decides nothing itself.

pub mod admin;
pub mod clock;
pub mod health;
pub mod hyper_io;
pub mod logging;
pub mod signals;
pub mod socket;
pub mod sys;
