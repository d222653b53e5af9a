//! One request to the admin listener, and its answer.

use std::fmt::Write as _;
use std::io::{self, Error, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use serde_json::Value;

use super::text::escaped_lines;

pub(super) struct Client {
    address: String,
    token: Option<String>,
}

impl Client {
    const CONNECT: Duration = Duration::from_secs(5);
    /// The listener answers within thirty seconds, or never.
    const ANSWER: Duration = Duration::from_secs(35);

    pub(super) fn new(address: String, token: Option<String>) -> Self {
        Self { address, token }
    }

    /// # Errors
    /// Why there is no answer, or what it refuses.
    pub(super) fn ask(&self, method: &str, path: &str) -> Result<Value, String> {
        if self.token.as_ref().is_some_and(|token| token.contains(|c: char| c.is_control())) {
            return Err("the token must be one line".to_owned());
        }
        let unreachable = |error: Error| {
            if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) {
                return format!("the admin listener at {} does not answer", self.address);
            }
            if error.kind() == ErrorKind::InvalidInput {
                return format!("{}: is no address such as 127.0.0.1:9090", self.address);
            }
            format!("cannot reach the admin listener at {}: {error}", self.address)
        };
        let answer = self.exchange(method, path).map_err(unreachable)?;
        let no_http = || format!("{} does not answer as an admin listener does", self.address);
        let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(no_http)?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok()).ok_or_else(no_http)?;
        match status {
            200 => serde_json::from_str(body).map_err(|_| no_http()),
            401 if self.token.is_some() => Err("the admin listener does not take this token".to_owned()),
            401 => Err("the admin listener asks for a token: --token-file, or TRUNKLINE_ADMIN_TOKEN".to_owned()),
            _ => Err(format!("refused ({status}): {}", escaped_lines(body.trim_end()))),
        }
    }

    fn exchange(&self, method: &str, path: &str) -> io::Result<String> {
        let mut refused = Error::other("it has no address");
        for address in self.address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, Self::CONNECT) {
                Ok(stream) => return self.exchange_on(stream, method, path),
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    fn exchange_on(&self, mut stream: TcpStream, method: &str, path: &str) -> io::Result<String> {
        stream.set_read_timeout(Some(Self::ANSWER))?;
        stream.set_write_timeout(Some(Self::CONNECT))?;
        let token = self.token.as_ref().map_or(String::new(), |token| format!("Authorization: Bearer {token}\r\n"));
        // Without a token the listener is told apart from a web page by its address.
        let host = stream.peer_addr()?;
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{token}Content-Length: 0\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

/// As it stands in a path or a query.
pub(super) fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, octet| {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            out.push(char::from(octet));
        } else {
            // A string takes all.
            let _ = write!(out, "%{octet:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::admin::path::decoded;

    #[test]
    fn what_is_encoded_is_read_again() {
        for text in ["north", "a/b c", "50%+1?&=#", "größe"] {
            assert_eq!(decoded(&encoded(text)), text);
            assert!(encoded(text).bytes().all(|octet| octet.is_ascii_graphic()));
        }
    }
}
