//! Requests of which two readers could think differently: 400 and closed, nothing behind them is read, what came before is answered,
//! and nothing of it reaches a carrier.

use std::io::Write;
use std::net::Shutdown;

use super::Stage;
use super::client::{ACME, get, submit};

/// Heads without the request line, Host and `Authorization`.
const HEADS: [&str; 27] = [
    "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    "Content-Length: 5\r\nContent-Length: 6\r\n",
    "Content-Length: 5\r\nContent-Length: 5\r\n",
    "Content-Length: 5, 5\r\n",
    "Content-Length: +5\r\n",
    "Content-Length: 0x5\r\n",
    "Content-Length: \r\n",
    "Content-Length: 99999999999999999999999\r\n",
    "Content-Length : 5\r\n",
    "Content-Length\x0B: 5\r\n",
    "X: y\r\n Content-Length: 5\r\n",
    "X: y\r\n\tz\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    "Transfer-Encoding: xchunked\r\n",
    "Transfer-Encoding:\r\n chunked\r\n",
    "Transfer-Encoding : chunked\r\n",
    "X: y\nContent-Length: 5\r\n",
    "X: y\n",
    "X: y\rContent-Length: 5\r\n",
    "X: y\0\r\n",
    "X\0: y\r\n",
    ": y\r\n",
    "X\r\n",
    "Host: another\r\n",
];

/// Bodies behind `Transfer-Encoding: chunked`.
const CHUNKS: [&str; 9] = [
    "\r\n",
    "+5\r\nhello\r\n0\r\n\r\n",
    "0x5\r\nhello\r\n0\r\n\r\n",
    " 5\r\nhello\r\n0\r\n\r\n",
    "5\nhello\r\n0\r\n\r\n",
    "5;x\ny\r\nhello\r\n0\r\n\r\n",
    "5\r\nhello!!0\r\n\r\n",
    "5\r\nhello\n0\r\n\r\n",
    "0\r\nX: y\n\r\n",
];

#[test]
fn what_can_be_read_in_two_ways_is_answered_with_400_and_nothing_behind_it_is_parsed() {
    let mut stage = Stage::new();
    let smuggled = submit("smuggled");
    let line = "POST /v1/messages HTTP/1.1\r\n";
    let mut requests: Vec<Vec<u8>> = Vec::new();
    for head in HEADS {
        requests.push(format!("{line}Host: x\r\n{ACME}{head}\r\n0\r\n\r\n").into_bytes());
    }
    for chunks in CHUNKS {
        requests.push(format!("{line}Host: x\r\n{ACME}Transfer-Encoding: chunked\r\n\r\n{chunks}").into_bytes());
    }
    requests.push(format!("{line}{ACME}Content-Length: 2\r\n\r\n{{}}").into_bytes());
    let old = "POST /v1/messages HTTP/1.0\r\n";
    requests.push(format!("{old}Host: x\r\n{ACME}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n").into_bytes());
    // Somebody who is there all the while.
    let mut beside = stage.connect();
    for request in &requests {
        let text = String::from_utf8_lossy(request);
        let mut client = stage.connect();
        client.send(&[request, &smuggled[..]].concat());
        let answer = client.expect_refusal(400);
        assert_eq!(answer.kind(), "malformed", "{text}");
        // The same behind one that is sound, in one piece and in many.
        let mut client = stage.connect();
        client.send(&[&get(""), request, &smuggled[..]].concat());
        assert_eq!(client.answer().status, 200, "{text}");
        client.expect_refusal(400);
        let mut client = stage.connect();
        for piece in [request, &smuggled[..]].concat().chunks(11) {
            if client.stream.write_all(piece).is_err() {
                break;
            }
        }
        client.expect_refusal(400);
        beside.send(&get(""));
        assert_eq!(beside.answer().status, 200, "the connection beside, at {text}");
    }
    assert_eq!(stage.sent(), [""; 0]);
    stage.wait_for_sum("trunkline_http_refused_total", ",status=\"malformed\"", 3.0 * requests.len() as f64);
    stage.is_well();
}

#[test]
fn a_fault_behind_a_message_that_waits_for_its_carrier_does_not_cost_it_its_answer() {
    let mut stage = Stage::new();
    let mut client = stage.connect();
    client.send(&[&submit("waits")[..], b"GET / HTTP/1.1\nHost: x\n\n", &submit("smuggled")].concat());
    assert_eq!(client.answer().status, 200);
    client.expect_refusal(400);
    assert_eq!(stage.sent(), ["waits"]);
    stage.is_well();
}

#[test]
fn a_target_that_is_no_url_is_refused_in_the_same_way() {
    let mut stage = Stage::new();
    for target in [&b"["[..], b"http://", b"v1/messages", b"/\"<>", b"/?text=\"x\"", b"/?text=gr\xFC\xDFe"] {
        let mut client = stage.connect();
        client.send(&[b"GET ", target, b" HTTP/1.1\r\nHost: x\r\n\r\n", &submit("smuggled")[..]].concat());
        assert_eq!(client.expect_refusal(400).kind(), "malformed", "{}", target.escape_ascii());
    }
    assert_eq!(stage.sent(), [""; 0]);
    stage.is_well();
}

#[test]
fn a_body_that_ends_early_is_a_bad_request_and_sends_nothing() {
    let mut stage = Stage::new();
    let whole = submit("cut short");
    let mut client = stage.connect();
    client.send(&whole[..whole.len() - 1]);
    client.stream.shutdown(Shutdown::Write).unwrap();
    client.expect_refusal(400);
    let mut gone = stage.connect();
    gone.send(&whole[..whole.len() - 1]);
    drop(gone);
    assert_eq!(stage.sent(), [""; 0]);
    stage.is_well();
}
