//! The corpus: what is passed, and what is a fault.

use super::*;

/// What follows a request in the tests: were it passed, it would be taken for one.
const NEXT: &str = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

fn pass(octets: &[u8]) -> Passed {
    Guard::default().pass(octets)
}

/// The same octets, cut into pieces of `size` as a connection may bring them.
fn pass_in_pieces(octets: &[u8], size: usize) -> Passed {
    let (mut guard, mut held, mut count) = (Guard::default(), Vec::new(), 0);
    for piece in octets.chunks(size) {
        held.extend_from_slice(piece);
        let passed = guard.pass(&held);
        held.drain(..passed.count);
        count += passed.count;
        if passed.fault.is_some() {
            return Passed { count, fault: passed.fault };
        }
    }
    Passed { count, fault: None }
}

fn request(head: &str, body: &str) -> Vec<u8> {
    format!("POST /v1/messages HTTP/1.1\r\nHost: x\r\n{head}\r\n{body}").into_bytes()
}

#[test]
fn sound_requests_are_passed_whole_one_behind_the_other() {
    let sound: [&[u8]; 14] = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost:x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"\r\nGET /cgi-bin/sendsms?text=gr\xC3\xBC\xC3\x9Fe HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: \t a b\xFF \t\r\nEmpty: \r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: x\r\nCONTENT-LENGTH:\t005 \r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        b"POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\ntransfer-encoding:CHUNKED\r\n\r\n0A\r\n\r\n\0\r\n56789\r\n1;a=b\r\nx\r\n000\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nDigest: x\r\nB: y\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n",
    ];
    for octets in sound {
        let text = String::from_utf8_lossy(octets);
        assert_eq!(pass(octets), Passed { count: octets.len(), fault: None }, "{text}");
        let two = [octets, octets].concat();
        for size in [1, 2, 3, 7, 64, 1000] {
            assert_eq!(pass_in_pieces(&two, size), Passed { count: two.len(), fault: None }, "{text} by {size}");
        }
    }
}

/// Heads of which two readers may think differently, without the request line and Host.
const ODD_HEADS: [&str; 31] = [
    "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
    "Content-Length: 5\r\nContent-Length: 6\r\n",
    "Content-Length: 5\r\nContent-Length: 5\r\n",
    "Content-Length: 5, 5\r\n",
    "Content-Length: 5,5\r\n",
    "Content-Length: +5\r\n",
    "Content-Length: -5\r\n",
    "Content-Length: 0x5\r\n",
    "Content-Length: 5 5\r\n",
    "Content-Length: \"5\"\r\n",
    "Content-Length:\r\n",
    "Content-Length: five\r\n",
    "Content-Length: \x0B5\r\n",
    "Content-Length: 99999999999999999999999999\r\n",
    "Content-Length : 5\r\n",
    " Content-Length: 5\r\n",
    "X: y\r\n Content-Length: 5\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding: chunked, chunked\r\n",
    "Transfer-Encoding: xchunked\r\n",
    "Transfer-Encoding: \"chunked\"\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    "Transfer-Encoding:\r\n chunked\r\n",
    "Transfer-Encoding:\x0Bchunked\r\n",
    "Transfer-Encoding\t: chunked\r\n",
    "Host: y\r\n",
    "X: a\r\n\tb\r\n",
];

/// Lines that are none, or end as none does.
const ODD_LINES: [&str; 14] = [
    "X: y\n",
    "X: y\r\r\n",
    "X: y\rZ: a\r\n",
    "X: y\0\r\n",
    "X\0: y\r\n",
    "X: \x7F\r\n",
    "X y\r\n",
    "X\r\n",
    ": y\r\n",
    "(X): y\r\n",
    "X: y\r\n\n",
    "X: y\n\r\n",
    "X: \x08\r\n",
    "\x01: y\r\n",
];

#[test]
fn what_two_readers_may_read_differently_is_a_fault_and_nothing_behind_it_is_passed() {
    for head in ODD_HEADS.into_iter().chain(ODD_LINES) {
        let octets = request(head, &format!("0\r\n\r\n{NEXT}"));
        let passed = pass(&octets);
        assert_eq!(passed.count, 0, "{head:?}");
        assert!(matches!(passed.fault, Some(Fault::Malformed(_))), "{head:?}");
        for size in [1, 5, 64] {
            assert_eq!(pass_in_pieces(&octets, size), passed, "{head:?} by {size}");
        }
        let mut behind = NEXT.as_bytes().to_vec();
        behind.extend_from_slice(&octets);
        let expected = Passed { count: NEXT.len(), fault: passed.fault };
        assert_eq!(pass(&behind), expected, "{head:?}: what came before it is answered");
    }
}

#[test]
fn a_request_line_is_exact_and_a_host_comes_once() {
    for line in [
        "GET /",
        "GET / HTTP/1.2",
        "GET / HTTP/2.0",
        "PRI * HTTP/2.0",
        "GET / http/1.1",
        "GET  / HTTP/1.1",
        "GET / HTTP/1.1 ",
        " GET / HTTP/1.1",
        "GET\t/\tHTTP/1.1",
        "GET / HTTP/1.1 HTTP/1.1",
        "G(T / HTTP/1.1",
        "GET /\0 HTTP/1.1",
        "GET /\x7F HTTP/1.1",
        "GET /\rx HTTP/1.1",
        "/ HTTP/1.1",
        "CONNECT a:1 HTTP/1.1",
        "\x16\x03\x01\x02",
    ] {
        let passed = pass(format!("{line}\r\nHost: x\r\n\r\n").as_bytes());
        assert!(matches!(passed, Passed { count: 0, fault: Some(Fault::Malformed(_)) }), "{line:?}");
    }
    let without = pass(b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(without, Passed { count: 0, fault: Some(Fault::Malformed("There is no Host.")) });
    let with_te = pass(b"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    assert_eq!(with_te.fault, Some(Fault::Malformed("HTTP/1.0 knows no Transfer-Encoding.")));
    assert!(pass(b"\r\n\r\n\r\nGET / HTTP/1.0\r\n\r\n").fault.is_some());
    assert!(pass(b"\nGET / HTTP/1.0\r\n\r\n").fault.is_some());
}

#[test]
fn odd_chunks_are_a_fault_where_they_stand() {
    for body in [
        "\r\n",
        "+5\r\nhello\r\n",
        "-1\r\n",
        "0x5\r\nhello\r\n",
        " 5\r\nhello\r\n",
        "5 \r\nhello\r\n",
        "5\nhello\r\n",
        "5\r\r\nhello\r\n",
        "5\r\nhello",
        "5\r\nhello!\r\n",
        "5\r\nhello\n",
        "5;a\nb\r\nhello\r\n",
        "5;\0\r\nhello\r\n",
        "g\r\n",
        "123456789\r\n",
        "0\r\n\n",
        "0\r\n X: y\r\n\r\n",
        "0\r\nX: y\n\r\n",
        "0\r\nX: \0\r\n\r\n",
        "0\r\n\r\r\n",
    ] {
        let octets = request("Transfer-Encoding: chunked\r\n", &format!("{body}!"));
        let passed = pass(&octets);
        assert!(matches!(passed.fault, Some(Fault::Malformed(_))), "{body:?}");
        assert_eq!(pass_in_pieces(&octets, 1).fault, passed.fault, "{body:?}");
    }
    let long = request("Transfer-Encoding: chunked\r\n", &format!("1;{}\r\n", "x".repeat(300)));
    assert!(pass(&long).fault.is_some());
    let trailers = request("Transfer-Encoding: chunked\r\n", &format!("0\r\n{}", "X: y\r\n".repeat(3000)));
    assert!(pass(&trailers).fault.is_some());
}

#[test]
fn a_head_has_its_limits() {
    let with = |headers: usize, octets: usize| {
        let head = "X: y\r\n".repeat(headers - 1);
        let request = request(&head, "");
        let fill = "y".repeat(octets.saturating_sub(request.len()));
        String::from_utf8(request).unwrap().replacen("X: y", &format!("X: y{fill}"), 1).into_bytes()
    };
    assert_eq!(pass(&with(64, 0)).fault, None);
    assert_eq!(pass(&with(65, 0)).fault, Some(Fault::HeadTooLarge));
    let longest = with(3, MAX_HEAD);
    assert_eq!(pass(&longest), Passed { count: MAX_HEAD, fault: None });
    for octets in [&with(3, MAX_HEAD + 1)[..], &[b'a'; MAX_HEAD + 1][..], &with(3, 1 << 20)[..]] {
        assert_eq!(pass(octets), Passed { count: 0, fault: Some(Fault::HeadTooLarge) });
        assert_eq!(pass_in_pieces(octets, 100).fault, Some(Fault::HeadTooLarge));
    }
}

#[test]
fn a_body_is_followed_to_its_end_and_no_further() {
    let mut guard = Guard::default();
    let head = request("Content-Length: 10\r\n", "");
    assert_eq!(guard.pass(&head), Passed { count: head.len(), fault: None });
    assert!(guard.is_in_body());
    assert_eq!(guard.pass(b"12345"), Passed { count: 5, fault: None });
    assert_eq!(guard.pass(b"67890GET /"), Passed { count: 5, fault: None });
    assert!(!guard.is_in_body());
    assert_eq!(guard.pass(b"GET / HTTP/1.0\r\n\r\n\0"), Passed { count: 18, fault: None });
    assert!(guard.pass(b"\0\n").fault.is_some());
    assert_eq!(guard.pass(NEXT.as_bytes()).count, 0, "never again");
}
