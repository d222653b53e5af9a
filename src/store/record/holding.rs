//! The kinds of what accounts hold, and their record types.

use crate::engine::event::HoldingKind;
use crate::engine::message::DeliveryKind;

const KINDS: [HoldingKind; 12] = [
    HoldingKind::Delivery(DeliveryKind::FinalReceipt),
    HoldingKind::Delivery(DeliveryKind::IntermediateReceipt),
    HoldingKind::Delivery(DeliveryKind::Mo),
    HoldingKind::Stored,
    HoldingKind::Sent,
    HoldingKind::Usage,
    HoldingKind::State,
    HoldingKind::Parts,
    HoldingKind::Message,
    HoldingKind::Keyed,
    HoldingKind::Event,
    HoldingKind::MoPart,
];

pub(super) fn record_type(kind: HoldingKind) -> u8 {
    match kind {
        HoldingKind::Delivery(DeliveryKind::FinalReceipt) => 9,
        HoldingKind::Delivery(DeliveryKind::IntermediateReceipt) => 10,
        HoldingKind::Delivery(DeliveryKind::Mo) => 11,
        HoldingKind::Stored => 17,
        HoldingKind::Sent => 18,
        HoldingKind::Usage => 19,
        HoldingKind::State => 20,
        HoldingKind::Parts => 21,
        // 22 is a correlation.
        HoldingKind::Message => 23,
        HoldingKind::Keyed => 24,
        HoldingKind::Event => 25,
        HoldingKind::MoPart => 26,
    }
}

pub(super) fn kind_of(record_type: u8) -> Option<HoldingKind> {
    KINDS.into_iter().find(|kind| self::record_type(*kind) == record_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_type() {
        for kind in KINDS {
            assert_eq!(kind_of(record_type(kind)), Some(kind));
        }
    }
}
