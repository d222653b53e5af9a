//! Behind a balancer: everything that goes by addresses goes by the one in the PROXY header, and nothing is believed but that.

use std::io::Write;
use std::net::{IpAddr, Ipv6Addr, TcpStream};
use std::time::{Duration, Instant};

use trunkline::smpp::command::CommandId;
use trunkline::smpp::pdu::BindMode;

use crate::carrier::{AutoCarrier, Carrier};
use crate::gateway::Gateway;
use crate::peer::{Pdu, Peer, ROK, bind_octets, plain};
use crate::tls_esme::{Secured, over};

const RBINDFAIL: u32 = 0x0D;
const REFUSED: &str = "trunkline_connections_refused_total{shard=\"0\",status=\"proxy_header\"}";

/// The carrier is dropped last: its links end with the gateway.
fn gateway(account: &str, smpp: &str, more: &str) -> (AutoCarrier, Gateway) {
    let carrier = Carrier::listen().run();
    let gateway = Gateway::start(&format!(
        "smpp: {{ LISTEN, proxy_protocol: true{smpp} }}\naccounts: {{ acme: {{ password: secret, shard: 1{account} }} }}\n\
         carriers: {{ north: {{ connect: \"{}\", system_id: us, password: secret, shard: 0 }} }}\n\
         routes: [{{ to: north }}]\n{more}\n",
        carrier.address
    ));
    (carrier, gateway)
}

/// A header of version 2 that says so, with a TLV behind it.
fn header(from: &str) -> Vec<u8> {
    let mut octets = b"\r\n\r\n\0\r\nQUIT\n\x21".to_vec();
    let (transport, mut rest) = match from.parse().unwrap() {
        IpAddr::V4(from) => (0x11, [from.octets(), [127, 0, 0, 1]].concat()),
        IpAddr::V6(from) => (0x21, [from.octets(), Ipv6Addr::LOCALHOST.octets()].concat()),
    };
    rest.extend([0x12, 0x34, 0x0A, 0xD7, 0x04, 0x00, 0x03, 1, 2, 3]);
    octets.push(transport);
    octets.extend((rest.len() as u16).to_be_bytes());
    octets.extend(rest);
    octets
}

fn local() -> Vec<u8> {
    b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00".to_vec()
}

fn from(gateway: &Gateway, address: &str) -> Peer {
    let mut peer = gateway.connect();
    peer.send(&header(address));
    peer
}

#[test]
fn what_follows_the_header_at_once_or_in_drips_is_not_lost() {
    let (_carrier, gateway) = gateway("", "", "");
    for step in [1, 7, usize::MAX] {
        let mut octets = header("192.0.2.7");
        octets.extend(bind_octets(BindMode::Transceiver, "acme", "secret", 1));
        octets.extend(Pdu::new(CommandId::SUBMIT_SM, ROK, 2, &plain("behind the header")).octets());
        let mut acme = gateway.connect();
        for drip in octets.chunks(step.min(octets.len())) {
            acme.send(drip);
        }
        acme.expect_answer(CommandId::BIND_TRANSCEIVER_RESP, ROK, 1);
        acme.expect(CommandId::SUBMIT_SM_RESP);
    }
    assert!(gateway.log().contains("session bound account=\"acme\" mode=\"transceiver\" address=192.0.2.7"));
}

#[test]
fn an_allow_list_sees_the_real_address() {
    let allowed = r#", allow_from: ["192.0.2.0/24", "2001:db8::/32"]"#;
    let other = "\n";
    let (_carrier, gateway) = gateway(allowed, "", other);
    for address in ["192.0.2.7", "2001:db8::7", "::ffff:192.0.2.7"] {
        let mut acme = from(&gateway, address);
        assert_eq!(acme.bind(BindMode::Transceiver, "acme", "secret").status, ROK, "{address}");
    }
    // No account is used from there, so it is closed at once; nor from the balancer's own address.
    for address in ["192.0.3.7", "2001:db9::7", "127.0.0.1", "::ffff:192.0.3.7"] {
        from(&gateway, address).expect_close();
    }
    let mut balancer = gateway.connect();
    balancer.send(&local());
    balancer.expect_close();
    gateway
        .wait_for_metric("trunkline_connections_refused_total{shard=\"0\",status=\"address\"}", |count| count == 5.0);
}

#[test]
fn an_address_that_one_account_allows_opens_no_other() {
    let carrier = Carrier::listen().run();
    let gateway = Gateway::start(&format!(
        "smpp: {{ LISTEN, proxy_protocol: true }}\naccounts:\n  here: {{ password: secret, allow_from: [\"192.0.2.0/24\"] }}\n  \
         there: {{ password: secret, allow_from: [\"198.51.100.0/24\"] }}\n  nobody: {{ password: secret, allow_from: [] }}\n\
         carriers: {{ north: {{ connect: \"{}\", system_id: us, password: secret }} }}\nroutes: [{{ to: north }}]\n",
        carrier.address
    ));
    for (account, address, expected) in [
        ("here", "192.0.2.7", ROK),
        ("there", "192.0.2.7", RBINDFAIL),
        ("there", "198.51.100.7", ROK),
        ("nobody", "192.0.2.7", RBINDFAIL),
    ] {
        let mut esme = from(&gateway, address);
        assert_eq!(esme.bind(BindMode::Receiver, account, "secret").status, expected, "{account} from {address}");
    }
}

#[test]
fn caps_and_bans_go_by_the_real_address() {
    let limits = "limits: { unbound_per_address: 2, ban_exempt: [] }";
    let (_carrier, gateway) = gateway("", "", limits);
    let mut first = [from(&gateway, "192.0.2.1"), from(&gateway, "192.0.2.1")];
    first.iter_mut().for_each(Peer::expect_quiet);
    from(&gateway, "192.0.2.1").expect_close();
    from(&gateway, "192.0.2.2").expect_quiet();
    drop(first);
    gateway.wait_for_metric("trunkline_connections_unbound{shard=\"0\"}", |unbound| unbound <= 1.0);
    for _ in 0..5 {
        assert_eq!(from(&gateway, "192.0.2.3").bind(BindMode::Receiver, "acme", "wrong").status, 0x0E);
    }
    // The right one too, from there, for a minute; not from elsewhere.
    assert_eq!(from(&gateway, "192.0.2.3").bind(BindMode::Receiver, "acme", "secret").status, RBINDFAIL);
    assert_eq!(from(&gateway, "192.0.2.4").bind(BindMode::Receiver, "acme", "secret").status, ROK);
}

#[test]
fn what_has_no_header_is_closed_without_a_word_and_counted() {
    let (_carrier, gateway) = gateway("", ", session_init: 1s", "");
    let datagram = [&b"\r\n\r\n\0\r\nQUIT\n\x21\x12\x00\x0c"[..], &[0; 12]].concat();
    let endless = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff".to_vec();
    let refused = [
        bind_octets(BindMode::Transceiver, "acme", "secret", 1),
        b"PROXY TCP4 192.0.2.7 127.0.0.1 4660 2775\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\0\0\0\0\0".to_vec(),
        datagram,
        endless,
    ];
    let started = Instant::now();
    for octets in &refused {
        let mut stranger = gateway.connect();
        stranger.send(octets);
        stranger.expect_close();
    }
    // What is cut short, or says nothing, has as long as a bind has.
    let (mut cut, mut silent) = (gateway.connect(), gateway.connect());
    cut.send(&header("192.0.2.7")[..20]);
    cut.expect_close();
    silent.expect_close();
    assert!(started.elapsed() >= Duration::from_millis(900));
    gateway.wait_for_metric(REFUSED, |count| count == refused.len() as f64 + 2.0);
    assert!(gateway.log().contains("version 1: have the balancer send version 2"), "{}", gateway.log());
    assert_eq!(from(&gateway, "192.0.2.7").bind(BindMode::Receiver, "acme", "secret").status, ROK);
}

#[test]
fn headers_are_awaited_from_no_more_than_may_be_unbound() {
    let (_carrier, gateway) = gateway("", ", session_init: 60s", "limits: { unbound: 3 }");
    let silent: Vec<_> = (0..3).map(|_| gateway.connect()).collect();
    let mut over = gateway.connect();
    over.expect_close();
    let refused = "trunkline_connections_refused_total{shard=\"0\",status=\"unbound\"}";
    gateway.wait_for_metric(refused, |count| count == 1.0);
    drop(silent);
    gateway.wait_for_metric(REFUSED, |count| count == 3.0);
    from(&gateway, "192.0.2.7").expect_quiet();
}

#[test]
fn only_balancers_that_are_named_are_believed() {
    let (_carrier, gateway) = gateway("", ", proxy_from: [\"127.0.0.2/32\"]", "");
    from(&gateway, "192.0.2.7").expect_close();
    gateway.wait_for_metric(REFUSED, |count| count == 1.0);
    assert!(gateway.log().contains("smpp.proxy_from does not name its address"), "{}", gateway.log());
}

#[test]
fn tls_begins_behind_the_header() {
    let secured = Secured::new();
    let (_carrier, gateway) = gateway(", tls: required", &format!(", {}", secured.yaml(false)), "");
    for _ in 0..2 {
        let mut stream = TcpStream::connect(secured.address).unwrap();
        stream.write_all(&header("192.0.2.9")).unwrap();
        let mut acme = over(stream, &secured.client(None, rustls::ALL_VERSIONS));
        assert_eq!(acme.bind(BindMode::Transceiver, "acme", "secret").status, ROK);
        acme.expect_quiet();
    }
    assert!(gateway.log().contains("address=192.0.2.9"));
}
