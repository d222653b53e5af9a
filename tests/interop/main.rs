//! With software that was not written here: PyPI's smpplib and aiosmpplib, npm's smpp and Perl's Net::SMPP as customers, npm's smpp as the
//! carrier, Kannel as a customer, PyPI's schemathesis asking all that the OpenAPI document says, two of them as readers of our texts,
//! Wireshark's dissector reading what goes over the wire, prometheus_client and promtool reading our metrics, systemd reading our units,
//! and Chromium showing the status page.
//!
//! `just interop` runs these. What is missing on the machine, or cannot be had, is skipped and said.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    dead_code,
    unreachable_pub,
    reason = "tests are an edge, a helper that fails fails its test, and only a part of the end-to-end harness is used"
)]

mod journeys;
mod kannel;
mod kannel_http;
mod libraries;
mod metrics;
mod openapi;
mod page;
mod peers;
mod smsboxes;
mod texts;
mod units;
mod wireshark;

#[path = "../e2e/carrier.rs"]
mod carrier;
#[path = "../e2e/gateway.rs"]
mod gateway;
#[path = "../e2e/peer.rs"]
mod peer;
#[path = "../e2e/processes.rs"]
mod processes;
#[path = "../e2e/receiver.rs"]
mod receiver;
#[path = "../e2e/sendsms.rs"]
mod sendsms;
#[path = "../e2e/web.rs"]
mod web;
