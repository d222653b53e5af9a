//! What the carrier decides, told PDU by PDU with the time as an argument.

use std::rc::Rc;

use super::carrier::Carrier;
use super::peer::Peer;
use crate::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use crate::smpp::frame::Frame;
use crate::smpp::view::SmView;
use crate::tools::from_flags;
use crate::tools::wire::Outbox;

const MS: u64 = 1_000_000;

/// A carrier with these habits and one transceiver bound to it.
fn bound(flags: &str) -> (Carrier, Rc<Peer>) {
    let mut carrier = Carrier::new(from_flags(flags).unwrap(), 0);
    let window = carrier.args.delivery_window as usize;
    let peer = carrier.peers.join(b"acme", true, true, &Rc::new(Outbox::default()), window);
    (carrier, peer)
}

fn submit(carrier: &mut Carrier, peer: &Peer, sequence: u32, registered_delivery: u8, now: u64) {
    let mut body = b"\0\x05\0ACME\0\x01\x0144770090\0\0\0\0\0\0".to_vec();
    body.extend_from_slice(&[registered_delivery, 0, 0, 0, 2]);
    body.extend_from_slice(b"hi");
    let (command, status, sequence) = (CommandId::SUBMIT_SM, CommandStatus::ROK, SequenceNumber(sequence));
    carrier.submit(peer, &Frame { command, status, sequence, body: &body }, now);
}

/// What was written since the last look, as `answer SEQUENCE` and `deliver SEQUENCE`.
fn written(peer: &Peer) -> Vec<String> {
    let bytes = std::mem::take(&mut *peer.outbox.bytes.borrow_mut());
    let (mut rest, mut seen) = (&bytes[..], Vec::new());
    while let Some(frame) = Frame::cut(rest, 1_000).unwrap() {
        let what = if frame.command == CommandId::DELIVER_SM {
            assert!(SmView::deliver(frame.body).is_ok());
            "deliver"
        } else {
            "answer"
        };
        seen.push(format!("{what} {}", frame.sequence.0));
        rest = &rest[frame.len()..];
    }
    seen
}

#[test]
fn a_receipt_refused_for_the_moment_is_sent_again_and_one_refused_for_good_is_not() {
    let (mut carrier, peer) = bound("");
    submit(&mut carrier, &peer, 7, 1, 0);
    submit(&mut carrier, &peer, 8, 1, 0);
    assert_eq!(written(&peer), ["answer 7", "deliver 1", "answer 8", "deliver 2"]);
    carrier.delivery_answered(&peer, SequenceNumber(1), CommandStatus::RX_T_APPN, 0);
    carrier.delivery_answered(&peer, SequenceNumber(2), CommandStatus::RX_P_APPN, 0);
    carrier.tick(999 * MS);
    assert!(written(&peer).is_empty());
    carrier.tick(1_001 * MS);
    assert_eq!(written(&peer), ["deliver 3"]);
    assert_eq!(carrier.report().receipts_unacknowledged, 1);
    carrier.delivery_answered(&peer, SequenceNumber(3), CommandStatus::ROK, 1_002 * MS);
    let report = carrier.report();
    assert_eq!((report.receipts_sent, report.receipts_resent, report.receipts_acknowledged), (2, 1, 1));
    assert_eq!((report.receipts_refused.total(), report.receipts_unacknowledged), (2, 0));
}

#[test]
fn an_answer_stays_behind_its_receipt_while_that_waits_for_the_window() {
    let (mut carrier, peer) = bound("--receipts before --delivery-window 1");
    submit(&mut carrier, &peer, 7, 1, 0);
    submit(&mut carrier, &peer, 8, 1, 0);
    assert_eq!(written(&peer), ["deliver 1", "answer 7"]);
    carrier.delivery_answered(&peer, SequenceNumber(1), CommandStatus::ROK, MS);
    assert_eq!(written(&peer), ["deliver 2", "answer 8"]);
}

#[test]
fn an_answer_whose_receipt_took_another_link_follows_later() {
    let (mut carrier, peer) = bound("--receipts before --receipt-link other");
    let other = carrier.peers.join(b"acme", true, true, &Rc::new(Outbox::default()), 10);
    submit(&mut carrier, &peer, 7, 1, 0);
    assert!(written(&peer).is_empty());
    assert_eq!(written(&other), ["deliver 1"]);
    carrier.tick(5 * MS);
    assert_eq!(written(&peer), ["answer 7"]);
}

#[test]
fn only_submits_that_ask_get_receipts_and_failures_alone_when_that_is_what_they_ask() {
    let (mut carrier, peer) = bound("");
    for (sequence, registered_delivery) in [(1, 0), (2, 2), (3, 4)] {
        submit(&mut carrier, &peer, sequence, registered_delivery, 0);
    }
    assert_eq!(written(&peer), ["answer 1", "answer 2", "answer 3"]);
    let (mut carrier, peer) = bound("--receipt-states UNDELIV=100");
    submit(&mut carrier, &peer, 2, 2, 0);
    assert_eq!(written(&peer), ["answer 2", "deliver 1"]);
}

#[test]
fn latency_and_receipt_delay_add_up() {
    let (mut carrier, peer) = bound("--latency 10ms --receipts 5ms");
    submit(&mut carrier, &peer, 1, 1, 0);
    let mut seen = Vec::new();
    for ms in 0..20 {
        carrier.tick(ms * MS);
        seen.extend(written(&peer).into_iter().map(|what| (ms, what)));
    }
    assert_eq!(seen, [(10, "answer 1".to_owned()), (15, "deliver 1".to_owned())]);
}

#[test]
fn an_intermediate_receipt_follows_its_answer_and_the_final_one_comes_later() {
    let (mut carrier, peer) = bound("--receipts 5ms --intermediate");
    submit(&mut carrier, &peer, 1, 1, 0);
    assert_eq!(written(&peer), ["answer 1", "deliver 1"]);
    carrier.tick(4 * MS);
    assert!(written(&peer).is_empty());
    carrier.tick(6 * MS);
    assert_eq!(written(&peer), ["deliver 2"]);
    assert_eq!((carrier.report().intermediate_sent, carrier.report().receipts_sent), (1, 1));
}

#[test]
fn mobile_originated_messages_keep_their_rate_and_respect_the_window() {
    let (mut carrier, peer) = bound("--mo-rate 100 --delivery-window 3");
    carrier.tick(100 * MS);
    assert_eq!(written(&peer).len(), 3);
    for sequence in 1..=10 {
        carrier.delivery_answered(&peer, SequenceNumber(sequence), CommandStatus::ROK, 100 * MS);
    }
    assert_eq!((written(&peer).len(), carrier.report().mo_sent), (7, 10));
}

#[test]
fn the_run_is_done_when_as_many_receipts_were_acknowledged() {
    let (mut carrier, peer) = bound("--count 1");
    submit(&mut carrier, &peer, 1, 1, 0);
    assert!(!carrier.is_done());
    carrier.delivery_answered(&peer, SequenceNumber(1), CommandStatus::ROK, 0);
    assert!(carrier.is_done());
    let (mut carrier, peer) = bound("--count 1 --receipts none");
    submit(&mut carrier, &peer, 1, 1, 0);
    assert!(carrier.is_done());
}
