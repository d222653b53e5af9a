//! A hint for the operator whose carrier spells ids otherwise in receipts than in answers.

use super::carrier::Carrier;
use super::context::Context;
use super::correlation::Found;
use super::event::Notice;
use crate::smpp::message_id::{CarrierIdFormat, NormalizedId, normalize};
use crate::smpp::receipt::Receipt;

impl Carrier {
    /// A receipt that would match in another spelling means the carrier's `message_id` setting is likely wrong.
    pub(super) fn hint_format(&mut self, receipt: &Receipt<'_>, cx: &mut Context<'_>) {
        let formats = cx.config.carrier(self.id).message_id;
        if self.has_hinted || formats.response != CarrierIdFormat::AsIs || self.correlations.is_empty() {
            return;
        }
        let known = |text: String| {
            let id = NormalizedId::Verbatim(text.as_bytes());
            self.correlations.find(self.correlations.fingerprint(id), 0) != Found::None
        };
        let other_spelling = receipt.ids.iter().flatten().any(|id| {
            let as_decimal = match normalize(id, CarrierIdFormat::Decimal) {
                NormalizedId::Number(n) => {
                    [format!("{n}"), format!("{n:x}"), format!("{n:X}"), format!("{n:08x}"), format!("{n:08X}")]
                        .into_iter()
                        .any(known)
                }
                NormalizedId::Verbatim(_) => false,
            };
            let as_hex = match normalize(id, CarrierIdFormat::Hex) {
                NormalizedId::Number(n) => {
                    [format!("{n}"), format!("{n:010}"), format!("{n:x}"), format!("{n:X}")].into_iter().any(known)
                }
                NormalizedId::Verbatim(_) => false,
            };
            as_decimal || as_hex
        });
        if other_spelling {
            self.has_hinted = true;
            cx.out.notice(Notice::IdFormatHint { carrier: self.id });
        }
    }
}
