//! Bugs planted on purpose, in the shell or between shards, to prove that the oracle sees them.

use trunkline::config::AccountId;
use trunkline::engine::event::Input;
use trunkline::engine::message::{Batch, ShardMessage};

use crate::sim::{Event, Sim};
use crate::soak::mo_routes;
use crate::text::ODD_PROFILE;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Plant {
    None,
    /// The shell says durable before the disk does.
    DurableEarly,
    /// A receipt is addressed to another account.
    OtherAccount,
    /// A submit is sent a second time.
    SentTwice,
    /// A receipt is acknowledged and dropped.
    ReceiptDropped,
    /// An answer gets lost between the shards.
    AnswerLost,
    /// An answer arrives behind its receipt.
    AnswerLate,
    /// What was delivered is forgotten by the process alone.
    RemovalForgotten,
    /// The addresses that a customer sent are known to the process alone.
    AddressesForgotten,
    /// A start does not read one of the journals.
    JournalIgnored,
    /// A start loses the early receipts whose answers were recorded.
    EarlyNotJoined,
    /// A start loses the MO that nobody was named for.
    UnroutedLost,
    /// A start loses what callbacks are to be told: MO, and the receipts of what came by HTTP.
    EventsLost,
    ReceiptsUntold,
    /// The shell says that a callback took what it was never told.
    CallUnmade,
    /// It calls that of another account.
    OtherCallback,
    /// A start does not read the lines of the call detail records.
    LinesLost,
    /// What was lost with its link is sent again, and nobody set `in_doubt: retry`.
    RetriedUnasked,
}

impl Sim {
    pub(crate) fn plant_at_commit(&mut self, at: usize, through: u64) {
        if self.plant == Plant::DurableEarly {
            self.handle(at, Input::Durable { through });
        }
    }

    pub(crate) fn plant_in_batch(&mut self, from: usize, to: usize, batch: &mut Batch) {
        match self.plant {
            Plant::None
            | Plant::DurableEarly
            | Plant::RemovalForgotten
            | Plant::AddressesForgotten
            | Plant::JournalIgnored
            | Plant::EarlyNotJoined
            | Plant::UnroutedLost
            | Plant::EventsLost
            | Plant::ReceiptsUntold
            | Plant::CallUnmade
            | Plant::OtherCallback
            | Plant::LinesLost
            | Plant::RetriedUnasked => {}
            Plant::OtherAccount => {
                for message in &mut batch.messages {
                    if let ShardMessage::Deliver { account, .. } = message {
                        account.0 ^= 1;
                    }
                }
            }
            Plant::SentTwice => {
                let is_submit = |message: &ShardMessage| matches!(message, ShardMessage::Submit { .. });
                if let Some(again) = batch.messages.iter().find(|message| is_submit(message)).copied() {
                    batch.messages.push(again);
                }
            }
            Plant::ReceiptDropped => {
                let mut done = Batch::default();
                batch.messages.retain(|message| {
                    let ShardMessage::Deliver { carrier, in_hand, .. } = *message else { return true };
                    done.messages.push(ShardMessage::DeliverDone { carrier, in_hand, is_kept: true });
                    false
                });
                if !done.is_empty() {
                    self.mesh[to][from].push_back(done);
                    self.plan(1_000, Event::Batch { from: to, to: from });
                }
            }
            Plant::AnswerLost => {
                batch.messages.retain(|message| !matches!(message, ShardMessage::SubmitDone { .. }));
            }
            Plant::AnswerLate => {
                let (late, now): (Vec<_>, Vec<_>) =
                    batch.messages.drain(..).partition(|message| matches!(message, ShardMessage::SubmitDone { .. }));
                batch.messages = now;
                if !late.is_empty() {
                    let behind = Batch { messages: late, bytes: Vec::new() };
                    self.plan(3_000_000_000, Event::Input(to, crate::node::In::Batch(from, behind)));
                }
            }
        }
    }

    /// Where accounts 0 and 1 live, for `OtherAccount`.
    pub(crate) fn share_a_home(&self) -> bool {
        self.placement.home_of_account(AccountId(0)) == self.placement.home_of_account(AccountId(1))
    }
}

pub(crate) fn planted_config(plant: Plant) -> String {
    let in_doubt = if plant == Plant::RetriedUnasked { "retry" } else { "fail" };
    let profile = if plant == Plant::AddressesForgotten { "odd" } else { "default" };
    let mut text = format!(
        "shards: 2\naccounts:\n  a0: {{ password: secret, shard: 0 }}\n  a1: {{ password: secret, shard: 0 }}\n\
         carriers:\n  c0: {{ connect: \"c0:1\", system_id: us, password: secret, shard: 1, in_doubt: {in_doubt}, profile: {profile} }}\n\
         routes:\n  - to: [c0]\n"
    );
    text.push_str(ODD_PROFILE);
    text.push_str(&mo_routes(2));
    text
}
