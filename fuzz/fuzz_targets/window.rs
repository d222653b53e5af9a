//! Any sequence of requests and answers on a window: an open number is never given again, full is an answer, the oldest is the oldest,
//! and what is drained is what was open.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trunkline::engine::window::{Full, Window};
use trunkline::smpp::command::SequenceNumber;

fuzz_target!(|input: (u8, &[u8])| {
    let (limit, operations) = input;
    let limit = usize::from(limit) % 40 + 1;
    let (mut window, mut open, mut next) = (Window::new(limit), Vec::new(), 0_u32);
    for operation in operations {
        let with = usize::from(operation >> 2);
        match operation % 4 {
            0 | 1 => {
                next += 1;
                match window.open(next) {
                    Ok(sequence) => {
                        assert!(open.iter().all(|(number, _)| *number != sequence), "{sequence:?} is open");
                        assert!((1..=0x7FFF_FFFF).contains(&sequence.0) && window.was_issued(sequence));
                        open.push((sequence, next));
                    }
                    Err(Full(back)) => assert!(back == next && open.len() == limit),
                }
            }
            2 if !open.is_empty() => {
                let (sequence, request) = open.remove(with % open.len());
                assert_eq!(window.get(sequence), Some(&request));
                assert_eq!(window.close(sequence), Some(request));
                assert_eq!(window.close(sequence), None);
            }
            2 => assert_eq!(window.close(SequenceNumber(with as u32)), None),
            _ => {
                let sequence = window.control_number();
                assert!(open.iter().all(|(number, _)| *number != sequence), "{sequence:?} is open");
            }
        }
        assert_eq!((window.outstanding(), window.is_full()), (open.len(), open.len() == limit));
        assert_eq!(window.oldest().map(|(sequence, request)| (sequence, *request)), open.first().copied());
    }
    assert_eq!(window.drain(), open.into_iter().map(|(_, request)| request).collect::<Vec<_>>());
    assert_eq!(window.outstanding(), 0);
});
