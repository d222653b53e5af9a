//! Our writers against the oracle, our readers against what it encodes, and what it cannot express by hand.

use proptest::prelude::*;

use super::*;
use crate::smpp::view::SmView;

const SEQUENCE: SequenceNumber = SequenceNumber(0x0102_0304);

/// The example of SMPP 3.4, section 3.2.3.
const BIND_TRANSMITTER: &[u8] = b"\0\0\0\x2F\0\0\0\x02\0\0\0\0\0\0\0\x01\
    SMPP3TEST\0secret08\0SUBMIT1\0\0\x01\x01\0";

fn bind(mode: BindMode) -> Bind {
    Bind {
        mode,
        system_id: b"SMPP3TEST".to_vec(),
        password: b"secret08".to_vec(),
        system_type: b"SUBMIT1".to_vec(),
        interface_version: 0,
        address_ton: 1,
        address_npi: 1,
        address_range: Vec::new(),
    }
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = b"before".to_vec();
    write(&mut out);
    let pdu = out.split_off(6);
    assert_eq!(pdu[..4], (pdu.len() as u32).to_be_bytes(), "command_length");
    pdu
}

fn body_of(pdu: &[u8]) -> &[u8] {
    Frame::parse(pdu).unwrap().body
}

#[test]
fn the_specifications_bind_is_read_and_written_octet_for_octet() {
    let expected = bind(BindMode::Transmitter);
    assert_eq!(read_bind(&Frame::parse(BIND_TRANSMITTER).unwrap()), Ok(expected.clone()));
    assert_eq!(written(|out| write_bind(&expected, SequenceNumber::FIRST, out)), BIND_TRANSMITTER);
}

#[test]
fn a_bind_longer_than_the_specification_allows_goes_both_ways() {
    for mode in [BindMode::Transmitter, BindMode::Receiver, BindMode::Transceiver] {
        let long = Bind { system_id: vec![b'i'; 64], password: vec![0xE9; 64], ..bind(mode) };
        for bind in [long, bind(mode)] {
            let pdu = written(|out| write_bind(&bind, SEQUENCE, out));
            let mut with_tlvs = pdu.clone();
            with_tlvs.extend_from_slice(&[0x14, 0, 0, 1, 9, 0]);
            for pdu in [pdu, with_tlvs] {
                let frame = Frame::parse(&pdu).unwrap();
                assert_eq!((frame.command, frame.sequence), (mode.command(), SEQUENCE));
                assert_eq!(read_bind(&frame), Ok(bind.clone()));
            }
        }
    }
}

#[test]
fn a_malformed_bind_is_refused_with_the_status_of_its_field() {
    let read = |body: &[u8]| {
        let (status, sequence) = (CommandStatus::ROK, SEQUENCE);
        read_bind(&Frame { command: CommandId::BIND_TRANSCEIVER, status, sequence, body }).map(|_| ())
    };
    let over = [b'x'; 65];
    let cases: [(&[u8], CommandStatus); 9] = [
        (b"", CommandStatus::RINVSYSID),
        (b"id", CommandStatus::RINVSYSID),
        (&[&over[..], b"\0pw\0\0\x34\0\0\0"].concat(), CommandStatus::RINVSYSID),
        (b"id\0pw", CommandStatus::RINVPASWD),
        (&[b"id\0", &over[..], b"\0\0\x34\0\0\0"].concat(), CommandStatus::RINVPASWD),
        (b"id\0pw\0type", CommandStatus::RINVSYSTYP),
        (b"id\0pw\0\0\x34", CommandStatus::RINVMSGLEN),
        (b"id\0pw\0\0\x34\0\0range", CommandStatus::RBINDFAIL),
        (b"id\0pw\0\0\x34\0\0", CommandStatus::RBINDFAIL),
    ];
    for (body, status) in cases {
        assert_eq!(read(body), Err(status), "{body:?}");
    }
    let unbind = Frame { command: CommandId::UNBIND, status: CommandStatus::ROK, sequence: SEQUENCE, body: b"" };
    assert_eq!(read_bind(&unbind), Err(CommandStatus::RINVCMDID));
}

#[test]
fn a_bind_in_a_log_shows_no_password() {
    let shown = format!("{:?}", bind(BindMode::Receiver));
    assert!(shown.contains("SMPP3TEST") && !shown.contains("secret08") && !shown.contains("115, 101"), "{shown}");
}

#[test]
fn a_bind_mode_says_which_way_messages_go() {
    let ways = [BindMode::Transmitter, BindMode::Receiver, BindMode::Transceiver]
        .map(|mode| (mode.may_submit(), mode.may_receive(), BindMode::from_command(mode.command()) == Some(mode)));
    assert_eq!(ways, [(true, false, true), (false, true, true), (true, true, true)]);
    assert_eq!(BindMode::from_command(CommandId::OUTBIND), None);
}

#[test]
fn a_bind_is_answered_with_our_name_and_a_refused_one_without_a_body() {
    let answer = |status, name: &str, version| {
        written(|out| write_bind_resp(BindMode::Transceiver, status, SEQUENCE, name, version, out))
    };
    let ok = CommandStatus::ROK;
    assert_eq!(body_of(&answer(ok, "trunkline", Some(0x34))), b"trunkline\0\x02\x10\0\x01\x34");
    assert_eq!(body_of(&answer(ok, "trunkline", None)), b"trunkline\0");
    assert_eq!(
        body_of(&answer(ok, "a name over fifteen octets", Some(0x50))),
        b"a name over fifteen octets\0\x02\x10\0\x01\x50"
    );
    let refused = answer(CommandStatus::RINVPASWD, "trunkline", Some(0x34));
    let frame = Frame::parse(&refused).unwrap();
    assert_eq!((frame.command, frame.status), (CommandId::BIND_TRANSCEIVER_RESP, CommandStatus::RINVPASWD));
    assert!(frame.body.is_empty());
    for mode in [BindMode::Transmitter, BindMode::Receiver, BindMode::Transceiver] {
        let pdu = written(|out| write_bind_resp(mode, ok, SEQUENCE, "trunkline", Some(0x34), out));
        assert_eq!(Frame::parse(&pdu).unwrap().command, mode.command().response());
        assert!(oracle(&pdu).is_some_and(|command| command.sequence_number() == SEQUENCE.0));
    }
}

#[test]
fn a_control_pdu_is_its_header() {
    let (command, status) = (CommandId::SUBMIT_MULTI.response(), CommandStatus(0x0000_0455));
    let known = [
        CommandId::ENQUIRE_LINK,
        CommandId::ENQUIRE_LINK_RESP,
        CommandId::UNBIND,
        CommandId::UNBIND_RESP,
        CommandId::GENERIC_NACK,
    ];
    for command in known.into_iter().chain([command]) {
        let pdu = written(|out| write_control(command, status, SEQUENCE, out));
        assert_eq!(Frame::parse(&pdu), Some(Frame { command, status, sequence: SEQUENCE, body: b"" }));
    }
    for command in known {
        let pdu = written(|out| write_control(command, CommandStatus::RSYSERR, SequenceNumber(u32::MAX), out));
        let read = oracle(&pdu).unwrap();
        assert_eq!((u32::from(read.id()), u32::from(read.status()), read.sequence_number()), (command.0, 8, u32::MAX));
    }
}

#[test]
fn answers_to_messages_carry_what_the_specification_wants() {
    let accepted = written(|out| write_submit_sm_resp(CommandStatus::ROK, SEQUENCE, b"00ab", out));
    assert_eq!(body_of(&accepted), b"00ab\0");
    assert_eq!(submit_sm_resp_id(body_of(&accepted)), b"00ab");
    let Some(Pdu::SubmitSmResp(read)) = oracle(&accepted).unwrap().pdu().cloned() else { panic!("no submit_sm_resp") };
    assert_eq!(read.message_id().as_str(), "00ab");
    let refused = written(|out| write_submit_sm_resp(CommandStatus::RTHROTTLED, SEQUENCE, b"00ab", out));
    assert_eq!((refused.len(), &refused[8..12]), (16, &[0, 0, 0, 0x58][..]));
    let delivered = written(|out| write_deliver_sm_resp(CommandStatus::ROK, SEQUENCE, out));
    assert_eq!(body_of(&delivered), b"\0");
    assert!(matches!(oracle(&delivered).unwrap().pdu(), Some(Pdu::DeliverSmResp(_))));
}

#[test]
fn a_carriers_id_is_read_with_or_without_its_nul() {
    for (body, id) in
        [(&b"77\0"[..], &b"77"[..]), (b"77", b"77"), (b"77\0\x04\x27\0\x01\x02", b"77"), (b"\0", b""), (b"", b"")]
    {
        assert_eq!(submit_sm_resp_id(body), id);
    }
}

/// Whether `view` says what was to be written.
fn says(view: &SmView<'_>, message: &ShortMessage<'_>) -> bool {
    let tlvs: Vec<_> = view.tlvs().map(|tlv| (tlv.tag, tlv.value)).collect();
    let payload = usize::from(message.text.len() > 254);
    view.service_type == message.service_type
        && (view.source, view.destination) == (message.source, message.destination)
        && (view.esm_class, view.protocol_id, view.priority)
            == (message.esm_class, message.protocol_id, message.priority)
        && (view.schedule, view.validity) == (message.schedule, message.validity)
        && (view.registered_delivery, view.data_coding) == (message.registered_delivery, message.data_coding)
        && view.text() == message.text
        && tlvs[payload..] == *message.tlvs
}

#[test]
fn what_the_oracle_cannot_express_is_written_by_hand() {
    let odd = ShortMessage {
        service_type: b"CMT",
        validity: b"odd",
        tlvs: &[(0x1400, b"dlt"), (tag::MESSAGE_STATE, b"")],
        ..ShortMessage::new(
            Address { ton: 5, npi: 0, digits: b"CAF\xC9" },
            Address { ton: 1, npi: 1, digits: b"4477009000010000000000001" },
            &[b'x'; 300],
        )
    };
    let submit = written(|out| write_submit_sm(&odd, SEQUENCE, out));
    let deliver = written(|out| write_deliver_sm(&odd, SEQUENCE, out));
    assert_eq!(body_of(&submit), body_of(&deliver));
    assert!(says(&SmView::deliver(body_of(&submit)).unwrap(), &odd));
    assert_eq!(Frame::parse(&submit).unwrap().command, CommandId::SUBMIT_SM);
    assert_eq!(Frame::parse(&deliver).unwrap().command, CommandId::DELIVER_SM);
}

#[test]
fn a_text_longer_than_a_tlv_is_cut_rather_than_garbled() {
    let address = Address { ton: 1, npi: 1, digits: b"44" };
    let text = vec![b'x'; 70_000];
    let pdu = written(|out| write_submit_sm(&ShortMessage::new(address, address, &text), SEQUENCE, out));
    assert_eq!(SmView::submit(body_of(&pdu)).unwrap().text().len(), 65_535);
}

prop_compose! {
    /// (service_type, addresses, times, octets, text, tlvs) of a message the oracle can express.
    fn parts()(
        service_type in "[A-Z]{0,5}",
        (source, destination) in ("[0-9A-Za-z]{0,20}", "[0-9]{1,20}"),
        (schedule, validity) in ("([0-9]{15}[+])?", "([0-9]{15}R)?"),
        octets in any::<[u8; 9]>(),
        text in prop::collection::vec(any::<u8>(), 0..400),
        tlvs in prop::collection::vec((0x1400u16..0x3FFF, prop::collection::vec(any::<u8>(), 0..40)), 0..4),
    ) -> (String, [String; 2], [String; 2], [u8; 9], Vec<u8>, Vec<(u16, Vec<u8>)>) {
        (service_type, [source, destination], [schedule, validity], octets, text, tlvs)
    }
}

proptest! {
    #[test]
    fn our_views_and_the_oracle_read_what_was_written((service_type, addresses, times, octets, text, tlvs) in parts()) {
        let [source_ton, source_npi, ton, npi, esm_class, protocol_id, priority, registered_delivery, data_coding] = octets;
        let tlvs: Vec<(u16, &[u8])> = tlvs.iter().map(|(tag, value)| (*tag, &value[..])).collect();
        let message = ShortMessage {
            service_type: service_type.as_bytes(),
            source: Address { ton: source_ton, npi: source_npi, digits: addresses[0].as_bytes() },
            destination: Address { ton, npi, digits: addresses[1].as_bytes() },
            esm_class,
            protocol_id,
            priority,
            schedule: times[0].as_bytes(),
            validity: times[1].as_bytes(),
            registered_delivery,
            data_coding,
            text: &text,
            tlvs: &tlvs,
        };
        let submit = written(|out| write_submit_sm(&message, SEQUENCE, out));
        prop_assert!(says(&SmView::submit(body_of(&submit)).unwrap(), &message));
        let Some(Pdu::SubmitSm(read)) = oracle(&submit).unwrap().pdu().cloned() else { panic!("no submit_sm") };
        prop_assert_eq!(read.source_addr.as_str(), &addresses[0]);
        prop_assert_eq!(read.destination_addr.as_str(), &addresses[1]);
        prop_assert_eq!(u8::from(read.esm_class), esm_class);
        prop_assert_eq!(read.tlvs().len(), tlvs.len() + usize::from(text.len() > 254));

        // By hand or by the oracle: the same octets.
        let by_hand = written(|out| write_by_hand(CommandId::SUBMIT_SM, &message, SEQUENCE, out));
        prop_assert_eq!(&by_hand, &submit);
        let deliver = written(|out| write_deliver_sm(&message, SEQUENCE, out));
        prop_assert_eq!(body_of(&deliver), body_of(&submit));
        prop_assert!(says(&SmView::deliver(body_of(&deliver)).unwrap(), &message));
        prop_assert!(matches!(oracle(&deliver).unwrap().pdu(), Some(Pdu::DeliverSm(_))));
    }

    #[test]
    fn any_body_of_a_bind_is_read_or_refused(body in prop::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..120)) {
        let frame = Frame { command: CommandId::BIND_RECEIVER, status: CommandStatus::ROK, sequence: SEQUENCE, body: &body };
        if let Ok(bind) = read_bind(&frame) {
            let again = written(|out| write_bind(&bind, SEQUENCE, out));
            prop_assert_eq!(read_bind(&Frame::parse(&again).unwrap()), Ok(bind));
        }
    }
}
