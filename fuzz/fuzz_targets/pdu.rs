//! Whole PDUs: what is written is read back the same, whatever is in the fields; and whatever comes is read without a panic, by everything
//! that reads it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trunkline::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use trunkline::smpp::frame::Frame;
use trunkline::smpp::multi::{self, MultiView};
use trunkline::smpp::operations::Operation;
use trunkline::smpp::pdu::{self, ShortMessage};
use trunkline::smpp::view::{Address, SmView};
use trunkline::smpp::{data_sm, keyword, receipt, segment};

fuzz_target!(|input: (&[u8], &[u8], &[u8], [u8; 8])| {
    let (octets, source, text, numbers) = input;
    if let Some(frame) = Frame::parse(octets) {
        let _ = (pdu::read_bind(&frame), data_sm::as_submit(frame.body), pdu::submit_sm_resp_id(frame.body));
        let _ = (data_sm::as_short_message(frame.body), multi::read_resp(frame.body));
        let _ = MultiView::read(frame.body).map(|multi| multi.destinations().count());
        for command in [CommandId::QUERY_SM, CommandId::CANCEL_SM, CommandId::REPLACE_SM] {
            let _ = Operation::read(command, frame.body);
        }
        for view in [SmView::submit(frame.body), SmView::deliver(frame.body)].into_iter().flatten() {
            let _ = (receipt::read(&view), keyword::first_word(&view), segment::segment_ref(&view));
            let _ = (segment::count_segments(&view), view.text_behind_header(), view.text_at(), view.tlvs().count());
        }
    }
    let [ton, npi, esm_class, protocol_id, priority, registered_delivery, data_coding, length] = numbers;
    // A C-string ends at its first NUL.
    let digits: Vec<u8> = source.iter().copied().filter(|octet| *octet != 0).take(usize::from(length % 21)).collect();
    let address = Address { ton, npi, digits: &digits };
    let text = &text[..text.len().min(60_000)];
    let mut message = ShortMessage::new(address, Address { ton: npi, npi: ton, digits: b"49" }, text);
    (message.esm_class, message.protocol_id, message.priority) = (esm_class, protocol_id, priority);
    (message.registered_delivery, message.data_coding) = (registered_delivery, data_coding);
    for write in [pdu::write_submit_sm, pdu::write_deliver_sm] {
        let mut written = Vec::new();
        write(&message, SequenceNumber(u32::from(length) + 1), &mut written);
        let frame = Frame::cut(&written, 1 << 17).ok().flatten().expect("what we write is one whole PDU");
        assert_eq!(
            (frame.len(), frame.status, frame.sequence.0),
            (written.len(), CommandStatus::ROK, u32::from(length) + 1)
        );
        let view = SmView::submit(frame.body).expect("what we write can be read");
        assert_eq!((view.source, view.text()), (address, text));
        assert_eq!((view.esm_class, view.protocol_id, view.priority), (esm_class, protocol_id, priority));
        assert_eq!((view.registered_delivery, view.data_coding), (registered_delivery, data_coding));
    }
});
