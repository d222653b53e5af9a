//! Requests one behind the other on one connection, however they come.

use std::net::Shutdown;

use super::Stage;
use super::client::{ACME, get, submit};

#[test]
fn requests_follow_one_another_on_a_connection_and_those_sent_ahead_are_answered_in_order() {
    let mut stage = Stage::new();
    let mut client = stage.connect();
    for number in 0..20 {
        client.send(&submit(&format!("one by one {number}")));
        let answer = client.answer();
        assert_eq!((answer.status, answer.header("connection")), (200, None), "{}", answer.body);
    }
    let ahead: Vec<u8> = (0..40).flat_map(|number| [submit(&format!("ahead {number}")), get("")].concat()).collect();
    client.send(&ahead);
    for number in 0..40 {
        assert_eq!(client.answer().status, 200, "{number}");
        assert!(client.answer().body.contains("openapi"), "{number}");
    }
    let sent = stage.sent();
    assert_eq!(sent.len(), 60);
    assert_eq!(sent[20..], (0..40).map(|number| format!("ahead {number}")).collect::<Vec<_>>());
    stage.is_well();
}

#[test]
fn a_request_may_come_octet_by_octet_and_a_body_in_chunks() {
    let mut stage = Stage::new();
    let mut client = stage.connect();
    for octet in submit("dripping") {
        client.send(&[octet]);
    }
    assert_eq!(client.answer().status, 200);
    let body = r#"{"to": "4915100000001", "from": "ACME", "text": "chunked"}"#;
    let head = "POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    let chunks: String = body
        .as_bytes()
        .chunks(7)
        .map(|chunk| format!("{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk)))
        .collect();
    let chunked = format!("{head}{ACME}Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\nDigest: x\r\n\r\n");
    client.send(&[chunked.as_bytes(), b"\r\n", &get("")].concat());
    assert_eq!(client.answer().status, 200);
    assert_eq!(client.answer().status, 200);
    // With its body held back until it is asked for.
    client.send(format!("{head}{ACME}Content-Length: {}\r\nExpect: 100-continue\r\n\r\n", body.len()).as_bytes());
    assert_eq!(client.answer().status, 100);
    client.send(body.as_bytes());
    assert_eq!(client.answer().status, 200);
    assert_eq!(stage.sent(), ["dripping", "chunked", "chunked"]);
    stage.is_well();
}

#[test]
fn who_closes_his_side_or_asks_for_it_is_answered_first() {
    let mut stage = Stage::new();
    let mut client = stage.connect();
    client.send(&[submit("first of two"), submit("second of two")].concat());
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!([client.answer().status, client.answer().status], [200, 200]);
    client.expect_close();
    for (version, headers, is_kept) in [
        ("HTTP/1.1", "Connection: close\r\n", false),
        ("HTTP/1.0", "", false),
        ("HTTP/1.0", "Connection: keep-alive\r\n", true),
    ] {
        let mut client = stage.connect();
        let request = format!("GET /v1/openapi.json {version}\r\nHost: x\r\n{headers}\r\n");
        client.send(request.as_bytes());
        assert_eq!(client.answer().status, 200, "{version} {headers}");
        if is_kept {
            client.send(request.as_bytes());
            assert_eq!(client.answer().status, 200);
        } else {
            client.expect_close();
        }
    }
    stage.is_well();
}

#[test]
fn another_protocol_is_not_spoken_and_not_switched_to() {
    let mut stage = Stage::new();
    for greeting in [
        &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..],
        b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\0\0\0\x10\0\0\0\x15\0\0\0\0\0\0\0\x01\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xFC\x03\x03\n",
        b"SSH-2.0-OpenSSH_9.9\r\n",
    ] {
        let mut client = stage.connect();
        client.send(greeting);
        client.expect_refusal(400);
    }
    let mut client = stage.connect();
    client.send(&get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"));
    assert_eq!(client.answer().status, 200);
    stage.is_well();
}
