//! Kannel's bearerbox as a customer: it submits what its smsbox is given, and calls back with what the receipts say.

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

const MESSAGES: usize = 20;

/// One of Kannel's processes, ended with the test.
struct KannelBox(Child);

impl Drop for KannelBox {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(program: &str, file: &str) -> KannelBox {
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
    let directory = Directory::new();
    let ports = free_addresses().unwrap().map(|address| address.port());
    let file = directory.write("kannel.conf", &configuration(gateway.smpp, ports));
    let _bearerbox = start("bearerbox", file.to_str().unwrap());
    gateway.wait_for_metric("trunkline_sessions_bound{account=\"acme\"}", |bound| bound == 1.0);
    let _smsbox = start("smsbox", file.to_str().unwrap());
    let callbacks = TcpListener::bind("127.0.0.1:0").unwrap();
    SockRef::from(&callbacks).set_read_timeout(Some(PATIENCE)).unwrap();
    let sendsms = SocketAddr::from(([127, 0, 0, 1], ports[2]));
    let long = "long+".repeat(60);
    for at in 0..MESSAGES {
        let text = if at == 0 { &long } else { "short" };
        let callback = format!("http%3A%2F%2F127.0.0.1%3A{}%2F%25d%2F%25F", callbacks.local_addr().unwrap().port());
        let path = format!(
            "/cgi-bin/sendsms?username=user&password=pass&from=ACME&to=4915100000001&text={text}&dlr-mask=9&dlr-url={callback}"
        );
        let give_up = Instant::now() + PATIENCE;
        // Until the smsbox listens.
        let answer = loop {
            match http(sendsms, &path) {
                Some(answer) => break answer,
                None if Instant::now() < give_up => std::thread::park_timeout(Duration::from_millis(50)),
                None => panic!("smsbox does not listen"),
            }
        };
        assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    }
    // Each message calls back when it was accepted (8) and when it was delivered (1), with the id it was given.
    let mut ids = [Vec::new(), Vec::new()];
    while ids.iter().any(|ids| ids.len() < MESSAGES) {
        let path = called_back(&callbacks);
        let (kind, id) = path[1..].split_once('/').unwrap();
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
