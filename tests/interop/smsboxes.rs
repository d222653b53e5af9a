//! Kannel's bearerbox and smsbox, and Trunkline in their place: either with one SMSC and one account that may send by HTTP.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use trunkline::tools::free_addresses;

use crate::gateway::{Directory, Gateway, free_address, http};
use crate::kannel::{KannelBox, start};
use crate::peer::PATIENCE;

/// Bearerbox and smsbox with one SMSC.
pub struct Kannel {
    pub sendsms: SocketAddr,
    _boxes: [KannelBox; 2],
    _directory: Directory,
}

impl Kannel {
    pub fn start(smsc: SocketAddr) -> Self {
        let directory = Directory::new();
        let [admin, boxes, sendsms] = free_addresses().unwrap();
        let file = directory.write("kannel.conf", &configuration(smsc, [admin, boxes, sendsms].map(|at| at.port())));
        let file = file.to_str().unwrap();
        // smsbox ends when it does not find bearerbox.
        let bearerbox = start("bearerbox", file);
        wait_for(|| http(admin, "/status.txt?password=admin").is_some_and(|page| page.contains("online")));
        let smsbox = start("smsbox", file);
        wait_for(|| http(sendsms, "/").is_some());
        let boxes = [bearerbox, smsbox];
        Self { sendsms, _boxes: boxes, _directory: directory }
    }
}

fn wait_for(is_so: impl Fn() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < give_up, "Kannel does not start");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

fn configuration(smsc: SocketAddr, [admin, boxes, sendsms]: [u16; 3]) -> String {
    format!(
        r#"group = core
admin-port = {admin}
admin-password = admin
smsbox-port = {boxes}
admin-interface = 127.0.0.1
dlr-storage = internal

group = smsc
smsc = smpp
smsc-id = north
host = 127.0.0.1
port = {}
transceiver-mode = 1
smsc-username = us
smsc-password = secret
system-type = VMA
address-range = ""
denied-prefix = 33
esm-class = 0

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {sendsms}
sendsms-interface = 127.0.0.1

group = sendsms-user
username = acme
password = secret
max-messages = 10
concatenation = true
"#,
        smsc.port()
    )
}

/// Trunkline with one carrier, and where it serves HTTP.
pub fn gateway(carrier: SocketAddr) -> (Gateway, SocketAddr) {
    let listen = free_address();
    let gateway = Gateway::start(&format!(
        r#"
http: {{ listen: "{listen}" }}
accounts:
  acme:
    password: secret
    shard: 1
    callback_override: true
    callback: {{ allow_http: true, allow_private: true }}
carriers: {{ north: {{ connect: "{carrier}", system_id: us, password: secret, links: 1, shard: 0 }} }}
routes: [{{ when: {{ destination: "49*" }}, to: north }}]
"#
    ));
    gateway.wait_for_metric("trunkline_links_bound{carrier=\"north\"}", |bound| bound > 0.0);
    (gateway, listen)
}
