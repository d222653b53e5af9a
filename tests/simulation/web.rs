//! HTTP customers: what they ask of their account's home, and what they were told.

use std::collections::BTreeSet;

use trunkline::config::AccountId;
use trunkline::engine::message::ShardId;
use trunkline::engine::slab::Key;
use trunkline::engine::web::{Caller, Reply, Request};
use trunkline::smpp::view::SmView;

use crate::callbacks::Callbacks;
use crate::ledger::Submit;
use crate::net::WireId;
use crate::sim::Sim;
use crate::text::submit_tag;

/// Where no ESME is connected.
const NO_WIRE: WireId = WireId::MAX;

/// What happened on the HTTP side so far.
#[derive(Default)]
pub(crate) struct Web {
    asked: u32,
    pub(crate) replies: Vec<(u32, Reply)>,
    pub(crate) callbacks: Callbacks,
}

impl Sim {
    /// A connection of shard 0 asks this of an account; its reply is found by the number returned.
    pub(crate) fn ask_web(&mut self, account: AccountId, request: Request) -> u32 {
        self.web.asked += 1;
        let number = self.web.asked;
        let caller = Caller { shard: ShardId(0), request: Key { slot: number, generation: 0 } };
        let at = self.placement.home_of_account(account).index();
        if let Request::Submit(submission) = &request {
            for body in submission.messages.iter().flat_map(|message| &message.segments) {
                self.ledger_takes(account, body);
            }
        }
        let now = self.instant();
        let node = &mut self.nodes[at];
        node.shard.ask(account, (caller, request), now, &mut node.out);
        self.wake(at, self.now);
        number
    }

    /// The ledger knows it as one whose session is lost: its answer is no PDU.
    fn ledger_takes(&mut self, account: AccountId, body: &[u8]) {
        let Some(tag) = submit_tag(body) else { self.fail("a message without a tag") };
        let wants_receipt = SmView::submit(body).is_ok_and(|view| view.wants_receipt());
        let submit = Submit {
            account: account.index(),
            wire: NO_WIRE,
            body: body.to_vec(),
            wants_receipt,
            read_at: None,
            answer: None,
            handed_id: None,
            is_lost: true,
            attempts: Vec::new(),
            accepted_by: Vec::new(),
            told: BTreeSet::new(),
        };
        self.ledger.submitted(tag, tag, submit);
    }

    /// What a request was told, once.
    pub(crate) fn web_reply(&mut self, number: u32) -> Option<Reply> {
        let at = self.web.replies.iter().position(|(asked, _)| *asked == number)?;
        Some(self.web.replies.remove(at).1)
    }
}
