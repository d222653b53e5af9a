//! Carriers whose profile rewrites submits: they get what it says, the next carrier gets the customer's own octets, and receipts come
//! back with the customer's own addresses.

use std::fs;

use trunkline::smpp::command::CommandId;
use trunkline::smpp::pdu::BindMode;

use crate::carrier::{Carrier, receipt_text, resp};
use crate::gateway::{Gateway, run};
use crate::peer::{Pdu, Peer, ROK, body, plain, with_receipt};

const RSYSERR: u32 = 0x08;
const RMISSINGOPTPARAM: u32 = 0xC3;

const PROFILES: &str = r#"
profiles:
  odd:
    submits:
      source: { force: ACME }
      destination: { format: plus, rewrite: [{ from: "49151*", to: "49151*" }, { from: "0*", to: "49*" }] }
      data_coding: { 0: 1 }
      service_type: CMT
      validity: 24h
      tlvs: { drop: 0x1500..0x15FF, add: { 0x1402: { hex: "00ff" } } }
  dlt: { like: india_dlt }
"#;

/// Two carriers at other shards than each other, with these profiles, their links bound; and `acme`.
struct Stage {
    gateway: Gateway,
    acme: Peer,
    links: [Peer; 2],
    carriers: [Carrier; 2],
}

impl Stage {
    fn with(north: &str, south: &str) -> Self {
        let carriers = [Carrier::listen(), Carrier::listen()];
        let gateway = Gateway::start(&format!(
            r#"
accounts: {{ acme: {{ password: secret, shard: 1 }} }}
carriers:
  north: {{ connect: "{}", system_id: us, password: secret, links: 1, shard: 0, profile: {north} }}
  south: {{ connect: "{}", system_id: us, password: secret, links: 1, shard: 1, profile: {south} }}
routes: [{{ to: [north, south] }}]
{PROFILES}"#,
            carriers[0].address(),
            carriers[1].address()
        ));
        let (links, acme) = bound(&gateway, &carriers);
        Self { gateway, acme, links, carriers }
    }

    /// `acme` submits, and `north` accepts under `id`. What it was sent, and our id.
    fn accepted(&mut self, submit: &[u8], id: &str) -> (Vec<u8>, String) {
        let sequence = self.acme.request(CommandId::SUBMIT_SM, submit);
        let sent = self.links[0].expect(CommandId::SUBMIT_SM);
        self.links[0].send_pdu(&resp(&sent, id));
        (sent.body, self.acme.expect_answer(CommandId::SUBMIT_SM_RESP, ROK, sequence).id())
    }

    /// `north` sends a deliver_sm and has it acknowledged; what `acme` gets.
    fn delivers(&mut self, body: &[u8]) -> Vec<u8> {
        self.links[0].send_pdu(&Pdu::new(CommandId::DELIVER_SM, ROK, 77, body));
        let delivery = self.acme.receive();
        self.links[0].expect_answer(CommandId::DELIVER_SM_RESP, ROK, 77);
        delivery.body
    }
}

/// Both carriers' links and `acme`.
fn bound(gateway: &Gateway, carriers: &[Carrier; 2]) -> ([Peer; 2], Peer) {
    let mut links = [carriers[0].accept(), carriers[1].accept()];
    for link in &mut links {
        // Whoever answers an enquire_link has read the bind_resp before it.
        link.expect_quiet();
    }
    let mut acme = gateway.connect();
    assert_eq!(acme.bind(BindMode::Transceiver, "acme", "secret").status, ROK);
    (links, acme)
}

/// What a submit of `peer::with_receipt("hi")` with a vendor's TLVs looks like, and what the profile `odd` makes of it.
fn odd_pair() -> (Vec<u8>, Vec<u8>) {
    let tail = |data_coding: u8| [&[1, 0, data_coding, 0, 2][..], b"hi\x13\x00\x00\x01v"].concat();
    let came =
        [&b"\0\x01\x011000\0\x01\x014915100000001\0\0\0\0\0\0"[..], &tail(0), b"\x15\x42\x00\x01d\x00\x05\x00\x00"]
            .concat();
    let sent = [
        &b"CMT\0\x05\x00ACME\0\x01\x01+4915100000001\0\0\0\0\x00000001000000000R\0"[..],
        &tail(1),
        b"\x00\x05\x00\x00\x14\x02\x00\x02\x00\xFF",
    ]
    .concat();
    (came, sent)
}

/// A receipt between two addresses, each TON, NPI, digits and NUL.
fn receipt_between(source: &[u8], destination: &[u8], id: &str, stat: &str) -> Vec<u8> {
    let text = receipt_text(id, stat);
    let fields = [&b"\x04\x07\x02\0\0\0\0\x03\0"[..], &[text.len() as u8]].concat();
    [b"\0", source, destination, &fields, text.as_bytes(), b"\x14\x01\x00\x01z"].concat()
}

#[test]
fn the_carrier_gets_what_its_profile_says_and_the_next_one_the_customers_own_octets() {
    let mut stage = Stage::with("odd", "default");
    let (came, sent) = odd_pair();
    let sequence = stage.acme.request(CommandId::SUBMIT_SM, &came);
    let first = stage.links[0].expect(CommandId::SUBMIT_SM);
    assert_eq!(String::from_utf8_lossy(&first.body), String::from_utf8_lossy(&sent));
    assert_eq!(first.body, sent);
    stage.links[0].answer(&first, RSYSERR, b"");
    let second = stage.links[1].expect(CommandId::SUBMIT_SM);
    assert_eq!(second.body, came);
    stage.links[1].send_pdu(&resp(&second, "s1"));
    let id = stage.acme.expect_answer(CommandId::SUBMIT_SM_RESP, ROK, sequence).id();
    // It changed nothing, so neither does its receipt.
    let (handset, sender) = (b"\x01\x014915100000001\0", b"\x00\x001000\0");
    stage.links[1].send_pdu(&Pdu::new(
        CommandId::DELIVER_SM,
        ROK,
        5,
        &receipt_between(handset, sender, "s1", "DELIVRD"),
    ));
    assert_eq!(stage.acme.receive().body, receipt_between(handset, sender, &id, "DELIVRD"));
    // The other way round, from a carrier that rewrites nothing to one that does.
    let mut stage = Stage::with("default", "odd");
    stage.acme.request(CommandId::SUBMIT_SM, &came);
    let first = stage.links[0].expect(CommandId::SUBMIT_SM);
    assert_eq!(first.body, came);
    stage.links[0].answer(&first, RSYSERR, b"");
    assert_eq!(stage.links[1].expect(CommandId::SUBMIT_SM).body, sent);
}

#[test]
fn receipts_bring_the_addresses_that_the_customer_sent_however_the_carrier_writes_its_own() {
    let mut stage = Stage::with("odd", "default");
    let (came, _) = odd_pair();
    let (handset, sender) = (b"\x01\x014915100000001\0", b"\x01\x011000\0");
    for (at, theirs) in
        [&b"\x01\x01+4915100000001\0"[..], b"\x00\x00004915100000001\0", b"\x02\x09\0"].iter().enumerate()
    {
        let (_, id) = stage.accepted(&came, &format!("c{at}"));
        for stat in ["ENROUTE", "DELIVRD"] {
            let delivered = stage.delivers(&receipt_between(theirs, b"\x05\x00ACME\0", &format!("c{at}"), stat));
            assert_eq!(delivered, receipt_between(handset, sender, &id, stat));
        }
    }
    // And one that comes before the answer.
    let sequence = stage.acme.request(CommandId::SUBMIT_SM, &came);
    let sent = stage.links[0].expect(CommandId::SUBMIT_SM);
    let early = receipt_between(b"\x01\x01+4915100000001\0", b"\x05\x00ACME\0", "early", "DELIVRD");
    stage.links[0].send_pdu(&Pdu::new(CommandId::DELIVER_SM, ROK, 78, &early));
    stage.links[0].expect_answer(CommandId::DELIVER_SM_RESP, ROK, 78);
    stage.links[0].send_pdu(&resp(&sent, "early"));
    let id = stage.acme.expect_answer(CommandId::SUBMIT_SM_RESP, ROK, sequence).id();
    assert_eq!(stage.acme.receive().body, receipt_between(handset, sender, &id, "DELIVRD"));
}

#[test]
fn addresses_survive_a_kill_and_the_profile_that_changed_them() {
    let mut stage = Stage::with("odd", "default");
    let (came, _) = odd_pair();
    let (_, id) = stage.accepted(&came, "kept");
    stage.gateway.signal(9);
    let directory = &stage.gateway.directory;
    let (_, told, _) = run(&["store", "inspect", directory.0.join("store").to_str().unwrap()]);
    assert!(told.contains("account acme: 1 correlations"), "{told}");
    let yaml = fs::read_to_string(directory.0.join("trunkline.yaml")).unwrap();
    directory.write("trunkline.yaml", &yaml.replace("profile: odd", "profile: default"));
    stage.gateway.restart();
    (stage.links, stage.acme) = bound(&stage.gateway, &stage.carriers);
    let theirs = receipt_between(b"\x01\x01+4915100000001\0", b"\x05\x00ACME\0", "kept", "DELIVRD");
    let expected = receipt_between(b"\x01\x014915100000001\0", b"\x01\x011000\0", &id, "DELIVRD");
    assert_eq!(stage.delivers(&theirs), expected);
    assert_eq!(stage.accepted(&came, "plain").0, came, "nothing is rewritten any more");
}

#[test]
fn a_submit_without_a_required_tlv_goes_to_a_carrier_that_needs_none_or_is_refused() {
    let dlt: [(u16, &[u8]); 2] = [(0x1400, b"1101"), (0x1401, b"1107")];
    let registered = body("ACME", "4915100000001", b"hi", |message| message.tlvs = &dlt);
    let mut stage = Stage::with("dlt", "default");
    assert_eq!(stage.accepted(&registered, "1").0, registered);
    let sequence = stage.acme.request(CommandId::SUBMIT_SM, &plain("unregistered"));
    let taken = stage.links[1].expect(CommandId::SUBMIT_SM);
    stage.links[1].send_pdu(&resp(&taken, "2"));
    stage.acme.expect_answer(CommandId::SUBMIT_SM_RESP, ROK, sequence);
    stage.links[0].expect_quiet();

    let mut stage = Stage::with("dlt", "dlt");
    stage.acme.refused(&with_receipt("unregistered"), RMISSINGOPTPARAM);
    for (link, carrier) in stage.links.iter_mut().zip(["north", "south"]) {
        link.expect_quiet();
        let series = format!("trunkline_carrier_unfit_total{{carrier=\"{carrier}\"}}");
        stage.gateway.wait_for_metric(&series, |count| count == 1.0);
    }
    assert_eq!(stage.accepted(&registered, "1").0, registered);
}
