//! An edited submit has the fields it was given and all others as they came; a receipt gets its addresses back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trunkline::smpp::edit::{self, Edits, FittedAddress, OwnTlv, TlvEdits};
use trunkline::smpp::view::SmView;

fuzz_target!(|input: (&[u8], &[u8], u8, u16)| {
    let (body, other, number, tag) = input;
    let Ok(view) = SmView::submit(body) else { return };
    let mut same = Vec::new();
    edit::write(body, &view, &Edits::default(), &mut same);
    assert_eq!(same, body, "without edits nothing changes");

    let digits: Vec<u8> = other.iter().copied().filter(|octet| *octet != 0).take(20).collect();
    let address = FittedAddress::new(number, tag as u8, [&digits, b""]).expect("it fits");
    let tlvs = TlvEdits {
        drop: vec![tag..=tag.saturating_add(number.into())],
        add: vec![OwnTlv { tag: 0x1400, value: other.to_vec() }],
        ..TlvEdits::default()
    };
    let edits = Edits { source: Some(address), data_coding: Some(number), tlvs: Some(&tlvs), ..Edits::default() };
    if other.len() > 60_000 {
        return;
    }
    let mut edited = Vec::new();
    edit::write(body, &view, &edits, &mut edited);
    let again = SmView::submit(&edited).expect("an edited submit can be read");
    assert_eq!((again.source, again.data_coding), (address.address(), number));
    assert_eq!((again.destination, again.short_message), (view.destination, view.short_message));
    assert_eq!((again.schedule, again.validity, again.esm_class), (view.schedule, view.validity, view.esm_class));

    // Its receipt comes from anywhere, and is turned around.
    let addresses = edit::addresses(body, &view);
    assert_eq!(edit::destination(addresses), Some(view.destination.digits));
    let mut receipt = other.to_vec();
    edit::give_back(addresses, &mut receipt, 0);
    if let Ok(told) = SmView::deliver(other) {
        let back = SmView::deliver(&receipt).expect("it can be read still");
        assert_eq!((back.source, back.destination), (view.destination, view.source));
        assert_eq!((back.short_message, back.optional), (told.short_message, told.optional));
    }
});
