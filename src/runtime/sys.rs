//! What only `unsafe` can say: who owns a descriptor, and a signal to a child. The one file of the crate with `unsafe`.
#![allow(unsafe_code, reason = "descriptors and a signal; every other file denies it")]

use std::io;
use std::os::fd::{FromRawFd, IntoRawFd};

/// Takes up a listening socket on this executor.
#[must_use]
pub fn listener_from(listener: std::net::TcpListener) -> glommio::net::TcpListener {
    // SAFETY: ownership of an open, listening descriptor passes to glommio's listener.
    unsafe { glommio::net::TcpListener::from_raw_fd(listener.into_raw_fd()) }
}

/// Asks a child process to end (SIGTERM). Only for a child not yet waited for: its number may be another's after that.
pub fn terminate(child: &std::process::Child) -> io::Result<()> {
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    // SAFETY: kill takes two numbers and touches no memory of ours.
    if unsafe { libc::kill(pid, libc::SIGTERM) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn a_child_is_ended_by_sigterm() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        terminate(&child).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGTERM));
    }
}
