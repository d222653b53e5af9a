//! Delivery receipts.

use trunkline::smpp::view::{SmView, tag};

use crate::peer::Pdu;

/// The id in a receipt's text.
pub fn id_of_receipt(delivery: &Pdu) -> String {
    let view = SmView::deliver(&delivery.body).unwrap();
    let text = String::from_utf8_lossy(view.text()).into_owned();
    let id = text.strip_prefix("id:").unwrap_or_else(|| panic!("no receipt: {text}"));
    id.split(' ').next().unwrap().to_owned()
}
