//! The built program, driven through its sockets as an operator, a customer and a carrier would.
//!
//! Every test starts a gateway of its own on free ports and a temporary store, and shares nothing. `world` is the usual stage:
//! the gateway, a carrier that answers everything, and a second customer who must notice nothing of what the first one does.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "tests are an edge: they read files and clocks, a helper that fails fails its test, and nobody imports them"
)]

mod admin;
mod bad_company;
mod balancer;
mod binds;
mod callbacks;
mod carrier;
mod carriers_faults;
mod cdr;
mod content;
#[path = "../malformed/corpus.rs"]
mod corpus;
mod crowd;
mod ctl;
mod drain;
mod examples;
mod framing;
mod gateway;
mod http_api;
mod http_texts;
mod joined;
#[path = "../malformed/judge.rs"]
mod judge;
mod kannel_http;
mod lifecycle;
mod limits;
mod links;
mod logs;
mod malformed;
mod metrics;
mod mo;
mod multi;
mod operations;
mod page;
mod parts;
mod passwords;
mod peer;
mod policy;
mod processes;
mod proxy;
mod receipts;
mod receiver;
mod reload;
mod reload_secrets;
mod rewriting;
mod routing;
mod security;
mod sendsms;
mod sessions;
mod store;
mod stored;
mod systemd;
mod tls;
mod tls_esme;
mod tools;
mod versions;
mod web;
mod web_server;
mod world;
