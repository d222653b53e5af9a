//! How a simulated carrier misbehaves: what it says that is not so, and how it leaves.

use std::time::Duration;

use super::answers::Said;
use super::carrier::{Carrier, Job};
use super::peer::Peer;
use crate::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use crate::smpp::frame::write_header;
use crate::tools::values::{Delay, Mix, duration, nanos, percent, status};

/// Octets of garbage sent at once.
const GARBAGE_OCTETS: usize = 64;

/// Added to a sequence number, it is one that no ESME has come to yet.
const NEVER_ISSUED: u32 = 0x2000_0000;

/// What the unbinds of a carrier are numbered, apart from its deliveries.
const UNBIND_SEQUENCE: SequenceNumber = SequenceNumber(0x7FFF_FFFF);

/// A carrier that has said goodbye closes after this long at the latest.
const GOODBYE_NS: u64 = 1_000_000_000;

/// Bad habits; all of them are off unless set. A SIGUSR1 ends them, and `errors` and `no_answer` with them.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Misbehaviour (ends at SIGUSR1)")]
pub struct Lies {
    /// Answers that are sent a second time, in percent
    #[arg(long, default_value_t = 0.0, value_parser = percent)]
    pub answer_twice: f64,
    /// Answers that carry a sequence number nobody sent, in percent: their submits are never answered
    #[arg(long, default_value_t = 0.0, value_parser = percent)]
    pub wrong_sequence: f64,
    /// Submits that are answered with a generic_nack, in percent
    #[arg(long, default_value_t = 0.0, value_parser = percent)]
    pub nack: f64,
    /// Refusals carry a message_id, an empty one
    #[arg(long)]
    pub refusal_body: bool,
    /// Send garbage on a connection after every so many submits
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub garbage_after: Option<u64>,
    /// Binds that are refused, in percent: ESME_RALYBND=50,ESME_RINVPASWD=10
    #[arg(long, default_value = "", value_parser = |text: &str| Mix::parse(text, status))]
    pub refuse_binds: Mix<CommandStatus>,
    /// Go on for so long, then stall: read nothing and send nothing, on all connections
    #[arg(long, value_parser = duration, requires = "stall")]
    pub stall_every: Option<Duration>,
    /// How long a stall lasts
    #[arg(long, value_parser = duration, requires = "stall_every")]
    pub stall: Option<Duration>,
    /// Leave each connection after so long, by unbind or abruptly: 5s, or drawn from 500ms..5s
    #[arg(long)]
    pub close_every: Option<Delay>,
    /// Receipts a second for ids that were never given out, dealt over the receiving binds
    #[arg(long, default_value_t = 0)]
    pub stray_receipts: u32,
}

impl Carrier {
    /// From now on it is a good carrier, that refuses nothing and answers everything.
    pub(super) fn behave(&mut self) {
        (self.args.lies, self.args.errors, self.args.no_answer) = (Lies::default(), Mix::default(), 0.0);
    }

    /// How much longer the carrier stalls.
    pub(super) fn stalled_for(&self, now: u64) -> u64 {
        let Lies { stall_every: Some(every), stall: Some(stall), .. } = &self.args.lies else { return 0 };
        let (every, stall) = (nanos(*every), nanos(*stall));
        let round = every.saturating_add(stall).max(1);
        let place = (now - self.began_ns) % round;
        if place < every { 0 } else { round - place }
    }

    /// The status a bind is refused with, if it is.
    pub(super) fn refuses_bind(&mut self) -> Option<CommandStatus> {
        self.args.lies.refuse_binds.draw(&mut self.dice)
    }

    /// The answer to a submit, perhaps with a number nobody sent, and perhaps once more.
    pub(super) fn write_answer(&mut self, sequence: SequenceNumber, said: Said, out: &mut Vec<u8>) {
        let mut number = sequence;
        if self.dice.percent(self.args.lies.wrong_sequence) {
            self.counts.wrong_sequences += 1;
            number.0 = (number.0 + NEVER_ISSUED) & 0x7FFF_FFFF;
        }
        self.write_honestly(number, said, out);
        if self.dice.percent(self.args.lies.answer_twice) {
            self.counts.answered_twice += 1;
            self.write_honestly(number, said, out);
        }
    }

    /// Nothing that could be a PDU, when it is time for it.
    pub(super) fn write_garbage(&mut self, submits: u64, out: &mut Vec<u8>) {
        if self.args.lies.garbage_after.is_some_and(|after| submits.is_multiple_of(after)) {
            self.counts.garbage_sent += 1;
            out.extend(std::iter::repeat_with(|| self.dice.below(256) as u8 | 0x80).take(GARBAGE_OCTETS));
        }
    }

    /// Sees to it that a connection that has just bound will be left.
    pub(super) fn plan_leaving(&mut self, peer: &Peer, now: u64) {
        if let Some(after) = self.args.lies.close_every {
            let after = after.draw_ns(&mut self.dice);
            self.wheel.schedule(now + after, Job::Leave(peer.key));
        }
    }

    /// Says goodbye and closes a moment later, or closes at once.
    pub(super) fn leave_peer(&mut self, peer: &Peer, now: u64) {
        if self.args.lies.close_every.is_none() && !peer.said_goodbye.get() {
            return;
        }
        if !peer.said_goodbye.get() && self.dice.below(2) == 0 {
            peer.said_goodbye.set(true);
            let mut out = peer.outbox.bytes.borrow_mut();
            write_header(&mut out, CommandId::UNBIND, CommandStatus::ROK, UNBIND_SEQUENCE, 0);
            self.wheel.schedule(now + GOODBYE_NS, Job::Leave(peer.key));
        } else {
            self.counts.closes += 1;
            peer.is_over.set(true);
        }
        peer.outbox.ring();
    }
}
