//! The edge: the only code that knows glommio, hyper, sockets, files, signals and clocks.
//!
//! It turns bytes and timers into the engine's inputs and the engine's effects into writes; it decides nothing itself.

pub mod admin;
pub mod clock;
pub mod connection;
pub mod control;
pub mod dialer;
pub mod disk;
pub mod engine;
pub mod files;
pub mod handover;
pub mod health;
pub mod hyper_io;
pub mod ids;
pub mod listener;
pub mod logging;
pub mod mailbox;
pub mod mesh;
pub mod notice;
pub mod opening;
pub mod opt_out;
pub mod password_digests;
pub mod passwords;
pub mod posting;
pub mod proxy_header;
pub mod proxy_protocol;
pub mod publish;
pub mod pulse;
pub mod resolve;
pub mod segments;
pub mod serve;
pub mod shard_loop;
pub mod signals;
pub mod socket;
pub mod store_files;
pub mod store_repair;
pub mod sys;
pub mod tls;
pub mod tls_listener;
pub mod transport;
pub mod wakeup;
pub mod web;
pub mod web_accounts;
pub mod web_io;
pub mod web_server;
pub mod web_watch;
