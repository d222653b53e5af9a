//! Requests with an Idempotency-Key under load, the gateway killed in the middle, and each of them sent again: whoever was answered is
//! told the same, whoever was not learns what became of it, and the carrier accepted no message twice.

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use trunkline::tools::free_addresses;
use trunkline::tools::ledger::{SmscLine, Tag};

use crate::process::{Process, let_pass, wait_for};
use crate::stage::{Directory, PATIENCE, get, setting, start_carrier};

/// Requests under way at once, each of a connection of its own.
const CUSTOMERS: usize = 24;
const RUN: u32 = 0x6E75_6D31;

/// What a request was answered; `None` when the connection ended first.
type Answer = Option<(u16, String)>;

#[test]
fn a_request_repeated_after_a_kill_is_told_what_became_of_the_first_and_sends_nothing_twice() {
    let directory = Directory::new("keys");
    let flags = "--latency 5ms..60ms --receipts 0..1s";
    let (mut carrier, north) = start_carrier(&directory.0, "north", flags);
    let [smpp, admin, http] = free_addresses().unwrap();
    let file = directory.0.join("trunkline.yaml");
    fs::write(&file, configuration(&directory.0.join("store"), [smpp, admin, http], north)).unwrap();
    let start = || {
        let gateway = Process::start(&directory.0, "gateway", &["serve", "--config", file.to_str().unwrap()]);
        let is_ready = || get(admin, "/readyz").filter(|answer| answer.starts_with("HTTP/1.1 200"));
        assert!(wait_for(PATIENCE, is_ready).is_some(), "{}", gateway.log());
        gateway
    };
    let mut gateway = start();
    let (next, mut first, mut again) = (AtomicU64::new(0), HashMap::new(), HashMap::new());
    for _ in 0..setting("KEYS_KILLS", 3) {
        let asked = thread::scope(|scope| {
            let customers: Vec<_> = (0..CUSTOMERS).map(|_| scope.spawn(|| ask_until_cut_off(http, &next))).collect();
            let_pass(Duration::from_millis(1_000));
            gateway.kill();
            customers.into_iter().flat_map(|customer| customer.join().unwrap()).collect::<Vec<_>>()
        });
        gateway = start();
        // A link may not be up at once: whoever is told to try again does.
        for (number, _) in &asked {
            again.insert(*number, answered(http, *number));
        }
        first.extend(asked);
    }
    for (number, told) in &again {
        assert_eq!(&answered(http, *number), told, "the answer to {number} changed");
        let status = request(http, &format!("GET /v1/messages/{} HTTP/1.1\r\n", told.1), "").unwrap();
        assert_eq!((status.0, status.1.contains(&told.1)), (200, true), "{number}: {status:?}");
    }
    gateway.ask_to_end();
    assert_eq!(gateway.wait(PATIENCE), 0, "{}", gateway.log());
    carrier.ask_to_end();
    assert_eq!(carrier.wait(PATIENCE), 0, "{}", carrier.log());

    let accepted = accepted(&directory.0.join("north.ledger"));
    let (mut repeated, mut learnt, mut in_doubt) = (0, 0, 0);
    for (number, told) in &again {
        let times = accepted.get(number).copied().unwrap_or(0);
        match (&first[number], told.0) {
            (Some(before), 200) => {
                assert_eq!((before, times), (told, 1), "{number}");
                repeated += 1;
            }
            (None, 200) => {
                assert_eq!(times, 1, "{number}");
                learnt += 1;
            }
            (None, 504) => {
                assert!(times <= 1, "{number} was accepted {times} times");
                in_doubt += 1;
            }
            other => panic!("{number}: {other:?}, then {told:?}"),
        }
    }
    println!("{repeated} told again, {learnt} not answered and accepted once, {in_doubt} in doubt");
    assert!(repeated > 100 && learnt + in_doubt > 0 && in_doubt > 0);
}

/// One request after another until the gateway is gone: what each was answered, by its number.
fn ask_until_cut_off(http: SocketAddr, next: &AtomicU64) -> Vec<(u64, Answer)> {
    let mut asked = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let answer = submit(http, number);
        let is_cut_off = answer.is_none();
        // No link was up yet: nothing was sent, nor is anything remembered.
        if !matches!(answer, Some((429 | 503, _))) {
            asked.push((number, answer));
        }
        if is_cut_off {
            return asked;
        }
    }
}

/// Asks until it is told something that lasts.
fn answered(http: SocketAddr, number: u64) -> (u16, String) {
    let told = wait_for(PATIENCE, || submit(http, number).filter(|(status, _)| !matches!(status, 429 | 503)));
    told.unwrap_or_else(|| panic!("{number} is not answered"))
}

/// The status of its answer and the id in it.
fn submit(http: SocketAddr, number: u64) -> Answer {
    let tag = Tag { run: RUN, number };
    let body = format!(r#"{{"to": "4917012{number:05}", "from": "ACME", "text": "{tag}", "receipt": true}}"#);
    let head = format!("POST /v1/messages HTTP/1.1\r\nIdempotency-Key: \"order-{number}\"\r\n");
    let (status, body) = request(http, &head, &body)?;
    // One that was cut off is none.
    let answer: serde_json::Value = serde_json::from_str(&body).ok()?;
    Some((status, answer["id"].as_str().unwrap_or_default().to_owned()))
}

/// A request on a connection of its own: the status and body of its response.
fn request(http: SocketAddr, head: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&http, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    let fields = "Host: test\r\nAuthorization: Basic YWNtZTpwdw==\r\nConnection: close";
    let body = format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    write!(stream, "{head}{fields}\r\n{body}").ok()?;
    let mut response = String::new();
    stream.read_to_string(&mut response).ok()?;
    let (head, body) = response.split_once("\r\n\r\n")?;
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

/// How often the carrier accepted each.
fn accepted(ledger: &Path) -> HashMap<u64, u32> {
    let mut accepted = HashMap::new();
    for line in fs::read_to_string(ledger).unwrap().lines() {
        if let Some(SmscLine::Accepted { tag: Some(Tag { run: RUN, number }), .. }) = SmscLine::parse(line) {
            *accepted.entry(number).or_default() += 1;
        }
    }
    accepted
}

fn configuration(store: &Path, [smpp, admin, http]: [SocketAddr; 3], north: SocketAddr) -> String {
    format!(
        r#"
shards: 2
store: {{ path: "{}" }}
smpp: {{ listen: "{smpp}" }}
http: {{ listen: "{http}" }}
admin: {{ listen: "{admin}" }}
accounts:
  acme: {{ password: pw, window: 1000, shard: 0 }}
carriers:
  north: {{ connect: "{north}", system_id: us, password: secret, links: 2, window: 50, shard: 1 }}
routes:
  - to: north
"#,
        store.display()
    )
}
