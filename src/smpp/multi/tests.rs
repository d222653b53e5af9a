//! What a submit_multi says to each destination, the status of each malformed part, and that no octets panic.

use proptest::prelude::*;

use super::*;
use crate::smpp::frame::Frame;

const HEAD: &[u8] = b"CMT\0\x05\0ACME\0";
const TAIL: &[u8] = b"\x40\x01\x02\0\0\x01\0\x08\0\x02hi\x14\x00\0\x02dl";

fn sme(digits: &[u8]) -> Vec<u8> {
    [b"\x01\x01\x01", digits, b"\0"].concat()
}

fn list(name: &[u8]) -> Vec<u8> {
    [b"\x02", name, b"\0"].concat()
}

fn multi(count: u8, destinations: &[Vec<u8>], tail: &[u8]) -> Vec<u8> {
    [HEAD, &[count], &destinations.concat(), tail].concat()
}

fn submits(body: &[u8]) -> Vec<Vec<u8>> {
    let view = MultiView::read(body).unwrap();
    let write = |destination: Destination<'_>| {
        let mut out = Vec::new();
        view.write_submit(destination.address(), &mut out);
        out
    };
    view.destinations().map(write).collect()
}

#[test]
fn each_destination_is_sent_what_the_message_says() {
    let body = multi(2, &[sme(b"491701"), sme(b"447700")], TAIL);
    let expected = |digits: &[u8]| [HEAD, b"\x01\x01", digits, b"\0", TAIL].concat();
    assert_eq!(submits(&body), [expected(b"491701"), expected(b"447700")]);
    assert_eq!(MultiView::read(&body).unwrap().esm_class(), 0x40);
}

#[test]
fn lists_are_told_from_addresses() {
    let body = multi(2, &[list(b"friends"), sme(b"1")], TAIL);
    let view = MultiView::read(&body).unwrap();
    let one = Address { ton: 1, npi: 1, digits: b"1" };
    assert_eq!(view.destinations().collect::<Vec<_>>(), [Destination::List(b"friends"), Destination::Sme(one)]);
    assert_eq!(Destination::List(b"friends").address(), Address { ton: 0, npi: 0, digits: b"friends" });
}

#[test]
fn each_malformed_part_has_its_own_status() {
    let many: Vec<_> = (0..255).map(|at: u16| sme(at.to_string().as_bytes())).collect();
    assert_eq!(submits(&multi(255, &many, TAIL)).len(), 255);
    let long = [b'1'; 21];
    let cases = [
        (multi(0, &[], TAIL), CommandStatus::RINVNUMDESTS),
        (multi(2, &[sme(b"1")], b""), CommandStatus::RINVNUMDESTS),
        // The third one's flag is the esm_class.
        (multi(3, &[sme(b"1"), sme(b"2")], TAIL), CommandStatus::RINVDESTFLAG),
        (multi(1, &[b"\x03x\0".to_vec()], TAIL), CommandStatus::RINVDESTFLAG),
        (multi(1, &[sme(&long)], TAIL), CommandStatus::RINVDSTADR),
        (multi(1, &[b"\x01\x01\x01nonul".to_vec()], b""), CommandStatus::RINVDSTADR),
        (multi(1, &[b"\x01\x01".to_vec()], b""), CommandStatus::RINVDSTADR),
        (multi(1, &[list(&long)], TAIL), CommandStatus::RINVDLNAME),
        (multi(1, &[list(b"")], TAIL), CommandStatus::RINVDLNAME),
        (multi(1, &[sme(b"1")], b""), CommandStatus::RINVMSGLEN),
        (multi(1, &[sme(b"1")], &TAIL[..11]), CommandStatus::RINVMSGLEN),
        (multi(1, &[sme(b"1")], &[TAIL, b"\x14\x01\0\x09x"].concat()), CommandStatus::RINVOPTPARSTREAM),
        (multi(1, &[sme(b"1")], &[TAIL, b"\x04\x24\0\x01x"].concat()), CommandStatus::ROPTPARNOTALLWD),
        (b"toolong\0".to_vec(), CommandStatus::RINVSERTYP),
        ([b"\0\0\0", &long[..], b"\0"].concat(), CommandStatus::RINVSRCADR),
        (HEAD.to_vec(), CommandStatus::RINVMSGLEN),
    ];
    for (body, status) in cases {
        assert_eq!(MultiView::read(&body).err(), Some(status), "{body:?}");
    }
}

fn resp_body(id: &[u8], unsuccessful: &[(Address<'_>, CommandStatus)]) -> Vec<u8> {
    let mut out = Vec::new();
    write_resp(CommandStatus::ROK, SequenceNumber(7), id, unsuccessful, &mut out);
    let frame = Frame::cut(&out, 1 << 20).unwrap().unwrap();
    assert_eq!((frame.command, frame.sequence, frame.len()), (CommandId(0x8000_0021), SequenceNumber(7), out.len()));
    frame.body.to_vec()
}

#[test]
fn the_answer_lists_who_was_not_reached() {
    let address = Address { ton: 1, npi: 1, digits: b"49" };
    let body = resp_body(b"id", &[(address, CommandStatus::RTHROTTLED)]);
    assert_eq!(body, b"id\0\x01\x01\x0149\0\0\0\0\x58");
    assert_eq!(read_resp(&body), Some((&b"id"[..], vec![(address, CommandStatus::RTHROTTLED)])));
    assert_eq!(resp_body(b"id", &[]), b"id\0\0");
    for cut in 0..body.len() {
        assert_eq!(read_resp(&body[..cut]), None);
    }
}

fn any_address() -> impl Strategy<Value = (u8, u8, Vec<u8>)> {
    (any::<u8>(), any::<u8>(), prop::collection::vec(1u8.., 0..=20))
}

proptest! {
    #[test]
    fn what_is_written_for_each_is_read_back_as_it_was_said(
        service_type in prop::collection::vec(1u8.., 0..=5),
        source in any_address(),
        addresses in prop::collection::vec(any_address(), 1..=255),
        text in prop::collection::vec(any::<u8>(), 0..=254),
        fields in any::<(u8, u8, u8, u8, u8, u8, u8)>(),
        value in prop::collection::vec(any::<u8>(), 0..=100),
    ) {
        let (esm_class, protocol_id, priority, registered, replace, data_coding, default) = fields;
        let (ton, npi, digits) = &source;
        let mut body = [&service_type[..], b"\0", &[*ton, *npi], digits, b"\0", &[addresses.len() as u8]].concat();
        for (ton, npi, digits) in &addresses {
            body.extend_from_slice(&[&[1, *ton, *npi], &digits[..], b"\0"].concat());
        }
        body.extend_from_slice(&[esm_class, protocol_id, priority, 0, 0, registered, replace, data_coding, default]);
        body.push(text.len() as u8);
        body.extend_from_slice(&text);
        let optional = [&[0x14, 0x00, 0, value.len() as u8], &value[..]].concat();
        body.extend_from_slice(&optional);
        let submits = submits(&body);
        prop_assert_eq!(submits.len(), addresses.len());
        for (submit, to) in submits.iter().zip(&addresses) {
            let view = SmView::submit(submit).unwrap();
            prop_assert_eq!(view.service_type, &service_type[..]);
            prop_assert_eq!((view.source.ton, view.source.npi, view.source.digits), (*ton, *npi, &digits[..]));
            let destination = view.destination;
            prop_assert_eq!((destination.ton, destination.npi, destination.digits), (to.0, to.1, &to.2[..]));
            prop_assert_eq!(
                (view.esm_class, view.protocol_id, view.priority, view.registered_delivery, view.replace_if_present),
                (esm_class, protocol_id, priority, registered, replace)
            );
            prop_assert_eq!((view.data_coding, view.default_message_id), (data_coding, default));
            prop_assert_eq!((view.short_message, view.optional), (&text[..], &optional[..]));
        }
    }

    #[test]
    fn an_answer_is_read_back_as_it_was_written(
        id in prop::collection::vec(1u8.., 0..=20),
        failures in prop::collection::vec((any_address(), any::<u32>()), 0..=255),
    ) {
        let failures: Vec<_> = failures
            .iter()
            .map(|((ton, npi, digits), status)| {
                (Address { ton: *ton, npi: *npi, digits }, CommandStatus(*status))
            })
            .collect();
        let body = resp_body(&id, &failures);
        prop_assert_eq!(read_resp(&body), Some((&id[..], failures)));
    }

    #[test]
    fn any_octets_have_a_status_or_submits_that_are_well_formed(
        octets in prop::collection::vec(any::<u8>(), 0..400),
        is_begun in any::<bool>(),
    ) {
        let body = if is_begun { [HEAD, &octets].concat() } else { octets };
        let _ = read_resp(&body);
        if let Ok(view) = MultiView::read(&body) {
            for destination in view.destinations() {
                let mut out = Vec::new();
                view.write_submit(destination.address(), &mut out);
                prop_assert!(SmView::submit(&out).is_ok());
            }
        }
    }

    #[test]
    fn a_cut_or_flipped_one_never_panics(at in 0usize..60, value in any::<u8>()) {
        let mut body = multi(2, &[sme(b"491701"), list(b"friends")], TAIL);
        let _ = MultiView::read(&body[..at.min(body.len())]);
        let at = at % body.len();
        body[at] = value;
        if let Ok(view) = MultiView::read(&body) {
            prop_assert!(view.destinations().count() == usize::from(body[HEAD.len()]));
        }
    }
}
