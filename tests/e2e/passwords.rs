//! Passwords that are there as argon2id hashes, made by the reference implementation: each is hashed once and known from then on,
//! and no answer's time tells what an account has.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use trunkline::smpp::pdu::BindMode;

use crate::gateway::Gateway;
use crate::peer::{PATIENCE, ROK, RSYSERR, bind_octets};
use crate::world::World;

const RINVPASWD: u32 = 0x0E;
/// Of "secret".
pub const HASH: &str = "$argon2id$v=19$m=1024,t=1,p=1$c2FsdHNhbHQ$q/cS8NQ2ebhnKjj1D+r8KE5a/l/zqlNNBRVutrAt1wQ";
/// Of "next".
const NEXT: &str = "$argon2id$v=19$m=1024,t=2,p=2$b3RoZXJzYWx0b3RoZXIxNg$UGeILBJLZvFMrNIO+dAyQAj14iT1lg4vG5ebsfPLLR0";
/// Of nothing anybody knows; seconds of work.
const SLOW: &str = "$argon2id$v=19$m=65536,t=64,p=4$c2xvd3NhbHRzbG93$jZ1MSSE7lJAihNwEIB1JWJxh3c4qLxr0DQa6gnhfrtk";

pub fn hashed(hash: &str) -> String {
    format!("{{ argon2id: \"{hash}\" }}")
}

/// What was compared so on both shards, once it is so often.
#[track_caller]
fn expect_checks(gateway: &Gateway, how: &str, expected: f64) {
    let give_up = Instant::now() + PATIENCE;
    loop {
        let of_shard = |shard: u8| {
            let series = format!("trunkline_password_checks_total{{shard=\"{shard}\",status=\"{how}\"}}");
            gateway.wait_for_metric(&series, |_| true)
        };
        let checks = of_shard(0) + of_shard(1);
        if checks == expected {
            return;
        }
        assert!(checks < expected && Instant::now() < give_up, "{checks} {how}");
        std::thread::park_timeout(Duration::from_millis(100));
    }
}

fn bind(gateway: &Gateway, system_id: &str, password: &str) -> u32 {
    gateway.connect().bind(BindMode::Transceiver, system_id, password).status
}

#[test]
fn a_password_is_hashed_once_also_over_restarts_until_its_hash_changes() {
    let accounts = format!("\n  hashed: {{ password: {}, max_binds: 100 }}", hashed(HASH));
    let mut world = World::with_accounts("", &accounts, "");
    let gateway = &mut world.gateway;
    for _ in 0..3 {
        assert_eq!(bind(gateway, "hashed", "secret"), ROK);
    }
    expect_checks(gateway, "hashed", 1.0);
    expect_checks(gateway, "cached", 2.0);
    let file = gateway.directory.0.join("store/password-digests");
    let give_up = Instant::now() + PATIENCE;
    while !file.exists() {
        assert!(Instant::now() < give_up, "never written");
        std::thread::park_timeout(Duration::from_millis(10));
    }
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    gateway.signal(9);
    gateway.restart();
    assert_eq!(bind(gateway, "hashed", "secret"), ROK);
    expect_checks(gateway, "cached", 1.0);
    expect_checks(gateway, "hashed", 0.0);
    gateway.signal(9);
    let yaml = fs::read_to_string(gateway.directory.0.join("trunkline.yaml")).unwrap();
    gateway.directory.write("trunkline.yaml", &yaml.replace(HASH, NEXT));
    gateway.restart();
    assert_eq!(bind(gateway, "hashed", "secret"), RINVPASWD);
    assert_eq!(bind(gateway, "hashed", "next"), ROK);
    expect_checks(gateway, "hashed", 2.0);
    // Once the right one is known, no wrong one is hashed.
    assert_eq!(bind(gateway, "hashed", "secret"), RINVPASWD);
    expect_checks(gateway, "hashed", 2.0);
    expect_checks(gateway, "unmatched", 1.0);
}

#[test]
fn plain_and_hashed_passwords_stand_side_by_side_while_rotating() {
    let accounts = format!(
        "\n  mixed: {{ password: [old, {}] }}\n  both: {{ password: [{}, {}] }}",
        hashed(HASH),
        hashed(HASH),
        hashed(NEXT)
    );
    let mut world = World::with_accounts("", &accounts, "");
    for (system_id, password, expected) in [
        ("mixed", "old", ROK),
        ("mixed", "secret", ROK),
        ("mixed", "next", RINVPASWD),
        ("both", "next", ROK),
        ("both", "secret", ROK),
        ("both", "old", RINVPASWD),
        ("both", HASH.split_at(60).0, RINVPASWD),
        ("both", "", RINVPASWD),
        ("acme", "secret", ROK),
    ] {
        assert_eq!(bind(&world.gateway, system_id, password), expected, "{system_id} {password}");
    }
    world.is_well();
}

#[test]
fn a_refusal_takes_as_long_whatever_the_account_has() {
    let accounts = format!("\n  cold: {{ password: {} }}\n  warm: {{ password: {} }}", hashed(HASH), hashed(NEXT));
    let mut world = World::with_accounts("", &accounts, "");
    assert_eq!(bind(&world.gateway, "warm", "next"), ROK);
    let mut answers = Vec::new();
    for system_id in ["cold", "warm", "acme", "nobody", ""].repeat(4) {
        let mut stranger = world.connect();
        let started = Instant::now();
        stranger.send(&bind_octets(BindMode::Receiver, system_id, "wrong", 5));
        answers.push((stranger, started, system_id));
    }
    for (mut stranger, started, system_id) in answers {
        let answer = stranger.expect_answer(BindMode::Receiver.command().response(), RINVPASWD, 5);
        assert!(answer.body.is_empty(), "{answer:x?}");
        let took = started.elapsed();
        assert!(took >= Duration::from_millis(500) && took < Duration::from_secs(4), "{system_id}: {took:?}");
        stranger.expect_close();
    }
    world.is_well();
}

#[test]
fn who_waits_too_long_for_a_hash_is_told_to_try_again_and_others_bind_meanwhile() {
    let accounts = format!("\n  slow: {{ password: {} }}\n  hashed: {{ password: {} }}", hashed(SLOW), hashed(HASH));
    let mut world = World::with_accounts("", &accounts, "smpp: { LISTEN, response: 1s }");
    assert_eq!(bind(&world.gateway, "hashed", "secret"), ROK);
    let mut slow: Vec<_> = (0..10).map(|_| world.connect()).collect();
    for slow in &mut slow {
        slow.send(&bind_octets(BindMode::Receiver, "slow", "guess", 1));
    }
    for (system_id, password) in [("hashed", "secret"), ("acme", "secret")] {
        let started = Instant::now();
        assert_eq!(bind(&world.gateway, system_id, password), ROK);
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    }
    for mut slow in slow {
        slow.expect_answer(BindMode::Receiver.command().response(), RSYSERR, 1);
        slow.expect_close();
    }
    world.is_well();
}
