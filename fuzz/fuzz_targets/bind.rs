//! Whatever is read from a bind is written so that it is read again the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trunkline::smpp::command::SequenceNumber;
use trunkline::smpp::frame::Frame;
use trunkline::smpp::pdu;

fuzz_target!(|octets: &[u8]| {
    let Some(frame) = Frame::parse(octets) else { return };
    let Ok(bind) = pdu::read_bind(&frame) else { return };
    let mut written = Vec::new();
    pdu::write_bind(&bind, SequenceNumber(7), &mut written);
    let again = Frame::cut(&written, 1 << 16).ok().flatten().expect("what we write is one whole PDU");
    assert_eq!(again.len(), written.len());
    assert!(pdu::read_bind(&again).is_ok_and(|read| read == bind));
});
