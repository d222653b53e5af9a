//! Profiles that are there without being written.

use std::sync::Arc;

use super::{CarrierIdFormats, Profile, Profiles, ReceiptHabits};
use crate::smpp::message_id::CarrierIdFormat;
use crate::smpp::receipt::KnownBy;

/// What a carrier has that names none.
pub(super) const DEFAULT: &str = "default";

pub(super) fn all<'a>() -> Profiles<'a> {
    let hex_then_decimal = CarrierIdFormats { response: CarrierIdFormat::Hex, receipt: CarrierIdFormat::Decimal };
    let decimal_then_hex = CarrierIdFormats { response: CarrierIdFormat::Decimal, receipt: CarrierIdFormat::Hex };
    let by_content = ReceiptHabits { by: KnownBy::Content, ..ReceiptHabits::DEFAULT };
    let presets = [
        (DEFAULT, Profile::default()),
        // The commonest of all habits: an id is a number, and each side writes it in its own way.
        ("hex_then_decimal", Profile { message_id: hex_then_decimal, ..Profile::default() }),
        ("decimal_then_hex", Profile { message_id: decimal_then_hex, ..Profile::default() }),
        // Receipts without the flag.
        ("unflagged_receipts", Profile { receipts: by_content, ..Profile::default() }),
    ];
    let named = |(name, profile): (&'a str, Profile)| (name, Arc::new(Profile { name: name.to_owned(), ..profile }));
    presets.into_iter().map(named).collect()
}
