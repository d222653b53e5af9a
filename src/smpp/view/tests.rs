//! What is read of a body, strictly and tolerantly.

use super::*;

fn body(source: &[u8], destination: &[u8], text: &[u8], optional: &[u8]) -> Vec<u8> {
    let mut out = b"\0\x05\0".to_vec();
    out.extend_from_slice(source);
    out.extend_from_slice(b"\0\x01\x01");
    out.extend_from_slice(destination);
    out.extend_from_slice(b"\0\0\0\0\0\0\x01\0\x03\0");
    out.push(text.len() as u8);
    out.extend_from_slice(text);
    out.extend_from_slice(optional);
    out
}

#[test]
fn fields_are_borrowed_as_they_stand() {
    let octets = body(b"CAF\xC9", b"447700900001", b"hi", &[0x14, 0x00, 0, 2, 9, 9]);
    let view = SmView::submit(&octets).unwrap();
    assert_eq!(view.source, Address { ton: 5, npi: 0, digits: b"CAF\xC9" });
    assert_eq!(view.destination.digits, b"447700900001");
    assert_eq!((view.short_message, view.data_coding), (&b"hi"[..], 3));
    assert!(view.wants_receipt());
    assert_eq!(view.tlv(0x1400), Some(&[9, 9][..]));
    assert_eq!(&octets[view.short_message_at..][..2], b"hi");
}

#[test]
fn each_malformed_field_has_its_own_status() {
    let long = [b'1'; 21];
    let cases = [
        (body(&long, b"44", b"", &[]), CommandStatus::RINVSRCADR),
        (body(b"A", &long, b"", &[]), CommandStatus::RINVDSTADR),
        (body(b"A", b"44", b"", &[0x04, 0x24, 0, 9, 1]), CommandStatus::RINVOPTPARSTREAM),
        (body(b"A", b"44", b"x", &[0x04, 0x24, 0, 1, 1]), CommandStatus::ROPTPARNOTALLWD),
        (body(b"A", b"44", b"", &[0x02, 0x0C, 0, 1, 1]), CommandStatus::RINVPARLEN),
        (b"toolong\0".to_vec(), CommandStatus::RINVSERTYP),
        (b"\0\x01\x01nonul".to_vec(), CommandStatus::RINVSRCADR),
        (b"\0\x01\x01a\0\x01\x01nonul".to_vec(), CommandStatus::RINVDSTADR),
    ];
    for (octets, status) in cases {
        assert_eq!(SmView::submit(&octets).map(|_| ()), Err(status), "{octets:?}");
    }
    let mut short = body(b"A", b"44", b"hello", &[]);
    short.truncate(short.len() - 1);
    assert_eq!(SmView::submit(&short).map(|_| ()), Err(CommandStatus::RINVMSGLEN));
}

#[test]
fn stray_octets_and_padding_behind_the_text_are_tolerated() {
    for stray in [&[0][..], &[1, 2, 3], &[0, 0, 0, 0, 0, 0]] {
        assert!(SmView::submit(&body(b"A", b"44", b"x", stray)).is_ok());
    }
}

#[test]
fn a_carriers_over_long_fields_are_taken_as_they_are() {
    let octets = body(&[b'9'; 40], &[b'8'; 40], b"text", &[0xFF, 0xFF, 0xFF, 0xFF]);
    let view = SmView::deliver(&octets).unwrap();
    assert_eq!((view.source.digits.len(), view.short_message), (40, &b"text"[..]));
    assert_eq!(view.tlvs().count(), 0);
}

#[test]
fn a_congestion_state_is_one_octet_of_a_hundred() {
    assert_eq!(congestion_state(&[0x04, 0x28, 0, 1, 95]), Some(95));
    assert_eq!(congestion_state(&[0x14, 0, 0, 1, 1, 0x04, 0x28, 0, 1, 0]), Some(0));
    for wrong in [&[][..], &[0x04, 0x28, 0, 1], &[0x04, 0x28, 0, 1, 101], &[0x04, 0x28, 0, 2, 0, 90]] {
        assert_eq!(congestion_state(wrong), None, "{wrong:?}");
    }
}

#[test]
fn no_cut_and_no_flipped_octet_panics() {
    let whole = body(b"ACME", b"447700900001", b"hello", &[0x04, 0x27, 0, 1, 2]);
    for cut in 0..=whole.len() {
        let _ = SmView::submit(&whole[..cut]);
        let _ = SmView::deliver(&whole[..cut]);
    }
    for at in 0..whole.len() {
        for value in [0x00, 0x7F, 0x80, 0xFF] {
            let mut octets = whole.clone();
            octets[at] = value;
            if let Ok(view) = SmView::submit(&octets) {
                let _ = (view.tlvs().count(), view.text());
            }
        }
    }
}

#[test]
fn the_first_nul_is_found_wherever_it_stands() {
    for len in 0..40 {
        let mut octets = vec![0x80; len];
        assert_eq!(find_nul(&octets), None);
        for at in (0..len).rev() {
            octets[at] = 0;
            assert_eq!(find_nul(&octets), Some(at));
        }
    }
}
