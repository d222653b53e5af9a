//! What a customer is given of a carrier's receipt: its octets with our id in it, or, with `receipt_text: standard`, one written
//! anew from what it says.

use super::carrier::Carrier;
use super::correlation::Correlation;
use crate::config::{Config, ReceiptText};
use crate::smpp::message_id::MessageId;
use crate::smpp::receipt::{self, Receipt, Times};
use crate::smpp::view::SmView;

impl Carrier {
    /// Appends the receipt of this submit, under the id its customer knows.
    pub(super) fn write_receipt(
        &self,
        (entry, shown): (&Correlation, MessageId),
        (body, view, receipt): (&[u8], &SmView<'_>, &Receipt<'_>),
        config: &Config,
        unix_seconds: u32,
        out: &mut Vec<u8>,
    ) {
        let account = config.account(entry.account);
        let our_id = shown.text(account.message_id);
        let at = out.len();
        let in_utc = receipt::with_dates_in_utc(body, view, &config.carrier(self.id).profile.receipts);
        let body = in_utc.as_deref().unwrap_or(body);
        match account.receipt_text {
            ReceiptText::AsIs => receipt::rewrite(body, view, receipt, our_id.as_bytes(), out),
            ReceiptText::Standard => {
                let times = Times { accepted: entry.born, now: unix_seconds };
                // Its dates may be others by now.
                let view = SmView::deliver(body).unwrap_or(*view);
                receipt::rebuild(&view, receipt, our_id.as_bytes(), times, out);
            }
        }
        self.readdressed.give_back(entry.id, out, at);
    }
}
