//! How a carrier's receipts are told from MO, and read.

use crate::config::reader::Fields;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReceiptHabits {}

pub(super) fn read(_fields: &mut Fields<'_>, base: &ReceiptHabits) -> ReceiptHabits {
    base.clone()
}
