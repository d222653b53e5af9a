//! Connections from a balancer: what they are dealt for is the address in their PROXY header.
//!
//! The header is read on shard 0, exactly and before anything else, so that allow lists, bans and caps see the real address;
//! what follows it stays in the kernel for whoever the connection is dealt to. Such connections are counted in only when
//! their header was read: until then there are at most `limits.unbound` of them, for `smpp.session_init` at most.

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use futures_lite::{AsyncReadExt, future};

use crate::config::Config;
use crate::runtime::proxy_header::Head;
use crate::runtime::{socket, sys};

/// Reads the header of a connection; returns the connection, and whom it comes from.
pub async fn read_header(accepted: OwnedFd, peer: IpAddr, config: &Config) -> io::Result<(OwnedFd, IpAddr)> {
    if let Some(balancers) = &config.smpp.proxy_from
        && !balancers.iter().any(|network| network.contains(peer))
    {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "smpp.proxy_from does not name its address"));
    }
    let mut stream = sys::stream_from(accepted)?;
    let read = async {
        let bad =
            |fault: crate::runtime::proxy_header::Fault| io::Error::new(io::ErrorKind::InvalidData, fault.to_string());
        let mut head = [0; Head::LEN];
        stream.read_exact(&mut head).await?;
        let head = Head::read(&head).map_err(bad)?;
        let mut rest = vec![0; head.rest];
        stream.read_exact(&mut rest).await?;
        head.source(&rest).map_err(bad)
    };
    let source = future::or(read, socket::give_up(config.smpp.timers.session_init)).await?;
    Ok((sys::own(&stream)?, source.unwrap_or(peer)))
}
