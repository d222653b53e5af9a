//! The usual stage: a gateway of two shards, a carrier at one, the customer under test (`acme`) at the other, and a customer
//! beside (`other`) whose traffic must go on whatever `acme` does.

use trunkline::smpp::pdu::BindMode;

use crate::carrier::{AutoCarrier, Carrier};
use crate::gateway::Gateway;
use crate::peer::{Peer, ROK, plain, with_receipt};
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
