//! What only `unsafe` can say: who owns a descriptor. The one file of the crate with `unsafe`.
#![allow(unsafe_code, reason = "descriptors; every other file denies it")]

use std::os::fd::{FromRawFd, IntoRawFd};

/// Takes up a listening socket on this executor.
#[must_use]
pub fn listener_from(listener: std::net::TcpListener) -> glommio::net::TcpListener {
    // SAFETY: ownership of an open, listening descriptor passes to glommio's listener.
    unsafe { glommio::net::TcpListener::from_raw_fd(listener.into_raw_fd()) }
}
