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

/// The PDUs written since the last look: command, status, sequence number, body.
fn pdus(peer: &Peer) -> Vec<(CommandId, CommandStatus, u32, Vec<u8>)> {
    let bytes = std::mem::take(&mut *peer.outbox.bytes.borrow_mut());
    let (mut rest, mut seen) = (&bytes[..], Vec::new());
    while let Some(frame) = Frame::cut(rest, 1_000).unwrap() {
        seen.push((frame.command, frame.status, frame.sequence.0, frame.body.to_vec()));
        rest = &rest[frame.len()..];
    }
    seen
}

/// What was written since the last look, as `answer SEQUENCE` and `deliver SEQUENCE`.
fn written(peer: &Peer) -> Vec<String> {
    let told = |(command, _, sequence, body): (CommandId, CommandStatus, u32, Vec<u8>)| {
        if command != CommandId::DELIVER_SM {
            return format!("answer {sequence}");
        }
        assert!(SmView::deliver(&body).is_ok());
        format!("deliver {sequence}")
    };
    pdus(peer).into_iter().map(told).collect()
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

#[test]
fn lies_are_told_as_often_as_asked_and_counted() {
    let (mut carrier, peer) = bound("--receipts none --answer-twice 100");
    submit(&mut carrier, &peer, 7, 0, 0);
    assert_eq!(written(&peer), ["answer 7", "answer 7"]);
    let (mut carrier, peer) = bound("--receipts none --wrong-sequence 30 --seed 9");
    for sequence in 1..=1_000 {
        submit(&mut carrier, &peer, sequence, 0, 0);
    }
    let wrong = pdus(&peer).iter().filter(|(_, _, sequence, _)| *sequence > 1_000).count();
    assert!((250..350).contains(&wrong), "{wrong}");
    assert_eq!(carrier.report().wrong_sequences, wrong as u64);
    let (mut carrier, peer) = bound("--nack 100");
    submit(&mut carrier, &peer, 7, 1, 0);
    assert_eq!(pdus(&peer), [(CommandId::GENERIC_NACK, CommandStatus::RINVCMDID, 7, Vec::new())]);
    assert_eq!((carrier.report().nacked, carrier.report().accepted), (1, 0));
}

#[test]
fn refusals_carry_a_body_and_answers_the_congestion_when_asked() {
    let (mut carrier, peer) = bound("--errors ESME_RSYSERR=100 --refusal-body");
    submit(&mut carrier, &peer, 7, 1, 0);
    assert_eq!(pdus(&peer), [(CommandId::SUBMIT_SM_RESP, CommandStatus::RSYSERR, 7, b"\0".to_vec())]);
    let (mut carrier, peer) = bound("--receipts none --congestion 85");
    submit(&mut carrier, &peer, 7, 1, 0);
    assert_eq!(pdus(&peer)[0].3, b"1\0\x04\x28\0\x01\x55");
}

#[test]
fn garbage_is_no_pdu_and_comes_after_every_so_many_submits() {
    let (mut carrier, _) = bound("--garbage-after 3");
    let mut lens = Vec::new();
    for submits in 1..=6 {
        let mut out = Vec::new();
        carrier.write_garbage(submits, &mut out);
        assert!(out.is_empty() || Frame::cut(&out, 1_000).is_err());
        lens.push(out.len());
    }
    assert_eq!(lens, [0, 0, 64, 0, 0, 64]);
}

#[test]
fn a_stall_comes_again_and_again_and_holds_back_what_is_due() {
    let (mut carrier, peer) = bound("--latency 10ms --receipts none --stall-every 5s --stall 2s");
    let left = |carrier: &Carrier, ms: u64| carrier.stalled_for(ms * MS) / MS;
    assert_eq!([0, 4_999, 5_000, 6_999, 7_000, 12_500].map(|ms| left(&carrier, ms)), [0, 0, 2_000, 1, 0, 1_500]);
    submit(&mut carrier, &peer, 7, 0, 4_995 * MS);
    carrier.tick(6_000 * MS);
    assert!(written(&peer).is_empty());
    carrier.tick(7_001 * MS);
    assert_eq!(written(&peer), ["answer 7"]);
}

#[test]
fn a_connection_is_left_in_time_with_a_goodbye_or_without() {
    let mut goodbyes = 0;
    for seed in 0..20 {
        let (mut carrier, peer) = bound(&format!("--close-every 2s --seed {seed}"));
        carrier.plan_leaving(&peer, 0);
        carrier.tick(1_999 * MS);
        assert!(!peer.is_over.get() && written(&peer).is_empty());
        carrier.tick(2_001 * MS);
        assert_ne!(peer.is_over.get(), peer.said_goodbye.get());
        goodbyes += u64::from(peer.said_goodbye.get());
        carrier.tick(3_002 * MS);
        assert!(peer.is_over.get(), "nobody waits longer for the answer to an unbind");
    }
    assert!((1..20).contains(&goodbyes));
}

#[test]
fn stray_receipts_keep_their_rate_and_ids_of_their_own() {
    let (mut carrier, peer) = bound("--stray-receipts 50 --receipt-id-in text");
    carrier.tick(100 * MS);
    let seen = pdus(&peer);
    assert_eq!(seen.len(), 5);
    let text = SmView::deliver(&seen[4].3).unwrap().text().to_vec();
    assert!(text.starts_with(b"id:4611686018427387908 "), "{}", String::from_utf8_lossy(&text));
    carrier.delivery_answered(&peer, SequenceNumber(1), CommandStatus::ROK, 100 * MS);
    let report = carrier.report();
    assert_eq!((report.stray_receipts_sent, report.stray_receipts_answered.of(CommandStatus::ROK)), (5, 1));
    assert_eq!((report.receipts_sent, report.receipts_acknowledged, report.receipts_unacknowledged), (0, 0, 0));
}

#[test]
fn the_rate_counts_segments_and_what_is_refused_too() {
    let (mut carrier, peer) = bound("--rate 10 --burst 1");
    for at in 0..20 {
        submit(&mut carrier, &peer, at, 0, u64::from(at) * 50 * MS);
    }
    let report = carrier.report();
    assert_eq!((report.rate.all.segments, report.rate.all.mean, report.rate.all.busiest_second), (20, 20.0, 20));
    assert_eq!((report.refused.total(), report.rate.connections.len()), (10, 1));
}
