//! Records round trip, stay small, and refuse what they are not.

use proptest::prelude::*;

use super::cdr::CDR;
use super::unrouted::{UNROUTED, UNROUTED_GONE};
use super::*;
use crate::engine::event::HoldingKind;
use crate::smpp::message_id::MessageId;

/// The last type there is.
const LAST: u8 = 27;

fn encoded(record: &StoreRecord<'_>) -> Vec<u8> {
    let mut octets = Vec::new();
    record.encode(&mut octets);
    octets
}

fn correlation(carrier_id: &[u8]) -> StoreRecord<'_> {
    StoreRecord::Entry(Entry::Correlation {
        carrier: NameIndex(3),
        account: NameIndex(300),
        id: MessageId::new(u64::MAX),
        destination: u32::MAX,
        born: 1_800_000_000,
        is_muted: false,
        carrier_id,
        addresses: b"",
        shown: None,
    })
}

#[test]
fn a_correlation_with_a_ten_octet_id_takes_32_octets() {
    assert_eq!(encoded(&correlation(b"0123456789")).len(), 32);
}

#[test]
fn an_unknown_type_and_an_id_of_64_bits_are_refused() {
    for kind in [0, LAST + 1, 0xFF] {
        assert_eq!(StoreRecord::decode(&mut &[kind; 40][..]), Err(RecordError::UnknownType(kind)));
    }
    let gone = Entry::CorrelationGone { carrier: NameIndex(0), id: MessageId::new(1) };
    let mut octets = encoded(&StoreRecord::Entry(gone));
    *octets.last_mut().unwrap() = 0x80;
    assert_eq!(StoreRecord::decode(&mut octets.as_slice()), Err(RecordError::BadValue));
}

#[test]
fn a_number_of_more_than_64_bits_is_refused() {
    for last in [2, 0x7F, 0x80] {
        let mut octets = vec![EARLY_GONE, 0];
        octets.extend([0xFF; 9]);
        octets.extend([last, 0]);
        assert_eq!(StoreRecord::decode(&mut octets.as_slice()), Err(RecordError::BadValue));
    }
}

#[test]
fn the_last_type_is_the_last() {
    assert_eq!((holding::kind_of(LAST - 1), holding::kind_of(LAST)), (Some(HoldingKind::MoPart), None));
}

/// Any record, with its octets borrowed from `text`.
fn any_record(kind: u8, name: u32, numbers: [u64; 3], text: &str) -> StoreRecord<'_> {
    let [key, born, other] = numbers;
    let (id, index) = (MessageId::new(other), NameIndex(name));
    let holding =
        |kind| StoreRecord::Entry(Entry::Holding { account: index, id, key, kind, born, body: text.as_bytes() });
    match kind {
        BEGIN => StoreRecord::Begin(Begin {
            format: name,
            journal: name as u16,
            sequence: key,
            id: other,
            previous: born.is_multiple_of(2).then_some(PreviousEnd { id: other, batches: born, end: key }),
        }),
        ACCOUNT_NAME => StoreRecord::Name { index, kind: NameKind::Account, name: text },
        CARRIER_NAME => StoreRecord::Name { index, kind: NameKind::Carrier, name: text },
        CORRELATION | MUTED_CORRELATION | READDRESSED_CORRELATION | SHARED_CORRELATION => {
            StoreRecord::Entry(Entry::Correlation {
                carrier: index,
                account: NameIndex(!name),
                id,
                destination: key as u32,
                born,
                is_muted: kind == MUTED_CORRELATION,
                carrier_id: text.as_bytes(),
                addresses: match kind {
                    READDRESSED_CORRELATION | SHARED_CORRELATION => b"\x01\x01447\0\x01\x0149170\0",
                    _ => b"",
                },
                shown: (kind == SHARED_CORRELATION).then_some(MessageId::new(!other)),
            })
        }
        CORRELATION_GONE => StoreRecord::Entry(Entry::CorrelationGone { carrier: index, id }),
        EARLY => StoreRecord::Entry(Entry::Early { carrier: index, key, born, before: other, body: text.as_bytes() }),
        EARLY_GONE => StoreRecord::Entry(Entry::EarlyGone { carrier: index, key }),
        UNROUTED => StoreRecord::Entry(Entry::Unrouted { carrier: index, key, born, body: text.as_bytes() }),
        UNROUTED_GONE => StoreRecord::Entry(Entry::UnroutedGone { carrier: index, key }),
        STANDS_FOR => StoreRecord::StandsFor(StandsFor { id: other, batches: key }),
        HOLDING_GONE => StoreRecord::Entry(Entry::HoldingGone { account: index, key }),
        CDR => StoreRecord::Entry(Entry::Cdr { sequence: key, written: born, body: text.as_bytes() }),
        kind => holding(holding::kind_of(kind).unwrap()),
    }
}

proptest! {
    #[test]
    fn every_record_is_read_back_and_none_is_read_from_its_beginning(
        kind in BEGIN..=LAST, name: u32, numbers: [u64; 3], text in ".{0,40}", behind: u8,
    ) {
        let record = any_record(kind, name, numbers, &text);
        let mut octets = encoded(&record);
        for end in 0..octets.len() {
            prop_assert_eq!(StoreRecord::decode(&mut &octets[..end]), Err(RecordError::Truncated));
        }
        octets.push(behind);
        let mut left = octets.as_slice();
        prop_assert_eq!(StoreRecord::decode(&mut left), Ok(record));
        prop_assert_eq!(left, [behind]);
    }

    #[test]
    fn any_octets_decode_or_are_refused(mut octets in prop::collection::vec(any::<u8>(), 0..80), kind in 0..=LAST + 1) {
        if let Some(first) = octets.first_mut() {
            *first = kind;
        }
        let mut left = octets.as_slice();
        if let Ok(record) = StoreRecord::decode(&mut left) {
            let again = encoded(&record);
            prop_assert_eq!(StoreRecord::decode(&mut again.as_slice()), Ok(record));
        }
        prop_assert!(left.len() <= octets.len());
    }
}
