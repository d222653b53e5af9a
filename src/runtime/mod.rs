//! The edge: the only code that knows glommio, sockets, files, signals and clocks.

pub mod sys;
