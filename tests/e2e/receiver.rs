//! A customer's callback receiver: it hands every call to the test, and answers as it was last told to.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::sync::mpsc::{self, Receiver as Channel, Sender};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::digest::{SHA256, digest};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;
use socket2::SockRef;

use crate::peer::PATIENCE;

/// How calls are answered.
#[derive(Clone)]
pub enum Conduct {
    /// With this status line and these header lines.
    Answer(String),
    /// Not at all.
    Silence,
}

/// One call as it came.
#[derive(Clone, Debug)]
pub struct Call {
    pub request_line: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

pub struct Receiver {
    pub address: SocketAddr,
    listener: TcpListener,
    conduct: Arc<Mutex<(Conduct, Option<Arc<ServerConfig>>)>>,
    calls: Channel<Call>,
}

impl Receiver {
    pub fn listen() -> Self {
        Self::listen_on("127.0.0.1:0".parse().unwrap())
    }

    pub fn listen_on(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let (told, calls) = mpsc::channel();
        let conduct = Arc::new(Mutex::new((Conduct::Answer("200 OK\r\n".to_owned()), None)));
        let (ours, theirs) = (listener.try_clone().unwrap(), Arc::clone(&conduct));
        thread::spawn(move || {
            while let Ok((stream, _)) = ours.accept() {
                let (conduct, told) = (Arc::clone(&theirs), told.clone());
                thread::spawn(move || {
                    let tls = conduct.lock().unwrap().1.clone();
                    match tls {
                        Some(config) => {
                            let tls = ServerConnection::new(config).unwrap();
                            serve(StreamOwned::new(tls, stream), &conduct, &told);
                        }
                        None => serve(stream, &conduct, &told),
                    }
                });
            }
        });
        Self { address: listener.local_addr().unwrap(), listener, conduct, calls }
    }

    /// From the next call on.
    pub fn answers(&self, status_line: &str) {
        self.conduct.lock().unwrap().0 = Conduct::Answer(format!("{status_line}\r\n"));
    }

    pub fn is_silent(&self) {
        self.conduct.lock().unwrap().0 = Conduct::Silence;
    }

    /// From the next connection on.
    pub fn shows(&self, config: Arc<ServerConfig>) {
        self.conduct.lock().unwrap().1 = Some(config);
    }

    /// The next call.
    pub fn next(&self) -> Call {
        self.calls.recv_timeout(PATIENCE).expect("no call came")
    }

    /// The calls that came and were not looked at yet.
    pub fn rest(&self) -> Vec<Call> {
        self.calls.try_iter().collect()
    }

    /// Nothing came that was not taken.
    pub fn expect_none(&self) {
        if let Ok(call) = self.calls.try_recv() {
            panic!("an unexpected call: {call:?}");
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // Wakes the accepting thread.
        let _ = SockRef::from(&self.listener).shutdown(Shutdown::Both);
    }
}

/// Whatever goes wrong is the end of the connection; the test misses the call.
fn serve(stream: impl Read + Write, conduct: &Mutex<(Conduct, Option<Arc<ServerConfig>>)>, told: &Sender<Call>) {
    let mut stream = BufReader::new(stream);
    while let Some(call) = read_call(&mut stream) {
        let _ = told.send(call);
        let conduct = conduct.lock().unwrap().0.clone();
        match conduct {
            Conduct::Answer(head) => {
                let answer = format!("HTTP/1.1 {head}Content-Length: 2\r\n\r\nok");
                if stream.get_mut().write_all(answer.as_bytes()).and_then(|()| stream.get_mut().flush()).is_err() {
                    return;
                }
            }
            // Until the caller closes.
            Conduct::Silence => {
                let _ = stream.read(&mut [0]);
                return;
            }
        }
    }
}

fn read_call(stream: &mut impl BufRead) -> Option<Call> {
    let mut line = || {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|count| *count > 0)?;
        Some(line.trim_end().to_owned())
    };
    let request_line = line()?;
    let mut headers = BTreeMap::new();
    loop {
        let line = line()?;
        let Some((name, value)) = line.split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(Call { request_line, headers, body: String::from_utf8(body).unwrap() })
}

impl Call {
    pub fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Whether one of the signatures is this key's: HMAC-SHA256 as RFC 2104 writes it down.
    pub fn is_signed_with(&self, key: &[u8]) -> bool {
        assert!(key.len() <= 64);
        let padded = |octet: u8| (0..64).map(|at| key.get(at).unwrap_or(&0) ^ octet).collect::<Vec<u8>>();
        let content = format!("{}.{}.{}", self.id(), self.headers["webhook-timestamp"], self.body);
        let inner = digest(&SHA256, &[padded(0x36), content.into_bytes()].concat());
        let outer = digest(&SHA256, &[padded(0x5C), inner.as_ref().to_vec()].concat());
        let expected = format!("v1,{}", BASE64.encode(outer));
        self.headers["webhook-signature"].split(' ').any(|signature| signature == expected)
    }
}
