//! How a submit's answer is written, and when it leaves.

use super::carrier::{Carrier, Job};
use super::peer::{Peer, PeerKey};
use super::receipt::{finish, write_tlv};
use crate::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use crate::smpp::frame::write_header;
use crate::smpp::view::tag;

/// What a submit is answered with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Said {
    /// The number of its id.
    Accepted(u64),
    Refused(CommandStatus),
    Nacked(CommandStatus),
}

impl Carrier {
    pub(super) fn answer(&mut self, peer: &Peer, to: SequenceNumber, said: Said, at: u64, now: u64) {
        if at <= now {
            return self.write_answer(to, said, &mut peer.outbox.bytes.borrow_mut());
        }
        let mut answer = self.buffer();
        self.write_answer(to, said, &mut answer);
        self.wheel.schedule(at, Job::Answer(peer.key, answer));
    }

    pub(super) fn write_honestly(&self, sequence: SequenceNumber, said: Said, out: &mut Vec<u8>) {
        let at = out.len();
        let (command, status) = match said {
            Said::Accepted(_) => (CommandId::SUBMIT_SM_RESP, CommandStatus::ROK),
            Said::Refused(status) => (CommandId::SUBMIT_SM_RESP, status),
            Said::Nacked(status) => (CommandId::GENERIC_NACK, status),
        };
        write_header(out, command, status, sequence, 0);
        match said {
            Said::Accepted(number) => {
                self.args.id_format.write(number, out);
                out.push(0);
                if let Some(congestion) = self.args.congestion {
                    write_tlv(tag::CONGESTION_STATE, &[&[congestion]], out);
                }
            }
            Said::Refused(_) if self.args.lies.refusal_body => out.push(0),
            Said::Refused(_) | Said::Nacked(_) => return,
        }
        finish(at, out);
    }

    /// Writes an answer whose time has come, if its connection is still there.
    pub(super) fn release(&mut self, to: PeerKey, answer: Vec<u8>) {
        if let Some(peer) = self.peers.find(to) {
            peer.outbox.bytes.borrow_mut().extend_from_slice(&answer);
            peer.outbox.ring();
        }
        self.recycle(answer);
    }
}
