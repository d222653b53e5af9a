//! Kannel's bearerbox as a customer: it submits what its smsbox is given, and calls back with what the receipts say.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use socket2::SockRef;
use trunkline::smpp::view::SmView;
use trunkline::tools::free_addresses;

use crate::carrier::Carrier;
use crate::gateway::{Directory, Gateway, http};
use crate::peer::PATIENCE;
use crate::peers::{has, skipped};
use crate::processes::Smsc;

const MESSAGES: usize = 20;

/// One of Kannel's processes, ended with the test.
pub struct KannelBox(Child);

impl Drop for KannelBox {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn start(program: &str, file: &str) -> KannelBox {
    let mut command = Command::new(program);
    KannelBox(command.arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

/// The next callback's path, answered.
fn called_back(listener: &TcpListener) -> String {
    let (mut stream, _) = listener.accept().expect("no callback came");
    let mut request = BufReader::new(stream.try_clone().unwrap()).lines();
    let line = request.next().unwrap().unwrap();
    while request.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
    line.split(' ').nth(1).unwrap().to_owned()
}

fn configuration(smpp: SocketAddr, [admin, boxes, sendsms]: [u16; 3]) -> String {
    format!(
        r#"group = core
admin-port = {admin}
admin-password = admin
smsbox-port = {boxes}
admin-interface = 127.0.0.1
dlr-storage = internal

group = smsc
smsc = smpp
smsc-id = trunkline
host = 127.0.0.1
port = {}
transceiver-mode = 1
smsc-username = acme
smsc-password = secret
system-type = VMA
address-range = ""
enquire-link-interval = 5

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {sendsms}
sendsms-interface = 127.0.0.1

group = sendsms-user
username = user
password = pass
max-messages = 5
concatenation = true
"#,
        smpp.port()
    )
}

/// Bearerbox and smsbox, bound to a gateway.
struct Kannel {
    sendsms: SocketAddr,
    callbacks: TcpListener,
    _boxes: [KannelBox; 2],
    _directory: Directory,
}

impl Kannel {
    fn start(gateway: &Gateway) -> Self {
        let directory = Directory::new();
        let ports = free_addresses().unwrap().map(|address| address.port());
        let file = directory.write("kannel.conf", &configuration(gateway.smpp, ports));
        let bearerbox = start("bearerbox", file.to_str().unwrap());
        gateway.wait_for_metric("trunkline_sessions_bound{account=\"acme\"}", |bound| bound == 1.0);
        let smsbox = start("smsbox", file.to_str().unwrap());
        let callbacks = TcpListener::bind("127.0.0.1:0").unwrap();
        SockRef::from(&callbacks).set_read_timeout(Some(PATIENCE)).unwrap();
        let sendsms = SocketAddr::from(([127, 0, 0, 1], ports[2]));
        Self { sendsms, callbacks, _boxes: [bearerbox, smsbox], _directory: directory }
    }

    /// Submits over HTTP, and is to be called back with the kind of receipt, the id and the destination.
    fn send(&self, to: &str, text: &str) {
        let port = self.callbacks.local_addr().unwrap().port();
        let callback = format!("http%3A%2F%2F127.0.0.1%3A{port}%2F%25d%2F%25F%2F%25p");
        let path = format!(
            "/cgi-bin/sendsms?username=user&password=pass&from=ACME&to={to}&text={text}&dlr-mask=31&dlr-url={callback}"
        );
        let give_up = Instant::now() + PATIENCE;
        // Until the smsbox listens.
        let answer = loop {
            match http(self.sendsms, &path) {
                Some(answer) => break answer,
                None if Instant::now() < give_up => std::thread::park_timeout(Duration::from_millis(50)),
                None => panic!("smsbox does not listen"),
            }
        };
        assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    }
}

/// sendsms to Kannel, through the gateway to `trunkline smsc`, and what becomes of it back at the dlr-url: accepted (8) and delivered
/// (1) or failed (2), each under one id; or refused for want of a route (16), which has none.
#[test]
#[ignore = "needs kannel: just interop"]
fn kannel_is_called_back_with_what_became_of_each_message() {
    const FAILED: u32 = 40;
    if let Err(why) = has("bearerbox").and_then(|()| has("smsbox")) {
        return skipped(&why);
    }
    let states = format!("UNDELIV={FAILED}");
    let carrier = Smsc::start(&["--receipts", "20ms..200ms", "--receipt-states", &states, "--latency", "0..5ms"]);
    let gateway = Gateway::start(&format!(
        r#"
accounts: {{ acme: {{ password: secret, shard: 1 }} }}
carriers: {{ north: {{ connect: "{}", system_id: us, password: secret, shard: 0 }} }}
routes: [{{ when: {{ destination: "49*" }}, to: north }}]
"#,
        carrier.address
    ));
    gateway.wait_for_metric("trunkline_links_bound{carrier=\"north\"}", |bound| bound > 0.0);
    let kannel = Kannel::start(&gateway);
    let count = 2 * MESSAGES;
    let destinations: Vec<_> = (0..count).map(|at| format!("49151000{at:04}")).collect();
    destinations.iter().for_each(|destination| kannel.send(destination, "hello"));
    kannel.send("33151000001", "nowhere");
    // By kind of callback: destination and id.
    let mut told: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let is_whole = |told: &BTreeMap<String, BTreeMap<String, String>>| {
        let of = |kind: &str| told.get(kind).map_or(0, BTreeMap::len);
        of("8") == count && of("1") + of("2") == count && of("16") == 1
    };
    while !is_whole(&told) {
        let path = called_back(&kannel.callbacks);
        let [kind, id, destination] = path[1..].split('/').collect::<Vec<_>>()[..] else { panic!("{path}") };
        let is_first = told.entry(kind.to_owned()).or_default().insert(destination.to_owned(), id.to_owned()).is_none();
        assert!(is_first, "called back twice: {path}");
    }
    let (accepted, delivered) = (&told["8"], &told["1"]);
    let failed = told.get("2").cloned().unwrap_or_default();
    println!("kannel: {count} accepted, {} delivered, {} failed, one refused", delivered.len(), failed.len());
    assert!(!delivered.is_empty() && !failed.is_empty(), "{told:?}");
    assert!(delivered.iter().chain(&failed).all(|(destination, id)| accepted[destination] == *id), "{told:?}");
    let mut ids: Vec<_> = accepted.values().collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "{told:?}");
    assert_eq!(accepted.keys().collect::<Vec<_>>(), destinations.iter().collect::<Vec<_>>());
}

#[test]
#[ignore = "needs kannel: just interop"]
fn kannel_as_customer() {
    if let Err(why) = has("bearerbox").and_then(|()| has("smsbox")) {
        return skipped(&why);
    }
    let carrier = Carrier::listen().run();
    let gateway = Gateway::start(&format!(
        r#"
accounts: {{ acme: {{ password: secret, shard: 1 }} }}
carriers: {{ north: {{ connect: "{}", system_id: us, password: secret, shard: 0 }} }}
routes: [{{ to: north }}]
"#,
        carrier.address
    ));
    gateway.wait_for_metric("trunkline_links_bound{carrier=\"north\"}", |bound| bound > 0.0);
    let kannel = Kannel::start(&gateway);
    let long = "long+".repeat(60);
    for at in 0..MESSAGES {
        kannel.send("4915100000001", if at == 0 { &long } else { "short" });
    }
    // Each message calls back when it was accepted (8) and when it was delivered (1), with the id it was given.
    let mut ids = [Vec::new(), Vec::new()];
    while ids.iter().any(|ids| ids.len() < MESSAGES) {
        let path = called_back(&kannel.callbacks);
        let [kind, id, _] = path[1..].split('/').collect::<Vec<_>>()[..] else { panic!("{path}") };
        ids[usize::from(kind == "1")].push(id.to_owned());
        assert!(kind == "8" || kind == "1", "{path}");
    }
    ids.iter_mut().for_each(|ids| ids.sort());
    assert_eq!(ids[0], ids[1]);
    ids[0].dedup();
    assert_eq!(ids[0].len(), MESSAGES);
    let long_parts = carrier.submits().iter().filter(|body| SmView::submit(body).unwrap().has_udh()).count();
    assert!(long_parts >= 2, "{long_parts}");
}
