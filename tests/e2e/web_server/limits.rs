//! Too much, too many, too slow.

use std::time::{Duration, Instant};

use socket2::SockRef;

use super::Stage;
use super::client::{ACME, get, post, submit};
use crate::peer::PATIENCE;

#[test]
fn a_head_over_8_kib_or_64_headers_is_answered_with_431_and_closed() {
    let mut stage = Stage::new();
    let padded = |octets: usize| {
        let padding = octets - get("X: \r\n").len();
        get(&format!("X: {}\r\n", "x".repeat(padding)))
    };
    let mut client = stage.connect();
    client.send(&padded(8 << 10));
    assert_eq!(client.answer().status, 200);
    // Host is one of them.
    client.send(&get(&"X: y\r\n".repeat(63)));
    assert_eq!(client.answer().status, 200);
    let endless = [b"GET / HTTP/1.1\r\nX: ".to_vec(), vec![b'x'; 1 << 20]].concat();
    for head in [padded((8 << 10) + 1), get(&"X: y\r\n".repeat(64)), endless] {
        let mut client = stage.connect();
        client.send(&head);
        assert_eq!(client.expect_refusal(431).kind(), "head-too-large");
    }
    stage.wait_for_sum("trunkline_http_refused_total", ",status=\"head_too_large\"", 3.0);
    stage.is_well();
}

#[test]
fn a_body_over_1_mib_is_answered_with_413_and_closed_and_never_kept() {
    let mut stage = Stage::new();
    let text = |octets: usize| {
        let body = r#"{"to": "4915100000001", "from": "ACME", "text": ""}"#;
        body.replace("\"\"", &format!("\"{}\"", "x".repeat(octets - body.len())))
    };
    let mut client = stage.connect();
    client.send(&post(ACME, &text(1 << 20)));
    assert_eq!(client.answer().status, 400, "its text is too long, and it was read");
    client.send(&post(ACME, &text((1 << 20) + 1)));
    assert_eq!(client.expect_refusal(413).kind(), "too-large");
    // Told by its length alone.
    let mut client = stage.connect();
    client.send(
        format!("POST /v1/messages HTTP/1.1\r\nHost: x\r\n{ACME}Content-Length: 999999999999\r\n\r\n").as_bytes(),
    );
    client.expect_refusal(413);
    let mut client = stage.connect();
    client
        .send(format!("POST /v1/messages HTTP/1.1\r\nHost: x\r\n{ACME}Transfer-Encoding: chunked\r\n\r\n").as_bytes());
    let chunk = [b"10000\r\n", &[b' '; 0x10000][..], b"\r\n"].concat();
    for _ in 0..17 {
        client.send(&chunk);
    }
    client.expect_refusal(413);
    stage.wait_for_sum("trunkline_http_refused_total", ",status=\"body_too_large\"", 3.0);
    stage.is_well();
}

#[test]
fn a_head_or_body_that_does_not_come_in_time_is_answered_with_408_and_closed() {
    let mut stage = Stage::with("", "head: 1s, body: 1s", "");
    let whole = submit("late");
    let body_at = whole.windows(4).position(|at| at == b"\r\n\r\n").unwrap() + 4;
    let mut clients = Vec::new();
    for end in [1, 20, body_at - 1, body_at, whole.len() - 1] {
        let mut client = stage.connect();
        client.send(&whole[..end]);
        clients.push(client);
    }
    // Behind one that was answered.
    let mut kept = stage.connect();
    kept.send(&get(""));
    assert_eq!(kept.answer().status, 200);
    kept.send(&whole[..10]);
    clients.push(kept);
    let started = Instant::now();
    // However it drips in.
    let mut dripping = stage.connect();
    for octet in &whole[..30] {
        dripping.send(&[*octet]);
        std::thread::park_timeout(Duration::from_millis(30));
    }
    clients.push(dripping);
    for client in &mut clients {
        assert_eq!(client.expect_refusal(408).kind(), "late");
    }
    assert!(started.elapsed() < PATIENCE);
    stage.wait_for_sum("trunkline_http_refused_total", ",status=\"head_late\"", 5.0);
    stage.wait_for_sum("trunkline_http_refused_total", ",status=\"body_late\"", 2.0);
    assert_eq!(stage.sent(), [""; 0]);
    stage.is_well();
}

#[test]
fn a_connection_that_says_nothing_is_closed_without_a_word() {
    let mut stage = Stage::with("", "idle: 1s", "");
    let mut silent = stage.connect();
    let mut kept = stage.connect();
    kept.send(&get(""));
    assert_eq!(kept.answer().status, 200);
    let mut blank = stage.connect();
    blank.send(b"\r\n");
    for client in [&mut silent, &mut kept, &mut blank] {
        client.expect_close();
    }
    stage.world.gateway.wait_for_metric("trunkline_http_connections{shard=\"0\"}", |open| open == 0.0);
    stage.is_well();
}

#[test]
fn a_response_that_is_not_taken_in_time_closes_its_connection_and_fills_no_memory() {
    let mut stage = Stage::with("", "unread: 1s", "");
    let mut deaf = stage.connect();
    SockRef::from(&deaf.stream).set_recv_buffer_size(4096).unwrap();
    deaf.stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let ahead: Vec<u8> = (0..100).flat_map(|_| get("")).collect();
    // Until nothing more is taken from it: what waits for it is bounded, and so is what it may ask ahead.
    let started = Instant::now();
    for _ in 0..10_000 {
        if std::io::Write::write_all(&mut deaf.stream, &ahead).is_err() {
            break;
        }
    }
    assert!(started.elapsed() < PATIENCE, "it was never closed");
    let of_shard = |shard: u8| format!("trunkline_http_refused_total{{shard=\"{shard}\",status=\"not_taken\"}}");
    let metrics = || crate::gateway::http(stage.world.gateway.admin, "/metrics").unwrap();
    let give_up = Instant::now() + PATIENCE;
    while !(0..2).any(|shard| metrics().contains(&format!("{} 1\n", of_shard(shard)))) {
        assert!(Instant::now() < give_up, "not counted");
        std::thread::park_timeout(Duration::from_millis(100));
    }
    stage.is_well();
}

#[test]
fn connections_have_a_cap_for_all_and_one_for_each_address_that_is_no_proxys() {
    let limits = "limits: { http: 5, http_per_address: 2 }";
    let mut stage = Stage::with("", "forwarded_from: 127.0.0.9", limits);
    let mut open: Vec<_> = [1, 1, 9, 9, 9].map(|last| stage.connect_from(last)).into();
    // Whoever was answered was counted in.
    for client in &mut open {
        client.send(&get(""));
        assert_eq!(client.answer().status, 200);
    }
    for last in [1, 2, 9] {
        stage.connect_from(last).expect_close();
    }
    let refused = |status: &str| format!("trunkline_connections_refused_total{{shard=\"0\",status=\"{status}\"}}");
    stage.world.gateway.wait_for_metric(&refused("http"), |count| count == 3.0);
    open.pop();
    stage.world.gateway.wait_for_metric("trunkline_http_connections{shard=\"0\"}", |open| open == 4.0);
    stage.connect_from(1).expect_close();
    stage.world.gateway.wait_for_metric(&refused("per_address"), |count| count == 1.0);
    let mut again = stage.connect_from(2);
    again.send(&get(""));
    assert_eq!(again.answer().status, 200);
    drop((open, again));
    stage.world.gateway.wait_for_metric("trunkline_http_connections{shard=\"0\"}", |open| open == 0.0);
    stage.is_well();
}

#[test]
fn bodies_of_strangers_do_not_take_the_room_of_customers() {
    let mut stage = Stage::new();
    let form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 1048576";
    let unfinished =
        format!("POST /cgi-bin/sendsms HTTP/1.1\r\nHost: x\r\n{form}\r\n\r\n{}", "x".repeat((1 << 20) - 1));
    let strangers: Vec<_> = (0..140)
        .map(|_| {
            let mut stranger = stage.connect();
            stranger.send(unfinished.as_bytes());
            stranger
        })
        .collect();
    for shard in [0, 1] {
        let busy = format!("trunkline_http_refused_total{{shard=\"{shard}\",status=\"busy\"}}");
        stage.world.gateway.wait_for_metric(&busy, |refused| refused >= 6.0);
        let mut customer = stage.connect();
        customer.send(&submit(&"x".repeat(160)));
        assert_eq!(customer.answer().status, 200);
    }
    drop(strangers);
    stage.is_well();
}
