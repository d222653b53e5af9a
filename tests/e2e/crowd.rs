//! Crowds: thousands of customers who bind within a second, and who then sit there. Figures are printed:
//! `cargo test --release --test e2e crowd -- --include-ignored --nocapture --test-threads 1`.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use argon2::password_hash::PasswordHasher;
use argon2::{Algorithm, Argon2, Params, Version};
use trunkline::smpp::pdu::BindMode;

use crate::gateway::Gateway;
use crate::peer::{Peer, ROK};
use crate::tls_esme::{Secured, over};

const LIMITS: &str = "limits: { connections: 30000, unbound: 30000, unbound_per_address: 30000 }";
const THREADS: usize = 8;

/// A gateway with so many accounts, `c0` and so on, each with the password as written by this.
fn gateway(count: usize, smpp: &str, password: impl Fn(usize) -> String) -> Gateway {
    let accounts: String = (0..count).map(|at| format!("  c{at}: {{ password: {} }}\n", password(at))).collect();
    Gateway::start(&format!("smpp: {{ LISTEN{smpp} }}\n{LIMITS}\naccounts:\n{accounts}"))
}

/// Binds all of them at once; returns their connections, and how long it took until the last was answered.
fn bind_all<S: Read + Write + Send>(
    count: usize,
    connect: impl Fn() -> Peer<S> + Sync,
    password: impl Fn(usize) -> String + Sync,
) -> (Vec<Peer<S>>, Duration) {
    let started = Instant::now();
    let (connect, password) = (&connect, &password);
    let peers = std::thread::scope(|scope| {
        let bind = |thread: usize| {
            let peers = (thread..count).step_by(THREADS).map(|at| {
                let mut peer = connect();
                assert_eq!(peer.bind(BindMode::Transceiver, &format!("c{at}"), &password(at)).status, ROK);
                peer
            });
            peers.collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || bind(thread))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    (peers, started.elapsed())
}

fn hash_of(password: &str, at: usize) -> String {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(64, 1, 1, None).unwrap());
    let salt = format!("salt of {at:08}");
    argon2.hash_password_with_salt(password.as_bytes(), salt.as_bytes()).unwrap().to_string()
}

fn is_bound_within_ten_seconds(count: usize) {
    let plain = |at: usize| format!("pw-{at}");
    {
        let gateway = gateway(count, "", plain);
        let (_peers, took) = bind_all(count, || gateway.connect(), plain);
        println!("{count} binds in clear: {took:.2?}");
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
    {
        let secured = Secured::new();
        let gateway = gateway(count, &format!(", {}", secured.yaml(false)), plain);
        let (_peers, took) = bind_all(count, || secured.connect(), plain);
        println!("{count} binds over TLS: {took:.2?}");
        assert!(took < Duration::from_secs(10), "{took:?}");
        drop(gateway);
    }
    let mut gateway = gateway(count, "", |at| format!("{{ argon2id: \"{}\" }}", hash_of(&plain(at), at)));
    let (peers, cold) = bind_all(count, || gateway.connect(), plain);
    drop(peers);
    gateway.signal(15);
    gateway.restart();
    let (_peers, took) = bind_all(count, || gateway.connect(), plain);
    println!("{count} binds with argon2id (m=64, t=1), each hashed: {cold:.2?}; known, after a restart: {took:.2?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn two_hundred_customers_bind_at_once() {
    is_bound_within_ten_seconds(200);
}

#[test]
#[ignore = "figures, by hand"]
fn two_thousand_customers_bind_at_once() {
    is_bound_within_ten_seconds(2_000);
}

/// Memory in use, and CPU time spent so far.
fn used(gateway: &Gateway) -> (u64, Duration) {
    let id = gateway.child.as_ref().unwrap().id();
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let rss = rss.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() << 10;
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    (rss, Duration::from_millis(ticks * 10))
}

fn sit<S: Read + Write + Send>(what: &str, count: usize, gateway: &Gateway, connect: impl Fn() -> Peer<S> + Sync) {
    const IDLE: Duration = Duration::from_secs(20);
    let (before, _) = used(gateway);
    let (mut peers, took) = bind_all(count, connect, |_| "pw".to_owned());
    let (after, cpu) = used(gateway);
    std::thread::park_timeout(IDLE);
    let (_, later) = used(gateway);
    println!(
        "{count} idle transceivers {what}: bound in {took:.2?}, {} octets each, {:.2} % of a core while idle",
        after.saturating_sub(before) / count as u64,
        (later - cpu).as_secs_f64() / IDLE.as_secs_f64() * 100.0
    );
    peers[0].expect_quiet();
}

#[test]
#[ignore = "figures, by hand"]
fn ten_thousand_idle_transceivers_cost_little() {
    const COUNT: usize = 10_000;
    {
        let gateway = gateway(COUNT, "", |_| "pw".to_owned());
        sit("in clear", COUNT, &gateway, || gateway.connect());
    }
    let secured = Secured::new();
    let gateway = gateway(COUNT, &format!(", {}", secured.yaml(false)), |_| "pw".to_owned());
    let client = secured.client(None, rustls::ALL_VERSIONS);
    sit("over TLS", COUNT, &gateway, || over(TcpStream::connect(secured.address).unwrap(), &client));
}
