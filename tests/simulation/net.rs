//! A network in memory: each direction of a connection keeps its order, arrives late and in pieces, holds only so much,
//! and may be cut off anywhere.

use std::collections::VecDeque;

use trunkline::engine::slab::Key;

use crate::rng::Rng;
use crate::sim::{Event, Sim};

/// Names a connection for the whole run.
pub(crate) type WireId = usize;

/// Who stands at the far end of a connection to the proxy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Peer {
    Esme(usize),
    Smsc(usize),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Toward {
    Peer,
    Proxy,
}

#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) peer: Peer,
    /// The shard that holds the proxy's end, and its key there; `None` on the way between shards or when gone.
    pub(crate) home: Option<(usize, Key)>,
    pub(crate) to_peer: Pipe,
    pub(crate) to_proxy: Pipe,
    pub(crate) was_reset: bool,
}

/// One direction. Times are nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    flying: VecDeque<(u64, Chunk)>,
    /// Arrived and not read.
    pub(crate) arrived: Vec<u8>,
    /// The end was reached, behind `arrived`.
    pub(crate) ended: bool,
    /// Nothing written from now on arrives.
    shut: bool,
    last_at: u64,
    flying_octets: usize,
}

#[derive(Debug)]
enum Chunk {
    Octets(Vec<u8>),
    End,
}

impl Wire {
    pub(crate) fn new(peer: Peer) -> Self {
        Self { peer, home: None, to_peer: Pipe::default(), to_proxy: Pipe::default(), was_reset: false }
    }

    /// The ESME at its other end, if it is one.
    pub(crate) fn esme(&self) -> Option<usize> {
        match self.peer {
            Peer::Esme(esme) => Some(esme),
            Peer::Smsc(_) => None,
        }
    }

    pub(crate) fn pipe(&mut self, toward: Toward) -> &mut Pipe {
        match toward {
            Toward::Peer => &mut self.to_peer,
            Toward::Proxy => &mut self.to_proxy,
        }
    }

    /// Both ends lose what has not arrived, and some of what has. Returns when each end learns of it.
    pub(crate) fn reset(&mut self, rng: &mut Rng) -> [(Toward, u64); 2] {
        self.was_reset = true;
        [Toward::Peer, Toward::Proxy].map(|toward| (toward, self.pipe(toward).cut_off(rng)))
    }
}

impl Pipe {
    /// Octets that may still be written.
    pub(crate) fn space(&self, capacity: usize) -> usize {
        if self.shut { usize::MAX } else { capacity.saturating_sub(self.flying_octets + self.arrived.len()) }
    }

    pub(crate) fn is_shut(&self) -> bool {
        self.shut
    }

    /// Sends octets that arrive at `at` or behind what was sent before. Returns when.
    pub(crate) fn send(&mut self, octets: &[u8], at: u64) -> Option<u64> {
        if self.shut || octets.is_empty() {
            return None;
        }
        self.last_at = self.last_at.max(at);
        self.flying_octets += octets.len();
        self.flying.push_back((self.last_at, Chunk::Octets(octets.to_vec())));
        Some(self.last_at)
    }

    /// No more will be sent.
    pub(crate) fn end(&mut self, at: u64) -> Option<u64> {
        if self.shut {
            return None;
        }
        self.shut = true;
        self.last_at = self.last_at.max(at);
        self.flying.push_back((self.last_at, Chunk::End));
        Some(self.last_at)
    }

    /// The reader is gone: what is under way is lost.
    pub(crate) fn discard(&mut self) {
        *self = Self { shut: true, ended: true, last_at: self.last_at, ..Self::default() };
    }

    /// Takes in what has arrived by now.
    pub(crate) fn land(&mut self, now: u64) {
        while self.flying.front().is_some_and(|(at, _)| *at <= now) {
            match self.flying.pop_front() {
                Some((_, Chunk::Octets(octets))) => {
                    self.flying_octets -= octets.len();
                    self.arrived.extend_from_slice(&octets);
                }
                Some((_, Chunk::End)) => self.ended = true,
                None => {}
            }
        }
    }

    fn cut_off(&mut self, rng: &mut Rng) -> u64 {
        let keep = rng.below(self.flying.len() as u64 + 1) as usize;
        self.flying.truncate(keep);
        if let Some((_, Chunk::Octets(octets))) = self.flying.back_mut() {
            let keep = rng.below(octets.len() as u64 + 1) as usize;
            octets.truncate(keep);
        }
        self.flying.retain(|(_, chunk)| matches!(chunk, Chunk::Octets(_)));
        self.flying_octets = self
            .flying
            .iter()
            .map(|(_, chunk)| match chunk {
                Chunk::Octets(octets) => octets.len(),
                Chunk::End => 0,
            })
            .sum();
        self.shut = true;
        self.flying.push_back((self.last_at, Chunk::End));
        self.last_at
    }
}

impl Sim {
    pub(crate) fn reset(&mut self, wire: WireId) {
        for (toward, at) in self.wires[wire].reset(&mut self.rng) {
            self.plan(at.saturating_sub(self.now), Event::Land(wire, toward));
        }
    }

    pub(crate) fn reset_some(&mut self) {
        let live: Vec<_> = (0..self.wires.len()).filter(|wire| !self.wires[*wire].to_peer.is_shut()).collect();
        if !live.is_empty() {
            let wire = self.rng.pick(&live);
            self.reset(wire);
        }
        if let Some(every) = self.habit.reset_ms {
            self.plan_ms(every, Event::Reset);
        }
    }
}
