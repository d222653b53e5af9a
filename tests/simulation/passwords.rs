//! Where passwords are compared with hashes: it takes a while, and sometimes nothing comes of it.

use trunkline::config::{AccountId, Secret};
use trunkline::engine::event::Verdict;
use trunkline::engine::slab::Key;

use crate::node::In;
use crate::sim::{Event, Sim};

/// A hash as configurations have it. Here it stands for one password alone, which nobody reads out of it.
pub(crate) const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$k1vKZ3cTMUUmCC1p3qHTkoBzGDwtzqlDeBL4tPZm0ac";
const ITS_PASSWORD: &[u8] = b"hashed";

impl Sim {
    pub(crate) fn compare(&mut self, at: usize, key: Key, account: Option<AccountId>, password: &Secret) {
        let wire = self.nodes[at].sockets.get(&key.slot).and_then(|socket| socket.wire);
        let esme = wire.and_then(|wire| self.wires[wire].esme());
        let Some(after) = esme.and_then(|esme| self.esmes[esme].verify_ms) else { return };
        let is_right = account.is_some() && password.expose() == ITS_PASSWORD;
        let verdict = if is_right { Verdict::Right } else { Verdict::Wrong };
        self.plan_ms(after, Event::Input(at, In::Verified(key, verdict)));
    }
}
