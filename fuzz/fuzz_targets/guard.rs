//! A stream of requests passes the guard alike however it is cut, and what was passed is sound by itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trunkline::http::guard::{Guard, MAX_HEAD, Passed};

fuzz_target!(|input: (u8, &[u8])| {
    let (size, stream) = input;
    let whole = Guard::default().pass(stream);
    let (mut guard, mut held, mut passed) = (Guard::default(), Vec::new(), Vec::new());
    let mut fault = None;
    for piece in stream.chunks(usize::from(size).max(1)) {
        held.extend_from_slice(piece);
        let Passed { count, fault: found } = guard.pass(&held);
        passed.extend(held.drain(..count));
        fault = found;
        assert!(fault.is_some() || held.len() <= MAX_HEAD, "a head without an end is kept");
        if fault.is_some() {
            break;
        }
    }
    assert_eq!((passed.len(), fault), (whole.count, whole.fault));
    assert_eq!(Guard::default().pass(&passed), Passed { count: passed.len(), fault: None });
    if fault.is_some() {
        assert_eq!(guard.pass(b"GET / HTTP/1.0\r\n\r\n"), Passed { count: 0, fault });
    }
});
