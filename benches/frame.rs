//! The octet work of one message: cutting PDUs, reading a submit, reading and rewriting a receipt, writing an answer, a text of HTTP's.

use trunkline::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use trunkline::smpp::compose::Draft;
use trunkline::smpp::frame::Frame;
use trunkline::smpp::message_id::{CarrierIdFormat, MessageId, MessageIdFormat, NormalizedId, normalize};
use trunkline::smpp::text::{self, Reference, Wanted};
use trunkline::smpp::view::{Address, SmView, esm_class, tag};
use trunkline::smpp::{pdu, receipt};

#[path = "common/timing.rs"]
mod timing;
#[path = "common/watch.rs"]
mod watch;

use timing::Effort;

const MAX_PDU: usize = 64 << 10;
/// PDUs in one stretch of stream: what a busy read brings.
const IN_STREAM: u64 = 256;

fn main() {
    let effort = Effort::of_arguments();
    let passes = effort.of(4, 4_000);
    let operations = passes * IN_STREAM;
    let submits = stream(|out, sequence| pdu::write_submit_sm(&submit(), sequence, out));
    let receipts = stream(|out, sequence| pdu::write_deliver_sm(&delivery(), sequence, out));
    effort.measure("Frame::cut", operations, || {
        repeat(passes, || each_frame(&submits, |frame| u64::from(frame.sequence.0)))
    });
    effort.measure("Frame::cut and SmView::submit", operations, || {
        repeat(passes, || {
            each_frame(&submits, |frame| SmView::submit(frame.body).map_or(0, |view| view.text().len() as u64))
        })
    });
    effort.measure("Frame::cut and receipt::read", operations, || {
        repeat(passes, || {
            each_frame(&receipts, |frame| {
                let view = SmView::deliver(frame.body).ok();
                let receipt = view.as_ref().and_then(receipt::read);
                receipt.map_or(0, |receipt| u64::from(receipt.state.is_final()))
            })
        })
    });
    let mut out = Vec::new();
    effort.measure("Frame::cut, receipt::read and rewrite", operations, || {
        repeat(passes, || {
            out.clear();
            each_frame(&receipts, |frame| rewritten(frame, &mut out))
        })
    });
    for (name, id, format) in [
        ("normalize, as is", "7f3a2b1c-09de-4c11", CarrierIdFormat::AsIs),
        ("normalize, hex", "00007F3A2B1C09DE", CarrierIdFormat::Hex),
        ("normalize, decimal", "0009167354211134", CarrierIdFormat::Decimal),
    ] {
        effort.measure(name, operations, || {
            repeat(operations, || match normalize(std::hint::black_box(id.as_bytes()), format) {
                NormalizedId::Number(number) => number as u64 & 0xFF,
                NormalizedId::Verbatim(octets) => octets.len() as u64,
            })
        });
    }
    effort.measure("write_submit_sm_resp with our id", operations, || {
        repeat(passes, || {
            out.clear();
            for sequence in 1..=IN_STREAM as u32 {
                let id = MessageId::compose(3, u64::from(sequence) * 0x9E37_79B9).text(MessageIdFormat::Hex);
                pdu::write_submit_sm_resp(CommandStatus::ROK, SequenceNumber(sequence), id.as_bytes(), &mut out);
            }
            out.len() as u64
        })
    });
    texts(effort.of(64, 64_000), effort);
}

/// From a text to the bodies of its submits.
fn texts(operations: u64, effort: Effort) {
    for (name, text, parts) in [
        ("text::encode and bodies, a GSM part", "the quick brown fox ä€ ".repeat(3), 1),
        ("text::encode and bodies, four GSM parts", "the quick brown fox ä€ ".repeat(20), 4),
        ("text::encode and bodies, three UCS-2 parts", "съешь же ещё 😀 мягких ".repeat(6), 3),
    ] {
        effort.measure(name, operations, || {
            repeat(operations, || {
                let Ok(encoded) = text::encode(std::hint::black_box(&text), Wanted::Auto, Reference::Eight(7)) else {
                    return 0;
                };
                let bodies = Draft::new(ACME, HANDSET).bodies(&encoded);
                assert_eq!(bodies.len(), parts, "{name}");
                bodies.iter().map(|body| body.len() as u64).sum()
            })
        });
    }
}

fn repeat(times: u64, mut step: impl FnMut() -> u64) -> u64 {
    (0..times).map(|_| step()).fold(0, u64::wrapping_add)
}

/// `IN_STREAM` PDUs one behind the other.
fn stream(write: impl Fn(&mut Vec<u8>, SequenceNumber)) -> Vec<u8> {
    let mut out = Vec::new();
    (1..=IN_STREAM as u32).for_each(|sequence| write(&mut out, SequenceNumber(sequence)));
    out
}

fn each_frame(mut stream: &[u8], mut work: impl FnMut(&Frame<'_>) -> u64) -> u64 {
    let (mut sum, mut cut) = (0, 0);
    while let Ok(Some(frame)) = Frame::cut(stream, MAX_PDU) {
        stream = &stream[frame.len()..];
        sum += work(&frame);
        cut += 1;
    }
    assert_eq!(cut, IN_STREAM, "every PDU of the stream is cut");
    sum
}

fn rewritten(frame: &Frame<'_>, out: &mut Vec<u8>) -> u64 {
    assert_eq!(frame.command, CommandId::DELIVER_SM);
    let Ok(view) = SmView::deliver(frame.body) else { return 0 };
    let Some(receipt) = receipt::read(&view) else { return 0 };
    let at = out.len();
    receipt::rewrite(frame.body, &view, &receipt, b"0123456789abcdef", out);
    (out.len() - at) as u64
}

const ACME: Address<'static> = Address { ton: 5, npi: 0, digits: b"TRUNKLINE" };
const HANDSET: Address<'static> = Address { ton: 1, npi: 1, digits: b"447700900123" };

fn submit() -> pdu::ShortMessage<'static> {
    let text = b"the quick brown fox jumps over a lazy dog, and then it does so again";
    pdu::ShortMessage { registered_delivery: 1, ..pdu::ShortMessage::new(ACME, HANDSET, text) }
}

fn delivery() -> pdu::ShortMessage<'static> {
    const TEXT: &[u8] = b"id:0000004711 sub:001 dlvrd:001 submit date:2601021530 done date:2601021531 stat:DELIVRD \
err:000 text:the quick brown fox";
    const TLVS: &[(u16, &[u8])] = &[(tag::RECEIPTED_MESSAGE_ID, b"0000004711\0"), (tag::MESSAGE_STATE, b"\x02")];
    pdu::ShortMessage { esm_class: esm_class::RECEIPT, tlvs: TLVS, ..pdu::ShortMessage::new(HANDSET, ACME, TEXT) }
}
