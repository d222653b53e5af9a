//! What a reload reads besides the file: certificates, hashes, tokens, lists of numbers; and what only a start takes up.

use std::net::TcpStream;

use trunkline::smpp::command::CommandId;
use trunkline::smpp::pdu::BindMode;

use crate::carrier::receipt;
use crate::gateway::{free_address, http, http_with};
use crate::passwords::{HASH, hashed};
use crate::peer::{Pdu, ROK, plain, with_receipt};
use crate::receipts::id_of_receipt;
use crate::reload::done;
use crate::tls_esme::Secured;
use crate::web_server::client::{ACME, Client, submit_with};
use crate::world::{Scripted, World};

const RINVPASWD: u32 = 0x0E;
const RINVDSTADR: u32 = 0x0B;

#[test]
fn a_renewed_certificate_is_shown_to_who_comes_next_and_sessions_over_the_old_one_stay() {
    let mut secured = Secured::new();
    let mut world = World::with("", &format!("smpp: {{ LISTEN, {} }}", secured.yaml(false)));
    let mut before = secured.connect();
    assert_eq!(before.bind(BindMode::Transceiver, "acme", "secret").status, ROK);
    secured.renew();
    done(&http_with(world.gateway.admin, "POST", "/reload", "").unwrap());
    let mut after = secured.connect();
    assert_eq!(after.bind(BindMode::Transceiver, "acme", "secret").status, ROK);
    assert_eq!(before.submit(&plain("still here")).status, ROK);
    world.is_well();
}

#[test]
fn a_password_becomes_a_hash_and_a_plain_one_again() {
    let mut world = World::new();
    let bind = |world: &World, password: &str| world.connect().bind(BindMode::Transceiver, "acme", password).status;
    done(&world.gateway.reload("password: secret, shard: 1", &format!("password: {}, shard: 1", hashed(HASH))));
    assert_eq!((bind(&world, "secret"), bind(&world, "guess")), (ROK, RINVPASWD));
    done(&world.gateway.reload(&hashed(HASH), "plain"));
    assert_eq!((bind(&world, "plain"), bind(&world, "secret")), (ROK, RINVPASWD));
    world.is_well();
}

#[test]
fn a_revoked_password_opens_nothing_on_a_connection_where_it_did() {
    let web = free_address();
    let hash = hashed(HASH);
    let mut world = World::with("", &format!("http: {{ listen: \"{web}\" }}"));
    done(&world.gateway.reload("password: secret, shard: 1", &format!("password: {hash}, shard: 1")));
    let mut client = Client::over(TcpStream::connect(web).unwrap());
    for _ in 0..2 {
        client.send(&submit_with(ACME, "let in"));
        assert_eq!(client.answer().status, 200);
    }
    done(&world.gateway.reload(&hash, "other"));
    client.send(&submit_with(ACME, "revoked"));
    assert_eq!(client.answer().status, 401);
    world.is_well();
}

#[test]
fn the_admin_token_holds_from_the_reload_on() {
    let world = World::new();
    let part = format!("admin: {{ listen: \"{}\" }}", world.gateway.admin);
    let by = part.replace(" }", ", token: t0ken }");
    done(&world.gateway.reload(&part, &by));
    assert!(http(world.gateway.admin, "/livez").unwrap().starts_with("HTTP/1.1 401 "));
    let answer = http_with(world.gateway.admin, "GET", "/livez", "Authorization: Bearer t0ken\r\n").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn a_list_of_numbers_that_nothing_is_sent_to_comes_and_goes() {
    let mut world = World::new();
    let mut acme = world.acme();
    world.gateway.directory.write("stop", "4915100000001\n");
    done(&world.gateway.reload("password: secret, shard: 1", "password: secret, opt_out: stop, shard: 1"));
    acme.refused(&plain("stopped"), RINVDSTADR);
    // Another list under the same name is read by itself, once it stays as it is.
    world.gateway.directory.write("stop", "4915100000002\n");
    crate::reload::wait_until("the list is read again", || acme.submit(&plain("again")).status == ROK);
    world.gateway.directory.write("other", "4915100000001\n");
    done(&world.gateway.reload("opt_out: stop", "opt_out: other"));
    acme.refused(&plain("stopped"), RINVDSTADR);
    done(&world.gateway.reload("opt_out: other, ", ""));
    assert_eq!(acme.submit(&plain("free")).status, ROK);
    world.is_well();
}

#[test]
fn what_the_store_kept_over_a_start_for_a_name_the_file_lacked_only_a_start_takes_up() {
    let mut stage = Scripted::new();
    let ours = stage.accepted(&with_receipt("kept"), "n1");
    stage.acme.shutdown();
    stage.links[0].send_pdu(&Pdu::new(CommandId::DELIVER_SM, ROK, 3, &receipt("n1", "DELIVRD")));
    stage.links[0].expect_answer(CommandId::DELIVER_SM_RESP, ROK, 3);
    let account = "acme: { password: secret, shard: 1,  }";
    stage.gateway.rewrite(account, "beta: { password: b }");
    stage.gateway.signal(9);
    stage.gateway.restart();
    let answer = stage.gateway.reload("beta: { password: b }", account);
    assert!(answer.starts_with("HTTP/1.1 422 ") && answer.contains("accounts.acme: the store keeps"), "{answer}");
    stage.gateway.signal(9);
    stage.gateway.restart();
    let mut acme = stage.gateway.connect();
    assert_eq!(acme.bind(BindMode::Transceiver, "acme", "secret").status, ROK);
    assert_eq!(id_of_receipt(&acme.receive()), ours);
}
