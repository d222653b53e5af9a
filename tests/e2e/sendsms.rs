//! A client of Kannel's sendsms, and what its dlr-url is called with.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::gateway::http;
use crate::peer::PATIENCE;
use crate::receiver::Receiver;

/// Sends what is asked at `/cgi-bin/sendsms`; the status and the body of the answer.
pub fn sendsms(address: SocketAddr, query: &str) -> (u16, String) {
    read(&http(address, &format!("/cgi-bin/sendsms?{query}")).expect("nobody answered"))
}

/// The same as a POST with these header lines.
pub fn posted(address: SocketAddr, headers: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    let head = format!("POST /cgi-bin/sendsms HTTP/1.1\r\nHost: test\r\n{headers}Connection: close\r\n");
    write!(stream, "{head}Content-Length: {length}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    read(&answer)
}

fn read(answer: &str) -> (u16, String) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

/// What a dlr-url is, percent-encoded once as it stands in a request.
pub fn dlr_url(receiver: SocketAddr, path: &str) -> String {
    let encode = |octet: u8| match octet {
        b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => char::from(octet).to_string(),
        _ => format!("%{octet:02X}"),
    };
    format!("http://{receiver}{path}").bytes().map(encode).collect()
}

/// The path of the next call.
pub fn called(receiver: &Receiver) -> String {
    let call = receiver.next();
    let path = call.request_line.strip_prefix("GET ").and_then(|line| line.strip_suffix(" HTTP/1.1"));
    path.unwrap_or_else(|| panic!("{call:?}")).to_owned()
}
