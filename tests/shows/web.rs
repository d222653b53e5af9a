//! Customers over HTTP: they submit one message after the other on connections that stay, are told of receipts at a callback, and
//! keep a ledger of both.

use std::collections::HashSet;
use std::fmt::Display;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;
use trunkline::smpp::command::CommandStatus;
use trunkline::tools::ledger::{END, LoadLine, Tag};

use crate::process::{let_pass, wait_for};
use crate::stage::PATIENCE;

/// Connections of the ledger: one that submits, and one that is told of receipts, which are not in step.
const SUBMITTING: u32 = 1;
const TOLD: u32 = 2;

pub struct Web {
    /// Of the callback.
    pub hook: SocketAddr,
    book: Arc<Book>,
    customers: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Book {
    run: u32,
    account: &'static str,
    lines: Mutex<Vec<String>>,
    next: AtomicU64,
    is_over: AtomicBool,
    accepted: AtomicU64,
    refused: AtomicU64,
    cut_off: AtomicU64,
    cut_off_at_first: AtomicU64,
    not_connected: AtomicU64,
    /// Final receipts, repeated ones as well.
    receipts: AtomicU64,
    took: Mutex<Vec<Duration>>,
}

/// What became of the requests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub accepted: u64,
    pub refused: u64,
    /// Whose connection ended before the answer.
    pub cut_off: u64,
    /// Those of them that were the first of their connection: the others may have met a connection that waited and was closed.
    pub cut_off_at_first: u64,
    /// Connections that were refused.
    pub not_connected: u64,
    pub receipts: u64,
}

impl Web {
    /// Listens for the callbacks of this account, whose tags are of this run.
    pub fn new(account: &'static str, run: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let hook = listener.local_addr().unwrap();
        let book = Arc::new(Book { run, account, ..Book::default() });
        for (connection, mode) in [(SUBMITTING, "http"), (TOLD, "callback")] {
            book.add(LoadLine::Bound { connection, account, mode, at_ms: 0 });
        }
        let of_hook = Arc::clone(&book);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let book = Arc::clone(&of_hook);
                thread::spawn(move || while book.is_told(&stream) {});
            }
        });
        Self { hook, book, customers: Vec::new() }
    }

    /// So many customers, each with a pause between two of its requests.
    pub fn start(&mut self, http: SocketAddr, count: usize, pause: Duration) {
        for _ in 0..count {
            let book = Arc::clone(&self.book);
            self.customers.push(thread::spawn(move || book.submit_until_over(http, pause)));
        }
    }

    /// The 99th percentile of the time to an answer since this was last asked.
    pub fn p99(&self) -> Duration {
        let mut took = std::mem::take(&mut *self.book.took.lock().unwrap());
        took.sort_unstable();
        took.get(took.len().saturating_sub(1) * 99 / 100).copied().unwrap_or_default()
    }

    pub fn tally(&self) -> Tally {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Book { accepted, refused, cut_off, cut_off_at_first, not_connected, receipts, .. } = &*self.book;
        Tally {
            accepted: of(accepted),
            refused: of(refused),
            cut_off: of(cut_off),
            cut_off_at_first: of(cut_off_at_first),
            not_connected: of(not_connected),
            receipts: of(receipts),
        }
    }

    /// Submits no more.
    pub fn stop(&mut self) {
        self.book.is_over.store(true, Ordering::Relaxed);
        self.customers.drain(..).for_each(|customer| customer.join().unwrap());
    }

    /// Waits for the receipts that are owed, and then for one too many; writes the ledger.
    pub fn finish(&mut self, ledger: &Path) -> Tally {
        self.stop();
        // What does not come is for the ledgers to tell.
        let _ = wait_for(PATIENCE, || self.book.owes_nothing().then_some(()));
        let_pass(Duration::from_millis(500));
        let lines = self.book.lines.lock().unwrap().join("\n");
        fs::write(ledger, format!("{lines}\n{END}\n")).unwrap();
        self.tally()
    }
}

impl Book {
    fn add(&self, line: impl Display) {
        self.lines.lock().unwrap().push(line.to_string());
    }

    fn owes_nothing(&self) -> bool {
        let (mut answered, mut told) = (HashSet::new(), HashSet::new());
        for line in &*self.lines.lock().unwrap() {
            let line = LoadLine::parse(line).unwrap();
            if let LoadLine::Answered { status: CommandStatus::ROK, id, .. } = line {
                answered.insert(id.to_owned());
            } else if let LoadLine::Receipt { id, .. } = line {
                told.insert(id.to_owned());
            }
        }
        answered.is_subset(&told)
    }

    fn submit_until_over(&self, http: SocketAddr, pause: Duration) {
        let mut kept: Option<BufReader<TcpStream>> = None;
        while !self.is_over.load(Ordering::Relaxed) {
            let is_first = kept.is_none();
            let Some(mut stream) = kept.take().or_else(|| connect(http)) else {
                self.not_connected.fetch_add(1, Ordering::Relaxed);
                let_pass(Duration::from_millis(20));
                continue;
            };
            let tag = Tag { run: self.run, number: self.next.fetch_add(1, Ordering::Relaxed) };
            self.add(LoadLine::Submitted { connection: SUBMITTING, tag });
            let asked = Instant::now();
            match self.ask(&mut stream, tag) {
                Some((status, body, is_kept)) => {
                    self.took.lock().unwrap().push(asked.elapsed());
                    self.answered(tag, status, &body);
                    kept = is_kept.then_some(stream);
                }
                None => {
                    self.cut_off.fetch_add(1, Ordering::Relaxed);
                    self.cut_off_at_first.fetch_add(u64::from(is_first), Ordering::Relaxed);
                    self.add(LoadLine::InDoubt { connection: SUBMITTING, tag });
                }
            }
            let_pass(pause);
        }
    }

    fn ask(&self, stream: &mut BufReader<TcpStream>, tag: Tag) -> Option<(u16, String, bool)> {
        let body = format!(
            r#"{{"to": "4917{:08}", "from": "WEB", "text": "{tag} by HTTP", "receipt": true}}"#,
            tag.number % 100_000_000
        );
        let credentials = BASE64.encode(format!("{}:pw", self.account));
        let head = format!("POST /v1/messages HTTP/1.1\r\nHost: test\r\nAuthorization: Basic {credentials}\r\n");
        let fields = format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.get_mut().write_all(format!("{head}{fields}{body}").as_bytes()).ok()?;
        let (first, closes, body) = read_message(stream)?;
        Some((first.split_whitespace().nth(1)?.parse().ok()?, body, !closes))
    }

    fn answered(&self, tag: Tag, status: u16, body: &str) {
        let told: Value = serde_json::from_str(body).unwrap_or_default();
        let (id, status) = match (status, told["id"].as_str()) {
            (200 | 202, Some(id)) => (id, CommandStatus::ROK),
            (429, _) => ("-", CommandStatus::RTHROTTLED),
            (503, _) => ("-", CommandStatus::RSYSERR),
            (504, _) => ("-", CommandStatus(0xFF)),
            _ => panic!("{tag} was answered {status} {body}"),
        };
        let count = if status.is_ok() { &self.accepted } else { &self.refused };
        count.fetch_add(1, Ordering::Relaxed);
        self.add(LoadLine::Answered { connection: SUBMITTING, tag, status, id });
    }

    /// Takes one call; whether another may come.
    fn is_told(&self, mut stream: &TcpStream) -> bool {
        // Nothing comes behind a call before it is answered.
        let Some((_, _, body)) = read_message(&mut BufReader::new(stream)) else { return false };
        let told: Value = serde_json::from_str(&body).unwrap();
        let (data, text) = (&told["data"], told["data"]["text"].as_str().unwrap_or_default());
        let state = match data["state"].as_str().unwrap() {
            "delivered" => "DELIVRD",
            "undeliverable" => "UNDELIV",
            "expired" => "EXPIRED",
            "unknown" => "UNKNOWN",
            other => panic!("{other}: {body}"),
        };
        let (id, tag) = (data["id"].as_str().unwrap(), Tag::in_receipt(text.as_bytes()));
        self.add(LoadLine::Receipt { connection: TOLD, tag, id, state, status: CommandStatus::ROK });
        self.receipts.fetch_add(1, Ordering::Relaxed);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").is_ok()
    }
}

fn connect(http: SocketAddr) -> Option<BufReader<TcpStream>> {
    let stream = TcpStream::connect(http).ok()?;
    stream.set_nodelay(true).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    Some(BufReader::new(stream))
}

/// The first line of a request or an answer, whether the connection ends with it, and its body.
fn read_message(stream: &mut impl BufRead) -> Option<(String, bool, String)> {
    let mut line = || {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|count| *count > 0)?;
        Some(line.trim_end().to_ascii_lowercase())
    };
    let (first, mut length, mut closes) = (line()?, 0, false);
    loop {
        let line = line()?;
        match line.split_once(": ") {
            Some(("content-length", value)) => length = value.parse().ok()?,
            Some(("connection", value)) => closes = value == "close",
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((first, closes, String::from_utf8(body).ok()?))
}
