//! The edge: the only code that knows glommio, hyper, sockets, files, signals and clocks.
//!
//! It turns bytes and timers into the engine's inputs and the engine's effects into writes; it decides nothing itself.

pub mod clock;
pub mod sys;
