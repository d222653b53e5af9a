//! Submits that are not as they should be: each its own status, the session stays, and nobody else is harmed.

use trunkline::smpp::command::CommandId;

use crate::peer::{Pdu, ROK, body, plain, with_receipt};
use crate::world::World;

/// Bodies and the status each is answered with.
pub fn malformed() -> Vec<(&'static str, Vec<u8>, u32)> {
    let sound = |tlvs: &[u8]| [plain("hi"), tlvs.to_vec()].concat();
    let fields = |service: &[u8], source: &[u8], destination: &[u8], times: &[u8], rest: &[u8]| {
        [service, b"\x01\x01", source, b"\x01\x01", destination, b"\0\0\0", times, rest].concat()
    };
    let end = b"\0\0\0\0\x02hi";
    vec![
        ("an empty body", Vec::new(), 0x15),
        ("service_type without NUL", b"CMT".to_vec(), 0x15),
        ("service_type too long", fields(b"CMTCMT\0", b"1\0", b"49\0", b"\0\0", end), 0x15),
        ("source without NUL", b"\0\x01\x01123".to_vec(), 0x0A),
        ("source too long", fields(b"\0", b"123456789012345678901\0", b"49\0", b"\0\0", end), 0x0A),
        ("destination without NUL", b"\0\x01\x011\0\x01\x0149".to_vec(), 0x0B),
        ("destination too long", fields(b"\0", b"1\0", b"491234567890123456789\0", b"\0\0", end), 0x0B),
        ("schedule too long", fields(b"\0", b"1\0", b"49\0", b"12345678901234567\0\0", end), 0x61),
        ("validity too long", fields(b"\0", b"1\0", b"49\0", b"\x0012345678901234567\0", end), 0x62),
        ("nothing behind the times", fields(b"\0", b"1\0", b"49\0", b"\0\0", b""), 0x01),
        ("sm_length beyond the body", fields(b"\0", b"1\0", b"49\0", b"\0\0", b"\0\0\0\0\x09hi"), 0x01),
        ("a TLV past the end", sound(b"\x14\x00\x00\x09abc"), 0xC0),
        ("sar_msg_ref_num of one octet", sound(b"\x02\x0C\x00\x01\x07"), 0xC2),
        ("sar_total_segments of two octets", sound(b"\x02\x0E\x00\x02\x01\x02"), 0xC2),
        ("user_message_reference of three octets", sound(b"\x02\x04\x00\x03\x01\x02\x03"), 0xC2),
        ("short_message and message_payload", sound(b"\x04\x24\x00\x02ho"), 0xC1),
        ("receipt bits", body("1000", "4915", b"id:1 stat:DELIVRD", |message| message.esm_class = 0x04), 0x43),
        ("intermediate bits", body("1000", "4915", b"id:1 stat:ENROUTE", |message| message.esm_class = 0x20), 0x43),
    ]
}

#[test]
fn each_malformed_field_has_its_status_and_the_session_goes_on() {
    let mut world = World::new();
    let mut acme = world.acme();
    for (at, (what, body, status)) in malformed().into_iter().enumerate() {
        if at % 10 == 9 {
            // Ten a minute are borne with.
            acme = world.acme();
        }
        let sequence = acme.request(CommandId::SUBMIT_SM, &body);
        let answer = acme.expect(CommandId::SUBMIT_SM_RESP);
        assert_eq!((answer.status, answer.sequence, answer.body.len()), (status, sequence, 0), "{what}");
        assert_eq!(acme.submit(&plain("sound")).status, ROK, "after {what}");
    }
    let reached = world.carrier.submits().iter().filter(|body| **body == plain("sound")).count();
    assert_eq!(reached, malformed().len());
    world.is_well();
}

#[test]
fn the_eleventh_malformed_pdu_of_a_minute_is_the_last() {
    let mut world = World::new();
    for unknown_command in [false, true] {
        let mut acme = world.acme();
        // A minute may begin in between, so the end comes with the eleventh in one minute or the other.
        let mut answered = 0;
        while answered <= 22 {
            let pdu = Pdu::new(if unknown_command { CommandId(0x77) } else { CommandId::SUBMIT_SM }, ROK, 1, b"\xFF");
            // The gateway may have closed already.
            let _ = std::io::Write::write_all(&mut acme.stream, &pdu.octets());
            let Some(answer) = acme.read() else { break };
            assert_ne!(answer.status, ROK);
            answered += 1;
        }
        assert!((11..=21).contains(&answered), "{answered} were answered");
    }
    world.is_well();
}

#[test]
fn every_octet_of_a_submit_set_to_extremes_is_answered_and_harms_nobody() {
    let mut world = World::new();
    let sound = Pdu::new(CommandId::SUBMIT_SM, ROK, 7, &with_receipt("extremes")).octets();
    let mut acme = world.acme();
    for at in 4..sound.len() {
        for value in [0x00, 0x7F, 0x80, 0xFF] {
            let mut octets = sound.clone();
            octets[at] = value;
            acme.send(&octets);
            // A fence tells when everything was answered; a session that bore enough is replaced.
            let _ = std::io::Write::write_all(
                &mut acme.stream,
                &Pdu::new(CommandId::ENQUIRE_LINK, ROK, 0x00AB_CDEF, b"").octets(),
            );
            loop {
                match acme.read() {
                    Some(pdu) if pdu.sequence == 0x00AB_CDEF && pdu.command == CommandId::ENQUIRE_LINK_RESP => break,
                    Some(pdu) if pdu.command == CommandId::DELIVER_SM => acme.answer(&pdu, ROK, b"\0"),
                    Some(_) => {}
                    None => {
                        acme = world.acme();
                        break;
                    }
                }
            }
        }
        if at % 8 == 0 {
            world.is_well();
        }
    }
    let panics = world.gateway.wait_for_metric("trunkline_panics_total{shard=\"1\"}", |_| true);
    assert_eq!(panics, 0.0);
}
