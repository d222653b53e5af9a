//! The good session beside the bad one: it submits all the while, and keeps a ledger.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use trunkline::smpp::pdu::BindMode;

use crate::gateway::Gateway;
use crate::peer::{Peer, ROK, plain, with_receipt};
use crate::receipts::id_of_receipt;

/// Time between two messages: enough to be there all the while, and not so much that the machine is busy with it.
const PAUSE: Duration = Duration::from_millis(2);
/// Messages that go through after the deed.
const AFTERWARDS: usize = 5;

pub struct Beside {
    is_done: Arc<AtomicBool>,
    thread: JoinHandle<Ledger>,
}

/// Ids in the order they were given and in the order their receipts came.
#[derive(Debug, Default)]
struct Ledger {
    submitted: usize,
    accepted: Vec<String>,
    receipts: Vec<String>,
}

impl Beside {
    /// Binds, and has had a message through before it returns.
    pub fn start(gateway: &Gateway) -> Self {
        let mut peer = gateway.connect();
        assert_eq!(peer.bind(BindMode::Transceiver, "other", "beside").status, ROK);
        peer.submit_when_up(&plain("first"));
        let is_done = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_done);
        Self { is_done, thread: std::thread::spawn(move || submit_until(&mut peer, &told)) }
    }

    /// Every submit was accepted, each receipt came, once, under the id that was given, and nothing else ever came.
    pub fn was_perfect(self) {
        self.is_done.store(true, Ordering::Relaxed);
        let ledger = self.thread.join().expect("the good session noticed");
        assert!(ledger.submitted >= AFTERWARDS, "{ledger:?}");
        assert_eq!(ledger.accepted.len(), ledger.submitted, "{ledger:?}");
        assert_eq!(ledger.accepted, ledger.receipts);
        let mut distinct = ledger.accepted;
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), ledger.submitted, "an id was given twice");
    }
}

fn submit_until(peer: &mut Peer, is_done: &AtomicBool) -> Ledger {
    let (mut ledger, mut left) = (Ledger::default(), AFTERWARDS);
    while left > 0 {
        if is_done.load(Ordering::Relaxed) {
            left -= 1;
        }
        ledger.submitted += 1;
        let answer = peer.submit(&with_receipt(&format!("beside {}", ledger.submitted)));
        assert_eq!(answer.status, ROK, "the customer beside was refused");
        ledger.accepted.push(answer.id());
        ledger.receipts.push(id_of_receipt(&peer.receive()));
        std::thread::park_timeout(PAUSE);
    }
    ledger
}
