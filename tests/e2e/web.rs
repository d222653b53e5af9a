//! A customer's HTTP: one request a connection, and its answer read to the end.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::peer::PATIENCE;

/// An HTTP listener and who asks it.
pub struct Web {
    pub address: SocketAddr,
    /// A whole `Authorization` line, or nothing.
    pub authorization: String,
}

pub struct Answer {
    pub status: u16,
    /// Lower case.
    pub head: String,
    pub body: String,
}

impl Web {
    pub fn basic(address: SocketAddr, account: &str, password: &str) -> Self {
        use base64::Engine;
        let credentials = base64::engine::general_purpose::STANDARD.encode(format!("{account}:{password}"));
        Self { address, authorization: format!("Authorization: Basic {credentials}\r\n") }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "", "")
    }

    /// A body of JSON for `/v1/messages`.
    pub fn post(&self, body: &str) -> Answer {
        self.ask("POST", "/v1/messages", "Content-Type: application/json\r\n", body)
    }

    pub fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (authorization, length) = (&self.authorization, body.len());
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: gateway\r\n{authorization}{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        // Whoever is refused early may find the rest unread.
        let _ = stream.write_all(&[head.as_bytes(), body.as_bytes()].concat());
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap_or_else(|error| panic!("{error} after {answer:?}"));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Answer { status: status.expect("a status"), head: head.to_ascii_lowercase(), body: body.to_owned() }
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// Of a problem.
    pub fn kind(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.body);
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{problem}");
        problem["type"].as_str().unwrap().strip_prefix("urn:trunkline:").unwrap().to_owned()
    }
}
