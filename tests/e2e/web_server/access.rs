//! Who is let in: by password or token, from where and in what way; and who guesses.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use trunkline::smpp::pdu::BindMode;

use super::Stage;
use super::client::{ACME, Client, get, submit, submit_with};
use crate::peer::Peer;
use crate::web::Answer;

const RBINDFAIL: u32 = 0x0D;

/// SHA-256 of `test`, and of `next`.
const TOKENS: &str = "tokens: [{ sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 }, \
    { sha256: c6c1c9a9c8543f1e4cd980064cf1625eeb61a90703b2464fff039f21682508b3 }]";
/// Of `secret` (see `passwords`).
const HASHED: &str = r#"
  hashed: { password: { argon2id: "$argon2id$v=19$m=1024,t=1,p=1$c2FsdHNhbHQ$q/cS8NQ2ebhnKjj1D+r8KE5a/l/zqlNNBRVutrAt1wQ" } }"#;

fn basic(credentials: &str) -> String {
    use base64::Engine;
    format!("Authorization: Basic {}\r\n", base64::engine::general_purpose::STANDARD.encode(credentials))
}

fn ask(mut client: Client, headers: &str) -> Answer {
    client.send(&submit_with(headers, "asked"));
    client.answer()
}

#[test]
fn a_password_or_a_token_opens_and_everything_else_gets_one_and_the_same_401() {
    let mut stage = Stage::with(TOKENS, "", "");
    assert_eq!(ask(stage.connect(), ACME).status, 200);
    for token in ["test", "next"] {
        assert_eq!(ask(stage.connect(), &format!("Authorization: Bearer {token}\r\n")).status, 200);
    }
    let mut seen = Vec::new();
    for (headers, is_late) in [
        (String::new(), false),
        ("Authorization: \r\n".to_owned(), false),
        ("Authorization: Basic !\r\n".to_owned(), false),
        ("Authorization: Digest x\r\n".to_owned(), false),
        (format!("{ACME}{ACME}"), false),
        (basic("acme:wrong"), true),
        (basic("nobody:secret"), true),
        (basic("acme:"), true),
        (basic(":"), true),
        ("Authorization: Bearer tes\r\n".to_owned(), true),
    ] {
        let started = Instant::now();
        let answer = ask(stage.connect(), &headers);
        assert_eq!(answer.status, 401, "{headers}");
        let is_slow = started.elapsed() >= Duration::from_millis(500);
        assert_eq!(is_slow, is_late, "{headers}: {:?}", started.elapsed());
        assert!(answer.head.contains("\r\nwww-authenticate: basic realm"), "{}", answer.head);
        seen.push(answer.body);
    }
    seen.dedup();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(stage.sent(), ["asked"; 3]);
    let counted = [("password", 3.0), ("account", 2.0)];
    for (status, count) in counted {
        stage.wait_for_sum("trunkline_http_unauthorized_total", &format!(",status=\"{status}\""), count);
    }
    stage.is_well();
}

#[test]
fn a_hashed_password_is_compared_once_for_a_connection_and_its_right_one_known_from_then_on() {
    let address = crate::gateway::free_address();
    let world = crate::world::World::with_accounts("", HASHED, &format!("http: {{ listen: \"{address}\" }}"));
    let mut stage = Stage { world, address };
    let hashed = basic("hashed:secret");
    let mut client = stage.connect();
    for _ in 0..3 {
        client.send(&submit_with(&hashed, "hashed"));
        assert_eq!(client.answer().status, 200);
    }
    assert_eq!(ask(stage.connect(), &hashed).status, 200);
    assert_eq!(ask(stage.connect(), &basic("hashed:wrong")).status, 401);
    stage.wait_for_sum("trunkline_password_checks_total", ",status=\"hashed\"", 1.0);
    stage.is_well();
}

#[test]
fn the_right_password_from_elsewhere_in_clear_or_of_a_disabled_account_is_forbidden() {
    let address = crate::gateway::free_address();
    let accounts = r#"
  there: { password: secret, allow_from: 127.0.0.5 }
  secure: { password: secret, tls: required }
  certified: { password: secret }
  closed: { password: secret, enabled: false }"#;
    let world = crate::world::World::with_accounts("", accounts, &format!("http: {{ listen: \"{address}\" }}"));
    let mut stage = Stage { world, address };
    for name in ["there", "secure", "closed"] {
        let answer = ask(stage.connect_from(1), &basic(&format!("{name}:secret")));
        assert_eq!((answer.status, answer.kind()), (403, "account-not-allowed".to_owned()), "{name}");
        assert_eq!(ask(stage.connect_from(1), &basic(&format!("{name}:wrong"))).status, 401, "{name}");
    }
    assert_eq!(ask(stage.connect_from(5), &basic("there:secret")).status, 200);
    for (why, count) in [("address", 1.0), ("tls", 1.0), ("disabled", 1.0), ("password", 3.0)] {
        stage.wait_for_sum("trunkline_http_unauthorized_total", &format!(",status=\"{why}\""), count);
    }
    stage.is_well();
}

#[test]
fn five_wrong_passwords_ban_the_pair_also_for_binds_and_nobody_else() {
    let limits = "limits: { ban_exempt: [] }";
    let mut stage = Stage::with("", "", limits);
    for _ in 0..5 {
        assert_eq!(ask(stage.connect_from(7), &basic("acme:wrong")).status, 401);
    }
    // Every shard has to have heard of it.
    let give_up = Instant::now() + crate::peer::PATIENCE;
    while ask(stage.connect_from(7), ACME).status == 200 || ask(stage.connect_from(7), ACME).status == 200 {
        assert!(Instant::now() < give_up, "never banned");
    }
    let started = Instant::now();
    let banned = ask(stage.connect_from(7), ACME);
    let wrong = ask(stage.connect_from(8), &basic("acme:wrong"));
    assert_eq!((banned.status, &banned.body), (401, &wrong.body), "nobody is told that he is banned");
    assert!(started.elapsed() >= Duration::from_secs(1), "nor by the time it takes");
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 7], 0)).into()).unwrap();
    socket.connect(&stage.world.gateway.smpp.into()).unwrap();
    assert_eq!(Peer::over(socket.into()).bind(BindMode::Transmitter, "acme", "secret").status, RBINDFAIL);
    assert_eq!(ask(stage.connect_from(8), ACME).status, 200, "from elsewhere");
    assert_eq!(ask(stage.connect_from(7), &basic("other:beside")).status, 200, "another account");
    stage.is_well();
}

#[test]
fn a_hundred_wrong_passwords_close_the_door_to_an_address() {
    let mut stage = Stage::with("", "", "limits: { ban_exempt: [] }");
    let mut guessing: Vec<_> = (0..100).map(|_| stage.connect_from(6)).collect();
    for (number, client) in guessing.iter_mut().enumerate() {
        client.send(&submit_with(&basic(&format!("name{number}:guess")), "guess"));
    }
    for client in &mut guessing {
        client.expect_refusal(401);
    }
    let refused = "trunkline_connections_refused_total{shard=\"0\",status=\"banned\"}";
    stage.connect_from(6).expect_close();
    stage.world.gateway.wait_for_metric(refused, |count| count >= 1.0);
    stage.is_well();
}

#[test]
fn an_address_from_which_no_account_may_be_used_is_closed_at_accept() {
    let carrier = crate::carrier::Carrier::listen().run();
    let address = crate::gateway::free_address();
    let gateway = crate::gateway::Gateway::start(&format!(
        "http: {{ listen: \"{address}\" }}
accounts: {{ acme: {{ password: secret, allow_from: 127.0.0.5 }} }}
carriers: {{ north: {{ connect: \"{}\", system_id: us, password: secret }} }}
routes: [{{ to: north }}]\n",
        carrier.address
    ));
    let connect = |last: u8| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, last], 0)).into()).unwrap();
        socket.connect(&address.into()).unwrap();
        Client::over(socket.into())
    };
    connect(4).expect_close();
    let mut client = connect(5);
    client.send(&get(""));
    assert_eq!(client.answer().status, 200);
    gateway
        .wait_for_metric("trunkline_connections_refused_total{shard=\"0\",status=\"address\"}", |count| count == 1.0);
}

#[test]
fn behind_a_proxy_allow_lists_and_bans_see_for_whom_it_asks() {
    let http = "forwarded_from: [127.0.0.9]";
    let mut stage = Stage::with("allow_from: 203.0.113.0/24", http, "limits: { ban_exempt: [] }");
    let from = |said: &str, credentials: &str| format!("X-Forwarded-For: {said}\r\n{}", basic(credentials));
    assert_eq!(ask(stage.connect_from(9), &from("198.51.100.1, 203.0.113.5", "acme:secret")).status, 200);
    assert_eq!(ask(stage.connect_from(9), &from("203.0.113.5, 198.51.100.1", "acme:secret")).status, 403);
    assert_eq!(ask(stage.connect_from(9), &basic("acme:secret")).status, 403, "the proxy itself");
    assert_eq!(ask(stage.connect_from(1), &from("203.0.113.5", "acme:secret")).status, 403, "nobody else is believed");
    for _ in 0..5 {
        assert_eq!(ask(stage.connect_from(9), &from("203.0.113.6", "acme:wrong")).status, 401);
    }
    let give_up = Instant::now() + crate::peer::PATIENCE;
    let asks_banned = || ask(stage.connect_from(9), &from("203.0.113.6", "acme:secret")).status;
    while [asks_banned(), asks_banned()] != [401, 401] {
        assert!(Instant::now() < give_up, "never banned");
    }
    let mut kept = stage.connect_from(9);
    for _ in 0..2 {
        kept.send(&submit_with(&from("203.0.113.5", "acme:secret"), "another behind the same proxy"));
        assert_eq!(kept.answer().status, 200);
    }
    stage.world.is_well();
}

#[test]
fn when_descriptors_run_out_connections_go_on_and_it_recovers() {
    let mut stage = Stage::new();
    let mut kept = stage.connect();
    kept.send(&submit("before"));
    assert_eq!(kept.answer().status, 200);
    let id = stage.world.gateway.child.as_ref().unwrap().id();
    let open = std::fs::read_dir(format!("/proc/{id}/fd")).unwrap().count();
    let limit = format!("--nofile={0}:{0}", open + 6);
    let set = std::process::Command::new("prlimit").args(["--pid", &id.to_string(), &limit]).status();
    assert!(set.unwrap().success());
    let strangers: Vec<_> = (0..20).map(|_| stage.connect()).collect();
    let give_up = Instant::now() + crate::peer::PATIENCE;
    while !stage.world.gateway.log().contains("cannot accept") {
        assert!(Instant::now() < give_up, "they did not run out");
        std::thread::park_timeout(Duration::from_millis(20));
    }
    for _ in 0..10 {
        kept.send(&submit("meanwhile"));
        assert_eq!(kept.answer().status, 200);
    }
    drop(strangers);
    // Some of those waiting were taken and let go for want of a second descriptor; the others give theirs back.
    let give_up = Instant::now() + crate::peer::PATIENCE;
    loop {
        let mut late = stage.connect();
        late.send(&get(""));
        if late.next_answer().is_some() {
            break;
        }
        assert!(Instant::now() < give_up, "it does not recover");
    }
    stage.is_well();
}

#[test]
fn nobodys_body_is_waited_for() {
    let mut stage = Stage::new();
    for (authorization, expects) in
        [("", ""), ("Authorization: Basic YWNtZTp3cm9uZw==\r\n", "Expect: 100-continue\r\n")]
    {
        let mut stranger = stage.connect();
        let head = format!("POST /v1/messages HTTP/1.1\r\nHost: x\r\n{authorization}{expects}");
        stranger.send(format!("{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n").as_bytes());
        assert_eq!(stranger.expect_refusal(401).kind(), "unauthorized");
    }
    stage.is_well();
}

#[test]
fn a_name_as_long_as_a_body_fills_no_log() {
    let mut stage = Stage::new();
    let form = format!("username={}&password=x", "%1B".repeat(300_000));
    let (head, length) = ("Host: x\r\nContent-Type: application/x-www-form-urlencoded\r\n", form.len());
    let mut stranger = stage.connect();
    stranger.send(format!("POST /cgi-bin/sendsms HTTP/1.1\r\n{head}Content-Length: {length}\r\n\r\n{form}").as_bytes());
    assert_eq!(stranger.answer().status, 403);
    let log = stage.world.gateway.log();
    let line = log.lines().find(|line| line.contains("request refused")).expect("it is told");
    assert!(line.len() < 1000, "{} octets", line.len());
    stage.is_well();
}
