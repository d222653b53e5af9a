//! The usual stage: a gateway of two shards, a carrier at one, the customer under test (`acme`) at the other, and a customer
//! beside (`other`) whose traffic must go on whatever `acme` does.

use trunkline::smpp::command::CommandId;
use trunkline::smpp::pdu::BindMode;

use crate::carrier::{AutoCarrier, Carrier, resp};
use crate::gateway::Gateway;
use crate::peer::{Pdu, Peer, ROK, plain, with_receipt};
use crate::receipts::id_of_receipt;

// Fields drop in this order: the gateway first, so that its carrier sees its links end.
pub struct World {
    pub gateway: Gateway,
    pub other: Peer,
    pub carrier: AutoCarrier,
}

impl World {
    pub fn new() -> Self {
        Self::with("", "")
    }

    /// With more settings of `acme`, and more lines for the file. `CARRIER` in them stands for the carrier's address.
    pub fn with(acme: &str, more: &str) -> Self {
        Self::with_accounts(acme, "", more)
    }

    /// With more accounts.
    pub fn with_accounts(acme: &str, accounts: &str, more: &str) -> Self {
        let carrier = Carrier::listen().run();
        let yaml = format!(
            r#"
accounts:
  acme: {{ password: secret, shard: 1, {acme} }}
  other: {{ password: beside, shard: 0 }}{accounts}
carriers:
  north: {{ connect: "CARRIER", system_id: us, password: secret, links: 1, shard: 0 }}
routes:
  - {{ when: {{ destination: "4*" }}, to: north }}
{more}
"#
        );
        let gateway = Gateway::start(&yaml.replace("CARRIER", &carrier.address.to_string()));
        let mut other = gateway.connect();
        assert_eq!(other.bind(BindMode::Transceiver, "other", "beside").status, ROK);
        other.submit_when_up(&plain("first"));
        Self { gateway, other, carrier }
    }

    /// A connection that has not bound.
    pub fn connect(&self) -> Peer {
        self.gateway.connect()
    }

    /// `acme`, bound as a transceiver.
    pub fn acme(&self) -> Peer {
        self.acme_as(BindMode::Transceiver)
    }

    pub fn acme_as(&self, mode: BindMode) -> Peer {
        let mut acme = self.connect();
        assert_eq!(acme.bind(mode, "acme", "secret").status, ROK);
        acme
    }

    /// The customer beside submits, and is brought the receipt: whatever happened harmed nobody else.
    pub fn is_well(&mut self) {
        let answer = self.other.submit(&with_receipt("beside"));
        assert_eq!(answer.status, ROK, "the customer beside");
        assert_eq!(id_of_receipt(&self.other.receive()), answer.id(), "the customer beside");
    }
}

/// A gateway whose only carrier is in the hands of the test: its links, bound, and `acme`, at home on the other shard.
pub struct Scripted {
    pub gateway: Gateway,
    pub acme: Peer,
    pub links: Vec<Peer>,
    pub carrier: Carrier,
}

impl Scripted {
    pub fn new() -> Self {
        Self::with("", "", "")
    }

    /// With more settings of `acme` and of the carrier `north`, and more lines for the file.
    pub fn with(acme: &str, north: &str, more: &str) -> Self {
        Self::start(1, 0, acme, north, more)
    }

    /// With the shards where `acme` and `north` are at home.
    pub fn at_homes(acme: u8, north: u8) -> Self {
        Self::start(acme, north, "", "", "")
    }

    fn start(acme_home: u8, north_home: u8, acme: &str, north: &str, more: &str) -> Self {
        let carrier = Carrier::listen();
        let links = if north.contains("links:") { "" } else { "links: 1," };
        let gateway = Gateway::start(&format!(
            r#"
accounts:
  acme: {{ password: secret, shard: {acme_home}, {acme} }}
carriers:
  north: {{ connect: "{}", system_id: us, password: secret, shard: {north_home}, {links} {north} }}
routes:
  - {{ when: {{ destination: "4*" }}, to: north }}
{more}
"#,
            carrier.address()
        ));
        let count = if links.is_empty() { 2 } else { 1 };
        let links = (0..count).map(|_| carrier.accept()).collect();
        let mut acme = gateway.connect();
        assert_eq!(acme.bind(BindMode::Transceiver, "acme", "secret").status, ROK);
        let mut scripted = Self { gateway, acme, links, carrier };
        for link in &mut scripted.links {
            // Whoever answers an enquire_link has read the bind_resp before it.
            link.expect_quiet();
        }
        scripted
    }

    /// The first link.
    pub fn link(&mut self) -> &mut Peer {
        &mut self.links[0]
    }

    /// `acme` submits; the submit as the carrier sees it.
    pub fn submit(&mut self, body: &[u8]) -> (u32, Pdu) {
        let sequence = self.acme.request(CommandId::SUBMIT_SM, body);
        (sequence, self.links[0].expect(CommandId::SUBMIT_SM))
    }

    /// `acme` submits, the carrier accepts under `id`; our id for it.
    pub fn accepted(&mut self, body: &[u8], id: &str) -> String {
        let (sequence, submit) = self.submit(body);
        self.links[0].send_pdu(&resp(&submit, id));
        self.acme.expect_answer(CommandId::SUBMIT_SM_RESP, ROK, sequence).id()
    }
}
