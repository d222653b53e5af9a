//! A connection in the hands of the test: octets as it likes, answers one by one.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use crate::peer::PATIENCE;
use crate::web::Answer;

pub const ACME: &str = "Authorization: Basic YWNtZTpzZWNyZXQ=\r\n";

pub struct Client<S = TcpStream> {
    pub stream: S,
    unread: Vec<u8>,
}

/// A message of `acme` to the carrier, on a connection that is kept.
pub fn submit(text: &str) -> Vec<u8> {
    submit_with(ACME, text)
}

pub fn submit_with(headers: &str, text: &str) -> Vec<u8> {
    let body = format!(r#"{{"to": "4915100000001", "from": "ACME", "text": "{text}"}}"#);
    post(headers, &body)
}

pub fn post(headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!("POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{headers}");
    format!("{head}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// What asks for no account.
pub fn get(headers: &str) -> Vec<u8> {
    format!("GET /v1/openapi.json HTTP/1.1\r\nHost: x\r\n{headers}\r\n").into_bytes()
}

impl Client {
    pub fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self::within(stream)
    }
}

impl<S: Read + Write> Client<S> {
    pub fn within(stream: S) -> Self {
        Self { stream, unread: Vec::new() }
    }

    /// Whoever is refused early may find the connection closed.
    pub fn send(&mut self, octets: &[u8]) {
        let _ = self.stream.write_all(octets);
        let _ = self.stream.flush();
    }

    #[track_caller]
    pub fn answer(&mut self) -> Answer {
        self.next_answer().expect("an answer, and not a close")
    }

    /// `None` when the connection was closed instead.
    pub fn next_answer(&mut self) -> Option<Answer> {
        let end = loop {
            if let Some(at) = self.unread.windows(4).position(|at| at == b"\r\n\r\n") {
                break at;
            }
            if !self.read_more() {
                assert!(self.unread.is_empty(), "half an answer: {:?}", String::from_utf8_lossy(&self.unread));
                return None;
            }
        };
        let head = String::from_utf8(self.unread.drain(..end + 4).collect()).unwrap().to_ascii_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse().unwrap());
        while self.unread.len() < length {
            assert!(self.read_more(), "a body cut short");
        }
        let body = String::from_utf8(self.unread.drain(..length).collect()).unwrap();
        Some(Answer { status, head: head.trim_end().to_owned(), body })
    }

    /// The one status that is answered before it is closed.
    #[track_caller]
    pub fn expect_refusal(&mut self, status: u16) -> Answer {
        let answer = self.answer();
        assert_eq!(answer.status, status, "{}", answer.body);
        assert_eq!(answer.header("connection"), Some("close"), "{}", answer.head);
        self.expect_close();
        answer
    }

    #[track_caller]
    pub fn expect_close(&mut self) {
        assert!(self.next_answer().is_none(), "something more was answered");
    }

    /// False at its end.
    fn read_more(&mut self) -> bool {
        let mut octets = [0; 16 << 10];
        match self.stream.read(&mut octets) {
            Ok(count) => {
                self.unread.extend_from_slice(&octets[..count]);
                count > 0
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("neither an answer nor a close in time")
            }
            Err(_) => false,
        }
    }
}
