//! Connections that come to be: ESMEs dial the gateway, and the gateway dials carriers.

use std::net::{IpAddr, Ipv4Addr};

use trunkline::config::Connect;
use trunkline::engine::slab::Key;
use trunkline::smpp::pdu::BindMode;

use crate::esme::Esme;
use crate::habits::EsmeHabit;
use crate::net::{Peer, Toward, Wire, WireId};
use crate::node::In;
use crate::sim::{Event, Sim};

impl Sim {
    /// An ESME dials: shard 0 counts it in and deals it out.
    pub(crate) fn accept(&mut self, esme: usize, address: IpAddr) -> Option<WireId> {
        if self.is_down() {
            return None;
        }
        let wire = self.wires.len();
        self.wires.push(Wire::new(Peer::Esme(esme)));
        let now = self.instant();
        if self.nodes[0].shard.admit(address, now).is_err() {
            self.hang_up(wire, Toward::Proxy);
            return None;
        }
        self.dealt += 1;
        self.give(self.dealt % self.nodes.len(), In::Accept(wire, address));
        Some(wire)
    }

    pub(crate) fn address_of(esme: usize) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(10, 0, (esme >> 8) as u8, esme as u8))
    }

    /// An ESME that does not bind before it is called.
    pub(crate) fn listening(&mut self, account: &str, address: &str, mode: BindMode) -> usize {
        let at = self.esme(account, EsmeHabit { reconnects: false, ..EsmeHabit::calm(mode) });
        let esme = &mut self.esmes[at];
        esme.listens_at = Some(address.to_owned());
        esme.ended_at.push(0);
        at
    }

    /// The gateway dials an ESME, which hangs up on it unless it listens there and has no connection yet.
    pub(crate) fn called(&mut self, shard: usize, key: Key, address: &str) {
        let is_called = |esme: &Esme| esme.listens_at.as_deref() == Some(address) && esme.wire.is_none();
        let Some(socket) = self.nodes[shard].sockets.get_mut(&key.slot).filter(|socket| socket.key == key) else {
            return;
        };
        let Some(esme) = self.esmes.iter().position(is_called) else {
            self.nodes[shard].sockets.remove(&key.slot);
            return self.give(shard, In::Closed(key));
        };
        let wire = self.wires.len();
        socket.wire = Some(wire);
        self.wires.push(Wire::new(Peer::Esme(esme)));
        self.wires[wire].home = Some((shard, key));
        self.esmes[esme].wire = Some(wire);
        if let Some(life) = self.esmes[esme].habit.life_ms {
            self.plan_ms(life, Event::EsmeEnds(esme, wire));
        }
        self.give(shard, In::Called(key, Self::address_of(esme)));
    }

    pub(crate) fn dialled(&mut self, shard: usize, key: Key, address: &str) {
        let Some(socket) = self.nodes[shard].sockets.get(&key.slot) else { return };
        if socket.key != key {
            return;
        }
        let carrier = self.base.carriers.iter().position(|carrier| match &carrier.connect {
            Connect::Transceiver(one) => one == address,
            Connect::TransmitterReceiver { transmitter, receiver } => transmitter == address || receiver == address,
        });
        let is_refused = self.rng.chance(self.habit.dial_fails);
        let Some(carrier) = carrier.filter(|carrier| !is_refused && self.smscs[*carrier].is_up) else {
            self.nodes[shard].sockets.remove(&key.slot);
            return self.give(shard, In::Closed(key));
        };
        let wire = self.wires.len();
        self.wires.push(Wire::new(Peer::Smsc(carrier)));
        self.wires[wire].home = Some((shard, key));
        if let Some(socket) = self.nodes[shard].sockets.get_mut(&key.slot) {
            socket.wire = Some(wire);
        }
        self.smscs[carrier].accept(wire);
        self.give(shard, In::Connected(key));
    }
}
