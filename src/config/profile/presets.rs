//! Profiles that are there without being written.

use std::sync::Arc;

use super::submits::{AddressKind, AddressRules, NumberFormat, Rewriting, SourceRules, SubmitHabits};
use super::{CarrierIdFormats, Profile, Profiles, ReceiptHabits};
use crate::smpp::edit::TlvEdits;
use crate::smpp::message_id::CarrierIdFormat;
use crate::smpp::receipt::KnownBy;

/// What a carrier has that names none.
pub(super) const DEFAULT: &str = "default";

pub(super) fn all<'a>() -> Profiles<'a> {
    let hex_then_decimal = CarrierIdFormats { response: CarrierIdFormat::Hex, receipt: CarrierIdFormat::Decimal };
    let decimal_then_hex = CarrierIdFormats { response: CarrierIdFormat::Decimal, receipt: CarrierIdFormat::Hex };
    let by_content = ReceiptHabits { by: KnownBy::Content, ..ReceiptHabits::DEFAULT };
    let rewriting = |habits| Profile { submits: SubmitHabits::of(habits), ..Profile::default() };
    let presets = [
        (DEFAULT, Profile::default()),
        // The commonest of all habits: an id is a number, and each side writes it in its own way.
        ("hex_then_decimal", Profile { message_id: hex_then_decimal, ..Profile::default() }),
        ("decimal_then_hex", Profile { message_id: decimal_then_hex, ..Profile::default() }),
        // Receipts without the flag.
        ("unflagged_receipts", Profile { receipts: by_content, ..Profile::default() }),
        ("india_dlt", rewriting(india_dlt())),
        ("international_plus", rewriting(international_plus())),
    ];
    let named = |(name, profile): (&'a str, Profile)| (name, Arc::new(Profile { name: name.to_owned(), ..profile }));
    presets.into_iter().map(named).collect()
}

/// India's registry of senders and texts: carriers there drop what comes without both ids, and charge for it.
fn india_dlt() -> Rewriting {
    let tlvs = TlvEdits { require: vec![0x1400, 0x1401], ..TlvEdits::default() };
    Rewriting { tlvs, ..Rewriting::default() }
}

/// Numbers with a `+`, international by TON and NPI; names marked as names.
fn international_plus() -> Rewriting {
    let kind = |ton, npi| AddressKind { ton: Some(ton), npi: Some(npi) };
    let rules = || AddressRules {
        format: NumberFormat::Plus,
        number: kind(1, 1),
        alphanumeric: kind(5, 0),
        ..AddressRules::default()
    };
    let source = SourceRules { address: rules(), ..SourceRules::default() };
    Rewriting { source, destination: rules(), ..Rewriting::default() }
}
