//! A stream cut anywhere gives the frames of the whole stream, and each frame written again is what was read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trunkline::smpp::frame::{Fault, Frame};

const MAX_PDU: usize = 512;

fuzz_target!(|input: (u8, &[u8])| {
    let (chunk, stream) = input;
    let (whole, whole_fault) = cut_all(stream);
    let (mut buffer, mut seen, mut fault) = (Vec::new(), Vec::new(), None);
    for piece in stream.chunks(usize::from(chunk).max(1)) {
        buffer.extend_from_slice(piece);
        let (frames, stopped_by) = cut_all(&buffer);
        let used: usize = frames.iter().map(Vec::len).sum();
        buffer.drain(..used);
        seen.extend(frames);
        fault = stopped_by;
        if fault.is_some() {
            break;
        }
    }
    // Which fault it is may depend on how much of a greeting was there.
    assert_eq!((seen, fault.is_some()), (whole, whole_fault.is_some()));
});

fn cut_all(mut stream: &[u8]) -> (Vec<Vec<u8>>, Option<Fault>) {
    let mut frames = Vec::new();
    loop {
        match Frame::cut(stream, MAX_PDU) {
            Ok(Some(frame)) => {
                let (pdu, rest) = stream.split_at(frame.len());
                let mut written = Vec::new();
                frame.write(&mut written);
                assert_eq!(written, pdu);
                frames.push(written);
                stream = rest;
            }
            Ok(None) => return (frames, None),
            Err(fault) => return (frames, Some(fault)),
        }
    }
}
