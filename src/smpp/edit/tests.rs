//! What is edited is as asked, and nothing else changes.

use proptest::prelude::*;

use super::*;

/// A sound submit, field by field.
#[derive(Clone, Debug)]
struct Submit {
    service_type: Vec<u8>,
    source: (u8, u8, Vec<u8>),
    destination: (u8, u8, Vec<u8>),
    /// esm_class to priority, then registered_delivery and replace_if_present.
    flags: [u8; 5],
    schedule: Vec<u8>,
    validity: Vec<u8>,
    data_coding: u8,
    text: Vec<u8>,
    tlvs: Vec<(u16, Vec<u8>)>,
    stray: Vec<u8>,
}

impl Submit {
    fn octets(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write_c_string(&self.service_type, &mut out);
        for (ton, npi, digits) in [&self.source, &self.destination] {
            write_address(Address { ton: *ton, npi: *npi, digits }, &mut out);
        }
        out.extend_from_slice(&self.flags[..3]);
        write_c_string(&self.schedule, &mut out);
        write_c_string(&self.validity, &mut out);
        out.extend_from_slice(&self.flags[3..]);
        out.extend_from_slice(&[self.data_coding, 7, self.text.len() as u8]);
        out.extend_from_slice(&self.text);
        for (tag, value) in &self.tlvs {
            write_tlv(*tag, value, &mut out);
        }
        out.extend_from_slice(&self.stray);
        out
    }
}

fn octets(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(1u8.., 0..=most)
}

fn address() -> impl Strategy<Value = (u8, u8, Vec<u8>)> {
    (any::<u8>(), any::<u8>(), octets(ADDRESS_MAX))
}

fn tlvs() -> impl Strategy<Value = Vec<(u16, Vec<u8>)>> {
    // Few tags, so that they meet.
    prop::collection::vec((0x1400u16..0x1408, prop::collection::vec(any::<u8>(), 0..9)), 0..6)
}

fn submit() -> impl Strategy<Value = Submit> {
    let stray = prop_oneof![Just(vec![]), Just(vec![1, 2, 3]), Just(vec![0; 7])];
    let addresses = (address(), address());
    let times = (octets(16), octets(16));
    let text = prop::collection::vec(any::<u8>(), 0..=254);
    (octets(5), addresses, any::<[u8; 5]>(), times, any::<u8>(), text, tlvs(), stray).prop_map(
        |(service_type, (source, destination), flags, (schedule, validity), data_coding, text, tlvs, stray)| Submit {
            service_type,
            source,
            destination,
            flags,
            schedule,
            validity,
            data_coding,
            text,
            tlvs,
            stray,
        },
    )
}

fn fitted((ton, npi, digits): &(u8, u8, Vec<u8>)) -> FittedAddress {
    FittedAddress::new(*ton, *npi, [digits, b""]).unwrap()
}

fn own(tlvs: Vec<(u16, Vec<u8>)>) -> Vec<OwnTlv> {
    let mut own: Vec<OwnTlv> = Vec::new();
    for (tag, value) in tlvs {
        if own.iter().all(|known| known.tag != tag) {
            own.push(OwnTlv { tag, value });
        }
    }
    own
}

proptest! {
    #[test]
    fn what_is_not_edited_stays_octet_by_octet(submit in submit()) {
        let body = submit.octets();
        let view = SmView::submit(&body).unwrap();
        for tlvs in [None, Some(&TlvEdits::default())] {
            let mut out = b"before".to_vec();
            write(&body, &view, &Edits { tlvs, ..Edits::default() }, &mut out);
            prop_assert_eq!(&out[6..], &body[..]);
        }
    }

    #[test]
    fn an_edited_submit_is_the_one_that_had_these_fields_from_the_start(
        submit in submit(),
        service_type in prop::option::of(octets(5)),
        source in prop::option::of(address()),
        destination in prop::option::of(address()),
        validity in prop::option::of(octets(16)),
        data_coding in prop::option::of(any::<u8>()),
        text in prop::option::of(prop::collection::vec(any::<u8>(), 0..=254)),
        (drop_from, drop_count) in (0x1400u16..0x1408, 0u16..3),
        (set, add) in (tlvs(), tlvs()),
        require in prop::collection::vec(0x1400u16..0x1408, 0..3),
    ) {
        let (set, add) = (own(set), own(add));
        let drop: Vec<_> = (drop_count > 0).then_some(drop_from..=drop_from + drop_count - 1).into_iter().collect();
        let tlvs = TlvEdits { require, drop, set, add };
        let mut expected = submit.clone();
        if let Some(service_type) = &service_type {
            expected.service_type.clone_from(service_type);
        }
        if let Some(source) = &source {
            expected.source.clone_from(source);
        }
        if let Some(destination) = &destination {
            expected.destination.clone_from(destination);
        }
        if let Some(validity) = &validity {
            expected.validity.clone_from(validity);
        }
        expected.data_coding = data_coding.unwrap_or(submit.data_coding);
        if let Some(text) = text.as_ref().filter(|_| !submit.text.is_empty()) {
            expected.text.clone_from(text);
        }
        let is_set = |tag: u16| tlvs.set.iter().any(|own| own.tag == tag);
        expected.tlvs.retain(|(tag, _)| !is_set(*tag) && !tlvs.drop.iter().any(|tags| tags.contains(tag)));
        let kept: Vec<u16> = expected.tlvs.iter().map(|(tag, _)| *tag).collect();
        let pair = |own: &OwnTlv| (own.tag, own.value.clone());
        expected.tlvs.extend(tlvs.set.iter().map(pair));
        expected.tlvs.extend(tlvs.add.iter().filter(|own| !kept.contains(&own.tag)).map(pair));
        // `set` and `add` of one tag: both are there, which the configuration does not allow.
        let body = submit.octets();
        let view = SmView::submit(&body).unwrap();
        let edits = Edits {
            service_type: service_type.as_deref(),
            source: source.as_ref().map(fitted),
            destination: destination.as_ref().map(fitted),
            validity: validity.as_deref(),
            data_coding,
            text,
            tlvs: Some(&tlvs),
        };
        let mut out = Vec::new();
        write(&body, &view, &edits, &mut out);
        prop_assert_eq!(&out, &expected.octets());
        let written = SmView::submit(&out).unwrap();
        let missing = tlvs.require.iter().copied().find(|tag| written.tlv(*tag).is_none());
        prop_assert_eq!(tlvs.missing(&view), missing);
    }

    #[test]
    fn a_receipt_is_given_the_addresses_of_its_submit_and_nothing_else(submit in submit(), receipt in submit()) {
        let (sent, came) = (submit.octets(), receipt.octets());
        let view = SmView::submit(&sent).unwrap();
        let mut out = [b"before", &came[..]].concat();
        give_back(addresses(&sent, &view), &mut out, 6);
        prop_assert_eq!(destination(addresses(&sent, &view)), Some(view.destination.digits));
        let expected = Submit { source: submit.destination, destination: submit.source, ..receipt };
        prop_assert_eq!(&out[6..], &expected.octets()[..]);
        prop_assert_eq!(&out[..6], b"before");
    }

    #[test]
    fn any_octets_can_be_given_addresses(
        mut out in prop::collection::vec(any::<u8>(), 0..60), addresses in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        give_back(&addresses, &mut out, 0);
        let _ = destination(&addresses);
    }
}

#[test]
fn an_address_that_does_not_fit_is_none() {
    let (twenty, one) = ([b'1'; 20], [b'2'; 1]);
    assert_eq!(FittedAddress::new(1, 1, [&twenty, b""]).unwrap().digits(), twenty);
    assert_eq!(FittedAddress::new(1, 1, [&one, &twenty[1..]]).unwrap().digits().len(), 20);
    assert_eq!(FittedAddress::new(1, 1, [&twenty, &one]), None);
}
